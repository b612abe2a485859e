package fakeorg_test

import (
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

func graph(id string, nodes ...string) string {
	return fmt.Sprintf(`{"graphId":%q,"compositeRequest":[%s]}`, id, strings.Join(nodes, ","))
}

func (s *server) graphs(graphs ...string) reply {
	return s.do("POST", "/composite/graph", `{"graphs":[`+strings.Join(graphs, ",")+`]}`)
}

func TestGraph(t *testing.T) {
	s := start(t, fakeorg.Options{})
	kept := s.create("Account", `{"Name":"Kept"}`)
	r := s.graphs(
		graph("1", sub("POST", "/sobjects/Account/", "a", `{"name":"Cloudy Consulting"}`), sub("POST", "/sobjects/Contact/", "b", `{"LastName":"Cashman","AccountId":"@{a.id}"}`),
			sub("GET", "/sobjects/Contact/@{b.id}?fields=Account.Name", "c", "")),
		graph("2", sub("POST", "/sobjects/Account", "a", `{"name":"Gone"}`), sub("PATCH", "/sobjects/Account/"+kept, "b", `{"Name":"Changed"}`),
			sub("POST", "/sobjects/Contact", "c", `{"AccountId":"@{a.id}"}`), sub("DELETE", "/sobjects/Account/"+kept, "d", "")),
		graph("3", sub("PATCH", "/sobjects/Account/ExternalId__c/new", "a", `{"Name":"New"}`), sub("DELETE", "/sobjects/Account/@{a.id}", "b", "")))
	for _, want := range []string{
		`{"graphs":[{"graphId":"1","graphResponse":{"compositeResponse":[{"body":{"id":"001Sm`, `"Account":{"attributes":{"type":"Account","url":"`, `"Name":"Cloudy Consulting"`,
		`"referenceId":"c"}]},"isSuccessful":true},{"graphId":"2","graphResponse":{"compositeResponse":[` + fmt.Sprintf(undoneWithOthers, "a") + "," +
			fmt.Sprintf(undoneWithOthers, "b") + `,{"body":[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}],` +
			`"httpHeaders":{},"httpStatusCode":400,"referenceId":"c"},` + fmt.Sprintf(undoneWithOthers, "d") + `]},"isSuccessful":false},{"graphId":"3",`,
		`{"body":null,"httpHeaders":{},"httpStatusCode":204,"referenceId":"b"}]},"isSuccessful":true}]}`,
	} {
		r.wants(t, 200, want)
	}
	if name := s.get("Account", kept, "Name"); name != "Kept" {
		t.Errorf("the name is %v", name)
	}
	s.do("GET", "/query?q=SELECT+Name+FROM+Account+WHERE+Name+IN+('Cloudy+Consulting','Gone','New')", "").wants(t, 200, `{"totalSize":1,`)
	s.graphs(graph("empty")).want(t, 200, `{"graphs":[{"graphId":"empty","graphResponse":{"compositeResponse":[]},"isSuccessful":true}]}`)
	s.graphs().want(t, 200, `{"graphs":[]}`)
	for _, other := range []string{sub("GET", "/query?q=SELECT+Id+FROM+Account", "x", ""), sub("GET", "/sobjects/Account/describe", "x", ""), sub("GET", "/sobjects/Account", "x", ""),
		sub("POST", "/composite/sobjects", "x", "{}"), `{"method":"GET","url":"/services/data/v49.0/sobjects/Account/` + kept + `","referenceId":"x"}`} {
		s.graphs(graph("1", sub("POST", "/sobjects/Account", "a", `{"name":"x"}`), other)).wants(t, 200,
			fmt.Sprintf(undoneWithOthers, "a")+`,{"body":[{"errorCode":"PROCESSING_HALTED","message":"The resource `)
	}
	s.do("POST", "/services/data/v49.0/composite/graph", `{"graphs":[]}`).wants(t, 404, "NOT_FOUND")
}

func TestGraphRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	before := s.count()
	node := sub("POST", "/sobjects/Account", "a", `{"Name":"x"}`)
	for name, test := range map[string]struct{ bad, want string }{
		"no id":             {`{"compositeRequest":[]}`, `'graphId' is a required field.`},
		"no nodes":          {`{"graphId":"2"}`, `'compositeRequest' is a required field.`},
		"an id twice":       {graph("1", node), `Duplicate graphId: 1.`},
		"a long id":         {graph(strings.Repeat("x", 40), node), "graphId"},
		"an id with a sign": {graph("_x", node), "graphId"},
		"a period":          {graph("x.y", node), "graphId"},
		"a node twice":      {graph("2", node, node), `Duplicate referenceId: a.`},
		"a node without id": {graph("2", `{"method":"GET","url":"/x"}`), `'referenceId' is a required field.`},
	} {
		t.Run(name, func(t *testing.T) { s.graphs(graph("1", node), test.bad).wants(t, 400, test.want) })
	}
	s.do("POST", "/composite/graph", `{}`).wants(t, 400, `'graphs' is a required field.`)
	if after := s.count(); after != before {
		t.Errorf("records were created: %s", after)
	}
}

// TestGraphLimits meets each of the documented limits.
func TestGraphLimits(t *testing.T) {
	s := start(t, fakeorg.Options{})
	before := s.count()
	nodes := func(from, n int) (all []string) {
		for i := range n {
			all = append(all, sub("POST", "/sobjects/Account", fmt.Sprintf("n%d", from+i), `{"Name":"x"}`))
		}
		return all
	}
	chain := func(n int) (all []string) {
		for i := range n {
			all = append(all, sub("POST", "/sobjects/Account", fmt.Sprintf("n%d", i), fmt.Sprintf(`{"Name":"@{n%d.id}"}`, i-1)))
		}
		all[0] = sub("POST", "/sobjects/Account", "n0", `{"Name":"x"}`)
		return all
	}
	var many, kinds []string
	for i := range 76 {
		many = append(many, graph(fmt.Sprint(i)))
	}
	for i, name := range []string{"Account", "Contact", "Lead", "Opportunity", "Case", "Task", "Order", "Product2"} {
		id := fmt.Sprintf("%s/%d", name, i)
		kinds = append(kinds, sub("DELETE", "/sobjects/"+id, fmt.Sprintf("d%d", i), ""), sub("GET", "/sobjects/"+id, fmt.Sprintf("g%d", i), ""))
	}
	const whole = `{"graphs":[{"graphId":"_default","graphResponse":{"compositeResponse":[{"body":[{"message":"%s","errorCode":"LIMIT_EXCEEDED"}],` +
		`"httpHeaders":{},"httpStatusCode":400,"referenceId":null}]},"isSuccessful":false}]}`
	s.graphs(many...).want(t, 200, fmt.Sprintf(whole, "Limit of 75 reached for number of Graphs"))
	s.graphs(graph("1", nodes(0, 501)...)).want(t, 200, fmt.Sprintf(whole, "Limit of 500 reached for number of Nodes in the Graph"))
	s.graphs(graph("1", nodes(0, 250)...), graph("2", nodes(0, 251)...)).want(t, 200, fmt.Sprintf(whole, "Limit of 500 reached for number of Nodes in the Graph"))
	s.graphs(graph("1", chain(16)...)).wants(t, 200, `"message":"Limit of 15 reached for depth of the Graph","errorCode":"LIMIT_EXCEEDED"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"n15"}]},"isSuccessful":false}]}`)
	r := s.graphs(graph("1", nodes(0, 1)...), graph("2", kinds[:15]...))
	if n := strings.Count(r.body, "Limit of number of types of operations in a Graph call reached."); n != 16 {
		t.Errorf("16 kinds of nodes: %s", r.body)
	}
	if after := s.count(); after != before {
		t.Errorf("records were created: %s", after)
	}

	s.graphs(many[:75]...).wants(t, 200, `{"graphId":"74","graphResponse":{"compositeResponse":[]},"isSuccessful":true}`)
	s.graphs(graph("1", chain(15)...)).wants(t, 200, `"isSuccessful":true`)
	s.graphs(graph("2", kinds[:15]...)).wants(t, 200, "Provided external ID field does not exist")
	if r := s.graphs(graph("1", nodes(0, 500)...)); strings.Count(r.body, `"httpStatusCode":201`) != 500 {
		t.Errorf("500 nodes: %.500s", r.body)
	}
	var failing []string
	for i := range 16 {
		failing = append(failing, graph(fmt.Sprint(i), sub("POST", "/sobjects/Account", "a", `{}`)))
	}
	last := graph("last", nodes(0, 1)...)
	if r := s.graphs(append(failing[:14:14], last)...); !strings.Contains(r.body, `"isSuccessful":true`) {
		t.Errorf("after 14 failures: %s", r.body)
	}
	s.graphs(append(failing[:15:15], last)...).wants(t, 200, `{"graphId":"last","graphResponse":{"compositeResponse":[{"body":[{"errorCode":"PROCESSING_HALTED",`)
}

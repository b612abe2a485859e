package fakeorg

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lawOrg is an org whose tables can be looked at.
type lawOrg struct {
	*Org
	token string
}

func newLawOrg(t *testing.T) *lawOrg {
	t.Helper()
	at := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	o, err := New(Options{DailyCalls: 1 << 30, Clock: func() time.Time { at = at.Add(time.Second); return at }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return &lawOrg{o, o.MintToken(IntegrationUser)}
}

// post sends JSON and decodes the answer, which must have the status 200.
func (o *lawOrg) post(t *rapid.T, path string, body, answer any) {
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/services/data/v62.0"+path, strings.NewReader(string(text)))
	r.Header.Set("Authorization", "Bearer "+o.token)
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", text, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
}

// touched are the objects whose records the drawn requests write.
var touched = []string{"Account", "Contact", "Opportunity", "Order", "OrderItem", "ContentVersion", "ContentDocument", "ContentDocumentLink",
	"RecentlyViewed", "Return_Completed__e"}

// sums are, for each table, the number of rows and a checksum of what is in the columns that count, in the order of the
// ids: they were given in the same order even where they are not the same.
func (o *lawOrg) sums(t *rapid.T, counts func(*Field) bool) map[string]string {
	sums := map[string]string{}
	for _, name := range touched {
		columns := "1"
		for _, f := range o.schema.Object(name).Fields {
			if f.Stored() && counts(f) {
				columns += fmt.Sprintf(`, "%s"`, f.Name)
			}
		}
		rows, err := (&call{Request: new(http.Request), org: o.Org, db: o.db}).rows(fmt.Sprintf(`SELECT %s FROM %q ORDER BY Id`, columns, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		sums[name] = fmt.Sprintf("%d rows, %x", len(rows), sha256.Sum256(fmt.Append(nil, rows)))
	}
	return sums
}

func everyColumn(*Field) bool { return true }

// givenColumn leaves out what the org gives by itself, and differently after a request that failed: ids, numbers, times.
func givenColumn(f *Field) bool {
	return f.Type != "id" && f.Type != "reference" && f.Type != "datetime" && f.Auto == "" && f.Name != "EventUuid"
}

func sameSums(t *rapid.T, before, after map[string]string) {
	for table := range before {
		if before[table] != after[table] {
			t.Fatalf("%s: before %s, after %s", table, before[table], after[table])
		}
	}
}

// step is a subrequest as it is sent.
type step struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	ReferenceID string `json:"referenceId"`
	Body        any    `json:"body,omitempty"`
}

// part is an answer to a step.
type part struct {
	Body           json.RawMessage
	HTTPStatusCode int
	ReferenceID    string
}

// failed reports whether a step did something else than what it should have done, in any of its records.
func (p part) failed() bool {
	return p.HTTPStatusCode >= 300 || strings.Contains(string(p.Body), `"success":false`)
}

// row draws a subrequest about one record, of those that graphs may have. Some fail.
func row(t *rapid.T, name string, earlier int) step {
	one := func(kind string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, kind) }
	parent := "@{s0.id}"
	if earlier > 0 {
		parent = fmt.Sprintf("@{s%d.id}", rapid.IntRange(0, earlier).Draw(t, "parent")) // the last is itself
	}
	known := makeID("001", rapid.SampledFrom([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 1 << 40}).Draw(t, "known")) // the last is nobody's
	s := step{ReferenceID: fmt.Sprintf("s%d", earlier)}
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0, 1:
		s.Method, s.URL, s.Body = "POST", "/sobjects/Account", map[string]any{"Name": name}
	case 2:
		s.Method, s.URL, s.Body = "POST", "/sobjects/Contact", map[string]any{"LastName": name, "AccountId": one("account", parent, known, known), "Email": one("email", "a@b.example", "a@b.example", "none")}
	case 3:
		s.Method, s.URL, s.Body = "PATCH", "/sobjects/Account/"+one("account", parent, known, known), map[string]any{one("field", "Fax", "Fax", "Nothing"): name}
	case 4:
		s.Method, s.URL = "DELETE", "/sobjects/Account/"+one("account", parent, known, known)
	case 5:
		s.Method, s.URL, s.Body = "PATCH", "/sobjects/Account/ExternalId__c/"+one("key", "ERP-1003", "ERP-1004", "new"), map[string]any{"Name": name}
	case 6:
		s.Method, s.URL = "GET", "/sobjects/Account/"+one("account", parent, known)
	case 7:
		s.Method, s.URL, s.Body = "POST", "/sobjects/OrderItem", map[string]any{"Quantity": 2, "OrderId": makeID("801", int64(rapid.IntRange(1, 40).Draw(t, "order"))),
			"PricebookEntryId": makeID("01u", int64(rapid.IntRange(1, 13).Draw(t, "entry")))}
	}
	s.URL = "/services/data/v62.0" + s.URL
	return s
}

// anything draws a subrequest of any kind. Some fail.
func anything(t *rapid.T, name string, earlier int) step {
	s := step{ReferenceID: fmt.Sprintf("s%d", earlier)}
	switch rapid.IntRange(0, 9).Draw(t, "resource") {
	case 0:
		s.Method, s.URL = "POST", "/composite/sobjects"
		var records []any
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			record := map[string]any{"attributes": map[string]any{"type": "Contact"}}
			record[rapid.SampledFrom([]string{"LastName", "LastName", "LastName", "FirstName"}).Draw(t, "field")] = name
			records = append(records, record)
		}
		s.Body = map[string]any{"allOrNone": rapid.Bool().Draw(t, "allOrNone"), "records": records}
	case 1:
		s.Method, s.URL = "GET", "/query?q=SELECT Id FROM Account WHERE Name = '@{s0.id}' FOR VIEW"
	case 2:
		s.Method, s.URL, s.Body = "POST", "/sobjects/Return_Completed__e", map[string]any{"Case_Id__c": name}
	case 3:
		s.Method, s.URL, s.Body = "POST", "/sobjects/ContentVersion", map[string]any{"Title": name, "PathOnClient": "a.txt", "VersionData": "QUJD"}
	default:
		return row(t, name, earlier)
	}
	s.URL = "/services/data/v62.0" + s.URL
	return s
}

// TestLawAllOrNone: when one of the subrequests of a composite request fails, the database is as before. It has at most
// five of them, since of queries and collections no more are taken.
func TestLawAllOrNone(t *testing.T) {
	o := newLawOrg(t)
	outcomes := map[bool]int{}
	var before map[string]string
	rapid.Check(t, func(t *rapid.T) {
		var steps []step
		for i := range rapid.IntRange(1, 5).Draw(t, "steps") {
			steps = append(steps, anything(t, fmt.Sprintf("x%d", i), i))
		}
		if before == nil {
			before = o.sums(t, everyColumn)
		}
		var answer struct{ CompositeResponse []part }
		o.post(t, "/composite", map[string]any{"allOrNone": true, "compositeRequest": steps}, &answer)
		if len(answer.CompositeResponse) != len(steps) {
			t.Fatalf("%d answers", len(answer.CompositeResponse))
		}
		culprits, halted := 0, 0
		for i, p := range answer.CompositeResponse {
			if p.ReferenceID != steps[i].ReferenceID {
				t.Fatalf("answer %d is to %s", i, p.ReferenceID)
			}
			if strings.Contains(string(p.Body), "The transaction was rolled back") && p.HTTPStatusCode == 400 {
				halted++
			} else if p.failed() {
				culprits++
			}
		}
		failed := culprits > 0
		outcomes[failed]++
		if culprits > 1 || failed && halted != len(steps)-1 || !failed && halted > 0 {
			t.Fatalf("%d failed, %d of %d were rolled back: %+v", culprits, halted, len(steps), answer)
		}
		old := before
		before = o.sums(t, everyColumn)
		if failed {
			sameSums(t, old, before)
		}
	})
	if outcomes[true] < 10 || outcomes[false] < 10 {
		t.Errorf("drawn requests are too much alike: %v", outcomes)
	}
}

// TestLawGraphs: of the graphs of a request, those that fail leave nothing behind and the others everything: an org that
// is sent only the latter has the same records.
func TestLawGraphs(t *testing.T) {
	o, twin := newLawOrg(t), newLawOrg(t)
	type graph struct {
		GraphID          string `json:"graphId"`
		CompositeRequest []step `json:"compositeRequest"`
	}
	type answers struct {
		Graphs []struct {
			GraphID       string
			GraphResponse struct{ CompositeResponse []part }
			IsSuccessful  bool
		}
	}
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		all, successful := []graph{}, []graph{}
		for i := range rapid.IntRange(1, 4).Draw(t, "graphs") {
			g := graph{GraphID: fmt.Sprint(i)}
			for j := range rapid.IntRange(1, 4).Draw(t, "nodes") {
				g.CompositeRequest = append(g.CompositeRequest, row(t, fmt.Sprintf("g%d-%d", i, j), j))
			}
			all = append(all, g)
		}
		var answer, again answers
		o.post(t, "/composite/graph", map[string]any{"graphs": all}, &answer)
		for i, g := range answer.Graphs {
			failures := 0
			for _, p := range g.GraphResponse.CompositeResponse {
				if p.failed() {
					failures++
				}
			}
			if nodes := len(all[i].CompositeRequest); g.GraphID != all[i].GraphID || g.IsSuccessful != (failures == 0) || !g.IsSuccessful && failures != nodes {
				t.Fatalf("%d of %d nodes failed: %+v", failures, nodes, g)
			}
			if g.IsSuccessful {
				successful = append(successful, all[i])
			}
		}
		twin.post(t, "/composite/graph", map[string]any{"graphs": successful}, &again)
		sameSums(t, o.sums(t, givenColumn), twin.sums(t, givenColumn))
		outcomes[fmt.Sprintf("%t %t", len(successful) > 0, len(successful) < len(all))]++
	})
	if outcomes["true true"] < 10 || outcomes["false true"] < 10 || outcomes["true false"] < 10 {
		t.Errorf("drawn requests are too much alike: %v", outcomes)
	}
}

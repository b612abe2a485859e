package tools_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// refused makes a call that must be refused for its arguments, before anything
// is sent.
func refused(t *testing.T, instruction string, args map[string]any) {
	t.Helper()
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "200\n{}") })
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Surface: "mcp", Tool: instruction, Args: args})
	var e *tools.Error
	if !errors.As(err, &e) || e.Code != tools.InvalidArgument || sent != 0 {
		t.Errorf("%s %v: %v, %d sent", instruction, args, err, sent)
	}
}

// TestSubrequestsStayInTheAPI (attack 25): no spelling of a path leads out of the
// REST API, to an org's Apex services or another host.
func TestSubrequestsStayInTheAPI(t *testing.T) {
	for _, path := range []string{"../../apexrest/x", "%2e%2e/%2E./apexrest/x", "..%2f..%2Fapexrest/x", "sobjects/..;/..;a=b/apexrest/x", `..\..\apexrest\x`,
		"..%5C..%5capexrest", "%2e%2e%3b/x", "sobjects/%zz", "sobjects\r\nHost: evil.example", "sobjects/./x"} {
		request := map[string]any{"method": "GET", "url": "/services/data/v62.0/" + path, "referenceId": "a"}
		refused(t, "runComposite", map[string]any{"compositeRequest": []any{request}})
		refused(t, "runCompositeGraph", map[string]any{"graphs": []any{map[string]any{"graphId": "1", "compositeRequest": []any{request}}}})
		refused(t, "runCompositeBatch", map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": "v62.0/" + path}}})
	}
	for _, url := range []string{"https://evil.example/services/data/v62.0/x", "//evil.example/services/data/v62.0/x", "/services/apexrest/x", "/services/data/v62.0", "@evil.example/services/data/v62.0/x", "/services/async/62.0/job"} {
		refused(t, "runComposite", map[string]any{"compositeRequest": []any{map[string]any{"method": "GET", "url": url, "referenceId": "a"}}})
		refused(t, "runCompositeBatch", map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": url}}})
	}
}

// TestReadsOnlyRead: what is marked as a read takes nothing that marks records as
// viewed, counts views or locks rows; neither deep inside nor where we cannot
// parse it, but Salesforce might.
func TestReadsOnlyRead(t *testing.T) {
	for _, statement := range []string{
		"SELECT Id, (SELECT Id FROM Contacts FOR VIEW) FROM Account LIMIT 1",
		"SELECT Id, (SELECT Title FROM Articles__r UPDATE VIEWSTAT) FROM Account",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact FOR REFERENCE)",
		"SELECT Id FROM Account WHERE Rate__c = 1.5e3 for view",
		"SELECT Id FROM Account FOR\u00a0VIEW",
		"SELECT Id FROM Account FOR VIEW LIMIT 1",
		"SELECT Title FROM FAQ__kav WHERE Keyword = 'x' UPDATE TRACKING UPDATE VIEWSTAT",
		"FIND {a AND} UPDATE TRACKING",
	} {
		for _, instruction := range []string{"runQuery", "runQueryAll", "runSearch", "explainQuery", "runToolingQuery"} {
			refused(t, instruction, map[string]any{"q": statement})
		}
		refused(t, "createQueryJob", map[string]any{"operation": "query", "query": statement})
	}
	for _, name := range []string{"updateTracking", "updateViewStat", "UpdateViewStat"} {
		for _, value := range []any{true, "true"} {
			refused(t, "runParameterizedSearch", map[string]any{"body": map[string]any{"q": "x", name: value}})
		}
	}
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n{\"totalSize\":0,\"done\":true,\"records\":[]}")
	})
	for _, harmless := range []string{"SELECT Id FROM Task WHERE Subject = 'for view'", "SELECT Id, Update__c FROM Account", "SELECT Id FRM Account"} {
		if _, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "reader"}}, Surface: "mcp", Tool: "runQuery", Args: map[string]any{"q": harmless}}); err != nil {
			t.Errorf("%s: %v", harmless, err)
		}
	}
}

// TestPagesAreSpelledOut (attack 30): what deceives the eye, or a terminal, is
// spelled out in the pages of a large result as it is in results.
func TestPagesAreSpelledOut(t *testing.T) {
	hidden := "\x1b[2J\u202e\u200b\u009b\U000e0041"
	for name, tt := range map[string]struct{ arguments, answer string }{
		"text": {`{"action":"getLog","recordId":"07L5g00000AbCdEEAV"}`, "200 text/plain\n" + strings.Repeat(hidden+" log line\n", 30_000)},
		"JSON": {`{"action":"query","q":"SELECT Id FROM ApexLog"}`, "200\n" + `{"totalSize":1,"done":true,"records":[{"Name":"` + strings.Repeat(hidden[4:]+" ", 5_000) + `"}]}`},
	} {
		server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, tt.answer) })
		server.Results = new(keeper)
		got, _ := rpc(t, server, "admin", "tools/call", `{"name":"tooling","arguments":`+tt.arguments+`}`)
		if len(got.Content) != 2 {
			t.Fatalf("%s: no link in %.200s", name, got.Content[0].Text)
		}
		page, failure := rpc(t, server, "admin", "resources/read", `{"uri":"`+got.Content[1].URI+`"}`)
		if failure != "" || strings.ContainsAny(page.Contents[0].Text, hidden[:1]+hidden[4:]) || !strings.Contains(page.Contents[0].Text, `\u202e\u200b\u009b\udb40\udc41 `) {
			t.Errorf("%s: %s %.100q", name, failure, page.Contents[0].Text)
		}
	}
}

// TestWideReport: a matrix of many groups takes time for each cell once.
func TestWideReport(t *testing.T) {
	const down, across = 2000, 100
	groups := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"key":"%d","label":"g"}`, i)
		}
		return `{"groupings":[` + b.String()[1:] + `]}`
	}
	var facts strings.Builder
	for d := range down {
		for a := range across {
			fmt.Fprintf(&facts, `,"%d!%d":{"aggregates":[{"label":"1","value":1}]}`, d, a)
		}
	}
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n"+`{"groupingsDown":`+groups(down)+`,"groupingsAcross":`+groups(across)+`,"factMap":{`+facts.String()[1:]+`}}`)
	})
	began := time.Now()
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "reader"}}, Surface: "mcp", Tool: "runReport",
		Args: map[string]any{"reportId": "00O5g00000F1234EAB", "mode": "sync"}})
	if took := time.Since(began); err != nil || took > 15*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// TestChangedCase: Salesforce takes an ID of 18 characters in any case, in which its
// prefix may be that of another object.
func TestChangedCase(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch path := strings.ToLower(r.URL.Path); {
		case strings.HasSuffix(path, "/sobjects"):
			answer(w, `200
{"sobjects":[{"name":"Open__c","keyPrefix":"a0b"},{"name":"Secret__c","keyPrefix":"a0B"}]}`)
		case strings.HasSuffix(path, "/sobjects/open__c/describe"):
			answer(w, `200
{"name":"Open__c","keyPrefix":"a0b","fields":[{"name":"Id"}]}`)
		default:
			t.Errorf("%s %s was sent", r.Method, r.URL)
			answer(w, "200\n{}")
		}
	})
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{{Agent: "a", Preset: "all", SObjects: allowlist.Lists{Deny: []string{"Secret__c"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	server.Gate = gate
	const open, secret = "a0b5g0000000001AAA", "a0b5g0000000001EAA" // of Secret__c it would be a0B5g0000000001EAA
	for name, args := range map[string]map[string]any{
		"deleteRecord":         {"sObjectName": "Open__c", "recordId": secret},
		"getRecord":            {"sObjectName": "Open__c", "recordId": secret},
		"deleteRecords":        {"ids": open + "," + secret},
		"getRecordsCollection": {"sObjectName": "Open__c", "ids": secret, "fields": "Id"},
		"updateRecords":        {"records": []any{map[string]any{"attributes": map[string]any{"type": "Open__c"}, "id": secret}}},
		"runCompositeBatch":    {"batchRequests": []any{map[string]any{"method": "DELETE", "url": "v62.0/sobjects/Open__c/" + secret}}},
	} {
		_, e := do(t.Context(), server, allowlist.Caller{Workspace: "w", Agent: "a"}, name, args)
		if e == nil || e.Code != tools.NotAuthorized {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// A turning gate gets other rules while a call is under way.
type turning struct {
	*allowlist.Gate
	turn func()
}

func (g turning) Rule(c allowlist.Caller) (allowlist.Rule, bool) {
	defer g.turn()
	return g.Gate.Rule(c)
}

// TestOneRule: a call that no rule lets through is not let through because the rule
// changes between two steps, at none of them.
func TestOneRule(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s was sent", r.Method, r.URL)
		}
		answer(w, "200\n{}")
	})
	who := allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}
	args := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}
	workspace := func(r allowlist.Rule) *allowlist.Workspace {
		r.Agent = "a"
		return &allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{r}}
	}
	for _, before := range []allowlist.Rule{{Preset: "all", Confirm: []string{"remove"}}, {Preset: "all", SObjects: allowlist.Lists{Deny: []string{"Account"}}}} {
		for steps := 1; steps <= 3; steps++ {
			confirming(t, server, false, "remove")
			gate, err := allowlist.NewGate(workspace(before))
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			server.Gate = turning{gate, func() {
				if asked++; asked == steps {
					if err := gate.Replace(workspace(allowlist.Rule{Preset: "read"})); err != nil {
						t.Error(err)
					}
				}
			}}
			if _, e := do(t.Context(), server, who, "records", args); e == nil {
				t.Errorf("%v, changed at step %d: it was done", before, steps)
			}
		}
	}
}

// fallingGate panics where it should decide.
type fallingGate struct{ *allowlist.Gate }

func (fallingGate) Confirm(allowlist.Caller, allowlist.Operation, ...string) allowlist.Confirmation {
	panic("confirm")
}

// TestPanicLeavesAnEntry: a call that makes the server fall before it is made is in the
// audit trail.
func TestPanicLeavesAnEntry(t *testing.T) {
	server := newTestServer(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	store := confirming(t, server, false)
	server.Gate = fallingGate{server.Gate.(*allowlist.Gate)}
	_, e := do(t.Context(), server, allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}, "deleteRecord", map[string]any{"sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"})
	entries := store.all()
	if e == nil || e.Code != tools.Internal || len(entries) != 1 || entries[0].Code != string(tools.Internal) || entries[0].Instruction != "deleteRecord" || entries[0].Outcome != "refused" {
		t.Errorf("%v, %+v", e, entries)
	}
}

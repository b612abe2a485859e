package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

const returnedCase = "500000000000001AAA"

// put starts a run of workspace a, in any state, with one step.
func (a *auditWorld) put(r audit.Run, step audit.Step) audit.Run {
	a.t.Helper()
	r.Kind, r.Workspace = "test", "a" // which no worker takes
	e := audit.Entry{Run: r.ID, Workspace: "a", Agent: "desk", User: "ada", Tool: "returns", Action: "process", Effect: "act",
		Reasoning: "the customer sent it back", Confidence: new(0.5), Move: &audit.Move{To: r, Wake: -1, Step: &step}}
	intent, err := a.app.journal.Begin(a.t.Context(), e)
	if err == nil {
		err = intent.End(a.t.Context(), audit.Outcome{Status: audit.OK})
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// asks has a run ask for an approval.
func (a *auditWorld) asks(run string) string {
	a.t.Helper()
	id := "01a20e44-0000-7000-8000-" + fmt.Sprintf("%012x", len(run))
	now := time.Now().UTC().Truncate(time.Millisecond)
	sealed, err := a.app.server.Sealer.Seal(a.t.Context(), "a", "approval "+id, []byte(`{"amount":"129.00"}`))
	if err == nil {
		_, err = a.app.store.AskApproval(a.t.Context(), tools.Approval{ID: id, Tool: "returns", Action: "process", Effect: "act", Rule: "amount over 100", Arguments: json.RawMessage(`{"amount":"129.00"}`),
			AskedCall: tools.AskedCall{Workspace: "a", Host: "h", Agent: "desk", User: "ada", Instruction: "processReturn", Digest: "d1", Run: run},
			Requested: now, Expires: now.Add(time.Hour), Sealed: sealed})
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

// step records an attempt at a step of a run.
func (a *auditWorld) step(run, name string, out audit.Outcome) {
	a.t.Helper()
	intent, err := a.app.journal.Begin(a.t.Context(), audit.Entry{Run: run, Workspace: "a", Tool: "returns", Action: "step", Instruction: name, Effect: "act", Digest: "digest-of-" + name})
	if err == nil {
		err = intent.End(a.t.Context(), out)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// TestReturnsCommands: what people do about returns with the commands and over HTTP,
// beside a running server, and the story of one.
func TestReturnsCommands(t *testing.T) {
	a := newAuditWorld(t)
	waits := a.put(audit.Run{ID: "run-waits", Subject: returnedCase, Status: returns.Waiting, At: "approval", Reason: []byte(`{"rule":"amount over 100"}`)},
		audit.Step{Name: "approval", Attempt: 1, Key: "k1", State: "waiting"})
	parked := a.put(audit.Run{ID: "run-parked", Subject: "500000000000002AAA", Status: returns.Waiting, At: "records", Reason: []byte(`{"class":"fix","message":"the field Key__c\nis missing"}`)},
		audit.Step{Name: "records", Attempt: 3, Key: "k2", State: "failed"})
	refunded := a.put(audit.Run{ID: "run-refunded", Subject: "500000000000003AAA", Status: returns.Running, At: "records", Pivot: "passed", Escalated: true},
		audit.Step{Name: "refund", Attempt: 1, Key: "k3", State: "done", Result: []byte("sealed")})
	done := a.put(audit.Run{ID: "run-done", Subject: "500000000000004AAA", Status: returns.Done, At: "event", Pivot: "passed"},
		audit.Step{Name: "event", Attempt: 1, Key: "k4", State: "done"})
	approval := a.asks(waits.ID)
	of := func(args ...string) []string { return append(args, "--config", a.file, "--workspace", "a") }

	list := a.must("returns", "list", "--config", a.file)
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[4], done.ID) || !strings.Contains(list, "the field Key__c is missing") {
		t.Errorf("those that want a person come first:\n%s", list)
	}
	if out := a.must(of("returns", "list", "--status", "done", "--json")...); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"runId":"run-done"`) {
		t.Error(out)
	}
	if out := a.must(of("returns", "list", "--escalated", "--json")...); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"runId":"run-refunded"`) {
		t.Error(out)
	}
	if out := a.must(of("returns", "list", "--case", returnedCase, "--limit", "1", "--json")...); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"runId":"run-waits"`) {
		t.Error(out)
	}
	if out := a.must(of("returns", "show", "--run", waits.ID)...); !strings.Contains(out, "Decide about the approval "+approval) || !strings.Contains(out, "k1") {
		t.Error(out)
	}
	if out := a.must(of("returns", "show", "--run", parked.ID, "--json")...); !strings.Contains(out, `"needed":"Put right what the reason says and retry the run`) || !strings.Contains(out, `"attempts":3`) {
		t.Error(out)
	}
	for _, bad := range []struct {
		args []string
		want string
	}{
		{of("returns", "show", "--run", "none"), "no such run"},
		{of("returns", "retry", "--run", "none"), "no such run"},
		{of("returns", "retry", "--run", waits.ID), "waits for an answer"},
		{of("returns", "retry", "--run", refunded.ID), "tried again by itself"},
		{of("returns", "cancel", "--run", refunded.ID), "no way back"},
		{of("returns", "cancel", "--run", done.ID), "has ended"},
		{of("returns", "cancel", "--run", waits.ID, "--note", strings.Repeat("x", 2001)), "2000 bytes"},
		{[]string{"returns", "show", "--run", waits.ID, "--config", a.file}, "--workspace is needed"},
		{[]string{"returns", "show", "--run", waits.ID, "--config", a.file, "--workspace", "b"}, "no such run"},
		{of("returns", "list", "--status", "lost"), "is none of running"},
		{of("audit", "show", "--run", "none"), "no entries of a run none"},
	} {
		if out, err := a.run(bad.args...); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: %v %s, want %s", bad.args, err, out, bad.want)
		}
	}
	if out := a.must(of("returns", "retry", "--run", parked.ID, "--by", "maria", "--note", "field deployed")...); !strings.HasPrefix(out, "running: run run-parked") {
		t.Error(out)
	}
	if _, err := a.run(of("returns", "retry", "--run", parked.ID, "--by", "maria")...); err == nil {
		t.Error("retried twice")
	}
	if out := a.must(of("returns", "cancel", "--run", parked.ID, "--by", "maria", "--note", "not any more")...); !strings.HasPrefix(out, "undoing: ") {
		t.Error(out)
	}
	doubt := a.put(audit.Run{ID: "run-doubt", Subject: "500000000000005AAA", Status: returns.Running, At: "refund", Pivot: "begun", Escalated: true},
		audit.Step{Name: "refund", Attempt: 7, Key: "k5", State: "unknown"})
	if out := a.must(of("returns", "show", "--run", doubt.ID)...); !strings.Contains(out, "for the key ret/a/500000000000005AAA/refund/0") || !strings.Contains(out, "settle") {
		t.Error(out)
	}
	for _, bad := range []struct {
		args []string
		want string
	}{
		{of("returns", "settle", "--run", doubt.ID, "--note", "x"), "made not-made"},
		{of("returns", "settle", "--run", doubt.ID, "--made", "--not-made", "--note", "x"), "none of the others"},
		{of("returns", "settle", "--run", doubt.ID, "--made", "--note", "x"), "has a reference"},
		{of("returns", "settle", "--run", doubt.ID, "--not-made"), "how you know that"},
		{of("returns", "settle", "--run", refunded.ID, "--not-made", "--note", "x"), "known to be made"},
		{of("returns", "settle", "--run", waits.ID, "--not-made", "--note", "x"), "known not to be made"},
	} {
		if out, err := a.run(bad.args...); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: %v %s, want %s", bad.args, err, out, bad.want)
		}
	}
	if out := a.must(of("returns", "settle", "--run", doubt.ID, "--made", "--reference", "re_1", "--note", "in the dashboard", "--by", "maria", "--json")...); !strings.Contains(out, `"answer":{"testimony":{"made":true,"reference":"re_1","by":"maria","note":"in the dashboard"}}`) {
		t.Error(out)
	}
	if _, err := a.run(of("returns", "settle", "--run", doubt.ID, "--not-made", "--note", "x")...); err == nil || !strings.Contains(err.Error(), "somebody has said already") {
		t.Errorf("settled twice: %v", err)
	}
	if story := a.must(of("audit", "show", "--run", doubt.ID)...); !strings.Contains(story, "returns.settle: ok") || !strings.Contains(story, "maria") {
		t.Error(story)
	}

	a.step(waits.ID, "claim", audit.Outcome{Status: audit.Failed, Code: "transient", Message: "no answer"})
	a.step(waits.ID, "claim", audit.Outcome{Status: audit.OK, Records: []string{returnedCase},
		Exchanges: []audit.Exchange{{Method: "PATCH", Path: "/services/data/v62.0/sobjects/Case/" + returnedCase, Status: 204, RequestID: "rq-1"}},
		Changes:   []audit.Change{{Record: returnedCase, Object: "Case", Field: "Status", Before: json.RawMessage(`"New"`), After: json.RawMessage(`"Working"`)}}})
	a.step(waits.ID, "evaluate", audit.Outcome{Status: audit.OK, Detail: json.RawMessage(`{"verdict":"review","reasons":["amount over 100","second\nreturn"],"policy":"p1","amount":129.00}`)})
	if out := a.must(of("approvals", "approve", approval, "--by", "maria", "--note", "known customer")...); !strings.HasPrefix(out, "approved") {
		t.Error(out)
	}
	if out := a.must(of("returns", "show", "--run", waits.ID, "--json")...); !strings.Contains(out, `"status":"running"`) || !strings.Contains(out, `"answer":{"approvalId":"`+approval+`","approve":true,"by":"maria","note":"known customer"}`) {
		t.Error(out)
	}
	a.step(waits.ID, "refund", audit.Outcome{Status: audit.OK, Detail: json.RawMessage(`{"reference":"re_1"}`)})
	story := a.must(of("audit", "show", "--run", waits.ID)...)
	at := 0
	for _, want := range []string{
		"returns.process: ok", "agent desk, user ada", "reasoning: the customer sent it back (confidence 0.5)",
		"claim, attempt 1: error, transient: no answer", "claim, attempt 2: ok", "digest digest-of-claim", "PATCH /services/data/v62.0/sobjects/Case/" + returnedCase + ": 204 rq-1",
		"records " + returnedCase, returnedCase + ` Case.Status: "New" -> "Working"`,
		"evaluate, attempt 1: ok", "verdict: review", "reasons: amount over 100", "reasons: second return", "policy: p1", "amount: 129.00",
		"approvals.approve: ok", "by maria: known customer", "approval " + approval, "refund, attempt 1: ok", "reference: re_1",
	} {
		next := strings.Index(story[at:], want)
		if next < 0 {
			t.Fatalf("no %q after %d in\n%s", want, at, story)
		}
		at += next + len(want)
	}
	raw := a.must(of("audit", "show", "--run", waits.ID, "--json")...)
	for _, line := range strings.Split(strings.TrimSpace(raw), "\n") {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Run != waits.ID {
			t.Errorf("%s %v", line, err)
		}
	}
	if n := strings.Count(raw, "\n"); n != 2*6 {
		t.Errorf("%d entries", n)
	}
}

// TestReturnsOverHTTP: administrators look after the returns of their workspace, and
// nobody else does.
func TestReturnsOverHTTP(t *testing.T) {
	w := approvalWorld(t)
	a := &auditWorld{world: w}
	for i := range 3 {
		a.put(audit.Run{ID: fmt.Sprint("run-", i), Subject: fmt.Sprint("case ", i), Status: returns.Waiting, At: "claim", Escalated: i == 0}, audit.Step{Name: "claim", State: "failed"})
	}
	a.put(audit.Run{ID: "run-doubt", Subject: "case", Status: returns.Running, At: "refund", Pivot: "begun", Escalated: true}, audit.Step{Name: "refund", State: "unknown"})
	get := func(path string) (page struct {
		Returns []returns.View
		Next    string
	}) {
		r := w.admin("admin-maria", http.MethodGet, path, "")
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 {
			t.Fatalf("%s: %d %s", path, r.status, r.body)
		}
		return page
	}
	ids := map[string]bool{}
	for next, pages := "", 0; pages < 4; pages++ {
		page := get("/w/a/returns?limit=1&before=" + next)
		if len(page.Returns) != 1 || (page.Next == "") != (pages == 3) {
			t.Fatalf("page %d: %+v", pages, page)
		}
		ids[page.Returns[0].ID], next = true, page.Next
	}
	if len(ids) != 4 {
		t.Errorf("%v", ids)
	}
	if page := get("/w/a/returns?escalated=true&status=waiting"); len(page.Returns) != 1 || page.Returns[0].ID != "run-0" {
		t.Errorf("%+v", page)
	}
	if page := get("/w/a/returns?status=done"); page.Returns == nil || len(page.Returns) != 0 {
		t.Errorf("%+v", page)
	}
	for _, c := range []struct {
		token, method, path, body string
		status                    int
		want                      string
	}{
		{"admin-maria", "GET", "/w/a/returns/run-1", "", 200, `"needed":"Put right`},
		{"admin-maria", "GET", "/w/a/returns/none", "", 404, `"no_return"`},
		{"admin-maria", "GET", "/w/a/returns?status=lost", "", 400, "status must be"},
		{"admin-maria", "GET", "/w/a/returns?limit=0", "", 400, "limit must be"},
		{"admin-maria", "GET", "/w/a/returns?escalated=no", "", 400, "escalated must be"},
		{"admin-bob", "GET", "/w/a/returns/run-1", "", 401, ""},
		{"admin-bob", "GET", "/w/b/returns/run-1", "", 404, `"no_return"`},
		{"admin-bob", "POST", "/w/b/returns/run-1/cancel", "", 404, `"no_return"`},
		{"token-a", "POST", "/w/a/returns/run-1/cancel", "", 401, ""},
		{"", "POST", "/w/a/returns/run-1/cancel", "", 401, ""},
		{"admin-maria", "POST", "/w/a/returns/run-1/retry", `{"note":1}`, 400, "no other member"},
		{"admin-maria", "POST", "/w/a/returns/run-1/retry", `{"note":"` + strings.Repeat("x", 2001) + `"}`, 400, "2000 bytes"},
		{"admin-maria", "POST", "/w/a/returns/run-1/retry", `{"note":"put right"}`, 200, `"status":"running"`},
		{"admin-maria", "POST", "/w/a/returns/run-1/retry", "", 409, `"run_not_possible"`},
		{"admin-ann", "POST", "/w/a/returns/run-2/cancel", "", 200, `"status":"undoing"`},
		{"admin-ann", "POST", "/w/a/returns/run-2/cancel", "", 409, "going back already"},
		{"admin-bob", "POST", "/w/b/returns/run-doubt/settle", `{"made":false,"note":"x"}`, 404, `"no_return"`},
		{"token-a", "POST", "/w/a/returns/run-doubt/settle", `{"made":false,"note":"x"}`, 401, ""},
		{"admin-ann", "POST", "/w/a/returns/run-doubt/settle", "", 415, "JSON object"},
		{"admin-ann", "POST", "/w/a/returns/run-doubt/settle", `{"note":"x"}`, 400, "made must be true or false"},
		{"admin-ann", "POST", "/w/a/returns/run-doubt/settle", `{"made":true,"note":"x"}`, 400, `"invalid_argument"`},
		{"admin-ann", "POST", "/w/a/returns/run-doubt/settle", `{"made":false,"note":"x","amount":1}`, 400, "no other member"},
		{"admin-ann", "POST", "/w/a/returns/run-doubt/settle", `{"made":false,"note":"not in the dashboard"}`, 200, `"by":"Ann"`},
		{"admin-maria", "POST", "/w/a/returns/run-doubt/settle", `{"made":true,"reference":"re_1","note":"x"}`, 409, "somebody has said already"},
	} {
		if r := w.admin(c.token, c.method, c.path, c.body); r.status != c.status || !strings.Contains(r.body, c.want) {
			t.Errorf("%s %s by %s: %d %s, want %d %s", c.method, c.path, c.token, r.status, r.body, c.status, c.want)
		}
	}
	entries, err := w.app.store.List(t.Context(), audit.Query{Workspace: "a", Run: "run-1"})
	i := slices.IndexFunc(entries, func(e audit.Entry) bool { return e.Action == "retry" })
	if err != nil || len(entries) != 4 || i < 0 || entries[i].By != "maria" || entries[i].Surface != "admin" || !strings.Contains(string(entries[i].Arguments), "put right") {
		t.Errorf("%+v %v", entries, err)
	}
}

// TestApprovalOfRunForItsAgent: an agent sees that nothing is to be repeated.
func TestApprovalOfRunForItsAgent(t *testing.T) {
	w := approvalWorld(t)
	a := &auditWorld{world: w}
	a.put(audit.Run{ID: "run-x", Subject: "c", Status: returns.Waiting, At: "approval"}, audit.Step{Name: "approval", State: "waiting"})
	host := w.app.config.Workspaces[0].Profiles[0].Name
	now := time.Now().UTC().Truncate(time.Millisecond)
	ap := tools.Approval{ID: "01a20e44-0000-7000-8000-000000000001", Tool: "returns", Action: "process", Effect: "act", Arguments: json.RawMessage(`{}`),
		AskedCall: tools.AskedCall{Workspace: "a", Host: host, Agent: "asker", User: "ada", Instruction: "processReturn", Digest: "d", Run: "run-x"},
		Requested: now, Expires: now.Add(time.Hour), Sealed: []byte("x")}
	if _, err := w.app.store.AskApproval(t.Context(), ap); err != nil {
		t.Fatal(err)
	}
	see := func(want string) {
		t.Helper()
		for _, in := range []string{"getApproval", "listApprovalRequests"} {
			id := ""
			if in == "getApproval" {
				id = `,"approvalId":"` + ap.ID + `"`
			}
			r := w.send("asker", http.MethodPost, "instructions/"+in, "application/json", strings.NewReader(`{"agent_id":"asker","user_id":"ada","context_id":"c"`+id+`}`))
			if !strings.Contains(r.body, `"runId":"run-x"`) || !strings.Contains(r.body, want) || !strings.Contains(r.body, "repeat nothing") {
				t.Errorf("%s: %d %s, want %s", in, r.status, r.body, want)
			}
		}
	}
	see(`"state":"waiting"`)
	if r := w.admin("admin-maria", http.MethodPost, "/w/a/approvals/"+ap.ID+"/deny", `{"note":"no"}`); r.status != 200 || !strings.Contains(r.body, `"runId":"run-x"`) {
		t.Fatalf("%d %s", r.status, r.body)
	}
	see(`"state":"denied"`)
}

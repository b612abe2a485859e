package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// confirming is a server with an agent "a" whose rule lets a person confirm.
func confirming(t *testing.T, server *tools.Server, elicits bool, confirm ...string) *memory {
	t.Helper()
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w",
		Profiles: []*allowlist.Profile{{Name: "h", Tokens: []string{allowlist.HashToken("t")}, Elicits: elicits, Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}},
		Rules:    []allowlist.Rule{{Agent: "a", Preset: "all", Confirm: confirm}}})
	if err != nil {
		t.Fatal(err)
	}
	store := new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Gate, server.Journal, server.Approvals, server.Claims, server.Sealer = gate, journal, store, store, unsealed{}
	return store
}

func arguments(t *testing.T, text string) (args map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&args); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return args
}

// TestConfirmed: what could have an effect that is to be confirmed waits for a person,
// also where it is in the content of something else.
func TestConfirmed(t *testing.T) {
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "200\n{}") })
	const id, job = "0015g00000AbCdEAAV", "7505g00000AbCdEAAV"
	request := func(method string) string {
		return `{"action":"request","compositeRequest":[{"method":"` + method + `","url":"/services/data/v62.0/sobjects/Account/` + id + `","referenceId":"r"}]}`
	}
	batch := func(method, target string) string {
		return `{"action":"batch","batchRequests":[{"method":"` + method + `","url":"` + target + `"}]}`
	}
	for _, tt := range []struct {
		confirm, tool, args string
		parked              bool
	}{
		{"remove", "records", `{"action":"delete","sObjectName":"Account","recordId":"` + id + `"}`, true},
		{"remove", "deleteRecord", `{"sObjectName":"Account","recordId":"` + id + `"}`, true},
		{"remove", "records_write", `{"action":"delete","sObjectName":"Account","recordId":"` + id + `"}`, true},
		{"remove", "records", `{"action":"update","sObjectName":"Account","recordId":"` + id + `","body":{"Name":"A"}}`, false},
		{"remove", "records", `{"action":"get","sObjectName":"Account","recordId":"` + id + `"}`, false},
		{"remove", "compositeRecords", `{"action":"deleteMany","ids":"` + id + `"}`, true},
		{"remove", "composite", request("DELETE"), true},
		{"remove", "composite", request("GET"), true}, // what a composite request may do is not looked at
		{"remove", "tooling", `{"action":"executeAnonymous","anonymousBody":"delete [SELECT Id FROM Account];"}`, true},
		{"remove", "bulkIngest", `{"action":"create","object":"Account","operation":"delete"}`, true},
		{"remove", "bulkIngest", `{"action":"create","object":"Account","operation":"hardDelete"}`, true},
		{"remove", "bulkIngest", `{"action":"create","object":"Account","operation":"insert"}`, false},
		{"remove", "bulkIngest", `{"action":"create","object":"Account","operation":"upsert","externalIdFieldName":"E__c"}`, false},
		{"set", "bulkIngest", `{"action":"create","object":"Account","operation":"upsert","externalIdFieldName":"E__c"}`, true},
		{"set", "bulkIngest", `{"action":"create","object":"Account","operation":"update"}`, true},
		{"set", "bulkIngest", `{"action":"create","object":"Account","operation":"delete"}`, false},
		{"remove", "bulkIngest", `{"action":"uploadData","jobId":"` + job + `","rawBody":"Id\n` + id + `\n"}`, true},
		{"remove", "bulkIngest", `{"action":"update","jobId":"` + job + `","state":"UploadComplete"}`, true},
		{"remove", "bulkIngest", `{"action":"update","jobId":"` + job + `","state":"Aborted"}`, false},
		{"add", "records", `{"action":"create","sObjectName":"Account","body":{"Name":"A"}}`, true},
		{"add", "records", `{"action":"upsert","sObjectName":"Account","externalIdField":"E__c","externalIdValue":"1","body":{"Name":"A"}}`, true},
		{"add", "records", `{"action":"update","sObjectName":"Account","recordId":"` + id + `","body":{"Name":"A"}}`, false},
		{"act", "records", `{"action":"delete","sObjectName":"Account","recordId":"` + id + `"}`, false},
		{"act", "composite", request("DELETE"), true},
		{"records", "records", `{"action":"get","sObjectName":"Account","recordId":"` + id + `"}`, true},
		{"records.get", "records", `{"action":"get","sObjectName":"Account","recordId":"` + id + `"}`, true},
		{"records.get", "records", `{"action":"delete","sObjectName":"Account","recordId":"` + id + `"}`, false},
		{"records", "approvals", `{"action":"list"}`, false},
		// A request inside a request is the operation that does the same.
		{"records.delete", "composite", request("DELETE"), true},
		{"records", "composite", request("DELETE"), true},
		{"records.delete", "composite", request("GET"), false},
		{"records.get", "composite", request("GET"), true},
		{"records.delete", "composite", request("PATCH"), false},
		{"records.delete", "composite", batch("DELETE", "v62.0/sobjects/Account/"+id), true},
		{"records.delete", "composite", batch("DELETE", "v20.0/sobjects/Account/"+id+"/"), true},
		{"compositeRecords.deleteMany", "composite", batch("DELETE", "v62.0/composite/%73objects?ids="+id), true},
		{"compositeRecords.deleteMany", "composite", batch("DELETE", "v62.0/composite//sobjects?ids="+id), true},
		{"compositeRecords.deleteMany", "composite", batch("POST", "v62.0/composite/sobjects?_HttpMethod=DELETE&ids="+id), true},
		{"compositeRecords.deleteMany", "composite", batch("GET", "v62.0/composite/sobjects?_http%4dethod=DELETE&ids="+id), true},
		{"records.delete", "composite", batch("POST", "v62.0/composite/batch"), true},
		{"records.delete", "composite", batch("POST", "v62.0/chatter/feed-elements"), true},
		{"records.delete", "composite", batch("GET", "v62.0/limits"), false},
		{"tooling.executeAnonymous", "composite", batch("GET", "v62.0/tooling/executeAnonymous?anonymousBody=x"), true},
		{"records.delete", "composite", `{"action":"graph","graphs":[{"graphId":"g","compositeRequest":[{"method":"DELETE","url":"/services/data/v62.0/sobjects/Account/` + id + `","referenceId":"r"}]}]}`, true},
		{"records.delete", "composite", `{"action":"request","compositeRequest":[{"method":"POST","url":"/services/data/v62.0/sobjects/Account","referenceId":"r","body":{},"httpHeaders":{"X-HTTP-Method-Override":"DELETE"}}]}`, true},
		{"records.delete", "composite", `{"action":"request","compositeRequest":[{"method":"GET","url":"/services/data/v62.0/@{r.x}/Account","referenceId":"s"}]}`, true},
	} {
		store := confirming(t, server, false, tt.confirm)
		before := sent
		_, e := do(t.Context(), server, allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}, tt.tool, arguments(t, tt.args))
		parked := e != nil && e.Code == tools.ApprovalRequired
		if parked != tt.parked || parked && (sent != before || len(store.asked) != 1 || e.ApprovalID != store.asked[0].ID) {
			t.Errorf("confirm %s: %s %s is parked: %v, want %v; %v, %d sent", tt.confirm, tt.tool, tt.args, parked, tt.parked, e, sent-before)
		}
	}
}

// TestConfirmedTooLong: nobody is asked about more than they can read.
func TestConfirmedTooLong(t *testing.T) {
	server := newTestServer(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	store := confirming(t, server, false, "act")
	args := map[string]any{"action": "uploadData", "jobId": "7505g00000AbCdEAAV", "rawBody": "Name\n" + strings.Repeat("A\n", 1<<19)}
	_, e := do(t.Context(), server, allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}, "bulkIngest", args)
	if e == nil || e.Code != tools.InvalidArgument || !strings.Contains(e.Message, "they may have 1048576") || len(store.asked) != 0 {
		t.Errorf("%v, %d wait", e, len(store.asked))
	}
}

// TestConfirmWithin: a rule that keeps objects from its agent does not keep from it
// what it has asked for, and what is outside of the rule is not asked for.
func TestConfirmWithin(t *testing.T) {
	server := newTestServer(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	store := confirming(t, server, false, "remove")
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{
		{Agent: "a", Preset: "all", Confirm: []string{"remove"}, SObjects: allowlist.Lists{Deny: []string{"Payment__c"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	server.Gate = gate
	who := allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}
	args := map[string]any{"action": "delete", "sObjectName": "Payment__c", "recordId": "a015g00000AbCdEAAV"}
	if _, e := do(t.Context(), server, who, "records", args); e == nil || e.Code != tools.NotAuthorized || len(store.asked) != 0 {
		t.Errorf("%v, %d wait", e, len(store.asked))
	}
	store.asked = approvalsOf("a").asked
	for _, args := range []map[string]any{{"action": "list"}, {"action": "get", "approvalId": store.asked[0].ID}} {
		if text, e := do(t.Context(), server, who, "approvals", args); e != nil || !strings.Contains(text, store.asked[0].ID) {
			t.Errorf("%v: %s %v", args, text, e)
		}
	}
}

// TestConfirmStates: what a call comes to, by the state of its approval.
func TestConfirmStates(t *testing.T) {
	sent := 0
	status := "201\n" + `{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, status) })
	who := allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}
	args := map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": "A", "Company": "c"}}
	var store *memory
	try := func() (string, int) {
		before := sent
		_, e := do(t.Context(), server, who, "records", args)
		code := "done"
		if e != nil {
			code = string(e.Code)
		}
		return code, sent - before
	}
	for _, tt := range []struct {
		state, want, then string
		sent              int
	}{
		{"", "approval_required", "waiting", 0},
		{"waiting", "approval_required", "waiting", 0},
		{"approved", "done", "used", 1},
		{"denied", "approval_denied", "denied", 0},
		{"used", "approval_required", "used", 0},
		{"expired", "approval_required", "expired", 0},
	} {
		store = confirming(t, server, false, "add")
		if tt.state != "" {
			try()
			store.asked[0].State = tools.State(tt.state)
		}
		got, n := try()
		if got != tt.want || n != tt.sent || string(store.asked[0].State) != tt.then {
			t.Errorf("%q: %s and %d sent, then %s; want %s, %d, %s", tt.state, got, n, store.asked[0].State, tt.want, tt.sent, tt.then)
		}
		last := store.all()[len(store.all())-1]
		if last.Approval != store.asked[len(store.asked)-1].ID || last.Digest != store.asked[0].Digest {
			t.Errorf("%q: the entry has approval %s and digest %s", tt.state, last.Approval, last.Digest)
		}
	}

	// An approval is given back only when the call was provably not made.
	for _, tt := range []struct{ status, then string }{
		{`503` + "\n" + `[{"errorCode":"SERVER_UNAVAILABLE","message":"down"}]`, "approved"},
		{`400` + "\n" + `[{"errorCode":"REQUIRED_FIELD_MISSING","message":"no"}]`, "used"},
		{"503\nContent-Type: text/html\n\n<html>down</html>", "used"},
	} {
		store = confirming(t, server, false, "add")
		status = "201\n{}"
		try()
		store.asked[0].State = tools.Approved
		status = tt.status
		if code, n := try(); n == 0 || code == "done" || string(store.asked[0].State) != tt.then {
			t.Errorf("%s: %s, %d sent, the approval is %s, want %s", tt.status, code, n, store.asked[0].State, tt.then)
		}
	}

	// What cannot be kept or asked is not done.
	store = confirming(t, server, false, "add")
	server.Approvals = nil
	if code, n := try(); code != "approval_required" || n != 0 {
		t.Errorf("without approvals: %s, %d sent", code, n)
	}
	server.Approvals = failingApprovals{store}
	if code, n := try(); code != "audit_unavailable" || n != 0 {
		t.Errorf("with broken approvals: %s, %d sent", code, n)
	}
}

// failingApprovals cannot be read.
type failingApprovals struct{ tools.Approvals }

func (failingApprovals) OpenApproval(context.Context, tools.AskedCall) (tools.Approval, bool, error) {
	return tools.Approval{}, false, errors.New("disk full")
}

// TestConfirmReads: an approval of a reading call is used by it, however it ends.
func TestConfirmReads(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "404\n"+`[{"errorCode":"NOT_FOUND","message":"no"}]`)
	})
	store := confirming(t, server, false, "records.get")
	args := map[string]any{"action": "get", "sObjectName": "Lead", "recordId": "00Q5g00000XyZ12EAF"}
	who := allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}
	_, _ = do(t.Context(), server, who, "records", args)
	store.asked[0].State = tools.Approved
	if _, e := do(t.Context(), server, who, "records", args); e == nil || e.Code != "NOT_FOUND" || store.asked[0].State != tools.Used {
		t.Errorf("%v, the approval is %s", e, store.asked[0].State)
	}
}

// TestQuestionTime: a question that nobody answers in time cannot be answered any
// more, and the call still waits for an administrator.
func TestQuestionTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tools.Server{Table: tools.All, Log: zerolog.Nop()}
		store := confirming(t, server, true, "add")
		lines := make(chan string)
		m := tools.NewMCP(server, "test", "1")
		ask := &conversation{lines: lines}
		ended := make(chan error, 1)
		go func() {
			ended <- m.ServeLines(t.Context(), ask, ask, caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}})
		}()
		send := func(text string) { lines <- text + "\n"; synctest.Wait() }
		send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}`)
		create := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"records","arguments":{"action":"create","sObjectName":"Lead","body":{"LastName":"A","Company":"c"}}}}`
		send(create)
		if last := ask.last(); !strings.Contains(last, `"id":"approval-1","method":"elicitation/create"`) || strings.Contains(last, `"mode"`) {
			t.Fatalf("%s", last)
		}
		send(`{"jsonrpc":"2.0","id":"approval-9","result":{"action":"accept","content":{"approve":true}}}`) // to nothing
		send(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"approve":true}}}`)
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if last := ask.last(); !strings.Contains(last, "approval_required") {
			t.Fatalf("%s", last)
		}
		send(`{"jsonrpc":"2.0","id":"approval-1","result":{"action":"accept","content":{"approve":true}}}`)
		if store.asked[0].State != tools.Waiting {
			t.Errorf("the approval is %s", store.asked[0].State)
		}
		for i, answer := range []string{`"error":{"code":-32601,"message":"no"}`, `"result":null`, `"result":7`, `"result":{"action":"cancel"}`} {
			send(create)
			send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"approval-%d",%s}`, i+2, answer))
			if last := ask.last(); !strings.Contains(last, "approval_required") || store.asked[0].State != tools.Waiting {
				t.Errorf("%s: %s, the approval is %s", answer, last, store.asked[0].State)
			}
		}
		send(create)
		close(lines) // while a question waits
		if err := <-ended; err != nil || !strings.Contains(ask.last(), "approval_required") {
			t.Errorf("%v, %s", err, ask.last())
		}

		// The state of a question has its time too.
		q := func(answer *tools.Answer) error {
			_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "a"}}, Tool: "records", Elicits: true, Answer: answer,
				Args: map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": "A", "Company": "c"}}})
			return err
		}
		state := tools.QuestionState(q(nil))
		if state == "" {
			t.Fatal("nothing is asked")
		}
		time.Sleep(10*time.Minute + time.Second)
		if err := q(&tools.Answer{State: state, Approved: true}); tools.AsError(err).Code != tools.InvalidArgument || store.asked[0].State != tools.Waiting {
			t.Errorf("%v, the approval is %s", err, store.asked[0].State)
		}
	})
}

// A conversation is both ends of stdio, for a test.
type conversation struct {
	lines chan string
	said  strings.Builder
	left  string
}

func (c *conversation) Read(p []byte) (int, error) {
	if c.left == "" {
		line, ok := <-c.lines
		if !ok {
			return 0, io.EOF
		}
		c.left = line
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *conversation) Write(p []byte) (int, error) { return c.said.Write(p) }

// last is the last line that was said.
func (c *conversation) last() string {
	lines := strings.Split(strings.TrimSpace(c.said.String()), "\n")
	return lines[len(lines)-1]
}

package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// TestRefusalsAreAudited: an unknown agent is told so in the documented words,
// and the audit shows it.
func TestRefusalsAreAudited(t *testing.T) {
	w := newWorld(t)
	r := w.request(query(1, 1))
	r.Header.Set("Agent-Id", "stranger")
	if _, answer := w.do(r); !strings.Contains(answer, `"text":"This agent is not authorized to use this connector`) || !strings.Contains(answer, `"isError":true`) {
		t.Errorf("an unknown agent: %s", answer)
	}
	r = w.request(query(1, 1))
	r.Header.Del("Agent-Id")
	if _, answer := w.do(r); !strings.Contains(answer, `"text":"The calling agent could not be identified`) {
		t.Errorf("nobody: %s", answer)
	}
	entries := w.entries("a")
	if len(entries) != 1 || entries[0].Phase != audit.PhaseRefusal || entries[0].Agent != "stranger" || entries[0].Tool != "query" {
		t.Errorf("entries %+v", entries)
	}
	if w.sent() != 0 {
		t.Error("a request reached the org")
	}
}

// TestCallID: an error names the entry by which an administrator finds the call,
// and the log has one line for each call, with that ID.
func TestCallID(t *testing.T) {
	w := newWorld(t)
	w.post(query(1, 1))
	_, refused := w.post(call(2, "records", map[string]any{"action": "get", "nonsense": 1}))
	_, failed := w.post(call(3, "records", map[string]any{"action": "get", "sObjectName": "Lead", "recordId": "00Q000000000009AAA"}))
	var calls []audit.Entry
	for _, e := range w.entries("a") {
		if e.Phase != audit.PhaseOutcome {
			calls = append(calls, e)
		}
	}
	if len(calls) != 3 {
		t.Fatalf("%d calls", len(calls))
	}
	for i, answer := range map[int]string{1: refused, 2: failed} {
		if id := calls[i].ID; !strings.Contains(answer, `\ncall: `+id) || !strings.Contains(answer, `"call":"`+id+`"`) {
			t.Errorf("call %s is not named: %s", id, answer)
		}
	}
	for i, code := range []string{"", "unknown_argument", "MALFORMED_ID"} {
		n := 0
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, `"call":"`+calls[i].ID+`"`) {
				n++
				if code != "" && !strings.Contains(line, `"code":"`+code+`"`) || !strings.Contains(line, `"agent":"`+demoAgent+`"`) || strings.Contains(line, "nonsense") {
					t.Errorf("call %d: %s", i, line)
				}
			}
		}
		if n != 1 {
			t.Errorf("call %d has %d lines in the log:\n%s", i, n, w.log.String())
		}
	}
}

// TestInjectedIdentity: the keys that a host injects say who calls and reach
// neither Salesforce nor the audited arguments.
func TestInjectedIdentity(t *testing.T) {
	w := newWorld(t)
	r := w.request(call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead",
		"body": map[string]any{"LastName": "Abitbol", "Company": "Acme"}, "agent_id": demoAgent, "user_id": "u-7", "context_id": "c-9"}))
	r.Header.Del("Agent-Id")
	if _, answer := w.do(r); strings.Contains(answer, `"isError":true`) {
		t.Fatalf("answer %s", answer)
	}
	entries := w.entries("a")
	if len(entries) != 2 || entries[0].User != "u-7" || entries[0].Context != "c-9" || strings.Contains(string(entries[0].Arguments), "u-7") {
		t.Errorf("entries %+v", entries)
	}
}

// TestWorkspacesApart: the same call by two workspaces leaves entries in each
// one's own trail only.
func TestWorkspacesApart(t *testing.T) {
	w := newWorld(t)
	w.post(query(1, 1))
	if n := len(w.entries("b")); n != 0 {
		t.Errorf("workspace b has %d entries", n)
	}
}

// TestNoAuditNoRequest: when the journal cannot be written, nothing is sent.
func TestNoAuditNoRequest(t *testing.T) {
	w := newWorld(t)
	if _, answer := w.post(query(1, 1)); strings.Contains(answer, `"isError":true`) {
		t.Fatal(answer)
	}
	before := w.sent()
	w.app.journal.Close()
	if _, answer := w.post(query(1, 1)); !strings.Contains(answer, string(tools.NotRecorded)) {
		t.Errorf("answer %s", answer)
	}
	if w.sent() != before {
		t.Error("a request was sent without a record")
	}
}

// TestGracefulShutdown: a call under way when the server is told to stop is
// answered.
func TestGracefulShutdown(t *testing.T) {
	w := newWorld(t)
	w.org.org.Inject(fakeorg.Fault{Path: "/query", DelayMS: 300})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serveUntil(ctx, l, w.app.handler(), w.app.log) }()
	r := w.request(query(1, 1))
	r.URL.Host = l.Addr().String()
	answered := make(chan string, 1)
	go func() {
		_, answer := w.do(r)
		answered <- answer
	}()
	eventually(t, "the call", func() bool { return len(w.entries("a")) == 1 })
	stop()
	if answer := <-answered; !strings.Contains(answer, "totalSize: 1") {
		t.Errorf("answer %s", answer)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestCutConnection: when Salesforce hangs up the caller is told so without
// addresses, the outcome of a change is unknown, and the server goes on. (Attack
// 11, a panic in a tool, is TestCallPanics of package tools.)
func TestCutConnection(t *testing.T) {
	w := newWorld(t)
	w.org.org.Inject(fakeorg.Fault{Path: "/sobjects/Lead", Cut: "after"})
	create := call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": "A", "Company": "B"}})
	if _, answer := w.post(create); !strings.Contains(answer, `"isError":true`) || strings.Contains(answer, w.org.ready.Org) {
		t.Errorf("answer %s, want an error without addresses", answer)
	}
	if entries := w.entries("a"); entries[1].Outcome != audit.Unknown {
		t.Errorf("outcome %q, want unknown", entries[1].Outcome)
	}
	if _, answer := w.post(call(2, "versions", map[string]any{"action": "getLimits"})); strings.Contains(answer, `"isError":true`) {
		t.Errorf("afterwards: %s", answer)
	}
}

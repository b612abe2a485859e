package tools_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// TestProgress: who sends a token is told of a reply while it comes, over HTTP and
// stdio, and then gets the whole of it; who sends none gets one answer.
func TestProgress(t *testing.T) {
	org := &agentOrg{}
	server := agentServer(t, org, tools.SessionLimits{})
	who := agent{caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "admin", User: "u"}}, server.Gate}
	if _, err := agentCall(t.Context(), server, "u", "startSession", map[string]any{"agentId": "0Xxed00000002Q1"}, nil); err != nil {
		t.Fatal(err)
	}
	endpoint := tools.NewMCP(server, "salesforce-mcp", "test")
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { endpoint.ServeHTTP(w, r, who) }))
	defer front.Close()
	say := func(meta string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{` + meta + `"name":"agentforce","arguments":{"action":"sendMessage","sessionId":"` + agentSessionID + `","text":"hi"}}}`
	}
	post := func(meta, accept string) (kind, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader(say(meta)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Get("Content-Type"), string(text)
	}
	const token, both = `"_meta":{"progressToken":"t1"},`, "application/json, text/event-stream"
	told := []string{
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t1","progress":1,"message":"App"}}`,
		`"progress":2,"message":"(what was shown so far is withdrawn)"}}`,
		`"progress":3,"message":"Approved."}}`,
		`"id":7,"result":`,
	}
	inOrder := func(where, body string) {
		t.Helper()
		rest := body
		for _, want := range told {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Fatalf("%s: no %s in its place in:\n%s", where, want, body)
			}
			rest = after
		}
	}
	kind, body := post(token, both)
	if kind != "text/event-stream" || strings.Count(body, "event: message\n") != 4 {
		t.Errorf("%s: %s", kind, body)
	}
	inOrder("HTTP", body)
	for meta, accept := range map[string]string{"": both, token: "application/json"} {
		if kind, body := post(meta, accept); kind != "application/json" || strings.Contains(body, "progress") || !strings.Contains(body, "Approved.") {
			t.Errorf("%q, %q: %s: %s", meta, accept, kind, body)
		}
	}
	if _, body := post(`"_meta":{"progressToken":{}},`, both); !strings.Contains(body, "progressToken must be") {
		t.Error(body)
	}
	var out bytes.Buffer
	if err := endpoint.ServeLines(t.Context(), strings.NewReader(say(token)+"\n"), &out, who); err != nil {
		t.Fatal(err)
	}
	inOrder("stdio", out.String())
	sent := strings.Join(org.sent, "\n")
	if strings.Count(sent, "/messages/stream ") != 2 || strings.Count(sent, "/messages ") != 2 {
		t.Errorf("streamed although nobody is told, or the other way:\n%s", sent)
	}
}

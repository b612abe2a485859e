package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// askingWorld has a host in workspace a that shows questions to its user, with the
// host token "token-desk", beside one that does not.
func askingWorld(t *testing.T) *world {
	return newWorld(t, func(c *config.Config) {
		for i := range c.Workspaces {
			desk := *c.Workspaces[i].Profiles[0]
			desk.Name, desk.Tokens, desk.Elicits = "desk", []string{allowlist.HashToken("token-desk" + c.Workspaces[i].Name[1:])}, true
			c.Workspaces[i].Profiles = append(c.Workspaces[i].Profiles[:1:1], &desk)
			c.Workspaces[i].Rules = []allowlist.Rule{{Agent: "asker", Preset: "all", Confirm: []string{"add"}}, {Agent: "other", Preset: "all", Confirm: []string{"add"}}, {Agent: demoAgent, Preset: "all"}}
		}
		c.Workspaces[1].Profiles[1].Tokens = []string{allowlist.HashToken("token-desk-b")}
	})
}

// An asked is a call over MCP 2026-07-28.
type asked struct {
	token, agent, user, name string
	capabilities             string
	answer, state            string // of the call that follows a question
}

// send sends the call and returns its result.
func (a asked) send(w *world) map[string]any {
	w.t.Helper()
	if a.capabilities == "" {
		a.capabilities = `{"elicitation":{"form":{}}}`
	}
	more := ""
	if a.answer != "" {
		more = fmt.Sprintf(`"inputResponses":{"approval":%s},"requestState":%q,`, a.answer, a.state)
	}
	r := w.request(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"create","sObjectName":"Lead","body":{"LastName":%q,"Company":"c"},
		"reasoning":"they called","agent_id":%q,"user_id":%q,"context_id":"c"},%s
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s,"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}}}`,
		a.name, a.agent, a.user, more, a.capabilities))
	for name, value := range map[string]string{"Authorization": "Bearer " + a.token, "Agent-Id": a.agent, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "records"} {
		r.Header.Set(name, value)
	}
	status, body := w.do(r)
	var answer struct{ Result map[string]any }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Result == nil {
		w.t.Fatalf("%d %s", status, body)
	}
	return answer.Result
}

// outcome is "asked", "done" or the code of the error.
func outcome(result map[string]any) string {
	if result["resultType"] == "input_required" {
		return "asked"
	}
	if result["isError"] != true {
		return "done"
	}
	content, _ := result["structuredContent"].(map[string]any)
	failure, _ := content["error"].(map[string]any)
	return fmt.Sprint(failure["code"])
}

// What people answer.
const (
	yes      = `{"action":"accept","content":{"approve":true}}`
	unticked = `{"action":"accept","content":{"approve":false}}`
	decline  = `{"action":"decline"}`
	dismiss  = `{"action":"cancel"}`
)

// TestApprovalByElicitation: the person for whom the agent works approves through a
// host that may ask them. An answer counts once, for the call it is about, from whom
// it is about, and with the very state of the question.
func TestApprovalByElicitation(t *testing.T) {
	w := askingWorld(t)
	desk := asked{token: "token-desk", agent: "asker", user: "ann"}
	ask := func(name string) asked {
		t.Helper()
		a := desk
		a.name = name
		result := a.send(w)
		if outcome(result) != "asked" {
			t.Fatalf("%v", result)
		}
		a.state, _ = result["requestState"].(string)
		params := result["inputRequests"].(map[string]any)["approval"].(map[string]any)["params"].(map[string]any)
		for _, part := range []string{"The agent asker wants to do this in Salesforce: records.create", `"LastName": "` + name + `"`, "It says why: they called"} {
			if !strings.Contains(params["message"].(string), part) {
				t.Errorf("%s is not in %q", part, params["message"])
			}
		}
		a.answer = yes
		return a
	}
	first := ask("Yes")
	for name, change := range map[string]func(*asked){
		"forged":             func(a *asked) { a.state = "Zm9yZ2Vk" },
		"none":               func(a *asked) { a.state = "" },
		"changed":            func(a *asked) { a.state = a.state[:len(a.state)-4] + "AAAA" },
		"of other arguments": func(a *asked) { a.name = "Other" },
		"of another agent":   func(a *asked) { a.agent = "other" },
		"of another user":    func(a *asked) { a.user = "bob" },
	} {
		a := first
		change(&a)
		if got := outcome(a.send(w)); got != "invalid_argument" {
			t.Errorf("%s: %s", name, got)
		}
	}
	unmarked := first
	unmarked.token = "token-a"
	if got := outcome(unmarked.send(w)); got != "approval_required" {
		t.Errorf("from a host that asks nobody: %s", got)
	}
	for _, name := range []string{"Yes", "Other"} {
		if n := w.leads(name); n != "0" {
			t.Errorf("%s leads %s", n, name)
		}
	}
	if got := outcome(first.send(w)); got != "done" {
		t.Errorf("accepted: %s", got)
	}
	if got := outcome(first.send(w)); got != "approval_not_waiting" {
		t.Errorf("accepted twice: %s", got)
	}
	if n := w.leads("Yes"); n != "1" {
		t.Errorf("%s leads", n)
	}
	for _, tt := range []struct{ name, answer, want string }{
		{"Declined", decline, "approval_denied"}, {"Unticked", unticked, "approval_denied"}, {"Dismissed", dismiss, "approval_required"},
		{"Odd", `{"action":"accept","content":{"approve":"true"}}`, "approval_denied"},
	} {
		a := ask(tt.name)
		a.answer = tt.answer
		if got := outcome(a.send(w)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if n := w.leads(tt.name); n != "0" {
			t.Errorf("%s leads %s", n, tt.name)
		}
	}
	for name, change := range map[string]func(*asked){
		"a client that cannot":        func(a *asked) { a.capabilities = `{}` },
		"URLs only":                   func(a *asked) { a.capabilities = `{"elicitation":{"url":{}}}` },
		"a host that is not declared": func(a *asked) { a.token = "token-a" },
		"more than is shown":          func(a *asked) { a.name = strings.Repeat("x", 4001) },
		"more than the trail keeps":   func(a *asked) { a.name = strings.Repeat("x", 5000) },
	} {
		a := desk
		a.name = "Parked"
		change(&a)
		if got := outcome(a.send(w)); got != "approval_required" {
			t.Errorf("%s: %s", name, got)
		}
	}
	found := false
	for _, e := range w.entries("a") {
		if e.By != "" && e.Phase == audit.PhaseOutcome && e.Action == "approve" {
			found = true
			if e.By != "ann" || e.User != "ann" || e.Surface != "mcp" || e.Host != "desk" || e.Approval == "" || e.Digest == "" {
				t.Errorf("%+v", e)
			}
		}
	}
	if !found {
		t.Error("the approval is not in the trail")
	}
}

// TestApprovalByClient: the official Go SDK's client asks its user, over HTTP and over
// stdio, without knowing anything of us.
func TestApprovalByClient(t *testing.T) {
	w := askingWorld(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := `{allowLoopbackOrg: true, workspaces: [{name: desk, auth: {mode: clientCredentials, loginURL: "` + w.org.ready.Org + `", clientID: "` + w.org.ready.ClientID + `", clientSecret: "` + w.org.ready.ClientSecret + `"},
		profiles: [{name: desktop, local: true, elicits: true, agent: ["static:desk"], user: ["static:me"]}], rules: [{agent: desk, preset: all, confirm: [add]}]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, write := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(t.Context(), []string{"stdio", "--config", file}, func(string) string { return "" }, in, out, io.Discard)
		_ = out.Close()
	}()
	for _, tt := range []struct {
		name      string
		transport sdk.Transport
		protocol  string
	}{
		{"http", &sdk.StreamableClientTransport{Endpoint: w.origin + "/w/a/mcp", DisableStandaloneSSE: true,
			HTTPClient: &http.Client{Transport: withHeaders{"Authorization": "Bearer token-desk", "Agent-Id": "asker"}}}, ""},
		{"stdio", &sdk.IOTransport{Reader: read, Writer: write}, "2025-11-25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := "accept"
			questions := 0
			client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
				ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
					questions++
					if !strings.Contains(r.Params.Message, "wants to do this in Salesforce: records.create") {
						t.Errorf("asked %q", r.Params.Message)
					}
					return &sdk.ElicitResult{Action: answer, Content: map[string]any{"approve": answer == "accept"}}, nil
				}})
			session, err := client.Connect(t.Context(), tt.transport, &sdk.ClientSessionOptions{ProtocolVersion: tt.protocol})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = session.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() }()
			make := func(name string) *sdk.CallToolResult {
				t.Helper()
				res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "records", Arguments: map[string]any{
					"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": name, "Company": "c"}}})
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			if res := make("By" + tt.name); res.IsError || questions != 1 {
				t.Errorf("%d questions, %v", questions, res.Content[0])
			}
			answer = "decline"
			if res := make("Not" + tt.name); !res.IsError || !strings.HasPrefix(res.Content[0].(*sdk.TextContent).Text, "A person has denied this call") {
				t.Errorf("%v", res.Content[0])
			}
			if by, not := w.leads("By"+tt.name), w.leads("Not"+tt.name); by != "1" || not != "0" {
				t.Errorf("%s and %s leads", by, not)
			}
		})
	}
	_ = write.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

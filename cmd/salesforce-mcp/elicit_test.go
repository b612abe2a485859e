package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// modernCall is a tools/call of 2026-07-28 over HTTP.
func (w *world) modernCall(capabilities string, more string) (result map[string]any) {
	w.t.Helper()
	r := w.request(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT Id FROM Account LIMIT 1","agent_id":"demo-agent","user_id":"ann","context_id":"c"}` + more + `,
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + capabilities + `,"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}}}`)
	for name, value := range map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "query"} {
		r.Header.Set(name, value)
	}
	status, body := w.do(r)
	var answer struct{ Result map[string]any }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Result == nil {
		w.t.Fatalf("%d %s", status, body)
	}
	return answer.Result
}

// TestElicitation: a client of 2026-07-28 that can open URLs is asked to, once;
// every other one gets the link in an error.
func TestElicitation(t *testing.T) {
	w := connectWorld(t)
	asked := w.modernCall(`{"elicitation":{"url":{}}}`, "")
	requests, _ := asked["inputRequests"].(map[string]any)
	connect, _ := requests["connect"].(map[string]any)
	params, _ := connect["params"].(map[string]any)
	link, _ := params["url"].(string)
	if asked["resultType"] != "input_required" || connect["method"] != "elicitation/create" || params["mode"] != "url" ||
		!strings.HasPrefix(link, w.origin+"/w/a/oauth/connect?ticket=") || !strings.Contains(params["message"].(string), "not connected") {
		t.Fatalf("%v", asked)
	}
	if _, legacy := params["elicitationId"]; legacy {
		t.Error("2026-07-28 has no elicitationId")
	}
	for name, result := range map[string]map[string]any{
		"a client that cannot": w.modernCall(`{}`, ""),
		"forms only":           w.modernCall(`{"elicitation":{"form":{}}}`, ""),
		"declined":             w.modernCall(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"connect":{"action":"decline"}}`),
		"accepted, not done":   w.modernCall(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"connect":{"action":"accept"}}`),
	} {
		content, _ := result["structuredContent"].(map[string]any)
		if result["isError"] != true || content["type"] != "connector_auth_required" || content["connect_url"] != link {
			t.Errorf("%s: %v", name, result)
		}
	}
	newBrowser(t).open(link).follow().salesforce(fakeorg.ServiceUser)
	if result := w.modernCall(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"connect":{"action":"accept"}}`); result["isError"] == true || result["resultType"] != "complete" {
		t.Errorf("connected: %v", result)
	}
}

// TestElicitationStdio: the one client of stdio says in initialize that it can
// open URLs; the pages are there while it runs.
func TestElicitationStdio(t *testing.T) {
	w := connectWorld(t) // for its simulated org
	dir := t.TempDir()
	listen := freePort(t)
	file := filepath.Join(dir, "config.yaml")
	text := `{listen: "` + listen + `", allowLoopbackOrg: true, workspaces: [{name: desk, auth: {mode: oauth, proof: none, loginURL: "` + w.org.ready.Org + `", clientID: desk},
		profiles: [{name: desktop, local: true, agent: ["static:desk"], user: ["static:me"]}], rules: [{agent: desk, preset: all}]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.org.org.SetClient(fakeorg.Client{Key: "desk", RedirectURIs: []string{"http://" + listen + "/oauth/callback"}, RequirePKCE: true}); err != nil {
		t.Fatal(err)
	}
	in, write := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(t.Context(), []string{"stdio", "--config", file}, func(string) string { return "" }, in, out, io.Discard)
	}()
	answers := bufio.NewScanner(read)
	ask := func(message string) string {
		if _, err := io.WriteString(write, message+"\n"); err != nil || !answers.Scan() {
			t.Fatal("no answer", err)
		}
		return answers.Text()
	}
	query := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT COUNT() FROM Account"}}}`
	initialize := func(capabilities string) {
		ask(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + capabilities + `,"clientInfo":{"name":"t","version":"1"}}}`)
	}
	initialize(`{}`)
	if answer := ask(query); !strings.Contains(answer, `"isError":true`) || !strings.Contains(answer, "connector_auth_required") {
		t.Errorf("a client that cannot: %s", answer)
	}
	initialize(`{"elicitation":{"url":{}}}`)
	var refused struct {
		Error struct {
			Code int
			Data struct {
				Elicitations []struct{ Mode, URL, ElicitationID, Message string }
			}
		}
	}
	if answer := ask(query); json.Unmarshal([]byte(answer), &refused) != nil || refused.Error.Code != -32042 || len(refused.Error.Data.Elicitations) != 1 {
		t.Fatal(answer)
	}
	e := refused.Error.Data.Elicitations[0]
	if e.Mode != "url" || e.ElicitationID == "" || e.Message == "" {
		t.Errorf("%+v", e)
	}
	newBrowser(t).open(e.URL).follow().salesforce(fakeorg.ServiceUser).shows(200, "Salesforce is connected")
	if answer := ask(query); !strings.Contains(answer, "totalSize") {
		t.Error(answer)
	}
	if err := write.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + listen + "/oauth/callback"); err == nil {
		t.Error("the pages are still there")
	}
}

// freePort is an address that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

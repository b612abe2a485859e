package tools_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// listed is what a client reads of a tools/list.
type listed struct {
	Name        string
	Description string
	InputSchema struct {
		Properties map[string]any
		Required   []string
	}
	Annotations struct{ ReadOnlyHint, DestructiveHint bool }
}

// list asks for the tools of an agent in a view.
func list(t *testing.T, server *tools.Server, name, view string) []listed {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/?view="+view, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	tools.NewMCP(server, "salesforce-mcp", "test").ServeHTTP(w, r, agent{caller{allowlist.Caller{Workspace: "w", Agent: name}}, server.Gate})
	var answer struct{ Result struct{ Tools []listed } }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return answer.Result.Tools
}

// TestViews: each view lists every row that the caller may use, once, with hints
// that are true of it.
func TestViews(t *testing.T) {
	server := newTestServer(t, nil)
	for name, rows := range map[string]int{"admin": 85, "reader": 52} {
		for view, count := range map[string]func(listed) int{
			"dispatch": actions, "split": actions,
			"flat": func(listed) int { return 1 },
		} {
			n := 0
			for _, tool := range list(t, server, name, view) {
				n += count(tool)
				if view == "split" && tool.Annotations.ReadOnlyHint != strings.HasSuffix(tool.Name, "_read") {
					t.Errorf("%s: %+v", tool.Name, tool.Annotations)
				}
				if name == "reader" && !tool.Annotations.ReadOnlyHint {
					t.Errorf("a reader's %s in %s is not read-only", tool.Name, view)
				}
			}
			if n != rows {
				t.Errorf("%s of %s lists %d rows, want %d", view, name, n, rows)
			}
		}
	}
	flat := list(t, server, "admin", "flat")
	at := slices.IndexFunc(flat, func(tool listed) bool { return tool.Name == "getRecord" })
	if at < 0 || flat[at].InputSchema.Properties["action"] != nil || !slices.Equal(flat[at].InputSchema.Required, []string{"sObjectName", "recordId"}) || flat[at].Description != "Fetch a record." {
		t.Errorf("getRecord: %+v", flat)
	}
}

// actions is how many rows a tool lists.
func actions(tool listed) int {
	action, _ := tool.InputSchema.Properties["action"].(map[string]any)
	values, _ := action["enum"].([]any)
	return len(values)
}

// TestUnknownView is refused before anything is read.
func TestUnknownView(t *testing.T) {
	server := newTestServer(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/?view=tall", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	tools.NewMCP(server, "salesforce-mcp", "test").ServeHTTP(w, r, agent{caller{}, server.Gate})
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `there is no view "tall"; there are dispatch, split and flat`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestSplitNamesBind: a host that approved a tool which only reads has approved
// nothing else, whatever action its arguments name.
func TestSplitNamesBind(t *testing.T) {
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "204") })
	who := caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}
	remove := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}
	for tool, want := range map[string]string{
		"records_read":   `records_read has no action "delete" for this agent`,
		"records_Write":  "there is no tool",
		"records_":       "there is no tool",
		"versions_write": "there is no tool",
	} {
		if _, err := server.Call(t.Context(), tools.Call{Who: who, Tool: tool, Args: remove}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", tool, err)
		}
	}
	if sent != 0 {
		t.Fatalf("%d requests were sent", sent)
	}
	for _, tool := range []string{"records_write", "records", "deleteRecord"} {
		if _, err := server.Call(t.Context(), tools.Call{Who: who, Tool: tool, Args: remove}); err != nil {
			t.Errorf("%s: %v", tool, err)
		}
	}
}

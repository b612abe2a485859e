package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// TestEnded: whoever counts calls is told of each one, whatever it came to, once,
// and in words that no caller and no org chooses; the log has one line for it, with
// the ID of its audit entry.
func TestEnded(t *testing.T) {
	const none = "200\n" + `{"totalSize":0,"done":true,"records":[]}`
	var says atomic.Value
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if says.Load() == "" {
			panic(http.ErrAbortHandler)
		}
		answer(w, says.Load().(string))
	})
	store := new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	var log bytes.Buffer
	var ended []tools.Ended
	server.Journal, server.Log, server.Ended = journal, zerolog.New(&log), func(e tools.Ended) { ended = append(ended, e) }
	const id = "0015g00000AbCdEAAV"
	read := map[string]any{"action": "soql", "q": "SELECT Id FROM Account"}
	remove := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": id}
	refused := "403\n" + `[{"errorCode":"MADE_UP_BY_THE_ORG","message":"no"}]`
	for _, tt := range []struct {
		name, agent, tool string
		args              map[string]any
		answer            string
		broken            bool
		want              tools.Ended
		level             string // of the line, "" when there is none
	}{
		{"done", "admin", "query", read, none, false, tools.Ended{Tool: "query", Action: "soql", Outcome: audit.OK}, "info"},
		{"not allowed", "reader", "records", remove, "204", false, tools.Ended{Tool: "records", Action: "delete", Outcome: audit.Refused, Class: "agent_not_authorized"}, "info"},
		{"no such tool", "admin", "invented-by-the-caller", nil, "204", false, tools.Ended{Outcome: audit.Refused, Class: "unknown_tool"}, "info"},
		{"no such action", "admin", "records", map[string]any{"action": "invented"}, "204", false, tools.Ended{Outcome: audit.Refused, Class: "unknown_action"}, "info"},
		{"refused by the org", "admin", "query", read, refused, false, tools.Ended{Tool: "query", Action: "soql", Outcome: audit.Failed, Class: "permission"}, "info"},
		{"nobody knows", "admin", "records", remove, "", false, tools.Ended{Tool: "records", Action: "delete", Outcome: audit.Unknown, Class: "transient"}, "warn"},
		{"not recorded", "admin", "query", read, none, true, tools.Ended{Tool: "query", Action: "soql", Outcome: audit.Refused, Class: "audit_unavailable"}, ""},
	} {
		ended, store.broken = nil, nil
		says.Store(tt.answer)
		log.Reset()
		if tt.broken {
			store.broken = errors.New("disk full")
		}
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: tt.agent}}, Surface: "mcp", Tool: tt.tool, Args: tt.args})
		if diff := cmp.Diff([]tools.Ended{tt.want}, ended, cmpopts.IgnoreFields(tools.Ended{}, "Duration")); diff != "" || ended[0].Duration <= 0 {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		var lines []map[string]any
		for line := range strings.Lines(log.String()) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			if fields["message"] == "call" {
				lines = append(lines, fields)
			}
		}
		if tt.level == "" {
			continue
		}
		entries := store.all()
		last := entries[len(entries)-1]
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines", tt.name, len(lines))
		}
		line := lines[0]
		recorded := slices.ContainsFunc(entries, func(e audit.Entry) bool { return e.ID == line["call"] })
		if line["level"] != tt.level || line["outcome"] != string(last.Outcome) || line["code"] != orNil(last.Code) ||
			!recorded || line["surface"] != "mcp" || line["tool"] != last.Tool || line["effect"] != last.Effect || line["ms"].(float64) <= 0 {
			t.Errorf("%s: %v\nentry %+v", tt.name, line, last)
		}
		if err != nil && !strings.Contains(err.Error(), "call: "+line["call"].(string)) {
			t.Errorf("%s: the error %v has another call than the log", tt.name, err)
		}
	}
}

func orNil(code string) any {
	if code == "" {
		return nil
	}
	return code
}

// TestEveryCodeIsItsClass: a code of ours that is new is added to (*Error).class,
// or it is counted as something else.
func TestEveryCodeIsItsClass(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		server := newTestServer(t, func(http.ResponseWriter, *http.Request) {})
		var got string
		server.Ended = func(e tools.Ended) { got = e.Class }
		server.Orgs = failing{&tools.Error{Code: tools.Code(text), Message: "no"}}
		_, _ = server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "query", Args: map[string]any{"action": "soql", "q": "SELECT Id FROM Account"}})
		if got != text {
			t.Errorf("%s is counted as %q", text, got)
		}
		return true
	})
	if n < 20 {
		t.Errorf("only %d codes found", n)
	}
}

// failing is an org without a token.
type failing struct{ err error }

func (f failing) Connect(context.Context, allowlist.Caller, func(salesforce.Exchange)) (tools.Org, error) {
	return nil, f.err
}

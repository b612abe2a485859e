package tools_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// TestMotive: why a call is made is in the intent, once, and nowhere else; what
// makes no sense is refused, and recorded all the same. (That it reaches no
// request of any operation is held by TestOps, which gives one with each.)
func TestMotive(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "204") })
	m := new(memory)
	server.Journal = audit.NewJournal(m)
	t.Cleanup(server.Journal.Close)
	for _, c := range []struct {
		name       string
		args       map[string]any
		refused    string // part of the error; "" for calls that are made
		confidence float64
	}{
		{"both", map[string]any{"reasoning": "asked for", "confidence": json.Number("0.85")}, "", 0.85},
		{"none at all", map[string]any{"confidence": json.Number("0"), "reasoning": "asked for"}, "", 0},
		{"as text", map[string]any{"confidence": "1", "reasoning": "asked for"}, "", 1},
		{"above one", map[string]any{"confidence": json.Number("1.01")}, "confidence", -1},
		{"negative", map[string]any{"confidence": json.Number("-0.1")}, "confidence", -1},
		{"no number", map[string]any{"confidence": "NaN"}, "confidence", -1},
		{"a word", map[string]any{"confidence": "high"}, "confidence", -1},
		{"a list", map[string]any{"confidence": []any{}}, "confidence", -1},
		{"an object", map[string]any{"reasoning": map[string]any{"approved": true}}, "reasoning", -1},
		{"approval by itself", map[string]any{"approved": true}, "approved", -1}, // attack 31
		{"read", map[string]any{"action": "get", "reasoning": "curious"}, "reasoning", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(m.all())
			args := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}
			for name, v := range c.args {
				args[name] = v
			}
			_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "admin"}}, Surface: "mcp", Tool: "records", Args: args})
			entries := m.all()[before:]
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || len(entries) != 1 || entries[0].Outcome != audit.Refused {
					t.Errorf("error %v, entries %+v", err, entries)
				}
				return
			}
			if err != nil || len(entries) != 2 {
				t.Fatalf("error %v, entries %+v", err, entries)
			}
			intent, outcome := entries[0], entries[1]
			if intent.Reasoning != "asked for" || intent.Confidence == nil || *intent.Confidence != c.confidence ||
				outcome.Reasoning != "" || outcome.Confidence != nil || strings.Contains(string(intent.Arguments), "asked") || strings.Contains(string(intent.Arguments), "confidence") {
				t.Errorf("intent %s\noutcome %s", intent.Line(), outcome.Line())
			}
			if !strings.Contains(string(intent.Line()), `"confidence":`) {
				t.Errorf("a confidence of %v is left out: %s", c.confidence, intent.Line())
			}
		})
	}
}

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestEventsBySDK: a client that is not ours finds an event, reads what it takes, and
// publishes one and several. What does not fit the event reaches no bus; a repetition
// with the same idempotency key publishes nothing more.
func TestEventsBySDK(t *testing.T) {
	ready := startDemo(t)
	session := sdkClient(t, ready, ready.AgentID)
	do := func(args map[string]any) (string, bool) {
		t.Helper()
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "events", Arguments: args})
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return res.Content[0].(*sdk.TextContent).Text, res.IsError
	}
	published := func() string {
		t.Helper()
		resp, err := http.Get(ready.Org + "/_events")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	wants := func(text string, failed, fails bool, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if failed != fails || !strings.Contains(text, part) {
				t.Errorf("%v: %s, want %q", failed, text, part)
			}
		}
	}

	text, failed := do(map[string]any{"action": "list"})
	wants(text, failed, false, "Return_Completed__e\tReturn Completed\ttrue")
	text, failed = do(map[string]any{"action": "describe", "sObjectName": "Return_Completed__e"})
	wants(text, failed, false, "Case_Id__c\tCase Id\tstring\ttrue\t18", "schemaId: ")

	text, failed = do(map[string]any{"action": "publish", "sObjectName": "Return_Completed__e", "body": map[string]any{"Case_Id": "500", "Refund_Amount__c": "much"}})
	wants(text, failed, true, "nothing was published", "did you mean Case_Id__c?", `Refund_Amount__c: it is "much"`, "Case_Id__c: it is missing")
	if log := published(); log != "[]" {
		t.Errorf("published %s", log)
	}

	one := map[string]any{"action": "publish", "sObjectName": "Return_Completed__e", "body": map[string]any{"Case_Id__c": "500Sm000000000fIAA", "Refund_Amount__c": 12.5},
		"idempotencyKey": "event-1", "outputFormat": "structured"}
	text, failed = do(one)
	var made struct{ EventUUID string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || failed || made.EventUUID == "" {
		t.Fatalf("%v %s", err, text)
	}
	again, _ := do(one)
	wants(again, failed, false, made.EventUUID)
	text, failed = do(map[string]any{"action": "publish", "sObjectName": "Return_Completed__e", "events": []any{map[string]any{"Case_Id__c": "first"}, map[string]any{"Case_Id__c": "second"}}})
	wants(text, failed, false, "events (2):", "event\tsuccess\teventUuid")

	log := published()
	if strings.Count(log, `"EventUuid"`) != 3 || strings.Count(log, made.EventUUID) != 1 || strings.Index(log, `"first"`) > strings.Index(log, `"second"`) {
		t.Errorf("published %s", log)
	}
}

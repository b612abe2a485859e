package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"salesforce-mcp/tools"
)

// startDemo runs the demo command and returns what it prints when it is ready.
func startDemo(t testing.TB) demoReady {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"demo", "--json", "--listen", "127.0.0.1:0", "--org-listen", "127.0.0.1:0", "--data", t.TempDir()},
			func(string) string { return "" }, strings.NewReader(""), stdout, t.Output())
		_ = stdout.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("demo ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready demoReady
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return ready
}

// sdkClient is the official Go SDK's client, connected as an agent.
func sdkClient(t *testing.T, ready demoReady, agent string) *sdk.ClientSession {
	t.Helper()
	httpClient := &http.Client{Transport: withHeaders{"Authorization": "Bearer " + ready.HostToken, "Agent-Id": agent}}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: ready.MCP, HTTPClient: httpClient}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return session
}

type withHeaders map[string]string

func (h withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range h {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestQueryFits: 50 records of 6 fields cost a model no more than 4,600 bytes.
func TestQueryFits(t *testing.T) {
	ready := startDemo(t)
	session := sdkClient(t, ready, ready.AgentID)
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "query", Arguments: map[string]any{"action": "soql",
		"q": "SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue FROM Account ORDER BY Name LIMIT 50"}})
	if err != nil || res.IsError || res.StructuredContent != nil || len(res.Content) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	text := res.Content[0].(*sdk.TextContent).Text
	if rows := strings.Count(text, "\n001"); rows != 50 || strings.Contains(text, "empty in all") || len(text) > 4600 {
		t.Errorf("%d rows in %d bytes: %s", rows, len(text), text)
	}
}

// TestRecordsBySDK: a client that is not ours lists the tools of the demo and runs
// every documented action of those for records against the simulated org.
func TestRecordsBySDK(t *testing.T) {
	ready := startDemo(t)
	session := sdkClient(t, ready, ready.AgentID)
	list, err := session.ListTools(t.Context(), nil)
	if err != nil || len(list.Tools) != len(tools.All)-1 { // this agent needs no approvals
		t.Fatalf("%d tools, %v", len(list.Tools), err)
	}
	ran := map[string]bool{}
	do := func(tool string, args map[string]any) map[string]any {
		t.Helper()
		ran[fmt.Sprint(tool, ".", args["action"])] = true
		args["outputFormat"] = "both"
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
		if err != nil {
			t.Fatalf("%s %v: %v", tool, args, err)
		}
		text := res.Content[0].(*sdk.TextContent).Text
		if res.IsError {
			t.Fatalf("%s %v: %s", tool, args, text)
		}
		structured, ok := res.StructuredContent.(map[string]any)
		if !ok || text == "" {
			t.Fatalf("%s %v: text %q, structured %v", tool, args, text, res.StructuredContent)
		}
		return structured
	}
	first := func(o map[string]any, list string) map[string]any {
		t.Helper()
		rows, _ := o[list].([]any)
		if len(rows) == 0 {
			t.Fatalf("%s is empty in %v", list, o)
		}
		return rows[0].(map[string]any)
	}
	type m = map[string]any

	do("versions", m{"action": "listVersions"})
	do("versions", m{"action": "listResources"})
	do("versions", m{"action": "getLimits"})
	do("sobjects", m{"action": "describeGlobal"})
	do("sobjects", m{"action": "describe", "sObjectName": "Case", "fields": "Status,Reason"})
	do("sobjects", m{"action": "describeBasic", "sObjectName": "Account"})

	window := m{"action": "getUpdated", "sObjectName": "Account", "start": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "end": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
	id := do("records", m{"action": "create", "sObjectName": "Account", "body": m{"Name": "Zweig & Söhne", "ExternalId__c": "E-1"}})["id"]
	if got := do("records", m{"action": "get", "sObjectName": "Account", "recordId": id, "fields": "Name,ExternalId__c"}); got["Name"] != "Zweig & Söhne" {
		t.Errorf("get: %v", got)
	}
	do("records", m{"action": "update", "sObjectName": "Account", "recordId": id, "body": m{"Phone": "030 1234"}})
	if got := do("records", m{"action": "getField", "sObjectName": "Account", "recordId": id, "fieldName": "Phone"}); got["value"] != "030 1234" {
		t.Errorf("getField: %v", got)
	}
	if got := do("records", m{"action": "upsert", "sObjectName": "Account", "externalIdField": "ExternalId__c", "externalIdValue": "E-1", "body": m{"Site": "Berlin"}}); got["created"] != false || got["id"] != id {
		t.Errorf("upsert: %v", got)
	}
	do("versions", m{"action": "getRecent", "limit": 3})
	do("query", m{"action": "sosl", "q": "FIND {Zweig} IN ALL FIELDS RETURNING Account(Id, Name)"})
	do("query", m{"action": "parameterizedSearch", "body": m{"q": "Zweig", "sobjects": []any{m{"name": "Account", "fields": []string{"Id", "Name"}}}}})
	if got := do("records", window); !strings.Contains(fmt.Sprint(got["ids"]), id.(string)) {
		t.Errorf("getUpdated: %v", got)
	}
	do("records", m{"action": "delete", "sObjectName": "Account", "recordId": id})
	window["action"] = "getDeleted"
	if got := do("records", window); first(got, "deletedRecords")["id"] != id {
		t.Errorf("getDeleted: %v", got)
	}
	if got := do("query", m{"action": "soqlAll", "q": fmt.Sprintf("SELECT Id, IsDeleted FROM Account WHERE Id = '%s'", id)}); first(got, "records")["IsDeleted"] != true {
		t.Errorf("soqlAll: %v", got)
	}

	var leads []any
	for n := range 200 {
		leads = append(leads, m{"LastName": fmt.Sprintf("Lead %03d", n), "Company": "Batch"})
	}
	made := do("compositeRecords", m{"action": "createManyForType", "sObjectName": "Lead", "body": m{"allOrNone": true, "records": leads}})
	lead := first(made, "records")["id"]
	for range 10 {
		do("compositeRecords", m{"action": "createManyForType", "sObjectName": "Lead", "body": m{"records": leads}})
	}
	do("compositeRecords", m{"action": "updateMany", "body": m{"records": []any{m{"attributes": m{"type": "Lead"}, "id": lead, "Title": "Dr."}}}})
	if got := do("compositeRecords", m{"action": "getMany", "sObjectName": "Lead", "ids": lead, "fields": "Id,Title"}); first(got, "records")["Title"] != "Dr." {
		t.Errorf("getMany: %v", got)
	}
	do("compositeRecords", m{"action": "createMany", "body": m{"records": []any{m{"attributes": m{"type": "Account"}, "Name": "Many"}}}})
	do("compositeRecords", m{"action": "upsertManyForType", "sObjectName": "Account", "body": m{"externalIdField": "ExternalId__c", "records": []any{m{"ExternalId__c": "E-2", "Name": "Two"}}}})

	// Follow every page and every cut until all leads were seen once.
	seen := map[string]bool{}
	args := m{"action": "soql", "q": "SELECT Id, LastName, Company FROM Lead WHERE Company = 'Batch' ORDER BY LastName, Id"}
	for pages := 0; ; pages++ {
		page := do("query", args)
		for _, r := range page["records"].([]any) {
			seen[r.(map[string]any)["Id"].(string)] = true
		}
		note, _ := page["note"].(string)
		_, how, cut := strings.Cut(note, "queryLocator ")
		if next, ok := page["nextRecordsUrl"].(string); !cut && ok {
			how, cut = fmt.Sprintf("%q", next), true
		}
		if !cut || pages > 50 {
			break
		}
		var locator string
		if err := json.Unmarshal([]byte(strings.TrimSuffix(how, ".")), &locator); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		args = m{"action": "next", "queryLocator": locator}
	}
	if len(seen) != 2200 {
		t.Errorf("paging saw %d leads, want 2200", len(seen))
	}
	do("compositeRecords", m{"action": "deleteMany", "ids": lead})

	var contract []struct{ Tool, Action string }
	text, err := os.ReadFile("../../testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	for _, op := range contract {
		// The script operations.txtar runs the other tools.
		if slices.Contains([]string{"records", "query", "compositeRecords", "versions", "sobjects"}, op.Tool) && !ran[op.Tool+"."+op.Action] {
			t.Errorf("%s.%s did not run", op.Tool, op.Action)
		}
	}
}

// TestReaderBySDK: a reader is shown and granted less.
func TestReaderBySDK(t *testing.T) {
	session := sdkClient(t, startDemo(t), demoReader)
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		if !tool.Annotations.ReadOnlyHint {
			t.Errorf("%s is not read-only for a reader", tool.Name)
		}
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "records", Arguments: map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{}}})
	if err != nil || !res.IsError || !strings.HasPrefix(res.Content[0].(*sdk.TextContent).Text, "This agent is not authorized to use this connector for records.create") {
		t.Errorf("%v %+v", err, res)
	}
}

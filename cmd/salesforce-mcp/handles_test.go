package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// TestHandles (attack 23's kin: what Asana's connector leaked in 2025): nobody goes
// on with what somebody else began, although all agents are one Salesforce user.
func TestHandles(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		for i := range c.Workspaces {
			c.Workspaces[i].Rules[1].Preset = "all"
		}
	})
	type caller struct{ workspace, token, agent, user string }
	owner := caller{"a", "token-a", demoAgent, "ann"}
	others := []caller{{"a", "token-a", demoAgent, "bob"}, {"a", "token-a", demoReader, "ann"}, {"b", "token-b", demoAgent, "ann"}}
	send := func(who caller, tool string, args map[string]any) string {
		args["agent_id"], args["user_id"], args["context_id"] = who.agent, who.user, "c"
		r := w.request(call(1, tool, args))
		r.URL.Path = "/w/" + who.workspace + "/mcp"
		r.Header.Set("Authorization", "Bearer "+who.token)
		r.Header.Del("Agent-Id")
		_, body := w.do(r)
		return body
	}
	begin := func(tool, member string, args map[string]any) string {
		args["outputFormat"] = "structured"
		var answer struct {
			Result struct{ StructuredContent map[string]any }
		}
		body := send(owner, tool, args)
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		found, ok := answer.Result.StructuredContent[member].(string)
		if !ok {
			t.Fatalf("%s: %.300s", tool, body)
		}
		return found
	}
	for i := range 11 { // more rows than one page of the simulated org has
		records := make([]map[string]any, 200)
		for j := range records {
			records[j] = map[string]any{"LastName": fmt.Sprint("L", i, "-", j)}
		}
		send(owner, "compositeRecords", map[string]any{"action": "createManyForType", "sObjectName": "Contact", "body": map[string]any{"records": records}})
	}
	page := begin("query", "nextRecordsUrl", map[string]any{"action": "soql", "q": "SELECT Id FROM Contact"})
	locator, _, _ := strings.Cut(page[strings.LastIndexByte(page, '/')+1:], "-")
	query := begin("bulkQuery", "id", map[string]any{"action": "create", "operation": "query", "query": "SELECT Id FROM Account"})
	ingest := begin("bulkIngest", "id", map[string]any{"action": "create", "object": "Account", "operation": "insert"})
	report := w.reportID()
	instance := begin("analytics", "id", map[string]any{"action": "runReport", "reportId": report})
	batch := func(url string) map[string]any {
		return map[string]any{"action": "batch", "batchRequests": []any{map[string]any{"method": "GET", "url": url}}}
	}
	for _, tt := range []struct {
		tool string
		args map[string]any
	}{
		{"query", map[string]any{"action": "next", "queryLocator": page}},
		{"query", map[string]any{"action": "next", "queryLocator": locator + "-200"}},
		{"bulkQuery", map[string]any{"action": "get", "jobId": query}},
		{"bulkQuery", map[string]any{"action": "get", "jobId": query[:15]}},
		{"bulkIngest", map[string]any{"action": "get", "jobId": ingest}},
		{"bulkIngest", map[string]any{"action": "uploadData", "jobId": ingest, "rawBody": "Name\nx\n"}},
		{"analytics", map[string]any{"action": "getReportInstance", "reportId": report, "instanceId": instance}},
		{"composite", batch("v62.0/query/" + locator + "-0")},
		{"composite", batch("v62.0/QUERY//" + locator + "-0")},
		{"composite", batch("v62.0/%71uery/" + locator + "-0?x=1")},
		{"composite", batch("v62.0/jobs/query/" + query)},
		{"composite", batch("v62.0/jobs/query/" + query + "/results")},
	} {
		for _, who := range others {
			if text := send(who, tt.tool, tt.args); !strings.Contains(text, `"code":"not_given"`) {
				t.Errorf("%s %v by %v: %.200s", tt.tool, tt.args, who, text)
			}
		}
		if text := send(owner, tt.tool, tt.args); strings.Contains(text, "not_given") {
			t.Errorf("%s %v by its owner: %.200s", tt.tool, tt.args, text)
		}
	}

	// A row of functions names its members as the caller likes: what stands in it was
	// given to nobody.
	thief := others[0]
	send(thief, "records", map[string]any{"action": "create", "sObjectName": "Account", "body": map[string]any{"Name": "/services/data/v62.0/query/" + locator + "-0"}})
	forged := send(thief, "query", map[string]any{"action": "soql", "q": "SELECT MAX(Name) nextRecordsUrl, MAX(Id) records FROM Account WHERE Name LIKE '/services/%'"})
	if !strings.Contains(forged, locator) {
		t.Fatalf("%.300s", forged)
	}
	// A reference may stand for the name of a resource.
	through := func(path string) map[string]any {
		return map[string]any{"action": "request", "compositeRequest": []any{
			map[string]any{"method": "GET", "url": "/services/data/v62.0/limits", "referenceId": "a"},
			map[string]any{"method": "GET", "url": "/services/data/v62.0/" + path, "referenceId": "b"}}}
	}
	for _, tt := range []struct {
		tool string
		args map[string]any
	}{
		{"query", map[string]any{"action": "next", "queryLocator": locator + "-0"}},
		{"composite", through("@{a.x}/" + locator + "-0")},
		{"composite", through("@{a.x}")},
		{"composite", through("jobs/@{a.x}/" + query + "/results")},
		{"composite", through("tooling/@{a.x}/" + locator + "-0")},
		{"composite", through("analytics/reports/" + report + "/@{a.x}/" + instance)},
	} {
		if text := send(thief, tt.tool, tt.args); !strings.Contains(text, `"code":"not_given"`) {
			t.Errorf("%s %v: %.300s", tt.tool, tt.args, text)
		}
	}
}

// reportID is the ID of some report of the simulated org.
func (w *world) reportID() string {
	w.t.Helper()
	_, body := w.post(call(1, "query", map[string]any{"action": "soql", "q": "SELECT Id FROM Report LIMIT 1", "outputFormat": "structured"}))
	var answer struct {
		Result struct {
			StructuredContent struct{ Records []struct{ ID string } }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Result.StructuredContent.Records) == 0 {
		w.t.Fatal(body)
	}
	return answer.Result.StructuredContent.Records[0].ID
}

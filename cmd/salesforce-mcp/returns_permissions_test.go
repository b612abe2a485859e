package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/metadata"
	"salesforce-mcp/salesforce/fakeorg"
)

// newReturnsWorld starts a world whose workspace a works as the user who starts with
// nothing, and b as one who sees everything. What "export package" writes for the
// workspace is deployed through b, and a's user has its permission sets.
func newReturnsWorld(t *testing.T, change ...func(*config.Config)) *world {
	t.Helper()
	harnessed.pace = time.Millisecond // a deploy takes steps
	defer func() { harnessed.pace = 0 }()
	w := newWorld(t, append([]func(*config.Config){func(c *config.Config) {
		own := *c.Workspaces[0].Auth
		own.Username = fakeorg.ReturnsUser
		c.Workspaces[0].Auth = &own
	}}, change...)...)
	p, err := packageOf(&w.app.config.Workspaces[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	w.deploy(p)
	for _, set := range []string{metadata.ReturnsSet, metadata.AuditLogSet} {
		w.direct(http.MethodPost, "/sobjects/PermissionSetAssignment", fmt.Sprintf(`{"PermissionSetId": %q, "AssigneeId": %q}`,
			w.ask("SELECT Id FROM PermissionSet WHERE Name = '" + set + "'")[0]["Id"], w.ask("SELECT Id FROM User WHERE Username = '" + fakeorg.ReturnsUser + "'")[0]["Id"]))
	}
	return w
}

// deploy deploys a package through workspace b, and waits for it.
func (w *world) deploy(p *metadata.Package) {
	w.t.Helper()
	zip, err := p.Zip()
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.request(call(1, "metadata", map[string]any{"action": "deploy", "file": base64.StdEncoding.EncodeToString(zip),
		"deployOptions": map[string]any{"singlePackage": true, "rollbackOnError": true}}))
	r.URL.Path = "/w/b/mcp"
	r.Header.Set("Authorization", "Bearer token-b")
	if _, answer := w.do(r); strings.Contains(answer, `"isError":true`) {
		w.t.Fatal(answer)
	}
	var state struct {
		DeployResult struct {
			Done, Success bool
			Details       json.RawMessage
		}
	}
	id := w.toolingAsk("SELECT Id FROM DeployRequest ORDER BY Id DESC LIMIT 1")
	eventually(w.t.(*testing.T), "the package is deployed", func() bool {
		text := w.direct(http.MethodGet, fmt.Sprintf("/metadata/deployRequest/%s?includeDetails=true", id[0]["Id"]), "")
		if err := json.Unmarshal([]byte(text), &state); err != nil {
			w.t.Fatal(text)
		}
		return state.DeployResult.Done
	})
	if !state.DeployResult.Success {
		w.t.Fatalf("not deployed: %s", state.DeployResult.Details)
	}
}

// toolingAsk is ask of the Tooling API.
func (w *world) toolingAsk(q string) (records []map[string]any) {
	w.t.Helper()
	var answer struct{ Records []map[string]any }
	text := w.direct(http.MethodGet, "/tooling/query?q="+strings.ReplaceAll(q, " ", "+"), "")
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		w.t.Fatal(text)
	}
	return answer.Records
}

// drive drives the world's returns until the test ends.
func (w *world) drive() {
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { w.app.driveReturns(ctx) })
	w.t.Cleanup(func() { stop(); work.Wait() })
}

// TestReturnsWithNothingMore: what "export package" permits is enough for refunds and
// exchanges, and for the audit log.
func TestReturnsWithNothingMore(t *testing.T) {
	reserve := 0
	w := newReturnsWorld(t, func(c *config.Config) {
		c.Workspaces[0].AuditLog = &config.AuditLog{Object: "Audit_Log__c", CallsPerHour: 1_000_000, CallsPerDay: 1_000_000, Reserve: &reserve}
	})
	w.drive()
	for subject, outcome := range map[string]string{"Drill came with a cracked housing": "refund", "Charger has the wrong plug, please exchange": "replace"} {
		id := w.ask("SELECT Id FROM Case WHERE Subject = '" + subject + "'")[0]["Id"]
		status := func(action string) (answer string) {
			args := map[string]any{"action": action, "caseId": id, "reasoning": "The article is not what was ordered.", "confidence": 0.95, "outputFormat": "structured"}
			if action == "process" {
				args["outcome"] = outcome
			} else {
				delete(args, "reasoning")
				delete(args, "confidence")
			}
			_, answer = w.post(call(1, "returns", args))
			return answer
		}
		if answer := status("process"); strings.Contains(answer, `"isError":true`) {
			t.Fatalf("%s: %s", subject, answer)
		}
		last := ""
		defer func() { t.Log(last) }()
		eventually(t, subject+" is done", func() bool { last = status("status"); return strings.Contains(last, `"status":"done"`) })
	}
	for q, want := range map[string]int{"SELECT Id FROM Refund WHERE CreatedBy.Username = '" + fakeorg.ReturnsUser + "'": 1,
		"SELECT Id FROM Order WHERE Return_Key__c <> null": 1, "SELECT Id FROM ContentVersion WHERE CreatedBy.Username = '" + fakeorg.ReturnsUser + "'": 2} {
		if got := w.ask(q); len(got) != want {
			t.Errorf("%s: %d rows, want %d", q, len(got), want)
		}
	}
	eventually(t, "audit entries in the org", func() bool {
		return len(w.ask("SELECT Id FROM Audit_Log__c WHERE CreatedBy.Username = '"+fakeorg.ReturnsUser+"'")) > 4
	})
	if _, answer := w.post(call(1, "query", map[string]any{"action": "soql", "q": "SELECT Id FROM Opportunity"})); !strings.Contains(answer, "INVALID_TYPE") {
		t.Errorf("an object that returns do not need: %s", answer)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// direct makes a request to the org past the server.
func (w *world) direct(method, path, body string) string {
	w.t.Helper()
	r, err := http.NewRequest(method, w.org.ready.Org+"/services/data/v62.0"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.org.ready.OrgToken)
	r.Header.Set("Content-Type", "application/json")
	_, answer := w.do(r)
	return answer
}

// made makes a record past the server and returns its ID.
func (w *world) made(object, body string) string {
	w.t.Helper()
	id := regexp.MustCompile(`"id":"(\w{18})"`).FindStringSubmatch(w.direct("POST", "/sobjects/"+object, body))
	if id == nil {
		w.t.Fatal("no record of ", body)
	}
	return id[1]
}

// changed are the changes in the last entry, one a line.
func (w *world) changed() string {
	entries := w.entries("a")
	var b strings.Builder
	for _, c := range entries[len(entries)-1].Changes {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", c.Object, c.Field, c.Before, c.After)
	}
	return b.String()
}

// TestChanges (attack 33): where the rule asks for it, the audit trail has what
// each row that can tell has changed; what cannot tell is not made, nor is what
// cannot be read before.
func TestChanges(t *testing.T) {
	const seeing, some = "seeing", "some"
	w := newWorld(t, func(c *config.Config) {
		c.Workspaces[0].Rules = append(c.Workspaces[0].Rules, allowlist.Rule{Agent: seeing, Preset: "all", Changes: allowlist.Changes{"*"}},
			allowlist.Rule{Agent: some, Actions: []string{"records", "compositeRecords", "composite.batch"}, Changes: allowlist.Changes{"account"}})
	})
	as := func(agent, tool string, args map[string]any) string {
		t.Helper()
		r := w.request(call(1, tool, args))
		r.Header.Set("Agent-Id", agent)
		_, answer := w.do(r)
		return answer
	}
	check := func(what, answer, want string) {
		t.Helper()
		if got := w.changed(); got != want || strings.Contains(answer, `"isError":true`) {
			t.Errorf("%s: changed\n%swant\n%s%s", what, got, want, answer)
		}
	}
	first := w.made("Account", `{"Name":"First","Site":"North","ExternalId__c":"k-1","NumberOfEmployees":5}`)
	second := w.made("Account", `{"Name":"Second","ExternalId__c":"k-2"}`)
	lead := w.made("Lead", `{"LastName":"Abitbol","Company":"Acme"}`)

	answer := as(seeing, "records", map[string]any{"action": "update", "sObjectName": "Account", "recordId": first[:15], "body": map[string]any{"site": "South", "Phone": "1", "NumberOfEmployees": 5}})
	check("update", answer, "Account Phone: null -> \"1\"\nAccount site: \"North\" -> \"South\"\n")
	last := w.entries("a")
	outcome := last[len(last)-1]
	if outcome.Changes[0].Record != first || len(outcome.Exchanges) != 2 || outcome.Exchanges[0].Method != "POST" || outcome.Exchanges[1].Method != "PATCH" {
		t.Errorf("outcome %+v", outcome)
	}
	answer = as(seeing, "records", map[string]any{"action": "upsert", "sObjectName": "Account", "externalIdField": "ExternalId__c", "externalIdValue": "k-1", "body": map[string]any{"Name": "First too"}})
	check("upsert", answer, "Account Name: \"First\" -> \"First too\"\n")
	answer = as(seeing, "records", map[string]any{"action": "upsert", "sObjectName": "Account", "externalIdField": "ExternalId__c", "externalIdValue": "k-3", "body": map[string]any{"Name": "Third"}})
	check("upsert of a new one", answer, "Account Name:  -> \"Third\"\n")
	third := w.entries("a")
	if id := third[len(third)-1].Changes[0].Record; !strings.HasPrefix(id, "001") {
		t.Errorf("record %q", id)
	}

	record := func(object, id string, fields map[string]any) map[string]any {
		fields["attributes"] = map[string]any{"type": object}
		if id != "" {
			fields["id"] = id
		}
		return fields
	}
	many := []any{record("Account", second, map[string]any{"Name": "Second too"}), record("Lead", lead, map[string]any{"Company": "Other", "Status": "nonsense"}),
		record("Account", first, map[string]any{"Site": nil}), record("Account", "001000000000009AAA", map[string]any{"Site": "x"})}
	as(seeing, "compositeRecords", map[string]any{"action": "updateMany", "records": many})
	if got, want := w.changed(), "Account Name: \"Second\" -> \"Second too\"\nLead Company: \"Acme\" -> \"Other\"\nLead Status: \"Open - Not Contacted\" -> \"nonsense\"\nAccount Site: \"South\" -> null\n"; got != want {
		t.Errorf("updateMany: %s", got)
	}
	as(some, "compositeRecords", map[string]any{"action": "updateMany", "records": []any{record("Lead", lead, map[string]any{"Company": "Third"}), record("Account", first, map[string]any{"Site": "W"})}})
	if got, want := w.changed(), "Account Site: null -> \"W\"\n"; got != want {
		t.Errorf("updateMany of which some are asked for: %s", got)
	}
	upserts := []any{map[string]any{"ExternalId__c": "k-9", "Name": "It's new"}, map[string]any{"externalid__c": "K-2", "Name": "Second again"}, map[string]any{"Name": "Without a key"}}
	answer = as(seeing, "compositeRecords", map[string]any{"action": "upsertManyForType", "sObjectName": "Account", "externalIdField": "ExternalId__c", "records": upserts})
	if got := w.changed(); !strings.HasPrefix(got, "Account Name:  -> \"It's new\"\nAccount Name: \"Second too\" -> \"Second again\"\n") {
		t.Errorf("upsertMany: %s%s", got, answer)
	}
	as(some, "records", map[string]any{"action": "delete", "sObjectName": "Account", "recordId": second})
	if got := w.changed(); !strings.Contains(got, "Account Name: \"Second again\" -> \n") || strings.Contains(got, "null") {
		t.Errorf("delete: %s", got)
	}
	as(seeing, "compositeRecords", map[string]any{"action": "deleteMany", "ids": lead + "," + first})
	if got := w.changed(); !strings.Contains(got, "Account Name: \"First too\" -> \n") || !strings.Contains(got, "Lead LastName: \"Abitbol\" -> \n") {
		t.Errorf("deleteMany: %s", got)
	}

	// What is refused, and with nothing changed.
	fourth := w.made("Account", `{"Name":"Fourth"}`)
	update := map[string]any{"action": "update", "sObjectName": "Account", "recordId": fourth, "body": map[string]any{"Name": "Changed"}}
	w.org.org.Inject(fakeorg.Fault{Method: "POST", Path: "/composite/sobjects/Account", Status: 403, ErrorCode: "INSUFFICIENT_ACCESS"})
	if answer := as(seeing, "records", update); !strings.Contains(answer, "could not be read, and the rule for this agent asks for that; nothing was changed") || !strings.Contains(answer, "INSUFFICIENT_ACCESS") {
		t.Errorf("unreadable: %s", answer)
	}
	batch := map[string]any{"action": "batch", "batchRequests": []any{map[string]any{"method": "PATCH", "url": "v62.0/sobjects/Account/" + fourth, "richInput": map[string]any{"Name": "Changed"}}}}
	before := w.sent()
	if answer := as(seeing, "composite", batch); !strings.Contains(answer, "nobody can tell that of composite.batch") || w.sent() != before {
		t.Errorf("a batch: %s", answer)
	}
	if got := w.direct("GET", "/sobjects/Account/"+fourth+"?fields=Name", ""); !strings.Contains(got, "Fourth") {
		t.Errorf("changed all the same: %s", got)
	}
	if answer := as(some, "composite", batch); strings.Contains(answer, `"isError":true`) || w.changed() != "" {
		t.Errorf("a batch that the rule names: %s", answer)
	}
	missing := as(seeing, "records", map[string]any{"action": "update", "sObjectName": "Account", "recordId": second, "body": map[string]any{"Name": "x"}})
	if !strings.Contains(missing, "ENTITY_IS_DELETED") && !strings.Contains(missing, "NOT_FOUND") || w.changed() != "" {
		t.Errorf("a record that is gone: %s, %s", missing, w.changed())
	}
	// Cut after the commit: nobody can say, and the values of before are kept.
	w.org.org.Inject(fakeorg.Fault{Method: "PATCH", Path: "/sobjects/Account/" + fourth, Cut: "after", Times: 2})
	as(seeing, "records", update)
	entries := w.entries("a")
	if last := entries[len(entries)-1]; last.Outcome != audit.Unknown || w.changed() != "Account Name: \"Changed\" -> \n" {
		t.Errorf("unknown: %s %s", last.Outcome, w.changed())
	}
	// An agent whose rule does not ask costs no request.
	before = w.sent()
	as(demoAgent, "records", update)
	if n := w.sent() - before; n != 1 || w.changed() != "" {
		t.Errorf("%d requests, %s", n, w.changed())
	}

	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("data: %s\nworkspaces: [{name: a, profiles: [{name: l, local: true, agent: [\"static:x\"]}], rules: [{agent: x, preset: all, changes: true}, {agent: y, preset: all, changes: [Account]}]}]\n", w.app.config.Data)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"audit", "show", "--config", file}, func(string) string { return "" }, strings.NewReader(""), &out, &out); err != nil || !regexp.MustCompile(first+` +site: "North" -> "South"\n`).MatchString(out.String()) {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text, "[Account]", "[\"A b\"]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "changes[0]") {
		t.Error(err)
	}
}

// TestChangesBounded: what a call can make the trail keep is bounded.
func TestChangesBounded(t *testing.T) {
	w := newWorld(t)
	var all []audit.Change
	for i := range 3000 {
		value, _ := json.Marshal(strings.Repeat("é", 100+i))
		all = append(all, audit.Change{Record: "001000000000001AAA", Object: "Account", Field: fmt.Sprint("F", i), Before: value, After: value})
	}
	intent, err := w.app.journal.Begin(t.Context(), audit.Entry{Workspace: "a"})
	if err == nil {
		err = intent.End(t.Context(), audit.Outcome{Status: audit.OK, Changes: all})
	}
	if err != nil {
		t.Fatal(err)
	}
	last := w.entries("a")[1]
	if n := len(last.Line()); len(last.Changes) != 2000 || n > 1<<20 || !strings.Contains(last.Message, "only the first 2000 changed fields") {
		t.Errorf("%d changes, %d bytes, %s", len(last.Changes), n, last.Message)
	}
	if before := string(last.Changes[1999].Before); !strings.HasPrefix(before, `{"truncated":true,"sha256":"`) {
		t.Errorf("the last is %s", before)
	}
}

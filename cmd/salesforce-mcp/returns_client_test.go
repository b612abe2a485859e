package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ledongthuc/pdf"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
	"salesforce-mcp/tools/returns/policy"
)

// args are those of a call.
type args map[string]any

// returnsAgent is an agent that works with the official Go SDK's client.
type returnsAgent struct {
	t *testing.T
	*sdk.ClientSession
}

// call calls an action of the tool for returns and returns its text, and its structure
// into v.
func (a returnsAgent) call(action string, with args, v any) (text string, failed bool) {
	a.t.Helper()
	all := args{"action": action, "outputFormat": "both"}
	for name, value := range with {
		all[name] = value
	}
	res, err := a.CallTool(a.t.Context(), &sdk.CallToolParams{Name: "returns", Arguments: all})
	if err != nil {
		a.t.Errorf("%s %v: %v", action, with, err) // it may run beside others
		return "", true
	}
	text = res.Content[0].(*sdk.TextContent).Text
	if !res.IsError && v != nil {
		structure, err := json.Marshal(res.StructuredContent)
		if err == nil {
			err = json.Unmarshal(structure, v)
		}
		if err != nil {
			a.t.Errorf("%s %v: %v in %s", action, with, err, text)
		}
	}
	return text, res.IsError
}

// do is call for a call that succeeds and tells how a run is.
func (a returnsAgent) do(action string, with args) (s loop.Status) {
	a.t.Helper()
	if text, failed := a.call(action, with, &s); failed {
		a.t.Errorf("%s %v: %s", action, with, text)
	}
	return s
}

// process processes a case, surely and for a reason.
func (a returnsAgent) process(caseID string, more ...args) loop.Status {
	a.t.Helper()
	with := args{"caseId": caseID, "reasoning": "The customer sent it back.", "confidence": 0.95}
	for _, m := range more {
		for name, value := range m {
			with[name] = value
		}
	}
	return a.do("process", with)
}

// refused is call for a call that is refused; what it is told has all parts.
func (a returnsAgent) refused(action string, with args, parts ...string) {
	a.t.Helper()
	text, failed := a.call(action, with, nil)
	for _, part := range parts {
		if !failed || !strings.Contains(text, part) {
			a.t.Errorf("%s %v: %v %s, want %q", action, with, failed, text, part)
		}
	}
}

// until waits until a run is as it should be.
func (a returnsAgent) until(run, status string) (s loop.Status) {
	a.t.Helper()
	eventually(a.t, run+" is "+status, func() bool { s = a.do("status", args{"runId": run}); return s.Status == status })
	return s
}

// agent is one of workspace a.
func (w *world) agent(name string) returnsAgent {
	t := w.t.(*testing.T)
	return returnsAgent{t, sdkClient(t, demoReady{MCP: w.origin + "/w/a/mcp", HostToken: "token-a"}, name)}
}

// returning is an audit world whose runs are driven, with administrators.
func returning(t *testing.T, change ...func(*config.Config)) *auditWorld {
	t.Helper()
	a := newAuditWorld(t, append([]func(*config.Config){func(c *config.Config) {
		c.Workspaces[0].Rules = append(c.Workspaces[0].Rules, allowlist.Rule{Agent: "colleague", Preset: "all"})
		c.Workspaces[1].Rules = slices.Clone(c.Workspaces[0].Rules)
		for _, name := range []string{"maria", "ann"} {
			c.Admins = append(c.Admins, allowlist.Admin{Name: name, Tokens: []string{allowlist.HashToken("admin-" + name)}, Workspaces: []string{"a", "b"}})
		}
	}}, change...)...)
	a.driveQuickly()
	return a
}

// driveQuickly is drive by workers that look often, and try again soon.
func (w *world) driveQuickly() {
	w.app.loop.Poll = 20 * time.Millisecond
	w.app.loop.Patience = returns.Patience{First: 20 * time.Millisecond, Most: 200 * time.Millisecond}
	w.app.loop.Engine()
	w.drive()
}

// caseOf is the ID of a case by its number, without the zeros before it.
func (w *world) caseOf(number string) string {
	w.t.Helper()
	rows := w.ask("SELECT Id FROM Case WHERE CaseNumber = '0000" + number + "'")
	if len(rows) != 1 {
		w.t.Fatalf("%d cases have the number %s", len(rows), number)
	}
	return rows[0]["Id"].(string)
}

// of is the value of a field of the only record of a query, with the field first.
func (w *world) of(q string) any {
	w.t.Helper()
	rows := w.ask(q)
	if len(rows) != 1 {
		w.t.Errorf("%s: %d rows", q, len(rows))
		return nil
	}
	return rows[0][strings.Fields(q)[1]]
}

// paidBack is what went back for an order, in cents.
func (w *world) paidBack(order string) (cents int64) {
	w.t.Helper()
	payment := w.of("SELECT Id FROM Payment WHERE PaymentGroup.SourceObjectId = '" + order + "'")
	for _, p := range w.org.org.PaidBack() {
		if p.Payment == payment {
			cents += int64(p.Amount*100 + 0.5)
		}
	}
	return cents
}

// events are the platform events of a run.
func (w *world) events(run string) (events []map[string]any) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.org.ready.Org+"/_events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_, text := w.do(r)
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		w.t.Fatal(text)
	}
	return slices.DeleteFunc(all, func(e map[string]any) bool { return e["Correlation_Id__c"] != run })
}

var pdfName = regexp.MustCompile(`^return-[0-9]{8}\.pdf$`)

// document reads the only file of a case, which is a PDF without anything that runs.
func (w *world) document(caseID string) string {
	w.t.Helper()
	rows := w.ask("SELECT Id, PathOnClient, FileExtension FROM ContentVersion WHERE FirstPublishLocationId = '" + caseID + "'")
	if len(rows) != 1 || !pdfName.MatchString(fmt.Sprint(rows[0]["PathOnClient"])) {
		w.t.Errorf("documents of %s: %v", caseID, rows)
		return ""
	}
	text := w.direct(http.MethodGet, fmt.Sprintf("/sobjects/ContentVersion/%s/VersionData", rows[0]["Id"]), "")
	for _, bad := range []string{"/JavaScript", "/JS", "/OpenAction", "/Launch", "/URI", "/EmbeddedFile"} {
		if strings.Contains(text, bad) {
			w.t.Errorf("the document of %s has %s", caseID, bad)
		}
	}
	reader, err := pdf.NewReader(strings.NewReader(text), int64(len(text)))
	var plain io.Reader
	if err == nil {
		plain, err = reader.GetPlainText()
	}
	if err != nil {
		w.t.Errorf("the document of %s: %v", caseID, err)
		return ""
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(plain)
	return b.String()
}

// trail is what the audit trail has of a run: its entries, and the outcomes of its steps
// that were done, by their names.
func (a *auditWorld) trail(run string) (entries []audit.Entry, steps map[string]audit.Entry) {
	a.t.Helper()
	entries, err := a.app.store.List(a.t.Context(), audit.Query{Workspace: "a", Run: run, Limit: 10000})
	if err != nil {
		a.t.Fatal(err)
	}
	steps = map[string]audit.Entry{}
	for _, e := range entries {
		if e.Phase == audit.PhaseOutcome && e.Instruction != "" && e.Outcome == audit.OK && e.Action == "step" {
			steps[e.Instruction] = e
		}
	}
	return entries, steps
}

// audited checks the trail of a run that is done: who wanted it and why, what was
// decided about which facts by which policy, what was asked for and changed.
func (a *auditWorld) audited(s loop.Status) {
	a.t.Helper()
	entries, steps := a.trail(s.RunID)
	var begun *audit.Entry
	for i, e := range entries {
		if e.Action == "process" && e.Phase == audit.PhaseIntent {
			begun = &entries[i]
		}
		if e.Agent == "" && e.By == "" {
			a.t.Errorf("an entry of nobody: %+v", e)
		}
		if e.Action == "step" && e.Phase == audit.PhaseIntent && slices.Contains([]string{"records", "event"}, e.Instruction) && len(e.Digest) != 64 {
			a.t.Errorf("%s has the digest %q", e.Instruction, e.Digest)
		}
	}
	if begun == nil || begun.Reasoning != "The customer sent it back." || begun.Confidence == nil || *begun.Confidence != 0.95 || begun.Agent != demoAgent {
		a.t.Errorf("begun by %+v", begun)
	}
	var decided struct {
		Policy, Facts, Verdict string
		Amount, Fee            int64
	}
	if err := json.Unmarshal(steps["approval"].Detail, &decided); err != nil || decided.Policy != a.app.config.Workspaces[0].Returns.Rules.Digest() || len(decided.Facts) != 64 ||
		decided.Verdict != string(s.Verdict) || decided.Amount != s.Amount || decided.Fee != s.Fee {
		a.t.Errorf("%v: decided %s", err, steps["approval"].Detail)
	}
	var changes strings.Builder
	for _, c := range steps["records"].Changes {
		fmt.Fprintf(&changes, "%s.%s: %s -> %s\n", c.Object, c.Field, c.Before, c.After)
	}
	if !strings.Contains(changes.String(), `Case.Status: "Working" -> "Closed"`) {
		a.t.Errorf("%s: changes\n%s", s.CaseNumber, changes.String())
	}
	for _, name := range []string{"claim", "evaluate", "approval", "records", "document", "event"} {
		if x := steps[name].Exchanges; len(x) == 0 || x[0].Status/100 != 2 {
			a.t.Errorf("%s: requests of %s: %+v", s.CaseNumber, name, x)
		}
	}
	if s.Outcome == policy.OutcomeRefund {
		var paid struct{ Gateway, Reference string }
		if err := json.Unmarshal(steps["refund"].Detail, &paid); err != nil || paid.Gateway != config.GatewaySalesforcePayments || paid.Reference == "" || paid.Reference != s.Refund.Reference ||
			len(steps["refund"].Exchanges) == 0 {
			a.t.Errorf("%v: refunded %s", err, steps["refund"].Detail)
		}
	}
}

// TestReturnsBySDK: a client that is not ours takes the seeded returns through the loop:
// what the policy approves, with and without a fee and in part, what it denies, and an
// exchange. The org has what should be there once, and the audit trail tells all of it.
func TestReturnsBySDK(t *testing.T) {
	a := returning(t)
	agent := a.agent(demoAgent)
	var open struct {
		Returns []struct{ ID, Number string }
	}
	if text, failed := agent.call("listOpen", nil, &open); failed || len(open.Returns) != 17 {
		t.Fatalf("%d open: %s", len(open.Returns), text)
	}
	hostile := `<svg onload=alert(1)>"/JavaScript ../../x.html`
	product := a.of("SELECT Product2Id FROM OrderItem WHERE OrderId IN (SELECT OrderId FROM ReturnOrder WHERE CaseId = '" + a.caseOf("1067") + "')")
	if product != nil {
		a.direct(http.MethodPatch, fmt.Sprint("/sobjects/Product2/", product), fmt.Sprintf(`{"Name": %q}`, hostile))
	}
	var runs []string
	for _, c := range []struct {
		number, outcome, status, rule string
		amount, fee                   int64
		document                      []string
	}{
		{"1066", "refund", returns.Done, "within-14-days", 14900, 0, []string{"149.00"}},
		{"1067", "refund", returns.Done, "within-14-days", 6900, 0, []string{"69.00"}},
		{"1068", "refund", returns.Done, "within-30-days", 8010, 890, []string{"80.10", "8.90"}},
		{"1069", "refund", returns.Denied, "late", 0, 0, nil},
		{"1070", "refund", returns.Denied, "final-sale", 0, 0, nil},
		{"1073", "refund", returns.Denied, "nothing-left", 0, 0, nil},
		{"1074", "replace", returns.Done, "within-14-days", 0, 0, []string{"Return label"}},
	} {
		id := a.caseOf(c.number)
		var got struct {
			Case  struct{ Number, Status string }
			Order struct{ ID string }
			Facts []struct{ Fact, Source string }
		}
		if text, failed := agent.call("get", args{"caseId": id, "outcome": c.outcome}, &got); failed || got.Case.Number != "0000"+c.number || len(got.Facts) < 20 {
			t.Fatalf("get %s: %d facts, %s", c.number, len(got.Facts), text)
		}
		for _, f := range got.Facts {
			if f.Source == "" {
				t.Errorf("%s: nobody knows where %s comes from", c.number, f.Fact)
			}
		}
		var evaluated loop.Evaluation
		before := len(a.org.org.PaidBack())
		if text, failed := agent.call("evaluate", args{"caseId": id, "outcome": c.outcome, "confidence": 0.95}, &evaluated); failed || evaluated.Decision.Amount != c.amount && c.status == returns.Done ||
			(evaluated.Decision.Verdict == policy.Deny) != (c.status == returns.Denied) || len(a.org.org.PaidBack()) != before {
			t.Errorf("evaluate %s: %s", c.number, text)
		}
		began := time.Now()
		s := agent.process(id, args{"outcome": c.outcome})
		t.Logf("%s: %s after %v", c.number, s.Status, time.Since(began).Round(time.Millisecond))
		runs = append(runs, s.RunID)
		named := slices.ContainsFunc(s.Reasons, func(r policy.Reason) bool { return r.Rule == c.rule })
		if s.Status != c.status || s.CaseNumber != "0000"+c.number || !named || s.Amount != c.amount || s.Fee != c.fee || s.Escalated {
			t.Errorf("%s: %+v", c.number, s)
			continue
		}
		if byCase, byRun := agent.do("status", args{"caseId": id}), agent.do("status", args{"runId": s.RunID}); byCase.RunID != s.RunID || byRun.Status != s.Status {
			t.Errorf("%s: %+v %+v", c.number, byCase, byRun)
		}
		order := got.Order.ID
		if n := a.paidBack(order); n != c.amount {
			t.Errorf("%s: %d went back, want %d", c.number, n, c.amount)
		}
		done := c.status == returns.Done
		wantStatus, wantEvents := "New", 0
		if done {
			wantStatus, wantEvents = "Closed", 1
		}
		if status := a.of("SELECT Status FROM Case WHERE Id = '" + id + "'"); status != wantStatus {
			t.Errorf("%s: the case is %v", c.number, status)
		}
		if events := a.events(s.RunID); len(events) != wantEvents || done && (events[0]["Outcome__c"] != c.outcome || events[0]["Case_Id__c"] != id) {
			t.Errorf("%s: events %v", c.number, events)
		}
		if n := len(a.ask("SELECT Id FROM Task WHERE WhatId = '" + id + "'")); n != wantEvents {
			t.Errorf("%s: %d tasks", c.number, n)
		}
		wantRefunds := map[bool]int{true: 1}[done && c.outcome == "refund" || c.number == "1073"]
		if n := len(a.ask("SELECT Id FROM Refund WHERE PaymentGroup.SourceObjectId = '" + order + "'")); n != wantRefunds {
			t.Errorf("%s: %d refunds", c.number, n)
		}
		if !done {
			if n := len(a.ask("SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = '" + id + "'")); n != 0 {
				t.Errorf("%s: %d documents", c.number, n)
			}
			if next := agent.process(id, args{"outcome": c.outcome}); next.RunID == s.RunID || next.Status != returns.Denied {
				t.Errorf("%s once more: %+v", c.number, next)
			}
			continue
		}
		if next := agent.process(id); next.RunID != s.RunID || next.Status != returns.Done {
			t.Errorf("%s once more: %+v", c.number, next)
		}
		agent.refused("cancel", args{"caseId": id}, string(tools.RunState))
		text := a.document(id)
		squeezed := strings.Join(strings.Fields(text), "")
		for _, part := range append(c.document, "0000"+c.number) {
			if !strings.Contains(squeezed, strings.ReplaceAll(part, " ", "")) {
				t.Errorf("%s: no %q in the document: %s", c.number, part, text)
			}
		}
		a.audited(s)
		if c.outcome == "replace" {
			replacement := a.ask("SELECT Id, Status, OrderReferenceNumber FROM Order WHERE Return_Key__c <> null")
			if len(replacement) != 1 || replacement[0]["Status"] != "Draft" {
				t.Errorf("replacements %v", replacement)
			} else if items := a.ask(fmt.Sprintf("SELECT Quantity, UnitPrice, PricebookEntryId FROM OrderItem WHERE OrderId = '%s'", replacement[0]["Id"])); len(items) != 1 ||
				items[0]["Quantity"] != 1.0 || items[0]["UnitPrice"] != 0.0 {
				t.Errorf("its items %v", items)
			}
		}
	}
	agent.refused("process", args{"caseId": "500000000000999AAA"}, "invalid_argument", "listOpen")
	agent.refused("process", args{"caseId": a.ask("SELECT Id FROM Case WHERE Type <> 'Return' LIMIT 1")[0]["Id"]}, "invalid_argument", "Return")
	agent.refused("status", args{"caseId": "500000000000999AAA"}, string(tools.NoReturn))
	agent.refused("status", args{"runId": "01a20e44-0000-7000-8000-000000000001"}, string(tools.NoReturn))
	if text, failed := agent.call("listOpen", nil, &open); failed || len(open.Returns) != 13 {
		t.Errorf("%d open: %s", len(open.Returns), text)
	}
	a.signed()
	for _, run := range runs {
		if story := a.must("audit", "show", "--config", a.file, "--workspace", "a", "--run", run); !strings.Contains(story, "returns.process: ok") || !strings.Contains(story, "policy: ") {
			t.Errorf("%s", story)
		}
	}
}

// TestReturnsByPersons: a person decides over HTTP where the policy wants one, once, about
// what they were shown, and not for themselves; agents cannot (attacks 31 and 35).
func TestReturnsByPersons(t *testing.T) {
	a := returning(t, func(c *config.Config) {
		brief := *c.Workspaces[1].Returns
		brief.ApproveWithin = time.Second
		c.Workspaces[1].Returns = &brief
	})
	agent, colleague, careful := a.agent(demoAgent), a.agent("colleague"), a.agent(demoCareful)
	laser, sixth, drill := a.caseOf("1071"), a.caseOf("1072"), a.caseOf("1066")
	order := fmt.Sprint(a.of("SELECT OrderId FROM ReturnOrder WHERE CaseId = '" + laser + "'"))
	decide := func(who, id, verdict, note string, status int) string {
		t.Helper()
		r := a.admin("admin-"+who, http.MethodPost, "/w/a/approvals/"+id+"/"+verdict, fmt.Sprintf(`{"note":%q}`, note))
		if r.status != status {
			t.Errorf("%s %s: %d %s, want %d", who, verdict, r.status, r.body, status)
		}
		return r.body
	}

	// Nobody decides about this one, of workspace b, in time.
	forgotten := a.caseOf("1068")
	brief := returnsAgent{t, sdkClient(t, demoReady{MCP: a.origin + "/w/b/mcp", HostToken: "token-b"}, demoAgent)}
	expiring := brief.process(forgotten, args{"confidence": 0.1})
	if expiring.Status != returns.Waiting || expiring.ApprovalID == "" {
		t.Errorf("%+v", expiring)
	}
	if r := a.admin("admin-maria", http.MethodPost, "/w/a/approvals/"+expiring.ApprovalID+"/approve", `{}`); r.status != http.StatusNotFound {
		t.Errorf("decided in another workspace: %d %s", r.status, r.body)
	}

	// What agents say of themselves is refused, or decides nothing.
	for name, value := range map[string]any{"approved": true, "amount": 1, "actor": "maria", "workspace": "b", "approvalId": "x", "paymentId": "x", "verdict": "approve", "policy": "x"} {
		agent.refused("process", args{"caseId": laser, name: value}, "unknown_argument", name)
	}
	for _, sure := range []any{1.5, -1, "sure"} {
		agent.refused("process", args{"caseId": laser, "confidence": sure}, "invalid_argument", "confidence")
	}
	careful.refused("process", args{"caseId": laser, "reasoning": "r", "confidence": 1}, string(tools.ApprovalRequired))
	if n := len(a.org.org.PaidBack()); n != 0 {
		t.Fatalf("%d went back", n)
	}

	// A low confidence and none ask a person, even where the policy approves.
	unsure := agent.process(drill, args{"confidence": 0.3})
	if unsure.Status != returns.Waiting || unsure.ApprovalID == "" {
		t.Errorf("%+v", unsure)
	}
	colleague.refused("cancel", args{"runId": unsure.RunID}, string(tools.RunState))
	if status := a.of("SELECT Status FROM Case WHERE Id = '" + drill + "'"); status != "Working" {
		t.Errorf("claimed, the case is %v", status)
	}
	if s := agent.do("cancel", args{"runId": unsure.RunID, "reason": "changed my mind"}); s.Status != returns.Undoing && s.Status != returns.Cancelled {
		t.Errorf("%+v", s)
	}
	if s := agent.until(unsure.RunID, returns.Cancelled); s.Why != "changed my mind" {
		t.Errorf("%+v", s)
	}
	if status := a.of("SELECT Status FROM Case WHERE Id = '" + drill + "'"); status != "New" {
		t.Errorf("taken back, the case is %v", status)
	}
	decide("ann", unsure.ApprovalID, "approve", "too late", http.StatusConflict)
	if s := agent.process(drill, args{"confidence": nil}); s.RunID == unsure.RunID || s.Status != returns.Waiting {
		t.Errorf("%+v", s)
	}

	// Over the limit: what is approved is what was shown.
	waiting := agent.process(laser, args{"confidence": 1, "user_id": "Maria", "agent_id": demoAgent, "context_id": "talk"})
	if waiting.Status != returns.Waiting || waiting.Verdict != policy.Review || waiting.ApprovalID == "" || waiting.Until == nil {
		t.Errorf("%+v", waiting)
	}
	if s := colleague.process(laser); s.RunID != waiting.RunID {
		t.Errorf("a colleague has another run: %+v", s)
	}
	shown := a.admin("admin-ann", http.MethodGet, "/w/a/approvals/"+waiting.ApprovalID, "").body
	for _, part := range []string{`"amount":25900`, `"caseNumber":"00001071"`, "limit", "The customer sent it back.", `"writes":[`, `"factsDigest":"`, "259.00 USD are paid back through salesforcePayments"} {
		if !strings.Contains(shown, part) {
			t.Errorf("no %s is shown: %s", part, shown)
		}
	}
	decide("maria", waiting.ApprovalID, "approve", "mine", http.StatusForbidden) // for whom it is
	a.direct(http.MethodPatch, "/sobjects/Order/"+order, fmt.Sprintf(`{"Delivered_On__c": %q}`, time.Now().AddDate(0, 0, -8).Format(time.DateOnly)))
	decide("ann", waiting.ApprovalID, "approve", "as shown", http.StatusOK)
	var asked loop.Status
	eventually(t, "another question", func() bool {
		asked = agent.do("status", args{"runId": waiting.RunID, "user_id": "Maria", "agent_id": demoAgent, "context_id": "talk"})
		return asked.Status == returns.Waiting && asked.ApprovalID != waiting.ApprovalID
	})
	if n := a.paidBack(order); n != 0 {
		t.Errorf("%d went back, which nobody was shown", n)
	}
	decide("ann", waiting.ApprovalID, "approve", "again", http.StatusConflict)
	decide("ann", asked.ApprovalID, "approve", "known customer", http.StatusOK)
	done := agent.until(waiting.RunID, returns.Done)
	if n := a.paidBack(order); n != 25900 || done.Decided != "approved" || done.Amount != 25900 {
		t.Errorf("%d went back: %+v", n, done)
	}
	decide("ann", asked.ApprovalID, "deny", "no", http.StatusConflict)
	if s := agent.process(laser, args{"user_id": "Maria", "agent_id": demoAgent, "context_id": "talk"}); s.RunID != waiting.RunID || a.paidBack(order) != 25900 {
		t.Errorf("%+v", s)
	}
	entries, steps := a.trail(waiting.RunID)
	if !slices.ContainsFunc(entries, func(e audit.Entry) bool {
		return e.Tool == "approvals" && e.By == "ann" && e.Approval == asked.ApprovalID
	}) ||
		!strings.Contains(string(steps["approval"].Detail), `"by":"ann","note":"known customer"`) {
		t.Errorf("the trail: %s", steps["approval"].Detail)
	}

	// What a person does not want stays so.
	sixthRun := agent.process(sixth)
	decide("maria", sixthRun.ApprovalID, "deny", "The sixth is one too many.", http.StatusOK)
	if s := agent.until(sixthRun.RunID, returns.Denied); s.Decided != "denied" || s.Why != "The sixth is one too many." {
		t.Errorf("%+v", s)
	}
	if s := colleague.process(sixth); s.RunID != sixthRun.RunID || s.Status != returns.Denied {
		t.Errorf("processed again: %+v", s)
	}
	if n := len(a.org.org.PaidBack()); n != 1 {
		t.Errorf("%d went back", n)
	}

	if s := brief.until(expiring.RunID, returns.Denied); !strings.HasPrefix(s.Why, "Nobody has decided") {
		t.Errorf("%+v", s)
	}
	if tasks, events := a.ask("SELECT Id FROM Task WHERE WhatId = '"+forgotten+"'"), a.events(expiring.RunID); len(tasks) != 1 || len(events) != 1 || events[0]["Outcome__c"] != "escalated" {
		t.Errorf("%v %v", tasks, events)
	}
	if r := a.admin("admin-ann", http.MethodPost, "/w/b/approvals/"+expiring.ApprovalID+"/approve", `{}`); r.status != http.StatusConflict {
		t.Errorf("decided after its time: %d %s", r.status, r.body)
	}
	a.signed()
}

// TestReturnsOnce: agents that process a case at the same time, and one that has lost the
// answer and repeats the call with its key, pay back once. An agent that may write so
// much a day processes no more (attack 34).
func TestReturnsOnce(t *testing.T) {
	a := returning(t, func(c *config.Config) {
		c.Workspaces[0].Rules = append(c.Workspaces[0].Rules, allowlist.Rule{Agent: "loops", Preset: "all", Limits: allowlist.Limits{WritesPerDay: 3}})
	})
	agents := []returnsAgent{a.agent(demoAgent), a.agent("colleague")}
	drill, bits := a.caseOf("1066"), a.caseOf("1067")
	ids := make([]string, 12)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i] = agents[i%2].process(drill).RunID })
	}
	all.Wait()
	slices.Sort(ids)
	if runs := slices.Compact(ids); len(runs) != 1 || agents[0].until(runs[0], returns.Done).RunID != runs[0] || len(a.org.org.PaidBack()) != 1 {
		t.Errorf("%d runs, %d paid back", len(runs), len(a.org.org.PaidBack()))
	}

	body := call(1, "returns", args{"action": "process", "caseId": bits, "reasoning": "r", "confidence": 0.95, "idempotencyKey": "k-1", "outputFormat": "both"})
	a.org.org.Inject(fakeorg.Fault{Path: "/refunds", DelayMS: 300})
	lost, forget := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer forget()
	if resp, err := http.DefaultClient.Do(a.request(body).WithContext(lost)); err == nil {
		_ = resp.Body.Close()
	}
	var answers [2]string
	eventually(t, "an answer for the key", func() bool {
		_, answers[0] = a.post(body)
		return strings.Contains(answers[0], `"status":"done"`)
	})
	if _, answers[1] = a.post(body); answers[0] != answers[1] {
		t.Errorf("two answers for a key: %s\n%s", answers[0], answers[1])
	}
	if _, answer := a.post(strings.Replace(body, bits, drill, 1)); !strings.Contains(answer, "idempotency_mismatch") {
		t.Errorf("another call with the key: %s", answer)
	}
	if n := len(a.org.org.PaidBack()); n != 2 {
		t.Errorf("%d paid back", n)
	}

	loops := a.agent("loops")
	for _, number := range []string{"1069", "1070", "1073"} {
		if s := loops.process(a.caseOf(number)); s.Status != returns.Denied {
			t.Errorf("%+v", s)
		}
	}
	loops.refused("process", args{"caseId": a.caseOf("1068")}, string(tools.BudgetExceeded))
	if n := len(a.org.org.PaidBack()); n != 2 {
		t.Errorf("%d paid back", n)
	}
	a.signed()
}

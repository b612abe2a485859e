package loop

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
)

// TestVerdicts: each seeded return comes to what the policy and a person say.
func TestVerdicts(t *testing.T) {
	w := start(t)
	w.send("PATCH", "/sobjects/Case/"+w.demo("Sander does not fit the job"), map[string]any{"Status": "Closed"})
	for _, c := range []struct {
		subject string
		person  string // "", "yes" or "no"
		status  string
		amount  int64
		why     string
		closed  string
	}{
		{"Drill came with a cracked housing", "", returns.Done, 14900, "", "Closed"},
		{"Two of four bit sets are not needed", "", returns.Done, 6900, "", "Closed"},
		{"Return after two months", "", returns.Denied, 0, "more than 30 days", "New"},
		{"Clearance jigsaw is not wanted", "", returns.Denied, 0, "final sale", "New"},
		{"Grinder was refunded already", "", returns.Denied, 0, "has been refunded", "New"},
		{"Laser level is off by two degrees", "yes", returns.Done, 25900, "", "Closed"},
		{"Sander does not fit the job", "", returns.Denied, 0, "The case is closed.", "Closed"},
		{"Sixth return of the year", "no", returns.Denied, 0, "we have our doubts", "New"},
	} {
		before := w.paid()
		id := w.demo(c.subject)
		s := w.process(id)
		if c.person != "" {
			if s.Status != returns.Waiting || s.ApprovalID == "" || s.Until == nil || s.Verdict != policy.Review {
				t.Errorf("%s: %+v", c.subject, s)
				continue
			}
			if len(w.locks) != 0 {
				t.Errorf("%s: locked while a person thinks: %v", c.subject, w.locks)
			}
			s = w.decide(s, c.person == "yes", "we have our doubts")
		}
		said := s.Why
		for _, r := range s.Reasons {
			said += " " + r.Text
		}
		if s.Status != c.status || s.Amount != c.amount || !strings.Contains(said, c.why) || w.caseStatus(id) != c.closed {
			t.Errorf("%s: %+v, the case is %s; want %s %d %s %s", c.subject, s, w.caseStatus(id), c.status, c.amount, c.why, c.closed)
		}
		if moved := w.paid() - before; int64(moved*100+0.5) != c.amount {
			t.Errorf("%s: %v went back, want %d", c.subject, moved, c.amount)
		}
	}
	if len(w.locks) != 0 {
		t.Errorf("locks %v", w.locks)
	}
	// What a person has denied stays denied; what the policy has denied can be asked again.
	if s := w.process(w.demo("Sixth return of the year")); s.Decided != "denied" || w.runs[s.RunID].Generation != 0 {
		t.Errorf("%+v", s)
	}
	if s := w.process(w.demo("Return after two months")); s.Status != returns.Denied || w.runs[s.RunID].Generation != 1 {
		t.Errorf("%+v", s)
	}
	for _, e := range w.entries {
		if e.Instruction == "approval" && strings.Contains(string(e.Detail), "we have our doubts") && !strings.Contains(string(e.Detail), `"by":"lou"`) {
			t.Errorf("the trail does not say who decided: %s", e.Detail)
		}
	}
}

// TestProposal: a person sees all that the decision is based on, and all that would be
// done; lists of the store see no more than they may.
func TestProposal(t *testing.T) {
	w := start(t)
	s := w.process(w.demo("Laser level is off by two degrees"))
	a, _, err := w.Approval(t.Context(), "demo", s.ApprovalID)
	if err != nil {
		t.Fatal(err)
	}
	if a.Instruction != Instruction || a.Run != s.RunID || a.Rule != "limits.amount" || a.Reasoning == "" || a.Confidence == nil || a.Effect != "act" {
		t.Errorf("%+v", a)
	}
	whole, err := tools.Whole(t.Context(), w.Sealer, a)
	if err != nil {
		t.Fatal(err)
	}
	var p Proposal
	if err := json.Unmarshal(whole.Arguments, &p); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, c := range p.Writes {
		written[c.Object+"."+c.Field] = true
	}
	if p.Amount != 25900 || p.Effect != "259.00 USD are paid back through salesforcePayments." || p.Payment == "" || p.Order == "" || len(p.Lines) != 1 ||
		!written["Case.Status"] || !written["ReturnOrder.Status"] || !p.Return.Facts.Order.Paid.Known || p.Return.Facts.Order.Paid.Source == "" ||
		!slices.ContainsFunc(p.Rules, func(r policy.Outcome) bool { return r.Rule == "within-14-days" && r.Fired && len(r.Reads) > 0 }) {
		t.Errorf("%s", whole.Arguments)
	}
}

// TestExpired: when nobody decides the return is denied, and a person gets a task. It
// can be asked for once more.
func TestExpired(t *testing.T) {
	w := start(t)
	id := w.demo("Laser level is off by two degrees")
	s := w.process(id)
	w.expire()
	w.Inject(fakeorg.Fault{Path: "/sobjects/Task", Status: 400, ErrorCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION"}) // the task fails at first
	if s = w.work(s.RunID); s.Status != returns.Waiting {
		t.Fatalf("the task is not waited for: %+v", s)
	}
	if s = w.later(s.RunID, escalating); s.Status != returns.Denied || !strings.HasPrefix(s.Why, "Nobody has decided until") {
		t.Fatalf("%+v", s)
	}
	if rows := w.soql("SELECT Subject, Priority FROM Task WHERE WhatId = '" + id + "'"); len(rows) != 1 || rows[0]["Priority"] != "High" {
		t.Errorf("tasks %v", rows)
	}
	if w.paid() != 0 || w.caseStatus(id) != "New" || len(w.locks) != 0 {
		t.Errorf("paid back %v, case %s, locks %v", w.paid(), w.caseStatus(id), w.locks)
	}
	if s = w.process(id); s.Status != returns.Waiting || w.runs[s.RunID].Generation != 1 {
		t.Errorf("%+v", s)
	}
}

// TestFactsChanged: an approval is for what the person has seen. When the records or
// the policy are others by the time, a person is asked anew; a no stays a no.
func TestFactsChanged(t *testing.T) {
	w := start(t)
	id := w.demo("Laser level is off by two degrees")
	first := w.process(id)
	w.send("PATCH", "/sobjects/Case/"+id, map[string]any{"Priority": "High"})
	second := w.decide(first, true, "")
	if second.Status != returns.Waiting || second.ApprovalID == first.ApprovalID || w.paid() != 0 {
		t.Fatalf("%+v", second)
	}
	rules, err := policy.Parse(append(policy.Default(), []byte("\n# another version\n")...))
	if err != nil {
		t.Fatal(err)
	}
	w.setting(func(s *Settings) { s.Policy = rules })
	third := w.decide(second, true, "")
	if third.Status != returns.Waiting || third.ApprovalID == second.ApprovalID || w.paid() != 0 {
		t.Fatalf("%+v", third)
	}
	if s := w.decide(third, true, ""); s.Status != returns.Done || s.Decided != "approved" || w.paid() != 259 {
		t.Errorf("%+v, %v went back", s, w.paid())
	}

	id = w.demo("Sixth return of the year")
	s := w.process(id)
	w.send("PATCH", "/sobjects/Case/"+id, map[string]any{"Priority": "High"})
	if s = w.decide(s, false, "no"); s.Status != returns.Denied || s.Why != "no" {
		t.Errorf("a no was forgotten: %+v", s)
	}
}

// TestRecordsMove: that the case is claimed by the run is no fact, an order that is
// another by now is another return, and the mapping says how a denied case is left.
func TestRecordsMove(t *testing.T) {
	w := start(t)
	rules, err := policy.Parse([]byte("limits: {amount: {USD: 100000}}\nrules: [{name: new, when: case.status == 'New', verdict: review, reason: It is new.}, " +
		"{name: other, when: case.status != 'New', verdict: deny, reason: Somebody works on it.}]"))
	if err != nil {
		t.Fatal(err)
	}
	w.setting(func(s *Settings) { s.Policy, s.Mapping.Case.Statuses.Denied = rules, "Closed" })
	id := w.demo("Drill came with a cracked housing")
	s := w.process(id)
	if s.Status != returns.Waiting || w.caseStatus(id) != "Working" {
		t.Fatalf("%+v, the case is %s", s, w.caseStatus(id))
	}
	if _, err := w.Cancel(t.Context(), ada, s.RunID, ""); err != nil {
		t.Fatal(err)
	}
	if s = w.later(s.RunID, time.Minute); s.Status != returns.Cancelled || w.caseStatus(id) != "New" {
		t.Errorf("%+v, the case is %s", s, w.caseStatus(id))
	}
	s = w.process(id)
	mine := w.soql("SELECT Id FROM ReturnOrder WHERE CaseId = " + soql.Quote(id))[0]["Id"].(string)
	other := w.soql("SELECT OrderId FROM ReturnOrder WHERE CaseId = " + soql.Quote(w.demo("Sander does not fit the job")))[0]["OrderId"]
	w.send("PATCH", "/sobjects/ReturnOrder/"+mine, map[string]any{"OrderId": other})
	if s = w.decide(s, true, ""); s.Status != returns.Denied || !strings.Contains(s.Why, "another order") || w.paid() != 0 || len(w.locks) != 0 || w.caseStatus(id) != "Closed" {
		t.Errorf("%+v, the case is %s", s, w.caseStatus(id))
	}
}

// TestApprovalStays is attack 35: a run goes on with the approval of its own proposal
// and with nothing else, whoever lets it go on, and whoever asked does not decide.
func TestApprovalStays(t *testing.T) {
	w := start(t)
	id := w.demo("Laser level is off by two degrees")
	s := w.process(id)
	w.goOn(s.RunID) // nobody has approved
	if s = w.work(s.RunID); s.Status != returns.Waiting || w.paid() != 0 {
		t.Fatalf("%+v", s)
	}
	if _, err := tools.Decide(t.Context(), w.Journal, w.memory, "demo", s.ApprovalID, tools.Verdict{Approve: true, By: "Dora"}); err == nil {
		t.Error("she approved what was asked for her")
	}
	// The approval of another return, of a call, or of an earlier run of the case is none.
	other := w.process(w.demo("Sixth return of the year"))
	w.decide(other, true, "")
	w.goOn(s.RunID)
	if s = w.work(s.RunID); s.Status != returns.Waiting || w.paid() != 79 {
		t.Fatalf("%+v", s)
	}
	mine, _, _ := w.Approval(t.Context(), "demo", s.ApprovalID)
	stolen := mine
	stolen.ID, stolen.Run, stolen.State = "stolen", "", tools.Approved
	w.asked = append(w.asked, stolen)
	w.goOn(s.RunID)
	if s = w.work(s.RunID); s.Status != returns.Waiting || w.paid() != 79 {
		t.Fatalf("%+v", s)
	}
	// One that was approved and whose run was cancelled is not for the next run.
	if _, err := tools.Decide(t.Context(), w.Journal, w.memory, "demo", s.ApprovalID, tools.Verdict{Approve: true, By: "lou"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), ada, s.RunID, "the customer keeps it"); err != nil {
		t.Fatal(err)
	}
	w.later(s.RunID, 10e9)
	next := w.process(id)
	if next.RunID == s.RunID || next.Status != returns.Waiting || next.ApprovalID == s.ApprovalID || w.paid() != 79 {
		t.Errorf("%+v", next)
	}
}

// TestGate: an agent that may not process returns any more pays nothing back; once
// money has moved the run goes on all the same.
func TestGate(t *testing.T) {
	w := start(t)
	id := w.demo("Laser level is off by two degrees")
	s := w.process(id)
	w.refused = errors.New("agent ada may not call returns.process")
	if s = w.decide(s, true, ""); s.Status != returns.Denied || !strings.Contains(s.Why, "may not call") || w.paid() != 0 || w.caseStatus(id) != "New" {
		t.Errorf("%+v", s)
	}
	w.refused = nil
	w.Inject(fakeorg.Fault{Path: "/sobjects/Task", Status: 400, ErrorCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION"})
	s = w.process(id)
	if s = w.decide(s, true, ""); s.Refund == nil || s.Status != returns.Running {
		t.Fatalf("%+v", s)
	}
	w.refused = errors.New("agent ada may not call returns.process")
	if s = w.later(s.RunID, w.Patience.Most); s.Status != returns.Done || w.paid() != 259 {
		t.Errorf("%+v", s)
	}
}

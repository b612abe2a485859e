package loop

import (
	"errors"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
)

// indeterminate processes a return whose refund the gateway cannot tell of, until it has
// called for a person.
func (w *world) indeterminate(subject string) Status {
	w.t.Helper()
	w.Inject(fakeorg.Fault{Path: "/commerce/payments", Gateway: "Indeterminate"})
	s := w.process(w.demo(subject))
	for range 4 {
		s = w.later(s.RunID, time.Minute)
	}
	if s.Status != returns.Running || s.Step != "refund" || !s.Escalated || len(w.locks) == 0 {
		w.t.Fatalf("%s: %+v %v\n%s", subject, s, w.locks, w.story(s.RunID))
	}
	return s
}

// TestSettled: a person ends the doubt about a refund. One that was made gets its
// records and its reference, one that was not made ends without effect, and the order's
// lock is given up; nothing is sent again by either. Where the gateway can tell after all
// that it was made, their word does not count.
func TestSettled(t *testing.T) {
	w := start(t)
	hand := returns.Hand{By: "maria", Surface: "command", Note: "seen in the gateway's own pages"}
	settle := func(run string, made bool, reference string) error {
		_, err := hand.Settle(t.Context(), w.Journal, w.memory, "demo", run, made, reference)
		return err
	}
	s := w.indeterminate("Drill came with a cracked housing")
	view := returns.ViewOf(w.runs[s.RunID], w.steps[s.RunID], "")
	if !strings.Contains(view.Needed, "settle") || !strings.Contains(view.Needed, returns.Key(w.runs[s.RunID], "refund")) {
		t.Errorf("needed: %s", view.Needed)
	}
	sent := len(w.PaidBack())
	if err := settle(s.RunID, true, "gw-4711"); err != nil {
		t.Fatal(err)
	}
	if err := settle(s.RunID, false, ""); !errors.Is(err, returns.ErrCannot) || !strings.Contains(err.Error(), "already") {
		t.Errorf("settled twice: %v", err)
	}
	s = w.work(s.RunID)
	rows := w.soql("SELECT GatewayRefNumber, Amount FROM Refund WHERE GatewayRefNumber = 'gw-4711'")
	if s.Status != returns.Done || s.Escalated || s.Refund == nil || s.Refund.Reference != "gw-4711" || s.Refund.Amount != 14900 || len(rows) != 1 || rows[0]["Amount"] != 149.0 ||
		w.caseStatus(s.CaseID) != "Closed" || len(w.locks) != 0 || len(w.PaidBack()) != sent {
		t.Errorf("made: %+v %v %v\n%s", s, rows, w.locks, w.story(s.RunID))
	}
	if err := settle(s.RunID, true, "gw-4711"); !errors.Is(err, returns.ErrEnded) {
		t.Errorf("settled after its end: %v", err)
	}

	// The record of the org that they name is tied to the order, and no other is written.
	s = w.indeterminate("Two of four bit sets are not needed")
	record := w.send("POST", "/sobjects/Refund", map[string]any{"Amount": 69, "Type": "Referenced", "Status": "Processed", "ProcessingMode": "External"})
	before := len(w.soql("SELECT Id FROM Refund"))
	if err := settle(s.RunID, true, record); err != nil {
		t.Fatal(err)
	}
	if s = w.work(s.RunID); s.Status != returns.Done || s.Refund.ID != record || len(w.soql("SELECT Id FROM Refund")) != before || len(w.locks) != 0 {
		t.Errorf("made as a record: %+v\n%s", s, w.story(s.RunID))
	}

	s = w.indeterminate("Sander does not fit the job")
	sent = len(w.PaidBack())
	if err := settle(s.RunID, false, ""); err != nil {
		t.Fatal(err)
	}
	s = w.work(s.RunID)
	if s.Status != returns.Failed || s.Refund != nil || w.caseStatus(s.CaseID) != "New" || len(w.locks) != 0 || len(w.PaidBack()) != sent {
		t.Errorf("not made: %+v %v\n%s", s, w.locks, w.story(s.RunID))
	}
	told := false
	for _, e := range w.entries {
		told = told || e.Run == s.RunID && e.Action == "settle" && e.By == "maria" && e.Phase == audit.PhaseIntent && strings.Contains(string(e.Arguments), hand.Note)
	}
	if !told {
		t.Error("the audit trail does not say who settled it")
	}
	// Another run of the case asks the gateway first, which still cannot tell: nothing is sent.
	s = w.process(s.CaseID)
	if s = w.later(s.RunID, time.Minute); s.Status != returns.Running || s.Step != "refund" || len(w.PaidBack()) != sent {
		t.Errorf("after it: %+v\n%s", s, w.story(s.RunID))
	}
}

// TestSettledAgainstTheGateway: a person who is wrong is not believed when the gateway
// can tell, and who comes too early or too late is told so.
func TestSettledAgainstTheGateway(t *testing.T) {
	w := start(t)
	hand := returns.Hand{By: "maria", Surface: "admin", Note: "I think so"}
	settle := func(run string, made bool, reference string) error {
		_, err := hand.Settle(t.Context(), w.Journal, w.memory, "demo", run, made, reference)
		return err
	}
	w.Inject(fakeorg.Fault{Path: "/commerce/payments", Cut: "after"})
	s := w.process(w.demo("Drill came with a cracked housing"))
	if err := settle(s.RunID, false, ""); !errors.Is(err, returns.ErrCannot) || !strings.Contains(err.Error(), "being found out") {
		t.Errorf("before a person was called: %v", err)
	}
	w.mu.Lock()
	r := w.runs[s.RunID]
	r.Escalated = true // as after many tries
	w.runs[s.RunID] = r
	step := w.steps[s.RunID]["refund"]
	step.State = "intent"
	w.steps[s.RunID]["refund"] = step
	w.mu.Unlock()
	if err := settle(s.RunID, false, ""); !errors.Is(err, returns.ErrCannot) || !strings.Contains(err.Error(), "at this moment") {
		t.Errorf("while it is tried: %v", err)
	}
	w.mu.Lock()
	step.State = "unknown"
	w.steps[s.RunID]["refund"] = step
	w.mu.Unlock()
	for _, wrong := range []struct {
		made            bool
		reference, note string
	}{{true, "", "why"}, {true, "a\nb", "why"}, {true, " a", "why"}, {true, strings.Repeat("a", 256), "why"}, {false, "re_1", "why"}, {false, "", " "}} {
		_, err := returns.Hand{By: "maria", Note: wrong.note}.Settle(t.Context(), w.Journal, w.memory, "demo", s.RunID, wrong.made, wrong.reference)
		if !errors.Is(err, returns.ErrTestimony) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	// The gateway is away: it is asked again before anybody is believed.
	open := w.settings["demo"].Open
	w.setting(func(s *Settings) {
		s.Open = func(tools.Org) (gateway.Gateway, error) { return nil, errors.New("the secret store is away") }
	})
	if err := settle(s.RunID, false, ""); err != nil {
		t.Fatal(err)
	}
	if s = w.work(s.RunID); s.Status != returns.Running {
		t.Fatalf("believed while the gateway is away: %+v", s)
	}
	w.setting(func(s *Settings) { s.Open = open })
	if s = w.later(s.RunID, time.Minute); s.Status != returns.Done || s.Refund == nil || len(w.PaidBack()) != 1 || len(w.locks) != 0 {
		t.Errorf("%+v, paid back %v\n%s", s, w.PaidBack(), w.story(s.RunID))
	}
	// For ever it is not asked: then their word counts.
	s = w.indeterminate("Sander does not fit the job")
	w.setting(func(s *Settings) {
		s.Open = func(tools.Org) (gateway.Gateway, error) { return nil, errors.New("the account is closed") }
	})
	if err := settle(s.RunID, false, ""); err != nil {
		t.Fatal(err)
	}
	for range lookTries + 1 {
		s = w.later(s.RunID, time.Minute)
	}
	if s.Status != returns.Failed || len(w.locks) != 0 {
		t.Errorf("the gateway is away for ever: %+v", s)
	}
	other := w.process(w.demo("Laser level is off by two degrees"))
	if err := settle(other.RunID, true, "x"); !errors.Is(err, returns.ErrCannot) {
		t.Errorf("a run that waits: %v", err)
	}
}

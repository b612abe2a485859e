package loop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
)

// TestLostRefund: whatever becomes of the request that pays back, money goes back once,
// and the run knows.
func TestLostRefund(t *testing.T) {
	w := start(t)
	const pay = "/commerce/payments"
	for _, c := range []struct {
		subject string
		fault   fakeorg.Fault
		first   string // the refund's entry after the first attempt
		status  string // in the end
		amount  int64
	}{
		{"Drill came with a cracked housing", fakeorg.Fault{Path: pay, Cut: "after"}, "refund(unknown)", returns.Done, 14900},
		{"Two of four bit sets are not needed", fakeorg.Fault{Path: pay, Cut: "before"}, "refund(unknown)", returns.Done, 6900},
		{"Sander does not fit the job", fakeorg.Fault{Path: pay, Gateway: "Decline"}, "refund(Decline)", returns.Failed, 0},
	} {
		before := len(w.PaidBack())
		id := w.demo(c.subject)
		w.Inject(c.fault)
		s := w.process(id)
		if !strings.Contains(w.story(s.RunID), c.first) {
			t.Errorf("%s: %s", c.subject, w.story(s.RunID))
		}
		if c.status == returns.Done {
			if s.Status != returns.Running || !strings.Contains(s.Next, "Do not pay it back in another way") {
				t.Errorf("%s: %+v", c.subject, s)
			}
			if _, err := w.Cancel(t.Context(), ada, s.RunID, ""); err == nil || tools.AsError(err).Code != tools.RunState {
				t.Errorf("%s: an unknown refund was cancelled: %v", c.subject, err)
			}
			s = w.later(s.RunID, time.Minute)
		}
		if s.Status != c.status || s.Amount != c.amount || len(w.locks) != 0 {
			t.Errorf("%s: %+v %v\n%s", c.subject, s, w.locks, w.story(s.RunID))
		}
		if moved := w.PaidBack()[before:]; (len(moved) == 1) != (c.amount > 0) {
			t.Errorf("%s: paid back %+v", c.subject, moved)
		}
		if want := map[string]string{returns.Done: "Closed", returns.Failed: "New"}[c.status]; w.caseStatus(id) != want {
			t.Errorf("%s: the case is %s", c.subject, w.caseStatus(id))
		}
	}
	// A call that comes once more begins nothing. A refund that was declined can be
	// tried again, as another one, by who knows of that.
	sander := w.demo("Sander does not fit the job")
	before := len(w.runs)
	for _, after := range []string{"", "another run"} {
		if s, err := w.Start(t.Context(), w.org, ada, Ask{CaseID: sander, After: after}); err != nil || s.Status != returns.Failed || len(w.runs) != before {
			t.Errorf("a repetition after %q: %v %+v", after, err, s)
		}
	}
	if s := w.process(w.demo("Sander does not fit the job")); s.Status != returns.Done || w.runs[s.RunID].Generation != 1 {
		t.Errorf("%+v", s)
	}
}

// TestRecordsRefused: money that has moved is never without its records: they are
// tried until they are mended, a person gets a task, others are told, and the order
// stays locked meanwhile.
func TestRecordsRefused(t *testing.T) {
	w := start(t)
	id := w.demo("Drill came with a cracked housing")
	good := w.settings["demo"].Mapping
	w.setting(func(s *Settings) { s.Mapping.Task.Values = map[string]string{"TaskSubtype": "Pigeon"} })
	s := w.process(id)
	if s.Status != returns.Running || s.Step != "records" || !s.Escalated || s.Problem == nil || s.Problem.Class != returns.Fix || !strings.Contains(s.Problem.Message, "TaskSubtype") || len(w.locks) != 1 {
		t.Fatalf("%+v %v", s, w.locks)
	}
	tasks := w.soql("SELECT Subject, Description FROM Task WHERE WhatId = '" + id + "'")
	if len(tasks) != 1 || tasks[0]["Subject"] != "Return wants a person" || !strings.Contains(tasks[0]["Description"].(string), "149.00 USD went back") {
		t.Errorf("tasks %v", tasks)
	}
	told := 0
	for _, e := range w.entries {
		if e.Instruction == "escalate records" && e.Outcome == audit.OK {
			told++
			if !slices.ContainsFunc(e.Changes, func(c audit.Change) bool {
				return c.Object == "Return_Completed__e" && string(c.After) == `"escalated"`
			}) {
				t.Errorf("others are not told: %+v", e.Changes)
			}
		}
	}
	if s = w.later(s.RunID, w.Patience.Most); s.Status != returns.Running {
		t.Fatalf("%+v", s)
	}
	if _, err := w.Cancel(t.Context(), ada, s.RunID, ""); err == nil || !strings.Contains(err.Error(), "no way back") {
		t.Errorf("cancelled: %v", err)
	}
	w.setting(func(s *Settings) { s.Mapping = good })
	if s = w.later(s.RunID, w.Patience.Most); s.Status != returns.Done || s.Escalated || len(w.PaidBack()) != 1 || w.caseStatus(id) != "Closed" || told != 1 || len(w.locks) != 0 {
		t.Errorf("%+v, paid back %v, told %d times", s, w.PaidBack(), told)
	}
}

// after is a sealer that does something when a run has passed its approval.
type after struct {
	sealing
	do func()
}

func (a after) Seal(ctx context.Context, workspace, name string, plain []byte) ([]byte, error) {
	if strings.HasSuffix(name, " approval") {
		a.do()
	}
	return a.sealing.Seal(ctx, workspace, name, plain)
}

// TestLostAnswers: what is written and whose answer is lost is found or written once
// more, and never twice: claim, records, document and event, of a refund and of a
// replacement.
func TestLostAnswers(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ subject, outcome, cut string }{
		{"Drill came with a cracked housing", policy.OutcomeRefund, "after"},
		{"Two of four bit sets are not needed", policy.OutcomeRefund, "before"},
		{"Charger has the wrong plug, please exchange", policy.OutcomeReplace, "after"},
		{"Sander does not fit the job", policy.OutcomeReplace, "before"},
	} {
		w.Sealer = after{do: func() {
			w.Inject(fakeorg.Fault{Method: "POST", Path: "/composite", Cut: c.cut}, fakeorg.Fault{Method: "POST", Path: "/sobjects/ContentVersion", Cut: c.cut},
				fakeorg.Fault{Method: "POST", Path: "__e", Cut: c.cut})
		}}
		id := w.demo(c.subject)
		s, err := w.Start(t.Context(), w.org, ada, Ask{CaseID: id, Outcome: c.outcome, Confidence: &sure})
		if err != nil {
			t.Fatal(err)
		}
		w.Inject(fakeorg.Fault{Method: "POST", Path: "/composite", Cut: c.cut})
		s = w.work(s.RunID)
		for range 6 {
			s = w.later(s.RunID, time.Minute)
		}
		for _, step := range []string{"claim", "records", "document", "event"} {
			if !strings.Contains(w.story(s.RunID), step+"() ") {
				t.Errorf("%s: the answer of %s was not lost: %s", c.subject, step, w.story(s.RunID))
			}
		}
		documents := w.soql("SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = '" + id + "'")
		tasks := w.soql("SELECT Id FROM Task WHERE WhatId = '" + id + "'")
		if s.Status != returns.Done || len(documents) != 1 || len(tasks) != 1 {
			t.Errorf("%s: %+v, documents %v, tasks %v\n%s", c.subject, s, documents, tasks, w.story(s.RunID))
		}
	}
	if orders := w.soql("SELECT Id FROM Order WHERE Return_Key__c != null"); len(w.PaidBack()) != 2 || len(orders) != 2 {
		t.Errorf("paid back %v, orders %v", w.PaidBack(), orders)
	}
}

// TestSameOrder: two cases of one order take turns, and the second sees what went back
// for the first.
func TestSameOrder(t *testing.T) {
	w := start(t)
	first := w.demo("Drill came with a cracked housing")
	r := w.soql("SELECT Id, OrderId FROM ReturnOrder WHERE CaseId = '" + first + "'")[0]
	second := w.send("POST", "/sobjects/Case", map[string]any{"Subject": "The drill once more", "Type": "Return", "Origin": "Web", "Status": "New", "Priority": "Medium"})
	twin := w.send("POST", "/sobjects/ReturnOrder", map[string]any{"CaseId": second, "OrderId": r["OrderId"], "Status": "Draft"})
	w.send("PATCH", "/sobjects/ReturnOrder/"+twin, map[string]any{"Status": "Submitted"})

	w.setting(func(s *Settings) { s.Mapping.Task.Values = map[string]string{"TaskSubtype": "Pigeon"} })
	good := func() {
		w.setting(func(s *Settings) { s.Mapping.Task.Values = map[string]string{"Status": "Completed"} })
	}
	a := w.process(first)
	if a.Refund == nil || a.Status == returns.Done {
		t.Fatalf("%+v", a)
	}
	b := w.process(second)
	if b.Status != returns.Waiting || !strings.Contains(b.Waits, "Another return of the order") || w.paid() != 149 {
		t.Fatalf("%+v", b)
	}
	for range 3 { // it waits ever longer
		b = w.later(b.RunID, time.Minute)
	}
	if q := questionOf(w.runs[b.RunID].Reason); b.Status != returns.Waiting || q.Turns < 4 {
		t.Fatalf("%+v %+v", b, q)
	}
	good()
	w.later(b.RunID, w.Patience.Most)
	b = w.later(b.RunID, lastTurn)
	a, err := w.Status(t.Context(), w.org, ada, a.RunID)
	if err != nil || a.Status != returns.Done || b.Status != returns.Denied || len(b.Reasons) == 0 || w.paid() != 149 {
		t.Errorf("%v: %+v\n%+v\n%v went back", err, a, b, w.paid())
	}
}

// TestLostRun: a worker that has lost the run leaves the order's lock to the one that has
// it now, and what has lost the lock is not paid back.
func TestLostRun(t *testing.T) {
	w := start(t)
	s, err := w.Start(t.Context(), w.org, ada, Ask{CaseID: w.demo("Laser level is off by two degrees"), Confidence: &sure})
	if err != nil {
		t.Fatal(err)
	}
	settings := w.Settings
	w.Settings = func(workspace string) (Settings, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if r := w.runs[s.RunID]; r.At == "approval" && len(w.locks) == 1 { // another takes the run over
			r.Turn++
			w.runs[s.RunID] = r
		}
		return settings(workspace)
	}
	if _, err := w.Engine().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.runs[s.RunID]; r.At != "approval" || r.Status != returns.Running || len(w.locks) != 1 || len(w.asked) != 1 {
		t.Fatalf("%+v, locks %v", r, w.locks)
	}
	w.Settings = settings
	if s = w.work(s.RunID); s.Status != returns.Waiting || len(w.locks) != 0 {
		t.Fatalf("%+v, locks %v", s, w.locks)
	}

	rules := w.settings["demo"]
	rules.Open = func(tools.Org) (gateway.Gateway, error) { t.Error("it asks the gateway"); return nil, errors.New("no") }
	w.settings["demo"] = rules
	id := w.demo("Drill came with a cracked housing")
	if s, err = w.Start(t.Context(), w.org, ada, Ask{CaseID: id, Confidence: &sure}); err != nil {
		t.Fatal(err)
	}
	permitted := w.Permitted
	w.Permitted = func(c allowlist.Caller) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for name := range w.locks {
			w.locks[name] = "another"
		}
		return permitted(c)
	}
	if s = w.work(s.RunID); s.Status != returns.Denied || !strings.Contains(s.Why, "Another return of the order") || w.paid() != 0 || w.caseStatus(id) != "New" {
		t.Errorf("%+v", s)
	}
}

// TestReplace: an exchange makes an order and a label, and moves no money.
func TestReplace(t *testing.T) {
	w := start(t)
	id := w.demo("Charger has the wrong plug, please exchange")
	s := w.ask(Ask{CaseID: id, Outcome: policy.OutcomeReplace, Confidence: &sure})
	if s.Status != returns.Done || s.Refund != nil || s.Amount != 0 || w.paid() != 0 {
		t.Fatalf("%+v\n%s", s, w.story(s.RunID))
	}
	if rows := w.soql("SELECT Title FROM ContentVersion WHERE FirstPublishLocationId = '" + id + "'"); len(rows) != 1 || !strings.HasPrefix(rows[0]["Title"].(string), "Return label") {
		t.Errorf("documents %v", rows)
	}
	if rows := w.soql("SELECT Id FROM Order WHERE Return_Key__c != null"); len(rows) != 1 {
		t.Errorf("orders %v", rows)
	}
	if _, err := w.Cancel(t.Context(), ada, s.RunID, ""); err == nil {
		t.Error("cancelled after its end")
	}
}

// TestGateways: a gateway that makes no Refund record has one written, one that only
// records needs no payment's reference, and a run stays with the gateway that it began
// with.
func TestGateways(t *testing.T) {
	w := start(t)
	broken := &refusing{}
	w.setting(func(s *Settings) {
		s.Gateway = GatewayStripe
		s.Open = func(tools.Org) (gateway.Gateway, error) { return broken, nil }
	})
	id := w.demo("Drill came with a cracked housing")
	s := w.process(id)
	if s.Status != returns.Waiting || s.Problem == nil || s.Problem.Class != returns.Fix || broken.asked.Payment != "pi_demo01" || broken.asked.Amount != 14900 {
		t.Fatalf("%+v %+v", s, broken.asked)
	}
	if tasks := w.soql("SELECT Description FROM Task WHERE WhatId = '" + id + "'"); len(tasks) != 1 || !strings.Contains(tasks[0]["Description"].(string), "the key is not valid") {
		t.Errorf("no person is told: %v", tasks)
	}
	stripe := w.settings["demo"]
	w.setting(func(s *Settings) { s.Gateway = GatewayRecord })
	w.goOn(s.RunID)
	if s = w.work(s.RunID); s.Problem == nil || !strings.Contains(s.Problem.Message, "begun through stripe") {
		t.Fatalf("%+v", s)
	}
	w.settings["demo"], broken.good = stripe, true
	w.goOn(s.RunID)
	s = w.work(s.RunID)
	rows := w.soql("SELECT Amount, GatewayRefNumber FROM Refund WHERE Refund_Key__c LIKE 'ret%'")
	if s.Status != returns.Done || s.Refund == nil || s.Refund.ID != "re_1" || len(rows) != 1 || rows[0]["Amount"] != 149.0 {
		t.Errorf("%+v, refunds %v\n%s", s, rows, w.story(s.RunID))
	}

	broken.fails = true
	s = w.process(w.demo("Sander does not fit the job"))
	if s.Status != returns.Failed || s.Problem == nil || s.Problem.Class != returns.Declined || s.Refund != nil {
		t.Errorf("a refund that failed: %+v", s)
	}

	w.setting(func(s *Settings) {
		s.Gateway = GatewayRecord
		s.Open = func(o tools.Org) (gateway.Gateway, error) { return &gateway.Record{Org: o}, nil }
	})
	s = w.process(w.demo("Two of four bit sets are not needed"))
	if s.Status != returns.Done || s.Refund == nil || s.Refund.Amount != 6900 || w.paid() != 0 {
		t.Errorf("%+v\n%s", s, w.story(s.RunID))
	}
}

// refusing is a gateway that is not configured well, until it is.
type refusing struct {
	asked gateway.Request
	good  bool
	fails bool
}

func (g *refusing) Refund(_ context.Context, r gateway.Request) (gateway.Refund, error) {
	g.asked = r
	if !g.good {
		return gateway.Refund{}, &gateway.Error{Outcome: gateway.Refused, Message: "the key is not valid"}
	}
	status := gateway.Pending
	if g.fails {
		status = gateway.Failed
	}
	return gateway.Refund{ID: "re_1", Reference: "ref 1", Amount: r.Amount, Currency: r.Currency, Status: status, At: now}, nil
}

func (g *refusing) Find(context.Context, gateway.Request) (gateway.Refund, bool, error) {
	return gateway.Refund{}, false, nil
}

// TestCancel: before the refund a return is taken back, by whoever started it, and
// the case is as before, unless somebody else has changed it.
func TestCancel(t *testing.T) {
	w := start(t)
	id := w.demo("Laser level is off by two degrees")
	s := w.process(id)
	if w.caseStatus(id) != "Working" {
		t.Errorf("the case is %s", w.caseStatus(id))
	}
	eve := ada
	eve.Agent = "eve"
	if _, err := w.Cancel(t.Context(), eve, s.RunID, ""); err == nil || tools.AsError(err).Code != tools.RunState {
		t.Errorf("another agent cancelled it: %v", err)
	}
	blind := *w.org
	blind.Credentials = tokenOf{salesforce.Token{AccessToken: "00Dxx!none", InstanceURL: w.org.Credentials.(tokenOf).token.InstanceURL}}
	if _, err := w.Status(t.Context(), &blind, eve, id); err == nil {
		t.Error("another agent that does not see the case sees the return")
	}
	if _, err := w.Start(t.Context(), &blind, eve, Ask{CaseID: id}); err == nil {
		t.Error("another agent that does not see the case is told of the return")
	}
	if got, err := w.Status(t.Context(), w.org, eve, id); err != nil || got.RunID != s.RunID {
		t.Errorf("another agent that sees the case: %v %+v", err, got)
	}
	elsewhere := ada
	elsewhere.Workspace = "other"
	if _, err := w.Cancel(t.Context(), elsewhere, s.RunID, ""); err == nil || tools.AsError(err).Code != tools.NoReturn {
		t.Errorf("another workspace cancelled it: %v", err)
	}
	if _, err := w.Status(t.Context(), w.org, elsewhere, id); err == nil || tools.AsError(err).Code != tools.NoReturn {
		t.Errorf("another workspace sees it: %v", err)
	}
	later := ada
	later.Context = "another talk"
	if got, err := w.Cancel(t.Context(), later, s.RunID, "the customer keeps it"); err != nil || got.Status != returns.Undoing {
		t.Fatalf("%v: %+v", err, got)
	}
	s = w.later(s.RunID, time.Minute)
	if s.Status != returns.Cancelled || s.Why != "the customer keeps it" || w.caseStatus(id) != "New" || len(w.locks) != 0 || w.paid() != 0 {
		t.Errorf("%+v, the case is %s", s, w.caseStatus(id))
	}
	s = w.process(id)
	w.send("PATCH", "/sobjects/Case/"+id, map[string]any{"Status": "Escalated"})
	if _, err := w.Cancel(t.Context(), ada, id, ""); err != nil {
		t.Fatal(err)
	}
	if s = w.later(s.RunID, time.Minute); s.Status != returns.Cancelled || w.caseStatus(id) != "Escalated" {
		t.Errorf("%+v, the case is %s", s, w.caseStatus(id))
	}
}

// TestParked: a run that cannot go on now waits for a person and is not lost: without
// settings, without a connection, and with records that do not fit.
func TestParked(t *testing.T) {
	w := start(t)
	id := w.demo("Drill came with a cracked housing")
	settings := w.settings["demo"]
	w.away = &tools.Error{Code: tools.NotConnected, Message: "Salesforce is not connected", ConnectURL: "https://connect.example"}
	s := w.process(id)
	if s.Status != returns.Waiting || s.Problem == nil || s.Problem.Code != string(tools.NotConnected) || !strings.Contains(s.Problem.Message, "connect.example") || !strings.Contains(s.Next, "administrator") {
		t.Fatalf("%+v", s)
	}
	w.away = nil
	delete(w.settings, "demo")
	w.goOn(s.RunID)
	s = w.work(s.RunID)
	if s.Status != returns.Waiting || s.Problem == nil || s.Problem.Code != string(tools.ReturnsOff) {
		t.Fatalf("%+v", s)
	}
	w.settings["demo"] = settings
	w.setting(func(s *Settings) { s.Mapping.Order.Key = "" }) // nothing that a refund writes
	w.goOn(s.RunID)
	if s = w.work(s.RunID); s.Status != returns.Done {
		t.Errorf("%+v", s)
	}

	// What could not be written down is not paid back.
	w.setting(func(s *Settings) { s.Mapping.Order.Key = "" })
	s = w.ask(Ask{CaseID: w.demo("Charger has the wrong plug, please exchange"), Outcome: policy.OutcomeReplace, Confidence: &sure})
	if s.Status != returns.Waiting || s.Problem == nil || !strings.Contains(s.Problem.Message, "could not be written down") {
		t.Errorf("%+v", s)
	}
}

// TestRefusedAsks: what does not fit is said at once, and starts no run.
func TestRefusedAsks(t *testing.T) {
	w := start(t)
	much := 1.5
	for _, ask := range []Ask{
		{CaseID: "500000000000001AAB"}, {CaseID: "nonsense"}, {CaseID: "500Sm00000000zzIAA"}, {CaseID: w.demo("Drill came with a cracked housing"), Outcome: "gift"},
		{CaseID: w.demo("Drill came with a cracked housing"), Confidence: &much},
	} {
		if s, err := w.Start(t.Context(), w.org, ada, ask); err == nil {
			t.Errorf("%+v: %+v", ask, s)
		}
	}
	if len(w.runs) != 0 {
		t.Errorf("runs %v", w.runs)
	}
}

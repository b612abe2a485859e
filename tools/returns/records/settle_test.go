package records

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
)

// settlement is what came of a demo return.
func (w world) settlement(m Mapping, ask Ask, amount int64) Settlement {
	w.t.Helper()
	r, err := Read(w.t.Context(), w.org, m, ask)
	if err != nil {
		w.t.Fatal(err)
	}
	if !r.Facts.Request.Lines.Known {
		w.t.Fatalf("lines are not known: %s", r.Facts.Request.Lines.Source)
	}
	return Settlement{Return: r, Outcome: ask.Outcome, Amount: amount, Currency: "USD", Key: "ret/acme/" + r.Case.ID + "/records/1", Run: "run-1",
		Reason: "The return was asked for within 14 days of the delivery.", RefundRow: ask.Outcome == policy.OutcomeRefund,
		Refund: &gateway.Refund{ID: "re_1", Reference: "re_1", Amount: amount, Currency: "USD", Status: gateway.Done}}
}

// change returns what became of a field.
func change(d Done, object, field string) (before, after string) {
	for _, c := range d.Changes {
		if c.Object == object && c.Field == field {
			return string(c.Before), string(c.After)
		}
	}
	return "", ""
}

// TestSettleRefund holds what a refund writes, that it is all there or nothing, that
// it is found afterwards, and what the facts are then.
func TestSettleRefund(t *testing.T) {
	w, m := start(t), simulated(t)
	caseID := w.demo("Two of four bit sets are not needed")
	ask := Ask{CaseID: caseID, Outcome: policy.OutcomeRefund}
	if d, err := Claim(t.Context(), w.org, m, caseID, "Working", "Closed", "On Hold"); err != nil || d.Changes != nil {
		t.Fatalf("a case that is New was claimed from another status: %+v %v", d, err)
	}
	if status, err := Status(t.Context(), w.org, m, caseID); status != "New" || err != nil {
		t.Fatalf("%s %v", status, err)
	}
	if d, err := Claim(t.Context(), w.org, m, caseID, "Working", "On Hold", "New"); err != nil || len(d.Changes) != 1 || string(d.Changes[0].Before) != `"New"` {
		t.Fatalf("%+v %v", d, err)
	}
	s := w.settlement(m, ask, 6900)
	if _, found, err := FindSettled(t.Context(), w.org, m, s); found || err != nil {
		t.Fatalf("found before it was settled: %t %v", found, err)
	}

	stray := w.send("POST", "/sobjects/Refund", map[string]any{"Refund_Key__c": pathKey(s.Key), "Amount": 1, "Type": "Referenced", "Status": "Failed", "ProcessingMode": "External"})
	if _, found, err := FindSettled(t.Context(), w.org, m, s); found || err != nil {
		t.Errorf("found by less than the task: %t %v", found, err)
	}
	w.send("DELETE", "/sobjects/Refund/"+stray, nil)

	// A part that fails undoes the others.
	broken := m
	broken.Task.Values = map[string]string{"TaskSubtype": "Pigeon"}
	_, err := Settle(t.Context(), w.org, broken, s)
	var e *salesforce.Error
	if !errors.As(err, &e) || !e.NotExecuted || e.Class != salesforce.ClassValidation || !strings.Contains(err.Error(), "task (PATCH ") {
		t.Fatalf("%v", err)
	}
	if status, err := Status(t.Context(), w.org, m, caseID); status != "Working" || err != nil {
		t.Errorf("after a settlement that failed the case is %s (%v)", status, err)
	}
	if n := len(w.soql("SELECT Id FROM Refund WHERE Refund_Key__c != null")); n != 0 {
		t.Errorf("%d refunds after a settlement that failed", n)
	}

	// The answer gets lost after the effect.
	w.Inject(fakeorg.Fault{Method: "POST", Path: "/composite", Cut: "after"})
	if _, err := Settle(t.Context(), w.org, m, s); err == nil || errors.As(err, &e) && e.NotExecuted {
		t.Fatalf("a lost answer: %v", err)
	}
	d, found, err := FindSettled(t.Context(), w.org, m, s)
	if !found || err != nil || len(d.Records) != 4 {
		t.Fatalf("found %t, %+v %v", found, d, err)
	}
	for _, row := range [][4]string{
		{"Case", "Status", `"Working"`, `"Closed"`}, {"ReturnOrder", "Status", `"Submitted"`, `"Closed"`},
		{"Refund", "Amount", "", "69.00"}, {"Refund", "GatewayRefNumber", "", `"re_1"`}, {"Task", "WhatId", "", `"` + caseID + `"`},
	} {
		if before, after := change(d, row[0], row[1]); before != row[2] || after != row[3] {
			t.Errorf("%s.%s: %s to %s, want %s to %s", row[0], row[1], before, after, row[2], row[3])
		}
	}
	for _, c := range d.Changes {
		if c.Record == "" {
			t.Errorf("%s.%s is of no record", c.Object, c.Field)
		}
	}
	proposed := m.Proposed(s)
	if len(proposed) != len(d.Changes) {
		t.Errorf("%d changes were proposed, %d made", len(proposed), len(d.Changes))
	}
	for i, c := range proposed {
		if made := d.Changes[i]; c.Object != made.Object || c.Field != made.Field || string(c.After) != string(made.After) {
			t.Errorf("proposed %+v, made %+v", c, made)
		}
	}

	// Sent again, it ends in the same records.
	again, err := Settle(t.Context(), w.org, m, s)
	if err != nil || !slices.Equal(again.Records, d.Records) {
		t.Errorf("again: %v %v, want %v", again.Records, err, d.Records)
	}
	after, err := Read(t.Context(), w.org, m, ask)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.Facts.Order.Refunded; got.Value != 6900 || !got.Known {
		t.Errorf("refunded is %+v", got)
	}
	if l := after.Lines; len(l) != 1 || l[0].Returned != 2 || l[0].Ordered != 4 {
		t.Errorf("lines are %+v", l)
	}
	if p := after.Payments; len(p) != 1 || p[0].Refundable != 6900 {
		t.Errorf("payments are %+v", p)
	}
	if after.Facts.Case.Open.Value {
		t.Error("the case is open")
	}
}

// TestSettlePart holds that what was not accepted of a return order does not count as
// returned.
func TestSettlePart(t *testing.T) {
	w, m := start(t), simulated(t)
	caseID := w.demo("Two of four bit sets are not needed")
	r, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeRefund})
	if err != nil {
		t.Fatal(err)
	}
	ask := Ask{CaseID: caseID, Outcome: policy.OutcomeRefund, Lines: []AskedLine{{r.Lines[0].Item[:15], 1}}}
	s := w.settlement(m, ask, 3450)
	d, err := Settle(t.Context(), w.org, m, s)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := change(d, "ReturnOrderLineItem", "QuantityReturned"); before != "2" || after != "1" {
		t.Errorf("the return line went from %s to %s", before, after)
	}
	if after, err := Read(t.Context(), w.org, m, ask); err != nil || after.Lines[0].Returned != 1 {
		t.Errorf("%+v %v", after.Lines, err)
	}
}

// TestSettleReplacement holds what an exchange writes.
func TestSettleReplacement(t *testing.T) {
	w, m := start(t), simulated(t)
	s := w.settlement(m, Ask{CaseID: w.demo("Charger has the wrong plug, please exchange"), Outcome: policy.OutcomeReplace}, 0)
	s.Refund, s.At = nil, now
	d, err := Settle(t.Context(), w.org, m, s)
	if err != nil {
		t.Fatal(err)
	}
	orders := w.soql("SELECT Id, AccountId, EffectiveDate, Status, OrderReferenceNumber, TotalAmount FROM Order WHERE Return_Key__c != null")
	if len(orders) != 1 || orders[0].text("AccountId") != s.Return.AccountID || orders[0].text("EffectiveDate") != "2026-11-24" || orders[0].text("Status") != "Draft" ||
		orders[0].text("OrderReferenceNumber") != s.Return.Order.Number {
		t.Fatalf("%v", orders)
	}
	items := w.soql("SELECT Id, Quantity, UnitPrice, PricebookEntryId FROM OrderItem WHERE OrderId = '" + orders[0].id("Id") + "'")
	if n, ok := pieces(items[0].at("Quantity")); len(items) != 1 || n != 1 || !ok || items[0].id("PricebookEntryId") != s.Return.Lines[0].Entry {
		t.Fatalf("%v", items)
	}
	if n, ok := pieces(items[0].at("UnitPrice")); n != 0 || !ok {
		t.Errorf("the replacement costs %v", items[0].at("UnitPrice"))
	}
	if _, after := change(d, "OrderItem", "OrderId"); after != `"`+orders[0].id("Id")+`"` {
		t.Errorf("the change of the item's order is %s", after)
	}
	if len(w.soql("SELECT Id FROM Refund WHERE Refund_Key__c != null")) != 0 {
		t.Error("a refund was written")
	}
	if again, found, err := FindSettled(t.Context(), w.org, m, s); !found || err != nil || !slices.Equal(again.Records, d.Records) {
		t.Errorf("found %t %v %v, want %v", found, again.Records, err, d.Records)
	}
}

// TestSettleGatewayRecord holds that a refund whose record the gateway made is one of
// the order afterwards.
func TestSettleGatewayRecord(t *testing.T) {
	w, m := start(t), simulated(t)
	ask := Ask{CaseID: w.demo("Drill came with a cracked housing"), Outcome: policy.OutcomeRefund}
	s := w.settlement(m, ask, 14900)
	g := &gateway.Record{Org: w.org}
	made, err := g.Refund(t.Context(), gateway.Request{Key: "k", Amount: 14900, Currency: "USD", Account: s.Return.AccountID})
	if err != nil {
		t.Fatal(err)
	}
	s.Refund, s.RefundRow = &made, false
	if _, err := Settle(t.Context(), w.org, m, s); err != nil {
		t.Fatal(err)
	}
	if after, err := Read(t.Context(), w.org, m, ask); err != nil || after.Facts.Order.Refunded.Value != 14900 {
		t.Errorf("%+v %v", after.Facts.Order.Refunded, err)
	}
	if n := len(w.soql("SELECT Id FROM Refund WHERE CreatedDate = TODAY")); n != 1 {
		t.Errorf("%d refunds", n)
	}
}

// TestSettlementRefused holds what is refused before anything is sent.
func TestSettlementRefused(t *testing.T) {
	w, m := start(t), simulated(t)
	good := w.settlement(m, Ask{CaseID: w.demo("Drill came with a cracked housing"), Outcome: policy.OutcomeRefund}, 100)
	for name, spoil := range map[string]func(*Settlement){
		"outcome":  func(s *Settlement) { s.Outcome = "both" },
		"key":      func(s *Settlement) { s.Key = "" },
		"amount":   func(s *Settlement) { s.Amount = -1 },
		"currency": func(s *Settlement) { s.Currency = "" },
		"order":    func(s *Settlement) { s.Return.Order.ID = "" },
		"lines":    func(s *Settlement) { s.Return.Lines = nil },
		"group":    func(s *Settlement) { s.Return.Payments = nil },
	} {
		s := good
		spoil(&s)
		if d, err := Settle(t.Context(), nil, m, s); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestDocument holds that a document is on its case once it is written, and found.
func TestDocument(t *testing.T) {
	w, m := start(t), simulated(t)
	d := Document{CaseID: w.demo("Drill came with a cracked housing"), Title: "Receipt", FileName: "receipt.pdf", Key: "ret/acme/500/document/1", PDF: []byte("%PDF-1.7")}
	if _, found, err := FindAttached(t.Context(), w.org, m, d); found || err != nil {
		t.Fatalf("%t %v", found, err)
	}
	made, err := Attach(t.Context(), w.org, m, d)
	if err != nil || len(made.Records) != 1 {
		t.Fatalf("%+v %v", made, err)
	}
	found, ok, err := FindAttached(t.Context(), w.org, m, d)
	if !ok || err != nil || !slices.Equal(found.Records, made.Records) || len(found.Changes) != len(made.Changes) {
		t.Errorf("%t %+v %v, want %+v", ok, found, err, made)
	}
	links := w.soql("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '" + d.CaseID + "'")
	if len(links) != 1 {
		t.Errorf("%d documents are linked to the case", len(links))
	}
	d.Key = "other"
	if _, found, err := FindAttached(t.Context(), w.org, m, d); found || err != nil {
		t.Errorf("another key: %t %v", found, err)
	}
}

// TestEventAndEscalation holds what is published and who is asked.
func TestEventAndEscalation(t *testing.T) {
	w, m := start(t), simulated(t)
	caseID := w.demo("Drill came with a cracked housing")
	d, err := Publish(t.Context(), w.org, m, Event{CaseID: caseID, Outcome: "refunded", Run: "run-1", Amount: 14900, Currency: "USD"})
	if _, after := change(d, "Return_Completed__e", "Refund_Amount__c"); err != nil || after != "149.00" || len(d.Records) != 0 {
		t.Errorf("%+v %v", d, err)
	}
	silent := m
	silent.Event.Object = ""
	if d, err := Publish(t.Context(), nil, silent, Event{CaseID: caseID}); err != nil || d.Changes != nil {
		t.Errorf("%+v %v", d, err)
	}
	e := Escalation{Key: "ret/acme/500/escalate/1", CaseID: caseID, Run: "run-1", Subject: "Refund without records", Text: strings.Repeat("é", 40000)}
	if _, found, err := FindEscalated(t.Context(), w.org, m, e); found || err != nil {
		t.Fatalf("%t %v", found, err)
	}
	var made Done
	for range 2 {
		if made, err = Escalate(t.Context(), w.org, m, e); err != nil {
			t.Fatal(err)
		}
	}
	tasks := w.soql("SELECT Id, Priority, Status FROM Task WHERE WhatId = '" + caseID + "'")
	if len(tasks) != 1 || tasks[0].text("Priority") != "High" || tasks[0].id("Id") != made.Records[0] {
		t.Errorf("%v", tasks)
	}
	if found, ok, err := FindEscalated(t.Context(), w.org, m, e); !ok || err != nil || !slices.Equal(found.Records, made.Records) {
		t.Errorf("%t %+v %v", ok, found, err)
	}
}

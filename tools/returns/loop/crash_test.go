package loop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns"
)

// sell makes an order that was paid and delivered, and a case that asks to return it.
func (w *world) sell(n int) (caseID string) {
	w.t.Helper()
	was := w.soql("SELECT AccountId, ContactId, Id FROM Case WHERE Subject = 'Drill came with a cracked housing'")[0]
	order := w.soql("SELECT OrderId FROM ReturnOrder WHERE CaseId = " + soql.Quote(was["Id"].(string)))[0]["OrderId"].(string)
	item := w.soql("SELECT PricebookEntryId, UnitPrice, Order.Pricebook2Id FROM OrderItem WHERE OrderId = " + soql.Quote(order))[0]
	made := w.send("POST", "/sobjects/Order", map[string]any{"AccountId": was["AccountId"], "EffectiveDate": "2026-11-10", "Status": "Draft",
		"Pricebook2Id": item["Order"].(map[string]any)["Pricebook2Id"], "Delivered_On__c": "2026-11-15"})
	line := w.send("POST", "/sobjects/OrderItem", map[string]any{"OrderId": made, "PricebookEntryId": item["PricebookEntryId"], "Quantity": 1, "UnitPrice": 149})
	w.send("PATCH", "/sobjects/Order/"+made, map[string]any{"Status": "Activated"})
	group := w.send("POST", "/sobjects/PaymentGroup", map[string]any{"SourceObjectId": made})
	w.send("POST", "/sobjects/Payment", map[string]any{"AccountId": was["AccountId"], "PaymentGroupId": group, "Amount": 149, "Status": "Processed", "Type": "Capture", "ProcessingMode": "Salesforce"})
	caseID = w.send("POST", "/sobjects/Case", map[string]any{"AccountId": was["AccountId"], "Type": "Return", "Reason": "Other", "Origin": "Web", "Status": "New", "Priority": "Medium",
		"Subject": fmt.Sprint("Return ", n)})
	back := w.send("POST", "/sobjects/ReturnOrder", map[string]any{"AccountId": was["AccountId"], "CaseId": caseID, "OrderId": made, "Status": "Draft"})
	w.send("POST", "/sobjects/ReturnOrderLineItem", map[string]any{"ReturnOrderId": back, "OrderItemId": line, "QuantityReturned": 1, "QuantityExpected": 1})
	w.send("PATCH", "/sobjects/ReturnOrder/"+back, map[string]any{"Status": "Submitted"})
	return caseID
}

// TestCrashes: a process that dies in any of the commits of a run, before or after it
// has taken effect, leaves a run that the next one ends: the money went back once, and
// all is written down once.
func TestCrashes(t *testing.T) {
	w := start(t)
	w.setting(func(s *Settings) { s.Policy = always(t) })
	crashes := 0
	for n := 1; ; n++ {
		for _, kept := range []bool{false, true} {
			id := w.sell(2*n + 1)
			before := len(w.PaidBack())
			w.mu.Lock()
			w.crash, w.kept = w.commits+n, kept
			last := w.commits
			w.mu.Unlock()
			var s Status
			for range 3 { // whoever asks asks again
				var err error
				if s, err = w.Start(t.Context(), w.org, ada, Ask{CaseID: id, Confidence: &sure}); err == nil {
					break
				}
			}
			for i := 0; !returns.Ended(w.runs[s.RunID].Status); i++ {
				if i == 30 {
					t.Fatalf("commit %d (%v): it does not end: %+v", n, kept, w.runs[s.RunID])
				}
				if _, err := w.Engine().Once(t.Context()); err != nil && !errors.Is(err, audit.ErrUnavailable) {
					t.Fatal(err)
				}
				w.mu.Lock()
				w.memory.now = w.memory.now.Add(time.Minute)
				w.mu.Unlock()
			}
			w.mu.Lock()
			over := w.commits < w.crash
			w.mu.Unlock()
			r := w.runs[s.RunID]
			tasks := w.soql("SELECT Id FROM Task WHERE WhatId = " + soql.Quote(id))
			documents := w.soql("SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = " + soql.Quote(id))
			if r.Status != returns.Done || len(w.PaidBack())-before != 1 || len(tasks) != 1 || len(documents) != 1 || len(w.locks) != 0 || w.caseStatus(id) != "Closed" {
				t.Errorf("commit %d (%v) of %d: %+v, %d refunds, tasks %v, documents %v, locks %v\n%s", n, kept, w.commits-last, r, len(w.PaidBack())-before, tasks, documents, w.locks, w.story(r.ID))
			}
			if over {
				t.Logf("%d crashes", crashes)
				return
			}
			crashes++
		}
	}
}

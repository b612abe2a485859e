package records

import (
	"testing"
	"time"

	"salesforce-mcp/tools/returns/policy"
)

// TestWhatCounts holds which payments, refunds and return orders count: those that came
// to be, each once, and of return orders the earlier ones and the complete ones.
func TestWhatCounts(t *testing.T) {
	w, m := start(t), simulated(t)
	first := w.settlement(m, Ask{CaseID: w.demo("Two of four bit sets are not needed"), Outcome: policy.OutcomeRefund}, 100).Return
	order, group, item := first.Order.ID, first.Payments[0].Group, first.Lines[0].Item

	w.send("POST", "/sobjects/Payment", map[string]any{"Amount": 11, "Status": "Failed", "PaymentGroupId": group})
	w.send("POST", "/sobjects/Payment", map[string]any{"Amount": 12, "Status": "Processed", "PaymentGroupId": group})
	refund := func(amount int, status string, fields map[string]any) string {
		return w.send("POST", "/sobjects/Refund", with(map[string]any{"Amount": amount, "Status": status, "Type": "Referenced", "ProcessingMode": "External",
			"AccountId": first.AccountID}, fields))
	}
	tied := map[string]any{"PaymentGroupId": group}
	refund(70, "Failed", tied)
	both := refund(3, "Pending", tied)
	linked := refund(5, "Processed", nil)
	w.send("POST", "/sobjects/RefundLinePayment", map[string]any{"RefundId": both, "PaymentId": first.Payments[0].ID, "Amount": 3, "Type": "Applied"})
	w.send("POST", "/sobjects/RefundLinePayment", map[string]any{"RefundId": linked, "PaymentId": first.Payments[0].ID, "Amount": 1, "Type": "Applied"})

	back := func(status string, fields map[string]any) string {
		id := w.send("POST", "/sobjects/ReturnOrder", with(map[string]any{"Status": status, "OrderId": order, "AccountId": first.AccountID}, fields))
		w.send("POST", "/sobjects/ReturnOrderLineItem", map[string]any{"ReturnOrderId": id, "OrderItemId": item, "QuantityReturned": 1})
		return id
	}
	back("Canceled", nil)
	back("Approved", nil)
	own := back("Submitted", nil)
	w.clock.Add(int64(time.Hour))
	second := w.send("POST", "/sobjects/Case", map[string]any{"Type": "Return", "AccountId": first.AccountID})
	w.send("PATCH", "/sobjects/ReturnOrder/"+own, map[string]any{"CaseId": second})
	w.send("PATCH", "/sobjects/Refund/"+linked, map[string]any{"Status": "Processed"})

	r, err := Read(t.Context(), w.org, m, Ask{CaseID: second, Outcome: policy.OutcomeRefund})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Facts.Order; got.Paid.Value != 15000 || got.Refunded.Value != 800 {
		t.Errorf("paid %+v, refunded %+v", got.Paid, got.Refunded)
	}
	if p := r.Payments; len(p) != 2 || p[0].Refundable != 13800-400-400 || p[1].Refundable != 1200 {
		t.Errorf("payments %+v", p)
	}
	if l := r.Lines; len(l) != 1 || l[0].Returned != 3 || l[0].Quantity != 1 || l[0].Value != 3450 {
		t.Errorf("lines %+v: 2 of the first case and 1 of an earlier return order count", l)
	}
	if c := r.Facts.Customer; c.Returns.Value != 2 || c.Refunded.Value != 800 || c.Orders.Value != 1 {
		t.Errorf("customer %+v", c)
	}
	// What the first case sees: nothing that came later, unless it is complete.
	if again, err := Read(t.Context(), w.org, m, Ask{CaseID: first.Case.ID, Outcome: policy.OutcomeRefund}); err != nil || again.Lines[0].Returned != 0 {
		t.Errorf("%+v %v", again.Lines, err)
	}
	// A payment that says more was refunded than the records of refunds do.
	w.send("POST", "/sobjects/RefundLinePayment", map[string]any{"RefundId": linked, "PaymentId": first.Payments[0].ID, "Amount": 60, "Type": "Applied"})
	if again, err := Read(t.Context(), w.org, m, Ask{CaseID: second, Outcome: policy.OutcomeRefund}); err != nil || again.Facts.Order.Refunded.Value != 6400 {
		t.Errorf("%+v %v", again.Facts.Order.Refunded, err)
	}
	// Four are asked for, of which one is left: its value is that of one.
	w.send("PATCH", "/sobjects/ReturnOrderLineItem/"+r.ReturnOrder.Lines[0].ID, map[string]any{"QuantityReturned": 4})
	if again, err := Read(t.Context(), w.org, m, Ask{CaseID: second, Outcome: policy.OutcomeRefund}); err != nil || again.Lines[0].Quantity != 4 || again.Lines[0].Value != 3450 {
		t.Errorf("%+v %v", again.Lines, err)
	}
	// Return orders that are not clear.
	w.send("PATCH", "/sobjects/ReturnOrder/"+back("Submitted", nil), map[string]any{"CaseId": second})
	if again, err := Read(t.Context(), w.org, m, Ask{CaseID: second, Outcome: policy.OutcomeRefund}); err != nil || again.Facts.Request.Lines.Known || again.Order.ID != "" {
		t.Errorf("a case with two return orders: %+v %v", again, err)
	}
}

// with returns fields and some more.
func with(some, more map[string]any) map[string]any {
	for name, value := range more {
		some[name] = value
	}
	return some
}

// TestOtherCurrency holds that money in another currency than the order's makes what
// was paid unknown.
func TestOtherCurrency(t *testing.T) {
	m := simulated(t)
	m.Currency = CurrencyFields{Field: "CurrencyIsoCode"}
	for currency, known := range map[string]bool{"EUR": true, "JPY": false, "": false} {
		org := &made{t: t, answers: func(name string) any {
			rows := func(list ...map[string]any) any {
				return map[string]any{"totalSize": len(list), "done": true, "records": list}
			}
			switch name {
			case "case":
				return rows(map[string]any{"Id": "500000000000001AAA", "Type": "Return", "CreatedDate": "2026-11-20T10:00:00.000+0000"})
			case "describeCase":
				return map[string]any{"name": "Case"}
			case "describeOrder":
				return map[string]any{"name": "Order", "fields": []any{map[string]any{"name": "CurrencyIsoCode", "type": "picklist",
					"picklistValues": []any{map[string]any{"active": true, "value": "EUR"}, map[string]any{"active": false, "value": "USD"}}}}}
			case "returnOrder":
				return rows(map[string]any{"Id": "0ZL000000000001AAA", "OrderId": "801000000000001AAA", "Status": "Submitted"})
			case "query1":
				return rows(map[string]any{"Id": "801000000000001AAA", "CurrencyIsoCode": "EUR"})
			case "query4":
				return rows(map[string]any{"Id": "0aQ000000000001AAA", "Amount": 10.5, "Status": "Processed", "CurrencyIsoCode": currency})
			}
			return rows()
		}}
		r, err := Read(t.Context(), org, m, Ask{CaseID: "500000000000001AAA", Outcome: policy.OutcomeRefund})
		if err != nil {
			t.Fatal(err)
		}
		if paid := r.Facts.Order.Paid; r.Facts.Currency.Value.String() != "EUR" || paid.Known != known || known && paid.Value != 1050 {
			t.Errorf("paid in %q: %+v, in %v", currency, paid, r.Facts.Currency)
		}
	}
}

package records

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/tools/returns/policy"
)

// addField adds a custom field to the org.
func (w world) addField(name string, metadata map[string]any) {
	w.t.Helper()
	metadata["label"] = "L"
	w.send("POST", "/tooling/sobjects/CustomField", map[string]any{"FullName": name, "Metadata": metadata})
}

// TestPlainOrg holds a mapping to an org that has neither return orders, nor payments,
// nor refunds: fields of case, order and lines have it all.
func TestPlainOrg(t *testing.T) {
	w := start(t)
	w.addField("Case.Order__c", map[string]any{"type": "Lookup", "referenceTo": "Order", "relationshipName": "Returns"})
	money := map[string]any{"type": "Currency", "precision": 12, "scale": 2}
	w.addField("Order.Paid__c", money)
	w.addField("Order.Refunded__c", money)
	w.addField("Order.Charge__c", map[string]any{"type": "Text", "length": 100})
	w.addField("OrderItem.Returned__c", map[string]any{"type": "Number", "precision": 8, "scale": 0})
	m, err := Parse([]byte(`
currency: {code: USD}
case: {order: Order__c}
order: {delivered: Delivered_On__c, paid: Paid__c, refunded: Refunded__c, reference: Charge__c}
lines: {finalSale: none, name: PricebookEntry.Product2.Name, returned: Returned__c}
returnOrder: {object: ""}
payment: {object: ""}
refund: {object: "", lines: {object: ""}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(t.Context(), w.org); err != nil {
		t.Fatal(err)
	}
	caseID := w.demo("Two of four bit sets are not needed")
	was, err := Read(t.Context(), w.org, simulated(t), Ask{CaseID: caseID, Outcome: policy.OutcomeRefund})
	if err != nil {
		t.Fatal(err)
	}
	ask := Ask{CaseID: caseID, Outcome: policy.OutcomeRefund, Lines: []AskedLine{{was.Lines[0].Item, 3}}}
	unlinked, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeRefund})
	if err != nil || unlinked.Facts.Request.Lines.Known || unlinked.Facts.Order.Paid.Known || unlinked.Order.ID != "" {
		t.Errorf("a case that names no order: %+v %v", unlinked, err)
	}
	w.send("PATCH", "/sobjects/Case/"+caseID, map[string]any{"Order__c": was.Order.ID})
	w.send("PATCH", "/sobjects/Order/"+was.Order.ID, map[string]any{"Paid__c": 120, "Charge__c": "ch_1"}) // less than the lines cost
	s := w.settlement(m, ask, 8000)
	if l := s.Return.Facts.Request.Lines.Value[0]; l.Value != 9000 || l.Ordered != 4 || l.Returned != 0 {
		t.Errorf("the line is %+v; 120.00 were paid for 4, and 3 go back", l)
	}
	if p := s.Return.Payments; len(p) != 1 || p[0] != (Payment{Reference: "ch_1", Amount: 12000, Refundable: 12000}) {
		t.Errorf("payments are %+v", p)
	}
	if got := s.Return.Facts.Customer; got.Refunded.Known || got.Returns.Value != 0 || !got.Returns.Known {
		t.Errorf("the customer is %+v", got)
	}
	d, err := Settle(t.Context(), w.org, m, s)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := change(d, "Order", "Refunded__c"); before != "0.00" || after != "80.00" {
		t.Errorf("Refunded__c went from %s to %s", before, after)
	}
	if before, after := change(d, "OrderItem", "Returned__c"); before != "0" || after != "3" {
		t.Errorf("Returned__c went from %s to %s", before, after)
	}
	if _, found, err := FindSettled(t.Context(), w.org, m, s); !found || err != nil {
		t.Errorf("found %t %v", found, err)
	}
	after, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeRefund})
	if err != nil || after.Facts.Order.Refunded.Value != 8000 || after.Lines[0].Returned != 3 || after.Lines[0].Quantity != 1 || after.Payments[0].Refundable != 4000 {
		t.Errorf("%+v %v", after, err)
	}
	if _, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeRefund, Lines: []AskedLine{{was.Lines[0].Item, 2}}}); !errors.Is(err, ErrAsk) {
		t.Errorf("more than is left: %v", err)
	}
}

// TestReturnOrderIsMade holds that a return without a return order leaves one, so that
// what came back counts.
func TestReturnOrderIsMade(t *testing.T) {
	w := start(t)
	w.addField("Case.Order__c", map[string]any{"type": "Lookup", "referenceTo": "Order", "relationshipName": "Returns"})
	m := simulated(t)
	m.Case.Order = "Order__c"
	if err := m.Check(t.Context(), w.org); err != nil {
		t.Fatal(err)
	}
	demo, err := Read(t.Context(), w.org, m, Ask{CaseID: w.demo("Two of four bit sets are not needed"), Outcome: policy.OutcomeRefund})
	if err != nil {
		t.Fatal(err)
	}
	later := w.send("POST", "/sobjects/Case", map[string]any{"Type": "Return", "AccountId": demo.AccountID, "ContactId": demo.ContactID, "Order__c": demo.Order.ID})
	ask := Ask{CaseID: later, Outcome: policy.OutcomeRefund}
	s := w.settlement(m, ask, 6900)
	if l := s.Return.Lines[0]; l.Quantity != 2 || l.Returned != 2 {
		t.Errorf("what an earlier case asks for counts: %+v", l)
	}
	d, err := Settle(t.Context(), w.org, m, s)
	if err != nil {
		t.Fatal(err)
	}
	if found, ok, err := FindSettled(t.Context(), w.org, m, s); !ok || err != nil || !slices.Equal(found.Records, d.Records) || len(d.Records) != 5 {
		t.Errorf("%t %v %v, want %v", ok, found.Records, err, d.Records)
	}
	after, err := Read(t.Context(), w.org, m, ask)
	if err != nil || after.ReturnOrder == nil || after.ReturnOrder.Status != "Closed" || after.Lines[0].Returned != 4 {
		t.Errorf("%+v %v", after, err)
	}
	other, err := Read(t.Context(), w.org, m, Ask{CaseID: demo.Case.ID, Outcome: policy.OutcomeRefund})
	if err != nil || other.Lines[0].Returned != 2 || other.Facts.Customer.Returns.Value != 0 {
		t.Errorf("what came back later counts for the earlier case once it is complete: %+v %v", other, err)
	}
}

// TestUnclear holds that records that contradict each other make the lines unknown,
// and that they say why.
func TestUnclear(t *testing.T) {
	w := start(t)
	w.addField("Case.Order__c", map[string]any{"type": "Lookup", "referenceTo": "Order", "relationshipName": "Returns"})
	m := simulated(t)
	m.Case.Order = "Order__c"
	read := func(subject string) Return {
		t.Helper()
		r, err := Read(t.Context(), w.org, m, Ask{CaseID: w.demo(subject), Outcome: policy.OutcomeRefund})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	other := read("Sander does not fit the job")
	for subject, row := range map[string]struct {
		spoil func(Return)
		want  string
	}{
		"Drill came with a cracked housing": {func(r Return) {
			w.send("PATCH", "/sobjects/Case/"+r.Case.ID, map[string]any{"Order__c": other.Order.ID})
		}, "the case and its return order name different orders"},
		"Two of four bit sets are not needed": {func(r Return) {
			w.send("POST", "/sobjects/ReturnOrderLineItem", map[string]any{"ReturnOrderId": r.ReturnOrder.ID, "OrderItemId": r.Lines[0].Item, "QuantityReturned": 1})
		}, "twice"},
		"Laser level is off by two degrees": {func(r Return) {
			w.send("POST", "/sobjects/ReturnOrderLineItem", map[string]any{"ReturnOrderId": r.ReturnOrder.ID, "OrderItemId": other.Lines[0].Item, "QuantityReturned": 1})
		}, "a line of another order"},
		"Clearance jigsaw is not wanted": {func(r Return) {
			w.send("POST", "/sobjects/ReturnOrderLineItem", map[string]any{"ReturnOrderId": r.ReturnOrder.ID, "QuantityReturned": 1})
		}, "names no line of the order"},
		"Sixth return of the year": {func(r Return) {
			w.send("PATCH", "/sobjects/ReturnOrderLineItem/"+r.ReturnOrder.Lines[0].ID, map[string]any{"QuantityReturned": 0.5})
		}, "no number of whole pieces"},
		"Return after two months": {func(r Return) {
			w.send("PATCH", "/sobjects/Order/"+r.Order.ID, map[string]any{"AccountId": nil})
		}, "another account"},
	} {
		r := read(subject)
		if !r.Facts.Request.Lines.Known {
			t.Errorf("%s: %+v", subject, r.Facts.Request.Lines)
			continue
		}
		row.spoil(r)
		if got := read(subject).Facts.Request.Lines; got.Known || !strings.Contains(got.Source, row.want) {
			t.Errorf("%s: %+v, want %s", subject, got, row.want)
		}
	}
	sander := read("Sander does not fit the job")
	w.send("PATCH", "/sobjects/Case/"+sander.Case.ID, map[string]any{"Order__c": sander.Order.ID})
	w.send("POST", "/sobjects/ReturnOrder", map[string]any{"Status": "Submitted", "CaseId": sander.Case.ID, "OrderId": sander.Order.ID})
	if got := read("Sander does not fit the job").Facts.Request.Lines; got.Known || !strings.Contains(got.Source, "several return orders") {
		t.Errorf("a case with two return orders: %+v", got)
	}
	// Of a complete return order and a new one it is the new one that is asked for.
	r := read("Charger has the wrong plug, please exchange")
	w.send("PATCH", "/sobjects/ReturnOrder/"+r.ReturnOrder.ID, map[string]any{"Status": "Closed"})
	again := w.send("POST", "/sobjects/ReturnOrder", map[string]any{"Status": "Submitted", "CaseId": r.Case.ID, "OrderId": r.Order.ID})
	if got := read("Charger has the wrong plug, please exchange"); got.ReturnOrder == nil || got.ReturnOrder.ID != again || got.Lines[0].Returned != 1 {
		t.Errorf("%+v %+v", got.ReturnOrder, got.Lines)
	}
}

// TestWrongMapping holds what a mapping that does not fit is told, with key, object,
// field and what would be right.
func TestWrongMapping(t *testing.T) {
	w := start(t)
	w.addField("Task.Loose__c", map[string]any{"type": "Text", "length": 100, "externalId": true})
	for _, row := range []struct{ yaml, want string }{
		{"order: {delivered: Delivered_On_c}", "order.delivered (Order.Delivered_On_c): there is no such field, or the user does not see it (did you mean Delivered_On__c?)"},
		{"order: {placed: OrderNumber}", "order.placed (Order.OrderNumber): it is of the type string, and must be one of date, datetime"},
		{"order: {key: OrderReferenceNumber}", "order.key (Order.OrderReferenceNumber): it is no external id, and must be one, unique and case sensitive"},
		{"order: {object: Ordr}", "order.object (Ordr): the org has no such object, or the user does not see it (did you mean Order?)"},
		{"order: {refunded: TotalAmount}", "order.refunded (Order.TotalAmount): it is changed, and the user may not, or nobody may"},
		{"case: {statuses: {refunded: Close}}", `case.status (Case.Status): the picklist has no active value "Close" (did you mean Closed?); it has New, Working`},
		{"case: {returns: [Returns]}", `case.kind (Case.Type): the picklist has no active value "Returns" (did you mean Return?)`},
		{"case: {order: ParentId}", "case.order (Case.ParentId): it refers to Case, and must refer to Order"},
		{"refund: {object: Refnd}", "refund.object (Refnd): the org has no such object, or the user does not see it (did you mean Refund?)"},
		{"refund: {values: {Type: Part}}", `refund.values.Type (Refund.Type): the picklist has no active value "Part"; it has Referenced, NonReferenced`},
		{"refund: {order: PaymentGrp.SourceObjectId}", "refund.order (Refund.PaymentGrp): there is no such relationship"},
		{"refund: {group: ''}", "refund.group (Refund): it must name a field"},
		{"payment: {order: PaymentGroup.SourceObject.OrderId}", "payment.order (PaymentGroup.SourceObject): the relationship leads to Order and not to SourceObject; relationships.SourceObject must say to which"},
		{"payment: {processed: [Done]}", `payment.status (Payment.Status): the picklist has no active value "Done"; it has Draft`},
		{"lines: {quantity: Description}", "lines.quantity (OrderItem.Description): it is of the type string, and must be one of double, int, currency"},
		{"returnOrder: {statuses: {settled: Received}}", `returnOrder.statuses.settled: "Received" must be one of returnOrder.statuses.complete`},
		{"event: {object: Return_Complete__e}", "event.object (Return_Complete__e): the org has no such object, or the user does not see it (did you mean Return_Completed__e?)"},
		{"task: {key: Subject}", "task.key (Task.Subject): it is no external id"},
		{"task: {key: Loose__c}", "task.key (Task.Loose__c): it is not unique, and must be"},
		{"refund: {reference: RefundNumber}", "refund.reference (Refund.RefundNumber): it is written when a record is created, and the user may not"},
		{"task: {owner: someone}", `task.owner: "someone" is not the id of a user`},
		{"customer: {by: person}", `customer.by: "person" is neither account nor contact`},
		{"customer: {since: Account.Industry}", "customer.since (Account.Industry): it is of the type picklist, and must be one of date, datetime"},
		{"currency: {code: dollar}", `currency.code: "dollar" must be the ISO 4217 code`},
		{"currency: {field: CurrencyIsoCode}", "currency.field (Order.CurrencyIsoCode): there is no such field"},
		{"case: {status: \"Status FROM User\"}", `case.status (Case.Status FROM User): "Status FROM User" is no name of a field`},
		{"case: {status: Status.Name}", "it is written, so it must be a field of Case itself"},
		{"case: {state: Status}", "field state not found"},
		{"case: {status: [Status]}", "cannot unmarshal"},
	} {
		m, err := Parse([]byte(row.yaml + "\n"))
		if !strings.HasPrefix(row.yaml, "currency") {
			text := "currency: {code: USD}\n" + row.yaml + "\n"
			m, err = Parse([]byte(text))
		}
		if err == nil {
			err = m.Check(t.Context(), w.org)
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v\nwant %s", row.yaml, err, row.want)
		}
	}
	var misfit *Misfit
	if _, err := Parse(nil); !errors.As(err, &misfit) || misfit.Problems[0].Key != "currency.code" {
		t.Errorf("a mapping without a currency: %v", err)
	}
}

// TestLeftOut holds that what a mapping leaves out makes facts unknown, and that they
// say why.
func TestLeftOut(t *testing.T) {
	w := start(t)
	caseID := w.demo("Drill came with a cracked housing")
	for _, row := range []struct {
		leave func(*Mapping)
		fact  func(policy.Facts) (bool, string)
		want  string
	}{
		{func(m *Mapping) { m.Order.Delivered = "" }, func(f policy.Facts) (bool, string) { return f.Order.Delivered.Known, f.Order.Delivered.Source }, "order.delivered"},
		{func(m *Mapping) { m.Order.Placed = "" }, func(f policy.Facts) (bool, string) { return f.Customer.Orders.Known, f.Customer.Orders.Source }, "orders"},
		{func(m *Mapping) { m.Case.Reason = "" }, func(f policy.Facts) (bool, string) { return f.Case.Reason.Known, f.Case.Reason.Source }, "case.reason"},
		{func(m *Mapping) { m.Case.Account = "" }, func(f policy.Facts) (bool, string) { return f.Customer.Returns.Known, f.Customer.Returns.Source }, "the case names no account"},
		{func(m *Mapping) { m.Customer.Since = "" }, func(f policy.Facts) (bool, string) { return f.Customer.Since.Known, f.Customer.Since.Source }, "customer.since"},
		{func(m *Mapping) { m.Lines.FinalSale = "" }, func(f policy.Facts) (bool, string) { return f.Request.Lines.Known, f.Request.Lines.Source }, "lines.finalSale"},
		{func(m *Mapping) { m.Refund.Account = "" }, func(f policy.Facts) (bool, string) { return f.Customer.Refunded.Known, f.Customer.Refunded.Source }, "refunds"},
	} {
		m := simulated(t)
		row.leave(&m)
		if err := m.Check(t.Context(), w.org); err != nil {
			t.Errorf("%s: %v", row.want, err)
		}
		r, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeRefund})
		if err != nil {
			t.Errorf("%s: %v", row.want, err)
			continue
		}
		if known, source := row.fact(r.Facts); known || !strings.Contains(source, row.want) {
			t.Errorf("%s: known %t, %q", row.want, known, source)
		}
	}
	m := simulated(t)
	m.Order.Key = ""
	if r, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: policy.OutcomeReplace}); err != nil || r.Facts.Request.Outcome.Known {
		t.Errorf("a replacement that cannot be made: %+v %v", r.Facts.Request.Outcome, err)
	}
}

// TestAsk holds what may be asked for.
func TestAsk(t *testing.T) {
	w, m := start(t), simulated(t)
	caseID, refund := w.demo("Two of four bit sets are not needed"), policy.OutcomeRefund
	r, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID[:15], Outcome: refund})
	if err != nil || r.Case.ID != caseID {
		t.Fatalf("%+v %v", r.Case, err)
	}
	item := r.Lines[0].Item
	other, err := Read(t.Context(), w.org, m, Ask{CaseID: w.demo("Sander does not fit the job"), Outcome: refund})
	if err != nil {
		t.Fatal(err)
	}
	plain := w.soql("SELECT Id FROM Case WHERE Type = 'Mechanical' LIMIT 1")[0].id("Id")
	for name, row := range map[string]struct {
		ask  Ask
		want error
	}{
		"no id":         {Ask{CaseID: "00001027", Outcome: refund}, ErrNoCase},
		"query":         {Ask{CaseID: "500' OR Id != '", Outcome: refund}, ErrNoCase},
		"other object":  {Ask{CaseID: item, Outcome: refund}, ErrNoCase},
		"no such case":  {Ask{CaseID: "500Sm00000ZZZZZ", Outcome: refund}, ErrNoCase},
		"wrong letters": {Ask{CaseID: strings.ToUpper(caseID[:15]) + caseID[15:], Outcome: refund}, ErrNoCase},
		"no return":     {Ask{CaseID: plain, Outcome: refund}, ErrNoReturn},
		"outcome":       {Ask{CaseID: caseID, Outcome: "both"}, ErrAsk},
		"other's line":  {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{other.Lines[0].Item, 1}}}, ErrAsk},
		"no line":       {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{"", 1}}}, ErrAsk},
		"twice":         {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{item, 1}, {item[:15], 1}}}, ErrAsk},
		"nothing":       {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{item, 0}}}, ErrAsk},
		"negative":      {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{item, -1}}}, ErrAsk},
		"above planned": {Ask{CaseID: caseID, Outcome: refund, Lines: []AskedLine{{item, 3}}}, ErrAsk},
	} {
		if got, err := Read(t.Context(), w.org, m, row.ask); !errors.Is(err, row.want) {
			t.Errorf("%s: %+v %v", name, got.Lines, err)
		}
	}
	// The order of another customer.
	w.send("PATCH", "/sobjects/ReturnOrder/"+r.ReturnOrder.ID, map[string]any{"OrderId": other.Order.ID})
	stolen, err := Read(t.Context(), w.org, m, Ask{CaseID: caseID, Outcome: refund})
	if err != nil || stolen.Facts.Request.Lines.Known || !strings.Contains(stolen.Facts.Request.Lines.Source, "another account") {
		t.Errorf("the order of another customer: %+v %v", stolen.Facts.Request.Lines, err)
	}
}

// TestListOpen holds that open returns are listed, the oldest first, and no other cases.
func TestListOpen(t *testing.T) {
	w, m := start(t), simulated(t)
	open := w.soql("SELECT Id FROM Case WHERE IsClosed = false AND Type = 'Return' ORDER BY CreatedDate, Id")
	all, err := ListOpen(t.Context(), w.org, m, 2000)
	if err != nil || len(all) != len(open) || len(all) < len(demoReturns) {
		t.Fatalf("%d of %d %v", len(all), len(open), err)
	}
	for i, o := range all {
		if o.ID != open[i].id("Id") || o.Number == "" || o.Opened == "" {
			t.Errorf("%d: %+v, want %s", i, o, open[i].id("Id"))
		}
	}
	if few, err := ListOpen(t.Context(), w.org, m, 2); err != nil || fmt.Sprint(few) != fmt.Sprint(all[:2]) {
		t.Errorf("%v %v", few, err)
	}
}

// TestAccess holds that access is what is used and no more, in the words of the golden
// file.
func TestAccess(t *testing.T) {
	golden(t, "testdata/access.json", simulated(t).Access())
}

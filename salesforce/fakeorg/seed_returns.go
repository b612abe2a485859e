package fakeorg

import "fmt"

// asked is a return that a customer asks for.
type asked struct {
	subject           string
	reason            string
	product           int // of the catalogue
	ordered, back     int // pieces
	delivered, opened int // days ago
	price             float64
	refunded          float64
	before            int // other returns of the customer
}

// returns are cases that ask for a return, of which each comes to something else under an ordinary policy. Their
// customers have ordered nothing else.
func (s *seeder) returns() {
	clearance := s.add("Product2", 300, values{"Name": "Clearance Jigsaw", "ProductCode": "ART-900", "StockKeepingUnit": "ART-900-EU", "Family": "Hardware",
		"IsActive": true, "QuantityUnitOfMeasure": "Each", "Final_Sale__c": true, "Description": "Clearance Jigsaw, sold as a final sale."})
	entries := append(s.entries[:len(s.entries):len(s.entries)],
		s.add("PricebookEntry", 300, values{"Pricebook2Id": s.pricebook, "Product2Id": clearance, "UnitPrice": 45, "IsActive": true}))
	for i, r := range []asked{
		{subject: "Drill came with a cracked housing", reason: "Damaged", product: 0, ordered: 1, back: 1, delivered: 9, opened: 2, price: 149},
		{subject: "Two of four bit sets are not needed", reason: "Other", product: 8, ordered: 4, back: 2, delivered: 8, opened: 1, price: 34.5},
		{subject: "Sander does not fit the job", reason: "Other", product: 4, ordered: 1, back: 1, delivered: 22, opened: 2, price: 89},
		{subject: "Return after two months", reason: "Other", product: 3, ordered: 1, back: 1, delivered: 63, opened: 1, price: 99.5},
		{subject: "Clearance jigsaw is not wanted", reason: "Other", product: 12, ordered: 1, back: 1, delivered: 7, opened: 1, price: 45},
		{subject: "Laser level is off by two degrees", reason: "Performance", product: 5, ordered: 1, back: 1, delivered: 6, opened: 1, price: 259},
		{subject: "Sixth return of the year", reason: "Wrong Item", product: 6, ordered: 1, back: 1, delivered: 6, opened: 1, price: 79, before: 5},
		{subject: "Grinder was refunded already", reason: "Damaged", product: 3, ordered: 1, back: 1, delivered: 10, opened: 3, price: 99.5, refunded: 99.5},
		{subject: "Charger has the wrong plug, please exchange", reason: "Wrong Item", product: 7, ordered: 2, back: 1, delivered: 5, opened: 1, price: 59.9},
	} {
		s.ask(i, r, entries)
	}
}

// ask writes a return that is asked for: order, payment, case and return order.
func (s *seeder) ask(i int, r asked, entries []string) {
	account, age := 48+i, r.delivered+5
	customer := values{"AccountId": s.accounts[account], "ContactId": s.contacts[account*2]}
	order := s.add("Order", age, values{"AccountId": s.accounts[account], "EffectiveDate": s.day(age), "Status": "Activated", "Pricebook2Id": s.pricebook,
		"Type": "Online", "BillToContactId": s.contacts[account*2], "ERP_Number__c": fmt.Sprintf("SO-%05d", 71000+i), "OwnerId": s.users[3],
		"Delivered_On__c": s.day(r.delivered)})
	item := s.add("OrderItem", age, values{"OrderId": order, "PricebookEntryId": entries[r.product], "Quantity": r.ordered})
	group := s.add("PaymentGroup", age, values{"SourceObjectId": order})
	s.add("Payment", age, values{"AccountId": s.accounts[account], "PaymentGroupId": group, "Amount": float64(r.ordered) * r.price, "Status": "Processed",
		"Type": "Capture", "ProcessingMode": "Salesforce", "GatewayRefNumber": fmt.Sprintf("pi_demo%02d", i+1), "Date": s.at.Format(storedTime)})
	for n := range r.before {
		s.add("ReturnOrder", 40+20*n, with(customer, values{"Status": "Closed", "ShipmentType": "Standard", "OwnerId": s.users[5]}))
	}
	c := s.add("Case", r.opened, with(customer, values{"Type": "Return", "Reason": r.reason, "Origin": "Web", "Status": "New", "Priority": "Medium",
		"Subject": r.subject, "Description": "The customer asks to return a part of order " + fmt.Sprintf("SO-%05d.", 71000+i), "OwnerId": s.users[2]}))
	returned := s.add("ReturnOrder", r.opened, with(customer, values{"CaseId": c, "OrderId": order, "Status": "Submitted", "ShipmentType": "Standard", "OwnerId": s.users[5]}))
	s.add("ReturnOrderLineItem", r.opened, values{"ReturnOrderId": returned, "OrderItemId": item, "QuantityReturned": r.back, "QuantityExpected": r.back,
		"ProcessingPlan": "Restock"})
	if r.refunded > 0 {
		s.add("Refund", r.opened+2, values{"AccountId": s.accounts[account], "PaymentGroupId": group, "Amount": r.refunded, "Type": "Referenced", "Status": "Processed",
			"ProcessingMode": "External", "Comments": "Refunded by hand"})
	}
}

// with returns values and some more.
func with(some, more values) values {
	all := values{}
	for _, v := range []values{some, more} {
		for name, value := range v {
			all[name] = value
		}
	}
	return all
}

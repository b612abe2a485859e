package fakeorg

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// orders are 60 orders of one to three lines, the first 40 of them paid.
func (s *seeder) orders() {
	for i := range 60 {
		account := i % 48
		age := 180 - i*3
		order := s.add("Order", age, values{"AccountId": s.accounts[account], "EffectiveDate": s.day(age), "Status": pick([]string{"Activated", "Activated", "Draft"}, i),
			"Pricebook2Id": s.pricebook, "Type": pick([]string{"Online", "Phone", "Store"}, i), "BillToContactId": s.contacts[account*2],
			"ERP_Number__c": fmt.Sprintf("SO-%05d", 70000+i), "OwnerId": s.users[3+i%2]})
		var first string
		amount := 0.0
		for line := range 1 + i%3 {
			entry, quantity := (i+line*5)%len(s.entries), 1+(i+line)%4
			item := s.add("OrderItem", age, values{"OrderId": order, "PricebookEntryId": s.entries[entry], "Quantity": quantity})
			if line == 0 {
				first = item
			}
			amount += float64(quantity) * []float64{149, 169, 219, 99.5, 89, 259, 79, 59.9, 34.5, 24, 12.8, 49}[entry]
		}
		if i < 40 {
			s.pay(account, order, age, amount)
		}
		if i%5 == 0 {
			s.giveBack(i, account, order, first)
		}
	}
}

func (s *seeder) pay(account int, order string, age int, amount float64) {
	group := s.add("PaymentGroup", age, values{"SourceObjectId": order})
	s.add("Payment", age, values{"AccountId": s.accounts[account], "PaymentGroupId": group, "Amount": amount, "Status": "Processed", "Type": "Capture",
		"ProcessingMode": "External", "GatewayRefNumber": fmt.Sprintf("gw-%06d", 310000+account), "Date": s.at.Format(storedTime)})
}

// giveBack is a return: the case it was asked for in, the return order with its line, and at times a refund.
func (s *seeder) giveBack(i, account int, order, item string) {
	age := 100 - i
	damage := pick([]string{"Damaged", "Wrong Item", "Other"}, i/5)
	c := s.add("Case", age, values{"AccountId": s.accounts[account], "ContactId": s.contacts[account*2], "Type": "Return", "Reason": damage, "Origin": "Email",
		"Status": pick([]string{"New", "Working", "Closed"}, i/5), "Priority": pick([]string{"Medium", "High"}, i/5), "ProductId": pick(s.products, i),
		"Subject": "Return of order " + fmt.Sprintf("SO-%05d", 70000+i), "Description": "The customer asks to return the first line of the order.", "OwnerId": s.users[2]})
	returned := s.add("ReturnOrder", age, values{"AccountId": s.accounts[account], "ContactId": s.contacts[account*2], "CaseId": c, "OrderId": order,
		"Status": pick([]string{"Submitted", "Approved", "Closed"}, i/5), "ShipmentType": "Standard", "OwnerId": s.users[5]})
	s.add("ReturnOrderLineItem", age, values{"ReturnOrderId": returned, "OrderItemId": item, "QuantityReturned": 1, "QuantityExpected": 1,
		"ReasonForReturn": pick([]string{"Damaged", "Wrong Item", "Not Satisfied"}, i/5), "ProcessingPlan": "Restock", "RepaymentMethod": "Refund"})
	if i%15 == 10 {
		s.add("Refund", age-3, values{"AccountId": s.accounts[account], "Amount": 149, "Type": "Referenced", "Status": "Processed", "ProcessingMode": "External",
			"Comments": "Refund of a returned tool"})
	}
}

// service are cases other than returns, warranty claims and what is still to do.
func (s *seeder) service() {
	subjects := []string{"Charger does not start", "Saw blade guard is loose", "Question about the service plan", "Drill stops under load", "Invoice address is wrong"}
	for i := range 28 {
		account := (i * 5) % 48
		c := s.add("Case", 80-i*2, values{"AccountId": s.accounts[account], "ContactId": s.contacts[account*2+1], "Subject": pick(subjects, i),
			"Status": pick([]string{"New", "Working", "Escalated", "Closed"}, i), "Origin": pick([]string{"Phone", "Email", "Web"}, i),
			"Type": pick([]string{"Mechanical", "Electrical", "Other"}, i), "Priority": pick([]string{"Low", "Medium", "High"}, i), "OwnerId": s.users[2]})
		if i%3 == 0 {
			s.add("Warranty_Claim__c", 78-i*2, values{"Account__c": s.accounts[account], "Case__c": c, "Product__c": pick(s.products, i),
				"Status__c": pick([]string{"Open", "In Review", "Approved", "Rejected"}, i), "Faults__c": pick([]string{"Battery", "Motor;Housing", "Software"}, i),
				"Serial_Number__c": fmt.Sprintf("SN-%04d", 400+i%9), "Claim_Key__c": fmt.Sprintf("WK-%03d", i), "Amount__c": 40 + i*11,
				"Reported_On__c": s.day(80 - i*2)})
		}
		s.add("Task", 60-i*2, values{"Subject": pick([]string{"Call back", "Send spare part", "Check invoice"}, i), "WhatId": c, "WhoId": s.contacts[account*2+1],
			"Status": pick([]string{"Not Started", "In Progress", "Completed"}, i), "Priority": pick([]string{"Normal", "High"}, i),
			"ActivityDate": s.day(40 - i*3), "OwnerId": s.users[2]})
	}
	for _, id := range []string{s.accounts[0], s.accounts[7], s.contacts[0]} {
		if s.err == nil {
			s.err = s.org.markViewed(s.Context(), s.db, &user{id: s.users[0]}, []string{id})
		}
	}
}

// file is a picture of a damaged tool: a small real PNG.
func (s *seeder) file() {
	picture := image.NewGray(image.Rect(0, 0, 24, 24))
	for x := range 24 {
		picture.SetGray(x, x, color.Gray{Y: 255})
	}
	var bytes bytes.Buffer
	if err := png.Encode(&bytes, picture); err != nil {
		s.err = err
	}
	s.add("ContentVersion", 30, values{"Title": "Damaged drill", "PathOnClient": "damaged-drill.png", "FirstPublishLocationId": s.accounts[0],
		"VersionData": base64.StdEncoding.EncodeToString(bytes.Bytes())})
}

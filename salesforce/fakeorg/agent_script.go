package fakeorg

import (
	"fmt"
	"regexp"
	"strings"
)

// What a customer may speak of.
var (
	erpNumber    = regexp.MustCompile(`(?i)\bSO-[0-9]{5}\b`)
	recordNumber = regexp.MustCompile(`\b[0-9]{8}\b`) // of an order or a case
	ofReturns    = regexp.MustCompile(`(?i)\b(return|returns|returned|refund|refunds|refunded|money back)\b`)
	ofOrders     = regexp.MustCompile(`(?i)\b(order|orders|ordered|deliver|delivery|delivered|shipment|status|cost|total)\b`)
	ofCases      = regexp.MustCompile(`(?i)\bcase\b`)
	forPerson    = regexp.MustCompile(`(?i)\b(a person|a human|somebody|representative|manager)\b`)
)

// script is the agent: no model, but a few patterns. It answers from the org's records about the order or case the
// customer names, or else about the order last spoken of.
func (c *call) script(order, text string) (said, error) {
	number := recordNumber.FindString(text)
	switch {
	case forPerson.MatchString(text):
		return said{text: "I will hand you over to a colleague.", target: "Returns Desk", order: order}, nil
	case number != "" && ofCases.MatchString(text):
		return c.tellCase(number)
	}
	if erp := erpNumber.FindString(text); erp != "" || number != "" {
		id, err := c.firstText(`SELECT Id FROM "Order" WHERE (ERP_Number__c = ? COLLATE NOCASE OR OrderNumber = ?) AND NOT IsDeleted`, erp, number)
		if err != nil {
			return said{}, err
		}
		if id == "" {
			return said{doing: "Looking up the order", text: "I cannot find an order " + erp + number + ". Is the number right?"}, nil
		}
		order = id
	}
	switch {
	case order == "" && (ofReturns.MatchString(text) || ofOrders.MatchString(text)):
		return said{text: "Which order is it about? Please tell me its number, such as SO-71000."}, nil
	case ofReturns.MatchString(text):
		return c.tellReturns(order)
	case order != "" && (ofOrders.MatchString(text) || erpNumber.MatchString(text) || number != ""):
		return c.tellOrder(order)
	}
	return said{text: "How can I assist you with any questions or issues you might have?", order: order}, nil // recording agents-003
}

// cite adds a sentence and the record it is taken from.
func (s *said) cite(base, id, claim string) {
	s.text = strings.TrimSpace(s.text + " " + claim)
	s.cited = append(s.cited, citation{id: id, label: base + "/" + id, claim: claim, location: len([]rune(s.text))})
}

// tellOrder tells of an order and its lines.
func (c *call) tellOrder(id string) (said, error) {
	s := said{doing: "Looking up the order", order: id}
	rows, err := c.rows(`SELECT coalesce(ERP_Number__c, OrderNumber), Status, EffectiveDate, Delivered_On__c, printf('%.2f', TotalAmount) FROM "Order" WHERE Id = ? AND NOT IsDeleted`, []any{id})
	if err != nil || len(rows) == 0 {
		return said{text: "I cannot find that order any more."}, err
	}
	o := rows[0]
	claim := fmt.Sprintf("Order %v of %v is %s; its total is %v.", o[0], o[2], strings.ToLower(fmt.Sprint(o[1])), o[4])
	if o[3] != nil {
		claim = fmt.Sprintf("Order %v of %v was delivered on %v; its total is %v.", o[0], o[2], o[3], o[4])
	}
	s.cite(c.base(), id, claim)
	lines, err := c.rows(`SELECT i.Id, i.Quantity, p.Name FROM OrderItem AS i JOIN Product2 AS p ON p.Id = i.Product2Id WHERE i.OrderId = ? AND NOT i.IsDeleted ORDER BY i.Id`, []any{id})
	if err != nil {
		return said{}, err
	}
	for _, line := range lines {
		s.cite(c.base(), fmt.Sprint(line[0]), fmt.Sprintf("It has %v x %v.", line[1], line[2]))
	}
	return s, nil
}

// tellReturns tells of the returns and refunds of an order.
func (c *call) tellReturns(id string) (said, error) {
	s := said{doing: "Looking up returns", order: id}
	number, err := c.firstText(`SELECT coalesce(ERP_Number__c, OrderNumber) FROM "Order" WHERE Id = ?`, id)
	if err != nil {
		return said{}, err
	}
	returns, err := c.rows(`SELECT Id, ReturnOrderNumber, Status FROM ReturnOrder WHERE OrderId = ? AND NOT IsDeleted ORDER BY Id`, []any{id})
	if err != nil {
		return said{}, err
	}
	for _, r := range returns {
		s.cite(c.base(), fmt.Sprint(r[0]), fmt.Sprintf("Return %v of order %s is %s.", r[1], number, strings.ToLower(fmt.Sprint(r[2]))))
	}
	refunds, err := c.rows(`SELECT r.Id, r.RefundNumber, r.Status, printf('%.2f', r.Amount) FROM Refund AS r JOIN PaymentGroup AS g ON g.Id = r.PaymentGroupId
		WHERE g.SourceObjectId = ? AND NOT r.IsDeleted ORDER BY r.Id`, []any{id})
	if err != nil {
		return said{}, err
	}
	for _, r := range refunds {
		s.cite(c.base(), fmt.Sprint(r[0]), fmt.Sprintf("Refund %v of %v is %s.", r[1], r[3], strings.ToLower(fmt.Sprint(r[2]))))
	}
	if len(returns)+len(refunds) == 0 {
		s.cite(c.base(), id, fmt.Sprintf("Order %s has no return.", number))
	}
	return s, nil
}

// tellCase tells of a case, and remembers the order of its return.
func (c *call) tellCase(number string) (said, error) {
	s := said{doing: "Looking up the case"}
	rows, err := c.rows(`SELECT k.Id, k.Subject, k.Status, (SELECT OrderId FROM ReturnOrder WHERE CaseId = k.Id AND NOT IsDeleted ORDER BY Id LIMIT 1)
		FROM "Case" AS k WHERE k.CaseNumber = ? AND NOT k.IsDeleted`, []any{number})
	if err != nil {
		return said{}, err
	}
	if len(rows) == 0 {
		s.text = "I cannot find a case " + number + ". Is the number right?"
		return s, nil
	}
	s.cite(c.base(), fmt.Sprint(rows[0][0]), fmt.Sprintf("Case %s (%v) is %s.", number, rows[0][1], strings.ToLower(fmt.Sprint(rows[0][2]))))
	if rows[0][3] != nil {
		s.order = fmt.Sprint(rows[0][3])
	}
	return s, nil
}

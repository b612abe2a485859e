package fakeorg

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// PaidBack is money that the payment gateway behind the org has paid back. It stays so whatever became of the request.
type PaidBack struct {
	Payment string // the id of the Payment record
	Key     string // the idempotency key; may be empty
	Amount  float64
}

// processor is the payment gateway behind the org. It knows idempotency keys, as an adapter does whose provider says
// that it supports them.
type processor struct {
	processorMu sync.Mutex
	paidBack    []PaidBack
	records     map[string]string // ids of Refund records, by idempotency key
}

// gatewayFault is the key of the context's value that says what the payment gateway answers ([Fault.Gateway]).
type gatewayFault struct{}

// PaidBack returns the money paid back by the payment gateway so far, in order.
func (o *Org) PaidBack() []PaidBack {
	o.processorMu.Lock()
	defer o.processorMu.Unlock()
	return slices.Clone(o.paidBack)
}

// pay pays back and tells the salesforceResultCode. A key that was used pays back nothing more. Of an answer that was
// ordered, Indeterminate means that the money has moved, and every other one but Success that it has not.
func (p *processor) pay(order PaidBack, captured float64, ordered string) (code string) {
	p.processorMu.Lock()
	defer p.processorMu.Unlock()
	for _, made := range p.paidBack {
		if order.Key != "" && made.Key == order.Key {
			if made != order {
				return "ValidationError"
			}
			return cmp.Or(ordered, "Success")
		}
		if made.Payment == order.Payment {
			captured -= made.Amount
		}
	}
	switch {
	case ordered != "" && ordered != "Success" && ordered != "Indeterminate":
		return ordered
	case order.Amount > captured+0.001:
		return "Decline"
	}
	p.paidBack = append(p.paidBack, order)
	return cmp.Or(ordered, "Success")
}

func paymentRoutes() []route {
	return []route{{method: http.MethodPost, path: "/commerce/payments/payments/{payment}/refunds", handle: refundPayment, alone: true}}
}

// refundInput is the body of a refund: the Referenced Refund Input of the Connect REST API Developer Guide. What the
// simulated gateway has no use for is taken and left.
type refundInput struct {
	Amount         json.Number       `json:"amount"`
	AccountID      string            `json:"accountId"`
	Comments       string            `json:"comments"`
	IdempotencyKey string            `json:"idempotencyKey"`
	EffectiveDate  string            `json:"effectiveDate"`
	AdditionalData map[string]string `json:"additionalData"`
	PaymentGroup   json.RawMessage   `json:"paymentGroup"`
	ClientContext  string            `json:"clientContext"`
	Email          string            `json:"email"`
	Phone          string            `json:"phone"`
	IPAddress      string            `json:"ipAddress"`
	MACAddress     string            `json:"macAddress"`
}

// refundPayment is POST /commerce/payments/payments/{payment}/refunds: the gateway pays back, and the platform writes
// the Refund record and what it said to the gateway. It writes no RefundLinePayment. The answers to an amount that is
// wrong and to a payment that cannot be paid back were not found in a source; neither was the form of error. It needs the
// user permission PaymentsAPIUser ("or Refund Payment", which is not simulated), and that alone: whether the user must see
// the payment too was not found.
func refundPayment(c *call) (*answer, error) {
	if err := c.permits("PaymentsAPIUser"); err != nil {
		return nil, err
	}
	c.sight = nil // what the platform writes, it writes by itself
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	var in refundInput
	if err := d.Decode(&in); err != nil {
		return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "%v", err)
	}
	amount, err := strconv.ParseFloat(string(in.Amount), 64)
	if err != nil || amount <= 0 {
		return nil, refuse(http.StatusBadRequest, "INVALID_API_INPUT", "The amount must be greater than zero.")
	}
	payments := c.org.schema.Object("Payment")
	id, valid := parseID(c.PathValue("payment"))
	row, err := c.load(payments, id)
	if err != nil {
		return nil, err
	}
	if !valid || row == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The payment %s does not exist.", c.PathValue("payment"))
	}
	if row["Status"] != "Processed" {
		return nil, refuse(http.StatusBadRequest, "INVALID_API_INPUT", "The payment has not the status Processed.")
	}
	captured, err := strconv.ParseFloat(fmt.Sprint(row["Amount"]), 64)
	if err != nil {
		return nil, err
	}
	order := PaidBack{Payment: id, Key: cmp.Or(in.IdempotencyKey, c.Header.Get("sfdc-Payments-Idempotency-Key")), Amount: amount}
	ordered, _ := c.Context().Value(gatewayFault{}).(string)
	return c.recordRefund(in, order, c.org.pay(order, captured, ordered))
}

// recordRefund writes what came of a refund and answers with it.
func (c *call) recordRefund(in refundInput, order PaidBack, code string) (*answer, error) {
	reference := fmt.Sprintf("gw-refund-%06d", len(c.org.PaidBack()))
	now := c.now().Format(storedTime)
	status := map[string]string{"Success": "Success", "Indeterminate": "Timeout"}[code]
	log, err := c.insertRecord(c.org.schema.Object("PaymentGatewayLog"), inputs("ReferencedEntityId", order.Payment, "InteractionType", "ReferencedRefund",
		"InteractionStatus", cmp.Or(status, "Failed"), "SfResultCode", code, "GatewayRefNumber", reference, "GatewayDate", now))
	if err != nil {
		return nil, err
	}
	said := object{{"gatewayDate", now}, {"gatewayReferenceNumber", reference}, {"gatewayResultCode", strings.ToUpper(code)},
		{"gatewayResultCodeDescription", code}, {"salesforceResultCode", code}}
	logs := []object{{{"id", log}, {"interactionStatus", cmp.Or(status, "Failed")}}}
	if code != "Success" {
		failure := object{{"code", code}, {"message", "The payment gateway answered " + code + "."}}
		return &answer{status: http.StatusCreated, body: object{{"error", failure}, {"gatewayResponse", said}, {"paymentGatewayLogs", logs}, {"refund", nil}}}, nil
	}
	id, row, err := c.refundOf(order.Key)
	if err != nil {
		return nil, err
	}
	if row == nil {
		if id, row, err = c.insertRefund(in, order.Key, reference); err != nil {
			return nil, err
		}
	}
	made := object{{"accountId", row["AccountId"]}, {"amount", row["Amount"]}, {"comments", row["Comments"]}, {"id", id}, {"refundNumber", row["RefundNumber"]},
		{"status", row["Status"]}}
	return &answer{status: http.StatusCreated, body: object{{"error", nil}, {"gatewayResponse", said}, {"paymentGatewayLogs", logs}, {"refund", made}}}, nil
}

// refundOf finds the record that was made with an idempotency key before.
func (c *call) refundOf(key string) (id string, row stored, err error) {
	c.org.processorMu.Lock()
	id = c.org.records[key]
	c.org.processorMu.Unlock()
	if key == "" || id == "" {
		return "", nil, nil
	}
	row, err = c.load(c.org.schema.Object("Refund"), id)
	return id, row, err
}

// insertRefund makes the record of a refund.
func (c *call) insertRefund(in refundInput, key, reference string) (id string, row stored, err error) {
	refunds, now := c.org.schema.Object("Refund"), c.now().Format(storedTime)
	given := inputs("Amount", in.Amount, "Type", "Referenced", "Status", "Processed", "ProcessingMode", "Salesforce", "GatewayRefNumber", reference,
		"GatewayDate", now, "SfResultCode", "Success", "EffectiveDate", cmp.Or(in.EffectiveDate, now))
	if in.AccountID != "" {
		given = append(given, input{name: "AccountId", value: in.AccountID})
	}
	if in.Comments != "" {
		given = append(given, input{name: "Comments", value: in.Comments})
	}
	if id, err = c.insertRecord(refunds, given); err != nil {
		return "", nil, err
	}
	c.org.processorMu.Lock()
	if c.org.records == nil {
		c.org.records = map[string]string{}
	}
	c.org.records[key] = id
	c.org.processorMu.Unlock()
	row, err = c.load(refunds, id)
	return id, row, err
}

// inputs are the members of a record, given as names and values.
func inputs(pairs ...any) record {
	var r record
	for pair := range slices.Chunk(pairs, 2) {
		r = append(r, input{name: pair[0].(string), value: pair[1]})
	}
	return r
}

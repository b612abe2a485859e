package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// A Mapping says where an org keeps what a return is about, and what is written. Names
// are API names. A field that is read may be a path over relationships, such as
// PaymentGroup.SourceObjectId; one that is written is a plain name. Empty means that
// the org has no such thing: the fact is not known then, and what would be written is
// not.
type Mapping struct {
	Currency    CurrencyFields    `yaml:"currency"`
	Case        CaseFields        `yaml:"case"`
	Order       OrderFields       `yaml:"order"`
	Lines       LineFields        `yaml:"lines"`
	ReturnOrder ReturnOrderFields `yaml:"returnOrder"`
	ReturnLines ReturnLineFields  `yaml:"returnLines"`
	Payment     PaymentFields     `yaml:"payment"`
	Refund      RefundFields      `yaml:"refund"`
	Customer    CustomerFields    `yaml:"customer"`
	Replacement ReplacementFields `yaml:"replacement"`
	Task        TaskFields        `yaml:"task"`
	Event       EventFields       `yaml:"event"`
	Document    DocumentFields    `yaml:"document"`

	// Relationships are the objects that relationships in paths lead to. Those that
	// have the name of their object, as PaymentGroup has, need not be here.
	Relationships map[string]string `yaml:"relationships"`
}

// CurrencyFields is the currency of all money: of an org that has one, or the field that
// says it on orders, payments and refunds.
type CurrencyFields struct {
	Code  string `yaml:"code"`  // ISO 4217, such as USD
	Field string `yaml:"field"` // CurrencyIsoCode, where multiple currencies are on
}

// CaseFields is the case that asks for a return. Its object is Case.
type CaseFields struct {
	Number   string `yaml:"number"`
	Status   string `yaml:"status"`
	Reason   string `yaml:"reason"`
	Origin   string `yaml:"origin"`
	Priority string `yaml:"priority"`
	Opened   string `yaml:"opened"` // datetime
	Closed   string `yaml:"closed"` // boolean
	Account  string `yaml:"account"`
	Contact  string `yaml:"contact"`
	// Order is the lookup to the order. Empty: the order is that of the return order
	// of the case.
	Order string `yaml:"order"`
	// Kind and Returns say which cases ask for a return: those whose field Kind has
	// one of the values. An empty Kind is every case.
	Kind     string       `yaml:"kind"`
	Returns  []string     `yaml:"returns"`
	Statuses CaseStatuses `yaml:"statuses"`
}

// CaseStatuses are what the status of a case becomes. Empty leaves it as it is.
type CaseStatuses struct {
	Claimed  string `yaml:"claimed"`
	Refunded string `yaml:"refunded"`
	Replaced string `yaml:"replaced"`
	Denied   string `yaml:"denied"`
}

// OrderFields is the order of which something goes back.
type OrderFields struct {
	Object    string `yaml:"object"`
	Number    string `yaml:"number"`
	Status    string `yaml:"status"`
	Placed    string `yaml:"placed"`    // date or datetime
	Delivered string `yaml:"delivered"` // date or datetime
	Account   string `yaml:"account"`
	Contact   string `yaml:"contact"`
	Pricebook string `yaml:"pricebook"`
	// Paid and Reference are what was paid and the gateway's name for the payment, in
	// orgs that have no object for payments.
	Paid      string `yaml:"paid"`
	Reference string `yaml:"reference"`
	// Refunded holds what was refunded, in orgs that have no object for refunds. It is
	// read and written.
	Refunded string `yaml:"refunded"`
	// Key is the external id of replacement orders.
	Key string `yaml:"key"`
}

// LineFields are the lines of an order.
type LineFields struct {
	Object    string `yaml:"object"`
	Order     string `yaml:"order"`
	Quantity  string `yaml:"quantity"`
	UnitPrice string `yaml:"unitPrice"`
	Total     string `yaml:"total"` // what was paid for the line; empty is unit price times quantity
	Name      string `yaml:"name"`  // of the product, for documents
	Entry     string `yaml:"entry"` // price book entry, for replacements
	// FinalSale is a boolean that says that the line was sold without a right to
	// return. "none" says that the org sells nothing so.
	FinalSale string `yaml:"finalSale"`
	// Returned holds how many pieces went back, in orgs that have no object for return
	// orders. It is read and written.
	Returned string `yaml:"returned"`
	Key      string `yaml:"key"` // external id of the lines of replacement orders
}

// None is the value of Lines.FinalSale for an org that sells nothing as final.
const None = "none"

// ReturnOrderFields is a return order. An empty Object: the org has none.
type ReturnOrderFields struct {
	Object   string         `yaml:"object"`
	Case     string         `yaml:"case"`
	Order    string         `yaml:"order"`
	Account  string         `yaml:"account"`
	Contact  string         `yaml:"contact"`
	Created  string         `yaml:"created"` // datetime
	Status   string         `yaml:"status"`
	Statuses ReturnStatuses `yaml:"statuses"`
	// Key is the external id of a return order that is made because the case had none.
	// Empty: none is made.
	Key string `yaml:"key"`
}

// ReturnStatuses are the statuses of return orders.
type ReturnStatuses struct {
	Void     []string `yaml:"void"`     // of which nothing comes back
	Complete []string `yaml:"complete"` // of which all has come back
	Settled  string   `yaml:"settled"`  // what the status becomes; one of Complete
}

// ReturnLineFields are the lines of return orders.
type ReturnLineFields struct {
	Object      string `yaml:"object"`
	ReturnOrder string `yaml:"returnOrder"`
	Item        string `yaml:"item"`
	Quantity    string `yaml:"quantity"`
	Key         string `yaml:"key"` // external id, as ReturnOrder.Key
}

// PaymentFields is a payment of an order. An empty Object: see Order.Paid.
type PaymentFields struct {
	Object    string   `yaml:"object"`
	Order     string   `yaml:"order"` // path to the order
	Amount    string   `yaml:"amount"`
	Refunded  string   `yaml:"refunded"` // what was refunded of this payment
	Status    string   `yaml:"status"`
	Processed []string `yaml:"processed"` // statuses of payments that were made
	Reference string   `yaml:"reference"` // the gateway's name for it
	Group     string   `yaml:"group"`     // lookup to what payments and refunds have in common
	Placed    string   `yaml:"placed"`    // order in which payments are refunded
}

// RefundFields is a record of money that went back. An empty Object: see Order.Refunded.
type RefundFields struct {
	Object    string            `yaml:"object"`
	Order     string            `yaml:"order"` // path to the order
	Group     string            `yaml:"group"` // where Order is a path: the lookup that is written, to Payment.Group
	Amount    string            `yaml:"amount"`
	Status    string            `yaml:"status"`
	Failed    []string          `yaml:"failed"` // statuses of refunds that did not come to be
	Account   string            `yaml:"account"`
	Reference string            `yaml:"reference"`
	Created   string            `yaml:"created"` // datetime
	Key       string            `yaml:"key"`     // external id
	Values    map[string]string `yaml:"values"`  // what else a new one has
	// Lines link refunds to payments; empty where there are none.
	Lines RefundLines `yaml:"lines"`
}

// RefundLines are the records that link refunds to payments.
type RefundLines struct {
	Object  string `yaml:"object"`
	Refund  string `yaml:"refund"`
	Payment string `yaml:"payment"`
}

// CustomerFields is whoever ordered.
type CustomerFields struct {
	// By is "account" or "contact": whose orders, returns and refunds count.
	By    string `yaml:"by"`
	Since string `yaml:"since"` // path from the case to a date or datetime
}

// ReplacementFields is the order that is made for an exchange. Its items cost nothing.
type ReplacementFields struct {
	Values    map[string]string `yaml:"values"`    // what else a new order has
	Date      string            `yaml:"date"`      // when it is made
	Original  string            `yaml:"original"`  // lookup to the order that it replaces something of
	Reference string            `yaml:"reference"` // text for the number of that order
	Item      string            `yaml:"item"`      // lookup of an item to the one that it replaces
}

// TaskFields is the task that is logged. Its object is Task.
type TaskFields struct {
	Key       string            `yaml:"key"`       // external id
	Values    map[string]string `yaml:"values"`    // of the follow-up to a return that is settled
	Owner     string            `yaml:"owner"`     // id of the user or queue; empty is the user of the connection
	Escalated map[string]string `yaml:"escalated"` // of a task for a return that wants a person
	Queue     string            `yaml:"queue"`     // id of the user or queue for those; empty is Owner
}

// EventFields is the platform event that is published. An empty Object: none is.
type EventFields struct {
	Object   string `yaml:"object"`
	Case     string `yaml:"case"`
	Outcome  string `yaml:"outcome"`
	Amount   string `yaml:"amount"`
	Currency string `yaml:"currency"`
	Run      string `yaml:"run"` // correlation id
}

// DocumentFields is how documents are attached to the case.
type DocumentFields struct {
	// Key is a text field of ContentVersion that the key is written to. Empty: the
	// description is.
	Key string `yaml:"key"`
}

// Default returns the mapping to the standard objects (with Order Management or Field
// Service and Payments on) and the fields that "export package" adds. It lacks what
// no standard object has: the currency, when an order was delivered, and what is a
// final sale.
func Default() Mapping {
	return Mapping{
		Case: CaseFields{Number: "CaseNumber", Status: "Status", Reason: "Reason", Origin: "Origin", Priority: "Priority", Opened: "CreatedDate", Closed: "IsClosed",
			Account: "AccountId", Contact: "ContactId", Kind: "Type", Returns: []string{"Return"},
			Statuses: CaseStatuses{Claimed: "Working", Refunded: "Closed", Replaced: "Closed"}},
		Order: OrderFields{Object: "Order", Number: "OrderNumber", Status: "Status", Placed: "EffectiveDate", Account: "AccountId", Contact: "BillToContactId",
			Pricebook: "Pricebook2Id", Key: "Return_Key__c"},
		Lines: LineFields{Object: "OrderItem", Order: "OrderId", Quantity: "Quantity", UnitPrice: "UnitPrice", Total: "TotalPrice",
			Name: "Product2.Name", Entry: "PricebookEntryId", Key: "Return_Key__c"},
		ReturnOrder: ReturnOrderFields{Object: "ReturnOrder", Case: "CaseId", Order: "OrderId", Account: "AccountId", Contact: "ContactId", Created: "CreatedDate",
			Status: "Status", Statuses: ReturnStatuses{Void: []string{"Canceled"}, Complete: []string{"Closed"}, Settled: "Closed"}, Key: "Return_Key__c"},
		ReturnLines: ReturnLineFields{Object: "ReturnOrderLineItem", ReturnOrder: "ReturnOrderId", Item: "OrderItemId", Quantity: "QuantityReturned", Key: "Return_Key__c"},
		Payment: PaymentFields{Object: "Payment", Order: "PaymentGroup.SourceObjectId", Amount: "Amount", Refunded: "NetRefundApplied", Status: "Status",
			Processed: []string{"Processed"}, Reference: "GatewayRefNumber", Group: "PaymentGroupId", Placed: "CreatedDate"},
		Refund: RefundFields{Object: "Refund", Order: "PaymentGroup.SourceObjectId", Group: "PaymentGroupId", Amount: "Amount", Status: "Status",
			Failed: []string{"Failed", "Canceled"}, Account: "AccountId", Reference: "GatewayRefNumber", Created: "CreatedDate", Key: "Refund_Key__c",
			Values: map[string]string{"Type": "Referenced", "Status": "Processed", "ProcessingMode": "External"},
			Lines:  RefundLines{Object: "RefundLinePayment", Refund: "RefundId", Payment: "PaymentId"}},
		Customer:    CustomerFields{By: "account", Since: "Account.CreatedDate"},
		Replacement: ReplacementFields{Values: map[string]string{"Status": "Draft"}, Date: "EffectiveDate", Reference: "OrderReferenceNumber"},
		Task: TaskFields{Key: "Return_Key__c", Values: map[string]string{"Status": "Completed", "Priority": "Normal"},
			Escalated: map[string]string{"Status": "Not Started", "Priority": "High"}},
		Event: EventFields{Object: "Return_Completed__e", Case: "Case_Id__c", Outcome: "Outcome__c", Amount: "Refund_Amount__c", Run: "Correlation_Id__c"},
	}
}

// Parse reads a mapping in YAML. What it does not name is as in [Default], and a key
// that there is not is an error.
func Parse(text []byte) (Mapping, error) {
	m := Default()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return Mapping{}, fmt.Errorf("mapping: %w", err)
	}
	if problems := m.names(); len(problems) > 0 {
		return Mapping{}, &Misfit{Problems: problems}
	}
	return m, nil
}

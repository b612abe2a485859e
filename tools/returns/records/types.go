package records

import (
	"context"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
)

// An Org is the org of a workspace.
type Org interface {
	Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error)
}

// An Ask is what an agent asks for.
type Ask struct {
	CaseID  string
	Outcome string // [policy.OutcomeRefund] or [policy.OutcomeReplace]
	// Lines are what is to go back. Nil: what the return order of the case says, or
	// else all that is left of the order.
	Lines []AskedLine
}

// An AskedLine is a line of an order of which something is to go back.
type AskedLine struct {
	Item     string `json:"item"` // id of the order item
	Quantity int64  `json:"quantity"`
}

// A Return is what the records say about a return. Of it Facts decide; the rest is to
// find, to write and to show.
type Return struct {
	Facts   policy.Facts `json:"facts"`
	Outcome string       `json:"outcome"` // that is asked for
	Case    CaseRecord   `json:"case"`

	AccountID string      `json:"accountId,omitempty"`
	ContactID string      `json:"contactId,omitempty"`
	Order     OrderRecord `json:"order"`
	// ReturnOrder is that of the case; nil when it has none.
	ReturnOrder *ReturnOrderRecord `json:"returnOrder,omitempty"`
	Lines       []Line             `json:"lines"`
	Payments    []Payment          `json:"payments"` // in the order in which they are refunded
}

// A CaseRecord is the case of a return.
type CaseRecord struct {
	ID     string `json:"id"` // 18 characters
	Number string `json:"number,omitempty"`
	Status string `json:"status,omitempty"`
}

// An OrderRecord is the order of a return. Without an ID it is not known.
type OrderRecord struct {
	ID        string `json:"id,omitempty"`
	Number    string `json:"number,omitempty"`
	Account   string `json:"account,omitempty"`
	Contact   string `json:"contact,omitempty"`
	Pricebook string `json:"pricebook,omitempty"`
	Refunded  int64  `json:"refunded,omitempty"` // what its own field says, in minor units
}

// A ReturnOrderRecord is the return order of a case.
type ReturnOrderRecord struct {
	ID     string       `json:"id"`
	Status string       `json:"status,omitempty"`
	Lines  []ReturnLine `json:"lines"`
}

// A ReturnLine is a line of a return order.
type ReturnLine struct {
	ID       string `json:"id"`
	Item     string `json:"item,omitempty"`
	Quantity int64  `json:"quantity"` // -1 when it is no number of whole pieces
}

// A Line is a line of the order of which something is to go back.
type Line struct {
	Item     string `json:"item"`
	Product  string `json:"product,omitempty"` // its name, for documents
	Quantity int64  `json:"quantity"`
	Ordered  int64  `json:"ordered"`
	Returned int64  `json:"returned"`        // by earlier returns
	Value    int64  `json:"value"`           // of Quantity, in minor units
	Entry    string `json:"entry,omitempty"` // price book entry
}

// A Payment is a payment of the order.
type Payment struct {
	ID         string `json:"id,omitempty"`        // empty where payments are no records
	Reference  string `json:"reference,omitempty"` // the gateway's name for it
	Group      string `json:"group,omitempty"`
	Amount     int64  `json:"amount"`     // in minor units
	Refundable int64  `json:"refundable"` // what was not refunded of it, as far as the records tell
}

// Open is a case that asks for a return and is open.
type Open struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"`
	Priority string `json:"priority,omitempty"`
	Opened   string `json:"opened"`
	OrderID  string `json:"orderId,omitempty"`
}

// A Settlement is what came of a return, to be written down.
type Settlement struct {
	Return    Return
	Outcome   string // [policy.OutcomeRefund] or [policy.OutcomeReplace]
	Amount    int64  // that went back, in minor units
	Fee       int64  // that was kept
	Currency  string
	Refund    *gateway.Refund // that the gateway made; nil for a replacement
	RefundRow bool            // whether the Refund record is written here, since the gateway made none
	Payment   string          // ID or Reference of the payment that was refunded; empty is the first
	At        time.Time       // date of a replacement order; zero is when the case was opened
	Key       string          // the same for all attempts
	Run       string
	Reason    string // for people, in our own words
}

// A Document is a document for a case.
type Document struct {
	CaseID, Title, FileName, Key string
	PDF                          []byte
}

// An Event is what the platform event says.
type Event struct {
	CaseID, Outcome, Run string
	Amount               int64 // minor units
	Currency             string
}

// An Escalation asks a person to look at a return.
type Escalation struct {
	Key, CaseID, Run, Subject, Text string
}

// Done is what was written: ids of records, and their fields before and after.
type Done struct {
	Records []string
	Changes []audit.Change
}

// An Access is what is done with an object (Field is empty) or a field.
type Access struct {
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	Read   bool   `json:"read"`
	Create bool   `json:"create"`
	Edit   bool   `json:"edit"`
}

package records

import (
	"context"

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

// A Return is what the records say about a return. All of it but Facts is to find and
// to show things, and decides nothing.
type Return struct {
	Facts   policy.Facts `json:"facts"`
	Outcome string       `json:"outcome"`
	Case    struct {
		ID     string `json:"id"`
		Number string `json:"number"`
		Status string `json:"status"`
	} `json:"case"`
	AccountID string `json:"accountId,omitempty"`
	ContactID string `json:"contactId,omitempty"`
	Order     struct {
		ID        string `json:"id,omitempty"`
		Number    string `json:"number,omitempty"`
		Pricebook string `json:"pricebook,omitempty"`
	} `json:"order"`
	// ReturnOrderID is the return order of the case; empty when it has none.
	ReturnOrderID     string    `json:"returnOrderId,omitempty"`
	ReturnOrderStatus string    `json:"returnOrderStatus,omitempty"`
	Lines             []Line    `json:"lines"`
	Payments          []Payment `json:"payments"`
}

// A Line is a line of the order of which something is to go back.
type Line struct {
	Item     string `json:"item"`
	Product  string `json:"product,omitempty"` // its name, for documents
	Quantity int64  `json:"quantity"`
	Returned int64  `json:"returned"`             // by earlier returns
	Value    int64  `json:"value"`                // of Quantity, in minor units
	Entry    string `json:"entry,omitempty"`      // price book entry
	Return   string `json:"returnLine,omitempty"` // its line in the return order
	Planned  int64  `json:"planned,omitempty"`    // quantity that line has
}

// Payment is a payment of the order.
type Payment struct {
	ID         string `json:"id"`
	Reference  string `json:"reference,omitempty"` // the gateway's name for it
	Group      string `json:"group,omitempty"`
	Amount     int64  `json:"amount"`     // minor units
	Refundable int64  `json:"refundable"` // what was not refunded of it
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

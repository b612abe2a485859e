package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns/decimal"
)

// Record moves no money: it writes the Refund record that says that money was paid
// back, for orgs where somebody else does that. It is safe for concurrent use when
// its Org is.
type Record struct {
	Org Org
	// KeyField is the field of Refund that holds the key: a text of 255 characters,
	// an external id, unique and case sensitive. Being unique it keeps two calls at
	// once from writing two records. Empty means Refund_Key__c.
	KeyField string
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

func (g *Record) keyField() string {
	if g.KeyField == "" {
		return "Refund_Key__c"
	}
	return g.KeyField
}

// Refund writes the record. The payment of the request may be empty.
func (g *Record) Refund(ctx context.Context, r Request) (Refund, error) {
	if made, found, err := before(ctx, g, r); found || err != nil {
		return made, err
	}
	amount, err := decimal.Of(r.Amount, r.Currency)
	if err != nil {
		return Refund{}, refused("%v", err)
	}
	fields := map[string]any{"Amount": json.Number(amount), "Type": "Referenced", "Status": "Processed", "ProcessingMode": "External", g.keyField(): r.Key}
	if r.Account != "" {
		fields["AccountId"] = r.Account
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return Refund{}, refused("%v", err)
	}
	answer, err := g.Org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: "/sobjects/Refund", Body: body})
	if err != nil {
		return Refund{}, recordError(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer.Body, &made); err != nil || made.ID == "" {
		return Refund{}, &Error{Outcome: Unknown, Message: "the org gave no answer that can be read"}
	}
	return Refund{ID: made.ID, Record: made.ID, Amount: r.Amount, Currency: r.Currency, Status: Done}, nil
}

// recordError says what an error of a create means: the platform keeps nothing of a
// create that it answers with an error of the record. A duplicate is the record of
// another call with the key, which Find tells of.
func recordError(err error) *Error {
	out := writeError(err, nil)
	switch salesforce.ClassOf(out.Code, http.StatusInternalServerError) {
	case salesforce.ClassDuplicate:
		out.Outcome = Unknown
	case salesforce.ClassValidation, salesforce.ClassNotFound, salesforce.ClassMethod:
		out.Outcome = Refused
	case salesforce.ClassLimited:
		out.Outcome = Transient
	}
	return out
}

// Find looks for the record with the key.
func (g *Record) Find(ctx context.Context, r Request) (Refund, bool, error) {
	if err := r.check(); err != nil {
		return Refund{}, false, err
	}
	if !fieldName.MatchString(g.keyField()) {
		return Refund{}, false, refused("%.80q is no name of a field", g.keyField())
	}
	return findRow(ctx, g.Org, g.keyField()+" = "+soql.Quote(r.Key), r)
}

var salesforceID = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$`)

// refundRow is a Refund record.
type refundRow struct {
	ID        string `json:"Id"`
	Account   string `json:"AccountId"`
	Amount    json.Number
	Status    string
	Reference string `json:"GatewayRefNumber"`
	Date      string `json:"CreatedDate"`
}

// refund is what a record says. The platform keeps no currency where there is only
// one, so that it is the request's.
func (row refundRow) refund(r Request) (Refund, error) {
	made := Refund{ID: row.ID, Record: row.ID, Reference: row.Reference, Currency: r.Currency, At: orgTime(row.Date)}
	var err error
	if made.Amount, err = decimal.Minor(row.Amount.String(), r.Currency); err != nil {
		return made, &Error{Outcome: Conflict, Message: fmt.Sprintf("refund %s: %v", row.ID, err)}
	}
	switch row.Status {
	case "Processed":
		made.Status = Done
	case "Pending", "Draft":
		made.Status = Pending
	case "Failed", "Canceled":
		made.Status = Failed
	default:
		return made, &Error{Outcome: Unknown, Message: fmt.Sprintf("refund %s has the status %.40q", row.ID, row.Status)}
	}
	return made, r.same(made)
}

// findRow finds the only Refund record for which a condition holds. One of another
// account is not ours, whatever key somebody has written into it.
func findRow(ctx context.Context, org Org, where string, r Request) (Refund, bool, error) {
	var rows []refundRow
	if err := ask(ctx, org, "SELECT Id, AccountId, Amount, Status, GatewayRefNumber, CreatedDate FROM Refund WHERE "+where+" ORDER BY CreatedDate LIMIT 2", &rows); err != nil {
		return Refund{}, false, err
	}
	switch len(rows) {
	case 0:
		return Refund{}, false, nil
	case 1:
		if of := rows[0].Account; of != "" && r.Account != "" && !sameID(of, r.Account) {
			return Refund{}, false, &Error{Outcome: Conflict, Message: fmt.Sprintf("refund %.18q has the key, and is of the account %.18q and not of %.18q", rows[0].ID, of, r.Account)}
		}
		made, err := rows[0].refund(r)
		return made, err == nil, err
	}
	return Refund{}, false, &Error{Outcome: Conflict, Message: fmt.Sprintf("several refunds were made with the key, %s and %s among them", rows[0].ID, rows[1].ID)}
}

// sameID reports whether two ids are of one record. Of 18 characters the last three only
// repeat which of the others are capitals.
func sameID(a, b string) bool { return a[:min(len(a), 15)] == b[:min(len(b), 15)] }

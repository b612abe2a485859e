package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns/decimal"
)

// An Org is the org of a workspace.
type Org interface {
	Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error)
}

// SalesforcePayments pays back by the payment platform of an org (Connect REST API,
// /commerce/payments). It is safe for concurrent use when its Org is.
//
// The platform hands the idempotency key to the payment gateway's adapter, and what
// that makes of it is the adapter's matter (Apex Developer Guide, Idempotency
// Guidelines). So a refund of which the org's log says that its outcome is not known
// is not sent again from here: Find stays Unknown until the log says more, or a
// person does. Where the log says nothing, a repetition relies on the key. The Refund
// record that the platform makes carries the key in its comments.
type SalesforcePayments struct {
	// Org is asked with the permission Payments API User or Refund Payment.
	Org Org
	// Currency is the one of an org that has only one. Empty means that each payment
	// says its own (multiple currencies are on).
	Currency string
}

// comment is what the comments of a refund say: the key, so that it is found.
func comment(key string) string { return "salesforce-mcp refund " + key }

// Refund pays back a Payment record.
func (p *SalesforcePayments) Refund(ctx context.Context, r Request) (Refund, error) {
	if made, found, err := before(ctx, p, r); found || err != nil {
		return made, err
	}
	if err := checkPaid(ctx, p.Org, p.Currency, r); err != nil {
		return Refund{}, err
	}
	amount, err := decimal.Of(r.Amount, r.Currency)
	if err != nil {
		return Refund{}, refused("%v", err)
	}
	body, err := json.Marshal(struct {
		Amount         json.Number `json:"amount"`
		Account        string      `json:"accountId,omitempty"`
		Comments       string      `json:"comments"`
		IdempotencyKey string      `json:"idempotencyKey"`
	}{json.Number(amount), r.Account, comment(r.Key), r.Key})
	if err != nil {
		return Refund{}, refused("%v", err)
	}
	answer, err := p.Org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: "/commerce/payments/payments/" + r.Payment + "/refunds", Body: body})
	if err != nil {
		return Refund{}, writeError(err, paymentRefusals)
	}
	return r.readAnswer(answer.Body)
}

// paymentRefusals are errors of the platform that it tells before it asks the
// gateway. What it tells afterwards, such as a validation rule that the Refund
// record breaks, comes when the money has moved; so whatever is not here is Unknown.
var paymentRefusals = map[string]bool{
	"JSON_PARSER_ERROR": true, "INVALID_API_INPUT": true, "MALFORMED_ID": true, "NOT_FOUND": true, "METHOD_NOT_ALLOWED": true,
	"API_DISABLED_FOR_ORG": true, "FUNCTIONALITY_NOT_ENABLED": true, "UNSUPPORTED_API_VERSION": true, "INVALID_CONTENT_TYPE": true,
}

// readAnswer reads what became of a refund: the platform answers 201 whatever the
// gateway said (Connect REST API Developer Guide, Referenced Refund Output). An
// answer that cannot be read says nothing. The form of error was not found in a
// source: it is only looked at for being there.
func (r Request) readAnswer(body []byte) (Refund, error) {
	var answer struct {
		Error  json.RawMessage
		Refund *struct {
			ID     string
			Amount json.Number
			Status string
		}
		GatewayResponse struct {
			GatewayDate                  string
			GatewayReferenceNumber       string
			GatewayResultCodeDescription string
			SalesforceResultCode         string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Refund{}, &Error{Outcome: Unknown, Message: "the org gave no answer that can be read"}
	}
	said := answer.GatewayResponse
	no := &Error{Code: plain(said.SalesforceResultCode), Message: fmt.Sprintf("the payment gateway answered %.200q", said.GatewayResultCodeDescription)}
	switch said.SalesforceResultCode {
	case "Success":
	case "Decline", "PermanentFail":
		no.Outcome = Declined
		return Refund{}, no
	case "ValidationError":
		no.Outcome = Refused
		return Refund{}, no
	default: // Indeterminate, SystemError, RequiresReview and what may come
		no.Outcome = Unknown
		return Refund{}, no
	}
	if answer.Refund == nil || answer.Refund.ID == "" || len(answer.Error) > 0 && string(answer.Error) != "null" {
		return Refund{}, &Error{Outcome: Unknown, Message: "the payment gateway paid back, but the org tells of no Refund record"}
	}
	row := refundRow{ID: answer.Refund.ID, Amount: answer.Refund.Amount, Status: answer.Refund.Status, Reference: said.GatewayReferenceNumber, Date: said.GatewayDate}
	made, err := row.refund(r)
	return made, unsure(err)
}

// Find looks for the Refund record whose comments have the key. When there is none,
// but the org's log has a refund of the payment that was begun and not ended, it is
// not known whether that was the one.
func (p *SalesforcePayments) Find(ctx context.Context, r Request) (Refund, bool, error) {
	if err := r.check(); err != nil {
		return Refund{}, false, err
	}
	if !salesforceID.MatchString(r.Payment) {
		return Refund{}, false, refused("payment %.40q is not the id of a Payment record", r.Payment)
	}
	made, found, err := findRow(ctx, p.Org, "Comments = "+soql.Quote(comment(r.Key)), r)
	if found || err != nil {
		return made, found, err
	}
	var logs []struct {
		Name string `json:"PaymentGatewayLogNumber"`
	}
	err = ask(ctx, p.Org, "SELECT PaymentGatewayLogNumber FROM PaymentGatewayLog WHERE ReferencedEntityId = "+soql.Quote(r.Payment)+
		" AND InteractionType = 'ReferencedRefund' AND (InteractionStatus IN ('Initiated', 'Timeout') OR SfResultCode IN ('Indeterminate', 'SystemError', 'RequiresReview'))"+
		" ORDER BY CreatedDate DESC LIMIT 1", &logs)
	if err != nil {
		return Refund{}, false, err
	}
	if len(logs) > 0 {
		return Refund{}, false, &Error{Outcome: Unknown, Message: fmt.Sprintf("what became of a refund of the payment is not known: see the payment gateway log %.40s", logs[0].Name)}
	}
	return Refund{}, false, nil
}

// checkPaid compares the currency of a request with the payment's. Only, or else the
// payment itself, says which that is.
func checkPaid(ctx context.Context, org Org, only string, r Request) error {
	if only == "" {
		var payments []struct{ CurrencyIsoCode string }
		if err := ask(ctx, org, "SELECT CurrencyIsoCode FROM Payment WHERE Id = "+soql.Quote(r.Payment), &payments); err != nil {
			return err
		}
		if len(payments) == 0 {
			return refused("there is no payment %s", r.Payment)
		}
		only = payments[0].CurrencyIsoCode
	}
	if only != r.Currency {
		return refused("the payment was made in %.10q, and cannot be paid back in %s", only, r.Currency)
	}
	return nil
}

// ask reads the rows of a query of which one page is enough. Its errors mean that
// nothing was done.
func ask(ctx context.Context, org Org, query string, rows any) error {
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/query", Query: url.Values{"q": {query}}, Semantics: salesforce.Safe})
	if err != nil {
		return readError(err)
	}
	into := struct{ Records any }{rows}
	if err := json.Unmarshal(answer.Body, &into); err != nil {
		return &Error{Outcome: Transient, Message: "the org gave no answer that can be read"}
	}
	return nil
}

// readError says what an error of a request means that only looks.
func readError(err error) *Error {
	out := orgError(err)
	var e *salesforce.Error
	if errors.As(err, &e) && e.Class != salesforce.ClassTransient && e.Class != salesforce.ClassLimited && e.Class != salesforce.ClassConflict {
		out.Outcome = Refused
	}
	return out
}

// writeError says what an error of a request means that pays back or writes down.
// Before are codes that the platform tells before it does anything.
func writeError(err error, before map[string]bool) *Error {
	out := readError(err)
	var e *salesforce.Error
	errors.As(err, &e)
	switch {
	case e != nil && e.NotExecuted:
	case e != nil && !e.Repeated && (before[e.Code] || e.Class == salesforce.ClassPermission || e.Class == salesforce.ClassAuth):
		out.Outcome = Refused
	default:
		out.Outcome = Unknown
	}
	return out
}

// orgError is an error of the org, as one that may pass.
func orgError(err error) *Error {
	out := &Error{Outcome: Transient, Message: err.Error(), Err: err}
	var e *salesforce.Error
	if errors.As(err, &e) {
		out.Code, out.Message, out.RetryAfter = e.Code, e.Message, e.RetryAfter
	}
	out.Code, out.Message = plain(out.Code), plain(out.Message)
	return out
}

// orgTime reads a time as the platform writes it; what it cannot read is no time.
func orgTime(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.000-0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

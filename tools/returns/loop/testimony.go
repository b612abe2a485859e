package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
)

// lookTries is how often a gateway that is away is asked, for about a minute, before a
// person is believed who says that a refund was not made.
const lookTries = 6

// testified is what a person says became of a refund that the gateway has not found, or
// could not look for (looked). What they say was made is never sent again; what they say
// was not made ends the run, which sends nothing either.
func (t *turn) testified(ctx context.Context, f frozen, word returns.Testimony, looked error) (returns.Result, bool, error) {
	says := map[string]any{"gateway": f.Gateway, "made": word.Made, "by": word.By, "note": word.Note}
	if looked != nil {
		says["gatewaySays"] = looked.Error()
	}
	if !word.Made {
		var fault *returns.Fault
		if errors.As(classed(looked), &fault) && fault.Class == returns.Transient && t.Run.Tries < lookTries {
			return returns.Result{Detail: detail(says)}, false, looked
		}
		return returns.Result{Detail: detail(says)}, false, &returns.Fault{Class: returns.Declined, Code: "settled", Message: word.By + " says that the refund was not made: " + word.Note}
	}
	made := gateway.Refund{ID: word.Reference, Reference: word.Reference, Amount: f.Decision.Amount, Currency: f.Decision.Currency, Status: gateway.Done}
	record, err := t.refundRecord(ctx, word.Reference)
	if err != nil {
		return returns.Result{Detail: detail(says)}, false, err
	}
	if record != "" {
		made.ID, made.Record, made.Reference = record, record, ""
	}
	res, err := paid(f, made)
	says["id"], says["reference"], says["amount"], says["currency"], says["payment"] = made.ID, made.Reference, made.Amount, made.Currency, f.payment()
	res.Detail = detail(says)
	return res, err == nil, err
}

// refundRecord returns the ID of the org's record of a refund that a person has named by
// it, or "" when they have named it otherwise: then one is written.
func (t *turn) refundRecord(ctx context.Context, reference string) (string, error) {
	id, err := salesforce.To18(reference)
	if err != nil {
		return "", nil //nolint:nilerr // it is another name
	}
	if err := t.connect(ctx); err != nil {
		return "", err
	}
	object := t.s.Mapping.Refund.Object
	if object == "" {
		return "", nil
	}
	answer, err := t.org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/query", Semantics: salesforce.Safe,
		Query: url.Values{"q": {"SELECT Id FROM " + object + " WHERE Id = " + soql.Quote(id)}}})
	var theirs *salesforce.Error
	if errors.As(err, &theirs) && theirs.Class == salesforce.ClassQuery { // it is the ID of nothing
		return "", nil
	}
	var rows struct{ Records []struct{ ID string } }
	if err == nil {
		err = json.Unmarshal(answer.Body, &rows)
	}
	if err != nil {
		return "", fmt.Errorf("look for the %s that was named: %w", object, err)
	}
	if len(rows.Records) == 0 {
		return "", nil
	}
	return id, nil
}

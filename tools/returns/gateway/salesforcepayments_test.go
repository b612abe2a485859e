package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestGatewayAnswers holds what the payment gateway's result codes and the
// platform's errors mean, and that what is not known is not sent again.
func TestGatewayAnswers(t *testing.T) {
	o := startOrg(t)
	p := &SalesforcePayments{Org: o.org, Currency: "EUR"}
	for i, row := range []struct {
		fault fakeorg.Fault
		want  Outcome
		moved int
		stuck bool // stays unknown
	}{
		{fault: fakeorg.Fault{Gateway: "Decline"}, want: Declined},
		{fault: fakeorg.Fault{Gateway: "PermanentFail"}, want: Declined},
		{fault: fakeorg.Fault{Gateway: "ValidationError"}, want: Refused},
		{fault: fakeorg.Fault{Gateway: "Indeterminate"}, want: Unknown, moved: 1, stuck: true},
		{fault: fakeorg.Fault{Gateway: "SystemError"}, want: Unknown, stuck: true},
		{fault: fakeorg.Fault{Gateway: "RequiresReview"}, want: Unknown, stuck: true},
		{fault: fakeorg.Fault{Status: 500}, want: Unknown},
		{fault: fakeorg.Fault{HTML: "<html>gone</html>", Status: 502}, want: Unknown},
		{fault: fakeorg.Fault{Status: 400, ErrorCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION"}, want: Unknown},
		{fault: fakeorg.Fault{Status: 400, ErrorCode: "APEX_ERROR"}, want: Unknown},
		{fault: fakeorg.Fault{Status: 403, ErrorCode: "INSUFFICIENT_ACCESS"}, want: Refused},
		{fault: fakeorg.Fault{Status: 400, ErrorCode: "FUNCTIONALITY_NOT_ENABLED"}, want: Refused},
	} {
		name := fmt.Sprint(row.fault.Gateway, row.fault.ErrorCode, row.fault.Status)
		t.Run(name, func(t *testing.T) {
			r := Request{Key: fmt.Sprint("answer", i), Payment: o.pay(t, 1000), Amount: 400, Currency: "EUR"}
			before := len(o.PaidBack())
			row.fault.Method, row.fault.Path = "POST", "/refunds"
			o.Inject(row.fault)
			if _, err := p.Refund(t.Context(), r); OutcomeOf(err) != row.want || err == nil {
				t.Errorf("%v, want %s", err, row.want)
			}
			_, found, err := p.Find(t.Context(), r)
			if row.stuck != (err != nil) || row.stuck && OutcomeOf(err) != Unknown || found {
				t.Errorf("found %t %v", found, err)
			}
			if row.stuck {
				if _, err := p.Refund(t.Context(), r); OutcomeOf(err) != Unknown {
					t.Errorf("again: %v", err)
				}
			}
			if moved := len(o.PaidBack()) - before; moved != row.moved {
				t.Errorf("%d refunds, want %d", moved, row.moved)
			}
		})
	}
}

// TestPaymentCurrency holds that an org without a currency of its own is asked for
// the payment's.
func TestPaymentCurrency(t *testing.T) {
	for currency, want := range map[string]Outcome{"EUR": "", "USD": Refused} {
		org := scripted{`{"records": [{"CurrencyIsoCode": "EUR"}]}`}
		err := checkPaid(t.Context(), org, "", Request{Payment: "0aQ000000000001AAA", Currency: currency})
		if (err != nil) != (want != "") || err != nil && OutcomeOf(err) != want {
			t.Errorf("%s: %v", currency, err)
		}
	}
	if err := checkPaid(t.Context(), scripted{`{"records": []}`}, "", Request{Currency: "EUR"}); OutcomeOf(err) != Refused {
		t.Error(err)
	}
}

// scripted answers everything with one body.
type scripted struct{ body string }

func (s scripted) Do(context.Context, *salesforce.Request) (*salesforce.Response, error) {
	return &salesforce.Response{Status: 200, Body: []byte(s.body)}, nil
}

// TestContradiction holds that an answer with an error is no refund, whatever else it
// says.
func TestContradiction(t *testing.T) {
	for body, want := range map[string]Outcome{
		`{"error": null, "gatewayResponse": {"salesforceResultCode": "Success"}, "refund": {"id": "0Rf1", "amount": 4.00, "status": "Processed"}}`:          "",
		`{"error": {"code": "X"}, "gatewayResponse": {"salesforceResultCode": "Success"}, "refund": {"id": "0Rf1", "amount": 4.00, "status": "Processed"}}`: Unknown,
		`{"gatewayResponse": {"salesforceResultCode": "Success"}, "refund": null}`:                                                                          Unknown,
		`{"gatewayResponse": {}, "refund": {"id": "0Rf1", "amount": 4.00, "status": "Processed"}}`:                                                          Unknown,
		`{"gatewayResponse": {"salesforceResultCode": "Success"}, "refund": {"id": "0Rf1", "amount": 40, "status": "Processed"}}`:                           Unknown,
	} {
		if made, err := (Request{Amount: 400, Currency: "EUR"}).readAnswer([]byte(body)); (err != nil) != (want != "") || err != nil && OutcomeOf(err) != want {
			t.Errorf("%s: %+v %v", body, made, err)
		}
	}
}

// TestOtherAccount holds that a Refund record of another account is not the one that was
// asked for, though somebody has written its key.
func TestOtherAccount(t *testing.T) {
	for account, want := range map[string]Outcome{"001000000000001AAA": "", "001000000000001": "", "001000000000002AAA": Conflict} {
		org := scripted{`{"records": [{"Id": "0Rf000000000001AAA", "AccountId": "` + account + `", "Amount": 4, "Status": "Processed"}]}`}
		r := Request{Key: "k", Payment: "0aQ000000000001AAA", Amount: 400, Currency: "EUR", Account: "001000000000001AAA"}
		for _, g := range []Gateway{&Record{Org: org}, &SalesforcePayments{Org: org, Currency: "EUR"}} {
			if made, found, err := g.Find(t.Context(), r); found != (want == "") || err != nil && OutcomeOf(err) != want {
				t.Errorf("%T of %s: %t %+v %v", g, account, found, made, err)
			}
			if made, err := g.Refund(t.Context(), r); (err == nil) != (want == "") || err != nil && OutcomeOf(err) != want {
				t.Errorf("%T of %s: %+v %v", g, account, made, err)
			}
		}
	}
}

// TestOrgText holds that what an org says goes on in one line that can be printed.
func TestOrgText(t *testing.T) {
	const odd = "x\x1b[2Jy\nz\u202e"
	for _, err := range []error{&salesforce.Error{Code: odd, Message: odd}, errors.New(odd)} {
		for _, e := range []*Error{orgError(err), readError(err), writeError(err, nil), recordError(err)} {
			if strings.ContainsFunc(e.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%+q", e.Error())
			}
		}
	}
}

// FuzzAnswer holds that no answer of the org is taken for a refund that it does not
// tell of.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{``, `null`, `[]`, `{}`, `{"error":{"code":"X"},"gatewayResponse":{"salesforceResultCode":"Success"},"refund":{"id":"0Rf1","amount":1,"status":"Processed"}}`,
		`{"error":null,"gatewayResponse":{"salesforceResultCode":"Success"},"refund":{"id":"0Rf1","amount":4.00,"status":"Processed"}}`,
		`{"gatewayResponse":{"salesforceResultCode":"Success"},"refund":{"id":"0Rf1","amount":5,"status":"Processed"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		made, err := Request{Amount: 400, Currency: "EUR"}.readAnswer(body)
		if err == nil && (made.ID == "" || made.Amount != 400 || made.Status == "") {
			t.Errorf("%s: %+v", body, made)
		}
		if err != nil && OutcomeOf(err) == Transient {
			t.Errorf("%s: %v, though it was sent", body, err)
		}
	})
}

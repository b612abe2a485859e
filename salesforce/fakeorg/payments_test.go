package fakeorg_test

import (
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestRefunds holds the refunds of the Connect API: money and record, keys, and the answers of the gateway.
func TestRefunds(t *testing.T) {
	s := start(t, fakeorg.Options{})
	payment := s.create("Payment", `{"Amount": 100, "Status": "Processed", "ProcessingMode": "Salesforce", "Type": "Capture"}`)
	path := "/commerce/payments/payments/" + payment + "/refunds"
	count := func(where string) int {
		t.Helper()
		var n int
		r := s.do("GET", "/query?q=SELECT+Id+FROM+"+strings.ReplaceAll(where, " ", "+"), "")
		if _, err := fmt.Sscanf(r.body, `{"totalSize":%d`, &n); err != nil {
			t.Fatal(r.body)
		}
		return n
	}
	before := count("Refund")
	first := s.do("POST", path, `{"amount": 30.50, "comments": "key k1", "idempotencyKey": "k1"}`)
	first.wants(t, 201, `"salesforceResultCode":"Success"`)
	first.wants(t, 201, `"error":null`)
	s.do("POST", path, `{"amount": 30.50, "comments": "key k1"}`, "sfdc-Payments-Idempotency-Key", "k1").wants(t, 201, `"comments":"key k1"`)
	s.do("POST", path, `{"amount": 31, "idempotencyKey": "k1"}`).wants(t, 201, `"ValidationError"`)
	s.do("POST", path, `{"amount": 70, "idempotencyKey": "k2"}`).wants(t, 201, `"Decline"`)
	if n := count("Refund"); n != before+1 {
		t.Errorf("%d refunds, want one more than %d", n, before)
	}
	if n := count("Refund WHERE Comments = 'key k1'"); n != 1 {
		t.Errorf("%d refunds by comments", n)
	}

	s.Inject(fakeorg.Fault{Path: "/refunds", Gateway: "Indeterminate"})
	s.do("POST", path, `{"amount": 20, "idempotencyKey": "k3"}`).wants(t, 201, `"refund":null`)
	if n := count("PaymentGatewayLog WHERE ReferencedEntityId = '" + payment + "' AND InteractionStatus = 'Timeout'"); n != 1 {
		t.Errorf("%d logs of what is not known", n)
	}
	s.Inject(fakeorg.Fault{Path: "/refunds", Gateway: "SystemError"})
	s.do("POST", path, `{"amount": 20, "idempotencyKey": "k4"}`).wants(t, 201, `"SystemError"`)
	want := []fakeorg.PaidBack{{Payment: payment, Key: "k1", Amount: 30.5}, {Payment: payment, Key: "k3", Amount: 20}}
	if got := s.PaidBack(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("paid back %v, want %v", got, want)
	}

	s.do("POST", path, `{"amount": 0}`).wants(t, 400, "INVALID_API_INPUT")
	s.do("POST", path, `{"amount": 1, "amonut": 1}`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("POST", "/commerce/payments/payments/0aQ000000000001AAA/refunds", `{"amount": 1}`).wants(t, 404, "NOT_FOUND")
	draft := s.create("Payment", `{"Amount": 100, "Status": "Draft", "ProcessingMode": "Salesforce", "Type": "Capture"}`)
	s.do("POST", "/commerce/payments/payments/"+draft+"/refunds", `{"amount": 1}`).wants(t, 400, "INVALID_API_INPUT")
}

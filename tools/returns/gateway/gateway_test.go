package gateway

import "testing"

// TestCheck holds what is refused before anybody is asked.
func TestCheck(t *testing.T) {
	good := Request{Key: "ret/acme/500/refund/1", Payment: "pi_1", Amount: 1, Currency: "EUR"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Request){
		"no key":         func(r *Request) { r.Key = "" },
		"blank in key":   func(r *Request) { r.Key = "a b" },
		"line in key":    func(r *Request) { r.Key = "a\n" },
		"nothing":        func(r *Request) { r.Amount = 0 },
		"less":           func(r *Request) { r.Amount = -1 },
		"lower case":     func(r *Request) { r.Currency = "eur" },
		"no currency":    func(r *Request) { r.Currency = "" },
		"other currency": func(r *Request) { r.Currency = "EURO" },
	} {
		r := good
		spoil(&r)
		if err := r.check(); OutcomeOf(err) != Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

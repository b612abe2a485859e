package gateway

import (
	"testing"

	"pgregory.net/rapid"
)

// TestAmounts holds amounts written for the platform and read back.
func TestAmounts(t *testing.T) {
	for _, row := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{1, "EUR", "0.01"}, {1050, "USD", "10.50"}, {1050, "JPY", "1050"}, {1050, "KWD", "1.050"}, {100, "GBP", "1.00"},
	} {
		if got, err := Decimal(row.minor, row.currency); got != row.want || err != nil {
			t.Errorf("%d %s: %s %v, want %s", row.minor, row.currency, got, err, row.want)
		}
	}
	for text, want := range map[string]int64{"150": 15000, "150.0": 15000, "150.5": 15050, "0.01": 1, "1.230000": 123, "3.5E7": 3500000000, "1e3": 100000} {
		if got, err := Minor(text, "EUR"); got != want || err != nil {
			t.Errorf("%s: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.005", "1e-3", "1e30", "1,5", "NaN", ".5", "99999999999999999999", "999999999999999999"} {
		if got, err := Minor(text, "EUR"); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1e14).Draw(t, "n")
		code := rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "CLF"}).Draw(t, "currency")
		text, err := Decimal(n, code)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Minor(text, code); back != n || err != nil {
			t.Fatalf("%d %s became %s and %d %v", n, code, text, back, err)
		}
	})
}

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

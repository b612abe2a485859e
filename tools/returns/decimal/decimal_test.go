package decimal

import (
	"math"
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
		{-5, "EUR", "-0.05"}, {-1050, "EUR", "-10.50"}, {math.MinInt64, "EUR", "-92233720368547758.08"}, {-7, "JPY", "-7"},
	} {
		if got, err := Of(row.minor, row.currency); got != row.want || err != nil {
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
		text, err := Of(n, code)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Minor(text, code); back != n || err != nil {
			t.Fatalf("%d %s became %s and %d %v", n, code, text, back, err)
		}
	})
}

// TestText holds what people read.
func TestText(t *testing.T) {
	for _, row := range []struct {
		minor          int64
		currency, want string
	}{
		{25_900, "USD", "259.00 USD"}, {25_900, "JPY", "25900 JPY"}, {0, "EUR", "0.00 EUR"},
		{25_900, "", "25900 minor units of a currency that is not known"}, {1, "usd", "1 minor units of a currency that is not known"},
	} {
		if got := Text(row.minor, row.currency); got != row.want {
			t.Errorf("%d %q: %s, want %s", row.minor, row.currency, got, row.want)
		}
	}
}

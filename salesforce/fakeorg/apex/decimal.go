package apex

import (
	"fmt"
	"math/big"
	"strings"
)

// Decimal is an exact number that remembers how many decimals it is written with. Double values are Decimals too.
type Decimal struct {
	rat   *big.Rat
	scale int
}

// maxScale is how many decimals a division gives at most.
const maxScale = 33

func (d Decimal) String() string { return d.rat.FloatString(d.scale) }

// parseDecimal reads 1.50.
func parseDecimal(text string) (Decimal, error) {
	if len(text) > 100 || strings.ContainsAny(text, "/eEpPxX_") {
		return Decimal{}, fmt.Errorf("%q is not a decimal", text)
	}
	r, fits := new(big.Rat).SetString(text)
	if !fits {
		return Decimal{}, fmt.Errorf("%q is not a decimal", text)
	}
	_, fraction, _ := strings.Cut(text, ".")
	return Decimal{r, len(fraction)}, nil
}

// NewDecimal makes a Decimal of a number of a record.
func NewDecimal(n float64, scale int) Decimal {
	d, err := parseDecimal(fmt.Sprintf("%.*f", scale, n))
	if err != nil { // not a number that a record can hold
		return Decimal{new(big.Rat), 0}
	}
	return d
}

// Float is the nearest number.
func (d Decimal) Float() float64 {
	n, _ := d.rat.Float64()
	return n
}

// asDecimal makes a Decimal of an Integer or Decimal.
func asDecimal(v Value) (Decimal, bool) {
	switch v := v.(type) {
	case int64:
		return Decimal{new(big.Rat).SetInt64(v), 0}, true
	case Decimal:
		return v, true
	}
	return Decimal{}, false
}

func compareNumbers(a, b Value) (c int, fits bool) {
	x, isNumber := asDecimal(a)
	y, isToo := asDecimal(b)
	if !isNumber || !isToo {
		return 0, false
	}
	return x.rat.Cmp(y.rat), true
}

// round gives the nearest Decimal with so many decimals; half goes away from zero, as in setScale.
func (d Decimal) round(scale int) Decimal {
	r, _ := new(big.Rat).SetString(d.rat.FloatString(scale))
	return Decimal{r, scale}
}

// calculate does + - * / with the scale Apex gives the result. The caller knows that y is not zero for a division.
func calculate(op string, x, y Decimal) Decimal {
	r := new(big.Rat)
	switch op {
	case "+":
		return Decimal{r.Add(x.rat, y.rat), max(x.scale, y.scale)}
	case "-":
		return Decimal{r.Sub(x.rat, y.rat), max(x.scale, y.scale)}
	case "*":
		return Decimal{r.Mul(x.rat, y.rat), x.scale + y.scale}.bounded()
	}
	return Decimal{r.Quo(x.rat, y.rat), maxScale}.bounded().trimmed(max(x.scale-y.scale, 0))
}

// bounded keeps at most as many decimals as the platform does, so that no number grows for ever.
func (d Decimal) bounded() Decimal {
	if d.scale >= maxScale {
		return d.round(maxScale)
	}
	return d
}

// trimmed takes zeros off the end, down to so many decimals.
func (d Decimal) trimmed(least int) Decimal {
	text := d.String()
	for d.scale > least && strings.HasSuffix(text, "0") {
		text, d.scale = text[:len(text)-1], d.scale-1
	}
	return d
}

// whole is the number without its fraction.
func (d Decimal) whole() int64 {
	return new(big.Int).Quo(d.rat.Num(), d.rat.Denom()).Int64()
}

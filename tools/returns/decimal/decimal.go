// Package decimal writes and reads amounts of money: minor units of a currency, such
// as cents, are what is counted with, and decimals of major units what people and the
// platform write.
package decimal

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// exponent is how many decimals a currency has.
func exponent(code string) (int, error) {
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		return 0, fmt.Errorf("currency %.10q is not an ISO 4217 code such as EUR", code)
	}
	scale, _ := currency.Standard.Rounding(unit)
	return scale, nil
}

// Check returns an error for a currency that is not in ISO 4217.
func Check(code string) error {
	_, err := exponent(code)
	return err
}

// Of writes an amount of minor units in major units, with the decimals of its currency
// and nothing that a JSON number has not: 1050 EUR is 10.50. It returns an error for a
// currency that is not in ISO 4217.
func Of(minor int64, code string) (string, error) {
	scale, err := exponent(code)
	digits := strconv.FormatInt(minor, 10)
	if err != nil || scale == 0 {
		return digits, err
	}
	digits, negative := strings.CutPrefix(digits, "-")
	if short := scale + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	text := digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	if negative {
		text = "-" + text
	}
	return text, nil
}

// Text writes an amount of minor units for people, with its currency: 10.50 EUR. Of a
// currency that is not in ISO 4217 nobody knows the decimals, and it says so.
func Text(minor int64, code string) string {
	text, err := Of(minor, code)
	if err != nil {
		return text + " minor units of a currency that is not known"
	}
	return text + " " + code
}

// number is a JSON number of 0 or more. The platform writes 3.5E8 from ten millions on.
var number = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$`)

// Minor reads a JSON number of major units, which has no more decimals than its
// currency and is below 10^18 minor units: 10.5 EUR is 1050.
func Minor(text, code string) (int64, error) {
	scale, err := exponent(code)
	if err != nil {
		return 0, err
	}
	amount, ok := new(big.Rat), number.MatchString(text)
	if ok {
		amount, ok = amount.SetString(text)
	}
	if ok {
		amount.Mul(amount, new(big.Rat).SetInt64(int64(math.Pow10(scale))))
		ok = amount.IsInt() && amount.Num().CmpAbs(big.NewInt(1e18)) < 0
	}
	if !ok {
		return 0, fmt.Errorf("amount %.40q is no number of %s with at most %d decimals", text, code, scale)
	}
	return amount.Num().Int64(), nil
}

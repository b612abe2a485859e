package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Outcomes that a return can ask for.
const (
	OutcomeRefund  = "refund"  // the money back
	OutcomeReplace = "replace" // a replacement order, and no money
)

// Facts are what is known about a return. The zero value knows nothing, and no
// policy approves it.
//
// Money is in minor units of Currency, such as cents. Everything is as of the moment
// when the case was opened or is a state of the records, never as of now: facts that
// are read again later are the same unless a record changed.
type Facts struct {
	Currency Fact[Choice] `json:"currency"` // ISO 4217, one of the org's currencies
	Case     Case         `json:"case"`
	Order    Order        `json:"order"`
	Customer Customer     `json:"customer"`
	Request  Request      `json:"request"`
}

// Case is what is known about the case that asks for the return.
type Case struct {
	Open     Fact[bool]      `json:"open"`
	Opened   Fact[time.Time] `json:"opened"` // when the customer asked
	Status   Fact[Choice]    `json:"status"`
	Reason   Fact[Choice]    `json:"reason"`
	Origin   Fact[Choice]    `json:"origin"`
	Priority Fact[Choice]    `json:"priority"`
}

// Order is what is known about the order that is returned.
type Order struct {
	Status    Fact[Choice]    `json:"status"`
	Placed    Fact[time.Time] `json:"placed"`
	Delivered Fact[time.Time] `json:"delivered"`
	Paid      Fact[int64]     `json:"paid"`     // what the customer paid, in minor units
	Refunded  Fact[int64]     `json:"refunded"` // what went back already, in minor units
}

// Customer is what is known about whoever ordered. The counts are of the 12 months
// before the case was opened, without this return.
type Customer struct {
	Since    Fact[time.Time] `json:"since"`
	Orders   Fact[int64]     `json:"orders"`
	Returns  Fact[int64]     `json:"returns"`
	Refunded Fact[int64]     `json:"refunded"` // in minor units
}

// Request is what is asked for.
type Request struct {
	Outcome Fact[Choice] `json:"outcome"` // one of the outcomes
	Lines   Fact[[]Line] `json:"lines"`   // at most 500, and known only as a whole
}

// Line is a line of the order of which something is to go back. Quantities are whole
// pieces: an order that counts otherwise has lines that are not known.
type Line struct {
	Item      string `json:"item" cel:"-"`              // id of the order item, of 15 or 18 characters, hidden from rules
	Quantity  int64  `json:"quantity" cel:"quantity"`   // to return now
	Ordered   int64  `json:"ordered" cel:"ordered"`     // in the order
	Returned  int64  `json:"returned" cel:"returned"`   // by earlier returns
	Value     int64  `json:"value" cel:"value"`         // what was paid for Quantity, in minor units
	FinalSale bool   `json:"finalSale" cel:"finalSale"` // sold without a right to return
}

// maxLines is how many lines a request may have.
const maxLines = 500

// Fact is a value with where it came from.
type Fact[T any] struct {
	Value T    `json:"value"`
	Known bool `json:"known"` // whether Value means anything
	// Source is the object and field ("Order.TotalAmount"), or how it was computed. Of
	// a fact that is not known it says why.
	Source string `json:"source,omitempty"`
}

// Known returns a fact that is known.
func Known[T any](value T, source string) Fact[T] {
	return Fact[T]{Value: value, Known: true, Source: source}
}

// Unknown returns a fact that is not known, and why.
func Unknown[T any](why string) Fact[T] { return Fact[T]{Source: why} }

// Choice is a word out of a list that whoever fills in records cannot add to, such as
// the active values of a picklist in the describe. The zero value is no word.
type Choice struct{ word string }

// Choose returns the fact that word is chosen out of list. A word that is not in the
// list is not known, and not repeated.
func Choose(word string, list []string, source string) Fact[Choice] {
	if word == "" || !slices.Contains(list, word) {
		return Unknown[Choice](source + " holds none of the values that are listed for it")
	}
	return Known(Choice{word}, source)
}

// String returns the word.
func (c Choice) String() string { return c.word }

// MarshalText returns the word, for a store.
func (c Choice) MarshalText() ([]byte, error) { return []byte(c.word), nil }

// UnmarshalText takes a word from a store of our own, which has it from Choose.
func (c *Choice) UnmarshalText(text []byte) error {
	c.word = string(text)
	return nil
}

// Digest returns the SHA-256 of the facts and their sources, in hexadecimal. It is an
// error when a date is outside of the years 0 to 9999.
func (f Facts) Digest() (string, error) {
	for _, date := range []*time.Time{&f.Case.Opened.Value, &f.Order.Placed.Value, &f.Order.Delivered.Value, &f.Customer.Since.Value} {
		*date = date.UTC() // the same moment, wherever it was written down
	}
	text, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("digest of facts: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

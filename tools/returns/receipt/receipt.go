// Package receipt writes the papers of a return as PDF: the receipt of a refund, and
// the label that sends goods back.
//
// What stands in records was written by customers and is text here, never anything
// else: see [printable]. The documents have no links, scripts, forms or embedded
// files, and the same content gives the same bytes, whenever and wherever it is
// written.
//
// The fonts are those of the Go project, which have the Latin, Greek and Cyrillic
// letters of Europe. A character that they lack comes out as a question mark.
package receipt

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"salesforce-mcp/tools/returns/decimal"
)

// Content is what is written. The texts may hold anything; each is cut where its
// place on the paper ends.
type Content struct {
	Company     string // who pays back or takes back
	CaseNumber  string
	OrderNumber string
	Run         string // the run of the return, for questions
	Date        time.Time
	Customer    string // may be empty
	Outcome     string // such as refund or replace
	// Reference is what the payment processor calls the refund, or the number of
	// the order that replaces the goods. It may be empty.
	Reference string
	// Lines are the goods. After the first MaxLines it is said how many more there are.
	Lines []Line
	// Amount is what is paid back, and Fee what was kept of it before, both in minor
	// units of the currency and at least 0. A label has neither.
	Amount, Fee int64
	// Currency is the ISO 4217 code, such as EUR.
	Currency string
}

// Line is one product that comes back.
type Line struct {
	Product  string
	Quantity int64
	// Amount is what the line comes to, in minor units of the currency.
	Amount int64
}

// MaxLines is how many lines are printed, on up to about 20 pages.
const MaxLines = 500

// Receipt writes the receipt of a refund. It is an error when the case number or the
// date is missing, when an amount is below 0, or when the currency is none.
func Receipt(c Content) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	refunded, err := money(c.Amount, c.Currency)
	if err != nil {
		return nil, err
	}
	fee, err := money(c.Fee, c.Currency)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(c.Lines))
	for _, l := range c.lines() {
		amount, err := money(l.Amount, c.Currency)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{l.Product, fmt.Sprint(l.Quantity), amount})
	}

	p := newPage(c, "Refund receipt")
	p.fields(
		field{"Case", c.CaseNumber},
		field{"Order", c.OrderNumber},
		field{"Date", c.Date.UTC().Format(time.DateOnly)},
		field{"Customer", c.Customer},
		field{"Outcome", c.Outcome},
		field{"Reference", c.Reference},
		field{"Run", c.Run},
	)
	p.table(row{"Product", "Quantity", "Amount"}, rows)
	p.more(len(c.Lines) - len(rows))
	if c.Fee > 0 {
		p.total("Fee kept", fee, false)
	}
	p.total("Refunded", refunded, true)
	return p.bytes()
}

// Label writes the label that goes onto the parcel of goods that are replaced. The
// case number stands on it as a Code 128 bar code too, where it has 1 to 30 letters,
// digits and hyphens and no more. It is an error when the case number or the date is
// missing.
func Label(c Content) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(c.Lines))
	for _, l := range c.lines() {
		rows = append(rows, row{l.Product, fmt.Sprint(l.Quantity), ""})
	}

	p := newPage(c, "Return label")
	if scannable.MatchString(c.CaseNumber) {
		if err := p.code(c.CaseNumber); err != nil {
			return nil, err
		}
	}
	p.fields(
		field{"Case", c.CaseNumber},
		field{"Order", c.OrderNumber},
		field{"Date", c.Date.UTC().Format(time.DateOnly)},
		field{"Customer", c.Customer},
		field{"Outcome", c.Outcome},
		field{"Reference", c.Reference},
		field{"Run", c.Run},
	)
	p.table(row{"Product", "Quantity", ""}, rows)
	p.more(len(c.Lines) - len(rows))
	return p.bytes()
}

// scannable is what a bar code may hold. Code 128 can also hold control characters,
// which a scanner hands on as key strokes.
var scannable = regexp.MustCompile(`^[A-Za-z0-9-]{1,30}$`)

var odd = regexp.MustCompile(`[^A-Za-z0-9]+`)

// FileName returns the name of a case's document: return-, up to 40 letters, digits
// and hyphens of the case number, and .pdf.
func FileName(caseNumber string) string {
	if len(caseNumber) > 40 {
		caseNumber = caseNumber[:40]
	}
	return "return-" + odd.ReplaceAllString(caseNumber, "-") + ".pdf"
}

func (c Content) check() error {
	if printable(c.CaseNumber) == "" {
		return errors.New("a receipt or label needs a case number")
	}
	if year := c.Date.UTC().Year(); c.Date.IsZero() || year < 1 || year > 9999 {
		return errors.New("a receipt or label needs the date of the return")
	}
	return nil
}

func (c Content) lines() []Line { return c.Lines[:min(len(c.Lines), MaxLines)] }

// money writes an amount and its currency: 10.50 EUR.
func money(minor int64, code string) (string, error) {
	if minor < 0 {
		return "", fmt.Errorf("an amount is %d, and must be at least 0 minor units", minor)
	}
	text, err := decimal.Of(minor, code)
	return text + " " + code, err
}

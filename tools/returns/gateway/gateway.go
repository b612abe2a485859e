// Package gateway pays money back, each refund once.
//
// A [Gateway] has two methods. Refund pays back under a key; Find tells what became
// of a key and changes nothing. There are three: [SalesforcePayments], which asks
// the payment platform of the org, [Stripe], and [Record], which only writes down
// that money was paid back elsewhere.
//
// # What is not known
//
// A refund whose answer is lost may or may not have been made. That is an outcome
// like others here ([Unknown]), and whoever gets it asks Find before anything else.
// A key is for one refund for ever: Refund looks for one that was made with it
// before it sends anything, so that a repetition is safe even where the other side
// has forgotten the key (Stripe does after 24 hours).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"salesforce-mcp/tools/returns/decimal"
)

// A Gateway pays money back. Implementations are safe for concurrent use, and all
// their errors are [*Error].
type Gateway interface {
	// Refund pays back what the request says, or returns the refund that was made
	// with its key before. An error says whether money may have moved.
	//
	// Calls with the same key must not run at once: the second may look before the
	// first has sent. Where the other side knows keys, it refuses one of the two.
	Refund(ctx context.Context, r Request) (Refund, error)
	// Find returns the refund that was made with the request's key; found is false
	// when there is none. The error is Unknown when the other side cannot tell, and
	// Conflict when the key was used for another refund than this.
	Find(ctx context.Context, r Request) (made Refund, found bool, err error)
}

// A Request is one refund.
type Request struct {
	// Key names the refund: 1 to 255 visible ASCII characters. A repetition has
	// the same key and the same contents.
	Key string
	// Payment is what is paid back, as the gateway calls it: the id of a Payment
	// record, or Stripe's pi_… or ch_….
	Payment string
	// Amount is in minor units of the currency, such as cents, and above 0.
	Amount int64
	// Currency is the ISO 4217 code, such as EUR.
	Currency string
	// Account is the id of the customer's Account record. It may be empty.
	Account string
}

// Refund is a refund that a gateway has made or is making.
type Refund struct {
	// ID is the gateway's own name for it: re_… of Stripe, else the id of the
	// Refund record.
	ID string
	// Record is the id of the Refund record, if the gateway made one.
	Record string
	// Reference is the number under which the payment processor knows it. It may
	// be empty.
	Reference string
	// Amount is in minor units of the currency.
	Amount   int64
	Currency string
	Status   Status
	// At is when it was made, as far as the gateway tells.
	At time.Time
}

// Status says how far a refund is.
type Status string

// The statuses.
const (
	Done    Status = "done"
	Pending Status = "pending" // accepted; the money is under way
	Failed  Status = "failed"  // it was tried, and no money moved
)

// Outcome says what an error means for the money, and what is to be done.
type Outcome string

// The outcomes. All but Unknown mean that this call moved no money.
const (
	// Declined is a no of the payment processor, which a repetition does not change. An
	// earlier call with the key may still have moved money, unless it says Never.
	Declined Outcome = "declined"
	// Refused means that the request or the connection is wrong: somebody must mend it.
	Refused Outcome = "refused"
	// Transient means that the call may be repeated, with the same key, after
	// RetryAfter. An earlier call with the key may still have moved money.
	Transient Outcome = "transient"
	// Unknown means that money may have moved. Ask Find, then repeat with the same
	// key, then ask a person.
	Unknown Outcome = "unknown"
	// Conflict means that the key stands for a refund with other contents: ask a
	// person.
	Conflict Outcome = "conflict"
)

// Error is a refund that was not made, or of which it is not known. Its text is for
// people and holds no secret.
type Error struct {
	Outcome Outcome
	// Code is the other side's own, such as charge_already_refunded. It may be empty.
	Code    string
	Message string
	// Never is said of a Declined: no call with the key has moved money, nor will one.
	Never bool
	// RetryAfter is how long to wait; 0 when unknown.
	RetryAfter time.Duration
	// Err is the cause, or nil.
	Err error
}

// Error returns outcome, code and message.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("refund %s: %s", e.Outcome, e.Message)
	}
	return fmt.Sprintf("refund %s: %s: %s", e.Outcome, e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// OutcomeOf returns the outcome of an error. One that no gateway made is Unknown.
func OutcomeOf(err error) Outcome {
	var e *Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return Unknown
}

func refused(format string, args ...any) *Error {
	return &Error{Outcome: Refused, Message: fmt.Sprintf(format, args...)}
}

var visible = regexp.MustCompile(`^[!-~]{1,255}$`)

// check refuses a request that no gateway could make.
func (r Request) check() error {
	if !visible.MatchString(r.Key) {
		return refused("the key must be 1 to 255 visible ASCII characters")
	}
	if r.Amount <= 0 {
		return refused("the amount is %d, and must be above 0 minor units", r.Amount)
	}
	if err := decimal.Check(r.Currency); err != nil {
		return refused("%v", err)
	}
	return nil
}

// same tells whether a refund is the one that was asked for.
func (r Request) same(made Refund) error {
	if made.Amount != r.Amount || made.Currency != r.Currency {
		return &Error{Outcome: Conflict, Message: fmt.Sprintf("the key was used for a refund of %s (%.80s), and not of %s",
			decimal.Text(made.Amount, made.Currency), made.ID, decimal.Text(r.Amount, r.Currency))}
	}
	return nil
}

// before returns the refund that was made with the key before. A failed one is the
// no of the processor. The error never means that this call moved money: what
// could not be found out is worth another look.
func before(ctx context.Context, g Gateway, r Request) (Refund, bool, error) {
	made, found, err := g.Find(ctx, r)
	if err == nil && found && made.Status == Failed {
		err = declined(made)
	}
	return made, found, err
}

func declined(made Refund) error {
	return &Error{Outcome: Declined, Never: true, Message: fmt.Sprintf("refund %s failed at the payment processor", made.ID)}
}

// unsure is the error of an answer that contradicts what was sent: money has moved, or
// not, and Find says more.
func unsure(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Outcome == Conflict {
		return &Error{Outcome: Unknown, Code: e.Code, Message: e.Message}
	}
	return err
}

// plain is text of the other side for people, terminals, logs and agents: one line that
// can be printed, of at most 300 characters.
func plain(text string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })
	return fmt.Sprintf("%.300s", strings.Join(words, " "))
}

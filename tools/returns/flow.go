package returns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/audit"
)

// The states of a run.
const (
	Running   = "running"
	Waiting   = "waiting" // for a person
	Undoing   = "undoing" // going back
	Done      = "done"
	Denied    = "denied"    // a step or a person said no
	Cancelled = "cancelled" // taken back by whoever wanted it
	Failed    = "failed"    // it cannot be done
)

// Ended reports whether a run in this state goes nowhere any more.
func Ended(status string) bool {
	return status == Done || status == Denied || status == Cancelled || status == Failed
}

// What is known of the point of no return (audit.Run.Pivot).
const (
	pivotBegun  = "begun"  // perhaps passed
	pivotPassed = "passed" // money has moved
)

// The states of a step (audit.Step.State).
const (
	stepIntent  = "intent"
	stepDone    = "done"
	stepUnknown = "unknown"
	stepFailed  = "failed" // it was not done
	stepWaiting = "waiting"
)

// Kind says what repeating a step costs.
type Kind int

// The kinds.
const (
	Read        Kind = iota // changes nothing; repeated freely
	Keyed                   // the other side does it once for each key
	CheckThenDo             // the other side knows no keys: looked for each time before it is done
)

// A Step is one thing that a run does. Its functions are called by one worker at a
// time, except that one whose lease was lost may still be in them; their context ends
// then.
type Step struct {
	Name  string
	Kind  Kind
	Pivot bool // there is no way back from it

	// Request is what Do asks for, for its digest; nil for none. It depends on the run
	// and the results of earlier steps alone: what is sent again is the same. Its error
	// is a [*Fault], or any other, which a person has to mend.
	Request func(context.Context, Attempt) ([]byte, error)
	// Do does it. The error is a [*Fault], or any other: then a read was not done, and
	// of anything else nobody knows. What is known of requests goes with both.
	Do func(context.Context, Attempt) (Result, error)
	// Find looks whether it was done, by key, and changes nothing. All but reads have it.
	Find func(context.Context, Attempt) (r Result, found bool, err error)
	// Undo puts back what Do did, or perhaps did, and may be called again. nil: nothing
	// is to be put back.
	Undo func(context.Context, Attempt) (Result, error)
}

// An Attempt is what a step's functions are told.
type Attempt struct {
	Run     audit.Run
	Number  int64             // from 1
	Key     string            // the same for all attempts
	Results map[string][]byte // of the steps that are done, by name
	Answer  []byte            // what a person has said to the step's question; nil when nobody has
	Late    bool              // nobody has answered in time
}

// A Result is what a step comes to.
type Result struct {
	Data []byte // for later steps; sealed if it has to be
	Wait *Wait  // not done yet: a person is asked first, and the step is called again
	Deny []byte // not done, and nothing more is: why, JSON

	// For the audit trail, also beside an error.
	Exchanges []audit.Exchange
	Records   []string
	Changes   []audit.Change
	Detail    []byte // what the step came to, JSON of ours, without anything secret
}

// A Wait is a question to a person.
type Wait struct {
	Question []byte        // JSON
	For      time.Duration // 0 is without end
}

// Class says what helps against a fault.
type Class string

// The classes. All but the last say that this attempt did not do the step.
const (
	Renew     Class = "renew"     // at once: a credential was renewed
	Transient Class = "transient" // time
	Fix       Class = "fix"       // a person, who changes something
	Systemic  Class = "systemic"  // nothing
	Declined  Class = "declined"  // nothing: the other side has said no to this key for good
	Unknown   Class = "unknown"   // looking: it was done or not
)

// A Fault is the error of a step whose cause is known.
type Fault struct {
	Class   Class  `json:"class"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"` // what is wrong, and what would be right
	// Never is said of a Declined: no attempt with the key has done the step, nor will
	// one. Of what Find declines it is so without being said. Where an attempt may have
	// done the step, any other no is about a later one, such as "already refunded".
	Never bool `json:"-"`
	// After is how long to wait at least before the next attempt, as the other side
	// asks; at most an hour counts.
	After time.Duration `json:"-"`

	hopeless bool // of an Unknown: the other side says no, and trying again says nothing new
}

// Error is the message.
func (f *Fault) Error() string { return f.Message }

// A Flow is the steps of a kind of run, in order.
type Flow struct {
	Kind  string
	Steps []Step
	// Escalate tells a person of a run that wants one. It is keyed, once for each step
	// that is stuck, and tried after each attempt until it is done. Its name is not used; nil: the
	// ledger alone says so.
	Escalate *Step
}

// Check returns what is wrong with a flow.
func (f Flow) Check() error {
	if len(f.Steps) == 0 {
		return errors.New("a flow has at least one step")
	}
	names := map[string]bool{}
	pivots := 0
	all := f.Steps
	if f.Escalate != nil {
		all = append(slices.Clone(all), *f.Escalate)
	}
	for i, s := range all {
		switch {
		case s.Name == "" && i < len(f.Steps) || names[s.Name]:
			return fmt.Errorf("step %d: needs a name of its own", i+1)
		case s.Do == nil:
			return fmt.Errorf("step %s: has nothing to do", s.Name)
		case s.Kind != Read && s.Find == nil:
			return fmt.Errorf("step %s: is no read, so it needs Find", s.Name)
		case s.Pivot && s.Undo != nil:
			return fmt.Errorf("step %s: there is no way back from a pivot", s.Name)
		case s.Pivot && s.Kind == Read:
			return fmt.Errorf("step %s: a pivot changes something, so it is no read", s.Name)
		}
		names[s.Name] = true
		if s.Pivot {
			pivots++
		}
	}
	if pivots > 1 {
		return errors.New("a flow has one pivot at most")
	}
	return nil
}

// index returns the number of a step, or -1.
func (f Flow) index(name string) int {
	return slices.IndexFunc(f.Steps, func(s Step) bool { return s.Name == name })
}

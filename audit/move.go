package audit

import (
	"errors"
	"time"
)

// ErrMoved is the error of [Journal.Begin] and [Intent.End] when the run that the
// entry moves has moved since: another worker has taken it over, or a person has
// decided. Nothing is recorded then. After Begin nothing may be done; after End the
// intent wants another outcome, without the move.
var ErrMoved = errors.New("the run has moved since: it is another's now")

// A Move changes a run that goes on across calls, with an entry, in one commit: a
// run is never anywhere without the entry that says how it got there.
//
// To is the run as it is afterwards. Its Turn is the one that the mover has seen; it
// is counted up by the move, and a mover who has seen an older one changes nothing.
// Turn 0 starts the run, if there is none of the same subject and generation.
//
// A move stands alone: its entry has no [Claim], [Charge] or [Consent]. With a
// [Verdict] both take effect or neither does: the entry is left out when the approval
// is not one of that run which waits, or the run has moved.
type Move struct {
	To    Run
	Lease time.Duration // how long the mover keeps the run to itself; 0 gives it up
	Wake  time.Duration // after which it goes on; less than 0 is when a person says so
	Step  *Step         // what becomes of one of its steps; nil for none
	Stale bool          // set by [Store.Append]: the run has moved, and the entry is not kept
}

// A Run is the row of a run. What its Status, Goal and Pivot mean is the engine's
// affair; a store holds that a run with a Pivot never gets one of the ends that
// stand for "nothing was done".
type Run struct {
	ID         string // UUID
	Workspace  string
	Kind       string // which steps it takes: "return"
	Subject    string // what it is about: one run for each subject and generation
	Generation int64
	Input      []byte // what it was started with; sealed if it has to be

	Status    string
	At        string // name of the step that is next, or was the last
	Goal      string // the status in which going back ends
	Pivot     string // "", "begun" or "passed"
	Escalated bool   // it wants a person, whatever else happens
	Tries     int64  // of the present step, without success
	Reason    []byte // why it waits, goes back or wants a person; JSON
	Answer    []byte // what a person has said to that; JSON

	Turn     int64     // counts its moves and its owners
	Started  time.Time // in milliseconds, by the store's clock, as Moved
	Moved    time.Time
	WakeTime time.Time // when it goes on
}

// RunQuery selects runs. A zero field selects everything.
type RunQuery struct {
	Workspace string
	Status    string
	Subject   string
	Escalated bool   // those that want a person, whatever else happens
	Person    bool   // those that wait, and those that are escalated
	Before    string // those started before the one with this ID
	Limit     int    // 0 is 50
}

// A Step is the row of one step of a run: one, however often it is tried.
type Step struct {
	Name    string
	Attempt int64
	Key     string // under which the other side knows it; the same for all attempts
	Digest  string // SHA-256 of what is asked for, in hexadecimal
	State   string // "intent", "done", "unknown", "failed" or "waiting"
	Result  []byte

	Started  time.Time // first attempt
	Finished time.Time // last result; zero while there is none
}

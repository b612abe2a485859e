package audit

import (
	"errors"
	"time"
)

// ErrClaimed is the error of [Journal.Begin] when another intent has claimed the
// same. Nothing is recorded then, and nothing may be done.
var ErrClaimed = errors.New("another call has claimed the same")

// ClaimWindow is how long a claim is kept. After it the same may be claimed anew.
const ClaimWindow = 24 * time.Hour

// A Claim makes a call the only one of its kind: it is recorded with the intent,
// in one commit, and one of all that claim the same is. What it comes to is
// recorded with the outcome, in one commit too: until then the claim is live, as
// long as the intent is open, and afterwards it holds what was kept, or nothing
// when nobody can say how the call ended.
//
// That the claim stands in the intent's commit costs no commit more, and leaves
// no moment at which a killed process has one without the other.
type Claim struct {
	Scope  string        // what is claimed
	Digest []byte        // of what the call is about, for whoever claims it again; sealed
	Life   time.Duration // after that the call has ended in any case
	Taken  bool          // set by [Store.Append]: another has claimed it, and the intent is not kept

	Intent  string // of a claim that was made: whose it is
	Live    bool   // its call has not ended
	Outcome []byte // what its call came to, sealed; nil when that is not known

	release bool
}

// Released reports whether the outcome of a call gives its claim up.
func (c *Claim) Released() bool { return c.release }

// settled is the claim of an intent as its outcome leaves it.
func (c *Claim) settled(o Outcome) *Claim {
	if c == nil {
		return nil
	}
	return &Claim{Scope: c.Scope, Outcome: o.Keep, release: o.Release}
}

package users

import (
	"context"
	"time"
)

// An Attempt is one way in which an attempt to prove oneself is counted.
type Attempt struct {
	Name string // what is counted, as in "account ada@example.com"
	Free int    // so many failures cost no wait
}

// The bounds. A stranger who guesses from anywhere makes an account wait, for at most
// longestWait, and never those who come from a browser in which it has been signed in to:
// these are counted by themselves (OWASP, "Slow down online guessing attacks with device
// cookies").
const (
	freeOfAccount = 5
	freeOfDevice  = 5
	freeOfSource  = 20 // many people can be behind one address
	shortestWait  = 2 * time.Second
	longestWait   = 15 * time.Minute
	// Forgotten is how long after the last failure none is remembered.
	Forgotten = 24 * time.Hour
)

// AtAccount counts attempts at an account by browsers that it does not know.
func AtAccount(email string) Attempt { return Attempt{"account " + email, freeOfAccount} }

// AtDevice counts attempts at an account by a browser in which it has been signed in to.
func AtDevice(id string) Attempt { return Attempt{"device " + id, freeOfDevice} }

// AtSource counts attempts from an address, at whatever account.
func AtSource(block string) Attempt { return Attempt{"source " + block, freeOfSource} }

// AtConfirmation counts attempts to prove oneself again in a session.
func AtConfirmation(user string) Attempt { return Attempt{"confirmation " + user, freeOfDevice} }

// Wait is for how long nothing is tried after so many failures: none for the first few,
// and then twice as long each time.
func (a Attempt) Wait(failures int) time.Duration {
	over := failures - a.Free
	if over < 0 {
		return 0
	}
	if over > 20 {
		return longestWait
	}
	return min(shortestWait<<over, longestWait)
}

// Attempts remember failures. *store.Store does, for all processes and beyond restarts.
type Attempts interface {
	// Try counts an attempt in every way, before it is known how it ends, so that many at
	// once are no more than one after another. If one of them has to wait it counts
	// nothing, and returns for how long, and which.
	Try(ctx context.Context, ways []Attempt) (wait time.Duration, way Attempt, failures int, err error)
	// Succeeded forgets the failures of ways, and takes back one of each of others.
	Succeeded(ctx context.Context, forget, back []Attempt) error
}

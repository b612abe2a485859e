package audit

import (
	"context"
	"strings"
	"time"
)

// Store keeps entries for good. It returns nil only when all of the entries are
// durable, and an error when none of them is. It never changes or removes an
// entry, and it refuses one whose ID it already has. A [Journal] calls it from one
// goroutine; several journals, in several processes, may use one store.
//
// A second outcome of the same intent is refused with an [*EndedError].
//
// The claims of entries are kept with them, all or none. An intent that claims
// what another intent has claimed, within [ClaimWindow] and without releasing it,
// is left out: its claim is marked as taken, and the other entries are kept.
// Charges of intents are counted with them likewise ([Counts.Take]): an intent
// whose charge exceeds a limit is left out, with its claim.
//
// Likewise an intent whose [Consent] is to an approval of its workspace that is not
// approved, or not any more, is left out with its claim and marked; all others use
// their approval up. An outcome with a [Verdict] on an approval that does not wait is
// left out and marked; every other verdict takes effect.
//
// An entry with a [Move] of a run whose turn is another is left out and marked; every
// other move is made. Of an entry with a verdict and a move both take effect, or it is
// left out, and one of them is marked.
type Store interface {
	Append(ctx context.Context, entries []Entry) error
}

// An EndedError is the error of a store that was given outcomes of intents which
// have one already: another process took this one for dead. Nothing was kept.
type EndedError struct {
	Intents []string // their IDs
}

// Error names them.
func (e *EndedError) Error() string {
	return "there is an outcome already of the intents " + strings.Join(e.Intents, ", ")
}

// Unfinished finds intents that have no outcome and will get none, since the
// process that recorded them is gone: oldest first and at most limit of them.
type Unfinished interface {
	OpenIntents(ctx context.Context, limit int) ([]Entry, error)
}

// Query selects entries. A zero field selects everything.
type Query struct {
	Workspace string
	Agent     string
	User      string
	Tool      string
	Action    string
	Record    string // an ID among the entry's records
	Run       string // ID of the run that the entry belongs to
	Outcome   Status
	Since     time.Time // entries made at this time or later
	Until     time.Time // entries made before
	// Calls leaves out the intents of calls that have ended: what remains is one
	// entry for each call.
	Calls bool
	// Limit bounds the answer to the latest entries that match. 0 is 100.
	Limit int
}

// Reader reads entries back, in the order in which they were recorded.
type Reader interface {
	List(ctx context.Context, q Query) ([]Entry, error)
}

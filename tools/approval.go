package tools

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
)

// Approvals keeps calls that wait until a person has decided. Decisions and their
// use are written by the journal, with its entries (audit.Consent, audit.Verdict).
type Approvals interface {
	// OpenApproval returns the approval of a call that waits, is approved or was
	// denied, and whose time is not over; ok is false when there is none. What was
	// decided on a run's has no end.
	OpenApproval(ctx context.Context, call AskedCall) (a Approval, ok bool, err error)
	// AskApproval keeps an approval, or returns the one of that call that is open.
	// The error is ErrManyWait when as many of the agent's calls wait as may; runs are
	// not counted, each of which is about a case of its own and waits for one approval
	// at a time: its earlier ones that wait have expired then.
	AskApproval(ctx context.Context, a Approval) (Approval, error)
	// Approval returns the approval of that id; ok is false when there is none.
	Approval(ctx context.Context, workspace, id string) (a Approval, ok bool, err error)
	// ListApprovals returns approvals, the newest first, without what is sealed.
	ListApprovals(ctx context.Context, q ApprovalQuery) ([]Approval, error)
	// GiveBack makes an approval usable again that the call with that intent has
	// used: the call was provably not made.
	GiveBack(ctx context.Context, id, intent string) error
	// Run returns a run of the workspace, of those that approvals can be of.
	Run(ctx context.Context, workspace, id string) (r audit.Run, ok bool, err error)
}

// ErrManyWait is the error for an agent of which too many calls wait.
var ErrManyWait = errors.New("too many calls of the agent wait for a person")

// MaxWaiting is how many calls of an agent may wait for a person at a time.
const MaxWaiting = 20

// An AskedCall is what an approval is bound to: who asks for what. A call with a Run is
// no call but a step of that run, whose proposal Digest is of: its approval is for that
// run and nothing else, and no call can use it.
type AskedCall struct {
	Workspace   string `json:"workspace"`
	Host        string `json:"host"`
	Agent       string `json:"agent"`
	User        string `json:"user,omitempty"`
	Instruction string `json:"instruction"`
	Digest      string `json:"digest"` // SHA-256, in hexadecimal, of the arguments that say what is done
	Run         string `json:"runId,omitempty"`
}

// of reports whether it was a caller, for their person, who asked.
func (c AskedCall) of(caller allowlist.Caller) bool {
	return c.Workspace == caller.Workspace && c.Host == caller.Host && c.Agent == caller.Agent && c.User == caller.User
}

// State says how far an approval is.
type State string

// The states. An approval goes from waiting to approved and used, or to denied;
// one that waits or is approved until its time is over has expired. That of a run goes
// from waiting to approved or denied, for good, or it expires, as it does when its run
// ends otherwise.
const (
	Waiting  State = "waiting"
	Approved State = "approved"
	Denied   State = "denied"
	Used     State = "used"
	Expired  State = "expired"
)

// An Approval is a call that waits for a person, and what they decided. Its JSON is
// what administrators' programs get.
type Approval struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	AskedCall
	Context string `json:"context,omitempty"` // conversation or run
	Tool    string `json:"tool"`
	Action  string `json:"action"`
	Effect  string `json:"effect"`

	// Arguments are those of the audit trail, in which what is long is cut, until
	// all of them are opened for a person.
	Arguments  json.RawMessage `json:"arguments"`
	Reasoning  string          `json:"reasoning,omitempty"` // why the agent wants it, in its words
	Confidence *float64        `json:"confidence,omitempty"`
	Rule       string          `json:"rule"` // that asks for the approval

	Requested time.Time  `json:"requestedAt"`
	Expires   time.Time  `json:"expiresAt"`
	Decided   *time.Time `json:"decidedAt,omitempty"`
	By        string     `json:"by,omitempty"`
	Note      string     `json:"note,omitempty"`
	Call      string     `json:"call,omitempty"` // ID of the entry in the audit trail of the call that has used it

	Sealed []byte `json:"-"` // all arguments, of one that was got by its ID
}

// ApprovalQuery selects approvals. A zero field selects everything.
type ApprovalQuery struct {
	Workspace string
	Of        *allowlist.Caller // those of an agent, for its person
	State     State
	Run       string // those of a run
	Before    string // those asked for before the one with this ID
	Limit     int    // 0 is 50
}

// sealedName is the name under which an approval's arguments are sealed.
func sealedName(id string) string { return "approval " + id }

// Whole is an approval with all of its arguments, as a person has to see them.
func Whole(ctx context.Context, sealer Sealer, a Approval) (Approval, error) {
	text, err := sealer.Open(ctx, a.Workspace, sealedName(a.ID), a.Sealed)
	if err != nil {
		return a, err
	}
	a.Arguments = text
	return a, nil
}

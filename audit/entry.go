package audit

import (
	"encoding/json"
	"time"
)

// Phase says which moment of a call an [Entry] records.
type Phase string

// The phases.
const (
	PhaseIntent  Phase = "intent"  // before anything is sent
	PhaseOutcome Phase = "outcome" // after it; Entry.Intent names the intent
	PhaseRefusal Phase = "refusal" // the call was not let through; there is no outcome
)

// Status says how a call ended.
type Status string

// The ways a call ends. An intent has none yet.
const (
	OK      Status = "ok"      // done
	Failed  Status = "error"   // answered with an error
	Unknown Status = "unknown" // nobody can say whether it was done
	Refused Status = "refused" // not let through; nothing was sent
)

// Decisions of the gate, as entries keep them.
const (
	DecisionAllowed = "allowed"
	DecisionRefused = "refused"
)

// Entry is one line of the journal. Its JSON names are a contract: exports,
// sinks and verification rely on them, and a name is never given another
// meaning. Empty fields are left out.
//
// Whoever records an entry fills in the fields from Workspace to Message;
// Version, ID, Time, Intent, and the Phase belong to the [Journal].
type Entry struct {
	Version int `json:"v,omitempty"` // of this encoding; entries without are from before it had one

	ID     string    `json:"id"`               // UUID version 7, in the order of recording
	Time   time.Time `json:"time"`             // when the entry was made, UTC, in milliseconds
	Phase  Phase     `json:"phase"`            // which moment of the call this is
	Intent string    `json:"intent,omitempty"` // of an outcome: the ID of the intent that it closes
	Replay string    `json:"replay,omitempty"` // nothing was sent: the ID of the intent whose outcome was given again

	Run string `json:"run,omitempty"` // ID of the run (Move) that the entry belongs to

	Workspace string `json:"workspace"`
	Host      string `json:"host,omitempty"`    // host profile that authenticated
	Agent     string `json:"agent,omitempty"`   // on whose behalf the host called
	User      string `json:"user,omitempty"`    // for whom the agent works
	Context   string `json:"context,omitempty"` // conversation or run
	Surface   string `json:"surface,omitempty"` // way in: "mcp", "stdio", "instructions"

	Tool        string `json:"tool,omitempty"`        // "records"
	Action      string `json:"action,omitempty"`      // "get"
	Instruction string `json:"instruction,omitempty"` // "getRecord"
	Effect      string `json:"effect,omitempty"`      // "read", "add", "set", "remove", "act"

	Decision string `json:"decision,omitempty"` // "allowed" or "refused"
	Rule     string `json:"rule,omitempty"`     // the rule that decided; empty when none covers the caller

	// Arguments is the JSON object that [Redact] or [Names] made. An outcome
	// does not repeat those of its intent.
	Arguments json.RawMessage `json:"arguments,omitempty"`

	// Why the agent makes the call, in its own words. They decide nothing, and an
	// outcome does not repeat them.
	Reasoning  string   `json:"reasoning,omitempty"`
	Confidence *float64 `json:"confidence,omitempty"` // from 0 to 1

	// Of a call that a person has to approve, and of their decision.
	Approval string `json:"approval,omitempty"` // ID of the approval
	Digest   string `json:"digest,omitempty"`   // SHA-256, in hexadecimal, of the arguments it is for
	By       string `json:"by,omitempty"`       // who decided

	Exchanges []Exchange `json:"exchanges,omitempty"` // HTTP requests to Salesforce, in order
	Records   []string   `json:"records,omitempty"`   // IDs of the records that were read or written, UUIDs of events that were published
	Bytes     int64      `json:"bytes,omitempty"`     // how much of an answer of any size was handed on
	Changes   []Change   `json:"changes,omitempty"`   // what it changed, where the rule asks for that

	// Detail is what a step of a run came to, JSON of ours: facts, a verdict and its
	// reasons, the reference of a refund. Who makes it leaves out what is secret.
	Detail json.RawMessage `json:"detail,omitempty"`

	Outcome  Status        `json:"outcome,omitempty"`    // how it ended; empty in an intent
	Code     string        `json:"code,omitempty"`       // of an error or refusal, for programs
	Message  string        `json:"message,omitempty"`    // of an error or refusal, for people
	Duration time.Duration `json:"durationNs,omitempty"` // from intent to outcome, in nanoseconds

	// Claim is recorded with the entry, but no part of it: what an intent claims,
	// or what became of that with the outcome. Most calls claim nothing.
	Claim *Claim `json:"-"`

	// Charge is counted with an intent, but no part of it. It is nil where nothing
	// limits the agent.
	Charge *Charge `json:"-"`

	// Consent and Verdict likewise: the approval that an intent uses, and what its
	// outcome makes of one that waits.
	Consent *Consent `json:"-"`
	Verdict *Verdict `json:"-"`

	// Move likewise: how a run goes on with the entry.
	Move *Move `json:"-"`
}

// WholeServer stands for the workspace in entries that are about none: about the server,
// and who may use it. No workspace has that name: theirs are lower case.
const WholeServer = "Server"

// Version is that of the entries that are made now.
const Version = 1

// Line returns the entry as one line of JSON, without the newline at its end.
// The same entry always gives the same bytes. It is called once, when the entry
// is stored: the Merkle log of package proof is over these bytes, and an entry
// that is read back and encoded by another version need not give them again.
func (e Entry) Line() []byte { return encode(e) }

// Exchange is one HTTP request to Salesforce and its answer. Field by field it
// is the Exchange of package salesforce, so that one converts to the other.
type Exchange struct {
	Method    string        `json:"method"`
	Path      string        `json:"path"`                // escaped path without host and query
	Status    int           `json:"status,omitempty"`    // 0 when no answer came
	RequestID string        `json:"requestId,omitempty"` // X-SFDC-Request-Id of the answer
	Duration  time.Duration `json:"durationNs"`          // in nanoseconds
	Err       string        `json:"error,omitempty"`     // why no usable answer came
}

// Outcome is what a call knows when it ends.
type Outcome struct {
	Status    Status // OK, Failed or Unknown
	Code      string
	Message   string
	Exchanges []Exchange
	Records   []string
	Changes   []Change
	Detail    json.RawMessage
	Bytes     int64

	// Of a call with a [Claim]: what is kept of the outcome, sealed, or that the
	// claim is given up, because the call was not made. With neither, nobody can
	// say whether it was made.
	Keep    []byte
	Release bool

	// Of a decision on the entry's Approval.
	Verdict *Verdict

	// Of a step: how its run goes on.
	Move *Move
}

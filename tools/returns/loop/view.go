package loop

import (
	"context"
	"errors"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

var errLater = errors.New("not written yet")

// A Status is how far a return is, for an agent.
type Status struct {
	RunID      string `json:"runId"`
	CaseID     string `json:"caseId"`
	CaseNumber string `json:"caseNumber"`
	Outcome    string `json:"outcome"` // refund or replace
	Status     string `json:"status"`  // of the run, such as "running", "waiting", "done", "denied"
	Step       string `json:"step"`    // that is next, or was the last

	Verdict  policy.Verdict  `json:"verdict,omitempty"` // of the policy, once it has decided
	Reasons  []policy.Reason `json:"reasons,omitempty"`
	Amount   int64           `json:"amount"` // in minor units, as Fee
	Fee      int64           `json:"fee,omitempty"`
	Currency string          `json:"currency,omitempty"`

	ApprovalID string     `json:"approvalId,omitempty"`
	Until      *time.Time `json:"approvalExpiresAt,omitempty"`
	Decided    string     `json:"decided,omitempty"` // what a person has decided, and said
	Refund     *Refunded  `json:"refund,omitempty"`  // that was made
	Denied     string     `json:"denied,omitempty"`  // why nothing is done

	Waits     string         `json:"waits,omitempty"`   // for what
	Problem   *returns.Fault `json:"problem,omitempty"` // what has gone wrong last
	Escalated bool           `json:"escalated,omitempty"`
	Next      string         `json:"next"` // what an agent should do now

	Started time.Time `json:"startedAt"`
	Moved   time.Time `json:"movedAt"`
}

// Refunded is a refund, for an agent.
type Refunded struct {
	Gateway   string `json:"gateway"`
	ID        string `json:"id"`
	Reference string `json:"reference,omitempty"`
	Amount    int64  `json:"amount"` // in minor units
	Currency  string `json:"currency"`
	Status    string `json:"status"` // done or pending
}

// Status returns how the return is that a run's ID, or the ID of its case, names; of a
// case it is the latest. Whoever did not start it has to see the case in the org. The
// error is a *tools.Error, a *salesforce.Error, or of the ledger.
func (l *Loop) Status(ctx context.Context, org tools.Org, caller allowlist.Caller, id string) (Status, error) {
	return Status{}, errLater
}

// Cancel takes a return back, for a reason, and returns how it is then. Only the
// agent and person who started it can, before the refund; the error says so, and is a
// *tools.Error or of the ledger.
func (l *Loop) Cancel(ctx context.Context, caller allowlist.Caller, id, reason string) (Status, error) {
	return Status{}, errLater
}

// An Evaluation is what the policy says about a return now, without effect.
type Evaluation struct {
	Return   records.Return  `json:"return"` // with facts, and where each comes from
	Decision policy.Decision `json:"decision"`
	Next     string          `json:"next"`
}

// Evaluate decides about a return without effect. The error is a *tools.Error or a
// *salesforce.Error.
func (l *Loop) Evaluate(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (Evaluation, error) {
	return Evaluation{}, errLater
}

// Get returns the facts of a return, and where each comes from. The error is as of
// Evaluate.
func (l *Loop) Get(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (records.Return, error) {
	return records.Return{}, errLater
}

// ListOpen returns cases that ask for a return and are open.
func (l *Loop) ListOpen(ctx context.Context, org tools.Org, caller allowlist.Caller, limit int) ([]records.Open, error) {
	return nil, errLater
}

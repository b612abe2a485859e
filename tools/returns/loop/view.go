package loop

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

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
	Amount   int64           `json:"amount"`          // that goes back, or went, in minor units, as Fee
	Money    string          `json:"money,omitempty"` // Amount for people: "149.00 USD"
	Fee      int64           `json:"fee,omitempty"`
	Currency string          `json:"currency,omitempty"`

	ApprovalID string     `json:"approvalId,omitempty"`
	Until      *time.Time `json:"approvalExpiresAt,omitempty"`
	Decided    string     `json:"decided,omitempty"` // "approved" or "denied", by a person
	Refund     *Refunded  `json:"refund,omitempty"`  // that was made
	Why        string     `json:"why,omitempty"`     // it was denied or cancelled

	Waits     string         `json:"waits,omitempty"`   // for what
	Problem   *returns.Fault `json:"problem,omitempty"` // what has gone wrong last
	Escalated bool           `json:"escalated,omitempty"`
	Next      string         `json:"next"` // what an agent should do now

	Started time.Time `json:"startedAt"`
	Moved   time.Time `json:"movedAt"`
}

// Refunded is a refund, for an agent.
type Refunded struct {
	Gateway   string         `json:"gateway"`
	ID        string         `json:"id"`
	Reference string         `json:"reference,omitempty"`
	Amount    int64          `json:"amount"` // in minor units
	Currency  string         `json:"currency"`
	Status    gateway.Status `json:"status"` // done, or pending: the money is under way
}

// run returns the run that its ID, or the ID of its case, names. The error is a
// *tools.Error or of the ledger.
func (l *Loop) run(ctx context.Context, workspace, id string) (r audit.Run, err error) {
	ok := false
	if caseID, malformed := salesforce.To18(id); malformed == nil {
		r, ok, err = l.Ledger.LatestRun(ctx, workspace, Kind, caseID)
	} else {
		r, ok, err = l.Ledger.Run(ctx, workspace, id)
		ok = ok && r.Kind == Kind
	}
	if err == nil && !ok {
		err = &tools.Error{Code: tools.NoReturn, Message: "no return is known by that id", Hint: "Give the runId that process has answered, or the id of the case."}
	}
	return r, err
}

// Status returns how the return is that a run's ID, or the ID of its case, names; of a
// case it is the latest. Whoever did not start it has to see the case in the org. The
// error is a *tools.Error, a *salesforce.Error, or of the ledger.
func (l *Loop) Status(ctx context.Context, org tools.Org, caller allowlist.Caller, id string) (Status, error) {
	run, err := l.run(ctx, caller.Workspace, id)
	if err != nil {
		return Status{}, err
	}
	return l.seen(ctx, org, caller, run)
}

// seen is a run's status for a caller who has started it or sees its case.
func (l *Loop) seen(ctx context.Context, org tools.Org, caller allowlist.Caller, run audit.Run) (Status, error) {
	in, err := inputOf(run)
	if err != nil {
		return Status{}, shown(err)
	}
	if !in.of(caller) {
		s, err := l.settings(caller.Workspace)
		if err == nil {
			_, err = records.Status(ctx, org, s.Mapping, run.Subject)
		}
		if err != nil {
			return Status{}, shown(err)
		}
	}
	return l.status(ctx, run)
}

// Cancel takes a return back, for a reason, and returns how it is then. Only the
// agent and person who started it can, before the refund; the error says so, and is a
// *tools.Error or of the ledger.
func (l *Loop) Cancel(ctx context.Context, caller allowlist.Caller, id, reason string) (Status, error) {
	run, err := l.run(ctx, caller.Workspace, id)
	if err != nil {
		return Status{}, err
	}
	in, err := inputOf(run)
	if err != nil {
		return Status{}, shown(err)
	}
	if !in.of(caller) {
		return Status{}, &tools.Error{Code: tools.RunState, Message: "another agent started this return, or for another person: only they can cancel it"}
	}
	by := in.User
	if by == "" {
		by = in.Agent
	}
	err = l.Engine().Cancel(ctx, run.Workspace, run.ID, by, detail(returns.Cancellation{By: by, Note: reason}))
	switch {
	case errors.Is(err, audit.ErrUnavailable):
		return Status{}, &tools.Error{Code: tools.NotRecorded, Message: "the audit trail cannot be written, so nothing was cancelled: " + err.Error()}
	case errors.Is(err, returns.ErrCannot), errors.Is(err, returns.ErrEnded):
		return Status{}, &tools.Error{Code: tools.RunState, Message: "the return was not cancelled: " + err.Error(), Hint: "See how it is: tool returns, action status."}
	case err != nil:
		return Status{}, err
	}
	if run, err = l.run(ctx, caller.Workspace, run.ID); err != nil {
		return Status{}, err
	}
	return l.status(ctx, run)
}

// status is how a run is.
func (l *Loop) status(ctx context.Context, run audit.Run) (Status, error) {
	in, err := inputOf(run)
	if err != nil {
		return Status{}, shown(err)
	}
	steps, err := l.Ledger.Steps(ctx, run.ID)
	if err != nil {
		return Status{}, err
	}
	s := Status{RunID: run.ID, CaseID: run.Subject, CaseNumber: in.CaseNumber, Outcome: in.Outcome, Status: run.Status, Step: run.At, Escalated: run.Escalated,
		Started: run.Started, Moved: run.Moved}
	var f frozen
	for _, name := range []string{"approval", "evaluate"} {
		if t := steps[name]; t.State == "done" {
			if err := l.open(ctx, run, name, t.Result, &f); err != nil {
				return Status{}, shown(err)
			}
			break
		}
	}
	s.Verdict, s.Reasons, s.Amount, s.Fee, s.Currency = f.Decision.Verdict, f.Decision.Reasons, f.Decision.Amount, f.Decision.Fee, f.Decision.Currency
	if f.Approval != "" {
		s.ApprovalID, s.Decided = f.Approval, "approved"
	}
	if t := steps["refund"]; t.State == "done" && len(t.Result) > 0 {
		var made gateway.Refund
		if err := json.Unmarshal(t.Result, &made); err == nil {
			s.Refund = &Refunded{Gateway: f.Gateway, ID: made.ID, Reference: made.Reference, Amount: made.Amount, Currency: made.Currency, Status: made.Status}
		}
	}
	s.because(run)
	if s.Amount > 0 {
		s.Money = money(s.Amount, s.Currency)
	}
	s.Next = s.next(run)
	return s, nil
}

// because says why a run waits, goes back, wants a person, or has ended.
func (s *Status) because(run audit.Run) {
	goal := run.Status
	if run.Status == returns.Undoing {
		goal = run.Goal
	}
	if goal == returns.Denied || goal == returns.Cancelled || goal == returns.Failed {
		s.Amount, s.Fee = 0, 0
	}
	if goal == returns.Cancelled {
		var c returns.Cancellation
		_ = json.Unmarshal(run.Reason, &c) // another reason is none
		s.Why = c.Note
		return
	}
	if goal == returns.Denied {
		d := denialOf(run.Reason)
		s.Why = d.Text
		if len(d.Reasons) > 0 {
			s.Verdict, s.Reasons = policy.Deny, d.Reasons
		}
		if d.By == byPerson {
			s.Decided = "denied"
		}
		return
	}
	var problem returns.Fault
	if err := json.Unmarshal(run.Reason, &problem); err == nil && problem.Class != "" {
		s.Problem = &problem
		return
	}
	if q := questionOf(run.Reason); run.Status == returns.Waiting {
		s.Waits, s.Until = q.Text, q.Until
		if q.Approval != "" {
			s.ApprovalID = q.Approval
		}
	}
}

// next is what an agent should do.
func (s Status) next(run audit.Run) string {
	const look = " See how it is: tool returns, action status."
	switch run.Status {
	case returns.Done:
		if s.Refund != nil {
			return "Tell the customer what was done: " + s.Money + " went back."
		}
		return "Tell the customer what was done."
	case returns.Denied:
		if s.Decided == "denied" {
			return "A person does not want this return. Tell the customer; do not try to reach the same in another way."
		}
		return "Tell the customer why." + s.another("when the records have changed")
	case returns.Cancelled:
		return "Nothing was done." + s.another("when it is wanted after all")
	case returns.Failed:
		return "Nothing was done." + s.another("when the cause is gone")
	case returns.Undoing:
		return "Wait: what was done is put back." + look
	case returns.Waiting:
		switch {
		case s.Problem != nil:
			return "An administrator has to mend the problem, and let the run go on." + look
		case s.ApprovalID != "" && s.Decided == "":
			return "Wait: a person has to decide. Do not process it again." + look
		}
		return "Wait." + look
	}
	switch {
	case s.Refund != nil && s.Escalated:
		return "The money went back. A person was told that something is missing that has to be written; do not pay it back once more." + look
	case run.Pivot == "begun":
		return "Wait: whether money went back is being found out. Do not pay it back in another way." + look
	}
	return "Wait." + look
}

// another says how another run of the case begins.
func (s Status) another(when string) string {
	return " Only " + when + " begin another: tool returns, action process, after " + s.RunID + "."
}

// An Evaluation is what the policy says about a return now, without effect.
type Evaluation struct {
	Return   records.Return  `json:"return"` // with facts, and where each comes from
	Decision policy.Decision `json:"decision"`
	Money    string          `json:"money,omitempty"` // Decision.Amount for people: "149.00 USD"
	Next     string          `json:"next"`
}

// Evaluate decides about a return without effect. The error is a *tools.Error or a
// *salesforce.Error.
func (l *Loop) Evaluate(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (Evaluation, error) {
	ask, err := ask.checked()
	if err != nil {
		return Evaluation{}, err
	}
	s, err := l.settings(caller.Workspace)
	if err != nil {
		return Evaluation{}, shown(err)
	}
	f, err := decide(ctx, org, s, Input{Outcome: ask.Outcome, Lines: ask.Lines, Confidence: ask.Confidence}, ask.CaseID)
	if err != nil {
		return Evaluation{}, shown(err)
	}
	e := Evaluation{Return: f.Return, Decision: f.Decision, Next: map[policy.Verdict]string{
		policy.Approve: "The return can be processed: tool returns, action process.",
		policy.Review:  "The return can be processed (tool returns, action process); a person will have to decide.",
		policy.Deny:    "The return is not possible. Tell the customer why.",
	}[f.Decision.Verdict]}
	if f.Decision.Amount > 0 {
		e.Money = money(f.Decision.Amount, f.Decision.Currency)
	}
	return e, nil
}

// Get returns the facts of a return, and where each comes from. The error is as of
// Evaluate.
func (l *Loop) Get(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (records.Return, error) {
	ask, err := ask.checked()
	if err != nil {
		return records.Return{}, err
	}
	s, err := l.settings(caller.Workspace)
	if err != nil {
		return records.Return{}, shown(err)
	}
	ret, err := records.Read(ctx, org, s.Mapping, records.Ask{CaseID: ask.CaseID, Outcome: ask.Outcome, Lines: ask.Lines})
	return ret, shown(err)
}

// ListOpen returns cases that ask for a return and are open, the oldest first, at most
// limit of them. The error is as of Evaluate.
func (l *Loop) ListOpen(ctx context.Context, org tools.Org, caller allowlist.Caller, limit int) ([]records.Open, error) {
	s, err := l.settings(caller.Workspace)
	if err != nil {
		return nil, shown(err)
	}
	list, err := records.ListOpen(ctx, org, s.Mapping, limit)
	return list, shown(err)
}

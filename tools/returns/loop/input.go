package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// An Ask is what an agent asks for.
type Ask struct {
	CaseID  string // of 15 or 18 characters
	Outcome string // policy.OutcomeRefund or policy.OutcomeReplace; "" is a refund
	// Lines are what is to go back; nil is what the return order of the case says, or
	// all that is left of the order.
	Lines      []records.AskedLine
	After      string // ID of the run that has ended and that another one is to follow
	Reasoning  string
	Confidence *float64 // from 0 to 1; nil: it says nothing, and a person decides
}

// Bounds of an ask.
const (
	maxLines     = 500
	maxReasoning = 4000 // bytes
)

// Input is what a run is started with (audit.Run.Input), as JSON: who wants it, what
// they ask for, and the case as it was before the run touched it.
type Input struct {
	Host       string              `json:"host"`
	Agent      string              `json:"agent"`
	User       string              `json:"user,omitempty"`
	Context    string              `json:"context,omitempty"`
	Outcome    string              `json:"outcome"`
	Lines      []records.AskedLine `json:"lines,omitempty"`
	Reasoning  string              `json:"reasoning,omitempty"`
	Confidence *float64            `json:"confidence,omitempty"`

	CaseNumber string                     `json:"caseNumber"`
	CaseStatus string                     `json:"caseStatus"`
	Status     policy.Fact[policy.Choice] `json:"status"` // CaseStatus as a fact
	Open       policy.Fact[bool]          `json:"open"`   // whether it was open
}

// closed reports whether the case was closed when the run was started.
func (in Input) closed() bool { return in.Open.Known && !in.Open.Value }

// inputOf reads what a run was started with.
func inputOf(r audit.Run) (in Input, err error) {
	if err := json.Unmarshal(r.Input, &in); err != nil {
		return in, fix("input", "what the run was started with cannot be read: "+err.Error())
	}
	return in, nil
}

// caller is who a run is for.
func (in Input) caller(r audit.Run) allowlist.Caller {
	return allowlist.Caller{Workspace: r.Workspace, Host: in.Host, Agent: in.Agent, User: in.User, Context: in.Context}
}

// of reports whether a caller is who a run is for, in whatever conversation.
func (in Input) of(caller allowlist.Caller) bool {
	return in.Host == caller.Host && in.Agent == caller.Agent && in.User == caller.User
}

// checked is an ask in its normal form. The error is a *tools.Error.
func (a Ask) checked() (Ask, error) {
	id, err := salesforce.To18(a.CaseID)
	if err != nil {
		return a, &tools.Error{Code: tools.InvalidArgument, Message: "the case: " + err.Error()}
	}
	a.CaseID = id
	if a.Outcome == "" {
		a.Outcome = policy.OutcomeRefund
	}
	if c := a.Confidence; c != nil && !(*c >= 0 && *c <= 1) {
		return a, &tools.Error{Code: tools.InvalidArgument, Message: "the confidence must be a number from 0 to 1"}
	}
	if len(a.Lines) > maxLines {
		return a, &tools.Error{Code: tools.InvalidArgument, Message: fmt.Sprintf("%d lines; a return has at most %d", len(a.Lines), maxLines)}
	}
	if len(a.Reasoning) > maxReasoning {
		a.Reasoning = strings.ToValidUTF8(a.Reasoning[:maxReasoning], "") + "…"
	}
	return a, nil
}

// Start starts the run of a return, or returns the one that there is: a case has one
// at a time, whoever asks, and none after one that is done or that a person has
// denied. After one that ended without effect another starts only for who names that
// one (Ask.After): a repetition of the call that started it comes to nothing new. org is the caller's, who has to see the case. The error is a *tools.Error, a
// *salesforce.Error, or of the ledger.
func (l *Loop) Start(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (Status, error) {
	ask, err := ask.checked()
	if err != nil {
		return Status{}, err
	}
	s, err := l.settings(caller.Workspace)
	if err != nil {
		return Status{}, shown(err)
	}
	run, there, err := l.Ledger.LatestRun(ctx, caller.Workspace, Kind, ask.CaseID)
	if err != nil {
		return Status{}, err
	}
	if !there && ask.After != "" {
		return Status{}, &tools.Error{Code: tools.NoReturn, Message: "the case has no run that another one could follow: leave out after"}
	}
	if there && !(again(run) && ask.After == run.ID) {
		return l.seen(ctx, org, caller, run)
	}
	generation := int64(0)
	if there {
		generation = run.Generation + 1
	}
	in := Input{Host: caller.Host, Agent: caller.Agent, User: caller.User, Context: caller.Context, Outcome: ask.Outcome, Lines: ask.Lines,
		Reasoning: ask.Reasoning, Confidence: ask.Confidence}
	ret, err := records.Read(ctx, org, s.Mapping, records.Ask{CaseID: ask.CaseID, Outcome: ask.Outcome, Lines: ask.Lines})
	if err != nil {
		return Status{}, shown(err)
	}
	in.CaseNumber, in.CaseStatus, in.Status, in.Open = ret.Case.Number, ret.Case.Status, ret.Facts.Case.Status, ret.Facts.Case.Open
	input, err := json.Marshal(in)
	if err != nil {
		return Status{}, err
	}
	run, fresh, err := l.Engine().Start(ctx, audit.Run{ID: uuid.Must(uuid.NewV7()).String(), Workspace: caller.Workspace, Subject: ask.CaseID, Generation: generation, Input: input})
	if errors.Is(err, audit.ErrUnavailable) {
		return Status{}, &tools.Error{Code: tools.NotRecorded, Message: "the audit trail cannot be written, so the return was not begun: " + err.Error()}
	}
	if err != nil {
		return Status{}, err
	}
	if !fresh {
		return l.seen(ctx, org, caller, run)
	}
	return l.status(ctx, run)
}

// again reports whether a new run may be started after this one.
func again(r audit.Run) bool {
	switch r.Status {
	case returns.Cancelled, returns.Failed:
		return true
	case returns.Denied:
		return denialOf(r.Reason).By != byPerson
	}
	return false
}

// shown is an error as an agent sees it.
func shown(err error) error {
	var known *returns.Fault
	var misfit *records.Misfit
	switch {
	case errors.Is(err, records.ErrAsk):
		return &tools.Error{Code: tools.InvalidArgument, Message: err.Error(), Hint: "What there is to return: tool returns, action get, without lines."}
	case errors.Is(err, records.ErrNoCase), errors.Is(err, records.ErrNoReturn):
		return &tools.Error{Code: tools.InvalidArgument, Message: err.Error(), Hint: "Cases that ask for a return: tool returns, action listOpen."}
	case errors.As(err, &misfit):
		return &tools.Error{Code: tools.ReturnsOff, Message: "the mapping of returns does not fit this org: " + err.Error(), Hint: "An administrator has to mend it."}
	case errors.As(err, &known):
		return &tools.Error{Code: tools.Code(known.Code), Message: known.Message, Hint: "An administrator has to mend it."}
	}
	return err
}

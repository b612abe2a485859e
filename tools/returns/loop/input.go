package loop

import (
	"context"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
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
	Reasoning  string
	Confidence *float64 // from 0 to 1; nil: it says nothing, and a person decides
}

// Input is what a run is started with (audit.Run.Input), as JSON.
type Input struct {
	Host       string              `json:"host"`
	Agent      string              `json:"agent"`
	User       string              `json:"user,omitempty"`
	Context    string              `json:"context,omitempty"`
	Outcome    string              `json:"outcome"`
	Lines      []records.AskedLine `json:"lines,omitempty"`
	Reasoning  string              `json:"reasoning,omitempty"`
	Confidence *float64            `json:"confidence,omitempty"`

	// The case as it was before the run touched it.
	CaseNumber string                     `json:"caseNumber"`
	CaseStatus string                     `json:"caseStatus"`
	Status     policy.Fact[policy.Choice] `json:"status"`
}

// caller is who a run is for.
func (in Input) caller(r audit.Run) allowlist.Caller {
	return allowlist.Caller{Workspace: r.Workspace, Host: in.Host, Agent: in.Agent, User: in.User, Context: in.Context}
}

// Start starts the run of a return, or returns the one that there is: a case has one
// at a time, whoever asks, and none after one that is done or that a person has
// denied. org is the caller's, who has to see the case. The error is a *tools.Error, a
// *salesforce.Error, or of the ledger.
func (l *Loop) Start(ctx context.Context, org tools.Org, caller allowlist.Caller, ask Ask) (Status, error) {
	return Status{}, errLater
}

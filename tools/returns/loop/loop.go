package loop

import (
	"context"
	"encoding/json"
	"sync"
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

// Kind is that of the runs of returns (audit.Run.Kind).
const Kind = "return"

// A Loop is what returns need. Its fields are set before it is used and not changed
// thereafter; it is safe for concurrent use, in any number of processes over one
// ledger.
type Loop struct {
	// Connect connects a caller with the org of their workspace; sent is told of each
	// exchange. *orgs of the program does.
	Connect func(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error)
	// Settings are those of a workspace as they are now; ok is false when it has none.
	Settings func(workspace string) (s Settings, ok bool)
	// Permitted reports whether a caller may process returns as the rules are now: the
	// error says why not.
	Permitted func(caller allowlist.Caller) error
	Approvals Approvals
	Sealer    tools.Sealer
	Locks     Locks
	Ledger    Ledger
	Journal   *audit.Journal

	Patience returns.Patience
	Lease    time.Duration // as returns.Engine.Lease
	Poll     time.Duration // as returns.Engine.Poll
	Turn     time.Duration // how long a return waits for its turn at the order, doubled each time; default 5 s
	Trouble  func(error)   // as returns.Engine.Trouble

	made   sync.Once
	engine *returns.Engine
}

// A Ledger keeps runs.
type Ledger interface {
	returns.Ledger
	// LatestRun returns the run of the last generation of a subject.
	LatestRun(ctx context.Context, workspace, kind, subject string) (r audit.Run, ok bool, err error)
}

// Approvals keeps what persons are asked ([tools.Approvals]).
type Approvals interface {
	OpenApproval(ctx context.Context, call tools.AskedCall) (a tools.Approval, ok bool, err error)
	AskApproval(ctx context.Context, a tools.Approval) (tools.Approval, error)
	Approval(ctx context.Context, workspace, id string) (a tools.Approval, ok bool, err error)
}

// Locks keeps names that one run holds at a time, for ever or until it gives them up. It
// may take what it holds once more. Whoever moves it says at which turn they have it: a
// worker that has lost it takes nothing and gives nothing up.
type Locks interface {
	Lock(ctx context.Context, name, run string, turn int64) (bool, error)
	Unlock(ctx context.Context, name, run string, turn int64) error
}

// Settings are how a workspace does returns.
type Settings struct {
	Mapping records.Mapping
	Policy  *policy.Policy
	// Gateway names the gateway: GatewayPayments, GatewayStripe or GatewayRecord.
	Gateway string
	// Open returns it, for an org.
	Open func(org tools.Org) (gateway.Gateway, error)
	// Company is who pays back or takes back, for documents.
	Company string
	// ApproveWithin is how long a person may take to decide; default 72 h.
	ApproveWithin time.Duration
	// ApprovalProcess is the API name of an approval process of Salesforce to which a
	// case is submitted as well when a person has to decide; "" is none. What becomes
	// of it there decides nothing here. A case in approval is locked: the process has to
	// leave it to the user of the connection to edit, or else the records of an approved
	// return wait until the process has ended. It has to find its approvers by itself.
	ApprovalProcess string
}

// defaultWithin is the default of Settings.ApproveWithin.
const defaultWithin = 72 * time.Hour

func (s Settings) within() time.Duration {
	if s.ApproveWithin > 0 {
		return s.ApproveWithin
	}
	return defaultWithin
}

// The gateways.
const (
	GatewayPayments = "salesforcePayments"
	GatewayStripe   = "stripe"
	GatewayRecord   = "record"
)

// Engine returns the engine that drives the runs of returns.
func (l *Loop) Engine() *returns.Engine {
	l.made.Do(func() {
		l.engine = &returns.Engine{Flow: l.Flow(), Ledger: l.Ledger, Journal: l.Journal, Patience: l.Patience, Lease: l.Lease, Poll: l.Poll,
			Entry: entry, Trouble: l.Trouble}
	})
	return l.engine
}

// entry is who a run is for, and why, as its audit entries say.
func entry(r audit.Run) audit.Entry {
	var in Input
	_ = json.Unmarshal(r.Input, &in) // one that cannot be read has none, and each step says so
	return audit.Entry{Host: in.Host, Agent: in.Agent, User: in.User, Context: in.Context, Decision: audit.DecisionAllowed, Confidence: in.Confidence, Reasoning: in.Reasoning}
}

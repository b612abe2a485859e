package loop

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// frozen is what evaluate and approval freeze: what the records say, and what was
// decided about that.
type frozen struct {
	Return   records.Return  `json:"return"`
	Decision policy.Decision `json:"decision"`

	// Of approval alone: what is done about it.
	Gateway  string          `json:"gateway,omitempty"`
	Payment  records.Payment `json:"payment"`
	Approval string          `json:"approval,omitempty"` // ID of that of a person
	Company  string          `json:"company,omitempty"`
	At       time.Time       `json:"at"`
}

// A denial is why a run is denied (audit.Run.Reason).
type denial struct {
	By      string          `json:"by"` // one of those below
	Text    string          `json:"text,omitempty"`
	Reasons []policy.Reason `json:"reasons,omitempty"`
}

// Who denies.
const (
	byPolicy  = "policy"
	byPerson  = "person"
	byRule    = "rule"    // of the agent: it may not process returns any more
	byTime    = "time"    // nobody has decided
	byRecords = "records" // they are about something else now
)

func deny(d denial, v any) returns.Result {
	return returns.Result{Deny: detail(d), Detail: detail(v)}
}

// decide reads the facts of a return and lets the policy decide.
func decide(ctx context.Context, org tools.Org, s Settings, in Input, caseID string) (frozen, error) {
	ret, err := records.Read(ctx, org, s.Mapping, records.Ask{CaseID: caseID, Outcome: in.Outcome, Lines: in.Lines})
	if err != nil {
		return frozen{}, err
	}
	if claimed := s.Mapping.Case.Statuses.Claimed; claimed != "" && ret.Case.Status == claimed && in.Status.Source != "" {
		ret.Facts.Case.Status = in.Status // that it has from us says nothing
	}
	d, err := s.Policy.Decide(ctx, ret.Facts, in.Confidence)
	if err != nil && ctx.Err() == nil {
		err = fix("policy", err.Error())
	}
	return frozen{Return: ret, Decision: d}, err
}

// decided is what the audit trail says of a decision.
type decided struct {
	Policy     string           `json:"policy"` // digest, as Facts
	Facts      string           `json:"facts"`
	Verdict    policy.Verdict   `json:"verdict"`
	Reasons    []policy.Reason  `json:"reasons"`
	Rules      []policy.Outcome `json:"rules"` // those that fired or could not be decided, with the facts they read
	Amount     int64            `json:"amount"`
	Fee        int64            `json:"fee"`
	Currency   string           `json:"currency,omitempty"`
	Outcome    string           `json:"outcome"`
	Confidence *float64         `json:"confidence,omitempty"`

	Approval string `json:"approval,omitempty"`
	Proposal string `json:"proposal,omitempty"` // digest
	By       string `json:"by,omitempty"`       // which person has decided
	Note     string `json:"note,omitempty"`
	Payment  string `json:"payment,omitempty"`
	Gateway  string `json:"gateway,omitempty"`
	Waits    string `json:"waits,omitempty"`
	Process  string `json:"approvalProcess,omitempty"` // what became of submitting the case in Salesforce
}

func (t *turn) decided(f frozen) decided {
	d := f.Decision
	out := decided{Policy: d.Policy, Facts: d.Facts, Verdict: d.Verdict, Reasons: d.Reasons, Amount: d.Amount, Fee: d.Fee, Currency: d.Currency,
		Outcome: t.in.Outcome, Confidence: t.in.Confidence, Payment: f.Payment.ID, Gateway: f.Gateway}
	for _, r := range d.Rules {
		if r.Fired || r.Undecided != "" {
			out.Rules = append(out.Rules, r)
		}
	}
	return out
}

// claim says on the case that somebody works on it. A closed one stays closed: it
// would be open by that, and the policy would take it for one.
func (t *turn) claim(ctx context.Context) (returns.Result, error) {
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, err
	}
	status := t.s.Mapping.Case.Statuses.Claimed
	if status == "" || t.in.closed() {
		return returns.Result{}, nil
	}
	done, err := records.Claim(ctx, t.org, t.s.Mapping, t.Run.Subject, status, t.in.CaseStatus)
	return wrote(done, map[string]string{"status": status, "before": t.in.CaseStatus}), err
}

// unclaim puts the status of the case back, or says that the return is denied. What
// somebody else has made of it meanwhile stays.
func (t *turn) unclaim(ctx context.Context) (returns.Result, error) {
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, err
	}
	statuses := t.s.Mapping.Case.Statuses
	status := ""
	switch {
	case t.Run.Goal == returns.Denied && statuses.Denied != "":
		status = statuses.Denied
	case statuses.Claimed != "":
		status = t.in.CaseStatus
	}
	if status == "" || t.in.closed() {
		return returns.Result{}, nil
	}
	now, err := records.Status(ctx, t.org, t.s.Mapping, t.Run.Subject)
	if errors.Is(err, records.ErrNoCase) {
		return returns.Result{Detail: detail(map[string]string{"status": err.Error()})}, nil // there is nothing to put back
	}
	if err != nil {
		return returns.Result{}, err
	}
	if now == status || now != statuses.Claimed && now != t.in.CaseStatus {
		return returns.Result{Detail: detail(map[string]string{"status": now})}, nil
	}
	done, err := records.Claim(ctx, t.org, t.s.Mapping, t.Run.Subject, status, statuses.Claimed, t.in.CaseStatus)
	return wrote(done, map[string]string{"status": status}), err
}

// evaluate reads the facts and decides for the first time.
func (t *turn) evaluate(ctx context.Context) (returns.Result, error) {
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, err
	}
	f, err := decide(ctx, t.org, t.s, t.in, t.Run.Subject)
	if err != nil {
		return returns.Result{}, err
	}
	if f.Decision.Verdict == policy.Deny {
		return deny(denial{By: byPolicy, Reasons: f.Decision.Reasons}, t.decided(f)), nil
	}
	data, err := t.seal(ctx, "evaluate", f)
	return returns.Result{Data: data, Records: seen(f.Return), Detail: detail(t.decided(f))}, err
}

// seen are the records that a decision is about.
func seen(r records.Return) []string {
	ids := []string{r.Case.ID, r.Order.ID, r.AccountID}
	if r.ReturnOrder != nil {
		ids = append(ids, r.ReturnOrder.ID)
	}
	for _, p := range r.Payments {
		ids = append(ids, p.ID)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// denialOf reads why a run was denied.
func denialOf(reason []byte) (d denial) {
	_ = json.Unmarshal(reason, &d) // another reason is none
	return d
}

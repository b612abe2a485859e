package loop

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// Instruction is that of the approvals of runs (tools.AskedCall).
const Instruction = "processReturn"

// Waits between two tries.
const (
	firstTurn  = 5 * time.Second // of a return for its turn at the order, doubled each time
	lastTurn   = 5 * time.Minute
	manyWait   = time.Minute      // of one whose agent has too many calls waiting for a person
	escalating = 30 * time.Second // of one that nobody has decided about, and whose task cannot be made
	// graceTime is how long a run whose time is over waits for its task.
	graceTime = time.Hour
)

// A question is what a run waits for (audit.Run.Reason).
type question struct {
	Text     string     `json:"text"`
	Approval string     `json:"approvalId,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Order    string     `json:"order,omitempty"` // whose turn it waits for
	Turns    int        `json:"turns,omitempty"` // how often it has
}

func wait(q question, d time.Duration, v any) returns.Result {
	return returns.Result{Wait: &returns.Wait{Question: detail(q), For: d}, Detail: detail(v)}
}

// questionOf reads what a run waits for, or waited for when it was woken.
func questionOf(reason []byte) (q question) {
	_ = json.Unmarshal(reason, &q) // another reason is none
	return q
}

// lockOf is the name of the lock of a return's order. A return without one is about
// its case alone.
func lockOf(workspace string, r records.Return) string {
	if r.Order.ID == "" {
		return "return case " + workspace + "/" + r.Case.ID
	}
	return "return order " + workspace + "/" + r.Order.ID
}

// approve decides for the last time: with the order locked it reads the facts once
// more, and where they are not sure it asks a person. What passes keeps the lock.
func (t *turn) approve(ctx context.Context) (res returns.Result, err error) {
	var before frozen
	if err := t.result(ctx, "evaluate", &before); err != nil {
		return res, err
	}
	if res, over, err := t.answered(ctx); over || err != nil {
		return res, err
	}
	lock, passed := lockOf(t.Run.Workspace, before.Return), false
	ours, err := t.Locks.Lock(ctx, lock, t.Run.ID, t.Run.Turn)
	if err != nil {
		return res, passing("lock", err)
	}
	if !ours {
		return t.queue(before.Return), nil
	}
	defer func() {
		if passed {
			return
		}
		if failed := t.Locks.Unlock(context.WithoutCancel(ctx), lock, t.Run.ID, t.Run.Turn); failed != nil { // once more: it must not stay locked
			res, err = returns.Result{Detail: res.Detail}, passing("lock", errors.Join(failed, err))
		}
	}()
	if err := t.Permitted(t.in.caller(t.Run)); err != nil {
		return deny(denial{By: byRule, Text: err.Error()}, map[string]string{"refused": err.Error()}), nil
	}
	if err := t.connect(ctx); err != nil {
		return res, err
	}
	f, err := decide(ctx, t.org, t.s, t.in, t.Run.Subject)
	if err != nil {
		return res, err
	}
	f.Gateway, f.Company, f.At = t.s.Gateway, t.s.Company, time.Now().UTC().Truncate(time.Second)
	if f.Return.Order.ID != before.Return.Order.ID {
		const text = "The case names another order than when the return began. Process it again."
		return deny(denial{By: byRecords, Text: text}, t.decided(f)), nil
	}
	if f.Decision.Verdict == policy.Deny {
		return deny(denial{By: byPolicy, Reasons: f.Decision.Reasons}, t.decided(f)), nil
	}
	if f.Payment, err = pays(f); err != nil {
		return returns.Result{Detail: detail(t.decided(f))}, err
	}
	says := t.decided(f)
	if err := t.s.Mapping.Writable(t.settlement(f, t.expected(f))); err != nil {
		return returns.Result{Detail: detail(says)}, fix("records", "what comes of the return could not be written down, so nothing is paid back: "+err.Error())
	}
	if f.Decision.Verdict != policy.Approve {
		var ok bool
		if res, ok, err = t.ask(ctx, &f, &says); !ok || err != nil {
			return res, err
		}
	}
	data, err := t.seal(ctx, "approval", f)
	if err != nil {
		return res, err
	}
	passed = true
	return returns.Result{Data: data, Records: seen(f.Return), Detail: detail(says)}, nil
}

// answered says whether the run is over because of what became of the approval that it
// waited for: a person has denied it, whatever the facts are by now, or nobody has
// decided.
func (t *turn) answered(ctx context.Context) (res returns.Result, over bool, err error) {
	q := questionOf(t.Run.Reason)
	if q.Approval == "" {
		return res, false, nil
	}
	a, found, err := t.Approvals.Approval(ctx, t.Run.Workspace, q.Approval)
	switch {
	case err != nil:
		return res, false, passing("approvals", err)
	case found && a.State == tools.Denied:
		return denied(a), true, nil
	case found && a.State == tools.Expired:
		return t.late(ctx, q, a), true, nil
	}
	return res, false, nil
}

// denied is the end of a return that a person does not want. Who that is stands in the
// audit trail.
func denied(a tools.Approval) returns.Result {
	return deny(denial{By: byPerson, Text: a.Note}, decided{Approval: a.ID, Proposal: a.Digest, By: a.By, Note: a.Note})
}

// late is the end of a return that nobody has decided about: a person gets a task, and
// it is denied. The task is waited for, though not for ever.
func (t *turn) late(ctx context.Context, q question, a tools.Approval) returns.Result {
	text := "Nobody has decided until " + a.Expires.Format(time.RFC3339) + "."
	err := t.connect(ctx)
	var done records.Done
	if err == nil {
		done, err = t.escalate(ctx, "Return wants a decision", text+" The return was denied; it can be processed again.")
	}
	if err != nil && time.Since(a.Expires) < graceTime {
		return wait(q, escalating, map[string]string{"approval": a.ID, "expired": text, "task": err.Error()})
	}
	res := deny(denial{By: byTime, Text: text}, map[string]any{"approval": a.ID, "expired": text})
	res.Records, res.Changes = done.Records, done.Changes
	return res
}

// queue waits for the turn of the return at its order, ever longer.
func (t *turn) queue(r records.Return) returns.Result {
	q := questionOf(t.Run.Reason) // what a person is asked stays
	q.Text, q.Order = "Another return of the order is under way.", r.Order.ID
	q.Turns++
	return wait(q, min(cmp.Or(t.Turn, firstTurn)<<min(q.Turns-1, 10), lastTurn), map[string]string{"waits": q.Text, "order": r.Order.ID})
}

// pays chooses the payment that is paid back: the first of which enough is left. A
// return that pays nothing back needs none.
func pays(f frozen) (records.Payment, error) {
	d := f.Decision
	if d.Amount == 0 {
		return records.Payment{}, nil
	}
	most := int64(0)
	for _, p := range f.Return.Payments {
		if p.Refundable < d.Amount {
			most = max(most, p.Refundable)
			continue
		}
		if f.Gateway == GatewayStripe && p.Reference == "" {
			return p, fix("payment", fmt.Sprintf("the payment %s of the order has no reference of Stripe (pi_… or ch_…): write that into the field that the mapping names for it (payment.reference or order.reference)", p.ID))
		}
		return p, nil
	}
	switch {
	case f.Gateway == GatewayRecord && len(f.Return.Payments) == 0:
		return records.Payment{}, nil // it only writes down what somebody else pays back
	case len(f.Return.Payments) == 0:
		return records.Payment{}, fix("payment", "no payment of the order was found, so nothing can be paid back: let the mapping say where payments are, or process the return without it")
	}
	return records.Payment{}, fix("payment", fmt.Sprintf("%d %s are to go back, and no payment of the order has more than %d left of it (minor units): one refund pays back one payment, so a person has to pay this one back", d.Amount, d.Currency, most))
}

// payment is what the gateway calls it.
func (f frozen) payment() string {
	if f.Gateway == GatewayStripe {
		return f.Payment.Reference
	}
	return f.Payment.ID
}

// A Proposal is what a person is shown who decides about a return (tools.Approval's
// arguments): all that the decision is based on, and all that would be done.
type Proposal struct {
	bound
	CaseNumber  string `json:"caseNumber"`
	OrderNumber string `json:"orderNumber,omitempty"`
	Effect      string `json:"effect"`

	Reasons []policy.Reason  `json:"reasons"` // why a person decides, and what speaks for and against it
	Rules   []policy.Outcome `json:"rules"`   // every rule, with the facts that it read
	Return  records.Return   `json:"return"`  // with the facts, and where each comes from
	Writes  []audit.Change   `json:"writes"`  // what would be written, before and after

	Reasoning  string   `json:"reasoning,omitempty"` // of the agent, in its words
	Confidence *float64 `json:"confidence,omitempty"`
}

// bound is what an approval is bound to: when any of it is another, so is the approval.
type bound struct {
	Run      string         `json:"run"`
	Case     string         `json:"case"`
	Order    string         `json:"order,omitempty"`
	Outcome  string         `json:"outcome"`
	Amount   int64          `json:"amount"` // that goes back, in minor units
	Currency string         `json:"currency,omitempty"`
	Gateway  string         `json:"gateway"`
	Payment  string         `json:"payment,omitempty"` // as the gateway calls it
	Lines    []records.Line `json:"lines"`
	Fee      int64          `json:"fee"` // that is kept
	Account  string         `json:"account,omitempty"`
	Facts    string         `json:"factsDigest"`
	Policy   string         `json:"policyDigest"`
}

// expected is the refund that the gateway would make: of Stripe there is no record.
func (t *turn) expected(f frozen) *gateway.Refund {
	if t.in.Outcome != policy.OutcomeRefund || f.Decision.Amount == 0 {
		return nil
	}
	r := &gateway.Refund{Amount: f.Decision.Amount, Currency: f.Decision.Currency, Status: gateway.Done}
	if f.Gateway != GatewayStripe {
		r.Record = "(made by the gateway)"
	}
	return r
}

// proposal is what would be done, and the digest that an approval of it is bound to.
func (t *turn) proposal(f frozen) (p Proposal, digest string, err error) {
	d, r := f.Decision, f.Return
	p = Proposal{CaseNumber: r.Case.Number, OrderNumber: r.Order.Number, Reasons: d.Reasons, Rules: d.Rules, Return: r,
		Writes: t.s.Mapping.Proposed(t.settlement(f, t.expected(f))), Reasoning: t.in.Reasoning, Confidence: t.in.Confidence}
	p.bound = bound{Run: t.Run.ID, Case: t.Run.Subject, Order: r.Order.ID, Outcome: t.in.Outcome, Amount: d.Amount, Currency: d.Currency,
		Gateway: f.Gateway, Payment: f.payment(), Lines: r.Lines, Fee: d.Fee, Account: r.AccountID, Facts: d.Facts, Policy: d.Policy}
	switch {
	case t.in.Outcome == policy.OutcomeReplace:
		p.Effect = "A replacement order is made. No money moves."
	case d.Amount == 0:
		p.Effect = "The return is recorded, and nothing is paid back."
	default:
		p.Effect = money(d.Amount, d.Currency) + " are paid back through " + f.Gateway + "."
	}
	text, err := json.Marshal(p.bound)
	sum := sha256.Sum256(text)
	return p, hex.EncodeToString(sum[:]), err
}

// ask finds out what a person has decided about this very proposal, and asks if nobody
// was asked. ok is true when it is approved.
func (t *turn) ask(ctx context.Context, f *frozen, says *decided) (res returns.Result, ok bool, err error) {
	p, digest, err := t.proposal(*f)
	if err != nil {
		return res, false, err
	}
	says.Proposal = digest
	call := tools.AskedCall{Workspace: t.Run.Workspace, Host: t.in.Host, Agent: t.in.Agent, User: t.in.User, Instruction: Instruction, Digest: digest, Run: t.Run.ID}
	a, found, err := t.Approvals.OpenApproval(ctx, call)
	if err != nil {
		return res, false, passing("approvals", err)
	}
	if !found {
		if says.Process = t.submit(ctx); says.Process == submitted {
			// That may have changed the case: what a person is asked is read afterwards.
			says.Waits = "The case was submitted for approval in Salesforce."
			return wait(question{Text: says.Waits}, time.Second, says), false, nil
		}
		arguments, err := json.Marshal(p)
		if err != nil {
			return res, false, err
		}
		asked := tools.Approval{AskedCall: call, Context: t.in.Context, Tool: "returns", Action: "process", Effect: "act", Rule: rulesOf(f.Decision),
			Arguments: arguments, Reasoning: t.in.Reasoning, Confidence: t.in.Confidence}
		if len(arguments) > maxListed {
			asked.Arguments = detail(p.bound)
		}
		if a, err = tools.Ask(ctx, t.Approvals, t.Sealer, asked, arguments, t.s.within()); errors.Is(err, tools.ErrManyWait) {
			says.Waits = fmt.Sprintf("%d calls of the agent wait for a person already.", tools.MaxWaiting)
			return wait(question{Text: says.Waits}, manyWait, says), false, nil
		} else if err != nil {
			return res, false, passing("approvals", err)
		}
	}
	says.Approval, says.By, says.Note = a.ID, a.By, a.Note
	switch a.State {
	case tools.Approved:
		f.Approval = a.ID
		return res, true, nil
	case tools.Denied:
		res = denied(a)
		res.Detail = detail(says)
		return res, false, nil
	}
	says.Waits = "A person has to decide until " + a.Expires.Format(time.RFC3339) + "."
	q := question{Text: says.Waits, Approval: a.ID, Until: &a.Expires}
	return wait(q, max(time.Until(a.Expires)+time.Second, time.Second), says), false, nil
}

// maxListed is how many bytes of arguments a list of approvals shows; all of them are
// sealed, and shown to who decides.
const maxListed = 64 << 10

// rulesOf are the names of the rules that want a person.
func rulesOf(d policy.Decision) string {
	var names []string
	for _, r := range d.Reasons {
		if r.Verdict == d.Verdict {
			names = append(names, r.Rule)
		}
	}
	return strings.Join(names, ", ")
}

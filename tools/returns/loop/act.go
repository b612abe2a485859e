package loop

import (
	"context"
	"encoding/json"
	"fmt"

	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/receipt"
	"salesforce-mcp/tools/returns/records"
)

// money writes an amount of minor units for people.
func money(minor int64, currency string) string {
	return decimal.Text(minor, currency)
}

// refund is the request to the gateway; ok is false when no money goes back.
func (t *turn) refund(ctx context.Context) (f frozen, r gateway.Request, ok bool, err error) {
	if err := t.result(ctx, "approval", &f); err != nil {
		return f, r, false, err
	}
	d := f.Decision
	r = gateway.Request{Key: t.Key, Payment: f.payment(), Amount: d.Amount, Currency: d.Currency, Account: f.Return.AccountID}
	return f, r, t.in.Outcome == policy.OutcomeRefund && d.Amount > 0, nil
}

// requestRefund is Step.Request of the refund.
func (t *turn) requestRefund(ctx context.Context) ([]byte, error) {
	f, r, ok, err := t.refund(ctx)
	if !ok || err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Gateway string
		Request gateway.Request
	}{f.Gateway, r})
}

// gateway opens the one by which the run was begun to pay back.
func (t *turn) gateway(ctx context.Context, f frozen) (gateway.Gateway, error) {
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	if t.s.Gateway != f.Gateway {
		return nil, fix("gateway", fmt.Sprintf("the refund was begun through %s, and the workspace has %q now: let it have the former until the run has ended", f.Gateway, t.s.Gateway))
	}
	g, err := t.s.Open(t.org)
	if err != nil {
		return nil, passing("gateway", err)
	}
	return g, nil
}

// pay pays the money back. Where none goes back there is nothing to do, but from here
// on there is no way back all the same.
func (t *turn) pay(ctx context.Context) (returns.Result, error) {
	f, r, ok, err := t.refund(ctx)
	if !ok || err != nil {
		return returns.Result{}, err
	}
	ours, err := t.Locks.Lock(ctx, lockOf(t.Run.Workspace, f.Return), t.Run.ID, t.Run.Turn)
	if err != nil {
		return returns.Result{}, passing("lock", err)
	}
	if !ours {
		return deny(denial{By: byRecords, Text: "Another return of the order went on meanwhile. Process this one again."}, map[string]string{"lock": "lost"}), nil
	}
	g, err := t.gateway(ctx, f)
	if err != nil {
		return returns.Result{}, err
	}
	made, err := g.Refund(ctx, r)
	if err != nil {
		return returns.Result{}, err
	}
	return paid(f, made)
}

// findPaid looks what became of the refund.
func (t *turn) findPaid(ctx context.Context) (returns.Result, bool, error) {
	f, r, ok, err := t.refund(ctx)
	if !ok || err != nil {
		return returns.Result{}, err == nil, err
	}
	res, found, err := t.lookPaid(ctx, f, r)
	if word, said := returns.TestimonyOf(t.Answer); said && !found {
		return t.testified(ctx, f, word, err)
	}
	return res, found, err
}

// lookPaid asks the gateway.
func (t *turn) lookPaid(ctx context.Context, f frozen, r gateway.Request) (returns.Result, bool, error) {
	g, err := t.gateway(ctx, f)
	if err != nil {
		return returns.Result{}, false, err
	}
	made, found, err := g.Find(ctx, r)
	if !found || err != nil {
		return returns.Result{}, false, err
	}
	res, err := paid(f, made)
	return res, err == nil, err
}

// paid is the result of a refund that the gateway has made.
func paid(f frozen, made gateway.Refund) (returns.Result, error) {
	says := map[string]any{"gateway": f.Gateway, "id": made.ID, "reference": made.Reference, "amount": made.Amount, "currency": made.Currency, "status": made.Status, "payment": f.payment()}
	if made.Status == gateway.Failed {
		return returns.Result{Detail: detail(says)}, &returns.Fault{Class: returns.Declined, Code: "failed", Message: "the refund " + made.ID + " failed at the payment processor: no money moved"}
	}
	data, err := json.Marshal(made)
	res := returns.Result{Data: data, Detail: detail(says)}
	if made.Record != "" {
		res.Records = []string{made.Record}
	}
	return res, err
}

// made is the refund that the run has made; nil when none was to be made.
func (t *turn) made() (*gateway.Refund, error) {
	text := t.Results["refund"]
	if len(text) == 0 {
		return nil, nil
	}
	made := new(gateway.Refund)
	if err := json.Unmarshal(text, made); err != nil {
		return nil, fix("result", "what the refund came to cannot be read: "+err.Error())
	}
	return made, nil
}

// settlement is what is written down of a return, with the refund that was made, or
// that would be.
func (t *turn) settlement(f frozen, made *gateway.Refund) records.Settlement {
	d := f.Decision
	s := records.Settlement{Return: f.Return, Outcome: t.in.Outcome, Amount: d.Amount, Fee: d.Fee, Currency: d.Currency, Refund: made,
		RefundRow: made != nil && made.Record == "", Payment: f.payment(), At: f.At, Key: returns.Key(t.Run, "records"), Run: t.Run.ID,
		Reason: "Decided by the policy: " + rulesOf(d)}
	if f.Approval != "" {
		s.Reason = "Approved by a person: approval " + f.Approval
	}
	return s
}

// settled is what is written down now.
func (t *turn) settled(ctx context.Context) (f frozen, s records.Settlement, err error) {
	if err = t.result(ctx, "approval", &f); err != nil {
		return f, s, err
	}
	made, err := t.made()
	return f, t.settlement(f, made), err
}

// requestRecords is Step.Request of the records. How they are mapped is no part of
// it: a mapping is mended where it keeps them from being written.
func (t *turn) requestRecords(ctx context.Context) ([]byte, error) {
	_, s, err := t.settled(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// write writes all records of the return, or none.
func (t *turn) write(ctx context.Context) (returns.Result, error) {
	_, s, err := t.settled(ctx)
	if err == nil {
		err = t.connect(ctx)
	}
	if err != nil {
		return returns.Result{}, err
	}
	done, err := records.Settle(ctx, t.org, t.s.Mapping, s)
	return wrote(done, map[string]any{"records": done.Records, "reason": s.Reason}), err
}

func (t *turn) findWritten(ctx context.Context) (returns.Result, bool, error) {
	_, s, err := t.settled(ctx)
	if err == nil {
		err = t.connect(ctx)
	}
	if err != nil {
		return returns.Result{}, false, err
	}
	done, found, err := records.FindSettled(ctx, t.org, t.s.Mapping, s)
	return wrote(done, map[string]any{"records": done.Records, "found": true}), found, err
}

// release gives the order's lock up.
func (t *turn) release(ctx context.Context) (returns.Result, error) {
	var before frozen
	if err := t.result(ctx, "evaluate", &before); err != nil {
		return returns.Result{}, err
	}
	if err := t.Locks.Unlock(ctx, lockOf(t.Run.Workspace, before.Return), t.Run.ID, t.Run.Turn); err != nil {
		return returns.Result{}, passing("lock", err)
	}
	return returns.Result{}, nil
}

// document is the receipt, or the label of a replacement: the same bytes each time. ok
// is false when there is nothing to write: nothing was paid back.
func (t *turn) document(ctx context.Context) (d records.Document, ok bool, err error) {
	var f frozen
	if err := t.result(ctx, "approval", &f); err != nil {
		return d, false, err
	}
	made, err := t.made()
	if err != nil {
		return d, false, err
	}
	number := f.Return.Case.Number
	if number == "" {
		number = f.Return.Case.ID
	}
	c := receipt.Content{Company: f.Company, CaseNumber: number, OrderNumber: f.Return.Order.Number, Run: t.Run.ID, Date: f.At, Outcome: t.in.Outcome,
		Amount: f.Decision.Amount, Fee: f.Decision.Fee, Currency: f.Decision.Currency}
	for _, l := range f.Return.Lines {
		c.Lines = append(c.Lines, receipt.Line{Product: l.Product, Quantity: l.Quantity, Amount: l.Value})
	}
	d = records.Document{CaseID: t.Run.Subject, FileName: receipt.FileName(number), Key: t.Key}
	switch {
	case t.in.Outcome == policy.OutcomeReplace:
		d.Title = "Return label " + number
		d.PDF, err = receipt.Label(c)
	case made != nil:
		c.Reference = made.Reference
		if c.Reference == "" {
			c.Reference = made.ID
		}
		d.Title = "Refund receipt " + number
		d.PDF, err = receipt.Receipt(c)
	default:
		return d, false, nil
	}
	if err != nil {
		return d, false, fix("document", err.Error())
	}
	return d, true, nil
}

func (t *turn) requestDocument(ctx context.Context) ([]byte, error) {
	d, ok, err := t.document(ctx)
	if !ok || err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

// attach puts the document on the case.
func (t *turn) attach(ctx context.Context) (returns.Result, error) {
	d, ok, err := t.document(ctx)
	if !ok || err != nil {
		return returns.Result{}, err
	}
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, err
	}
	done, err := records.Attach(ctx, t.org, t.s.Mapping, d)
	return wrote(done, map[string]any{"records": done.Records, "file": d.FileName, "bytes": len(d.PDF)}), err
}

func (t *turn) findAttached(ctx context.Context) (returns.Result, bool, error) {
	d, ok, err := t.document(ctx)
	if !ok || err != nil {
		return returns.Result{}, err == nil, err
	}
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, false, err
	}
	done, found, err := records.FindAttached(ctx, t.org, t.s.Mapping, d)
	return wrote(done, map[string]any{"records": done.Records, "file": d.FileName, "found": true}), found, err
}

// event is what others are told, for whom the run is the correlation id.
func (t *turn) event(ctx context.Context) (records.Event, error) {
	var f frozen
	err := t.result(ctx, "approval", &f)
	return records.Event{CaseID: t.Run.Subject, Outcome: t.in.Outcome, Run: t.Run.ID, Amount: f.Decision.Amount, Currency: f.Decision.Currency}, err
}

func (t *turn) requestEvent(ctx context.Context) ([]byte, error) {
	e, err := t.event(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(e)
}

// publish tells others that the return is done.
func (t *turn) publish(ctx context.Context) (returns.Result, error) {
	e, err := t.event(ctx)
	if err == nil {
		err = t.connect(ctx)
	}
	if err != nil {
		return returns.Result{}, err
	}
	done, err := records.Publish(ctx, t.org, t.s.Mapping, e)
	return wrote(done, map[string]any{"records": done.Records, "outcome": e.Outcome}), err
}

package main

import (
	"cmp"
	"context"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
	"salesforce-mcp/tools/returns/policy"
	returnrecords "salesforce-mcp/tools/returns/records"
)

// returnsOf is a loop as the tool for returns. It implements tools.Returns.
type returnsOf struct{ *loop.Loop }

const (
	// processTime is how long process waits for the end of a run: as long as a model's
	// client waits without doubt.
	processTime = 20 * time.Second
	// processLook is how often it looks.
	processLook = 25 * time.Millisecond
)

// askOf is what an agent asks, in the words of the loop.
func askOf(a tools.ReturnAsk) loop.Ask {
	ask := loop.Ask{CaseID: a.CaseID, Outcome: a.Outcome, After: a.After, Reasoning: a.Reasoning, Confidence: a.Confidence}
	for _, l := range a.Lines {
		ask.Lines = append(ask.Lines, returnrecords.AskedLine(l))
	}
	return ask
}

// ListOpen implements [tools.Returns].
func (r returnsOf) ListOpen(ctx context.Context, caller allowlist.Caller, org tools.Org, limit int) (any, error) {
	list, err := r.Loop.ListOpen(ctx, org, caller, limit)
	if err != nil {
		return nil, err
	}
	return map[string]any{"returns": list}, nil
}

// Get implements [tools.Returns].
func (r returnsOf) Get(ctx context.Context, caller allowlist.Caller, org tools.Org, a tools.ReturnAsk) (any, error) {
	ret, err := r.Loop.Get(ctx, org, caller, askOf(a))
	if err != nil {
		return nil, err
	}
	return struct {
		returnrecords.Return
		Known []policy.Read `json:"facts"` // those that rules read, the computed ones too
	}{ret, ret.Facts.List()}, nil
}

// Evaluate implements [tools.Returns].
func (r returnsOf) Evaluate(ctx context.Context, caller allowlist.Caller, org tools.Org, a tools.ReturnAsk) (any, error) {
	return r.Loop.Evaluate(ctx, org, caller, askOf(a))
}

// Process implements [tools.Returns].
func (r returnsOf) Process(ctx context.Context, caller allowlist.Caller, org tools.Org, a tools.ReturnAsk) (any, error) {
	status, err := r.Start(ctx, org, caller, askOf(a))
	if err != nil {
		return nil, err
	}
	moves := func() bool { return status.Status == returns.Running || status.Status == returns.Undoing }
	for until := time.Now().Add(processTime); moves() && time.Now().Before(until) && ctx.Err() == nil; {
		time.Sleep(processLook)
		next, err := r.Loop.Status(ctx, org, caller, status.RunID)
		if err != nil {
			return status, nil //nolint:nilerr // the run goes on; its state of before is the answer
		}
		status = next
	}
	return status, nil
}

// Status implements [tools.Returns].
func (r returnsOf) Status(ctx context.Context, caller allowlist.Caller, org tools.Org, ref tools.ReturnRef) (any, error) {
	return r.Loop.Status(ctx, org, caller, cmp.Or(ref.RunID, ref.CaseID))
}

// Cancel implements [tools.Returns].
func (r returnsOf) Cancel(ctx context.Context, caller allowlist.Caller, ref tools.ReturnRef, reason string) (any, error) {
	return r.Loop.Cancel(ctx, caller, cmp.Or(ref.RunID, ref.CaseID), reason)
}

package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
)

// Returns drives returns: from a case to money that went back, or to a replacement
// order. What its methods return encodes to JSON; their errors are for the caller.
type Returns interface {
	ListOpen(ctx context.Context, caller allowlist.Caller, org Org, limit int) (any, error)
	Get(ctx context.Context, caller allowlist.Caller, org Org, ask ReturnAsk) (any, error)
	// Evaluate tells what the policy says, and changes nothing.
	Evaluate(ctx context.Context, caller allowlist.Caller, org Org, ask ReturnAsk) (any, error)
	// Process starts the run of a case, or finds the one that there is, and tells how
	// far it is, when it has ended or waits, and otherwise after some seconds.
	Process(ctx context.Context, caller allowlist.Caller, org Org, ask ReturnAsk) (any, error)
	Status(ctx context.Context, caller allowlist.Caller, org Org, ref ReturnRef) (any, error)
	Cancel(ctx context.Context, caller allowlist.Caller, ref ReturnRef, reason string) (any, error)
}

// A ReturnAsk is what an agent asks of a return. That something is approved, how much
// is paid and to whom is not for it to say.
type ReturnAsk struct {
	CaseID  string // 18 characters
	Outcome string // "refund" or "replace"
	Lines   []ReturnLine
	After   string // ID of the run that has ended and that another one is to follow; of Process

	Reasoning  string
	Confidence *float64 // from 0 to 1; nil when it says nothing
}

// A ReturnLine is a part of an order that goes back.
type ReturnLine struct {
	Item     string `json:"orderItemId"`
	Quantity int64  `json:"quantity"`
}

// A ReturnRef names a run: by its ID, or by the case whose latest run it is.
type ReturnRef struct{ RunID, CaseID string }

var (
	returnCase    = Param{Name: "caseId", Type: "string", Form: RecordID, In: Local, Doc: "ID of the case"}
	returnOutcome = Param{Name: "outcome", Type: "string", OneOf: "refund|replace", In: Local, Doc: "refund (default) or replace"}
	returnLines   = Param{Name: "lines", Type: "array", Form: ReturnLines, In: Local, Doc: "[{orderItemId, quantity}]; without them what the return order says, else all that is left"}
	returnRun     = Param{Name: "runId", Type: "string", Form: Key, In: Local, Doc: "ID of the run, as process said"}
	returnAfter   = Param{Name: "after", Type: "string", Form: Key, In: Local, Doc: "runId of the run that ended without effect, to begin another; without it a repetition begins nothing"}
	returnReason  = Param{Name: "reason", Type: "string", Form: Text, In: Local, Doc: "why"}
	returnLimit   = Param{Name: "limit", Type: "integer", Form: Positive, In: Local, Doc: "at most so many; default 50"}
	returnSure    = Param{Name: confidence.Name, Type: confidence.Type, In: Local, Doc: "yours, from 0 to 1; a low one asks a person"}
)

// mostReturns is how many cases a list has at most.
const mostReturns = 200

// ReturnsTool is the tool for returns. Its runs go on without the agent: people
// approve where the policy asks for it, and agents cannot.
var ReturnsTool = Tool{Name: "returns", Doc: "Returns: the policy decides, money goes back once, records follow. Runs go on by themselves.", Ops: []Op{
	{Action: "listOpen", Instruction: "listOpenReturns", Doc: "List open return cases, and how far their runs are.", Effect: Read, Opaque: true, Connects: true,
		Takes: []Param{returnLimit}, Own: listReturns},
	{Action: "get", Instruction: "getReturn", Doc: "Show a return case with order, lines, payments and the facts for a decision, each with its source.", Effect: Read, Opaque: true, Connects: true,
		Needs: []Param{returnCase}, Takes: []Param{returnOutcome, returnLines}, Own: func(ctx context.Context, c OwnCall) (any, error) { return c.ask(ctx, Returns.Get) }},
	{Action: "evaluate", Instruction: "evaluateReturn", Doc: "Show what the policy says and why; changes nothing.", Effect: Read, Opaque: true, Connects: true,
		Needs: []Param{returnCase}, Takes: []Param{returnOutcome, returnLines, returnSure}, Own: func(ctx context.Context, c OwnCall) (any, error) { return c.ask(ctx, Returns.Evaluate) }},
	{Action: "process", Instruction: "processReturn", Doc: "Run the return of a case to its end, once. Say reasoning and confidence.", Effect: Act, Opaque: true, Connects: true,
		Needs: []Param{returnCase}, Takes: []Param{returnOutcome, returnLines, returnAfter}, Own: func(ctx context.Context, c OwnCall) (any, error) { return c.ask(ctx, Returns.Process) }},
	{Action: "status", Instruction: "getReturnStatus", Doc: "Show how far a run is, by runId or caseId.", Effect: Read, Opaque: true, Connects: true,
		Takes: []Param{returnRun, returnCase}, Own: returnStatus},
	{Action: "cancel", Instruction: "cancelReturn", Doc: "Take a run of yours back, before its refund.", Effect: Set, Opaque: true,
		Takes: []Param{returnRun, returnCase, returnReason}, Own: cancelReturn},
}}

// returns are those of the server.
func (c OwnCall) returns() (Returns, error) {
	if c.Server.Returns == nil {
		return nil, &Error{Code: ReturnsOff, Message: "this server drives no returns"}
	}
	return c.Server.Returns, nil
}

// ask asks about the return of a case.
func (c OwnCall) ask(ctx context.Context, what func(Returns, context.Context, allowlist.Caller, Org, ReturnAsk) (any, error)) (any, error) {
	returns, err := c.returns()
	if err != nil {
		return nil, err
	}
	id, err := salesforce.To18(c.string(returnCase))
	if err != nil {
		return nil, returnCase.wrong(err.Error())
	}
	a := ReturnAsk{CaseID: id, Outcome: c.string(returnOutcome), After: c.string(returnAfter), Reasoning: c.Reasoning, Confidence: c.Confidence}
	if a.Outcome == "" {
		a.Outcome = strings.Split(returnOutcome.OneOf, "|")[0]
	}
	lines, _ := c.Args[returnLines.Name].([]any)
	for _, l := range lines { // as returnLine has left them
		line := l.(map[string]any)
		n, err := line["quantity"].(json.Number).Int64()
		if err != nil {
			return nil, err
		}
		a.Lines = append(a.Lines, ReturnLine{Item: line["orderItemId"].(string), Quantity: n})
	}
	if sure, given := c.Args[returnSure.Name]; given {
		if a.Confidence, err = confidenceOf(sure); err != nil {
			return nil, err
		}
	}
	return what(returns, ctx, c.Caller, c.Org, a)
}

// returnLine checks a line of a return, and gives its ID 18 characters.
func (p Param) returnLine(at string, o map[string]any) error {
	for name := range o {
		if name != "orderItemId" && name != "quantity" {
			return p.wrong(fmt.Sprintf("%s has no %s; a line is {orderItemId, quantity}", at, clip(name)))
		}
	}
	item, _ := o["orderItemId"].(string)
	id, err := salesforce.To18(item)
	if err != nil {
		return p.wrong(fmt.Sprintf("%s needs an orderItemId, the ID of a line of the order", at))
	}
	n, _ := o["quantity"].(json.Number)
	if q, err := n.Int64(); err != nil || q < 1 {
		return p.wrong(fmt.Sprintf("%s needs a quantity, a whole number above zero", at))
	}
	o["orderItemId"] = id
	return nil
}

func listReturns(ctx context.Context, c OwnCall) (any, error) {
	returns, err := c.returns()
	if err != nil {
		return nil, err
	}
	limit := int64(50)
	if n, given := c.Args[returnLimit.Name].(json.Number); given {
		if limit, err = n.Int64(); err != nil || limit > mostReturns {
			return nil, returnLimit.wrong(fmt.Sprintf("at most %d", mostReturns))
		}
	}
	return returns.ListOpen(ctx, c.Caller, c.Org, int(limit))
}

// ref is the run that the arguments name.
func (c OwnCall) ref() (ReturnRef, error) {
	ref := ReturnRef{RunID: c.string(returnRun), CaseID: c.string(returnCase)}
	if id, err := salesforce.To18(ref.CaseID); err == nil {
		ref.CaseID = id
	} else if ref.CaseID != "" {
		return ref, returnCase.wrong(err.Error())
	}
	switch {
	case ref.RunID == "" && ref.CaseID == "":
		return ref, &Error{Code: MissingArgument, Message: "name the run: by runId or by caseId"}
	case ref.RunID != "" && ref.CaseID != "":
		return ref, &Error{Code: InvalidArgument, Message: "runId and caseId both name the run; give one"}
	}
	return ref, nil
}

func returnStatus(ctx context.Context, c OwnCall) (any, error) {
	returns, err := c.returns()
	if err != nil {
		return nil, err
	}
	ref, err := c.ref()
	if err != nil {
		return nil, err
	}
	return returns.Status(ctx, c.Caller, c.Org, ref)
}

func cancelReturn(ctx context.Context, c OwnCall) (any, error) {
	returns, err := c.returns()
	if err != nil {
		return nil, err
	}
	ref, err := c.ref()
	if err != nil {
		return nil, err
	}
	return returns.Cancel(ctx, c.Caller, ref, c.string(returnReason))
}

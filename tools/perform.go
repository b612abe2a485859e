package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// streamTimeout bounds a call whose body or answer is streamed. What does not
// move for a while is ended before.
const streamTimeout = time.Hour

// perform does what the intent says and records its outcome, panics included. What
// an earlier call has come to is not done again: it goes the same way from there.
func (s *Server) perform(ctx context.Context, caller allowlist.Caller, intent *audit.Intent, op *Op, args Args, c Call, k *once) (a *answer, err error) {
	// Once it began, a call that changes something is not cut short because its
	// caller hung up: nobody could say whether it was done.
	call := ctx
	if op.Effect != Read {
		call = context.WithoutCancel(ctx)
	}
	timeout := s.timeout() + op.Waits
	if c.Upload != nil || c.Stream != nil && op.Content != JSON {
		timeout = streamTimeout
	}
	call, cancel := context.WithTimeout(call, timeout)
	defer cancel() // after the outcome, which asks whether time was up

	var t trace
	var seen []was
	sent := false
	defer func() {
		if r := recover(); r != nil {
			a, err = nil, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		out := t.outcome(op, args, a)
		var failure *Error
		if err != nil {
			var ours *Error // of a stream, which knows better
			if ended := call.Err(); ended != nil && !errors.As(err, &ours) {
				err = cutShort(ended, op, t)
			}
			visible := *s.visible(intent, err)
			class := ""
			if visible.Status != 0 { // ours are of no class
				class = string(salesforce.ClassOf(string(visible.Code), visible.Status))
			}
			out.Status, out.Code, out.Message = t.failure(op, err, sent), string(visible.Code), visible.Message
			doubt := ""
			if out.Status == audit.Unknown {
				doubt = op.Hints[string(OutcomeUnknown)]
			}
			visible.Hint = op.say(cmp.Or(op.Hints[string(visible.Code)], op.Hints[class], doubt, visible.Hint))
			failure, err = &visible, &visible
		}
		out.Changes = changesOf(seen, a, out.Status)
		s.settle(ctx, k, a, failure, sent, &out)
		if failed := intent.End(ctx, out); failed != nil {
			s.Log.Error().Err(failed).Str("intent", intent.ID()).Msg("outcome not recorded; it is closed as unknown at the next start")
		}
		if err != nil && intent.Approval() != "" && !sent && (op.Effect != Read || len(t) == 0) {
			s.giveBack(ctx, intent)
		}
	}()

	var resp *salesforce.Response
	if k.replays() {
		resp, err = k.again()
	} else {
		resp, err = s.send(call, caller, op, args, c, &t, &sent, &seen)
		err = op.withholdError(err)
	}
	if err != nil {
		return nil, err
	}
	if err := op.withhold(resp); err != nil {
		return nil, err
	}
	if resp.Stream != nil {
		defer func() { _ = resp.Stream.Close() }() // an answer need not be read to its end
		if c.Stream != nil {
			a = &answer{resp: resp}
			return a, a.stream(c.Stream)
		}
	}
	a = op.read(resp, args)
	if err := a.withhold(op); err != nil {
		return nil, err
	}
	a.mend(op)
	s.give(call, caller, op, a)
	failure := a.verdict(op)
	if c.Stream != nil && a.err == nil { // a raw answer says so itself
		a.said, failure = failure, nil
	}
	return a, failure
}

// send gets the credentials and sends what the row says. It notes each exchange,
// whether something was sent that may have changed the org, and what was there before.
func (s *Server) send(ctx context.Context, caller allowlist.Caller, op *Op, args Args, c Call, t *trace, sent *bool, seen *[]was) (*salesforce.Response, error) {
	ours := OwnCall{Server: s, Caller: caller, Args: args, Progress: c.Progress, Reasoning: c.why.reasoning, Confidence: c.why.confidence}
	if op.Own != nil && !op.Connects {
		return ours.answer(ctx, op.Own)
	}

	// Credentials.
	connecting, span := step(ctx, "credentials")
	org, err := s.Orgs.Connect(connecting, caller, t.add)
	stepped(span, err)
	if err != nil {
		return nil, err
	}

	if op.Own != nil {
		ours.Org = prompt{witness{org, sent}}
		return ours.answer(ctx, op.Own)
	}

	// Read what the call is about to change, where the rule asks for it.
	if *seen, err = s.before(ctx, org, caller, op, args); err != nil {
		return nil, err
	}

	// Send.
	org = witness{org, sent}
	if c.Upload == nil && (c.Stream == nil || c.paged) {
		org = prompt{org}
	}
	run := op.Run
	if run == nil {
		run = plain
	}
	return run(ctx, org, op, args)
}

// prompt is an org whose answers we read at once, however long they are.
type prompt struct{ Org }

func (p prompt) Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	again := *r
	again.Prompt = true
	return p.Org.Do(ctx, &again)
}

// largeAnswer is from how many bytes on answers are decoded one at a time: what
// is decoded takes ten times the memory.
const largeAnswer = 1 << 20

// large is held while a large answer is decoded.
var large sync.Mutex

// cutShort is the error of a call whose time was up or whose caller hung up.
func cutShort(ended error, op *Op, t trace) *Error {
	e := &Error{Code: TimedOut, Message: "Salesforce did not answer in time"}
	if errors.Is(ended, context.Canceled) {
		e.Message = "the caller hung up before Salesforce answered"
	}
	if op.Effect != Read && len(t) > 0 {
		e.Hint = "The change may have been made all the same: read the record before trying again."
	}
	return e
}

// visible returns what the caller may see of err, and logs what it may not.
func (s *Server) visible(intent *audit.Intent, err error) *Error {
	e := AsError(err)
	if e.Code == Internal {
		s.Log.Error().Err(err).Str("intent", intent.ID()).Msg("call failed")
	}
	return e
}

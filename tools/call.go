package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"
	oteltrace "go.opentelemetry.io/otel/trace"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// Identity is what is known of who calls before the arguments are read: the
// host that authenticated and the request it sent.
type Identity interface {
	// Identify says who calls and returns the arguments without those in which
	// the host names the caller. The error is an *allowlist.Refusal.
	Identify(args map[string]any) (allowlist.Caller, map[string]any, error)
	// Visible returns the part of the table that the caller is shown: what it may
	// use or, when the agent is not named yet, what any agent of the host may.
	// The error is an *allowlist.Refusal.
	Visible(Table) (Table, error)
	// Refused is told of a message that is refused before it becomes a call:
	// what was wrong with it.
	Refused(what string)
}

// Gate says whether a caller may do something. *allowlist.Gate is one.
type Gate interface {
	Allow(allowlist.Caller, allowlist.Operation) (allowlist.Decision, error)
	// Confirm says whether a person has to approve what is allowed; effects are what
	// its content may do beside the operation's own.
	Confirm(caller allowlist.Caller, op allowlist.Operation, effects ...string) allowlist.Confirmation
	// AllowTouches decides about an operation with all that it touches.
	AllowTouches(allowlist.Caller, allowlist.Operation, []allowlist.Touch) (allowlist.Decision, error)
	// Rule is the rule that both go by; ok is false when there is none for the caller.
	Rule(allowlist.Caller) (rule allowlist.Rule, ok bool)
}

// Orgs connects a caller with its Salesforce org: it gets the credentials and
// makes sure of a token before anything is sent. Sent is told of each HTTP
// exchange.
type Orgs interface {
	Connect(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (Org, error)
}

// A Call is one request to do one operation.
type Call struct {
	Who     Identity
	Surface string         // how it came in: "mcp", "stdio", "instructions" or "results"
	Tool    string         // a tool, or an instruction
	Args    map[string]any // numbers are json.Number

	// Instruction names the operation instead of Tool: it is no tool and has no
	// action.
	Instruction string
	// Upload is the raw body of a row that takes one, beside the arguments.
	Upload *Upload
	// Stream takes an answer that is streamed, as Salesforce sent it, and is
	// called at most once, before the outcome is recorded. With it no answer is
	// shaped for a model: Result.Raw has those that are not streamed.
	Stream func(*salesforce.Response) error

	// Elicits says that the client can ask its user a question. Answer is what they
	// answered to the one that an earlier call of this kind has put.
	Elicits bool
	Answer  *Answer

	paged bool      // Stream reads a page at once, not at the pace of a client
	until time.Time // until when a call with the same idempotency key is waited for; zero is not yet known
	began time.Time // zero is not yet
}

// An Upload is a body that is streamed to Salesforce.
type Upload struct {
	io.Reader
	Size int64 // in bytes; 0 means unknown
}

// A Server answers calls. Its fields are set before the first call and not
// changed. It is safe for concurrent use.
type Server struct {
	Table     Table
	Gate      Gate
	Journal   *audit.Journal
	Orgs      Orgs
	Handles   Handles       // remembers who was given what; nil lets everybody go on with everything
	Results   Results       // remembers large results; nil offers none
	Claims    Claims        // finds earlier calls with the same idempotency key; nil refuses keys
	Sealer    Sealer        // seals what is kept for them; nil refuses keys
	Approvals Approvals     // keeps calls that wait for a person; nil refuses them
	Schemas   *Schemas      // remembers what objects are, for the gate; nil asks each time
	Timeout   time.Duration // bounds one call; 0 means two minutes
	Log       zerolog.Logger
	// Ended, when set, is told of each call when it has ended, whatever it came to.
	Ended func(Ended)
	// Tracer begins the spans of calls; nil begins none. What a call does is in
	// spans of the same provider.
	Tracer oteltrace.Tracer
}

// Call carries out one call. The order of its steps is a security property:
// read it from top to bottom; TestCallOrder pins it. Every error is an *Error.
func (s *Server) Call(ctx context.Context, c Call) (res *Result, err error) {
	var entry audit.Entry
	recorded := true // it has an entry, or needs none
	defer func() {
		if r := recover(); r != nil {
			s.Log.Error().Str("tool", c.Tool).Str("panic", fmt.Sprint(r)).Bytes("stack", debug.Stack()).Msg("call panicked")
			res, err = nil, AsError(nil)
			if !recorded { // nobody tries the gate unseen
				err = s.refuse(ctx, entry, err)
				return
			}
			s.ended(ctx, "", audit.Entry{Surface: c.Surface, Time: c.began, Outcome: audit.Failed}, err)
		}
	}()
	if c.began.IsZero() { // a call that begins anew goes on in its span
		var span oteltrace.Span
		c.began = time.Now()
		ctx, span = s.span(ctx, c)
		defer span.End()
	}

	// Identify. A caller who cannot be identified leaves no entry.
	caller, args, err := c.Who.Identify(c.Args)
	if err != nil {
		err := refusal(NotIdentified, err)
		s.ended(ctx, "", audit.Entry{Surface: c.Surface, Time: c.began, Outcome: audit.Refused}, err)
		return nil, err
	}
	actionName, _ := args[action.Name].(string)
	entry = audit.Entry{Workspace: caller.Workspace, Host: caller.Host, Agent: caller.Agent, User: caller.User, Context: caller.Context,
		Surface: c.Surface, Tool: cmp.Or(c.Tool, c.Instruction), Action: actionName, Time: c.began}
	recorded = false

	// Find the row.
	op, err := s.find(caller, c, actionName)
	if err != nil {
		entry.Arguments = audit.Names(args)
		return nil, s.refuse(ctx, entry, err)
	}
	args, why, unclear := op.motive(args)
	entry.Arguments, entry.Reasoning, entry.Confidence = audit.Redact(args, nil), why.reasoning, why.confidence
	entry.Tool, entry.Action, entry.Instruction, entry.Effect = op.tool, op.Action, op.Instruction, op.Effect.String()

	// Gate the row.
	rule, _ := s.Gate.Rule(caller)
	_, gating := step(ctx, "gate")
	decision, err := s.Gate.Allow(caller, op.operation())
	gating.End()
	entry.Rule = decision.Rule
	if err != nil {
		return nil, s.refuse(ctx, entry, refusal(NotAuthorized, err))
	}
	entry.Decision = audit.DecisionAllowed

	// Check the arguments.
	checked, err := op.checkCall(args, c)
	if err = cmp.Or(unclear, err); err != nil {
		return nil, s.refuse(ctx, entry, err)
	}

	// Gate the handles: nobody goes on with what somebody else began.
	if err := s.mayContinue(ctx, caller, op, checked); err != nil {
		return nil, s.refuse(ctx, entry, err)
	}

	// Gate the content: everything that the call touches, whatever it is wrapped in.
	if err := s.mayTouch(ctx, caller, op, checked, &entry); err != nil {
		return nil, s.refuse(ctx, entry, err)
	}

	// Replay what an earlier call with the same idempotency key has come to.
	if c.until.IsZero() {
		c.until = time.Now().Add(s.timeout())
	}
	k, err := op.once(caller, checked)
	if err == nil {
		err = s.recall(ctx, k, op, c.until)
	}
	if errors.Is(err, errAgain) {
		return s.Call(ctx, c) // the rule may be another one by now
	}
	if err != nil {
		return nil, s.refuse(ctx, entry, err)
	}
	if k != nil {
		entry.Claim, entry.Replay = k.claim, k.intent
	}

	// Confirm: where the rule asks for it, a person approves the call before it is
	// made. What was done before is not approved again.
	if !k.replays() {
		err := s.confirm(ctx, caller, op, checked, k, c, &entry)
		if errors.Is(err, errAgain) {
			return s.Call(ctx, c) // somebody was faster: what becomes of that?
		}
		if err != nil {
			return nil, s.refuse(ctx, entry, err)
		}
		c.Answer = nil // it has taken effect
	}

	// What it takes of the agent's budget.
	entry.Charge, err = op.charge(caller, decision, checked, k)
	if err != nil {
		return nil, s.refuse(ctx, entry, err)
	}

	// One rule decides about a call: where it was changed meanwhile, each of two could
	// have let a part through that the other does not.
	if now, _ := s.Gate.Rule(caller); !reflect.DeepEqual(now, rule) {
		return s.Call(ctx, c)
	}

	// Claim the key, take from the budget, use the approval and record the intent, in
	// one commit: what cannot be recorded is not done.
	recorded = true
	intent, err := s.Journal.Begin(ctx, entry)
	if errors.Is(err, audit.ErrClaimed) {
		return s.Call(ctx, c) // somebody was faster: what becomes of that?
	}
	if errors.Is(err, audit.ErrUsed) {
		return nil, s.refuse(ctx, entry, used(entry.Approval))
	}
	if errors.Is(err, audit.ErrSpent) {
		return nil, s.refuse(ctx, entry, spent(entry.Charge, time.Now()))
	}
	if err != nil {
		return nil, s.unrecorded(ctx, entry, err)
	}
	defer func() {
		if err != nil {
			err = AsError(err).of(cmp.Or(entry.Replay, intent.ID())) // a repetition has the same answer
		}
		entry.Outcome = intent.Outcome()
		s.note(ctx, intent.ID(), entry, err)
	}()
	answer, err := s.perform(ctx, caller, intent, op, checked, c, k)
	if err != nil {
		return nil, err
	}

	// Shape the result.
	if c.Stream != nil {
		return &Result{Raw: answer.resp, Replayed: k.replays()}, nil
	}
	res, err = op.shape(checked, answer)
	if err != nil {
		return nil, s.visible(intent, err)
	}
	s.offer(ctx, caller, op, args, res)
	return res, nil
}

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
	timeout := s.timeout()
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
			class := string(salesforce.ClassOf(string(visible.Code), visible.Status))
			visible.Hint = op.say(cmp.Or(op.Hints[string(visible.Code)], op.Hints[class], visible.Hint))
			out.Status, out.Code, out.Message = t.failure(op, err), string(visible.Code), visible.Message
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
	if op.Own != nil {
		return own(ctx, s, caller, op, args)
	}

	// Credentials.
	connecting, span := step(ctx, "credentials")
	org, err := s.Orgs.Connect(connecting, caller, t.add)
	stepped(span, err)
	if err != nil {
		return nil, err
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

// find returns the row, or an error that names what the caller may use. A
// caller who may use nothing is told that instead.
func (s *Server) find(caller allowlist.Caller, c Call, action string) (*Op, error) {
	op, err := s.Table.look(c, action)
	if err == nil {
		named := *op
		named.manner, named.bare = c.manner(op), c.Stream != nil
		return &named, nil
	}
	visible := s.Table.Only(func(op allowlist.Operation) bool {
		_, err := s.Gate.Allow(caller, op)
		return err == nil
	})
	if len(visible) == 0 {
		if _, refused := s.Gate.Allow(caller, allowlist.Operation{Tool: clip(cmp.Or(c.Tool, c.Instruction)), Action: clip(action)}); refused != nil {
			return nil, refusal(NotAuthorized, refused)
		}
	}
	_, err = visible.look(c, action)
	return nil, err
}

// look finds the row that a call names.
func (t Table) look(c Call, action string) (*Op, error) {
	if c.Instruction != "" {
		return t.Instruction(c.Instruction)
	}
	return t.Find(c.Tool, action)
}

// refuse records a call that is not let through, also when its caller has hung
// up: nobody tries the gate unseen. If that is impossible the caller is told so.
func (s *Server) refuse(ctx context.Context, entry audit.Entry, err error) error {
	e := AsError(err)
	entry.Code, entry.Message = string(e.Code), e.Message
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout())
	defer cancel()
	id, failed := s.Journal.Refuse(ctx, entry)
	if failed != nil {
		return s.unrecorded(ctx, entry, failed)
	}
	e = e.of(id)
	entry.Outcome = audit.Refused
	s.note(ctx, id, entry, e)
	return e
}

// unrecorded is the error of a call that was not made because it could not be
// recorded.
func (s *Server) unrecorded(ctx context.Context, entry audit.Entry, err error) *Error {
	e := &Error{Code: TimedOut, Message: "the call ended before it began; nothing was sent"}
	if ctx.Err() == nil {
		s.Log.Error().Err(err).Msg("audit journal unavailable; the call was not made")
		e = &Error{Code: NotRecorded, Message: "the audit trail cannot be written, so the call was not made",
			Hint: "Try again later; an administrator finds the cause in the server's log."}
	}
	entry.Outcome = audit.Refused
	s.ended(ctx, "", entry, e)
	return e
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return 2 * time.Minute
}

// refusal returns a refusal of package allowlist as an error with a code.
func refusal(code Code, err error) *Error {
	return &Error{Code: code, Message: err.Error()}
}

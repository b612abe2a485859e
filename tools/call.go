package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
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

	// Progress, when set, is told of an answer while it comes. It is not called once
	// the call has ended.
	Progress func(text string)

	// Elicits says that the client can ask its user a question. Answer is what they
	// answered to the one that an earlier call of this kind has put.
	Elicits bool
	Answer  *Answer

	why   motive    // what the agent says of why it makes the call
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
	Table      Table
	Gate       Gate
	Journal    *audit.Journal
	Orgs       Orgs
	Handles    Handles       // remembers who was given what; nil lets everybody go on with everything
	Results    Results       // remembers large results; nil offers none
	Claims     Claims        // finds earlier calls with the same idempotency key; nil refuses keys
	Sealer     Sealer        // seals what is kept for them; nil refuses keys
	Approvals  Approvals     // keeps calls that wait for a person; nil refuses them
	Returns    Returns       // drives returns; nil where there are none
	Agentforce *Agentforce   // speaks with agents; nil where that is not done
	Schemas    *Schemas      // remembers what objects are, for the gate; nil asks each time
	Timeout    time.Duration // bounds one call; 0 means two minutes
	Log        zerolog.Logger
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
	c.why = why
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

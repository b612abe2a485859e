package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
)

// maxAsked is how many bytes the arguments may have that a person is to approve.
const maxAsked = 1 << 20

// every are the effects that the content of a row may have of which nothing is
// known.
var every = []Effect{Add, Set, Remove, Act}

// effects are what a call may do, in the words of rules: the row's own effect, and
// those that its content may have.
func (op *Op) effects(args Args) []string {
	may := []Effect{op.Effect}
	_, upserts := op.param(external.Name)
	switch {
	case op.Carries != nil:
		may = append(may, op.Carries(args)...)
	case op.Effect == Act:
		may = every
	case op.Effect == Set && upserts:
		may = append(may, Add)
	}
	names := make([]string, len(may))
	for i, e := range may {
		names[i] = e.String()
	}
	return names
}

// carried are the operations of requests inside a call, and their tools, in the words
// of rules: of each request all rows that have its method and path. One that might be
// another than these say, or is of no row, could be any.
func (t Table) carried(op *Op, args Args) (names []string) {
	for _, p := range op.params() {
		list, _ := args[p.Name].([]any)
		if !slices.Contains([]Form{Subrequests, BatchRequests, Graphs}, p.Form) {
			continue
		}
		if p.Form == Graphs {
			var all []any
			for _, graph := range list {
				requests, _ := graph.(map[string]any)[subrequests.Name].([]any)
				all = append(all, requests...)
			}
			list = all
		}
		for _, e := range list {
			names = append(names, t.candidates(e.(map[string]any))...)
		}
	}
	return names
}

// candidates are the rows that have the method and the path of a request, and their
// tools. A parameter can stand for another method (Salesforce's _HttpMethod).
func (t Table) candidates(request map[string]any) (names []string) {
	method := text(request["method"])
	m := insideURL.FindStringSubmatch(text(request["url"]))
	plain := m != nil && (m[2] == "" || method == "GET" || method == "DELETE")
	if m != nil {
		parameters, err := url.ParseQuery(m[2])
		plain = plain && err == nil
		for name := range parameters {
			plain = plain && !strings.HasPrefix(name, "_")
		}
	}
	for name := range request {
		plain = plain && slices.Contains(insideMembers, name)
	}
	headers, _ := request["httpHeaders"].(map[string]any)
	for name := range headers {
		plain = plain && slices.Contains(insideHeaders, strings.ToLower(name))
	}
	named, any := []string{}, []string{}
	for _, tool := range t {
		for i := range tool.Ops {
			op := &tool.Ops[i]
			any = append(any, op.tool, op.tool+"."+op.Action)
			if plain && op.hasPath(method, m[1]) {
				plain = !op.carries()
				named = append(named, op.tool, op.tool+"."+op.Action)
			}
		}
	}
	if !plain || len(named) == 0 {
		return any
	}
	return named
}

// hasPath reports whether a request could be the row's: anything may stand in a hole.
func (op *Op) hasPath(method, path string) bool {
	verb, pattern, _ := strings.Cut(op.Call, " ")
	parts, segments := strings.Split(strings.TrimSuffix(pattern, "/"), "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if verb != method || len(parts) != len(segments) {
		return false
	}
	for i, part := range parts {
		segment, err := url.PathUnescape(segments[i])
		hole := holeRE.FindStringSubmatch(part)
		if err != nil || hole == nil && !strings.EqualFold(part, segment) {
			return false
		}
		if hole != nil && !eventRE.MatchString(segment) {
			if p, _ := op.param(hole[1]); p.Form == EventName {
				return false
			}
		}
	}
	return true
}

// confirm lets a call go on that nobody has to approve, or that a person has
// approved: the entry then has the approval, which is used with the intent. All else
// is parked until a person decides; the error says so, or what they decided. What an
// agent says in its arguments, headers or _meta decides nothing. The error is errAgain
// when another call with the same idempotency key was made meanwhile.
//
// An approval is bound to workspace, host, agent, user, instruction and arguments.
// The idempotency key is none of them: it says which sending this is and not what is
// done, and since an approval is used once, another key sends nothing twice.
func (s *Server) confirm(ctx context.Context, caller allowlist.Caller, op *Op, args Args, k *once, c Call, entry *audit.Entry) error {
	need := s.Gate.Confirm(caller, op.operation(), append(op.effects(args), s.Table.carried(op, args)...)...)
	if !need.Needed {
		return nil
	}
	if s.Approvals == nil || s.Sealer == nil {
		return &Error{Code: ApprovalRequired, Message: "a person has to approve this call, and this server keeps no approvals: nothing was sent"}
	}
	if c.Upload != nil {
		return &Error{Code: InvalidArgument, Message: "a person has to approve this call, and a body that is streamed is not known before it is sent: give the rows as an argument"}
	}
	asked, err := op.asked(args)
	if err != nil {
		return err
	}
	if len(asked) > maxAsked {
		return &Error{Code: InvalidArgument, Message: fmt.Sprintf("a person has to approve this call and read its arguments, of %d bytes: they may have %d", len(asked), maxAsked),
			Hint: "Split the call."}
	}
	sum := sha256.Sum256(asked)
	call := AskedCall{Workspace: caller.Workspace, Host: caller.Host, Agent: caller.Agent, User: caller.User, Instruction: op.Instruction, Digest: hex.EncodeToString(sum[:])}
	entry.Digest = call.Digest
	if c.Answer != nil && need.Elicits {
		if err := s.answered(ctx, call, c, entry); err != nil {
			return err
		}
	}
	a, found, err := s.Approvals.OpenApproval(ctx, call)
	if err == nil && a.State != Approved && s.claimed(ctx, k) {
		return errAgain
	}
	if err == nil && !found {
		a, err = s.park(ctx, call, op, asked, *entry, need)
	}
	if err != nil {
		return s.unparked(err)
	}
	entry.Approval = a.ID
	switch a.State {
	case Approved:
		entry.Consent = &audit.Consent{ID: a.ID}
		return nil
	case Denied:
		return denied(a)
	}
	return s.waits(ctx, a, op, need, c)
}

// claimed reports whether another call with the same idempotency key was faster: it
// may have used the approval since this one looked whether it had been made.
func (s *Server) claimed(ctx context.Context, k *once) bool {
	if k == nil {
		return false
	}
	_, found, err := s.Claims.Claim(ctx, k.scope)
	return err == nil && found
}

// park keeps a call until a person has decided.
func (s *Server) park(ctx context.Context, call AskedCall, op *Op, asked []byte, entry audit.Entry, need allowlist.Confirmation) (Approval, error) {
	a := Approval{AskedCall: call, Context: entry.Context, Tool: op.tool, Action: op.Action, Effect: op.Effect.String(),
		Arguments: entry.Arguments, Reasoning: entry.Reasoning, Confidence: entry.Confidence, Rule: entry.Rule}
	return Ask(ctx, s.Approvals, s.Sealer, a, asked, need.Within)
}

// Ask keeps an approval that waits for so long until a person has decided, or returns
// the one of that call that is open. All of the arguments are sealed; those in the
// approval are what lists show of them.
func Ask(ctx context.Context, kept interface {
	AskApproval(context.Context, Approval) (Approval, error)
}, sealer Sealer, a Approval, arguments []byte, within time.Duration) (Approval, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	a.ID, a.State, a.Reasoning, a.Requested, a.Expires = uuid.Must(uuid.NewV7()).String(), Waiting, cutText(a.Reasoning), now, now.Add(within)
	var err error
	if a.Sealed, err = sealer.Seal(ctx, a.Workspace, sealedName(a.ID), arguments); err != nil {
		return a, err
	}
	return kept.AskApproval(ctx, a)
}

// cutText is as much of an agent's words as a person is shown.
func cutText(s string) string {
	s = strings.ReplaceAll(s, "\x00", "\uFFFD") // which Postgres refuses
	if len(s) <= MaxNote {
		return s
	}
	return strings.ToValidUTF8(s[:MaxNote], "") + "…"
}

// unparked is the error of a call of which nobody can be asked.
func (s *Server) unparked(err error) *Error {
	if errors.Is(err, ErrManyWait) {
		return &Error{Code: ManyApprovals, Message: fmt.Sprintf("%d calls of this agent wait for a person already; this one was not made and waits for nobody", MaxWaiting),
			Hint: "Wait until some are decided (tool approvals, action list), then repeat the call."}
	}
	s.Log.Error().Err(err).Msg("approvals cannot be read or kept; the call was not made")
	return &Error{Code: NotRecorded, Message: "a person has to approve this call, and approvals cannot be read or kept now: nothing was sent",
		Hint: "Try again later; an administrator finds the cause in the server's log."}
}

// waits is the error of a call that waits for a person. One whose host can ask that
// person has the question with it.
func (s *Server) waits(ctx context.Context, a Approval, op *Op, need allowlist.Confirmation, c Call) *Error {
	e := &Error{Code: ApprovalRequired, ApprovalID: a.ID, ExpiresAt: a.Expires.Format(time.RFC3339),
		Message: fmt.Sprintf("A person has to approve this call first. It waits for that until %s; nothing was sent", a.Expires.Format(time.RFC3339)),
		Hint: op.say(fmt.Sprintf("See what became of it: tool approvals, action get, approvalId %s. Once it is approved repeat the identical call, which is then made once; "+
			"with other arguments it would be another call.", a.ID))}
	if c.Elicits && need.Elicits && c.Answer == nil {
		e.ask = s.question(ctx, a)
	}
	return e
}

// denied is the error of a call that a person does not want.
func denied(a Approval) *Error {
	e := &Error{Code: ApprovalDenied, ApprovalID: a.ID, Message: "A person has denied this call; nothing was sent",
		Hint: "Do not try to reach the same in another way. It can be asked for again after " + a.Expires.Format(time.RFC3339) + "."}
	if a.Note != "" {
		e.Message += ". They say: " + cell(a.Note)
	}
	return e
}

// used is the error of a call whose approval another call was faster to use.
func used(a string) *Error {
	return &Error{Code: ApprovalUsed, ApprovalID: a, Message: "the approval of this call was used by another one like it, or its time is over; nothing was sent",
		Hint: "Each call needs an approval of its own: if this is to be done once more, repeat the call to ask for it."}
}

// giveBack makes an approval usable again whose call was provably not made. If that
// fails the agent needs another one.
func (s *Server) giveBack(ctx context.Context, intent *audit.Intent) {
	if err := s.Approvals.GiveBack(context.WithoutCancel(ctx), intent.Approval(), intent.ID()); err != nil {
		s.Log.Error().Err(err).Str("intent", intent.ID()).Msg("an approval could not be given back; its call needs another one")
	}
}

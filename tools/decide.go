package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns"
)

// MaxNote is how many bytes a person may say about a decision.
const MaxNote = 2000

// A Verdict is what a person decides on a call that waits.
type Verdict struct {
	Approve bool
	By      string   // who decides
	Names   []string // by which hosts may call them as well, for the comparison with the call's user
	Note    string   // what they say, which the agent reads
	Surface string   // how they decide: "admin", "command", or the surface of the call
	Asked   bool     // its own person was asked, through a host that may: no second person is needed
}

// action is the verdict as an action of the audit trail.
func (v Verdict) action() string {
	if v.Approve {
		return "approve"
	}
	return "deny"
}

// is reports whether who decides goes by a name, in any case of letters.
func (v Verdict) is(user string) bool {
	return user != "" && slices.ContainsFunc(append([]string{v.By}, v.Names...), func(name string) bool { return strings.EqualFold(name, user) })
}

// Decide records what a person decides on a call that waits, and lets it take
// effect in the same commit. Whoever decides is not the person for whom the agent
// asked, whatever the case of the name. The run that has asked for an approval goes on
// with the same commit, and a verdict on one that does not wait is none. It returns the
// approval as it is then; every error is an *Error.
func Decide(ctx context.Context, journal *audit.Journal, kept Approvals, workspace, id string, v Verdict) (Approval, error) {
	if v.By == "" || len(v.By) > maxKey || strings.TrimSpace(v.By) != v.By {
		return Approval{}, &Error{Code: InvalidArgument, Message: "the name of who decides must have 1 to 255 characters, without blanks around them"}
	}
	if len(v.Note) > MaxNote || !utf8.ValidString(v.Note) || strings.ContainsRune(v.Note, 0) {
		return Approval{}, &Error{Code: InvalidArgument, Message: fmt.Sprintf("the note must be text of at most %d bytes", MaxNote)}
	}
	a, found, err := kept.Approval(ctx, workspace, id)
	if err != nil {
		return Approval{}, err
	}
	if !found {
		return Approval{}, noApproval()
	}
	arguments := map[string]any{"approvalId": a.ID, "instruction": a.Instruction}
	if v.Note != "" {
		arguments["note"] = v.Note
	}
	entry := audit.Entry{Workspace: a.Workspace, Host: a.Host, Agent: a.Agent, User: a.User, Context: a.Context, Surface: v.Surface,
		Tool: ApprovalsTool.Name, Action: v.action(), Decision: audit.DecisionAllowed, Rule: a.Rule,
		Run: a.Run, Approval: a.ID, Digest: a.Digest, By: v.By, Arguments: audit.Redact(arguments, nil)}
	switch {
	case !v.Asked && v.is(a.User):
		err = &Error{Code: FourEyes, ApprovalID: a.ID, Message: "the agent asked this for " + cell(clip(a.User)) + ", who cannot decide about it: somebody else has to"}
	case a.State != Waiting:
		err = decided(a)
	case a.Run != "":
		_, err = v.move(ctx, kept, a)
	}
	if err != nil {
		e := AsError(err)
		entry.Code, entry.Message, entry.Decision = string(e.Code), e.Message, audit.DecisionRefused
		if _, failed := journal.Refuse(ctx, entry); failed != nil {
			return Approval{}, unwritten(failed)
		}
		return Approval{}, err
	}
	intent, err := journal.Begin(ctx, entry)
	if err != nil {
		return Approval{}, unwritten(err)
	}
	if err := v.end(ctx, intent, kept, a); err != nil {
		return Approval{}, err
	}
	a, _, err = kept.Approval(ctx, workspace, id)
	return a, err
}

// endTries is how often a verdict is tried on a run that moves meanwhile.
const endTries = 5

// end ends the intent of a verdict, which takes effect, or with why it does not.
func (v Verdict) end(ctx context.Context, intent *audit.Intent, kept Approvals, a Approval) (err error) {
	for range endTries {
		out := audit.Outcome{Status: audit.OK, Verdict: &audit.Verdict{Approved: v.Approve, Note: v.Note}}
		if a.Run != "" {
			if out.Move, err = v.move(ctx, kept, a); err != nil {
				break
			}
		}
		ended := intent.End(ctx, out)
		if errors.Is(ended, audit.ErrDecided) {
			if a, _, err = kept.Approval(ctx, a.Workspace, a.ID); err == nil {
				err = decided(a)
			}
			break
		}
		if !errors.Is(ended, audit.ErrMoved) {
			return unwritten(ended)
		}
		err = underWay(a)
	}
	e := AsError(err)
	if failed := intent.End(ctx, audit.Outcome{Status: audit.Failed, Code: string(e.Code), Message: e.Message}); failed != nil {
		return unwritten(failed)
	}
	return err
}

// move is how the run goes on that has asked for an approval.
func (v Verdict) move(ctx context.Context, kept Approvals, a Approval) (*audit.Move, error) {
	r, found, err := kept.Run(ctx, a.Workspace, a.Run)
	if err != nil {
		return nil, err
	}
	if found && r.Status == returns.Running {
		return nil, underWay(a)
	}
	answer, err := encode(returns.Answer{ApprovalID: a.ID, Approve: v.Approve, By: v.By, Note: v.Note})
	if err != nil {
		return nil, err
	}
	m, err := returns.Answered(r, answer)
	if err != nil {
		return nil, &Error{Code: NotWaiting, ApprovalID: a.ID, Message: fmt.Sprintf("the run %s does not wait for this approval any more: it is %s", a.Run, cmp.Or(r.Status, "not there"))}
	}
	return &m, nil
}

// underWay is the error of a decision on a run that is at work.
func underWay(a Approval) *Error {
	return &Error{Code: NotWaiting, ApprovalID: a.ID, Message: fmt.Sprintf("the run %s is at work now, and does not wait for this approval: look at it again in a moment", a.Run)}
}

// noApproval is the error for an approval that there is not, or that is another's.
func noApproval() *Error {
	return &Error{Code: NoApproval, Message: "there is no such approval", Hint: "Approvals are kept for 30 days."}
}

// decided is the error of a decision that comes too late.
func decided(a Approval) *Error {
	return &Error{Code: NotWaiting, ApprovalID: a.ID, Message: fmt.Sprintf("the approval %s does not wait any more: it is %s", a.ID, a.State)}
}

// unwritten is the error of a decision that could not be recorded.
func unwritten(err error) error {
	if errors.Is(err, audit.ErrUnavailable) {
		return &Error{Code: NotRecorded, Message: "the audit trail cannot be written, so nothing was decided: " + err.Error()}
	}
	return err
}

package returns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"salesforce-mcp/audit"
)

// The errors of what a person wants of a run.
var (
	ErrNoRun  = errors.New("there is no such run")
	ErrEnded  = errors.New("the run has ended")
	ErrNote   = errors.New("the note must be text of at most 2000 bytes")
	ErrCannot = errors.New("that cannot be done with this run now")
)

// An Answer is what a person has decided on the approval that a run waits for, as the
// step reads it that has asked (Attempt.Answer).
type Answer struct {
	ApprovalID string `json:"approvalId"`
	Approve    bool   `json:"approve"`
	By         string `json:"by"`
	Note       string `json:"note"`
}

// Answered returns the move of a run that waits when a person has answered (JSON):
// the step that has asked is called again with it. It is an error when the run waits
// for nobody.
func Answered(r audit.Run, answer []byte) (audit.Move, error) {
	if r.Status != Waiting {
		return audit.Move{}, fmt.Errorf("%w: the run waits for nobody, it is %s", ErrCannot, r.Status)
	}
	r.Status, r.Answer = Running, answer
	return audit.Move{To: r}, nil
}

// Parked reports whether a run waits without having asked anything: its step has
// failed, and is tried again when a person wants that.
func Parked(r audit.Run, steps map[string]audit.Step) bool {
	return r.Status == Waiting && steps[r.At].State != stepWaiting
}

// Retried returns the move of a run that is parked when a person wants its step tried
// again.
func Retried(r audit.Run, steps map[string]audit.Step) (audit.Move, error) {
	switch {
	case Ended(r.Status):
		return audit.Move{}, fmt.Errorf("%w: it is %s", ErrEnded, r.Status)
	case r.Status != Waiting:
		return audit.Move{}, fmt.Errorf("%w: it is %s, and tried again by itself", ErrCannot, r.Status)
	case !Parked(r, steps):
		return audit.Move{}, fmt.Errorf("%w: it waits for an answer to what step %s has asked, or for its time", ErrCannot, r.At)
	}
	r.Status, r.Tries, r.Answer = Running, 0, nil
	return audit.Move{To: r}, nil
}

// TakenBack returns the move of a run that a person cancels, for a reason (JSON): it
// goes back, whichever steps there are to put back, and ends as cancelled. A worker
// that has it has noticed within its lease; one that waits is had by nobody who does
// anything, and goes back at once. It is an error once the refund is made, or
// may have been.
func TakenBack(r audit.Run, lease time.Duration, reason []byte) (audit.Move, error) {
	switch {
	case Ended(r.Status):
		return audit.Move{}, fmt.Errorf("%w: it is %s", ErrEnded, r.Status)
	case r.Pivot == pivotPassed:
		return audit.Move{}, fmt.Errorf("%w: its refund is made, and there is no way back from it", ErrCannot)
	case r.Pivot != "":
		return audit.Move{}, fmt.Errorf("%w: its refund may be done already, and that is being found out", ErrCannot)
	case r.Status == Undoing:
		return audit.Move{}, fmt.Errorf("%w: it is going back already", ErrCannot)
	}
	if r.Status == Waiting {
		lease = 0
	}
	r.Status, r.Goal, r.Reason, r.Tries, r.Answer = Undoing, Cancelled, reason, 0, nil
	return audit.Move{To: r, Wake: lease}, nil
}

// Runs are runs to be looked at.
type Runs interface {
	Run(ctx context.Context, workspace, id string) (r audit.Run, ok bool, err error)
	Steps(ctx context.Context, run string) (map[string]audit.Step, error)
}

// A Hand is that of a person who moves a run without its engine, beside it.
type Hand struct {
	By      string // who it is
	Surface string // how they do it: "admin" or "command"
	Note    string // what they say
}

// maxNote is how many bytes a note may have.
const maxNote = 2000

func (h Hand) check() error {
	if len(h.Note) > maxNote || !utf8.ValidString(h.Note) || strings.ContainsRune(h.Note, 0) {
		return ErrNote
	}
	return nil
}

// Retry has the step of a parked run tried again and returns the run. The error is
// ErrNote, ErrNoRun, ErrEnded, ErrCannot, or that it cannot be recorded.
func (h Hand) Retry(ctx context.Context, j *audit.Journal, runs Runs, workspace, id string) (audit.Run, error) {
	if err := h.check(); err != nil {
		return audit.Run{}, err
	}
	return byHand(ctx, j, runs, workspace, id, h.entry("retry"), Retried)
}

// Cancel takes a run back and returns it. The steps that are done are put back by the
// next worker, at the earliest after the lease (0 is the default) of one that has the
// run now. The errors are those of Retry.
func (h Hand) Cancel(ctx context.Context, j *audit.Journal, runs Runs, workspace, id string, lease time.Duration) (audit.Run, error) {
	if err := h.check(); err != nil {
		return audit.Run{}, err
	}
	if lease <= 0 {
		lease = defaultLease
	}
	reason, err := json.Marshal(Cancellation{By: h.By, Note: h.Note})
	if err != nil {
		return audit.Run{}, err
	}
	return byHand(ctx, j, runs, workspace, id, h.entry("cancel"), func(r audit.Run, _ map[string]audit.Step) (audit.Move, error) {
		return TakenBack(r, lease, reason)
	})
}

// A Cancellation is the reason of a run that a person has cancelled.
type Cancellation struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

func (h Hand) entry(action string) func(audit.Run) audit.Entry {
	return func(r audit.Run) audit.Entry {
		arguments := map[string]any{"runId": r.ID}
		if h.Note != "" {
			arguments["note"] = h.Note
		}
		return audit.Entry{Run: r.ID, Workspace: r.Workspace, Surface: h.Surface, Tool: tool, Action: action, Effect: "act",
			Decision: audit.DecisionAllowed, By: h.By, Arguments: audit.Redact(arguments, nil)}
	}
}

// handTries is how often a person's move is tried on a run that a worker moves
// meanwhile.
const handTries = 20

// byHand makes a move that a person wants, on the run as it is now, and returns the run
// after it.
func byHand(ctx context.Context, j *audit.Journal, runs Runs, workspace, id string, entry func(audit.Run) audit.Entry,
	move func(audit.Run, map[string]audit.Step) (audit.Move, error)) (audit.Run, error) {
	for range handTries {
		r, ok, err := runs.Run(ctx, workspace, id)
		if err != nil {
			return r, err
		}
		if !ok {
			return r, fmt.Errorf("%w: workspace %s has none with the ID %s", ErrNoRun, workspace, id)
		}
		if Ended(r.Status) {
			return r, fmt.Errorf("%w: it is %s", ErrEnded, r.Status)
		}
		steps, err := runs.Steps(ctx, id) // if they have changed since, so has the run's turn
		if err != nil {
			return r, err
		}
		m, err := move(r, steps)
		if err != nil {
			return r, err
		}
		e := entry(r)
		e.Move = &m
		intent, err := j.Begin(ctx, e)
		if errors.Is(err, audit.ErrMoved) {
			continue
		}
		if err != nil {
			return r, err
		}
		m.To.Turn++
		return m.To, intent.End(ctx, audit.Outcome{Status: audit.OK})
	}
	return audit.Run{}, fmt.Errorf("%w: it moves all the time, try again", ErrCannot)
}

package returns

import (
	"context"
	"errors"
	"sync"
	"time"

	"salesforce-mcp/audit"
)

// A Ledger keeps runs. Moves reach it with their entries, through the journal.
type Ledger interface {
	// ClaimRun takes a run that is to go on and that nobody has, for the length of a
	// lease; ok is false when there is none.
	ClaimRun(ctx context.Context, kind string, lease time.Duration) (r audit.Run, ok bool, err error)
	// KeepRun extends a lease. It is false when the run has moved since that turn.
	KeepRun(ctx context.Context, id string, turn int64, lease time.Duration) (bool, error)
	Run(ctx context.Context, workspace, id string) (r audit.Run, ok bool, err error)
	FindRun(ctx context.Context, workspace, kind, subject string, generation int64) (r audit.Run, ok bool, err error)
	Steps(ctx context.Context, run string) (map[string]audit.Step, error)
}

// An Engine drives the runs of a flow. Its fields are set before it is used; it is
// safe for concurrent use, and there may be any number of them, in any number of
// processes, over one ledger.
type Engine struct {
	Flow     Flow
	Ledger   Ledger
	Journal  *audit.Journal
	Patience Patience
	Lease    time.Duration // default 10 s; a worker that is still for longer loses its run
	Poll     time.Duration // how often an idle worker looks; default 1 s
	Grace    time.Duration // how long a worker that is to stop goes on with the attempt it is in; default 30 s
	// Entry returns who a run is for, as its audit entries say. nil: they do not say.
	Entry func(audit.Run) audit.Entry
	// Trouble is told of what fails apart from steps: the ledger or the journal. nil
	// is nobody.
	Trouble func(error)

	began  sync.Once
	nudged chan struct{} // a run was started here: an idle worker looks at once
}

// nudges is the channel that wakes an idle worker.
func (e *Engine) nudges() chan struct{} {
	e.began.Do(func() { e.nudged = make(chan struct{}, 1) })
	return e.nudged
}

// tool is the name under which the audit trail has what runs do.
const tool = "returns"

const (
	defaultLease = 10 * time.Second
	defaultPoll  = time.Second
	defaultGrace = 30 * time.Second // as long as a server that stops waits for its calls
)

func (e *Engine) lease() time.Duration {
	if e.Lease > 0 {
		return e.Lease
	}
	return defaultLease
}

func (e *Engine) grace() time.Duration {
	if e.Grace > 0 {
		return e.Grace
	}
	return defaultGrace
}

// entry is what an audit entry of a run begins with.
func (e *Engine) entry(r audit.Run) (entry audit.Entry) {
	if e.Entry != nil {
		entry = e.Entry(r)
	}
	entry.Run, entry.Workspace, entry.Tool, entry.Effect = r.ID, r.Workspace, tool, "act"
	return entry
}

// Start starts a run and returns it, or the one that there is of the same workspace,
// subject and generation; then fresh is false. The ID is the caller's, a new UUID; the
// run goes on with the next worker. The error wraps [audit.ErrUnavailable] or is of the
// ledger.
func (e *Engine) Start(ctx context.Context, r audit.Run) (started audit.Run, fresh bool, err error) {
	if there, ok, err := e.Ledger.FindRun(ctx, r.Workspace, e.Flow.Kind, r.Subject, r.Generation); ok || err != nil {
		return there, false, err
	}
	r.Kind, r.Status, r.At, r.Turn = e.Flow.Kind, Running, e.Flow.Steps[0].Name, 0
	entry := e.entry(r)
	entry.Action, entry.Move = "process", &audit.Move{To: r}
	intent, err := e.Journal.Begin(ctx, entry)
	if errors.Is(err, audit.ErrMoved) { // another was faster
		there, _, err := e.Ledger.FindRun(ctx, r.Workspace, e.Flow.Kind, r.Subject, r.Generation)
		return there, false, err
	}
	if err != nil {
		return r, false, err
	}
	r.Turn = 1
	select {
	case e.nudges() <- struct{}{}:
	default: // a worker is about to look anyway
	}
	return r, true, intent.End(ctx, audit.Outcome{Status: audit.OK})
}

// Decide gives a run that waits the answer of a person, whose name goes into the audit
// trail; the step that asked is called again with it. Of two who decide one does.
func (e *Engine) Decide(ctx context.Context, workspace, id, by string, answer []byte) error {
	return e.person(ctx, workspace, id, by, "decide", func(r audit.Run, _ map[string]audit.Step) (audit.Move, error) {
		return Answered(r, answer)
	})
}

// Cancel takes a run back, for a reason (JSON): what it has done is put back. The
// error is ErrCannot once the refund is made, or may have been, and ErrEnded when the run
// has ended.
func (e *Engine) Cancel(ctx context.Context, workspace, id, by string, reason []byte) error {
	return e.person(ctx, workspace, id, by, "cancel", func(r audit.Run, steps map[string]audit.Step) (audit.Move, error) {
		m, err := TakenBack(r, e.lease(), reason)
		if err != nil {
			return m, err
		}
		m.To = e.Flow.back(r, e.Flow.index(r.At), steps, Cancelled, reason, steps[r.At].State).To // which may be its end
		return m, nil
	})
}

// person makes a move that a person wants.
func (e *Engine) person(ctx context.Context, workspace, id, by, action string, move func(audit.Run, map[string]audit.Step) (audit.Move, error)) error {
	_, err := byHand(ctx, e.Journal, e.Ledger, workspace, id, func(r audit.Run) audit.Entry {
		entry := e.entry(r)
		entry.Action, entry.By = action, by
		return entry
	}, move)
	return err
}

// Work drives runs until ctx ends, one at a time. An attempt that is under way then is
// finished and recorded, if it ends within the grace, so that stopping leaves no doubt;
// the run goes on with another worker.
func (e *Engine) Work(ctx context.Context) {
	poll := e.Poll
	if poll <= 0 {
		poll = defaultPoll
	}
	for ctx.Err() == nil {
		worked, err := e.Once(ctx)
		if err != nil && ctx.Err() == nil && e.Trouble != nil {
			e.Trouble(err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-e.nudges():
		case <-time.After(poll):
		}
	}
}

// Once takes a run that is to go on and drives it until it ends, waits, or is
// another's, or ctx has ended, as of Work; worked is false when there was none. The
// error is of the ledger or the journal; the run is then left to whoever takes it next.
func (e *Engine) Once(ctx context.Context) (worked bool, err error) {
	taken := time.Now()
	r, ok, err := e.Ledger.ClaimRun(ctx, e.Flow.Kind, e.lease())
	if !ok || err != nil {
		return false, err
	}
	ctx, h := e.hold(ctx, r, taken)
	defer h.release()
	err = e.drive(ctx, h, r)
	if errors.Is(err, audit.ErrMoved) || errors.Is(err, audit.ErrEnded) {
		err = nil // another has it
	}
	return true, err
}

package returns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"salesforce-mcp/audit"
)

// drive does step after step of a run until it ends, waits, or is another's, or the
// worker is to stop.
func (e *Engine) drive(ctx context.Context, h *hold, r audit.Run) error {
	for !h.stopping() {
		steps, err := e.Ledger.Steps(ctx, r.ID)
		if err != nil {
			return err
		}
		i := e.Flow.index(r.At)
		if i < 0 {
			return fmt.Errorf("run %s is at step %q, which this version does not have", r.ID, r.At)
		}
		var wake time.Duration
		if r.Status == Undoing {
			r, wake, err = e.undo(ctx, h, r, i, steps)
		} else {
			r, wake, err = e.do(ctx, h, r, i, steps)
		}
		if err == nil && r.Escalated && !h.stopping() && e.Flow.Escalate != nil && steps[escalation(r)].State != stepDone {
			r, err = e.escalate(ctx, h, r, steps, wake)
		}
		if err != nil || wake != 0 || Ended(r.Status) || r.Status == Waiting {
			return err
		}
	}
	return nil
}

// do makes an attempt at step number i, and returns the run after it and how long it
// waits then.
func (e *Engine) do(ctx context.Context, h *hold, r audit.Run, i int, steps map[string]audit.Step) (audit.Run, time.Duration, error) {
	s := e.Flow.Steps[i]
	doubt := unsure(steps[s.Name].State)
	late := r.Status == Waiting
	r.Status = Running
	if s.Pivot && r.Pivot == "" {
		r.Pivot = pivotBegun
	}
	return e.attempt(ctx, h, r, s, s.Name, steps, late, func(r audit.Run, res Result, err error) audit.Move {
		return e.Flow.settle(e.patience(), r, i, steps, doubt, res, err)
	})
}

// undo makes an attempt to put step number i back.
func (e *Engine) undo(ctx context.Context, h *hold, r audit.Run, i int, steps map[string]audit.Step) (audit.Run, time.Duration, error) {
	s := e.Flow.Steps[i]
	back := Step{Kind: Read, Do: s.Undo}                                                    // repeated freely
	if state := steps[s.Name].State; s.Undo == nil || state != stepDone && !unsure(state) { // where a person has stopped it
		back.Do = func(context.Context, Attempt) (Result, error) { return Result{}, nil }
	}
	return e.attempt(ctx, h, r, back, "undo "+s.Name, steps, false, func(r audit.Run, _ Result, err error) audit.Move {
		return e.Flow.settleUndo(e.patience(), r, i, steps, err)
	})
}

// escalation is the name of the step that tells a person of where a run is stuck.
func escalation(r audit.Run) string { return "escalate " + r.At }

// escalate makes an attempt to tell a person, who is told once for each step. It keeps
// nothing else from going on: the run waits as long as it would without it.
func (e *Engine) escalate(ctx context.Context, h *hold, r audit.Run, steps map[string]audit.Step, wake time.Duration) (audit.Run, error) {
	r, _, err := e.attempt(ctx, h, r, *e.Flow.Escalate, escalation(r), steps, false, func(r audit.Run, res Result, err error) audit.Move {
		m := audit.Move{To: r, Wake: wake, Step: &audit.Step{State: stepDone, Result: res.Data}}
		if err != nil {
			m.Step.State = stepUnknown
		}
		return m
	})
	return r, err
}

func (e *Engine) patience() Patience { return e.Patience.withDefaults() }

// Key is the name under which the other side knows a step. A retry does not change it,
// whoever makes it.
func Key(r audit.Run, step string) string {
	return "ret/" + r.Workspace + "/" + r.Subject + "/" + step + "/" + strconv.FormatInt(r.Generation, 10)
}

// attempt records that a step is made, makes it, and records the move that settle
// makes of what came of it.
func (e *Engine) attempt(ctx context.Context, h *hold, r audit.Run, s Step, name string, steps map[string]audit.Step, late bool,
	settle func(audit.Run, Result, error) audit.Move) (audit.Run, time.Duration, error) {
	before := steps[name]
	a := Attempt{Run: r, Number: before.Attempt + 1, Key: Key(r, name), Results: map[string][]byte{}, Answer: r.Answer, Late: late}
	if len(r.Answer) == 0 {
		a.Answer = nil
	}
	for _, t := range steps {
		if t.State == stepDone {
			a.Results[t.Name] = t.Result
		}
	}
	row := audit.Step{Name: name, Attempt: a.Number, Key: a.Key, State: stepIntent}
	digest, wrong := s.digest(ctx, a)
	row.Digest = digest
	if unsure(before.State) && before.Digest != digest {
		wrong = errors.Join(wrong, errors.New("what is asked for has changed since it was perhaps sent: it is not sent again"))
		row.Digest = before.Digest
	}

	entry := e.entry(r)
	entry.Action, entry.Instruction, entry.Digest = "step", name, row.Digest
	if s.Kind == Read {
		entry.Effect = "read"
	}
	entry.Move = &audit.Move{To: r, Lease: e.lease(), Step: &row}
	begun := time.Now()
	intent, err := e.Journal.Begin(ctx, entry)
	if err != nil {
		return r, 0, err
	}
	h.moved(begun, e.lease())
	r.Turn++
	a.Run = r

	res, err := e.perform(ctx, h, s, a, unsure(before.State), wrong)
	m := settle(r, res, err)
	row.State, row.Result = m.Step.State, m.Step.Result
	m.Step = &row
	if m.Wake == 0 && !Ended(m.To.Status) && m.To.Status != Waiting && !h.stopping() {
		m.Lease = e.lease() // it goes on at once
	}
	out := outcome(res, err, row.State)
	out.Move = &m
	ended := time.Now()
	if err := intent.End(ctx, out); err != nil {
		if errors.Is(err, audit.ErrMoved) { // what happened is recorded all the same
			out.Move = nil
			return r, 0, errors.Join(err, intent.End(ctx, out))
		}
		return r, 0, err
	}
	h.moved(ended, e.lease())
	m.To.Turn++
	return m.To, m.Wake, nil
}

// digest is that of what a step asks for.
func (s Step) digest(ctx context.Context, a Attempt) (string, error) {
	if s.Request == nil {
		return "", nil
	}
	request, err := s.Request(ctx, a)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(request)
	return hex.EncodeToString(sum[:]), nil
}

// perform makes an attempt. What was done already is found and not done again; what
// is wrong with it keeps it from being done, not from being found.
func (e *Engine) perform(ctx context.Context, h *hold, s Step, a Attempt, doubt bool, wrong error) (Result, error) {
	if s.Kind == CheckThenDo || s.Kind == Keyed && doubt {
		res, found, err := s.Find(ctx, a)
		var known *Fault
		switch isKnown := errors.As(err, &known); {
		case isKnown && known.Class == Declined:
			err = &Fault{Class: Declined, Code: known.Code, Message: err.Error(), Never: true}
		case err != nil && !doubt && (!isKnown || known.Class == Unknown): // nothing was sent
			err = &Fault{Class: Transient, Code: "find", Message: err.Error()}
		}
		if found || err != nil {
			return res, err
		}
		if err := h.ours(ctx); err != nil {
			return res, notSent(err)
		}
	}
	var known *Fault
	if errors.As(wrong, &known) {
		return Result{}, known
	}
	if wrong != nil {
		return Result{}, &Fault{Class: Fix, Code: "request", Message: wrong.Error()}
	}
	if err := h.ours(ctx); err != nil {
		return Result{}, notSent(err)
	}
	return s.Do(ctx, a)
}

// notSent is the fault of a worker that has lost its run before it did anything.
func notSent(err error) error {
	return &Fault{Class: Transient, Code: "lost", Message: err.Error()}
}

// outcome is what the audit trail says of an attempt.
func outcome(res Result, err error, state string) audit.Outcome {
	out := audit.Outcome{Status: audit.OK, Exchanges: res.Exchanges, Records: res.Records, Changes: res.Changes, Detail: res.Detail}
	if err == nil {
		out.Code = map[string]string{stepWaiting: "waiting", stepFailed: "denied"}[state]
		return out
	}
	out.Status, out.Message = audit.Failed, err.Error()
	if state == stepUnknown {
		out.Status = audit.Unknown
	}
	var known *Fault
	if errors.As(err, &known) {
		out.Code = known.Code
		if out.Code == "" {
			out.Code = string(known.Class)
		}
	}
	return out
}

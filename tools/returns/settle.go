package returns

import (
	"encoding/json"
	"errors"
	"time"

	"salesforce-mcp/audit"
)

// Patience is how long a step is tried. The zero value is the default.
type Patience struct {
	Tries int64         // without success, before a person is asked; default 6
	First time.Duration // wait after the first one, doubled after each; default 1 s
	Most  time.Duration // default 5 min
}

func (p Patience) withDefaults() Patience {
	if p.Tries == 0 {
		p.Tries = 6
	}
	if p.First == 0 {
		p.First = time.Second
	}
	if p.Most == 0 {
		p.Most = 5 * time.Minute
	}
	return p
}

// after is the wait after so many tries.
func (p Patience) after(tries int64) time.Duration {
	wait := p.First
	for ; tries > 1 && wait < p.Most; tries-- {
		wait *= 2
	}
	return min(wait, p.Most)
}

// mostAfter is how long the other side may ask to wait.
const mostAfter = time.Hour

// without is the wait of a run that only a person wakes.
const without = time.Duration(-1)

// unsure reports whether a step in this state was done or not.
func unsure(state string) bool { return state == stepIntent || state == stepUnknown }

// faultOf classes the error of a step. Where it was unsure whether the step was done,
// only an answer to that very question ends the doubt: that a request did not come
// through now, or was declined, says nothing of an earlier one.
func faultOf(s Step, doubt bool, err error) *Fault {
	fault := &Fault{Class: Unknown, Message: err.Error()}
	if s.Kind == Read {
		fault.Class = Transient
	}
	var known *Fault
	if errors.As(err, &known) {
		*fault = *known
		fault.Message = err.Error()
	}
	if doubt && s.Kind != Read && !(fault.Class == Declined && fault.Never) {
		fault.hopeless = fault.Class == Declined
		fault.Class = Unknown
	}
	if s.Kind == Read && fault.Class == Unknown {
		fault.Class = Transient
	}
	return fault
}

// settle returns the move after an attempt at step number i of a run. steps are the
// rows before it, doubt is whether it was unsure then that the step was done.
func (f Flow) settle(p Patience, r audit.Run, i int, steps map[string]audit.Step, doubt bool, res Result, err error) audit.Move {
	s := f.Steps[i]
	switch {
	case err != nil:
		return f.fail(p, r, i, steps, faultOf(s, doubt, err))
	case res.Wait != nil && doubt && s.Kind != Read, res.Deny != nil && doubt && s.Kind != Read:
		return f.fail(p, r, i, steps, &Fault{Class: Unknown, Code: "doubt", Message: "the step asks or denies although it may have been done already"})
	case res.Wait != nil:
		r = s.undone(r)
		r.Status, r.Tries, r.Reason, r.Answer = Waiting, 0, res.Wait.Question, nil
		m := audit.Move{To: r, Wake: res.Wait.For, Step: &audit.Step{State: stepWaiting}}
		if m.Wake <= 0 {
			m.Wake = without
		}
		return m
	case res.Deny != nil:
		if r = s.undone(r); r.Pivot != "" {
			return f.fail(p, r, i, steps, &Fault{Class: Systemic, Code: "late", Message: "the step denies what has been refunded already"})
		}
		return f.back(r, i, steps, Denied, res.Deny, stepFailed)
	}
	r.Tries, r.Reason, r.Answer, r.Escalated = 0, nil, nil, false
	if s.Pivot {
		r.Pivot = pivotPassed
	}
	r.Status = Running
	if i+1 == len(f.Steps) {
		r.Status = Done
	} else {
		r.At = f.Steps[i+1].Name
	}
	return audit.Move{To: r, Step: &audit.Step{State: stepDone, Result: res.Data}}
}

// undone is the run when the step is known not to be done.
func (s Step) undone(r audit.Run) audit.Run {
	if s.Pivot && r.Pivot == pivotBegun {
		r.Pivot = ""
	}
	return r
}

// fail returns the move after an attempt that did not succeed.
func (f Flow) fail(p Patience, r audit.Run, i int, steps map[string]audit.Step, fault *Fault) audit.Move {
	state := stepUnknown
	if fault.Class != Unknown {
		state = stepFailed
		r = f.Steps[i].undone(r)
	}
	reason, _ := json.Marshal(fault) // text can be encoded
	r.Status, r.Reason = Running, reason
	r.Tries++
	m := audit.Move{To: r, Wake: max(p.after(r.Tries), min(fault.After, mostAfter)), Step: &audit.Step{State: state}}
	switch {
	case fault.Class == Renew && r.Tries == 1:
		m.Wake = 0
	case r.Pivot == "" && (fault.Class == Systemic || fault.Class == Declined || fault.hopeless):
		return f.back(r, i, steps, Failed, reason, state)
	case r.Pivot == "" && fault.Class != Unknown && (fault.Class == Fix || r.Tries >= p.Tries):
		m.To.Status, m.To.Tries, m.To.Answer, m.To.Escalated, m.Wake = Waiting, 0, nil, true, without // parked
	case fault.Class == Fix, fault.Class == Systemic, fault.Class == Declined, fault.hopeless:
		m.To.Escalated, m.Wake = true, p.Most
	case r.Tries >= p.Tries:
		m.To.Escalated = true
	}
	return m
}

// back returns the move of a run that goes back from step number i, whose row is now
// in this state, to end in goal.
func (f Flow) back(r audit.Run, i int, steps map[string]audit.Step, goal string, reason []byte, state string) audit.Move {
	r.Goal, r.Reason, r.Tries, r.Answer = goal, reason, 0, nil
	m := audit.Move{Step: &audit.Step{State: state}}
	if !unsure(state) && state != stepDone {
		i--
	}
	m.To = f.backTo(r, i, steps)
	return m
}

// backTo is the run with the last step up to number i that is to be put back as its
// next one, or at its goal when there is none.
func (f Flow) backTo(r audit.Run, i int, steps map[string]audit.Step) audit.Run {
	for ; i >= 0; i-- {
		s := f.Steps[i]
		if state := steps[s.Name].State; s.Undo != nil && (state == stepDone || unsure(state)) {
			r.Status, r.At = Undoing, s.Name
			return r
		}
	}
	r.Status, r.Escalated = r.Goal, false
	return r
}

// settleUndo returns the move after an attempt to put step number i back.
func (f Flow) settleUndo(p Patience, r audit.Run, i int, steps map[string]audit.Step, err error) audit.Move {
	if err == nil {
		r.Tries = 0
		return audit.Move{To: f.backTo(r, i-1, steps), Step: &audit.Step{State: stepDone}}
	}
	r.Tries++
	r.Escalated = r.Escalated || r.Tries >= p.Tries
	return audit.Move{To: r, Wake: p.after(r.Tries), Step: &audit.Step{State: stepFailed}}
}

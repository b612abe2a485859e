package returns

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
)

// fixed is a step whose answer is in a variable.
func fixed(name string, kind Kind, pivot bool, do func(Attempt) (Result, error)) Step {
	return Step{Name: name, Kind: kind, Pivot: pivot,
		Do:   func(_ context.Context, a Attempt) (Result, error) { return do(a) },
		Find: func(context.Context, Attempt) (Result, bool, error) { return Result{}, false, nil }}
}

// started is an engine over a ledger of its own, with one run.
func started(t *testing.T, f Flow) (*Engine, *memory) {
	t.Helper()
	f.Kind = "return"
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	j := audit.NewJournal(m)
	t.Cleanup(j.Close)
	e := &Engine{Flow: f, Ledger: m, Journal: j}
	if _, fresh, err := e.Start(t.Context(), audit.Run{ID: "run", Workspace: "demo", Subject: "case"}); !fresh || err != nil {
		t.Fatal(fresh, err)
	}
	return e, m
}

func once(t *testing.T, e *Engine) {
	t.Helper()
	if _, err := e.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestCancelAfterRefund: a refund that is made, or may have been, is not taken back,
// and the error says why; its missing records are tried for ever, and a person is told
// once.
func TestCancelAfterRefund(t *testing.T) {
	lost, told := true, 0
	escalate := fixed("", Keyed, false, func(Attempt) (Result, error) { told++; return Result{}, nil })
	var broken error = &Fault{Class: Systemic, Message: "the field Refund__c.Key__c is gone: deploy it again"}
	e, m := started(t, Flow{Escalate: &escalate, Steps: []Step{
		fixed("refund", Keyed, true, func(a Attempt) (Result, error) {
			if lost {
				return Result{}, errors.New("no answer")
			}
			return Result{Data: []byte(a.Key)}, nil
		}),
		fixed("records", CheckThenDo, false, func(a Attempt) (Result, error) {
			if string(a.Results["refund"]) != "ret/demo/case/refund/0" {
				t.Errorf("results %q", a.Results)
			}
			return Result{}, broken
		}),
	}})
	once(t, e)
	if err := e.Cancel(t.Context(), "demo", "run", "ada", nil); err == nil || !strings.Contains(err.Error(), "may be done already") {
		t.Errorf("an unknown refund was cancelled: %v", err)
	}
	lost = false
	for range 5 {
		once(t, e)
	}
	if err := e.Cancel(t.Context(), "demo", "run", "ada", nil); err == nil || !strings.Contains(err.Error(), "no way back") {
		t.Errorf("a refund was cancelled: %v", err)
	}
	if r := m.runs["run"]; !r.Escalated || r.Status != Running || told != 1 || !strings.Contains(string(r.Reason), "deploy it again") {
		t.Errorf("told %d times, %+v %s", told, r, r.Reason)
	}
	broken = nil
	once(t, e)
	if r := m.runs["run"]; r.Status != Done || r.Escalated {
		t.Errorf("%+v", r)
	}
	if err := e.Cancel(t.Context(), "demo", "run", "ada", nil); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
}

// TestDeclinedInDoubt: the first refund's answer is lost, a look does not see it, and
// the second is declined ("already refunded"). Money may have moved, so that the run does
// not end, and a person is told at once. What says that the key stands for nothing ends it.
func TestDeclinedInDoubt(t *testing.T) {
	declined := &Fault{Class: Declined, Code: "charge_already_refunded", Message: "already refunded"}
	never := *declined
	never.Never = true
	for name, say := range map[string]func(*Step){
		"the look": func(s *Step) {
			s.Find = func(context.Context, Attempt) (Result, bool, error) { return Result{}, false, declined }
		},
		"the other side": func(s *Step) {
			s.Do = func(context.Context, Attempt) (Result, error) { return Result{}, &never }
		},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			e, m := started(t, Flow{Steps: []Step{fixed("refund", Keyed, true, func(Attempt) (Result, error) {
				if tries++; tries == 1 {
					return Result{}, errors.New("no answer")
				}
				return Result{}, declined
			})}})
			once(t, e)
			once(t, e)
			if r := m.runs["run"]; Ended(r.Status) || !r.Escalated || r.Pivot != pivotBegun || !strings.Contains(string(r.Reason), "already refunded") {
				t.Errorf("a refund that was perhaps made: %+v %s", r, r.Reason)
			}
			if last := m.entries[len(m.entries)-1]; last.Outcome != audit.Unknown {
				t.Errorf("the trail says %s", last.Outcome)
			}
			say(&e.Flow.Steps[0])
			once(t, e)
			if r := m.runs["run"]; r.Status != Failed || r.Pivot != "" {
				t.Errorf("no refund was made: %+v", r)
			}
		})
	}
}

// TestDeclinedClaim: a step before the refund that was perhaps done, and is declined
// then, is put back.
func TestDeclinedClaim(t *testing.T) {
	tries, put := 0, 0
	claim := fixed("claim", Keyed, false, func(Attempt) (Result, error) {
		if tries++; tries == 1 {
			return Result{}, errors.New("no answer")
		}
		return Result{}, &Fault{Class: Declined, Message: "it is claimed"}
	})
	claim.Undo = func(context.Context, Attempt) (Result, error) { put++; return Result{}, nil }
	e, m := started(t, Flow{Steps: []Step{claim}})
	once(t, e)
	once(t, e)
	if r := m.runs["run"]; r.Status != Failed || put != 1 {
		t.Errorf("put back %d times, %+v", put, r)
	}
}

// TestDecide: a step that asks is called again with the answer of one person, whose
// name is in the trail, or told that nobody has answered in time.
func TestDecide(t *testing.T) {
	var got []string
	e, m := started(t, Flow{Steps: []Step{{Name: "approval", Do: func(_ context.Context, a Attempt) (Result, error) {
		switch {
		case a.Late:
			got = append(got, "late")
		case a.Answer != nil:
			got = append(got, string(a.Answer))
			return Result{}, nil
		}
		return Result{Wait: &Wait{Question: []byte(`"may I?"`), For: 1}}, nil
	}}}})
	once(t, e)
	once(t, e) // nobody has answered, and its time is over: this ledger is always late
	if r := m.runs["run"]; r.Status != Waiting || string(r.Reason) != `"may I?"` {
		t.Errorf("%+v", r)
	}
	if err := e.Decide(t.Context(), "demo", "run", "ada", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	if err := e.Decide(t.Context(), "demo", "run", "bob", []byte("no")); err == nil || !strings.Contains(err.Error(), "waits for nobody") {
		t.Errorf("decided twice: %v", err)
	}
	once(t, e)
	if r := m.runs["run"]; r.Status != Done || strings.Join(got, " ") != "late yes" {
		t.Errorf("%q, %+v", got, r)
	}
	for _, entry := range m.entries {
		if entry.Action == "decide" && entry.By != "ada" {
			t.Errorf("%+v", entry)
		}
	}
}

// TestChangedRequest: what was perhaps sent is not sent again as something else.
func TestChangedRequest(t *testing.T) {
	sent, amount := 0, "10"
	refund := fixed("refund", Keyed, true, func(Attempt) (Result, error) { sent++; return Result{}, errors.New("no answer") })
	refund.Request = func(context.Context, Attempt) ([]byte, error) { return []byte(amount), nil }
	e, m := started(t, Flow{Steps: []Step{refund}})
	once(t, e)
	amount = "20"
	for range 7 {
		once(t, e)
	}
	if r := m.runs["run"]; sent != 1 || r.Pivot != pivotBegun || !r.Escalated {
		t.Errorf("sent %d times, %+v", sent, r)
	}
	amount = "10"
	once(t, e)
	if sent != 2 {
		t.Errorf("sent %d times", sent)
	}
}

// TestOvertaken: a worker that was overtaken during a step leaves the run alone, and
// what happened is in the trail.
func TestOvertaken(t *testing.T) {
	var m *memory
	e, m := started(t, Flow{Steps: []Step{fixed("refund", Keyed, true, func(Attempt) (Result, error) {
		_, _, err := m.ClaimRun(t.Context(), "return", 0)
		return Result{}, err
	})}})
	once(t, e)
	last := m.entries[len(m.entries)-1]
	if r := m.runs["run"]; r.Status != Running || r.Pivot != pivotBegun || m.steps["run"]["refund"].State != stepIntent || last.Phase != audit.PhaseOutcome || last.Outcome != audit.OK {
		t.Errorf("%+v, %+v", r, last)
	}
}

// TestStop: a worker that is told to stop finishes the attempt that it is in, begins no
// other, and gives the run up to whoever takes it next.
func TestStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	e, m := started(t, Flow{Steps: []Step{
		{Name: "refund", Kind: Keyed, Pivot: true, Find: func(context.Context, Attempt) (Result, bool, error) { return Result{}, false, nil },
			Do: func(ctx context.Context, a Attempt) (Result, error) {
				stop()
				return Result{Data: []byte(a.Key)}, ctx.Err() // the request is not cut off
			}},
		fixed("records", Keyed, false, func(Attempt) (Result, error) {
			t.Error("another attempt was begun")
			return Result{}, nil
		}),
	}})
	e.Work(ctx)
	last := m.entries[len(m.entries)-1]
	if r := m.runs["run"]; r.At != "records" || r.Pivot != pivotPassed || m.steps["run"]["refund"].State != stepDone || last.Outcome != audit.OK || last.Move.Lease != 0 {
		t.Errorf("%+v %+v, move %+v", r, m.steps["run"], last.Move)
	}
}

// TestStopGrace: an attempt that does not end within the grace is cut off, and recorded
// as not known.
func TestStopGrace(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	e, m := started(t, Flow{Steps: []Step{
		{Name: "refund", Kind: Keyed, Pivot: true, Find: func(context.Context, Attempt) (Result, bool, error) { return Result{}, false, nil },
			Do: func(ctx context.Context, _ Attempt) (Result, error) {
				stop()
				<-ctx.Done()
				return Result{}, ctx.Err()
			}},
	}})
	e.Grace = 1
	e.Work(ctx)
	if r, s := m.runs["run"], m.steps["run"]["refund"]; r.Pivot != pivotBegun || s.State != stepUnknown {
		t.Errorf("%+v %+v", r, s)
	}
}

// TestLostLease: the context of a step ends when another worker has taken its run.
func TestLostLease(t *testing.T) {
	var m *memory
	e, m := started(t, Flow{Steps: []Step{
		{Name: "read", Do: func(ctx context.Context, _ Attempt) (Result, error) {
			if _, _, err := m.ClaimRun(ctx, "return", 0); err != nil {
				return Result{}, err
			}
			<-ctx.Done()
			if err := context.Cause(ctx); !errors.Is(err, audit.ErrMoved) {
				t.Error(err)
			}
			return Result{}, ctx.Err()
		}},
	}})
	e.Lease = 30 * time.Millisecond
	once(t, e)
	if r := m.runs["run"]; r.Status != Running || r.Tries != 0 {
		t.Errorf("%+v", r)
	}
}

// TestCheck: a flow that could not keep its promises is refused.
func TestCheck(t *testing.T) {
	do := func(Attempt) (Result, error) { return Result{}, nil }
	good := fixed("a", Keyed, true, do)
	blind := fixed("b", Keyed, false, do)
	blind.Find = nil
	back := fixed("b", Keyed, true, do)
	back.Undo = back.Do
	for want, steps := range map[string][]Step{
		"at least one":   nil,
		"name of its":    {good, good},
		"nothing to do":  {{Name: "x"}},
		"needs Find":     {good, blind},
		"no way back":    {back},
		"so it is no re": {fixed("b", Read, true, do)},
		"one pivot":      {good, fixed("b", Keyed, true, do)},
	} {
		if err := (Flow{Steps: steps}).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

package returns

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
)

// TestHandCancels: a run that a person takes back beside its engine is put back by it,
// step by step, from wherever it stands.
func TestHandCancels(t *testing.T) {
	undone := 0
	claim := fixed("claim", Keyed, false, func(Attempt) (Result, error) { return Result{}, nil })
	claim.Undo = func(context.Context, Attempt) (Result, error) { undone++; return Result{}, nil }
	wait := fixed("approval", Read, false, func(Attempt) (Result, error) { return Result{Wait: &Wait{Question: []byte(`"may I?"`)}}, nil })
	wait.Undo = func(context.Context, Attempt) (Result, error) {
		t.Error("a step that was not done is put back")
		return Result{}, nil
	}
	e, m := started(t, Flow{Steps: []Step{claim, wait, fixed("refund", Keyed, true, func(Attempt) (Result, error) { return Result{}, nil })}})
	once(t, e)
	hand := Hand{By: "maria", Surface: "command", Note: "wrong case"}
	if _, err := hand.Retry(t.Context(), e.Journal, m, "demo", "run"); !errors.Is(err, ErrCannot) || !strings.Contains(err.Error(), "waits for an answer") {
		t.Error(err)
	}
	r, err := hand.Cancel(t.Context(), e.Journal, m, "demo", "run", 0)
	if err != nil || r.Status != Undoing || r.Turn != m.runs["run"].Turn {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := hand.Cancel(t.Context(), e.Journal, m, "demo", "run", 0); !errors.Is(err, ErrCannot) {
		t.Error(err)
	}
	once(t, e)
	if r := m.runs["run"]; r.Status != Cancelled || undone != 1 || string(r.Reason) != `{"by":"maria","note":"wrong case"}` {
		t.Errorf("undone %d times, %+v %s", undone, r, r.Reason)
	}
	if _, err := hand.Cancel(t.Context(), e.Journal, m, "demo", "run", 0); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	if _, err := hand.Cancel(t.Context(), e.Journal, m, "demo", "none", 0); !errors.Is(err, ErrNoRun) {
		t.Error(err)
	}
	hand.Note = "\xff"
	if _, err := hand.Retry(t.Context(), e.Journal, m, "demo", "run"); !errors.Is(err, ErrNote) {
		t.Error(err)
	}
}

// TestHandRetries: a parked step is tried again when a person wants that, without an
// answer.
func TestHandRetries(t *testing.T) {
	broken := true
	e, m := started(t, Flow{Steps: []Step{fixed("records", Keyed, false, func(a Attempt) (Result, error) {
		if a.Answer != nil {
			t.Errorf("answered %s", a.Answer)
		}
		if broken {
			return Result{}, &Fault{Class: Fix, Message: "the field is gone"}
		}
		return Result{Detail: []byte(`{"n":1}`)}, nil
	})}})
	once(t, e)
	if v := ViewOf(m.runs["run"], m.steps["run"], ""); !strings.Contains(v.Needed, "retry the run") {
		t.Errorf("%+v", v)
	}
	broken = false
	if _, err := (Hand{By: "maria"}).Retry(t.Context(), e.Journal, m, "demo", "run"); err != nil {
		t.Fatal(err)
	}
	if _, err := (Hand{By: "maria"}).Retry(t.Context(), e.Journal, m, "demo", "run"); !errors.Is(err, ErrCannot) {
		t.Errorf("retried twice: %v", err)
	}
	once(t, e)
	if r := m.runs["run"]; r.Status != Done {
		t.Errorf("%+v", r)
	}
	if last := m.entries[len(m.entries)-1]; string(last.Detail) != `{"n":1}` {
		t.Errorf("detail %s", last.Detail)
	}
}

// TestTakenBackSoon: a run that waits goes back at once; one that somebody may be driving
// when they have noticed.
func TestTakenBackSoon(t *testing.T) {
	for status, want := range map[string]time.Duration{Waiting: 0, Running: time.Minute} {
		if m, err := TakenBack(audit.Run{Status: status}, time.Minute, nil); err != nil || m.Wake != want || m.To.Status != Undoing {
			t.Errorf("%s: %+v %v", status, m, err)
		}
	}
}

// TestView: what runs look like can be encoded, whatever is in them.
func TestView(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := audit.Run{ID: "r", Status: Waiting, Reason: []byte("no JSON"), Moved: now, WakeTime: time.UnixMilli(math.MaxInt64 / 4)}
	text, err := json.Marshal(ViewOf(r, map[string]audit.Step{"b": {Name: "b"}, "a": {Name: "a", Started: now, Finished: now}}, "approval-1"))
	if err != nil || !strings.Contains(string(text), `"reason":"no JSON"`) || strings.Contains(string(text), "wakesAt") || !strings.Contains(string(text), "approval-1, or cancel") ||
		strings.Index(string(text), `"name":"b"`) > strings.Index(string(text), `"name":"a"`) {
		t.Errorf("%s %v", text, err)
	}
	r.WakeTime = now.Add(time.Hour)
	if v := ViewOf(r, nil, ""); v.Wakes == nil || !v.Wakes.Equal(r.WakeTime) || v.Needed != "" {
		t.Errorf("%+v", v)
	}
	for needed, r := range map[string]audit.Run{
		"":                   {Status: Done, Escalated: true},
		"Or cancel the run.": {Status: Running, Escalated: true},
		"again by itself.":   {Status: Running, Escalated: true, Pivot: pivotPassed},
	} {
		if v := ViewOf(r, nil, ""); !strings.HasSuffix(v.Needed, needed) || needed == "" && v.Needed != "" {
			t.Errorf("%+v: %q", r, v.Needed)
		}
	}
}

package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/audit"
)

// moving is the entry of a move.
func moving(m *audit.Move) audit.Entry {
	e := call()
	e.Tool, e.Action, e.Move = "returns", "process", m
	return e
}

// begun starts a run and returns it, as whoever started it has it.
func begun(t *testing.T, s *Store, j *audit.Journal, subject string, lease time.Duration) audit.Run {
	t.Helper()
	m := &audit.Move{Lease: lease, To: audit.Run{ID: "id " + subject, Kind: "return", Subject: subject, Input: []byte("in"), Status: "running", At: "first"}}
	if _, err := j.Begin(t.Context(), moving(m)); err != nil {
		t.Fatal(err)
	}
	r, ok, err := s.Run(t.Context(), "demo", "id "+subject)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return r
}

// TestRunHasOneOwner: of all workers of two processes one has a run, and one who was
// overtaken changes nothing and leaves no entry.
func TestRunHasOneOwner(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		stores := []*Store{d.open(t)}
		if d.dir == "" {
			stores = append(stores, d.open(t))
		}
		j := journal(t, stores[0])
		const runs = 30
		for i := range runs {
			begun(t, stores[0], j, fmt.Sprint(i), 0)
		}
		if _, err := j.Begin(t.Context(), moving(&audit.Move{To: audit.Run{ID: "again", Kind: "return", Subject: "7", Status: "running"}})); !errors.Is(err, audit.ErrMoved) {
			t.Errorf("a second run of the same subject: %v", err)
		}
		var won atomic.Int64
		var group sync.WaitGroup
		for i := range 8 {
			s := stores[i%len(stores)]
			group.Go(func() {
				for {
					r, ok, err := s.ClaimRun(t.Context(), "return", time.Hour)
					if err != nil {
						t.Error(err)
					}
					if !ok {
						return
					}
					if r.Turn != 2 || string(r.Input) != "in" || r.At != "first" {
						t.Errorf("claimed %+v", r)
					}
					won.Add(1)
				}
			})
		}
		group.Wait()
		for { // one who loses all that it has seen to others stops; what is left is still to be had
			_, ok, err := stores[0].ClaimRun(t.Context(), "return", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			won.Add(1)
		}
		if won.Load() != runs {
			t.Errorf("%d claims of %d runs", won.Load(), runs)
		}
	})
}

// TestRunIsTakenOver: when a lease is over, or its process is gone, another has the
// run, and whoever had it finds that out.
func TestRunIsTakenOver(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := journal(t, s)
		old := begun(t, s, j, "case", time.Hour)
		if _, ok, err := s.ClaimRun(t.Context(), "return", time.Hour); ok || err != nil {
			t.Fatalf("another has a run that is kept: %v %v", ok, err)
		}
		intent, err := j.Begin(t.Context(), moving(&audit.Move{To: old, Lease: time.Hour, Step: &audit.Step{Name: "first", Attempt: 1, Key: "k", State: "intent"}}))
		if err != nil {
			t.Fatal(err)
		}
		old.Turn++
		if ok, err := s.KeepRun(t.Context(), old.ID, old.Turn, 0); !ok || err != nil { // its worker is still for longer than its lease
			t.Fatal(ok, err)
		}
		taken, ok, err := s.ClaimRun(t.Context(), "return", time.Hour)
		if !ok || err != nil || taken.Turn != old.Turn+1 {
			t.Fatalf("%+v %v %v", taken, ok, err)
		}
		if ok, err := s.KeepRun(t.Context(), old.ID, old.Turn, time.Hour); ok || err != nil {
			t.Errorf("a lease that another has was extended: %v", err)
		}
		late := audit.Outcome{Status: audit.OK, Move: &audit.Move{To: old, Step: &audit.Step{Name: "first", State: "done", Result: []byte("late")}}}
		if err := intent.End(t.Context(), late); !errors.Is(err, audit.ErrMoved) {
			t.Errorf("one who was overtaken: %v", err)
		}
		late.Move = nil
		if err := intent.End(t.Context(), late); err != nil {
			t.Errorf("what happened is not recorded: %v", err)
		}
		steps, err := s.Steps(t.Context(), old.ID)
		if err != nil || steps["first"].State != "intent" || steps["first"].Key != "k" {
			t.Errorf("steps %+v %v", steps, err)
		}
		j.Close()
		crash(t, s)
		s = d.open(t)
		if again, ok, err := s.ClaimRun(t.Context(), "return", time.Hour); !ok || err != nil || again.Turn != taken.Turn+1 {
			t.Errorf("after a crash: %+v %v %v", again, ok, err)
		}
	})
}

// TestMoneyThatMovedStays: whatever asks for it, a run whose point of no return is
// passed does not end as if nothing had been done.
func TestMoneyThatMovedStays(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		r := begun(t, s, j, "case", 0)
		move := func(status, pivot string) error {
			to := r
			to.Status, to.Pivot = status, pivot
			_, err := j.Begin(t.Context(), moving(&audit.Move{To: to}))
			if err == nil {
				r.Turn++
			}
			return err
		}
		if err := move("running", "begun"); err != nil {
			t.Fatal(err)
		}
		for _, status := range []string{"undoing", "denied", "cancelled", "failed", "refunded"} {
			if err := move(status, "begun"); err == nil || !strings.Contains(strings.ToLower(err.Error()), "check") {
				t.Errorf("%s while the refund is on its way: %v", status, err)
			}
		}
		if err := move("running", "passed"); err != nil {
			t.Fatal(err)
		}
		for _, pivot := range []string{"", "begun"} {
			if err := move("cancelled", pivot); err == nil {
				t.Errorf("the refund was forgotten: %q", pivot)
			}
		}
		if err := move("done", "passed"); err != nil {
			t.Fatal(err)
		}
		if err := move("running", "passed"); !errors.Is(err, audit.ErrMoved) {
			t.Errorf("a run that has ended goes on: %v", err)
		}
	})
}

// TestLocksAreOfTheWorkerThatHasTheRun: a worker that was overtaken neither takes a lock
// for its run nor gives up the one that the run has.
func TestLocksAreOfTheWorkerThatHasTheRun(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		begun(t, s, j, "frozen", 0)
		begun(t, s, j, "rival", time.Hour)
		first, _, err := s.ClaimRun(t.Context(), "return", 0)
		if err != nil || first.Subject != "frozen" {
			t.Fatal(first, err)
		}
		second, _, err := s.ClaimRun(t.Context(), "return", time.Hour) // the first one's lease is over
		if err != nil || second.ID != first.ID {
			t.Fatal(second, err)
		}
		rival, _, err := s.Run(t.Context(), "demo", "id rival")
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			what string
			r    audit.Run
			want bool
		}{{"the frozen worker takes it", first, false}, {"its successor takes it", second, true}, {"and again", second, true}, {"a rival takes it", rival, false}} {
			if ok, err := s.Lock(t.Context(), "order", step.r.ID, step.r.Turn); ok != step.want || err != nil {
				t.Errorf("%s: %v %v", step.what, ok, err)
			}
		}
		if err := s.Unlock(t.Context(), "order", first.ID, first.Turn); err != nil {
			t.Error(err)
		}
		if ok, err := s.Lock(t.Context(), "order", rival.ID, rival.Turn); ok || err != nil {
			t.Errorf("the frozen worker has given up the lock of its successor: %v", err)
		}
		if err := s.Unlock(t.Context(), "order", second.ID, second.Turn); err != nil {
			t.Error(err)
		}
		if ok, err := s.Lock(t.Context(), "order", rival.ID, rival.Turn); !ok || err != nil {
			t.Errorf("a lock that was given up is not taken: %v", err)
		}
	})
}

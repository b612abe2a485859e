package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// asked is a run that waits for an approval, and the approval.
func asked(t testing.TB, s *Store, j *audit.Journal, subject string, within time.Duration) (audit.Run, tools.Approval) {
	t.Helper()
	m := &audit.Move{To: audit.Run{ID: "id " + subject, Kind: "return", Subject: subject, Status: returns.Waiting, At: "approval"}, Wake: -1}
	e := moving(m)
	e.Run = m.To.ID
	if _, err := j.Begin(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r, ok, err := s.Run(t.Context(), "demo", m.To.ID)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return r, ask(t, s, ofRun(r.ID, subject, within))
}

// ofRun is an approval that a run asks for.
func ofRun(run, digest string, within time.Duration) tools.Approval {
	a := asking("desk", "ada", digest, within)
	a.Run, a.Instruction = run, "processReturn"
	return a
}

func verdict(approve bool, by string) tools.Verdict {
	return tools.Verdict{Approve: approve, By: by, Note: "so", Surface: "command"}
}

func approvalOf(t testing.TB, s *Store, id string) tools.Approval {
	t.Helper()
	a, ok, err := s.Approval(t.Context(), "demo", id)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return a
}

// TestRunApprovals: a verdict on the approval of a run moves the run in the same
// commit, on each engine.
func TestRunApprovals(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		t.Run("approve", func(t *testing.T) {
			r, a := asked(t, s, j, "approve", time.Hour)
			got, err := tools.Decide(t.Context(), j, s, "demo", a.ID, verdict(true, "maria"))
			if err != nil || got.State != tools.Approved || got.Run != r.ID {
				t.Fatalf("%+v %v", got, err)
			}
			after, _, err := s.Run(t.Context(), "demo", r.ID)
			if err != nil || after.Status != returns.Running || after.Turn != r.Turn+1 || string(after.Answer) != `{"approvalId":"`+a.ID+`","approve":true,"by":"maria","note":"so"}` {
				t.Errorf("%+v %s %v", after, after.Answer, err)
			}
			entries := list(t, s, audit.Query{Run: r.ID, Workspace: "demo"})
			if len(entries) != 3 || entries[2].Action != "approve" || entries[2].By != "maria" || entries[2].Approval != a.ID || entries[2].Digest != a.Digest {
				t.Errorf("%+v", entries)
			}
			if _, err := s.writer.ExecContext(t.Context(), `UPDATE approval SET expires = ? WHERE id = ?`, time.Now().Add(-time.Hour).UnixMilli(), a.ID); err != nil {
				t.Fatal(err)
			}
			open, found, err := s.OpenApproval(t.Context(), a.AskedCall)
			if again := ask(t, s, ofRun(r.ID, a.Digest, time.Hour)); !found || err != nil || open.State != tools.Approved || again.ID != a.ID {
				t.Errorf("what was decided has ended: %+v %+v %v", open, again, err)
			}
			for state, want := range map[tools.State]int{tools.Approved: 1, tools.Expired: 0, "": 1} {
				if list, err := s.ListApprovals(t.Context(), tools.ApprovalQuery{Run: r.ID, State: state}); err != nil || len(list) != want {
					t.Errorf("%s: %+v %v", state, list, err)
				}
			}
			if _, err := tools.Decide(t.Context(), j, s, "demo", a.ID, verdict(false, "ben")); tools.AsError(err).Code != tools.NotWaiting {
				t.Errorf("decided twice: %v", err)
			}
		})
		t.Run("used by no call", func(t *testing.T) {
			r, a := asked(t, s, j, "call", time.Hour)
			direct := a.AskedCall
			direct.Run = ""
			if _, found, err := s.OpenApproval(t.Context(), direct); found || err != nil {
				t.Errorf("the same call has the approval of a run: %v", err)
			}
			if _, err := tools.Decide(t.Context(), j, s, "demo", a.ID, verdict(true, "maria")); err != nil {
				t.Fatal(err)
			}
			if _, err := j.Begin(t.Context(), using(a.ID)); !errors.Is(err, audit.ErrUsed) {
				t.Errorf("a call has used the approval of a run: %v", err)
			}
			own := asking("desk", "ada", a.Digest, time.Hour)
			own.Instruction = a.Instruction
			if got := ask(t, s, own); got.ID != own.ID || got.Run != "" {
				t.Errorf("%+v", got)
			}
			if got := approvalOf(t, s, a.ID); got.State != tools.Approved || got.Run != r.ID {
				t.Errorf("%+v", got)
			}
		})
		t.Run("cancelled", func(t *testing.T) {
			r, a := asked(t, s, j, "cancelled", time.Hour)
			m, err := returns.TakenBack(r, 0, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Begin(t.Context(), moving(&m)); err != nil {
				t.Fatal(err)
			}
			if got := approvalOf(t, s, a.ID); got.State != tools.Expired {
				t.Errorf("a run that goes back still asks: %+v", got)
			}
			if _, err := tools.Decide(t.Context(), j, s, "demo", a.ID, verdict(true, "maria")); tools.AsError(err).Code != tools.NotWaiting {
				t.Error(err)
			}
		})
		t.Run("another digest", func(t *testing.T) {
			r, a := asked(t, s, j, "changed", time.Hour)
			b := ask(t, s, ofRun(r.ID, "another", time.Hour))
			if old, now := approvalOf(t, s, a.ID), approvalOf(t, s, b.ID); old.State != tools.Expired || now.State != tools.Waiting || b.ID == a.ID {
				t.Errorf("%+v %+v", old, now)
			}
		})
		t.Run("at work", func(t *testing.T) {
			r, a := asked(t, s, j, "work", time.Hour)
			if _, err := j.Begin(t.Context(), moving(&audit.Move{To: func() audit.Run { r := r; r.Status = returns.Running; return r }()})); err != nil {
				t.Fatal(err)
			}
			if _, err := tools.Decide(t.Context(), j, s, "demo", a.ID, verdict(true, "maria")); tools.AsError(err).Code != tools.NotWaiting || !strings.Contains(err.Error(), "in a moment") {
				t.Error(err)
			}
			if got := approvalOf(t, s, a.ID); got.State != tools.Waiting {
				t.Errorf("%+v", got)
			}
		})
		t.Run("all or nothing", func(t *testing.T) { testVerdictAndMove(t, s, j) })
		t.Run("at once", func(t *testing.T) { testDecidersOfRun(t, d, s, j) })
		signLog(t, s)
		if r := check(t, s, "demo"); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

// testVerdictAndMove: with a verdict and a move that do not fit neither takes effect,
// whatever else is in the batch.
func testVerdictAndMove(t *testing.T, s *Store, j *audit.Journal) {
	r, a := asked(t, s, j, "both", time.Hour)
	other, _ := asked(t, s, j, "other", time.Hour)
	answered := func(r audit.Run) *audit.Move {
		m, err := returns.Answered(r, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		return &m
	}
	old, lost := r, r
	old.Turn--
	lost.ID = "none"
	judging := func(id string, m *audit.Move) audit.Entry {
		e := call()
		e.Phase, e.Tool, e.Approval, e.Move, e.Verdict = audit.PhaseIntent, "approvals", id, m, &audit.Verdict{Approved: true}
		return e
	}
	add := func(entries ...audit.Entry) {
		t.Helper()
		for i := range entries {
			entries[i].ID, entries[i].Phase, entries[i].Time = fmt.Sprint("e", approvalIDs.Add(1)), audit.PhaseIntent, time.Now()
		}
		if err := s.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	unmoved := func(what string) {
		t.Helper()
		now, _, err := s.Run(t.Context(), "demo", r.ID)
		if got := approvalOf(t, s, a.ID); err != nil || got.State != tools.Waiting || now.Turn != r.Turn || now.Status != returns.Waiting {
			t.Errorf("%s: the approval is %s, the run %s in turn %d, %v", what, got.State, now.Status, now.Turn, err)
		}
	}
	for what, e := range map[string]audit.Entry{
		"an old turn":      judging(a.ID, answered(old)),
		"no run":           judging(a.ID, answered(lost)),
		"another run":      judging(a.ID, answered(other)),
		"no move":          judging(a.ID, nil),
		"another approval": judging("none", answered(r)),
	} {
		before := len(list(t, s, audit.Query{Limit: 1e6}))
		add(e)
		stale := e.Move != nil && e.Move.Stale
		if e.Verdict.Void == stale || len(list(t, s, audit.Query{Limit: 1e6})) != before {
			t.Errorf("%s: void %v, stale %v", what, e.Verdict.Void, stale)
		}
		unmoved(what)
	}
	wrong := answered(r)
	wrong.To.Status = "lost"
	e := judging(a.ID, wrong)
	e.ID, e.Time = "wrong", time.Now()
	if err := s.Append(t.Context(), []audit.Entry{e}); err == nil {
		t.Error("a move that the table refuses")
	}
	unmoved("a commit that fails")

	back, err := returns.TakenBack(r, 0, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	cancel, first, second := moving(&back), judging(a.ID, answered(r)), judging(a.ID, answered(r))
	add(cancel, first, second) // in one commit
	if !cancel.Move.Stale || first.Move.Stale || first.Verdict.Void || !second.Move.Stale && !second.Verdict.Void {
		t.Errorf("cancel %+v, first %+v, second %+v", cancel.Move, first.Verdict, second.Verdict)
	}
	if now, _, _ := s.Run(t.Context(), "demo", r.ID); now.Status != returns.Running || now.Turn != r.Turn+1 {
		t.Errorf("%+v", now)
	}
}

// testDecidersOfRun: of people in two processes who decide, cancel, or come too late,
// one has their way, and approval and run agree whatever that is.
func testDecidersOfRun(t *testing.T, d database, s *Store, j *audit.Journal) {
	journals, stores := []*audit.Journal{j, journal(t, d.join(t))}, []*Store{s, s}
	if d.dir == "" {
		stores[1] = d.open(t)
	}
	const rounds = 25
	var ends [4]int
	for round := range rounds {
		within := time.Duration(1+rand.IntN(20)) * time.Millisecond // some are over before
		if round%2 == 0 {
			within = time.Hour
		}
		r, a := asked(t, s, j, fmt.Sprint("race ", round), within)
		var effects atomic.Int64
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				_, err := tools.Decide(t.Context(), journals[i%2], stores[i%2], "demo", a.ID, verdict((round+i)%3 > 0, fmt.Sprint("person ", i)))
				if err == nil {
					effects.Add(1)
				} else if tools.AsError(err).Code != tools.NotWaiting {
					t.Error(err)
				}
			})
		}
		group.Go(func() { // the run, whose time is over
			to := r
			to.Status = returns.Running
			if round%4 != 1 {
				return
			}
			if intent, err := journals[1].Begin(t.Context(), moving(&audit.Move{To: to})); err == nil {
				effects.Add(1)
				if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, audit.ErrMoved) {
				t.Error(err)
			}
		})
		group.Go(func() { // somebody who cancels
			if m, err := returns.TakenBack(r, 0, []byte(`{}`)); err != nil {
				t.Error(err)
			} else if _, err := journals[0].Begin(t.Context(), moving(&m)); err == nil {
				effects.Add(1)
			} else if !errors.Is(err, audit.ErrMoved) {
				t.Error(err)
			}
		})
		group.Wait()
		if effects.Load() != 1 {
			t.Errorf("%d have had their way", effects.Load())
		}
		now, _, err := s.Run(t.Context(), "demo", r.ID)
		got := approvalOf(t, s, a.ID)
		decided := got.State == tools.Approved || got.State == tools.Denied
		if err != nil || now.Turn != r.Turn+1 || decided != (len(now.Answer) > 0) || decided && now.Status != returns.Running ||
			decided && !strings.Contains(string(now.Answer), fmt.Sprintf(`"approve":%v,"by":%q`, got.State == tools.Approved, got.By)) {
			t.Errorf("the approval is %s by %s, the run %s with %s, %v", got.State, got.By, now.Status, now.Answer, err)
		}
		switch {
		case got.State == tools.Approved:
			ends[0]++
		case got.State == tools.Denied:
			ends[1]++
		case now.Status == returns.Undoing:
			ends[2]++
		default:
			ends[3]++
		}
	}
	t.Logf("approved %d, denied %d, cancelled %d, late %d", ends[0], ends[1], ends[2], ends[3])
}

// TestRunsOfManyWait: runs that wait take no place of calls, nor are they bounded.
func TestRunsOfManyWait(t *testing.T) {
	s := database{dir: t.TempDir()}.open(t)
	for i := range tools.MaxWaiting + 5 {
		ask(t, s, ofRun(fmt.Sprint("run ", i), "d", time.Hour))
	}
	for i := range tools.MaxWaiting {
		ask(t, s, asking("desk", "ada", fmt.Sprint(i), time.Hour))
	}
	if _, err := s.AskApproval(t.Context(), asking("desk", "ada", "more", time.Hour)); !errors.Is(err, tools.ErrManyWait) {
		t.Error(err)
	}
	ask(t, s, ofRun("one more", "d", time.Hour))
	list, err := s.ListApprovals(t.Context(), tools.ApprovalQuery{Of: &allowlist.Caller{Host: "factory", Agent: "desk", User: "ada"}, Limit: 1000})
	if err != nil || len(list) != 2*tools.MaxWaiting+6 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// TestRuns: runs are found by what they are, the latest first and in pages, and the
// latest of a subject.
func TestRuns(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		var ids []string
		for i, r := range []audit.Run{
			{Subject: "a", Status: "failed"},
			{Subject: "a", Status: "running", Generation: 2, Escalated: true},
			{Subject: "a", Status: "cancelled", Generation: 1},
			{Subject: "b", Status: "waiting"},
			{Subject: "c", Status: "done"},
		} {
			r.ID, r.Kind = fmt.Sprint("run ", 9-i), "return" // no order of theirs
			ids = append(ids, r.ID)
			if _, err := j.Begin(t.Context(), moving(&audit.Move{To: r})); err != nil {
				t.Fatal(err)
			}
			if _, err := s.writer.ExecContext(t.Context(), `UPDATE saga SET started = ? WHERE id = ?`, 1000+min(i, 3), r.ID); err != nil { // two at once
				t.Fatal(err)
			}
		}
		elsewhere := moving(&audit.Move{To: audit.Run{ID: "elsewhere", Kind: "return", Subject: "a", Generation: 7, Status: "waiting"}})
		elsewhere.Workspace = "other"
		if _, err := j.Begin(t.Context(), elsewhere); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			q    audit.RunQuery
			want []string
		}{
			"all":         {audit.RunQuery{Workspace: "demo"}, []string{ids[3], ids[4], ids[2], ids[1], ids[0]}},
			"a page":      {audit.RunQuery{Workspace: "demo", Limit: 1}, []string{ids[3]}},
			"the next":    {audit.RunQuery{Workspace: "demo", Limit: 2, Before: ids[3]}, []string{ids[4], ids[2]}},
			"after none":  {audit.RunQuery{Workspace: "demo", Before: "none"}, nil},
			"status":      {audit.RunQuery{Status: "waiting"}, []string{"elsewhere", ids[3]}},
			"subject":     {audit.RunQuery{Workspace: "demo", Subject: "a"}, []string{ids[2], ids[1], ids[0]}},
			"escalated":   {audit.RunQuery{Escalated: true}, []string{ids[1]}},
			"for people":  {audit.RunQuery{Workspace: "demo", Person: true}, []string{ids[3], ids[1]}},
			"a workspace": {audit.RunQuery{Workspace: "other"}, []string{"elsewhere"}},
		} {
			var got []string
			runs, err := s.Runs(t.Context(), tt.q)
			for _, r := range runs {
				got = append(got, r.ID)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v; %v", name, got, tt.want, err)
			}
		}
		if r, ok, err := s.LatestRun(t.Context(), "demo", "return", "a"); !ok || err != nil || r.ID != ids[1] || r.Generation != 2 || !r.Escalated {
			t.Errorf("%+v %v %v", r, ok, err)
		}
		for _, of := range [][3]string{{"demo", "return", "x"}, {"demo", "x", "a"}, {"x", "return", "a"}} {
			if _, ok, err := s.LatestRun(t.Context(), of[0], of[1], of[2]); ok || err != nil {
				t.Errorf("%v: %v %v", of, ok, err)
			}
		}
		if waiting, escalated, err := s.CountRuns(t.Context()); waiting != 2 || escalated != 1 || err != nil {
			t.Errorf("%d %d %v", waiting, escalated, err)
		}
	})
}

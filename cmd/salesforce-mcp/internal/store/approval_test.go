package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// approvalIDs ascend, as UUIDs of version 7 do.
var approvalIDs atomic.Int64

// asking is an approval that is asked for now, by an agent for a user.
func asking(agent, user, digest string, within time.Duration) tools.Approval {
	now := time.Now().UTC().Truncate(time.Millisecond)
	sure := 0.25
	return tools.Approval{ID: fmt.Sprintf("approval-%09d", approvalIDs.Add(1)), State: tools.Waiting,
		AskedCall: tools.AskedCall{Workspace: "demo", Host: "factory", Agent: agent, User: user, Instruction: "deleteRecord", Digest: digest},
		Context:   "c", Tool: "records", Action: "delete", Effect: "remove", Arguments: json.RawMessage(`{"a":1}`), Reasoning: "why", Confidence: &sure, Rule: "a rule",
		Requested: now.Add(-time.Hour), Expires: now.Add(within), Sealed: []byte("sealed")}
}

func ask(t testing.TB, s *Store, a tools.Approval) tools.Approval {
	t.Helper()
	got, err := s.AskApproval(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// using is the entry of a call that uses an approval.
func using(id string) audit.Entry {
	e := call()
	e.Approval, e.Consent = id, &audit.Consent{ID: id}
	return e
}

// judged decides about an approval, through a journal.
func judged(ctx context.Context, j *audit.Journal, id string, approve bool) error {
	e := call()
	e.Tool, e.Action, e.Approval, e.By = "approvals", "approve", id, "maria"
	intent, err := j.Begin(ctx, e)
	if err != nil {
		return err
	}
	err = intent.End(ctx, audit.Outcome{Status: audit.OK, Verdict: &audit.Verdict{Approved: approve, Note: "n"}})
	if errors.Is(err, audit.ErrDecided) {
		return errors.Join(err, intent.End(ctx, audit.Outcome{Status: audit.Failed, Code: "late"}))
	}
	return err
}

// TestApprovals: what calls that wait for a person come to, on each engine.
func TestApprovals(t *testing.T) {
	engines(t, func(t *testing.T, db database) {
		s := db.open(t)
		for _, part := range []struct {
			name string
			test func(*testing.T, database, *Store)
		}{{"one", testApproval}, {"law", testApprovalLaw}, {"claim", testApprovalAndClaim}, {"time", testApprovalTime}, {"lists", testApprovalLists}, {"beside", testApprovalBeside}} {
			if _, err := s.writer.ExecContext(t.Context(), `DELETE FROM approval`); err != nil {
				t.Fatal(err)
			}
			t.Run(part.name, func(t *testing.T) { part.test(t, db, s) })
		}
	})
}

func testApproval(t *testing.T, _ database, s *Store) {
	j := journal(t, s)
	a := asking("desk", "ada", "d1", time.Hour)
	if got := ask(t, s, a); got.ID != a.ID {
		t.Fatalf("%+v", got)
	}
	got, found, err := s.Approval(t.Context(), "demo", a.ID)
	if diff := cmp.Diff(a, got); err != nil || !found || diff != "" {
		t.Fatalf("%v %v (-want +got):\n%s", found, err, diff)
	}
	if _, found, _ := s.Approval(t.Context(), "other", a.ID); found {
		t.Error("another workspace has the approval")
	}
	for _, other := range []func(*tools.AskedCall){
		func(c *tools.AskedCall) { c.Workspace = "x" }, func(c *tools.AskedCall) { c.Host = "x" }, func(c *tools.AskedCall) { c.Agent = "x" },
		func(c *tools.AskedCall) { c.User = "x" }, func(c *tools.AskedCall) { c.Instruction = "x" }, func(c *tools.AskedCall) { c.Digest = "x" },
	} {
		call := a.AskedCall
		other(&call)
		if b, found, err := s.OpenApproval(t.Context(), call); found || err != nil {
			t.Errorf("%+v has the approval of %+v, %v", call, b.AskedCall, err)
		}
	}
	if err := judged(t.Context(), j, a.ID, true); err != nil {
		t.Fatal(err)
	}
	got, _, err = s.Approval(t.Context(), "demo", a.ID)
	if err != nil || got.State != tools.Approved || got.By != "maria" || got.Note != "n" || got.Decided == nil {
		t.Errorf("%+v %v", got, err)
	}
	intent, err := j.Begin(t.Context(), using(a.ID))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ = s.Approval(t.Context(), "demo", a.ID); got.State != tools.Used || got.Call != intent.ID() {
		t.Errorf("%+v", got)
	}
	if _, err := j.Begin(t.Context(), using(a.ID)); !errors.Is(err, audit.ErrUsed) {
		t.Errorf("used twice: %v", err)
	}
	if err := s.GiveBack(t.Context(), a.ID, "another intent"); err != nil {
		t.Error(err)
	}
	if _, err := j.Begin(t.Context(), using(a.ID)); !errors.Is(err, audit.ErrUsed) {
		t.Errorf("given back by another: %v", err)
	}
	if err := s.GiveBack(t.Context(), a.ID, intent.ID()); err != nil {
		t.Error(err)
	}
	if _, err := j.Begin(t.Context(), using(a.ID)); err != nil {
		t.Errorf("given back: %v", err)
	}
	if err := intent.End(t.Context(), audit.Outcome{Status: audit.Failed}); err != nil {
		t.Error(err)
	}
	for _, e := range list(t, s, audit.Query{}) {
		if e.Approval != a.ID {
			t.Errorf("%+v", e)
		}
	}
}

// testApprovalLaw holds approvals to a model: a call has one open approval, which
// goes from waiting to approved and used, or to denied, in time or not at all.
func testApprovalLaw(t *testing.T, db database, s *Store) {
	j := journal(t, s)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		if run++; run > 10 && db.dir == "" {
			return // the law is the same, and Postgres takes its time
		}
		agent := fmt.Sprint("agent", run)
		model := map[string]tools.State{} // by ID
		open := map[string]string{}       // by digest, the ID
		var ids []string
		pick := func() string { return rapid.SampledFrom(append([]string{"none"}, ids...)).Draw(rt, "id") }
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"ask", "ask", "decide", "decide", "use", "back"}).Draw(rt, "what") {
			case "ask":
				digest := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "digest")
				within := rapid.SampledFrom([]time.Duration{time.Hour, time.Hour, -time.Minute}).Draw(rt, "within")
				a := asking(agent, "ada", digest, within)
				got, err := s.AskApproval(rt.Context(), a)
				if err != nil {
					rt.Fatal(err)
				}
				if was := open[digest]; was != "" {
					if got.ID != was {
						rt.Fatalf("asked twice: %s and %s", was, got.ID)
					}
					continue
				}
				if got.ID != a.ID {
					rt.Fatalf("asked for %s, got %+v", a.ID, got)
				}
				ids = append(ids, a.ID)
				if model[a.ID] = tools.Expired; within > 0 {
					model[a.ID], open[digest] = tools.Waiting, a.ID
				}
			case "decide":
				id, approve := pick(), rapid.Bool().Draw(rt, "approve")
				err := judged(rt.Context(), j, id, approve)
				if (err == nil) != (model[id] == tools.Waiting) {
					rt.Fatalf("decided about one that is %q: %v", model[id], err)
				}
				if err == nil {
					if model[id] = tools.Denied; approve {
						model[id] = tools.Approved
					}
				}
			case "use":
				id := pick()
				_, err := j.Begin(rt.Context(), using(id))
				if (err == nil) != (model[id] == tools.Approved) {
					rt.Fatalf("used one that is %q: %v", model[id], err)
				}
				if err == nil {
					model[id] = tools.Used
					for digest, there := range open {
						if there == id {
							delete(open, digest)
						}
					}
				}
			case "back":
				id := pick()
				if err := s.GiveBack(rt.Context(), id, "no intent"); err != nil {
					rt.Fatal(err)
				}
			}
			for id, want := range model {
				if got, _, err := s.Approval(rt.Context(), "demo", id); err != nil || got.State != want {
					rt.Fatalf("%s is %s, want %s, %v", id, got.State, want, err)
				}
			}
		}
	})
}

// testApprovalAndClaim: a call that lost its approval to another has claimed nothing,
// and one whose key is another's has used no approval.
func testApprovalAndClaim(t *testing.T, _ database, s *Store) {
	before := len(list(t, s, audit.Query{Tool: "records", Limit: 1e6}))
	add := func(entries ...audit.Entry) {
		t.Helper()
		for i := range entries {
			entries[i].ID, entries[i].Phase, entries[i].Time = fmt.Sprint("e", approvalIDs.Add(1)), audit.PhaseIntent, time.Now()
		}
		if err := s.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	j := journal(t, s)
	a, b := ask(t, s, asking("desk", "ada", "a", time.Hour)), ask(t, s, asking("desk", "ada", "b", time.Hour))
	for _, id := range []string{a.ID, b.ID} {
		if err := judged(t.Context(), j, id, true); err != nil {
			t.Fatal(err)
		}
	}
	first, second := using(a.ID), using(a.ID)
	first.Claim, second.Claim = claiming("first").Claim, claiming("second").Claim
	add(first, second)
	if _, there, err := s.Claim(t.Context(), "second"); err != nil || there || first.Consent.Taken || !second.Consent.Taken {
		t.Errorf("the second has its claim: %v, its approval %v, the first %v; %v", there, !second.Consent.Taken, !first.Consent.Taken, err)
	}
	third := using(b.ID)
	third.Claim = claiming("first").Claim
	add(third)
	if got, _, err := s.Approval(t.Context(), "demo", b.ID); err != nil || !third.Claim.Taken || got.State != tools.Approved {
		t.Errorf("the approval of a call that was not made is %s, %v", got.State, err)
	}
	foreign := using(b.ID)
	foreign.Workspace = "other"
	add(foreign)
	if !foreign.Consent.Taken {
		t.Error("another workspace uses the approval")
	}
	if got := len(list(t, s, audit.Query{Tool: "records", Limit: 1e6})) - before; got != 1 {
		t.Errorf("%d calls were recorded, want one", got)
	}
}

// testApprovalTime: an approval that comes late can still be used for a while, and
// after its time it cannot.
func testApprovalTime(t *testing.T, _ database, s *Store) {
	j := journal(t, s)
	late := ask(t, s, asking("desk", "ada", "late", time.Minute))
	if err := judged(t.Context(), j, late.ID, true); err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Approval(t.Context(), "demo", late.ID)
	if left := time.Until(got.Expires); err != nil || left < 59*time.Minute || left > time.Hour {
		t.Errorf("it can be used for %s, %v", left, err)
	}
	if _, err := s.writer.ExecContext(t.Context(), `UPDATE approval SET expires = ? WHERE id = ?`, time.Now().Add(-time.Second).UnixMilli(), late.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Begin(t.Context(), using(late.ID)); !errors.Is(err, audit.ErrUsed) {
		t.Errorf("used after its time: %v", err)
	}
	if again := ask(t, s, asking("desk", "ada", "late", time.Hour)); again.ID == late.ID {
		t.Error("one whose time is over is asked for again")
	}
	old := ask(t, s, asking("desk", "ada", "old", -31*24*time.Hour))
	ask(t, s, asking("desk", "ada", "new", time.Hour))
	if _, found, err := s.Approval(t.Context(), "demo", old.ID); found || err != nil {
		t.Errorf("one whose time is over for a month is kept, %v", err)
	}
	counts, err := s.WaitingApprovals(t.Context())
	if diff := cmp.Diff(map[string]int64{"demo": 2}, counts); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// testApprovalLists: the latest come first, in pages, and each state is found.
func testApprovalLists(t *testing.T, _ database, s *Store) {
	j := journal(t, s)
	var ids []string
	for i := range 5 {
		ids = append(ids, ask(t, s, asking("desk", []string{"ada", ""}[i%2], fmt.Sprint(i), time.Hour)).ID)
	}
	gone := ask(t, s, asking("desk", "ada", "gone", -time.Minute)).ID
	for i, id := range ids[:3] {
		if err := judged(t.Context(), j, id, i > 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Begin(t.Context(), using(ids[2])); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		q    tools.ApprovalQuery
		want []string
	}{
		"all":             {tools.ApprovalQuery{}, []string{gone, ids[4], ids[3], ids[2], ids[1], ids[0]}},
		"a page":          {tools.ApprovalQuery{Limit: 2}, []string{gone, ids[4]}},
		"the next":        {tools.ApprovalQuery{Limit: 2, Before: ids[4]}, []string{ids[3], ids[2]}},
		"waiting":         {tools.ApprovalQuery{State: tools.Waiting}, []string{ids[4], ids[3]}},
		"approved":        {tools.ApprovalQuery{State: tools.Approved}, []string{ids[1]}},
		"denied":          {tools.ApprovalQuery{State: tools.Denied}, []string{ids[0]}},
		"used":            {tools.ApprovalQuery{State: tools.Used}, []string{ids[2]}},
		"expired":         {tools.ApprovalQuery{State: tools.Expired}, []string{gone}},
		"a workspace":     {tools.ApprovalQuery{Workspace: "other"}, nil},
		"of a user":       {tools.ApprovalQuery{Of: &allowlist.Caller{Host: "factory", Agent: "desk", User: "ada"}, State: tools.Waiting}, []string{ids[4]}},
		"of no user":      {tools.ApprovalQuery{Of: &allowlist.Caller{Host: "factory", Agent: "desk"}}, []string{ids[3], ids[1]}},
		"of another host": {tools.ApprovalQuery{Of: &allowlist.Caller{Host: "hub", Agent: "desk", User: "ada"}}, nil},
	} {
		var got []string
		kept, err := s.ListApprovals(t.Context(), tt.q)
		for _, a := range kept {
			got = append(got, a.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v; %v", name, got, tt.want, err)
		}
	}
}

// testApprovalBeside: a command decides while a server runs. Of many who decide at
// once one does, all entries are numbered, and each decision has its outcome.
func testApprovalBeside(t *testing.T, db database, s *Store) {
	journals := []*audit.Journal{journal(t, s), journal(t, db.join(t))}
	before := len(list(t, s, audit.Query{Limit: 1e6}))
	const rounds, deciders = 5, 8
	for round := range rounds {
		id := ask(t, s, asking("desk", "ada", fmt.Sprint(round), time.Hour)).ID
		var decided, used atomic.Int64
		var group sync.WaitGroup
		for i := range deciders {
			group.Go(func() {
				switch err := judged(t.Context(), journals[i%2], id, true); {
				case err == nil:
					decided.Add(1)
				case !errors.Is(err, audit.ErrDecided):
					t.Error(err)
				}
				switch _, err := journals[i%2].Begin(t.Context(), using(id)); {
				case err == nil:
					used.Add(1)
				case !errors.Is(err, audit.ErrUsed):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if decided.Load() != 1 || used.Load() != 1 {
			t.Errorf("%d decided, %d used", decided.Load(), used.Load())
		}
	}
	var leaves, last int
	if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*), max(leaf) FROM audit_entry`).Scan(&leaves, &last); err != nil || leaves-before != rounds*(2*deciders+1) || last != leaves-1 {
		t.Errorf("%d entries, the last is number %d, %v", leaves, last, err)
	}
}

package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/audit"
)

// charged is the entry of a call of an agent with limits.
func charged(agent string, writes, writesPerDay, callsPerDay int64) audit.Entry {
	e := call()
	e.Agent = agent
	e.Charge = &audit.Charge{Account: audit.Account{Workspace: e.Workspace, Agent: agent},
		CallsPerDay: audit.Meter{Takes: 1, Limit: callsPerDay}, WritesPerDay: audit.Meter{Takes: writes, Limit: writesPerDay}}
	return e
}

// TestBudgetOnReplicas: two servers over one database let through exactly what an
// agent may do, whoever asks at once, and keep an intent for each call that they
// let through and for no other.
func TestBudgetOnReplicas(t *testing.T) { engines(t, testBudgetOnReplicas) }

func testBudgetOnReplicas(t *testing.T, d database) {
	one := d.open(t)
	two := d.join(t)
	journals := []*audit.Journal{journal(t, one), journal(t, two)}
	const agents, callers, limit = 3, 40, 25
	began := time.Now()
	var passed [agents]atomic.Int64
	var group sync.WaitGroup
	for i := range agents * callers {
		group.Go(func() {
			agent := i % agents
			e := charged(fmt.Sprint("agent-", agent), 2, 2*limit, 0)
			if agent == 2 {
				e = charged(fmt.Sprint("agent-", agent), 1, 0, limit)
			}
			_, err := journals[i/agents%2].Begin(t.Context(), e)
			switch {
			case err == nil:
				passed[agent].Add(1)
			case !errors.Is(err, audit.ErrSpent) || e.Charge.Spent == nil || !e.Charge.Until.After(time.Now()):
				t.Errorf("%v, charge %+v", err, e.Charge)
			}
		})
	}
	group.Wait()
	sameDay := began.UTC().Day() == time.Now().UTC().Day()
	for agent := range agents {
		if n := passed[agent].Load(); n != limit && sameDay {
			t.Errorf("agent %d was let through %d times, want %d", agent, n, limit)
		}
		if n := len(list(t, one, audit.Query{Agent: fmt.Sprint("agent-", agent), Limit: 1000})); int64(n) != passed[agent].Load() {
			t.Errorf("agent %d has %d intents and was let through %d times", agent, n, passed[agent].Load())
		}
	}
}

// TestBudgetOnItsClock follows one account through a day: limits outlast a
// restart, a call that is not let through takes nothing and claims nothing, and
// whoever is idle is forgotten.
func TestBudgetOnItsClock(t *testing.T) { engines(t, testBudgetOnItsClock) }

func testBudgetOnItsClock(t *testing.T, d database) {
	s, err := d.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	n := 0
	try := func(at time.Duration, agent string, writes int64, scope string) bool {
		t.Helper()
		n++
		e := charged(agent, writes, 10, 0)
		e.ID, e.Phase, e.Time = fmt.Sprint(n), audit.PhaseIntent, day.Add(at)
		if scope != "" {
			e.Claim = &audit.Claim{Scope: scope, Digest: []byte("d"), Life: time.Hour}
		}
		if err := s.Append(t.Context(), []audit.Entry{e}); err != nil {
			t.Fatal(err)
		}
		return e.Charge.Spent == nil && (e.Claim == nil || !e.Claim.Taken)
	}
	accounts := func() (n int) {
		t.Helper()
		if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM budget`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		at     time.Duration
		agent  string
		writes int64
		scope  string
		want   bool
	}{
		{0, "a", 6, "x", true},
		{time.Hour, "a", 1, "x", false}, // the key is claimed: nothing is taken
		{time.Hour, "a", 5, "y", false}, // and what is not let through claims no key
		{time.Hour, "a", 4, "y", true},
		{time.Hour, "a", 1, "", false},
		{time.Hour, "b", 10, "", true}, // another agent
		{24*time.Hour - time.Millisecond, "a", 1, "", false},
		{24 * time.Hour, "a", 10, "", true},
	} {
		if got := try(step.at, step.agent, step.writes, step.scope); got != step.want {
			t.Errorf("%+v: let through %v", step, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = d.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = s.Close() })
	if n := accounts(); n != 2 {
		t.Errorf("%d accounts, want 2", n)
	}
	try(40*24*time.Hour, "c", 1, "")
	if n := accounts(); n != 1 {
		t.Errorf("%d accounts after forty days, want that of c", n)
	}
}

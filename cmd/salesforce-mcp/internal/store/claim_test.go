package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/audit"
)

// claiming is the entry of a call that claims a scope.
func claiming(scope string) audit.Entry {
	e := call()
	e.Claim = &audit.Claim{Scope: scope, Digest: []byte("d " + scope), Life: time.Hour}
	return e
}

// TestClaimLaw holds claims to a model, across restarts: one intent has a scope
// until it is released; what was kept stays; an intent that was left open, or ended
// without a word, is unknown.
func TestClaimLaw(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := audit.NewJournal(s)
		defer func() {
			j.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		recorded := func() (n int) {
			t.Helper()
			if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM audit_entry`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			type state struct {
				intent  *audit.Intent // nil when it has ended
				id      string
				outcome string
			}
			model := map[string]*state{}
			check := func(scope string) {
				c, ok, err := s.Claim(rt.Context(), scope)
				if err != nil {
					rt.Fatal(err)
				}
				want := model[scope]
				if ok != (want != nil) {
					rt.Fatalf("%s: claimed %v, want %v", scope, ok, want != nil)
				}
				if ok && (c.Intent != want.id || c.Live != (want.intent != nil) || string(c.Outcome) != want.outcome || string(c.Digest) != "d "+scope) {
					rt.Fatalf("%s: %+v, want %+v", scope, c, want)
				}
			}
			for range rapid.IntRange(1, 15).Draw(rt, "steps") {
				scope := fmt.Sprint(round, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "scope"))
				now := model[scope]
				switch what := rapid.SampledFrom([]string{"begin", "begin", "keep", "release", "unknown", "restart"}).Draw(rt, "what"); {
				case what == "begin":
					entries := recorded()
					intent, err := j.Begin(rt.Context(), claiming(scope))
					if now != nil {
						if !errors.Is(err, audit.ErrClaimed) || recorded() != entries {
							rt.Fatalf("claimed twice: %v", err)
						}
						break
					}
					if err != nil {
						rt.Fatal(err)
					}
					model[scope] = &state{intent: intent, id: intent.ID()}
				case what == "restart":
					j.Close()
					crash(t, s)
					var err error
					if s, err = d.start(t.Context()); err != nil {
						rt.Fatal(err)
					}
					j = audit.NewJournal(s)
					if _, err := j.Recover(rt.Context(), s); err != nil {
						rt.Fatal(err)
					}
					for _, m := range model {
						m.intent = nil
					}
				case now != nil && now.intent != nil:
					out := audit.Outcome{Status: audit.OK}
					switch what {
					case "keep":
						now.outcome = "kept " + now.id
						out.Keep = []byte(now.outcome)
					case "release":
						out.Release = true
						delete(model, scope)
					}
					if err := now.intent.End(rt.Context(), out); err != nil {
						rt.Fatal(err)
					}
					now.intent = nil
				}
				for _, scope := range []string{"x", "y", "z"} {
					check(fmt.Sprint(round, scope))
				}
			}
		})
	})
}

// TestClaimWindow: a claim holds for a day and no longer, and is live only as long
// as its call can be.
func TestClaimWindow(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		add := func(id, scope string, age time.Duration) bool {
			e := claiming(scope)
			e.ID, e.Phase, e.Time = id, audit.PhaseIntent, time.Now().Add(-age)
			if err := s.Append(t.Context(), []audit.Entry{e}); err != nil {
				t.Fatal(err)
			}
			return !e.Claim.Taken
		}
		holds := func(scope, want string) {
			t.Helper()
			c, ok, err := s.Claim(t.Context(), scope)
			if got := fmt.Sprint(ok, c.Live); err != nil || got != want {
				t.Errorf("claimed, live: %s, %v, want %s", got, err, want)
			}
		}
		add("1", "old", audit.ClaimWindow+time.Minute)
		add("2", "begun", audit.ClaimWindow-time.Minute)
		holds("old", "false false")
		holds("begun", "true false") // its life is over, though its intent is open
		if add("3", "begun", 0) {
			t.Error("a claim of less than a day ago does not hold")
		}
		if !add("4", "old", 0) {
			t.Error("a claim of more than a day ago holds")
		}
		holds("old", "true true")
	})
}

// TestClaimsInOneCommit: of many who claim the same in one commit one has it, the
// others leave no entry, and entries beside them are kept.
func TestClaimsInOneCommit(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		const callers, scopes = 400, 20
		var mu sync.Mutex
		won := map[string]int{}
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				e := call()
				scope := fmt.Sprint(i % scopes)
				if i%4 != 0 {
					e = claiming(scope)
				}
				switch _, err := j.Begin(t.Context(), e); {
				case err == nil && e.Claim != nil:
					mu.Lock()
					won[scope]++
					mu.Unlock()
				case err != nil && !errors.Is(err, audit.ErrClaimed):
					t.Error(err)
				}
			})
		}
		group.Wait()
		for scope, n := range won {
			if n != 1 {
				t.Errorf("%d callers have the claim %s", n, scope)
			}
		}
		entries := list(t, s, audit.Query{Limit: 2 * callers})
		if want := callers/4 + len(won); len(entries) != want || !slices.IsSortedFunc(entries, func(a, b audit.Entry) int { return a.Time.Compare(b.Time) }) {
			t.Errorf("%d entries, want %d", len(entries), want)
		}
	})
}

// TestClaimFollowsItsCommit: what could not be committed is not claimed.
func TestClaimFollowsItsCommit(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		twice := call()
		twice.ID, twice.Phase = "1", audit.PhaseIntent
		if err := s.Append(t.Context(), []audit.Entry{twice}); err != nil {
			t.Fatal(err)
		}
		e := claiming("x")
		e.ID, e.Phase, e.Time = "2", audit.PhaseIntent, time.Now()
		if err := s.Append(t.Context(), []audit.Entry{e, twice}); err == nil {
			t.Fatal("an entry was kept twice")
		}
		if _, ok, err := s.Claim(t.Context(), "x"); ok || err != nil {
			t.Errorf("a claim without its intent: %v %v", ok, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	enginesBench(b, func(b *testing.B, d database) {
		i := 0
		for name, claims := range map[string]bool{"plain": false, "claims": true} {
			b.Run(name, func(b *testing.B) {
				s := d.open(b)
				for ; b.Loop(); i++ {
					e := call()
					if claims {
						e = claiming(fmt.Sprint(i))
					}
					e.ID, e.Phase, e.Time = fmt.Sprint(i), audit.PhaseIntent, time.Now()
					if err := s.Append(b.Context(), []audit.Entry{e}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

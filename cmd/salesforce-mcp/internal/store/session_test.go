package store

import (
	"slices"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// TestSessions: sequence ids are given once each, whoever asks in whatever process;
// nobody speaks in another's session; limits hold; idle sessions are found once.
func TestSessions(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		stores := []*Store{d.open(t)}
		if d.dir == "" {
			stores = append(stores, d.open(t))
		}
		s, ctx := stores[0], t.Context()
		limits := tools.SessionLimits{Hourly: 3, Open: 2, Messages: 60}
		caller := allowlist.Caller{Workspace: "demo", Host: "h", Agent: "a", User: "u", Context: "c"}
		open := func(key string) time.Duration {
			t.Helper()
			wait, err := s.OpenSession(ctx, tools.Session{Key: key, Caller: caller, AgentID: "0Xx"}, limits)
			if err != nil {
				t.Fatal(err)
			}
			if wait == 0 {
				if err := s.SessionBegan(ctx, tools.Session{Key: key, ID: "id " + key, Endpoint: "https://acme.my.salesforce.com"}); err != nil {
					t.Fatal(err)
				}
			}
			return wait
		}
		if open("1") != 0 || open("2") != 0 {
			t.Fatal("cannot open sessions")
		}
		if wait := open("3"); wait >= 0 {
			t.Errorf("a third open session: wait %v", wait)
		}
		if err := s.SessionEnded(ctx, "2", "UserRequest"); err != nil {
			t.Fatal(err)
		}
		if wait := open("3"); wait != 0 {
			t.Errorf("after one has ended: wait %v", wait)
		}
		if err := s.SessionEnded(ctx, "3", "UserRequest"); err != nil {
			t.Fatal(err)
		}
		if wait := open("4"); wait < 50*time.Minute || wait > time.Hour {
			t.Errorf("a fourth session in an hour: wait %v", wait)
		}

		for _, other := range []allowlist.Caller{
			{Workspace: "other", Host: "h", Agent: "a", User: "u"}, {Workspace: "demo", Host: "x", Agent: "a", User: "u"},
			{Workspace: "demo", Host: "h", Agent: "x", User: "u"}, {Workspace: "demo", Host: "h", Agent: "a", User: "x"},
		} {
			if _, turn, err := s.TakeTurn(ctx, other, "id 1", limits, time.Hour); turn != tools.TurnNone || err != nil {
				t.Errorf("%+v: %v, %v", other, turn, err)
			}
		}
		if _, turn, err := s.TakeTurn(ctx, caller, "id 2", limits, time.Hour); turn != tools.TurnEnded || err != nil {
			t.Errorf("a session that has ended: %v, %v", turn, err)
		}

		var mu sync.Mutex
		var given []int64
		var group sync.WaitGroup
		for i := range 6 {
			at := stores[i%len(stores)]
			group.Go(func() {
				for {
					a, turn, err := at.TakeTurn(ctx, caller, "id 1", limits, time.Hour)
					if err != nil {
						t.Error(err)
						return
					}
					switch turn {
					case tools.TurnSpent:
						return
					case tools.TurnTaken:
						if _, again, err := at.TakeTurn(ctx, caller, "id 1", limits, time.Hour); again != tools.TurnBusy && again != tools.TurnSpent || err != nil {
							t.Errorf("two at once: %v, %v", again, err)
						}
						mu.Lock()
						given = append(given, a.Sequence)
						mu.Unlock()
						if err := at.EndTurn(ctx, a); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		group.Wait()
		slices.Sort(given)
		if len(given) != 60 || given[0] != 1 || given[59] != 60 || len(slices.Compact(given)) != 60 {
			t.Errorf("sequence ids %v", given)
		}

		limits.Messages = 100
		for want := range int64(2) { // a lease that is over is no turn, and its id is not given again
			a, turn, err := s.TakeTurn(ctx, caller, "id 1", limits, 0)
			if turn != tools.TurnTaken || a.Sequence != 61+want || err != nil {
				t.Errorf("%+v, %v, %v", a, turn, err)
			}
		}
		if _, ok, err := s.IdleSession(ctx, "demo", time.Hour, time.Hour); ok || err != nil {
			t.Errorf("idle: %v, %v", ok, err)
		}
		if _, ok, err := s.IdleSession(ctx, "other", 0, time.Hour); ok || err != nil {
			t.Errorf("idle elsewhere: %v, %v", ok, err)
		}
		if a, ok, err := s.IdleSession(ctx, "demo", 0, time.Hour); !ok || err != nil || a.ID != "id 1" || a.Caller.User != "u" || a.Endpoint == "" {
			t.Errorf("idle: %+v, %v, %v", a, ok, err)
		}
		if _, ok, err := s.IdleSession(ctx, "demo", 0, time.Hour); ok || err != nil {
			t.Errorf("idle twice: %v, %v", ok, err)
		}
	})
}

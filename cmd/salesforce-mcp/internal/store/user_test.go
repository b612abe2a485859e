package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// TestUsers: users are kept as they are given, found by what identifies them, and the
// last owner stays, whoever takes their rights away at once.
func TestUsers(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, ctx := d.open(t), t.Context()
		ada := users.User{ID: "1", Email: "ada@acme.example", Name: "Ada", Issuer: "https://idp.example", Subject: "s-1", Password: "$argon2id$…", Generation: 3, Suspended: true,
			Given: users.Roles{Platform: users.Owner}, Claimed: users.Roles{Workspaces: map[string][]users.Role{"sales": {users.Approver}}},
			Created: time.UnixMilli(1_700_000_000_000).UTC(), CreatedBy: "setup", SignedIn: time.UnixMilli(1_700_000_000_001).UTC()}
		bob := users.User{ID: "2", Subject: "s-1", Issuer: "https://other.example", Created: ada.Created}
		for _, u := range []users.User{ada, bob} {
			if err := users.Add(ctx, s, u); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Users(ctx)
		if diff := cmp.Diff([]users.User{bob, ada}, all); diff != "" || err != nil {
			t.Errorf("users (-want +got), error %v:\n%s", err, diff)
		}
		for name, find := range map[string]func() (users.User, bool, error){
			"id":      func() (users.User, bool, error) { return s.UserByID(ctx, "1") },
			"email":   func() (users.User, bool, error) { return s.UserByEmail(ctx, "ada@acme.example") },
			"subject": func() (users.User, bool, error) { return s.UserBySubject(ctx, "https://idp.example", "s-1") },
		} {
			if u, ok, err := find(); !ok || err != nil || u.ID != "1" {
				t.Errorf("by %s: %v, %t, error %v", name, u, ok, err)
			}
		}
		for name, find := range map[string]func() (users.User, bool, error){
			"id":       func() (users.User, bool, error) { return s.UserByID(ctx, "3") },
			"no email": func() (users.User, bool, error) { return s.UserByEmail(ctx, "") },
			"subject":  func() (users.User, bool, error) { return s.UserBySubject(ctx, "https://idp.example", "s-2") },
			"none":     func() (users.User, bool, error) { return s.UserBySubject(ctx, "", "") },
		} {
			if u, ok, err := find(); ok || err != nil {
				t.Errorf("by %s: %v, error %v", name, u, err)
			}
		}
		if err := users.Add(ctx, s, users.User{ID: "3", Email: ada.Email}); !errors.Is(err, users.ErrTaken) {
			t.Errorf("the same address again: %v", err)
		}
		if first, err := users.AddFirst(ctx, s, users.User{ID: "4"}); first || err != nil {
			t.Errorf("a first user beside others: %t, error %v", first, err)
		}

		if err := users.Change(ctx, s, "1", func(u *users.User) error { u.Suspended = false; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := users.Change(ctx, s, "2", func(u *users.User) error { u.Given.Platform = users.Owner; return nil }); err != nil {
			t.Fatal(err)
		}
		var work sync.WaitGroup
		var kept atomic.Int64
		for _, take := range []func() error{
			func() error {
				return users.Change(ctx, s, "1", func(u *users.User) error { u.Suspended = true; return nil })
			},
			func() error { return users.Remove(ctx, s, "2") },
		} {
			work.Go(func() {
				err := take()
				if errors.Is(err, users.ErrLastOwner) {
					kept.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if kept.Load() != 1 {
			t.Errorf("of two owners who go at once %d stay", kept.Load())
		}
	})
}

// TestAppSessions: a session is there until it ends, and then for good, even if a request
// of before still writes to it.
func TestAppSessions(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, ctx := d.open(t), t.Context()
		is := func(hash, want string) {
			t.Helper()
			content, ok, err := s.AppSession(ctx, hash)
			if err != nil || ok != (want != "") || string(content) != want {
				t.Errorf("%s is %q, %t, error %v; want %q", hash, content, ok, err, want)
			}
		}
		put := func(hash, content string, life time.Duration) {
			t.Helper()
			if err := s.PutAppSession(ctx, hash, []byte(content), time.Now().Add(life)); err != nil {
				t.Fatal(err)
			}
		}
		put("a", "one", time.Hour)
		put("b", "other", time.Hour)
		put("a", "two", time.Hour)
		put("c", "over", -time.Second)
		is("a", "two")
		is("b", "other")
		is("c", "")
		if err := s.EndAppSession(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		is("a", "")
		put("a", "three", 2*time.Hour)
		is("a", "")
		is("b", "other")
	})
}

// TestAttempts: failures cost waits that grow, in whatever process and at once; success
// makes up for them; and what one way counts another does not.
func TestAttempts(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, ctx := d.open(t), t.Context()
		account, source := users.AtAccount("ada@acme.example"), users.AtSource("198.51.100.0")
		try := func(ways ...users.Attempt) time.Duration {
			t.Helper()
			wait, _, _, err := s.Try(ctx, ways)
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		var work sync.WaitGroup
		var let atomic.Int64
		for range 4 * account.Free {
			work.Go(func() {
				wait, _, _, err := s.Try(ctx, []users.Attempt{account, source})
				if err != nil {
					t.Error(err)
				} else if wait == 0 {
					let.Add(1)
				}
			})
		}
		work.Wait()
		if int(let.Load()) != account.Free {
			t.Errorf("of many at once %d were tried, want %d", let.Load(), account.Free)
		}
		if wait := try(account); wait <= 0 || wait > account.Wait(account.Free) {
			t.Errorf("the next waits %v", wait)
		}
		if try(users.AtDevice("d"), source) != 0 || try(users.AtAccount("bob@acme.example"), source) != 0 {
			t.Error("another way waits")
		}
		pass(t, s, 3*time.Second)
		if try(account) != 0 {
			t.Error("later it still waits")
		}
		if wait := try(account); wait <= account.Wait(account.Free) {
			t.Errorf("one failure more, and it waits only %v", wait)
		}
		if err := s.Succeeded(ctx, []users.Attempt{account}, []users.Attempt{source}); err != nil {
			t.Fatal(err)
		}
		if try(account) != 0 {
			t.Error("after success it waits")
		}

		// Whoever succeeds with an account of their own does not make their guesses at
		// others' undone.
		mine := users.AtAccount("eve@evil.example")
		for n := range source.Free {
			if try(users.AtAccount(fmt.Sprint(n)), source) > 0 {
				break
			}
			if n%2 == 0 && try(mine, source) == 0 {
				if err := s.Succeeded(context.WithoutCancel(ctx), []users.Attempt{mine}, []users.Attempt{source}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if try(source) == 0 {
			t.Error("a source that guesses between successes does not wait")
		}
	})
}

// pass lets the time go by that attempts wait.
func pass(t *testing.T, s *Store, d time.Duration) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), `UPDATE app_attempt SET until = until - CAST(? AS BIGINT)`, d.Milliseconds()); err != nil {
		t.Fatal(err)
	}
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce"
)

// counter is a Source that gives token-1, token-2 and so on.
type counter struct {
	logins atomic.Int64
	login  func(ctx context.Context, n int64) error // may be nil
}

func (c *counter) Token(ctx context.Context) (salesforce.Token, error) {
	n := c.logins.Add(1)
	if c.login != nil {
		if err := c.login(ctx, n); err != nil {
			return salesforce.Token{}, err
		}
	}
	return numbered(n), nil
}

func numbered(n int64) salesforce.Token {
	return salesforce.Token{AccessToken: salesforce.Secret(fmt.Sprintf("token-%d", n)), InstanceURL: "https://acme.my.salesforce.com"}
}

func TestManyCallersOneLogin(t *testing.T) {
	host := newLoginHost(t)
	host.before = func(http.ResponseWriter, *http.Request) bool { time.Sleep(20 * time.Millisecond); return false }
	cached := NewCached(newSource(t, host.jwtSettings()))
	start := make(chan struct{})
	var group sync.WaitGroup
	tokens := make([]salesforce.Token, 200)
	for i := range tokens {
		group.Go(func() {
			<-start
			var err error
			if tokens[i], err = cached.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	group.Wait()
	for _, token := range tokens {
		if token != tokens[0] || token.AccessToken == "" {
			t.Fatalf("tokens %v and %v", tokens[0], token)
		}
	}
	if n := host.count(); n != 1 {
		t.Errorf("%d callers made %d logins", len(tokens), n)
	}
}

func TestLeavingCallerDoesNotFailOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &counter{login: func(ctx context.Context, _ int64) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}}
		cached := NewCached(source)
		leaving, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { // the first caller is the one that starts the login
			if _, err := cached.Token(leaving); !errors.Is(err, context.Canceled) {
				t.Errorf("leaving caller: %v", err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if got, err := cached.Token(t.Context()); err != nil || got != numbered(1) {
				t.Errorf("staying caller: %v, %v", got, err)
			}
		})
		synctest.Wait()
		leave()
		group.Wait()
		if n := source.logins.Load(); n != 1 {
			t.Errorf("%d logins", n)
		}
	})
}

func TestLoginHasTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := NewCached(&counter{login: func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() }})
		began := time.Now()
		if _, err := cached.Token(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != loginTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	source := &counter{login: func(_ context.Context, n int64) error {
		if n == 1 {
			return settingsError("wrong")
		}
		return nil
	}}
	cached := NewCached(source)
	if _, err := cached.Token(t.Context()); err == nil {
		t.Error("the first login has no error")
	}
	if got, err := cached.Token(t.Context()); err != nil || got != numbered(2) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCancelledCallerStartsNoLogin(t *testing.T) {
	source := &counter{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewCached(source).Token(ctx); !errors.Is(err, context.Canceled) || source.logins.Load() != 0 {
		t.Errorf("%v after %d logins", err, source.logins.Load())
	}
}

// TestDropRace has many callers meet the 401 of the same token: one login
// replaces it, however late some of them drop it.
func TestDropRace(t *testing.T) {
	source := &counter{}
	cached := NewCached(source)
	old, err := cached.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			cached.Drop(old)
			if got, err := cached.Token(t.Context()); err != nil || got != numbered(2) {
				t.Errorf("%s, %v", got.AccessToken.Reveal(), err)
			}
		})
	}
	group.Wait()
	if n := source.logins.Load(); n != 2 {
		t.Errorf("%d logins", n)
	}
	// A caller that looked before the login ended and asks after it:
	if got, err := cached.login(); err != nil || got != numbered(2) {
		t.Errorf("a login after the login gave %v, %v", got, err)
	}
}

// TestCachedModel compares with the rule in words: the token stays the same
// until that very token is dropped; then the next call logs in.
func TestCachedModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fail := false
		source := &counter{login: func(context.Context, int64) error {
			if fail {
				return settingsError("refused")
			}
			return nil
		}}
		cached := NewCached(source)
		var current, logins int64 // current is 0 when a login is needed
		t.Repeat(map[string]func(*rapid.T){
			"token": func(t *rapid.T) {
				fail = rapid.Bool().Draw(t, "fail")
				got, err := cached.Token(context.Background())
				if current == 0 {
					logins++
					if fail {
						if err == nil {
							t.Fatal("a failed login gave a token")
						}
						return
					}
					current = logins
				}
				if err != nil || got != numbered(current) {
					t.Fatalf("%s, %v; want token-%d", got.AccessToken.Reveal(), err, current)
				}
			},
			"drop": func(t *rapid.T) {
				n := rapid.Int64Range(0, logins+1).Draw(t, "n")
				cached.Drop(numbered(n))
				if n == current {
					current = 0
				}
			},
			"": func(t *rapid.T) {
				if n := source.logins.Load(); n != logins {
					t.Fatalf("%d logins, want %d", n, logins)
				}
			},
		})
	})
}

func TestResolverKeepsConnectionsApart(t *testing.T) {
	host := newLoginHost(t)
	resolver := &Resolver{HTTP: client(t), Hosts: loopback}
	of := func(workspace string, s Settings) *Cached {
		t.Helper()
		c, err := resolver.Credentials(workspace, s)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := of("acme", host.jwtSettings())
	if of("acme", host.jwtSettings()) != first {
		t.Error("the same connection has two tokens")
	}
	if of("globex", host.jwtSettings()) == first {
		t.Error("two workspaces share a token")
	}
	if of("acme", host.secretSettings()) == first {
		t.Error("two settings share a token")
	}
	if _, err := resolver.Credentials("acme", Settings{}); err == nil {
		t.Error("no settings have a token")
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if c, err := resolver.Credentials("acme", host.jwtSettings()); err != nil || c != first {
				t.Errorf("%p, %v", c, err)
			}
		})
	}
	group.Wait()
}

// elsewhere is a Signer with the key of that ID.
type elsewhere string

func (elsewhere) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("not here") }
func (e elsewhere) KeyID() string                              { return string(e) }

// TestHashSeesEveryField fails for a field of Settings that hash leaves out.
func TestHashSeesEveryField(t *testing.T) {
	seen := map[[32]byte]string{hash(Settings{}): "none"}
	for i := range reflect.TypeFor[Settings]().NumField() {
		var s Settings
		if field := reflect.ValueOf(&s).Elem().Field(i); field.Kind() == reflect.Interface {
			field.Set(reflect.ValueOf(elsewhere("x")))
		} else {
			field.SetString("x")
		}
		name := reflect.TypeFor[Settings]().Field(i).Name
		if other, known := seen[hash(s)]; known {
			t.Errorf("%s and %s hash the same", name, other)
		}
		seen[hash(s)] = name
	}
	if hash(Settings{Mode: "ab", LoginURL: "c"}) == hash(Settings{Mode: "a", LoginURL: "bc"}) {
		t.Error("fields run into each other")
	}
}

func TestResolverForgetsUnusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := &Resolver{}
		settings := func(id string) Settings {
			return Settings{Mode: ModeClientCredentials, LoginURL: "acme.my.salesforce.com", ClientID: id, ClientSecret: "s"}
		}
		for _, id := range []string{"old", "kept"} {
			if _, err := resolver.Credentials("acme", settings(id)); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"kept", "new"} {
			time.Sleep(unusedLife - time.Minute)
			if _, err := resolver.Credentials("acme", settings(id)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(resolver.connections); n != 2 {
			t.Errorf("%d connections are kept, want kept and new", n)
		}
	})
}

func BenchmarkCachedToken(b *testing.B) {
	cached := NewCached(&counter{})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := cached.Token(context.Background()); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestStanding: how the connections of one workspace are, and nobody else's.
func TestStanding(t *testing.T) {
	r := &Resolver{}
	down := errors.New("down")
	source := &counter{login: func(_ context.Context, n int64) error {
		if n == 2 {
			return down
		}
		return nil
	}}
	cached, err := r.cached(connection{workspace: "a"}, func() (Source, error) { return source, nil })
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Standing("a"); s.Connections != 1 || s.Tokens != 0 || !s.LoggedIn.IsZero() || s.Err != nil {
		t.Errorf("before a login: %+v", s)
	}
	token, err := cached.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Standing("a"); s.Tokens != 1 || s.InstanceURL != token.InstanceURL || s.LoggedIn.IsZero() || !s.Failed.IsZero() {
		t.Errorf("after it: %+v", s)
	}
	cached.Drop(token)
	if _, err := cached.Token(t.Context()); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if s := r.Standing("a"); s.Tokens != 0 || s.InstanceURL != "" || s.LoggedIn.IsZero() || s.Failed.IsZero() || !errors.Is(s.Err, down) {
		t.Errorf("after one that failed: %+v", s)
	}
	if s := r.Standing("b"); s != (Standing{}) {
		t.Errorf("another workspace: %+v", s)
	}
}

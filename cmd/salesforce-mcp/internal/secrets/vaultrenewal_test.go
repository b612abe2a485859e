package secrets_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/salesforce"
)

// wire carries requests to a Vault in this process, until it is cut.
type wire struct {
	vault http.Handler
	cut   atomic.Bool
	hangs atomic.Bool
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(10 * time.Millisecond)
	if w.hangs.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if w.cut.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	w.vault.ServeHTTP(answer, r)
	result := answer.Result()
	result.Request = r
	return result, nil
}

// inTime runs a test with a store over a fake Vault whose tokens live for 20
// minutes and, with renewals, an hour; time is the test's.
func inTime(t *testing.T, test func(*testing.T, *fakevault.Vault, *wire, *secrets.Vault)) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakevault.New()
		line := &wire{vault: fake}
		w := &vaultWorld{address: "http://127.0.0.1", root: fake.Root, fake: fake, client: &http.Client{Transport: line}}
		config := w.appRole(t, `,"token_ttl":"20m","token_max_ttl":"1h"`)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, fake, line, secrets.NewVaultOver(ctx, config, zerolog.New(&w.log), line))
	})
}

func get(t *testing.T, v *secrets.Vault) error {
	_, _, err := v.Get(t.Context(), "sales", "x")
	if errors.Is(err, secrets.ErrNone) {
		return nil
	}
	return err
}

const (
	login   = "PUT auth/approle/login"
	renewal = "PUT auth/token/renew-self"
)

func TestVaultRenewal(t *testing.T) {
	inTime(t, func(t *testing.T, fake *fakevault.Vault, _ *wire, v *secrets.Vault) {
		for range 10 * 60 {
			if err := get(t, v); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if logins, renewals := fake.Count(login), fake.Count(renewal); logins < 10 || logins > 15 || renewals < 20 || renewals > 100 {
			t.Errorf("%d logins and %d renewals in 10 hours", logins, renewals)
		}
	})
}

// TestVaultIdle: a server that has no calls for long keeps its token, too.
func TestVaultIdle(t *testing.T) {
	inTime(t, func(t *testing.T, fake *fakevault.Vault, line *wire, v *secrets.Vault) {
		if err := get(t, v); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour + time.Second)
		logins := fake.Count(login)
		if err := get(t, v); err != nil || fake.Count(login) != logins {
			t.Errorf("%v, %d logins more", err, fake.Count(login)-logins)
		}
	})
}

func TestVaultAway(t *testing.T) {
	inTime(t, func(t *testing.T, fake *fakevault.Vault, line *wire, v *secrets.Vault) {
		line.cut.Store(true)
		for range 3 { // from the start
			if err := get(t, v); !unavailable(err, "cannot be reached") {
				t.Fatal(err)
			}
		}
		line.cut.Store(false)
		time.Sleep(time.Second)
		if err := get(t, v); err != nil {
			t.Fatalf("a second after it came: %v", err)
		}
		for _, pause := range []time.Duration{time.Minute, 3 * time.Hour} {
			before := fake.Count(login)
			line.cut.Store(true)
			for range 10 {
				time.Sleep(pause / 10)
				if err := get(t, v); !unavailable(err, "cannot be reached") {
					t.Fatalf("away: %v", err)
				}
			}
			line.cut.Store(false)
			time.Sleep(time.Second)
			if err := get(t, v); err != nil {
				t.Fatalf("back after %v: %v", pause, err)
			}
			if n := fake.Count(login) - before; n > 1 || pause < 20*time.Minute && n > 0 {
				t.Errorf("%d logins after %v", n, pause)
			}
		}
	})
}

// TestVaultHangs: while Vault does not answer, calls end in time, and those that
// leave earlier need not wait.
func TestVaultHangs(t *testing.T) {
	inTime(t, func(t *testing.T, _ *fakevault.Vault, line *wire, v *secrets.Vault) {
		for _, name := range []string{"at login", "in a session"} {
			line.hangs.Store(true)
			start := time.Now()
			if err := get(t, v); !unavailable(err, "does not answer in time") || time.Since(start) > 20*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			time.Sleep(time.Minute)
			start = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, _, err := v.Get(ctx, "sales", "x"); !unavailable(err, "") || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			cancel()
			line.hangs.Store(false)
			time.Sleep(time.Minute)
			if err := get(t, v); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestVaultLoginStorm: a thousand callers at once make one login, and one more
// when their token was revoked.
func TestVaultLoginStorm(t *testing.T) {
	inTime(t, func(t *testing.T, fake *fakevault.Vault, line *wire, v *secrets.Vault) {
		storm := func(logins int) {
			t.Helper()
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					if err := get(t, v); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := fake.Count(login); n != logins {
				t.Errorf("%d logins, want %d", n, logins)
			}
		}
		storm(1)
		w := &vaultWorld{address: "http://127.0.0.1", root: fake.Root, client: &http.Client{Transport: line}}
		w.revoke(t, v)
		storm(2)
		w.policy(t, "") // what policies forbid, a login does not mend
		for range 10 {
			if err := get(t, v); !unavailable(err, "do not allow") {
				t.Error(err)
			}
		}
		if n := fake.Count(login); n != 2 {
			t.Errorf("%d logins", n)
		}
	})
}

// TestVaultRefusalsAreSpaced: credentials that Vault refuses are not tried with
// each call.
func TestVaultRefusalsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakevault.New()
		line := &wire{vault: fake}
		w := &vaultWorld{address: "http://127.0.0.1", root: fake.Root, client: &http.Client{Transport: line}}
		config := w.appRole(t, "")
		config.Login.SecretID = "wrong"
		v := secrets.NewVaultOver(t.Context(), config, zerolog.Nop(), line)
		for range 60 {
			if err := get(t, v); !unavailable(err, "Vault refuses the login") {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := fake.Count(login); n > 6 {
			t.Errorf("%d logins in a minute", n)
		}
	})
}

// TestVaultFixedToken: a token that cannot be renewed is replaced before it ends.
func TestVaultFixedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakevault.New()
		line := &wire{vault: fake}
		w := &vaultWorld{address: "http://127.0.0.1", root: fake.Root, client: &http.Client{Transport: line}}
		w.policy(t, documentedPolicy(t))
		config := secrets.VaultConfig{Address: w.address, Login: secrets.VaultLogin{Method: "token", Token: w.tokenOf(t, "salesforce-mcp", `,"ttl":"1h","renewable":false`)}}
		v := secrets.NewVaultOver(t.Context(), config, zerolog.Nop(), line)
		if err := get(t, v); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if err := get(t, v); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if err := get(t, v); !unavailable(err, "Vault refuses the token") {
			t.Error(err)
		}
		if n := fake.Count("GET auth/token/lookup-self"); n > 30 {
			t.Errorf("the token was looked up %d times", n)
		}
	})
}

// TestVaultEnvironment: the variables of Vault's own command do not reach the
// store, and the namespace is sent.
func TestVaultEnvironment(t *testing.T) {
	for _, name := range []string{"VAULT_ADDR", "VAULT_AGENT_ADDR"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	t.Setenv("VAULT_TOKEN", "another")
	t.Setenv("VAULT_NAMESPACE", "another")
	t.Setenv("VAULT_HEADERS", `{"X-Other":"1"}`)
	fake := fakevault.New()
	line := &wire{vault: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "127.0.0.1" || r.Header.Get("X-Vault-Token") == "another" || r.Header.Get("X-Other") != "" || r.Header.Get("X-Vault-Request") != "true" {
			t.Errorf("%s %v", r.Host, r.Header)
		}
		fake.ServeHTTP(w, r)
	})}
	for _, namespace := range []string{"", "team/agents"} {
		config := secrets.VaultConfig{Address: "http://127.0.0.1", Namespace: namespace, Login: secrets.VaultLogin{Method: "token", Token: salesforce.Secret(fake.Root)}}
		if err := get(t, secrets.NewVaultOver(t.Context(), config, zerolog.Nop(), line)); err != nil {
			t.Error(err)
		}
		if got := fake.Namespace(); got != namespace {
			t.Errorf("namespace %q, want %q", got, namespace)
		}
	}
	w := &vaultWorld{address: "http://127.0.0.1", root: fake.Root, client: &http.Client{Transport: &wire{vault: fake}}}
	if err := get(t, secrets.NewVaultOver(t.Context(), w.appRole(t, ""), zerolog.Nop(), line)); err != nil {
		t.Error(err)
	}
	t.Setenv("VAULT_MAX_RETRIES", "many")
	config := secrets.VaultConfig{Address: "http://127.0.0.1", Login: secrets.VaultLogin{Method: "token", Token: salesforce.Secret(fake.Root)}}
	if err := get(t, secrets.NewVaultOver(t.Context(), config, zerolog.Nop(), line)); !unavailable(err, "a VAULT_… variable of the server's environment is malformed") {
		t.Error(err)
	}
}

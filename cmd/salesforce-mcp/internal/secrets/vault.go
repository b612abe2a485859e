package secrets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"salesforce-mcp/salesforce"
)

// vaultTimeout bounds one exchange with Vault, vaultAnswer an answer in bytes:
// a secret is at most 1 MiB there.
const (
	vaultTimeout = 10 * time.Second
	vaultAnswer  = 4 << 20
)

// Vault keeps secrets in the secrets engine KV version 2 of a HashiCorp Vault, at
// {mount}/data/{prefix}/{workspace}/{name}, in the field "value"; [Vault.Signer]
// signs with keys of its secrets engine Transit. The version of a secret is
// Vault's. Two things differ from a store of our own:
//
//   - Delete removes the versions and their count with them, as Vault's
//     metadata delete does. The next Put is version 1 again, so a writer that
//     holds a version from before cannot tell it from the new one.
//   - A secret that an operator deleted softly (vault kv delete) is none.
//
// A Put that was [*Unavailable] may have been done: its answer can get lost. It
// is not repeated.
//
// A Vault logs in when it is first asked, keeps the token renewed, and logs in
// again when the token ends or is revoked. It is safe for concurrent use.
type Vault struct {
	config VaultConfig
	log    zerolog.Logger
	http   *http.Client
	done   <-chan struct{} // ends renewals

	logins    singleflight.Group
	unwrapped unwrapped   // of the last login; logins alone touch it
	mounted   atomic.Bool // the mount was seen to be KV version 2

	mu        sync.Mutex
	session   *session  // nil before the first login
	failed    error     // of the last login; nil when it went well
	nextLogin time.Time // not before, after it failed
}

var _ Store = (*Vault)(nil)

// NewVault returns the store that the configuration describes. It does not
// reach out, so that a server can start while Vault is away; [Vault.Check] does.
// What is wrong with the configuration is an error. The token is renewed until
// ctx ends. Logins and renewals are told to log.
func NewVault(ctx context.Context, c VaultConfig, log zerolog.Logger) (*Vault, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("caFile: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("caFile: %s holds no certificate in PEM", c.CAFile)
		}
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return newVault(ctx, c, log, &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     trust,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 10,
		IdleConnTimeout:     30 * time.Second,
	}), nil
}

func newVault(ctx context.Context, c VaultConfig, log zerolog.Logger, transport http.RoundTripper) *Vault {
	return &Vault{config: c.withDefaults(), log: log, done: ctx.Done(), http: &http.Client{
		Transport: guarded{transport},
	}}
}

// guarded refuses redirects, which would take the token to another host, and
// cuts bodies of answers at vaultAnswer.
type guarded struct{ http.RoundTripper }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.RoundTripper.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return nil, errors.Join(errRedirect, answer.Body.Close())
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, vaultAnswer), answer.Body}
	return answer, nil
}

// Format prints the type alone, since fmt would print the token with %s.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secrets.Vault") }

// client returns a client with a token. The library reads VAULT_… variables of
// the environment; what it takes from there is replaced here, so that the
// configuration alone counts.
func (v *Vault) client(token salesforce.Secret) (*api.Client, error) {
	c, err := api.NewClient(&api.Config{
		Address: v.config.Address, HttpClient: v.http, Timeout: vaultTimeout,
		// Nothing is repeated behind our back: a Put whose answer got lost would
		// meet its own version and be told that another one was there.
		MaxRetries: 0,
	})
	if err != nil {
		return nil, &Unavailable{Why: "a VAULT_… variable of the server's environment is malformed: unset it"}
	}
	c.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if v.config.Namespace != "" {
		c.SetNamespace(v.config.Namespace)
	}
	c.SetToken(token.Reveal())
	return c, nil
}

// ask makes a request in the current session. When it is forbidden because the
// session has ended before its time, it is made once more in a new one: what is
// forbidden has not been done.
func (v *Vault) ask(ctx context.Context, request func(context.Context, *api.Client) (*api.Secret, error)) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*vaultTimeout)
	defer cancel()
	s, err := v.current(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := request(ctx, s.client)
	if !isStatus(err, http.StatusForbidden) {
		return answer, err
	}
	if _, lost := s.client.Logical().ReadWithContext(ctx, "auth/token/lookup-self"); !isStatus(lost, http.StatusForbidden) {
		return answer, err // the token is good, the policies forbid it
	}
	v.log.Warn().Msg("Vault does not know the token any more; logging in again")
	if s, err = v.logIn(ctx, s); err != nil {
		return nil, err
	}
	return request(ctx, s.client)
}

// get makes a GET. The answer of a status 404 is returned with its error, if it
// has one.
func (v *Vault) get(ctx context.Context, path string) (*api.Secret, error) {
	return v.ask(ctx, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		answer, err := c.Logical().ReadRawWithContext(ctx, path)
		if answer == nil {
			return nil, err
		}
		defer func() { _ = answer.Body.Close() }()
		if err != nil && !isStatus(err, http.StatusNotFound) {
			return nil, err
		}
		secret, unreadable := api.ParseSecret(answer.Body)
		if err == nil && unreadable != nil {
			return nil, errUnreadable
		}
		return secret, err
	})
}

// write makes a PUT.
func (v *Vault) write(ctx context.Context, path string, body map[string]any) (*api.Secret, error) {
	return v.ask(ctx, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().WriteWithContext(ctx, path, body)
	})
}

// decode fills in out from a part of an answer.
func decode(part, out any) error {
	text, err := json.Marshal(part)
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return errUnreadable // without the cause, which may quote the answer
	}
	return nil
}

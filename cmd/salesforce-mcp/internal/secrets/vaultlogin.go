package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"salesforce-mcp/salesforce"
)

// How long after a failed login the next one is made: callers meanwhile are
// told of that failure. Vault locks an AppRole out for a quarter of an hour
// when it is given five wrong secret ids.
const (
	retryAway    = time.Second
	retryRefused = 10 * time.Second
)

// A session is a login.
type session struct {
	client *api.Client
	login  *api.Secret
	ends   atomic.Int64 // Unix time in nanoseconds; 0 for never
	over   chan struct{}
}

func (s *session) good() bool { return s.ends.Load() == 0 || time.Now().Before(s.end()) }

func (s *session) end() time.Time { return time.Unix(0, s.ends.Load()) }

func (s *session) lease() time.Duration {
	return time.Duration(s.login.Auth.LeaseDuration) * time.Second
}

func (s *session) prolong(auth *api.SecretAuth) {
	if auth != nil && auth.LeaseDuration > 0 {
		s.ends.Store(time.Now().Add(time.Duration(auth.LeaseDuration) * time.Second).UnixNano())
	}
}

// unwrapped is a secret id that was wrapped, and the wrapping token, which can be
// used once.
type unwrapped struct{ by, secretID salesforce.Secret }

// current returns the session, which is a new one when there is none or it has
// ended.
func (v *Vault) current(ctx context.Context) (*session, error) {
	v.mu.Lock()
	s := v.session
	v.mu.Unlock()
	if s != nil && s.good() {
		return s, nil
	}
	return v.logIn(ctx, s)
}

// logIn replaces the session old. However many ask at once, one login is made,
// under its own time limit. It returns the context's error when ctx ends first.
func (v *Vault) logIn(ctx context.Context, old *session) (*session, error) {
	select {
	case <-ctx.Done():
		return nil, v.explain(ctx.Err(), "", "")
	case login := <-v.logins.DoChan("", func() (any, error) { return v.replace(old) }):
		if login.Err != nil {
			return nil, login.Err
		}
		return login.Val.(*session), nil
	}
}

// replace logs in; one at a time.
func (v *Vault) replace(old *session) (*session, error) {
	v.mu.Lock()
	now, failed, waits := v.session, v.failed, time.Now().Before(v.nextLogin)
	v.mu.Unlock()
	if now != nil && now != old && now.good() {
		return now, nil
	}
	if failed != nil && waits {
		return nil, failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), vaultTimeout)
	defer cancel()
	s, err := v.newSession(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		retry, refused := retryAway, refusedError{}
		if errors.As(err, &refused) {
			retry, err = retryRefused, refused.error
		}
		v.failed, v.nextLogin = err, time.Now().Add(retry)
		v.log.Warn().Err(err).Msg("no login to Vault")
		return nil, err
	}
	if v.session != nil {
		close(v.session.over)
	}
	v.session, v.failed = s, nil
	v.log.Info().Str("method", v.config.Login.Method).Dur("lease", s.lease()).Bool("renewable", s.login.Auth.Renewable).Msg("logged in to Vault")
	if s.lease() > 0 {
		go v.keep(s)
	}
	return s, nil
}

func (v *Vault) newSession(ctx context.Context) (*session, error) {
	login, err := v.login(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{login: login, over: make(chan struct{})}
	s.prolong(login.Auth)
	s.client, err = v.client(salesforce.Secret(login.Auth.ClientToken))
	return s, err
}

// keep renews the token each time two thirds of what is left of its lease are
// over, and logs in again when that does not prolong it enough or fails. The
// library's LifetimeWatcher is not used: while Vault is away it asks without a
// pause towards the end of a lease (v1.23.0 makes its backoff without Stop).
func (v *Vault) keep(s *session) {
	for s.good() {
		wait := time.Until(s.end()) * 2 / 3
		wait -= rand.N(wait/10 + 1) // not all replicas at once
		select {
		case <-v.done:
			return
		case <-s.over:
			return
		case <-time.After(max(wait, time.Second)):
		}
		if s.login.Auth.Renewable && v.renew(s) {
			v.log.Debug().Msg("renewed the token of Vault")
			continue
		}
		if _, err := v.logIn(context.Background(), s); err == nil {
			return
		}
	}
}

// renew reports whether it prolonged the session by half of its first lease or
// more. It does not when the most that the token may live is near.
func (v *Vault) renew(s *session) bool {
	ctx, cancel := context.WithTimeout(context.Background(), vaultTimeout)
	defer cancel()
	renewed, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil || renewed == nil || renewed.Auth == nil {
		return false
	}
	s.prolong(renewed.Auth)
	return time.Until(s.end()) > s.lease()/2
}

// refusedError is a login that fails until somebody mends something.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// login gets a token by the configured method. What is in a file is read anew.
func (v *Vault) login(ctx context.Context) (*api.Secret, error) {
	l := v.config.Login
	switch l.Method {
	case LoginToken:
		token, err := given(l.Token, l.TokenFile)
		if err != nil {
			return nil, err
		}
		return v.lookUp(ctx, token)
	case LoginKubernetes:
		token, err := given("", l.ServiceAccountTokenFile)
		if err != nil {
			return nil, err
		}
		return v.loginWith(ctx, map[string]any{"role": l.Role, "jwt": token.Reveal()}, token,
			"the role "+strconv.Quote(l.Role)+" does not exist; set login.role, or make it (auth/"+l.Mount+"/role/"+l.Role+")",
			"the service account or its namespace is not bound to the role, or Kubernetes does not vouch for the token: look at auth/"+l.Mount+"/role/"+l.Role+" and auth/"+l.Mount+"/config")
	}
	body := map[string]any{"role_id": l.RoleID}
	var secretID salesforce.Secret
	if l.SecretID != "" || l.SecretIDFile != "" {
		var err error
		if secretID, err = given(l.SecretID, l.SecretIDFile); err != nil {
			return nil, err
		}
		if l.SecretIDWrapped {
			if secretID, err = v.unwrap(ctx, secretID); err != nil {
				return nil, err
			}
		}
		body["secret_id"] = secretID.Reveal()
	}
	return v.loginWith(ctx, body, secretID,
		"login.roleID is wrong, or the secret id is missing, wrong, expired or used as often as it may; make one with vault write -f auth/"+l.Mount+"/role/NAME/secret-id",
		"the role is locked for a quarter of an hour after five wrong secret ids")
}

// loginWith logs in at the mount; bad and forbidden say what to mend when Vault
// answers so.
func (v *Vault) loginWith(ctx context.Context, body map[string]any, secret salesforce.Secret, bad, forbidden string) (*api.Secret, error) {
	path := "auth/" + v.config.Login.Mount + "/login"
	c, err := v.client("")
	if err != nil {
		return nil, err
	}
	login, err := c.Logical().WriteWithContext(ctx, path, body)
	switch {
	case isStatus(err, http.StatusForbidden):
		// So Vault answers where nothing is mounted, too: it would want a token.
		return nil, refusedError{&Unavailable{Why: fmt.Sprintf("Vault refuses the login at auth/%s: there is no such auth method (enable it with "+
			"vault auth enable -path=%[1]s %s, or set login.mount), or %s", v.config.Login.Mount, v.config.Login.Method, forbidden) + v.quote(err, secret)}}
	case isStatus(err, http.StatusBadRequest):
		return nil, refusedError{&Unavailable{Why: fmt.Sprintf("Vault refuses the login at auth/%s: ", v.config.Login.Mount) + bad + v.quote(err, secret)}}
	case err != nil:
		return nil, v.explain(err, "write", path, secret)
	case login == nil || login.Auth == nil || login.Auth.ClientToken == "":
		return nil, v.explain(errUnreadable, "write", path)
	}
	return login, nil
}

// lookUp returns a token that is given as if it came from a login.
func (v *Vault) lookUp(ctx context.Context, token salesforce.Secret) (*api.Secret, error) {
	c, err := v.client(token)
	if err != nil {
		return nil, err
	}
	const path = "auth/token/lookup-self"
	answer, err := c.Logical().ReadWithContext(ctx, path)
	switch {
	case isStatus(err, http.StatusForbidden), isStatus(err, http.StatusBadRequest):
		return nil, refusedError{&Unavailable{Why: "Vault refuses the token: it has expired, was revoked, is of another namespace, " +
			"or has no policy default, which lets it look itself up; make a new one"}}
	case err != nil:
		return nil, v.explain(err, "read", path, token)
	}
	var about struct {
		TTL       int  `json:"ttl"` // in seconds; 0 for no end
		Renewable bool `json:"renewable"`
	}
	if answer == nil || decode(answer.Data, &about) != nil {
		return nil, v.explain(errUnreadable, "read", path)
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token.Reveal(), LeaseDuration: about.TTL, Renewable: about.Renewable}}, nil
}

// unwrap returns the secret id that a wrapping token stands for. The token can be
// used once, so what it stood for is remembered as long as it is given.
func (v *Vault) unwrap(ctx context.Context, token salesforce.Secret) (salesforce.Secret, error) {
	if v.unwrapped.by == token {
		return v.unwrapped.secretID, nil
	}
	c, err := v.client(token)
	if err != nil {
		return "", err
	}
	answer, err := c.Logical().UnwrapWithContext(ctx, "")
	switch {
	case isStatus(err, http.StatusBadRequest), isStatus(err, http.StatusForbidden):
		return "", refusedError{&Unavailable{Why: "Vault refuses to unwrap the secret id: the wrapping token has expired or was used; " +
			"deliver a new one, and if nothing of yours has used it, somebody else has: revoke the role's secret ids"}}
	case err != nil:
		return "", v.explain(err, "write", "sys/wrapping/unwrap", token)
	}
	var wrapped struct {
		SecretID salesforce.Secret `json:"secret_id"`
	}
	if answer == nil || decode(answer.Data, &wrapped) != nil || wrapped.SecretID == "" {
		return "", refusedError{&Unavailable{Why: "what was wrapped is no secret id: make one with " +
			"vault write -wrap-ttl=5m -f auth/" + v.config.Login.Mount + "/role/NAME/secret-id"}}
	}
	v.unwrapped = unwrapped{token, wrapped.SecretID}
	return wrapped.SecretID, nil
}

// given returns a secret that is given as it is or in a file.
func given(secret salesforce.Secret, file string) (salesforce.Secret, error) {
	if file == "" {
		return secret, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", refusedError{&Unavailable{Why: "the file " + file + ", which the login to Vault needs, is not there", Err: err}}
	}
	if err != nil {
		return "", refusedError{&Unavailable{Why: "the file " + file + ", which the login to Vault needs, cannot be read", Err: err}}
	}
	if secret = salesforce.Secret(strings.TrimSpace(string(text))); secret == "" {
		return "", refusedError{&Unavailable{Why: "the file " + file + ", which the login to Vault needs, is empty"}}
	}
	return secret, nil
}

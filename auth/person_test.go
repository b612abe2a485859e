package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/salesforce"
)

// drawer is Grants in memory, for all the processes of a test.
type drawer struct {
	turn sync.Mutex
	mu   sync.Mutex
	kept *Grant
	fail int // so many saves fail
	log  []string
}

func (d *drawer) Lock(context.Context) (func(), error) { d.turn.Lock(); return d.turn.Unlock, nil }

func (d *drawer) Load(context.Context) (Grant, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		return Grant{}, ErrNotConnected
	}
	return *d.kept, nil
}

func (d *drawer) Save(_ context.Context, g Grant) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail > 0 {
		d.fail--
		return errors.New("disk full")
	}
	d.kept = &g
	d.log = append(d.log, "save "+g.RefreshToken.Reveal())
	return nil
}

func (d *drawer) Delete(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = nil
	return nil
}

// rotating is a token endpoint whose refresh tokens are good once. It answers
// fail instead when that is set.
type rotating struct {
	*httptest.Server
	mu       sync.Mutex
	valid    string
	requests int
	fail     func(http.ResponseWriter)
}

func newRotating(t *testing.T) *rotating {
	h := &rotating{valid: "canary-refresh-0"}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.URL.Path == "/services/oauth2/revoke" {
			if r.FormValue("token") == h.valid {
				h.valid = ""
				return
			}
			answerJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_token_type"})
			return
		}
		h.requests++
		switch {
		case h.fail != nil:
			h.fail(w)
		case r.FormValue("grant_type") != "refresh_token" || r.FormValue("refresh_token") != h.valid || r.FormValue("client_id") != "consumer-key":
			answerJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "expired access/refresh token"})
		default:
			h.valid = fmt.Sprintf("canary-refresh-%d", h.requests)
			answerJSON(w, http.StatusOK, map[string]string{"access_token": fmt.Sprintf("canary-access-%d", h.requests), "refresh_token": h.valid,
				"instance_url": h.URL, "token_type": "Bearer"})
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *rotating) app(t *testing.T) *App {
	t.Helper()
	app, err := NewApp(Settings{Mode: ModeOAuth, LoginURL: h.URL, ClientID: "consumer-key", ClientSecret: clientSecret}, "https://mcp.example/oauth/callback", client(t), loopback)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (h *rotating) grant() *Grant {
	return &Grant{AccessToken: "canary-access-0", RefreshToken: "canary-refresh-0", InstanceURL: h.URL, Username: "ada@acme.example"}
}

// TestRefreshTakesTurns: many callers in several processes, whose token is not
// accepted any more, make one refresh, although each refresh token is good once.
func TestRefreshTakesTurns(t *testing.T) {
	host := newRotating(t)
	kept := &drawer{kept: host.grant()}
	var processes []*Cached
	for range 3 {
		processes = append(processes, NewCached(host.app(t).Source(kept)))
	}
	for round := range 3 {
		var wg sync.WaitGroup
		for _, p := range processes {
			for range 50 {
				wg.Go(func() {
					token, err := p.Token(t.Context())
					if err != nil || token.AccessToken.Reveal() != fmt.Sprintf("canary-access-%d", round) {
						t.Errorf("round %d: %v, %v", round, token.AccessToken.Reveal(), err)
						return
					}
				})
			}
		}
		wg.Wait()
		for _, p := range processes {
			for range 50 {
				wg.Go(func() {
					p.Drop(salesforce.Token{AccessToken: salesforce.Secret(fmt.Sprintf("canary-access-%d", round)), InstanceURL: host.URL})
				})
			}
		}
		wg.Wait()
	}
	if host.requests != 2 {
		t.Errorf("%d refreshes, want 2", host.requests)
	}
	if got := strings.Join(kept.log, ", "); got != "save canary-refresh-1, save canary-refresh-2" {
		t.Errorf("saved: %s", got)
	}
}

// TestGrantEnds: what Salesforce ends for good is forgotten, and what may pass is
// kept.
func TestGrantEnds(t *testing.T) {
	refuse := func(status int, code, said string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			answerJSON(w, status, map[string]string{"error": code, "error_description": said})
		}
	}
	for name, tt := range map[string]struct {
		fail func(http.ResponseWriter)
		ends bool
		says string
	}{
		"expired":                {refuse(400, "invalid_grant", "expired access/refresh token"), true, "connect again"},
		"expired by policy":      {refuse(400, "invalid_grant", "token validity expired"), true, "Refresh Token Policy"},
		"a token that is none":   {refuse(400, "invalid_grant", "Invalid refresh token"), true, "connect again"},
		"inactive user":          {refuse(400, "invalid_grant", "inactive user"), true, "activate it, then connect again"},
		"the other code for it":  {refuse(400, "inactive_user", "user is inactive"), true, "activate it, then connect again"},
		"from elsewhere":         {refuse(400, "invalid_grant", "ip restricted"), false, "Login IP Ranges"},
		"from elsewhere or late": {refuse(400, "invalid_grant", "ip restricted or invalid login hours"), false, "Login Hours"},
		"at night":               {refuse(400, "invalid_grant", "invalid login hours"), false, "Login Hours"},
		"a login rate":           {refuse(400, "invalid_grant", "login rate exceeded"), false, "3,600"},
		"two at once":            {refuse(400, "invalid_grant", "token request is already being processed"), false, "try again later"},
		"two at once, in 2024":   {refuse(400, "invalid_grant", "expired authorization code"), false, "try again later"},
		"an org that is locked":  {refuse(400, "invalid_grant", "inactive organization"), false, "ask Salesforce"},
		"an unknown reason":      {refuse(400, "invalid_grant", "authentication failure"), false, "must connect again"},
		"no reason":              {refuse(400, "invalid_grant", ""), false, "must connect again"},
		"not admitted":           {refuse(400, "invalid_app_access", "user is not admin approved to access this app"), false, "the connection is kept"},
		"blocked":                {refuse(400, "invalid_app_access", "this app is blocked by admin"), false, "unblock it"},
		"an app that went":       {refuse(400, "app_not_found", "External client app is not installed in this org"), false, "not installed"},
		"a wrong secret":         {refuse(400, "invalid_client", "invalid client credentials"), false, "client secret"},
		"too many logins":        {refuse(400, "rate_limit_exceeded", ""), false, "too many logins"},
		"a busy host":            {refuse(503, "temporarily_unavailable", ""), false, "busy"},
		"an error page":          {func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }, false, "status 502"},
		"another instance": {func(w http.ResponseWriter) {
			answerJSON(w, 200, map[string]string{"access_token": "x", "instance_url": "https://evil.example", "token_type": "Bearer"})
		}, false, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			host := newRotating(t)
			host.fail = tt.fail
			kept := &drawer{kept: host.grant()}
			c := NewCached(host.app(t).Source(kept))
			token, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.Drop(token)
			_, err = c.Token(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.says) || errors.Is(err, ErrNotConnected) != tt.ends || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
			const documented = "Salesforce is not connected for this user" // and: Salesforce token refresh failed … must reconnect
			if tt.ends != strings.HasPrefix(err.Error(), documented) || tt.ends != strings.Contains(err.Error(), "Salesforce token refresh failed, and the user must reconnect") {
				t.Errorf("%v", err)
			}
			if (kept.kept == nil) != tt.ends {
				t.Errorf("kept: %+v", kept.kept)
			}
		})
	}
}

// TestUnsavedRefreshIsNotLost: when the new refresh token cannot be saved the
// call fails, and the next one saves it instead of using the dead one.
func TestUnsavedRefreshIsNotLost(t *testing.T) {
	host := newRotating(t)
	kept := &drawer{kept: host.grant(), fail: 2}
	c := NewCached(host.app(t).Source(kept))
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Drop(token)
	for range 2 {
		if _, err := c.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "could not be saved: disk full") {
			t.Fatalf("%v", err)
		}
	}
	if token, err = c.Token(t.Context()); err != nil || token.AccessToken != "canary-access-1" || host.requests != 1 {
		t.Errorf("%v after %d refreshes, %v", token.AccessToken.Reveal(), host.requests, err)
	}
}

func TestRevoke(t *testing.T) {
	host := newRotating(t)
	app := host.app(t)
	for range 2 { // a token that is gone already is no error
		if err := app.Revoke(t.Context(), *host.grant()); err != nil {
			t.Error(err)
		}
	}
	if host.valid != "" {
		t.Error("it lives on")
	}
	host.Close()
	var failure *Error
	if err := app.Revoke(t.Context(), *host.grant()); !errors.As(err, &failure) || !failure.Temporary() || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

// TestSealedGrant: a grant comes back whole, and prints without its tokens.
func TestSealedGrant(t *testing.T) {
	want := Grant{AccessToken: "canary-a", RefreshToken: "canary-r", InstanceURL: "https://acme.my.salesforce.com", Scopes: []string{"api"}, Username: "ada", UserID: "005"}
	got, err := OpenGrant(want.Seal())
	if err != nil || got.AccessToken != want.AccessToken || got.RefreshToken != want.RefreshToken || got.Username != "ada" || len(got.Scopes) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(text, "canary") {
		t.Errorf("it prints as %s", text)
	}
	if _, err := OpenGrant("{"); err == nil {
		t.Error("half a grant was read")
	}
}

// TestAccessTokenMode: the token is used until the org does not accept it, and
// tried again after a minute.
func TestAccessTokenMode(t *testing.T) {
	s := Settings{Mode: ModeAccessToken, InstanceURL: "acme.lightning.force.com", AccessToken: "canary-00D!x"}
	c := NewCached(newSource(t, s))
	token, err := c.Token(t.Context())
	if err != nil || token.InstanceURL != "https://acme.my.salesforce.com" || token.AccessToken != s.AccessToken {
		t.Fatalf("%v, %v", token.InstanceURL, err)
	}
	c.Drop(token)
	if _, err := c.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "set a new one") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	for name, wrong := range map[string]Settings{
		"the access token is missing": {Mode: ModeAccessToken, InstanceURL: "https://acme.my.salesforce.com"},
		"the instance URL is missing": {Mode: ModeAccessToken, AccessToken: "canary"},
		"is not a Salesforce host":    {Mode: ModeAccessToken, InstanceURL: "https://evil.example", AccessToken: "canary"},
	} {
		if _, err := New(wrong, nil, loopback); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

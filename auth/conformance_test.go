package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// vaulted signs elsewhere, as a key in Vault does.
type vaulted struct{}

func (vaulted) Sign(ctx context.Context, text []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return rsa.SignPKCS1v15(nil, key(), crypto.SHA256, sum[:])
}
func (vaulted) KeyID() string { return "vaulted" }

// kind is a kind of Source.
type kind struct {
	name string
	// source makes one that logs in at a URL when it is asked; what it is made
	// of comes with it.
	source func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any)
	step   string
	given  bool // it has the one token it will ever have, and asks nobody
}

var kinds = []kind{
	{name: "jwt", step: ModeJWT, source: func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any) {
		return made(t, o, o.settings(ModeJWT), at, c)
	}},
	{name: "jwt with a signer", step: ModeJWT, source: func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any) {
		s := o.settings(ModeJWT)
		s.PrivateKey, s.Signer = "", vaulted{}
		return made(t, o, s, at, c)
	}},
	{name: "clientCredentials", step: ModeClientCredentials, source: func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any) {
		return made(t, o, o.settings(ModeClientCredentials), at, c)
	}},
	{name: "oauth", step: stepRefresh, source: func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any) {
		grant := o.connected(t, o.app(t))
		s := o.settings(ModeOAuth)
		s.LoginURL = at
		app, err := NewApp(s, callback, c, loopback)
		if err != nil {
			t.Fatal(err)
		}
		source := app.Source(&drawer{kept: &grant})
		source.(dropper).Drop(grant.token()) // else the first one would do
		return source, []any{s, app, *app, grant, &grant, grant.Seal()}
	}},
	{name: "accessToken", given: true, source: func(t testing.TB, o simulated, at string, c *http.Client) (Source, []any) {
		s := o.settings(ModeAccessToken)
		s.InstanceURL = at
		return made(t, o, s, "", c)
	}},
}

func made(t testing.TB, o simulated, s Settings, at string, c *http.Client) (Source, []any) {
	t.Helper()
	s.LoginURL = at
	if s.Mode == ModeJWT {
		s.Audience = o.url // at may be a front
	}
	source, err := New(s, c, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return source, []any{s, &s}
}

// front stands before the org and may change its answers to token requests.
func front(t testing.TB, o simulated, change func(body string) string) string {
	t.Helper()
	target, err := url.Parse(o.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Header.Del("Accept-Encoding") },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			if resp.Request.URL.Path == "/services/oauth2/token" {
				body = []byte(change(string(body)))
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return err
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// TestSources holds every kind of Source to what the interface promises.
func TestSources(t *testing.T) {
	o := newSimulated(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Run("its token is accepted", func(t *testing.T) { sourceIsAccepted(t, o, k) })
			t.Run("its token is for an org of Salesforce", func(t *testing.T) { sourceChecksInstance(t, o, k) })
			t.Run("a refusal says what to mend", func(t *testing.T) { sourceIsRefused(t, o, k) })
			t.Run("it says what passes", func(t *testing.T) { sourcePasses(t, o, k) })
			t.Run("it ends with the context", func(t *testing.T) { sourceEnds(t, o, k) })
			t.Run("it is used by many", func(t *testing.T) { sourceIsShared(t, o, k) })
			t.Run("it prints no secret", func(t *testing.T) { sourceIsSilent(t, o, k) })
		})
	}
}

func sourceIsAccepted(t *testing.T, o simulated, k kind) {
	source, _ := k.source(t, o, o.url, client(t))
	for range 2 {
		token, err := source.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status := asked(t, token); status != http.StatusOK || token.InstanceURL != o.url {
			t.Errorf("the org answers %d; the token is for %s", status, token.InstanceURL)
		}
	}
}

// asked is the status with which the org answers a request with a token.
func asked(t *testing.T, token salesforce.Token) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, token.InstanceURL+"/services/data/v62.0/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

// foreign are instance URLs that no token may be sent to (attack 25). Those of
// this machine are among them, written in other ways than an operator would.
var foreign = []string{
	"", "https://evil.example", "http://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example", "https://salesforce.com.evil.tld",
	"https://evilcrmforce.mil", "https://evilmy.salesforce.com", "https://acme.my.salesforce.com.", "https://acme.my.salesforce.com:8443",
	"https://a@acme.my.salesforce.com", "https://acme.my.salesforce.com@evil.example", `https://evil.example\\@acme.my.salesforce.com`,
	"https://acme.my.salesforce.com/../evil", "https://acme.my.salesforce。com", "https://xn--salesfore-7gf.com", "https://аcme.my.salesforce.com",
	"http://169.254.169.254", "https://169.254.169.254", "http://10.0.0.1", "http://0x7f.1", "http://2130706433", "http://127.1",
	"http://[::ffff:127.0.0.1]", "http://[::ffff:169.254.169.254]", "http://[::]", "http://0.0.0.0", "http://[::1%25lo]", "http://localhost.evil.example",
	"ftp://acme.my.salesforce.com", "file:///etc/passwd", "javascript:alert(1)", "//acme.my.salesforce.com",
}

// sourceChecksInstance is attack 26: an answer with another instance_url.
func sourceChecksInstance(t *testing.T, o simulated, k kind) {
	for _, instance := range foreign {
		if k.given {
			s := o.settings(ModeAccessToken)
			if s.InstanceURL = instance; instance == "//acme.my.salesforce.com" || strings.HasSuffix(instance, "/../evil") {
				continue // what a person writes, or copies, may be less than a URL, or more
			}
			_, err := New(s, client(t), loopback)
			checkError(t, err, codeSettings, "")
			continue
		}
		at := front(t, o, func(body string) string {
			return strings.Replace(body, `"instance_url":"`+o.url, `"instance_url":"`+instance, 1)
		})
		source, _ := k.source(t, o, at, client(t))
		token, err := source.Token(t.Context())
		if err == nil {
			t.Fatalf("%q gave a token for %s", instance, token.InstanceURL)
		}
		checkError(t, err, codeAnswer, "instance URL that is refused")
	}
	if !k.given {
		source, _ := k.source(t, o, front(t, o, func(body string) string { return body }), client(t))
		if _, err := source.Token(t.Context()); err != nil {
			t.Errorf("nothing was changed: %v", err)
		}
	}
}

// verbs are all of fmt, and those that it does not know.
var verbs = "%[1]v %+[1]v %#[1]v %[1]s %[1]q %[1]x %[1]X % [1]x %[1]d %[1]t %[1]U %[1]c %[1]b %[1]e %[1]T %[1]y"

func sourceIsRefused(t *testing.T, o simulated, k kind) {
	source, _ := k.source(t, o, o.url, client(t))
	if k.given {
		token, err := source.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		source.(dropper).Drop(token)
	} else {
		o.Inject(fakeorg.Fault{Refusal: "ip restricted"})
	}
	_, err := source.Token(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, "set a new one") && !strings.Contains(e.Message, "Login IP Ranges") {
		t.Errorf("%v", err)
	}
	// What the host says may hold all that it was sent.
	echo := front(t, o, func(body string) string { return body })
	source, _ = k.source(t, o, echo, &http.Client{Transport: echoing{}})
	_, err = source.Token(t.Context())
	if k.given != (err == nil) {
		t.Errorf("%v", err)
	}
	checkSilent(t, fmt.Sprintf(verbs, err))
	if e = nil; errors.As(err, &e) {
		checkSilent(t, fmt.Sprintf(verbs, *e))
	}
}

// echoing is a login host that refuses, and says what it was sent.
type echoing struct{}

func (echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(form))
	if err != nil {
		return nil, err
	}
	said := string(form)
	for _, v := range values {
		said += " " + strings.Join(v, " ")
	}
	body, err := json.Marshal(map[string]string{"error": "invalid_request", "error_description": said})
	return &http.Response{StatusCode: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, err
}

func sourcePasses(t *testing.T, o simulated, k kind) {
	if k.given {
		t.Skip("it asks nobody")
	}
	for _, fault := range []fakeorg.Fault{
		{Refusal: "maintenance"}, {Refusal: "unknown error"}, {Refusal: "server error"}, {Refusal: "temporarily unavailable"}, {Refusal: "rate limit"}, {Refusal: "login rate"},
		{Path: "/oauth2/token", Cut: "before"}, {Path: "/oauth2/token", HTML: "<html>", Status: 502},
	} {
		source, _ := k.source(t, o, o.url, client(t))
		o.Inject(fault)
		_, err := source.Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || !e.Temporary() {
			t.Errorf("%+v: %v", fault, err)
		}
		if _, err := source.Token(t.Context()); err != nil {
			t.Errorf("after %+v: %v", fault, err)
		}
	}
}

func sourceEnds(t *testing.T, o simulated, k kind) {
	if k.given {
		t.Skip("it asks nobody")
	}
	waits := make(chan struct{}, 1)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client goes
		waits <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	source, _ := k.source(t, o, silent.URL, client(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := source.Token(ctx); done <- err }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-waits:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := source.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func sourceIsShared(t *testing.T, o simulated, k kind) {
	source, _ := k.source(t, o, o.url, client(t))
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			token, err := source.Token(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if status := asked(t, token); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	group.Wait()
}

func sourceIsSilent(t *testing.T, o simulated, k kind) {
	source, parts := k.source(t, o, o.url, client(t))
	cached := NewCached(source)
	token, err := cached.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{token.AccessToken.Reveal()}
	for _, part := range parts {
		switch p := part.(type) {
		case Settings:
			secrets = append(secrets, p.ClientSecret.Reveal(), p.AccessToken.Reveal())
		case Grant:
			secrets = append(secrets, p.AccessToken.Reveal(), p.RefreshToken.Reveal())
		}
	}
	for _, value := range append(parts, source, cached, token, &token, []any{source, cached}, map[string]any{"x": source}) {
		text := fmt.Sprintf(verbs, value)
		if asJSON, err := json.Marshal(value); err == nil {
			text += string(asJSON)
		}
		checkSilent(t, text)
		for _, secret := range secrets {
			if secret != "" && (strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret))) {
				t.Errorf("%T prints a secret: %s", value, text)
			}
		}
	}
}

// TestJWTAccessTokens: an app that gives out JWTs serves the REST API in every
// mode, and where SOAP refuses them the setting is named.
func TestJWTAccessTokens(t *testing.T) {
	o := newSimulated(t)
	o.change(t, func(c *fakeorg.Client) { c.JWTAccessTokens = true })
	for _, k := range kinds {
		if k.given {
			continue
		}
		source, _ := k.source(t, o, o.url, client(t))
		token, err := source.Token(t.Context())
		if err != nil || strings.Count(token.AccessToken.Reveal(), ".") != 2 || asked(t, token) != http.StatusOK {
			t.Errorf("%s: %v", k.name, err)
		}
		c := salesforce.New(salesforce.Options{Hosts: loopback})
		t.Cleanup(c.Close)
		org := &salesforce.Org{Client: c, Credentials: NewCached(source)}
		_, err = org.Do(t.Context(), &salesforce.Request{Method: http.MethodPost, Path: "/services/Soap/m", Soap: "http://soap.sforce.com/2006/04/metadata",
			Body: []byte("<readMetadata><type>CustomObject</type><fullNames>Account</fullNames></readMetadata>"), Semantics: salesforce.Safe})
		var refused *salesforce.Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "Issue JSON Web Token (JWT)-based access tokens for named users") {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

// TestSessionsOfOtherKinds: a token without the scope is refused once, with the
// setting that is missing.
func TestSessionsOfOtherKinds(t *testing.T) {
	o := newSimulated(t)
	o.change(t, func(c *fakeorg.Client) { c.Scopes = []string{"openid", "refresh_token"} })
	source, _ := kinds[0].source(t, o, o.url, client(t))
	c := salesforce.New(salesforce.Options{Hosts: loopback})
	t.Cleanup(c.Close)
	org := &salesforce.Org{Client: c, Credentials: NewCached(source)}
	_, err := org.Do(t.Context(), &salesforce.Request{Method: http.MethodGet, Path: "/limits", Semantics: salesforce.Safe})
	var refused *salesforce.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "Manage user data via APIs (api)") || o.tokenRequests() != 1 {
		t.Errorf("%v after %d logins", err, o.tokenRequests())
	}
}

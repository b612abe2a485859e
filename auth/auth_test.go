package auth

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce"
)

func TestSourcesGetTokens(t *testing.T) {
	for _, mode := range []string{ModeJWT, ModeClientCredentials, ""} {
		host := newLoginHost(t)
		settings := host.jwtSettings()
		if mode == ModeClientCredentials {
			settings = host.secretSettings()
		}
		settings.Mode = mode
		source := newSource(t, settings)
		for n := 1; n <= 2; n++ { // a source keeps no token
			got, err := source.Token(t.Context())
			want := salesforce.Token{AccessToken: salesforce.Secret(fmt.Sprintf("canary-token-%d", n)), InstanceURL: host.URL}
			if err != nil || got != want {
				t.Errorf("mode %q: %s at %s, %v", mode, got.AccessToken.Reveal(), got.InstanceURL, err)
			}
		}
	}
}

func TestAssertionLivesShortly(t *testing.T) {
	host := newLoginHost(t)
	if _, err := newSource(t, host.jwtSettings()).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	expiry, err := host.claims.GetExpirationTime()
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(expiry.Time); left <= time.Minute || left > 3*time.Minute {
		t.Errorf("the assertion is good for %v", left)
	}
}

func TestPrivateKeyForms(t *testing.T) {
	host := newLoginHost(t)
	good := host.jwtSettings()
	pemWith := func(kind string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("not the bytes of an RSA key")}))
	}
	good.PrivateKey = salesforce.Secret(strings.ReplaceAll(good.PrivateKey.Reveal(), "\n", `\n`))
	if _, err := newSource(t, good).Token(t.Context()); err != nil {
		t.Errorf(`key with \n: %v`, err)
	}
	for text, want := range map[string]string{
		"":                               "private key is missing",
		"canary-key":                     "RSA key in PEM",
		pemWith("CERTIFICATE"):           "is a certificate",
		pemWith("PUBLIC KEY"):            "is a public key",
		pemWith("ENCRYPTED PRIVATE KEY"): "is encrypted",
		pemWith("EC PRIVATE KEY")[:90]:   "RSA key in PEM",
	} {
		bad := good
		bad.PrivateKey = salesforce.Secret(text)
		_, err := New(bad, client(t), loopback)
		checkError(t, err, codeSettings, want)
	}
}

// checkError wants an *Error with a code and a part of its message, and none
// of the secrets in it.
func checkError(t *testing.T, err error, code, part string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want one of code %s", err, code)
	}
	if e.Code != code || !strings.Contains(e.Message, part) {
		t.Errorf("error %s: %s\nwant %s: … %s …", e.Code, e.Message, code, part)
	}
	checkSilent(t, fmt.Sprintf("%v %+v %#v", err, err, err))
	return e
}

// checkSilent looks for anything secret in a text.
func checkSilent(t *testing.T, text string) {
	t.Helper()
	block, _ := pem.Decode([]byte(pemOf(key()).Reveal()))
	body := strings.Split(string(pem.EncodeToMemory(block)), "\n")[1]
	for _, secret := range []string{"canary", "eyJ", body, url.QueryEscape(clientSecret), fmt.Sprint(key().D), fmt.Sprintf("%x", key().D), fmt.Sprintf("%x", "canary")} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in: %s", secret, text)
		}
	}
}

func TestSettingsErrors(t *testing.T) {
	good := Settings{Mode: ModeJWT, LoginURL: "https://login.salesforce.com", ClientID: "k", Username: "u", PrivateKey: pemOf(key())}
	secret := Settings{Mode: ModeClientCredentials, LoginURL: "https://acme.my.salesforce.com", ClientID: "k", ClientSecret: clientSecret}
	for _, test := range []struct {
		from   Settings
		change func(*Settings)
		want   string
	}{
		{good, func(s *Settings) { *s = Settings{} }, "Salesforce is not configured for this workspace"},
		{good, func(s *Settings) { s.Mode = "password" }, `mode "password" is not one of jwt, clientCredentials`},
		{good, func(s *Settings) { s.ClientID = "" }, "client id is missing"},
		{good, func(s *Settings) { s.Username = "" }, "username is missing"},
		{good, func(s *Settings) { s.LoginURL = "https://evil.example" }, `login URL is wrong: host "evil.example" is not a Salesforce host`},
		{good, func(s *Settings) { s.LoginURL = "http://login.salesforce.com" }, "over https"},
		{good, func(s *Settings) { s.LoginURL = "https://x@login.salesforce.com" }, "login URL is wrong"},
		{good, func(s *Settings) { s.LoginURL = "https://evil.example/.my.salesforce.com" }, "login URL is wrong"},
		{good, func(s *Settings) { s.LoginURL = "http://127.0.0.1:8081" }, "login URL is wrong"},
		{good, func(s *Settings) { s.LoginURL = "ht tp" }, "login URL is wrong"},
		{secret, func(s *Settings) { s.LoginURL = "" }, "must be the org's My Domain"},
		{secret, func(s *Settings) { s.LoginURL = "https://login.salesforce.com" }, "not offer client credentials at login.salesforce.com"},
		{secret, func(s *Settings) { s.LoginURL = "test.salesforce.com/" }, "not offer client credentials at test.salesforce.com"},
		{secret, func(s *Settings) { s.ClientSecret = "" }, "client secret is missing"},
		{secret, func(s *Settings) { s.ClientID = "" }, "client id is missing"},
	} {
		s := test.from
		if _, err := New(s, nil, salesforce.Hosts{}); err != nil {
			t.Errorf("good settings: %v", err)
		}
		test.change(&s)
		_, err := New(s, nil, salesforce.Hosts{})
		if e := checkError(t, err, codeSettings, test.want); e.Temporary() {
			t.Errorf("%v is temporary", e)
		}
	}
}

func TestLoginHostAndAudience(t *testing.T) {
	for setting, want := range map[string][2]string{
		"":                               {"https://login.salesforce.com", "https://login.salesforce.com"},
		"https://login.salesforce.com/":  {"https://login.salesforce.com", "https://login.salesforce.com"},
		"test.salesforce.com":            {"https://test.salesforce.com", "https://test.salesforce.com"},
		"https://acme.my.salesforce.com": {"https://acme.my.salesforce.com", "https://login.salesforce.com"},
		" https://acme.lightning.force.com/lightning/page/home?x=1#y ": {"https://acme.my.salesforce.com", "https://login.salesforce.com"},
		"https://ACME.Lightning.Force.com":                             {"https://acme.my.salesforce.com", "https://login.salesforce.com"},
		"https://acme--uat.sandbox.lightning.force.com":                {"https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"},
		"https://acme--uat.sandbox.my.salesforce.com":                  {"https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"},
		"https://acme--uat.my.salesforce.com":                          {"https://acme--uat.my.salesforce.com", "https://test.salesforce.com"},
		"https://acme--uat.cs12.my.salesforce.com":                     {"https://acme--uat.cs12.my.salesforce.com", "https://test.salesforce.com"},
		"https://fluffy-dev-ed.scratch.my.salesforce.com":              {"https://fluffy-dev-ed.scratch.my.salesforce.com", "https://test.salesforce.com"},
		"https://acme-dev-ed.develop.my.salesforce.com":                {"https://acme-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"},
		"https://acme-dev-ed.develop.my.salesforce-setup.com/x":        {"https://acme-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"},
		"http://localhost:8081":                                        {"http://localhost:8081", "http://localhost:8081"},
	} {
		source := newSource(t, Settings{LoginURL: setting, ClientID: "k", Username: "u", PrivateKey: pemOf(key())}).(*jwtSource)
		if got := source.endpoint.login.String(); got != want[0] || source.audience != want[1] {
			t.Errorf("%q: login at %s for %s, want %v", setting, got, source.audience, want)
		}
	}
	source := newSource(t, Settings{Audience: "https://acme.my.site.com", ClientID: "k", Username: "u", PrivateKey: pemOf(key())}).(*jwtSource)
	if source.audience != "https://acme.my.site.com" {
		t.Errorf("audience = %s despite the setting", source.audience)
	}
}

// TestPlatformErrors has the login host answer with errors of the platform.
// Each description also echoes the request, as no platform should.
func TestPlatformErrors(t *testing.T) {
	for _, test := range []struct {
		mode, code, said, want string
		temporary              bool
	}{
		{ModeJWT, "invalid_grant", "user hasn't approved this consumer", "Admin approved users", false},
		{ModeJWT, "invalid_grant", "Audience validation failed", "https://test.salesforce.com for a sandbox", false},
		{ModeJWT, "invalid_grant", "expired authorization code", "clock", false},
		{ModeJWT, "invalid_grant", "invalid assertion", "does not belong to the uploaded certificate", false},
		{ModeJWT, "invalid_grant", "user is inactive", "activate it", false},
		{ModeJWT, "invalid_grant", "ip restricted", "Login IP Ranges", false},
		{ModeJWT, "invalid_client_id", "client identifier invalid", "Consumer Key", false},
		{ModeJWT, "invalid_app_access", "user is not admin approved to access this app", "permission set", false},
		{ModeClientCredentials, "invalid_client", "invalid client credentials", "client secret does not belong", false},
		{ModeClientCredentials, "invalid_grant", "request not supported on this domain", "My Domain", false},
		{ModeClientCredentials, "invalid_grant", "no client credentials user enabled", "Run As", false},
		{ModeClientCredentials, "unsupported_grant_type", "grant type not supported", "Enable Client Credentials Flow", false},
		{ModeClientCredentials, "something_new", "of another age", ") (Salesforce says something_new: of another age", false},
		{ModeJWT, "rate_limit_exceeded", "too many", "too many logins", true},
		{ModeJWT, "unknown_error", "retry your request", "try again later", true},
	} {
		host := newLoginHost(t)
		host.before = func(w http.ResponseWriter, r *http.Request) bool {
			echo := r.PostForm.Get("assertion") + " " + r.PostForm.Get("client_secret") + "\r\n" + url.QueryEscape(r.PostForm.Get("client_secret"))
			answerJSON(w, 400, map[string]string{"error": test.code, "error_description": test.said + " " + echo})
			return true
		}
		settings := host.jwtSettings()
		if test.mode == ModeClientCredentials {
			settings = host.secretSettings()
		}
		_, err := newSource(t, settings).Token(t.Context())
		e := checkError(t, err, test.code, test.want)
		if e.Temporary() != test.temporary || !strings.Contains(e.Message, test.said) || strings.ContainsAny(e.Message, "\r\n") {
			t.Errorf("%s: %q, temporary %v", test.code, e.Message, e.Temporary())
		}
	}
}

func TestStrangeAnswers(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PostForm.Encode()) }
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		answer     func(http.ResponseWriter, *http.Request)
		code, want string
		temporary  bool
	}{
		"page":      {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503); echo(w, r) }, codeUnreachable, "status 503", true},
		"not found": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); echo(w, r) }, codeUnreachable, "check the login URL", false},
		"not JSON":  {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "text/html"); echo(w, r) }, codeUnreachable, "not a token", true},
		"no token": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 200, map[string]string{"instance_url": "x"})
		}, codeUnreachable, "not a token", true},
		"another type": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 200, map[string]string{"access_token": "canary", "token_type": "mac"})
		}, codeAnswer, "bearer", false},
		"no instance": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 200, map[string]string{"access_token": "canary"})
		}, codeAnswer, "instance URL", false},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, codeUnreachable, "status 307", false},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		}, codeUnreachable, "cannot be reached", true},
	} {
		t.Run(name, func(t *testing.T) {
			host := newLoginHost(t)
			host.before = func(w http.ResponseWriter, r *http.Request) bool { test.answer(w, r); return true }
			for _, settings := range []Settings{host.jwtSettings(), host.secretSettings()} {
				source, err := New(settings, &http.Client{Transport: client(t).Transport}, loopback)
				if err != nil {
					t.Fatal(err)
				}
				_, err = source.Token(t.Context())
				if e := checkError(t, err, test.code, test.want); e.Temporary() != test.temporary {
					t.Errorf("temporary = %v", e.Temporary())
				}
			}
		})
	}
}

func TestForeignInstanceIsRefused(t *testing.T) {
	for _, instance := range []string{"https://evil.example", "http://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example", "https://a@acme.my.salesforce.com", "http://10.0.0.1"} {
		host := newLoginHost(t)
		host.instance = instance
		_, err := newSource(t, host.secretSettings()).Token(t.Context())
		checkError(t, err, codeAnswer, "refused")
	}
}

// TestRealLoginHostGivesNoLoopbackToken: while the demo's simulated org is
// allowed, Salesforce's own hosts still cannot point at this machine.
func TestRealLoginHostGivesNoLoopbackToken(t *testing.T) {
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		body := `{"access_token":"canary","instance_url":"http://127.0.0.1:9200","token_type":"Bearer"}`
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
	settings := Settings{Mode: ModeClientCredentials, LoginURL: "https://acme.my.salesforce.com", ClientID: "k", ClientSecret: "s"}
	source, err := New(settings, &http.Client{Transport: transport}, loopback)
	if err != nil {
		t.Fatal(err)
	}
	_, err = source.Token(t.Context())
	checkError(t, err, codeAnswer, "refused")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokenEndsWithItsContext(t *testing.T) {
	host := newLoginHost(t)
	host.before = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := newSource(t, host.jwtSettings()).Token(ctx)
	checkError(t, err, codeUnreachable, "in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not the context's error", err)
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	host := newLoginHost(t)
	resolver := &Resolver{HTTP: client(t), Hosts: loopback}
	for _, settings := range []Settings{host.jwtSettings(), host.secretSettings()} {
		cached, err := resolver.Credentials("acme", settings)
		if err != nil {
			t.Fatal(err)
		}
		token, err := cached.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		source := newSource(t, settings)
		for _, value := range []any{settings, &settings, token, cached, resolver, source} {
			checkSilent(t, fmt.Sprintf("%[1]v %+[1]v %#[1]v %[1]s %[1]x", value))
		}
	}
}

// TestForeignLoginHosts (attack 25): nothing is sent where no org of Salesforce
// is, in whatever way that is written, and whether or not the demo's simulated
// org is allowed.
func TestForeignLoginHosts(t *testing.T) {
	c := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request was sent to %s", r.URL.Host)
		return nil, errors.New("not sent")
	})}
	for _, at := range append([]string{
		"https://evil.example/.lightning.force.com", "https://evil.example#.lightning.force.com", "https://evil.example?.lightning.force.com",
		"https://x@acme.lightning.force.com", "http://acme.lightning.force.com", "https://acme.lightning.force.com:8443", "https://evil.example/acme.lightning.force.com",
		"https://169.254.169.254.lightning.force.com.evil.example", "evil.example", "169.254.169.254", "[::ffff:a9fe:a9fe]", "0x7f.1", "localhost@evil.example",
	}, foreign...) {
		if at == "" || at == "//acme.my.salesforce.com" || strings.HasSuffix(at, "/../evil") {
			continue // the default, or an address that is copied with more than the host
		}
		for _, hosts := range []salesforce.Hosts{{}, loopback} {
			s := Settings{LoginURL: at, InstanceURL: at, ClientID: "k", ClientSecret: clientSecret, Username: "u", PrivateKey: pemOf(key()), AccessToken: "canary"}
			for _, mode := range []string{ModeJWT, ModeClientCredentials, ModeAccessToken} {
				s.Mode = mode
				if _, err := New(s, c, hosts); err == nil {
					t.Errorf("mode %s takes %s", mode, at)
				} else {
					checkError(t, err, codeSettings, "is wrong")
				}
			}
			_, err := NewApp(s, callback, c, hosts)
			checkError(t, err, codeSettings, "login URL is wrong")
		}
	}
}

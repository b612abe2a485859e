package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce/fakeorg"
)

// steps are where the platform may refuse a login.
var steps = []string{ModeJWT, ModeClientCredentials, stepBrowser, stepExchange, stepRefresh}

// scene is a login at the simulated org before anything goes wrong.
type scene struct {
	simulated
	t        testing.TB
	settings Settings
	callback string
	verifier string
	link     func(string) string // changes what the person opens
	decision string
	client   *http.Client
	code     string  // of stepExchange
	kept     *drawer // of stepRefresh
}

// refused prepares a login up to a step, lets something go wrong and returns
// what is said about it.
func (o simulated) refused(t testing.TB, step string, wrong func(*scene)) error {
	t.Helper()
	o.change(t, func(*fakeorg.Client) {})
	mode, _, _ := strings.Cut(step, " ")
	s := &scene{simulated: o, t: t, settings: o.settings(mode), callback: callback, verifier: oauth2.GenerateVerifier(),
		link: func(link string) string { return link }, decision: "allow", client: client(t)}
	app := o.app(t)
	switch step {
	case stepExchange:
		s.code = o.allowed(t, app.AuthorizeURL("state", s.verifier), fakeorg.ServiceUser)
	case stepRefresh:
		grant := o.connected(t, app)
		s.kept = &drawer{kept: &grant}
	}
	wrong(s)
	if mode != ModeOAuth {
		source, err := New(s.settings, s.client, loopback)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Token(t.Context())
		return err
	}
	app, err := NewApp(s.settings, s.callback, s.client, loopback)
	if err != nil {
		t.Fatal(err)
	}
	switch step {
	case stepExchange:
		_, err = app.Exchange(t.Context(), s.code, s.verifier)
	case stepRefresh:
		source := app.Source(s.kept)
		source.(dropper).Drop(s.kept.kept.token())
		_, err = source.Token(t.Context())
	case stepBrowser:
		answer, page := o.visited(t, s.link(app.AuthorizeURL("state", s.verifier)), fakeorg.ServiceUser, s.decision)
		if answer == nil {
			t.Fatalf("the browser ended at %s", page)
		}
		if answer.Get("code") == "" {
			err = Refusal(answer.Get("error"), answer.Get("error_description"))
		}
	}
	return err
}

// checkAdvice wants an *Error that says what to mend, and not that there is an
// error of an unknown kind.
func checkAdvice(t *testing.T, err error, part string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v", err)
	}
	if !strings.Contains(e.Message, part) || strings.HasPrefix(e.Message, "the login was refused") || strings.Contains(e.Message, "{") {
		t.Errorf("%s\nwant … %s …", e.Message, part)
	}
	checkSilent(t, err.Error())
	return e
}

// advised is what is said about a refusal of the simulated org, by the step at
// which it happens; "" stands for the others.
var advised = map[string]map[string]string{
	"inactive user":           {"": "activate it or choose another user", stepRefresh: "activate it, then connect again"},
	"inactive_user":           {"": "activate it or choose another user", stepRefresh: "activate it, then connect again"},
	"inactive org":            {"": "ask Salesforce"},
	"ip restricted":           {"": "address: add it to the profile's Login IP Ranges, or set IP Relaxation in the app's policies", ModeJWT: "IP Relaxation does not count"},
	"login hours":             {"": "(Login Hours), or the user's profile does not admit this server's address", ModeJWT: "(Login Hours), or the user's profile does not admit this server's address: add it to the profile's Login IP Ranges; for JWT"},
	"authentication failure":  {ModeJWT: "check these four", ModeClientCredentials: "Run As", stepRefresh: "it is kept", "": "Login History"},
	"app not found":           {"": "the app is not installed in this org"},
	"app not installed":       {"": "the app is not installed in this org"},
	"approval error":          {"": "Approve Uninstalled Connected Apps"},
	"rate limit":              {"": "3,600 per user and hour; try again later"},
	"login rate":              {"": "3,600 per user and hour; try again later"},
	"unknown error":           {"": "the login host failed; try again later"},
	"server error":            {"": "the login host failed; try again later"},
	"temporarily unavailable": {"": "the login host is busy; try again later"},
	"maintenance":             {"": "down for maintenance; try again later, and see https://status.salesforce.com"},
}

// TestAdviceOnEveryRefusal injects each refusal of the simulated org at each step.
func TestAdviceOnEveryRefusal(t *testing.T) {
	o := newSimulated(t)
	for name, refusal := range fakeorg.Refusals {
		for _, step := range steps {
			if step == stepBrowser && refusal.HTML != "" {
				continue // the person reads that page, and nobody comes back
			}
			t.Run(name+" at "+step, func(t *testing.T) {
				want, ok := advised[name][step]
				if !ok {
					want, ok = advised[name][""]
				}
				if !ok {
					t.Fatal("no advice is known on it")
				}
				var kept *drawer
				err := o.refused(t, step, func(s *scene) {
					kept = s.kept
					fault := fakeorg.Fault{Refusal: name}
					if step == stepBrowser {
						fault.Path = authorizePath
					}
					o.Inject(fault)
				})
				e := checkAdvice(t, err, want)
				if e.Temporary() != strings.Contains(want, "try again later") || (e.RetryAfter() >= time.Minute) != strings.Contains(want, "3,600") {
					t.Errorf("temporary: %v, after %v: %v", e.Temporary(), e.RetryAfter(), e)
				}
				ended := strings.HasPrefix(name, "inactive") && name != "inactive org"
				if kept != nil && (kept.kept == nil) != ended {
					t.Errorf("the connection is kept: %v; %v", kept.kept != nil, err)
				}
			})
		}
	}
}

const authorizePath = "/services/oauth2/authorize"

// hostIs sends requests that ask for another host.
type hostIs string

func (h hostIs) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Host = string(h)
	return http.DefaultTransport.RoundTrip(r)
}

// TestAdviceOnSettings: what is set up wrongly, here or in the org, is named.
func TestAdviceOnSettings(t *testing.T) {
	o := newSimulated(t)
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	setUp := func(change func(*fakeorg.Client)) func(*scene) {
		return func(s *scene) { s.change(s.t, change) }
	}
	says := func(code, description string) func(*scene) {
		return func(s *scene) {
			s.Inject(fakeorg.Fault{Method: http.MethodPost, Path: "/services/oauth2/token", ErrorCode: code, Message: description})
		}
	}
	notAdmitted := setUp(func(c *fakeorg.Client) { c.PermittedUsers = fakeorg.AdminApproved })
	blocked := setUp(func(c *fakeorg.Client) { c.Blocked = true })
	anotherSecret := func(s *scene) { s.settings.ClientSecret = "canary-another" }
	noSecret := func(s *scene) { s.settings.ClientSecret = "" }
	anotherID := func(s *scene) { s.settings.ClientID = "3MVG9another" }
	const (
		profile = "in the app's policies set Permitted Users to Admin approved users are pre-authorized, and select a profile or permission set"
		unblock = "unblock it in Setup, External Client Apps OAuth Usage (Connected Apps OAuth Usage)"
		secrets = "copy Consumer Key and Consumer Secret again"
	)
	atHost := "no app with this client id is known at " + o.url
	for _, test := range []struct {
		name, step string
		wrong      func(*scene)
		code, want string
	}{
		{"nobody has approved", ModeJWT, setUp(func(c *fakeorg.Client) { c.PermittedUsers = fakeorg.SelfAuthorize }), "invalid_grant", "not pre-authorised for the app: check the username first; then, " + profile},
		{"no such user", ModeJWT, func(s *scene) { s.settings.Username = "nobody@acme.example" }, "invalid_grant", "the username does not exist at " + o.url},
		{"another certificate", ModeJWT, setUp(func(c *fakeorg.Client) { c.PublicKey = &another.PublicKey }), "invalid_grant", "does not belong to the uploaded certificate"},
		{"no certificate", ModeJWT, setUp(func(c *fakeorg.Client) { c.PublicKey = nil }), "invalid_grant", "select Enable JWT Bearer Flow (Use digital signatures) and upload the certificate"},
		{"no flow", ModeJWT, says("unsupported_grant_type", "grant type not supported"), "unsupported_grant_type", "select Enable JWT Bearer Flow (Use digital signatures)"},
		{"another audience", ModeJWT, func(s *scene) { s.settings.Audience = "https://acme.my.site.com" }, "invalid_grant", "or https://test.salesforce.com for a sandbox"},
		{"not admitted", ModeJWT, notAdmitted, "invalid_app_access", profile},
		{"blocked", ModeJWT, blocked, "invalid_app_access", unblock},
		{"another id", ModeJWT, anotherID, "invalid_client_id", atHost},
		{"no scope", ModeJWT, says("invalid_scope", "the requested scope is not allowed"), "invalid_scope", "add Manage user data via APIs (api)"},
		{"app of another org", ModeJWT, says("invalid_grant", "External client app is not installed in this org"), "invalid_grant", "check that the login URL (" + o.url + ")"},

		{"no user to run as", ModeClientCredentials, setUp(func(c *fakeorg.Client) { c.RunAs = "" }), "invalid_grant", "the app has no user to run as: select Enable Client Credentials Flow in the app's settings and in its policies, and name a user in Run As"},
		{"login host", ModeClientCredentials, func(s *scene) { s.client = &http.Client{Transport: hostIs("login.salesforce.com")} }, "invalid_grant", "must be the org's My Domain"},
		{"another secret", ModeClientCredentials, anotherSecret, "invalid_client", secrets},
		{"another id", ModeClientCredentials, anotherID, "invalid_client_id", atHost},
		{"no flow", ModeClientCredentials, says("unsupported_grant_type", "grant type not supported"), "unsupported_grant_type", "select Enable Client Credentials Flow in the app's settings and in its policies"},
		{"no scope", ModeClientCredentials, says("invalid_scope", ""), "invalid_scope", "add Manage user data via APIs (api)"},
		{"wrong call", ModeClientCredentials, says("invalid_request", "must use HTTP POST"), "invalid_request", "check the login URL (" + o.url + ")"},

		{"refused", stepBrowser, func(s *scene) { s.decision = "deny" }, "access_denied", "say yes to it"},
		{"not admitted", stepBrowser, notAdmitted, "OAUTH_APP_ACCESS_DENIED", profile},
		{"blocked", stepBrowser, blocked, "OAUTH_APP_BLOCKED", unblock},
		{"too many scopes", stepBrowser, func(s *scene) { s.settings.Scopes = "api web refresh_token" }, "invalid_scope", "Perform requests at any time (refresh_token, offline_access)"},
		{"a link without PKCE", stepBrowser, func(s *scene) {
			s.link = func(l string) string {
				return strings.NewReplacer("code_challenge=", "x=", "code_challenge_method=", "y=").Replace(l)
			}
		}, "invalid_request", "requires PKCE (Require Proof Key for Code Exchange)"},
		{"another flow", stepBrowser, func(s *scene) {
			s.link = func(l string) string { return strings.Replace(l, "response_type=code", "response_type=token", 1) }
		}, "unsupported_response_type", "that OAuth is enabled in the app's settings"},
		{"no page", stepBrowser, func(s *scene) { s.link = func(l string) string { return l + "&prompt=none" } }, "immediate_unsuccessful", "sign in when asked"},

		{"another callback", stepExchange, func(s *scene) { s.callback = "https://mcp.example/oauth/callback/" }, "redirect_uri_mismatch", "add https://mcp.example/oauth/callback/ to its Callback URL, to the letter"},
		{"another verifier", stepExchange, func(s *scene) { s.verifier = oauth2.GenerateVerifier() }, "invalid_grant", "belongs to another login: start connecting again"},
		{"no such code", stepExchange, func(s *scene) { s.code = "aPrxcanary==" }, "invalid_grant", "the code is not good any more: start connecting again"},
		{"another secret", stepExchange, anotherSecret, "invalid_client", secrets},
		{"no secret", stepExchange, noSecret, "invalid_client", "clear Require secret for Web Server Flow"},
		{"another id", stepExchange, anotherID, "invalid_client_id", atHost},
		{"not admitted", stepExchange, notAdmitted, "invalid_app_access", profile},
		{"blocked", stepExchange, blocked, "invalid_app_access", unblock},
		{"no flow", stepExchange, says("unsupported_grant_type", ""), "unsupported_grant_type", "check the login URL (" + o.url + ")"},
		{"not installed", stepExchange, says("invalid_client", "app must be installed into org"), "invalid_client", "not installed in this org"},

		{"revoked", stepRefresh, func(s *scene) {
			if err := s.app(s.t).Revoke(context.WithoutCancel(s.t.Context()), *s.kept.kept); err != nil {
				s.t.Error(err)
			}
		}, "invalid_grant", "the connection has ended"},
		{"refresh policy", stepRefresh, setUp(func(c *fakeorg.Client) { c.RefreshPolicy.After = time.Nanosecond }), "invalid_grant", "Refresh Token Policy"},
		{"another secret", stepRefresh, anotherSecret, "invalid_client", secrets},
		{"no secret", stepRefresh, noSecret, "invalid_client", "for Refresh Token Flow"},
		{"another id", stepRefresh, anotherID, "invalid_client_id", atHost},
		{"not admitted", stepRefresh, notAdmitted, "invalid_app_access", profile},
		{"blocked", stepRefresh, blocked, "invalid_app_access", unblock},
		{"no refresh token", stepRefresh, func(s *scene) { s.kept.kept.RefreshToken = "" }, "invalid_grant", "add the scope Perform requests at any time (refresh_token, offline_access)"},
	} {
		t.Run(test.step+" "+test.name, func(t *testing.T) {
			if e := checkAdvice(t, o.refused(t, test.step, test.wrong), test.want); e.Code != test.code || e.Temporary() {
				t.Errorf("code %s, temporary %v: %v", e.Code, e.Temporary(), e)
			}
		})
	}
}

// TestAdviceOnClock: an org an hour ahead finds every assertion expired.
func TestAdviceOnClock(t *testing.T) {
	late := newSimulatedAt(t, func() time.Time { return time.Now().Add(time.Hour) })
	checkAdvice(t, late.refused(t, ModeJWT, func(*scene) {}), "set this machine's clock right")
}

// TestRefusalIsMaskedAfterTheLookup: whatever text stands for a secret, the code
// and its advice stay what they are, and nothing that may be a secret is shown.
func TestRefusalIsMaskedAfterTheLookup(t *testing.T) {
	const code, said = "invalid_client", "invalid client credentials"
	for _, secret := range []string{"", "i", "e", "in", "client", "invalid"} {
		for _, step := range []string{ModeClientCredentials, stepExchange} {
			e := attempt{step: step, secrets: []string{secret}}.refusal(code, said)
			if e.Code != code || !strings.Contains(e.Message, "Consumer Secret") || !strings.HasSuffix(e.Message, "(Salesforce says invalid_client: "+said+")") {
				t.Errorf("with the secret %q: %s: %v", secret, e.Code, e)
			}
		}
	}
	for _, secret := range []string{"invalid_client", "client credentials", "12345678", clientSecret} {
		e := attempt{step: ModeClientCredentials, secrets: []string{secret}}.refusal(code, said+" "+secret+" "+strings.ReplaceAll(secret, "e", "\x00e"))
		if !strings.Contains(e.Message, "Consumer Secret") || strings.Contains(e.Error()+e.Code, secret) || !strings.Contains(e.Message, "•••") {
			t.Errorf("with the secret %q: %s: %v", secret, e.Code, e)
		}
	}
	if e := Refusal("invalid_grant", "inactive\r\n\x1b[31m user\u202e\u200b \xff"+strings.Repeat("x", 300)); strings.ContainsAny(e.Message, "\r\n\x1b\u202e\u200b\ufffd") || len(e.Message) > 500 {
		t.Errorf("%q", e.Message)
	}
	if e := Refusal("something_new", "of another age"); e.Message != "the login was refused (Salesforce says something_new: of another age)" {
		t.Error(e)
	}
	if e := Refusal("access-denied", ""); !strings.Contains(e.Message, "say yes") { // as Help once spells it
		t.Error(e)
	}
}

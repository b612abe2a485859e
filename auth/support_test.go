package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is made once, since making one takes long.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func pemOf(k *rsa.PrivateKey) salesforce.Secret {
	return salesforce.Secret(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

const clientSecret = "canary-client-secret&=%"

// loginHost is a token endpoint that checks what it is sent, as the platform
// does: signature and claims, or id and secret.
type loginHost struct {
	*httptest.Server
	mu     sync.Mutex
	logins int
	forms  []url.Values
	claims jwt.MapClaims
	// before, when set, may answer instead.
	before func(http.ResponseWriter, *http.Request) bool
	// instance replaces the instance URL of the answer.
	instance string
}

func newLoginHost(t testing.TB) *loginHost {
	h := &loginHost{}
	h.Server = httptest.NewServer(http.HandlerFunc(h.token))
	t.Cleanup(h.Close)
	return h
}

func (h *loginHost) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" || r.URL.String() != "/services/oauth2/token" || r.Header.Get("Authorization") != "" || r.ParseForm() != nil {
		http.Error(w, "not the token endpoint", http.StatusNotFound)
		return
	}
	h.mu.Lock()
	h.logins++
	n := h.logins
	h.forms = append(h.forms, r.PostForm)
	h.mu.Unlock()
	if h.before != nil && h.before(w, r) {
		return
	}
	if code, said := h.refuse(r.PostForm); code != "" {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": said})
		return
	}
	instance := h.instance
	if instance == "" {
		instance = h.URL
	}
	answerJSON(w, http.StatusOK, map[string]string{
		"access_token": fmt.Sprintf("canary-token-%d", n), "instance_url": instance, "token_type": "Bearer", "scope": "api",
		"id": h.URL + "/id/00D000000000001AAA/005000000000001AAA",
	})
}

func (h *loginHost) refuse(form url.Values) (code, said string) {
	switch form.Get("grant_type") {
	case "client_credentials":
		if form.Get("client_id") != "consumer-key" || form.Get("client_secret") != clientSecret || len(form) != 3 {
			return "invalid_client", "invalid client credentials"
		}
		return "", ""
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return &key().PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithIssuer("consumer-key"), jwt.WithAudience(h.URL),
			jwt.WithSubject("svc@acme.example"))
		if err != nil || len(form) != 2 {
			return "invalid_grant", "invalid assertion"
		}
		h.mu.Lock()
		h.claims = claims
		h.mu.Unlock()
		return "", ""
	}
	return "unsupported_grant_type", "grant type not supported"
}

func (h *loginHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logins
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// jwtSettings and secretSettings log in at the host.
func (h *loginHost) jwtSettings() Settings {
	return Settings{Mode: ModeJWT, LoginURL: h.URL, ClientID: "consumer-key", PrivateKey: pemOf(key()), Username: "svc@acme.example"}
}

func (h *loginHost) secretSettings() Settings {
	return Settings{Mode: ModeClientCredentials, LoginURL: h.URL, ClientID: "consumer-key", ClientSecret: clientSecret}
}

var loopback = salesforce.Hosts{Loopback: true}

// client is what the program uses, closed with the test.
func client(t testing.TB) *http.Client {
	c := salesforce.New(salesforce.Options{Hosts: loopback})
	t.Cleanup(c.Close)
	return c.HTTP()
}

func newSource(t testing.TB, s Settings) Source {
	t.Helper()
	source, err := New(s, client(t), loopback)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// simulated is a simulated org with one app, which may log in in every mode.
type simulated struct {
	*fakeorg.Org
	url       string
	transport http.RoundTripper // nil is the network
}

// callback is where browsers come back to.
const callback = "https://mcp.example/oauth/callback"

// consumer is the app as it is set up well.
func consumer() fakeorg.Client {
	return fakeorg.Client{Key: "consumer-key", Secret: clientSecret, PublicKey: &key().PublicKey, RunAs: fakeorg.IntegrationUser,
		RedirectURIs: []string{callback}, RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true}
}

func newSimulated(t testing.TB) simulated { t.Helper(); return newSimulatedAt(t, nil) }

// newSimulatedAt starts an org with a clock of its own.
func newSimulatedAt(t testing.TB, clock func() time.Time) simulated {
	t.Helper()
	org, err := fakeorg.New(fakeorg.Options{Clock: clock, Clients: []fakeorg.Client{consumer()}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	return simulated{Org: org, url: server.URL}
}

// change sets the app up in another way.
func (o simulated) change(t testing.TB, change func(*fakeorg.Client)) {
	t.Helper()
	c := consumer()
	change(&c)
	if err := o.SetClient(c); err != nil {
		t.Fatal(err)
	}
}

// settings log in at the org in a mode.
func (o simulated) settings(mode string) Settings {
	s := Settings{Mode: mode, LoginURL: o.url, ClientID: "consumer-key"}
	switch mode {
	case ModeJWT:
		s.PrivateKey, s.Username = pemOf(key()), fakeorg.IntegrationUser
	case ModeClientCredentials, ModeOAuth:
		s.ClientSecret = clientSecret
	case ModeAccessToken:
		s.LoginURL, s.InstanceURL, s.AccessToken = "", o.url, salesforce.Secret(o.MintToken(fakeorg.IntegrationUser))
	}
	return s
}

func (o simulated) app(t testing.TB) *App {
	t.Helper()
	c := client(t)
	if o.transport != nil {
		c = &http.Client{Transport: o.transport}
	}
	app, err := NewApp(o.settings(ModeOAuth), callback, c, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// connected is what a person has granted.
func (o simulated) connected(t testing.TB, app *App) Grant {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	grant, err := app.Exchange(t.Context(), o.allowed(t, app.AuthorizeURL("state", verifier), fakeorg.ServiceUser), verifier)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}

// tokenRequests counts the logins and refreshes.
func (o simulated) tokenRequests() (n int) {
	for _, r := range o.Requests() {
		if r.Path == "/services/oauth2/token" {
			n++
		}
	}
	return n
}

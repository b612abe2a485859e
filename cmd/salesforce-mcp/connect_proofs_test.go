package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// An openIDProvider signs people in without asking: whoever its cookie names, or
// "somebody" (OpenID Connect Core 1.0, section 3.1, with PKCE).
type openIDProvider struct {
	url string

	mu     sync.Mutex
	codes  map[string]map[string]string // what a code was given for
	claims map[string]any               // of its ID tokens, over the right ones; nil leaves one out
	header map[string]any
	asked  []url.Values
	fails  string // what the token endpoint answers instead
}

const providerSecret = "provider-secret-of-tests"

func newOpenIDProvider(t *testing.T) *openIDProvider {
	p := &openIDProvider{codes: map[string]map[string]string{}}
	keys := newTokenIssuer(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.url, "jwks_uri": keys.url + "/keys", "authorization_endpoint": p.url + "/authorize",
			"token_endpoint": p.url + "/token", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q, code, user := r.URL.Query(), rand.Text(), "somebody"
		if cookie, err := r.Cookie("user"); err == nil {
			user, _ = url.QueryUnescape(cookie.Value)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, q)
		p.codes[code] = map[string]string{"user": user, "nonce": q.Get("nonce"), "challenge": q.Get("code_challenge"), "redirect": q.Get("redirect_uri"), "client": q.Get("client_id")}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		given, ok := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		id, secret, basic := r.BasicAuth()
		if !basic {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		w.Header().Set("Content-Type", "application/json")
		if p.fails != "" || !ok || id != given["client"] || secret != providerSecret || r.FormValue("redirect_uri") != given["redirect"] || given["challenge"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			if p.fails == "echo" {
				_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": "refused " + fmt.Sprint(r.PostForm, secret)})
				return
			}
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		claims := map[string]any{"iss": p.url, "aud": id, "sub": given["user"], "email": given["user"] + "@acme.example", "nonce": given["nonce"], "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		maps.Copy(claims, p.claims)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		text, _ := json.Marshal(claims)
		idToken := keys.token(p.header, string(text))
		if p.header["alg"] == "none" {
			idToken, _ = jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims(claims)).SignedString(jwt.UnsafeAllowNoneSignatureType)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at-" + rand.Text(), "token_type": "Bearer", "id_token": idToken})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

// loginWorld is a world whose people prove themselves with an OpenID provider.
func loginWorld(t *testing.T, change ...func(*config.Config)) (*world, *openIDProvider) {
	t.Helper()
	p := newOpenIDProvider(t)
	return connectWorld(t, append([]func(*config.Config){func(c *config.Config) {
		c.Login = &config.Login{Issuer: p.url, ClientID: "salesforce-mcp", ClientSecret: providerSecret}
		for i := range c.Workspaces {
			c.Workspaces[i].Auth.Proof = "login"
			c.Workspaces[i].Profiles[0].Vouches = false
		}
	}}, change...)...), p
}

// signedIn is the browser of a person who is signed in at the provider.
func (p *openIDProvider) signedIn(t *testing.T, user string) *browser {
	b := newBrowser(t)
	at, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "user", Value: url.QueryEscape(user)}})
	return b
}

// authorizations counts the browsers that were sent to Salesforce.
func (w *world) authorizations() (n int) {
	for _, r := range w.org.org.Requests() {
		if r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/services/oauth2/authorize?") {
			n++
		}
	}
	return n
}

// TestAttackForwardedLink (attack 20): who opens somebody else's link, and does all that
// they are asked, is not connected as them, in any mode that proves people.
func TestAttackForwardedLink(t *testing.T) {
	t.Run("login", func(t *testing.T) {
		w, p := loginWorld(t)
		victim := p.signedIn(t, "ann").open(w.link("mallory")).follow()
		victim.shows(403, "This link is for somebody else")
		victim.salesforce(fakeorg.ServiceUser)
		w.nobody("mallory", "ann")
		if w.authorizations() != 0 || !strings.Contains(w.log.String(), "somebody else opened a link to connect") {
			t.Errorf("%d were sent to Salesforce; the log is %s", w.authorizations(), w.log)
		}
		for _, user := range []string{"Mallory", "mallory ", "mall\u043ery", ""} {
			if b := p.signedIn(t, user).open(w.link("mallory")).follow(); b.status < 400 || b.at.Path != "/oauth/login" {
				t.Errorf("%q: %s shows %d %s", user, b.at, b.status, b.page)
			}
		}
		p.signedIn(t, "mallory").open(w.link("mallory")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	})
	t.Run("bridge", func(t *testing.T) {
		w := connectWorld(t, func(c *config.Config) {
			for i := range c.Workspaces {
				c.Workspaces[i].Auth.Proof = "bridge"
			}
			c.Workspaces[0].Profiles[0].Vouches = false
		})
		if r := w.as("mallory", "query", nil); !r.IsError || r.StructuredContent.ConnectURL != "" {
			t.Errorf("a link from an agent: %+v", r)
		}
		var links map[string]any
		if code := w.host(http.MethodPost, "oauth/connect?user_id=mallory", &links); code != 403 || links["connect_url"] != nil {
			t.Errorf("a link from a host that does not vouch: %d %v", code, links)
		}
		settings := w.app.config.Workspaces[0].Auth
		settings.Proof = "none"
		link := w.link("mallory") // of the time before the administrator asked for a proof
		b := newBrowser(t).open(link)
		settings.Proof = "bridge"
		b.follow().shows(403, "does not prove who you are")
		if w.authorizations() != 0 {
			t.Error("somebody was sent to Salesforce")
		}
	})
	t.Run("username", func(t *testing.T) {
		w := connectWorld(t, func(c *config.Config) { c.Workspaces[0].Auth.Proof = "username" })
		mallory := "mallory@alderridge.example"
		victim := newBrowser(t).open(w.link(mallory)).follow().salesforce(fakeorg.ServiceUser)
		victim.shows(403, "signed in to Salesforce as another user")
		w.nobody(mallory, fakeorg.ServiceUser)
		revoked := 0
		for _, r := range w.org.org.Requests() {
			if r.Path == "/services/oauth2/revoke" && r.Status == 200 {
				revoked++
			}
		}
		if revoked != 1 {
			t.Errorf("%d grants were revoked at the org", revoked)
		}
		if victim.open(w.link(mallory)).follow(); !strings.Contains(victim.page, `value="allow"`) { // else it remembers the grant
			t.Errorf("the org still has the grant: %s", victim.page)
		}
		for _, like := range []string{"\u017fam.okafor@alderridge.example", "sam.o\u212aafor@alderridge.example", fakeorg.ServiceUser + "x"} { // long s, Kelvin sign
			newBrowser(t).open(w.link(like)).follow().salesforce(fakeorg.ServiceUser).shows(403, "as another user")
			w.nobody(like)
		}
		same := strings.ToUpper(fakeorg.ServiceUser)
		newBrowser(t).open(w.link(same)).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
		var links struct {
			Connect string `json:"connect_url"`
		}
		w.host(http.MethodPost, "oauth/connect?user_id="+mallory, &links) // this host vouches for whom it sends
		newBrowser(t).open(links.Connect).salesforce(fakeorg.IntegrationUser).shows(200, "now work as")
	})
}

// TestAttackSignIn: what the provider did not say of this login, for this server, now,
// proves nobody.
func TestAttackSignIn(t *testing.T) {
	w, p := loginWorld(t)
	ended := time.Now().Add(-time.Hour).Unix()
	for what, change := range map[string]func(){
		"another nonce":      func() { p.claims = map[string]any{"nonce": "other"} },
		"no nonce":           func() { p.claims = map[string]any{"nonce": nil} },
		"another audience":   func() { p.claims = map[string]any{"aud": "other"} },
		"another issuer":     func() { p.claims = map[string]any{"iss": "https://evil.example"} },
		"an ended token":     func() { p.claims = map[string]any{"exp": ended} },
		"no subject":         func() { p.claims = map[string]any{"sub": nil} },
		"a number":           func() { p.claims = map[string]any{"sub": 7} },
		"no signature":       func() { p.header = map[string]any{"alg": "none"} },
		"an unknown key":     func() { p.header = map[string]any{"kid": "other"} },
		"a key of elsewhere": func() { p.header = map[string]any{"alg": "ES256"} }, // which it has not announced to sign with
		"refused":            func() { p.fails = "refused" },
	} {
		p.claims, p.header, p.fails = nil, nil, ""
		change()
		b := p.signedIn(t, "ann").open(w.link("ann")).follow()
		if b.status < 400 || b.at.Path != "/oauth/login" || w.authorizations() != 0 {
			t.Errorf("%s: %s shows %d %s", what, b.at, b.status, b.page)
		}
	}
	p.claims, p.header, p.fails = nil, nil, ""

	held := func(user, link string) (*browser, *url.URL) { // up to where the provider sends them back
		b := p.signedIn(t, user)
		follow := b.client.CheckRedirect
		back := b.stopBefore("/oauth/login")
		b.open(link).follow()
		b.client.CheckRedirect = follow
		return b, back
	}
	mallory, hers := held("mallory", w.link("mallory"))
	victim, his := held("ann", w.link("ann"))
	for _, b := range []*browser{
		mallory.open(with(hers, url.Values{"code": his.Query()["code"]})), // with the code of another person
		newBrowser(t).open(his.String()),                                  // in another browser
		victim.open(his.String()),                                         // again
	} {
		if b.status < 400 || w.authorizations() != 0 {
			t.Errorf("%s shows %d %s", b.at, b.status, b.page)
		}
	}
	b, back := held("ann", w.link("ann"))
	b.open(strings.Replace(back.String(), "/oauth/login", "/oauth/callback", 1)).shows(400, "too late") // the other callback
	b, back = held("ann", w.link("ann"))
	b.open(with(back, url.Values{"iss": {"https://evil.example"}})).shows(403, "not of the login host")
	b, back = held("ann", w.link("ann"))
	b.open(with(back, url.Values{"iss": {p.url}}))
	if b.at.Path != "/services/oauth2/authorize" {
		t.Errorf("its own issuer: %s", b.page)
	}
	b.open(w.origin+"/oauth/login?code=x&state="+b.at.Query().Get("state")).shows(400, "too late")
	for _, q := range p.asked {
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("redirect_uri") != w.origin+"/oauth/login" {
			t.Errorf("asked for %v", q)
		}
	}
	w.nobody("ann", "mallory")
}

// TestAttackEmail: an address that the provider has not verified proves nobody.
func TestAttackEmail(t *testing.T) {
	w, p := loginWorld(t, func(c *config.Config) { c.Login.Claim, c.Login.Scopes = "email", []string{"email"} })
	for _, verified := range []any{false, "false", nil} {
		p.claims = map[string]any{"email_verified": verified}
		if verified == nil {
			p.claims = nil
		}
		b := p.signedIn(t, "ann").open(w.link("ann@acme.example")).follow()
		if sent := b.at.Path == "/services/oauth2/authorize"; sent != (verified == nil) {
			t.Errorf("verified %v: %s shows %d %s", verified, b.at, b.status, b.page)
		}
	}
}

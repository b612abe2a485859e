package fakeorg_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce/fakeorg"
)

// callback is where the apps of these tests have people sent back to. Nothing listens there.
const callback = "https://mcp.example/oauth/callback"

// verifier is one of PKCE, as long as it has to be.
const verifier = "a-verifier-that-is-long-enough-for-RFC-7636-4.1"

// personal is an app for people.
func personal(change ...func(*fakeorg.Client)) fakeorg.Client {
	c := fakeorg.Client{Key: "app", Name: "The connector", Secret: "s3", RequireSecret: true, RequirePKCE: true, RedirectURIs: []string{callback}}
	for _, change := range change {
		change(&c)
	}
	return c
}

// browser is one that keeps cookies, and stops where it is sent to another site.
type browser struct {
	*server
	http *http.Client
}

func (s *server) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is what a browser shows, or where it is sent.
type page struct {
	status   int
	body     string
	location string
	header   http.Header
}

func (b *browser) read(response *http.Response, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{response.StatusCode, string(text), response.Header.Get("Location"), response.Header}
}

// open asks for an authorization. Changes are name, value pairs; an empty value takes a parameter away.
func (b *browser) open(changes ...string) page {
	b.t.Helper()
	query := url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "state": {"st"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			query.Del(changes[i])
		}
	}
	return b.read(b.http.Get(b.url + "/services/oauth2/authorize?" + query.Encode()))
}

var hidden = regexp.MustCompile(`<input type="hidden" name="login" value="([^"]+)">`)

// submit sends the form of a page. Fields are name, value pairs.
func (b *browser) submit(p page, fields ...string) page {
	b.t.Helper()
	secret := hidden.FindStringSubmatch(p.body)
	if secret == nil {
		b.t.Fatalf("no form: %d %s %s", p.status, p.location, p.body)
	}
	form := url.Values{"login": {secret[1]}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.read(b.http.PostForm(b.url+"/services/oauth2/authorize", form))
}

// logIn logs in on the login page.
func (b *browser) logIn(p page, username string) page {
	b.t.Helper()
	return b.submit(p, "username", username, "password", fakeorg.Password)
}

// allow is the whole way of a person who says yes, to the code.
func (b *browser) allow(username string, changes ...string) string {
	b.t.Helper()
	p := b.open(changes...)
	if p.status == 200 && strings.Contains(p.body, "password") {
		p = b.logIn(p, username)
	}
	if p.status == 200 && strings.Contains(p.body, "Allow Access?") {
		p = b.submit(p, "decision", "allow")
	}
	return p.query(b.t).Get("code")
}

// query is the query with which a browser is sent back to the app.
func (p page) query(t *testing.T) url.Values {
	t.Helper()
	u, err := url.Parse(p.location)
	if err != nil || p.status != 302 || !strings.HasPrefix(p.location, callback+"?") {
		t.Fatalf("not sent back: %d %s %s", p.status, p.location, p.body)
	}
	return u.Query()
}

// wants fails the test unless the page has the status and holds the text.
func (p page) wants(t *testing.T, status int, part string) {
	t.Helper()
	if p.status != status || !strings.Contains(p.body, part) {
		t.Errorf("got  %d %s %s\nwant %d …%s…", p.status, p.location, p.body, status, part)
	}
}

// refused fails the test unless the browser is sent back with this error.
func (p page) refused(t *testing.T, query string) {
	t.Helper()
	if p.status != 302 || p.location != callback+"?"+query {
		t.Errorf("got  %d %s %s\nwant 302 %s?%s", p.status, p.location, p.body, callback, query)
	}
}

// tokens are what the token endpoint gives.
type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Scope     string `json:"scope"`
	Instance  string `json:"instance_url"`
	ID        string `json:"id"`
	IssuedAt  string `json:"issued_at"`
	Signature string `json:"signature"`
	Type      string `json:"token_type"`
	IDToken   string `json:"id_token"`
}

// tokens asks for tokens. Changes are as those of open.
func (s *server) tokens(form url.Values, changes ...string) (tokens, reply) {
	s.t.Helper()
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	r := s.post("/services/oauth2/token", form)
	var t tokens
	if err := json.Unmarshal([]byte(r.body), &t); err != nil {
		s.t.Fatalf("%v in %d %s", err, r.status, r.body)
	}
	return t, r
}

func (s *server) exchange(code string, changes ...string) (tokens, reply) {
	s.t.Helper()
	return s.tokens(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "client_id": {"app"},
		"client_secret": {"s3"}, "code_verifier": {verifier}}, changes...)
}

func (s *server) refresh(token string, changes ...string) (tokens, reply) {
	s.t.Helper()
	return s.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"app"}, "client_secret": {"s3"}}, changes...)
}

// works reports whether the API accepts a token.
func (s *server) works(token string) bool {
	s.t.Helper()
	r := s.do("GET", "/limits", "", "Authorization", "Bearer "+token)
	if r.status != 200 && r.body != `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]` {
		s.t.Fatalf("a token is answered %d %s", r.status, r.body)
	}
	return r.status == 200
}

// TestPersonConnects: from the login page to a record that was written in a person's name, and out again.
func TestPersonConnects(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	b := s.browser()
	p := b.open()
	p.wants(t, 200, fakeorg.AdminUser)
	p.wants(t, 200, "simulated")
	p = b.submit(p, "username", fakeorg.ServiceUser, "password", "wrong")
	p.wants(t, 200, "check your username and password")
	p = b.logIn(p, fakeorg.ServiceUser)
	p.wants(t, 200, "The connector is asking to")
	p.wants(t, 200, "Manage user data via APIs (api)")
	p.wants(t, 200, fakeorg.ServiceUser)
	p = b.submit(p, "decision", "allow")
	if p.query(t).Get("state") != "st" || !strings.HasSuffix(p.query(t).Get("code"), "==") {
		t.Errorf("sent back to %s", p.location)
	}
	given, r := s.exchange(p.query(t).Get("code"))
	if given.Refresh == "" || given.Instance != s.url || given.Type != "Bearer" || !strings.HasPrefix(given.ID, s.url+"/id/00D") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("tokens %s", r.body)
	}

	s.token = given.Access
	s.do("GET", "/services/oauth2/userinfo", "").wants(t, 200, `"preferred_username":"`+fakeorg.ServiceUser+`"`)
	s.do("GET", strings.TrimPrefix(given.ID, s.url), "").wants(t, 200, `"username":"`+fakeorg.ServiceUser+`"`)
	who := s.get("Account", s.create("Account", `{"Name": "Mine"}`), "CreatedById")
	if !strings.HasSuffix(given.ID, "/"+who.(string)) {
		t.Errorf("created by %v, not by %s", who, given.ID)
	}

	again, r := s.refresh(given.Refresh)
	if again.Access == given.Access || again.Refresh != "" || !s.works(again.Access) || !s.works(given.Access) {
		t.Errorf("refreshed: %s", r.body)
	}
	s.post("/services/oauth2/revoke", url.Values{"token": {given.Refresh}}).want(t, 200, "")
	if s.works(again.Access) || s.works(given.Access) {
		t.Error("an access token outlives its grant")
	}
	_, r = s.refresh(given.Refresh)
	r.want(t, 400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
}

package app

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// An idp is an OpenID provider: the certified library of Zitadel with its store in
// memory. Like most it tells the e-mail address and groups at its userinfo endpoint.
type idp struct {
	*storage.Storage
	url    string
	mu     sync.Mutex
	people map[string]*storage.User
	groups map[string][]string
}

// GetUserByID implements storage.UserStore.
func (p *idp) GetUserByID(id string) *storage.User {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.people[id]
}

// GetUserByUsername implements storage.UserStore.
func (p *idp) GetUserByUsername(name string) *storage.User { return p.GetUserByID(name) }

// ExampleClientID implements storage.UserStore.
func (p *idp) ExampleClientID() string { return "service" }

// SetUserinfoFromToken implements op.Storage.
func (p *idp) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	err := p.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
	p.mu.Lock()
	defer p.mu.Unlock()
	if groups := p.groups[subject]; groups != nil {
		info.AppendClaims("groups", groups)
		info.AppendClaims("realm_access", map[string]any{"roles": groups})
	}
	return err
}

const clientSecret = "client-secret-of-the-tests"

// newIDP starts a provider, with some people who are all let in with the password p.
func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{people: map[string]*storage.User{}, groups: map[string][]string{}}
	for _, who := range []struct {
		id, email string
		verified  bool
	}{{"s-admin", "admin@acme.example", true}, {"s-unverified", "approver@acme.example", false}, {"s-stranger", "stranger@evil.example", true}, {"s-fresh", "fresh@acme.example", true}, {"s-late", "late@acme.example", true}} {
		p.people[who.id] = &storage.User{ID: who.id, Username: who.id, Password: "p", FirstName: "Person", LastName: who.id, Email: who.email, EmailVerified: who.verified}
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	p.url = server.URL
	p.Storage = storage.NewStorage(p)
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true}
	_, _ = rand.Read(config.CryptoKey[:])
	provider, err := op.NewProvider(config, p, op.StaticIssuer(p.url), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	// The page of the provider: it lets in whom the form of the browser names.
	back := op.AuthCallbackURL(provider)
	mux.Handle("/login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, who := r.FormValue("authRequestID"), r.Header.Get("X-Test-Person")
		if err := p.CheckUsernamePassword(who, "p", id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
	}))
	handler = mux
	return p
}

// loginHouse is a house whose people may sign in with a provider.
func loginHouse(t *testing.T, claims ...Claim) (*house, *idp) {
	t.Helper()
	p := newIDP(t)
	h := newHouse(t, func(a *App) {
		a.Login = &connect.Login{Issuer: p.url, ClientID: "app-" + strings.ToLower(rand.Text()), ClientSecret: clientSecret, HTTP: &http.Client{Timeout: 10 * time.Second}}
		a.Claims = claims
	})
	storage.RegisterClients(storage.WebClient(h.app.Login.ClientID, clientSecret, h.origin+"/signin/callback"))
	return h, p
}

// provider follows the browser to the provider, where it is a person, and returns the
// address that it is sent back to.
func (b *browser) provider(who, start string) string {
	b.h.t.Helper()
	b.header.Set("X-Test-Person", who)
	defer b.header.Del("X-Test-Person")
	a := b.get(start)
	for range 5 {
		if !strings.HasPrefix(a.to(), "http") && !strings.HasPrefix(a.to(), "/") {
			break
		}
		to := a.to()
		if strings.HasPrefix(to, b.h.origin+"/signin/callback") {
			return to
		}
		if strings.HasPrefix(to, "/") {
			to = b.h.app.Login.Issuer + to
		}
		a = b.get(to)
	}
	b.h.t.Fatalf("%s does not come back from the provider: %d %s %s", who, a.status, a.to(), a.body)
	return ""
}

// through signs a person in with the provider.
func (b *browser) through(who, start string) answer {
	b.h.t.Helper()
	return b.get(b.provider(who, start))
}

// TestLogin: with an OpenID provider come in whom an admin has added, by subject or by an
// address that is verified, whoever has a role by their claims, and nobody else.
func TestLogin(t *testing.T) {
	h, p := loginHouse(t,
		Claim{"groups", "approvers", users.Roles{Workspaces: map[string][]users.Role{"demo": {users.Approver}}}},
		Claim{"realm_access.roles", "platform", users.Roles{Platform: users.PlatformAdmin}})
	b := h.browser()
	if a := b.get("/signin?next=/workspaces/demo"); !strings.Contains(a.body, `href="/signin/login?next=%2Fworkspaces%2Fdemo"`) {
		t.Errorf("the sign-in page: %s", a.body)
	}
	if a := b.through("s-admin", "/signin/login?next=/workspaces/demo"); a.to() != "/workspaces/demo" || b.get("/workspaces/demo").status != http.StatusOK {
		t.Errorf("somebody who was added by address: %d %s %s", a.status, a.to(), a.body)
	}
	if u := mustUser(t, h, "admin"); u.Issuer != p.url || u.Subject != "s-admin" {
		t.Errorf("the subject is not kept: %+v", u)
	}
	// The subject is who they are from then on, whatever address they have, and whoever
	// has theirs.
	p.mu.Lock()
	p.people["s-admin"].Email, p.people["s-stranger"].Email = "other@acme.example", "admin@acme.example"
	p.mu.Unlock()
	if a := h.browser().through("s-admin", "/signin/login"); a.to() != "/" {
		t.Errorf("with another address: %d", a.status)
	}
	for _, who := range []string{"s-stranger", "s-unverified"} {
		b := h.browser()
		if a := b.through(who, "/signin/login"); a.status != http.StatusForbidden || b.in() || !strings.Contains(a.body, who) {
			t.Errorf("%s: %d %s", who, a.status, a.body)
		}
	}

	// Claims give roles, and take them.
	p.mu.Lock()
	p.groups["s-fresh"] = []string{"others", "approvers"}
	p.mu.Unlock()
	fresh := h.browser()
	if a := fresh.through("s-fresh", "/signin/login"); a.to() != "/" || fresh.get("/workspaces/demo").status != http.StatusOK || fresh.get("/platform/users").status != http.StatusNotFound {
		t.Errorf("an approver by a claim: %d %s", a.status, a.body)
	}
	p.mu.Lock()
	p.groups["s-fresh"] = []string{"platform"}
	p.mu.Unlock()
	if a := fresh.through("s-fresh", "/signin/login"); a.to() != "/" || fresh.get("/platform/users").status != http.StatusOK {
		t.Errorf("an admin of the platform by a claim in an object: %d %s", a.status, a.body)
	}
	p.mu.Lock()
	p.groups["s-fresh"] = nil
	p.mu.Unlock()
	if a := fresh.through("s-fresh", "/signin/login"); a.to() != "/" || fresh.get("/platform/users").status != http.StatusNotFound || fresh.get("/workspaces/demo").status != http.StatusNotFound {
		t.Errorf("without the claim: %d %s", a.status, a.body)
	}

	boss := h.as("owner")
	if a := boss.post("/platform/users", url.Values{"subject": {"s-late"}}); a.status != http.StatusSeeOther {
		t.Fatalf("add by subject: %d %s", a.status, a.body)
	}
	late := h.browser()
	if a := late.through("s-late", "/signin/login"); a.to() != "/" || !late.in() {
		t.Errorf("somebody who was added by subject: %d %s", a.status, a.body)
	}
	u, _, err := h.store.UserBySubject(t.Context(), p.url, "s-late")
	if err != nil {
		t.Fatal(err)
	}
	boss.post("/platform/users/"+u.ID, url.Values{"suspended": {"yes"}})
	if a := h.browser().through("s-late", "/signin/login"); a.status != http.StatusForbidden {
		t.Errorf("who is suspended: %d", a.status)
	}
}

// TestLoginAttacks (attack 19): an answer of the provider is good in the browser that
// asked, once, within its time, and for what was asked.
func TestLoginAttacks(t *testing.T) {
	h, p := loginHouse(t)
	attacker, victim := h.browser(), h.browser()
	mine := attacker.provider("s-admin", "/signin/login")
	if a := victim.get(mine); a.status != http.StatusBadRequest || victim.in() {
		t.Errorf("the answer in another browser: %d", a.status)
	}
	// The victim has begun a sign-in of their own.
	theirs, err := url.Parse(victim.provider("s-admin", "/signin/login"))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := url.Parse(mine)
	swapped := theirs.Query()
	swapped.Set("code", at.Query().Get("code"))
	if a := victim.get("/signin/callback?" + swapped.Encode()); a.status != http.StatusBadGateway || victim.in() {
		t.Errorf("the code of another sign-in: %d", a.status)
	}
	for name, change := range map[string]func(url.Values){
		"no state":       func(q url.Values) { q.Del("state") },
		"another state":  func(q url.Values) { q.Set("state", "x") },
		"two states":     func(q url.Values) { q.Add("state", "x") },
		"no code":        func(q url.Values) { q.Del("code") },
		"two codes":      func(q url.Values) { q.Add("code", "x") },
		"another issuer": func(q url.Values) { q.Set("iss", "https://evil.example") },
		"an error":       func(q url.Values) { q.Set("error", "access_denied<script>") },
	} {
		b := h.browser()
		back, err := url.Parse(b.provider("s-admin", "/signin/login"))
		if err != nil {
			t.Fatal(err)
		}
		q := back.Query()
		change(q)
		if a := b.get("/signin/callback?" + q.Encode()); a.status < 400 || a.status >= 500 || b.in() || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d", name, a.status)
		}
		if a := b.get(back.RequestURI()); a.status != http.StatusBadRequest || b.in() {
			t.Errorf("the right answer after %s: %d", name, a.status)
		}
	}
	b := h.browser()
	back := b.provider("s-admin", "/signin/login")
	if a := b.get(back); a.to() != "/" {
		t.Errorf("the right answer: %d", a.status)
	}
	if a := b.get(back); a.status != http.StatusBadRequest {
		t.Errorf("the right answer again: %d", a.status)
	}
	if log := h.log.String(); strings.Contains(log, clientSecret) || strings.Contains(log, at.Query().Get("code")) {
		t.Error("the log has a secret")
	}
	// The first sign-in of a session does not outlive it.
	known := h.browser()
	known.provider("s-admin", "/signin/login")
	before := known.cookie("session")
	known.through("s-admin", "/signin/login")
	attacker.carry(before)
	if !known.in() || attacker.in() {
		t.Error("the session of before the sign-in goes on")
	}
	_ = p
}

// TestLoginAgain: who signs in with a provider proves with it again who they are, as
// themselves.
func TestLoginAgain(t *testing.T) {
	h, p := loginHouse(t)
	if err := users.Change(t.Context(), h.store, "id-owner", func(u *users.User) error {
		u.Issuer, u.Subject, u.Password = p.url, "s-fresh", ""
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.through("s-fresh", "/signin/login")
	b.post("/test/age", nil)
	if a := b.get("/confirm?next=/account"); !strings.Contains(a.body, `/signin/login?again=1&amp;next=%2Faccount`) || strings.Contains(a.body, `name="password"`) {
		t.Errorf("the page: %s", a.body)
	}
	if a := b.get("/signin/login?again=1"); !strings.Contains(a.to(), "prompt=login") || !strings.Contains(a.to(), "max_age=0") {
		t.Errorf("the provider is not told to ask: %s", a.to())
	}
	if a := b.through("s-admin", "/signin/login?again=1&next=/account"); a.status != http.StatusForbidden {
		t.Errorf("somebody else proves: %d", a.status)
	}
	if a := b.post("/platform/users/id-admin/delete", nil); !strings.HasPrefix(a.to(), "/confirm") {
		t.Errorf("and it counts: %d %s", a.status, a.to())
	}
	if a := b.through("s-fresh", "/signin/login?again=1&next=/account"); a.to() != "/account" {
		t.Errorf("the person proves: %d %s", a.status, a.body)
	}
	if a := b.post("/platform/users/id-admin/delete", nil); a.to() != "/platform/users" {
		t.Errorf("and it does not count: %d %s", a.status, a.to())
	}
	// A stranger is asked to sign in, not to prove something again.
	if a := h.browser().get("/signin/login?again=1"); !strings.HasPrefix(a.to(), "/signin?") {
		t.Errorf("a stranger: %d %s", a.status, a.to())
	}
}

// TestNotAskedAgain: a provider that sends somebody back without having asked them proves
// nothing.
func TestNotAskedAgain(t *testing.T) {
	h, p := loginHouse(t)
	if err := users.Change(t.Context(), h.store, "id-owner", func(u *users.User) error { u.Issuer, u.Subject = p.url, "s"; return nil }); err != nil {
		t.Fatal(err)
	}
	b := h.as("owner")
	for age, want := range map[time.Duration]int{time.Second: http.StatusSeeOther, time.Hour: http.StatusForbidden, 100 * 365 * 24 * time.Hour: http.StatusForbidden} {
		serving := h.app.handler([]route{{"GET /again", signedIn, func(r *request) error {
			claims := map[string]any{"sub": "s", "auth_time": float64(time.Now().Add(-age).Unix())}
			if age > 24*time.Hour {
				delete(claims, "auth_time")
			}
			return r.provedAgain(dance{Again: r.person.ID, Next: "/", Begun: time.Now()}, claims)
		}}})
		h.mu.Lock()
		h.serving = serving
		h.mu.Unlock()
		if a := b.get("/again"); a.status != want {
			t.Errorf("asked %v ago: %d, want %d", age, a.status, want)
		}
	}
}

// TestLoginLink: with a link of the first start somebody becomes the owner through the
// provider, once.
func TestLoginLink(t *testing.T) {
	h, _ := loginHouse(t)
	path, err := OwnerLink(t.Context(), h.store)
	if err != nil {
		t.Fatal(err)
	}
	ticket := strings.TrimPrefix(path, "/setup?ticket=")
	b := h.browser()
	if a := b.get(path); !strings.Contains(a.body, "/signin/login?ticket="+ticket) {
		t.Errorf("the page: %s", a.body)
	}
	if a := b.through("s-stranger", "/signin/login?ticket="+ticket); a.to() != "/" || b.get("/platform/users").status != http.StatusOK {
		t.Errorf("through the provider: %d %s", a.status, a.body)
	}
	if a := h.browser().through("s-fresh", "/signin/login?ticket="+ticket); a.status != http.StatusNotFound {
		t.Errorf("the link again: %d", a.status)
	}
	if a := b.get("/signin/login?ticket=none"); a.status != http.StatusSeeOther {
		t.Errorf("%d", a.status)
	}
}

// TestNoLogin: without a provider there is nothing to sign in with.
func TestNoLogin(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/signin/login", "/signin/callback?state=x&code=y"} {
		if a := h.browser().get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestClaims: claims are compared as they are, in lists and in objects.
func TestClaims(t *testing.T) {
	claims := map[string]any{"groups": []any{"a", 7, "b"}, "role": "a", "https://x.example/roles": []any{"a"}, "realm": map[string]any{"access": map[string]any{"roles": []any{"a"}}}, "n": 1.0, "a.b": "a"}
	for name, want := range map[string]bool{"groups": true, "role": true, "https://x.example/roles": true, "realm.access.roles": true, "a.b": true, "realm.access": false, "realm": false, "n": false, "none": false, "": false, ".": false, "role.x": false, "groups.a": false} {
		if got := (Claim{Name: name, Value: "a"}).holds(claims); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	for _, value := range []string{"A", " a", "", "7", "ab"} {
		if (Claim{Name: "groups", Value: value}).holds(claims) {
			t.Errorf("%q is among the groups", value)
		}
	}
}

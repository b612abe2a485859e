package main

import (
	"crypto/rand"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// link is what an agent gets for a person who is not connected.
func (w *world) link(user string) string {
	w.t.Helper()
	r := w.as(user, "query", nil)
	if r.StructuredContent.ConnectURL == "" {
		w.t.Fatalf("no link for %s: %+v", user, r)
	}
	return r.StructuredContent.ConnectURL
}

// stopBefore lets redirects lead the browser anywhere but to a path of this server,
// and returns where it would have been sent.
func (b *browser) stopBefore(path string) *url.URL {
	to := new(url.URL)
	follow := b.client.CheckRedirect
	b.client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if next.URL.Path == path {
			*to = *next.URL
			return http.ErrUseLastResponse
		}
		return follow(next, via)
	}
	return to
}

// attackAnswer takes a browser that is on its way to Salesforce up to where it would
// be sent back, and returns that address, with code and state.
func attackAnswer(t *testing.T, b *browser, username string) *url.URL {
	t.Helper()
	before := b.client.CheckRedirect
	back := b.stopBefore("/oauth/callback")
	b.salesforce(username)
	b.client.CheckRedirect = before
	if back.Query().Get("code") == "" || back.Query().Get("state") == "" {
		t.Fatalf("sent back to %s after %s", back, b.page)
	}
	return back
}

// with is an address with some parameters of its query changed; nil removes one.
func with(address *url.URL, change url.Values) string {
	to, q := *address, address.Query()
	for name, values := range change {
		if q[name] = values; values == nil {
			q.Del(name)
		}
	}
	to.RawQuery = q.Encode()
	return to.String()
}

// nobody: none of these people is connected.
func (w *world) nobody(users ...string) {
	w.t.Helper()
	for _, user := range users {
		if s := w.status(user); s.Connected {
			w.t.Errorf("%s is connected as %s", user, s.Username)
		}
	}
}

// exchanges counts the requests to the org's token endpoint.
func (w *world) exchanges() (n int) {
	for _, r := range w.org.org.Requests() {
		if r.Method == http.MethodPost && r.Path == "/services/oauth2/token" {
			n++
		}
	}
	return n
}

// TestAttackState (attack 20): only the answer that a browser was sent away for, in
// that browser, once, connects anybody; nothing else reaches the token endpoint.
func TestAttackState(t *testing.T) {
	w := connectWorld(t)
	for _, tt := range []struct {
		what   string
		change url.Values
		other  bool // another browser brings it
		status int
	}{
		{"no state", url.Values{"state": nil}, false, 400},
		{"an empty state", url.Values{"state": {""}}, false, 400},
		{"an invented state", url.Values{"state": {rand.Text()}}, false, 400},
		{"no code", url.Values{"code": nil}, false, 400},
		{"an empty code", url.Values{"code": {""}}, false, 400},
		{"two codes", url.Values{"code": {"a", "b"}}, false, 400},
		{"an error beside the code", url.Values{"error": {"access_denied"}}, false, 403},
		{"another browser", nil, true, 403},
	} {
		b := newBrowser(t).open(w.link("ann")).follow()
		back := attackAnswer(t, b, fakeorg.ServiceUser)
		before := w.exchanges()
		if tt.other {
			other := newBrowser(t).open(w.link("mallory")) // which has a cookie, of its own
			other.open(back.String()).shows(tt.status, "")
			b.open(back.String()).shows(400, "too late") // it is used up for the first one too
		} else {
			b.open(with(back, tt.change)).shows(tt.status, "")
		}
		if w.exchanges() != before {
			t.Errorf("%s: the code was sent to the org", tt.what)
		}
		w.nobody("ann", "mallory")
	}

	b := newBrowser(t).open(w.link("ann")).follow()
	back := attackAnswer(t, b, fakeorg.ServiceUser)
	twice := with(back, url.Values{"state": {back.Query().Get("state"), back.Query().Get("state")}})
	b.open(twice).shows(400, "too late")
	w.nobody("ann")

	b = newBrowser(t).open(w.link("ann")).follow()
	back = attackAnswer(t, b, fakeorg.ServiceUser)
	b.open(back.String()).shows(200, "now work as")
	before := w.exchanges()
	b.open(back.String()).shows(400, "too late") // a code that is sent again ends the grant at the org
	newBrowser(t).open(back.String()).shows(400, "too late")
	if w.exchanges() != before || !w.status("ann").Connected {
		t.Error("a replay reached the org, or ended the connection")
	}
}

// TestAttackInjectedCode: a code is good in the dance that it was given for: not in
// another one of the same browser, and not in another person's.
func TestAttackInjectedCode(t *testing.T) {
	w := connectWorld(t)
	first := newBrowser(t)
	at := map[string]*url.URL{}
	for _, who := range []string{"ann", "bob"} { // two windows of one browser
		first.open(w.link(who)).follow()
		at[who] = attackAnswer(t, first, fakeorg.ServiceUser)
	}
	mallory := newBrowser(t).open(w.link("mallory")).follow()
	at["mallory"] = attackAnswer(t, mallory, fakeorg.IntegrationUser)
	code := func(who string) url.Values { return url.Values{"code": {at[who].Query().Get("code")}} }
	first.open(with(at["ann"], code("bob"))).shows(502, "was not connected")
	first.open(with(at["bob"], code("mallory"))).shows(502, "was not connected") // login CSRF: bob's agents would work in mallory's name
	mallory.open(with(at["mallory"], code("ann"))).shows(502, "was not connected")
	w.nobody("ann", "bob", "mallory")
}

// TestAttackLoginCSRF: who is made to open the end of somebody else's dance changes
// nothing, for either of them.
func TestAttackLoginCSRF(t *testing.T) {
	w := connectWorld(t)
	mallory := newBrowser(t).open(w.link("mallory")).follow()
	back := attackAnswer(t, mallory, fakeorg.IntegrationUser)
	victim := newBrowser(t).open(w.link("ann"))
	victim.open(back.String()).shows(403, "Another browser began this")
	w.nobody("ann", "mallory")
}

// TestAttackAuthorizeRequest: what the browser is sent to Salesforce with is fresh each
// time, has PKCE, and has nothing that the request said.
func TestAttackAuthorizeRequest(t *testing.T) {
	w := connectWorld(t)
	challenges := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 3 {
		link := w.link("ann")
		b := newBrowser(t).open(link)
		yes, err := b.at.Parse(html.UnescapeString(regexp.MustCompile(`<a href="([^"]+)"`).FindStringSubmatch(b.page)[1]))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodGet, with(yes, url.Values{"redirect_uri": {"https://evil.example"}, "next": {"https://evil.example"}, "return_to": {"//evil.example"},
			"code_challenge_method": {"plain"}, "login_hint": {"evil.example"}, "scope": {"full"}}), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "localhost:" + r.URL.Port()
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-Host", "X-Forwarded-Server"} {
			r.Header.Set(name, "evil.example")
		}
		r.Header.Set("Forwarded", `host=evil.example;proto=https`)
		for _, cookie := range b.client.Jar.Cookies(yes) {
			r.AddCookie(cookie)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			t.Fatalf("%d, %v", resp.StatusCode, err)
		}
		q := to.Query()
		if to.Scheme+"://"+to.Host != w.org.ready.Org || to.Path != "/services/oauth2/authorize" || strings.Contains(to.String(), "evil") ||
			!slices.Equal(q["redirect_uri"], []string{w.origin + "/oauth/callback"}) || !slices.Equal(q["scope"], []string{"api refresh_token"}) {
			t.Errorf("sent to %s", to)
		}
		if !slices.Equal(q["code_challenge_method"], []string{"S256"}) || !challenges.MatchString(q.Get("code_challenge")) || len(q.Get("state")) < 26 {
			t.Errorf("challenge %q, state %q", q["code_challenge"], q["state"])
		}
		for _, once := range []string{q.Get("state"), q.Get("code_challenge"), link} {
			if seen[once] {
				t.Errorf("%s came before", once)
			}
			seen[once] = true
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the redirect may be kept: %v", resp.Header)
		}
	}
}

// TestAttackIssuer: an answer that names another issuer than the login host that was
// asked (RFC 9207) is refused before its code is sent anywhere.
func TestAttackIssuer(t *testing.T) {
	w := connectWorld(t)
	good := w.org.ready.Org
	for _, issuers := range [][]string{{"https://evil.my.salesforce.com"}, {"https://login.salesforce.com"}, {good + "/"}, {""}, {good, good}, {good, "https://evil.example"}, {strings.ToUpper(good)}} {
		b := newBrowser(t).open(w.link("ann")).follow()
		back := attackAnswer(t, b, fakeorg.ServiceUser)
		before := w.exchanges()
		b.open(with(back, url.Values{"iss": issuers})).shows(403, "not of the login host that was asked")
		if w.exchanges() != before {
			t.Errorf("%q: the code was sent to the org", issuers)
		}
		w.nobody("ann")
	}
	b := newBrowser(t).open(w.link("ann")).follow()
	b.open(with(attackAnswer(t, b, fakeorg.ServiceUser), url.Values{"iss": {good}})).shows(200, "now work as")
}

// TestAttackOtherOrg: the code of one workspace's org is of no use in another
// workspace's dance.
func TestAttackOtherOrg(t *testing.T) {
	other := connectWorld(t) // its org is mallory's
	w := connectWorld(t)
	mallory := newBrowser(t).open(other.link("mallory")).follow()
	theirs := attackAnswer(t, mallory, fakeorg.ServiceUser)
	b := newBrowser(t).open(w.link("ann")).follow()
	ours := attackAnswer(t, b, fakeorg.ServiceUser)
	b.open(with(ours, url.Values{"code": {theirs.Query().Get("code")}})).shows(502, "was not connected")
	w.nobody("ann")
}

// TestAttackTicket: a link works once, for ten minutes, in its workspace; looking at it,
// as scanners of chats do, does not use it up.
func TestAttackTicket(t *testing.T) {
	w := connectWorld(t)
	link := w.link("ann")
	ticket := func(link string) string {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("ticket")
	}
	if len(ticket(link)) < 26 { // 130 bits
		t.Errorf("a short ticket: %s", link)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost} {
		for _, query := range []string{"", "&go=1", "&go=true", "&go=", "&go=%00", "&go=" + strings.Repeat("0", 64)} {
			r, err := http.NewRequest(method, link+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")
			if status, page := w.do(r); status >= 300 && status < 400 || strings.Contains(page, "services/oauth2/authorize") {
				t.Errorf("%s %s: %d %s", method, query, status, page)
			}
		}
	}
	scanner := newBrowser(t).open(link) // which follows the link of the page, and keeps no cookies
	scanner.client.Jar = nil
	if scanner.follow(); scanner.at.Host != strings.TrimPrefix(w.origin, "http://") {
		t.Error("a scanner used it up")
	}
	mallory := newBrowser(t).open(w.link("mallory")) // the yes of one browser is not that of another
	newBrowser(t).open(mallory.at.String()+strings.ReplaceAll(regexp.MustCompile(`&amp;go=\w+`).FindString(mallory.page), "amp;", "")).shows(200, "Go on only if you are mallory")

	for _, elsewhere := range []string{strings.Replace(link, "/w/a/", "/w/b/", 1), strings.Replace(link, "/w/a/", "/w/none/", 1), link + "x", strings.ToLower(link), w.origin + "/w/a/oauth/connect", w.origin + "/w/a/oauth/connect?ticket="} {
		newBrowser(t).open(elsewhere).shows(404, "not good any more")
	}
	b := newBrowser(t).open(link).follow()
	state := b.at.Query().Get("state")
	for _, page := range []string{"connect", "disconnect"} {
		newBrowser(t).open(w.origin+"/w/a/oauth/"+page+"?ticket="+state).shows(404, "not good any more") // a state is no ticket
		newBrowser(t).open(strings.Replace(link, "/connect", "/"+page, 1)).shows(404, "not good any more")
	}
	b.open(link).shows(404, "not good any more") // nor in the browser that used it

	link = w.link("ann")
	newBrowser(t).open(w.origin+"/oauth/callback?code=x&state="+ticket(link)).shows(400, "too late") // a ticket is no state
	db := w.database(t)
	var ends int64
	if err := db.QueryRow(`SELECT max(expires) FROM pending WHERE kind = 'ticket'`).Scan(&ends); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(time.UnixMilli(ends)); left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("it is good for %v", left)
	}
	b = newBrowser(t).open(w.link("bob")).follow()
	back := attackAnswer(t, b, fakeorg.ServiceUser)
	if _, err := db.Exec(`UPDATE pending SET expires = expires - 600001`); err != nil { // ten minutes later
		t.Fatal(err)
	}
	newBrowser(t).open(link).shows(404, "not good any more")
	b.open(back.String()).shows(400, "too late")
	w.nobody("ann", "bob")
	if w.link("ann") == link {
		t.Error("a link that is not good any more is given again")
	}
}

// TestAttackOtherPeople: people whose ids are alike are different people, and those of
// other hosts and workspaces too, whatever they are asked for.
func TestAttackOtherPeople(t *testing.T) {
	w := connectWorld(t, func(c *config.Config) {
		other := *c.Workspaces[0].Profiles[0]
		other.Name, other.Tokens = "other", c.Workspaces[1].Profiles[0].Tokens
		c.Workspaces[0].Profiles = append(slices.Clone(c.Workspaces[0].Profiles), &other)
	})
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	ask := func(method, workspace, token, path string) (status int, answer string) {
		r, err := http.NewRequest(method, w.origin+"/w/"+workspace+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return w.do(r)
	}
	for _, tt := range []struct{ workspace, token, user string }{
		{"a", "token-a", "Ann"}, {"a", "token-a", "ANN"}, {"a", "token-a", "ann "}, {"a", "token-a", " ann"}, {"a", "token-a", "ann\u200b"}, {"a", "token-a", "ann\x00"},
		{"a", "token-a", "\u0430nn"}, {"a", "token-a", "\uff41\uff4e\uff4e"}, {"a", "token-a", "an\u0303n"}, {"a", "token-a", "ann/"}, {"a", "token-a", "ann%20"}, {"a", "token-a", ""}, {"a", "token-a", "*"},
		{"a", "token-b", "ann"}, {"b", "token-b", "ann"}, {"b", "token-a", "ann"}, {"a", "wrong", "ann"},
	} {
		query := "?user_id=" + url.QueryEscape(tt.user)
		status, answer := ask(http.MethodGet, tt.workspace, tt.token, "oauth/status"+query)
		if strings.Contains(answer, `"connected":true`) || strings.Contains(answer, fakeorg.ServiceUser) {
			t.Errorf("%+v: status %d %s", tt, status, answer)
		}
		ask(http.MethodPost, tt.workspace, tt.token, "oauth/disconnect"+query)
		if status, answer = ask(http.MethodPost, tt.workspace, tt.token, "testAuth"+query); strings.Contains(answer, `"ok":true`) {
			t.Errorf("%+v: testAuth %d %s", tt, status, answer)
		}
	}
	if status, answer := ask(http.MethodGet, "a", "token-a", "oauth/status?user_id=bob&user_id=ann"); strings.Contains(answer, `"connected":true`) {
		t.Errorf("two people: %d %s", status, answer)
	}
	if !w.status("ann").Connected {
		t.Error("somebody else disconnected ann")
	}
}

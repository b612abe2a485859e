package main

import (
	"crypto/rand"
	"encoding/json"
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

// TestAttackDisconnect: nothing but the button of its page, or the host, disconnects.
func TestAttackDisconnect(t *testing.T) {
	w := connectWorld(t)
	unused := w.link("ann") // of the time before
	var links struct {
		Connect    string `json:"connect_url"`
		Disconnect string `json:"disconnect_url"`
	}
	w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
	newBrowser(t).open(links.Connect).salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
	send := func(method, address string, header http.Header) int {
		r, err := http.NewRequest(method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			r.Header[name] = values
		}
		status, _ := w.do(r)
		return status
	}
	for _, tt := range []struct {
		what, method, address string
		header                http.Header
		status                int
	}{
		{"looking at the page", "GET", links.Disconnect, nil, 200},
		{"a preview", "HEAD", links.Disconnect, nil, 200},
		{"looking, with the host's token", "GET", w.origin + "/w/a/oauth/disconnect?user_id=ann", http.Header{"Authorization": {"Bearer token-a"}}, 404},
		{"a form of another site", "POST", links.Disconnect, http.Header{"Origin": {"https://evil.example"}}, 403},
		{"a form of a sandboxed frame", "POST", links.Disconnect, http.Header{"Origin": {"null"}}, 403},
		{"a form without Origin", "POST", links.Disconnect, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a form of a sister domain", "POST", links.Disconnect, http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"at another workspace", "POST", strings.Replace(links.Disconnect, "/w/a/", "/w/b/", 1), nil, 404},
		{"no ticket and no token", "POST", w.origin + "/w/a/oauth/disconnect?user_id=ann", nil, 401},
		{"an empty ticket", "POST", w.origin + "/w/a/oauth/disconnect?ticket=&user_id=ann", http.Header{"Authorization": {"Bearer token-a"}}, 404},
		{"the ticket of a link that an agent was given", "POST", strings.Replace(unused, "/connect", "/disconnect", 1), nil, 404},
	} {
		if status := send(tt.method, tt.address, tt.header); status != tt.status {
			t.Errorf("%s: %d, want %d", tt.what, status, tt.status)
		}
		if !w.status("ann").Connected {
			t.Fatalf("%s disconnected", tt.what)
		}
	}
	b := newBrowser(t).open(links.Disconnect)
	b.send(http.MethodPost, b.at.String(), nil).shows(200, "Salesforce is disconnected")
	w.nobody("ann")
	if b.send(http.MethodPost, links.Disconnect, nil); b.status != 404 {
		t.Errorf("again: %d", b.status)
	}
}

// TestAttackPages: names and errors from outside are text on the pages, which stand in
// no frame, run nothing, are kept by nobody, and lead to this server only.
func TestAttackPages(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}`
	w := connectWorld(t, func(c *config.Config) {
		c.Workspaces[0].Profiles[0].Name = `<b>host</b>`
	})
	var links struct {
		Disconnect string `json:"disconnect_url"`
	}
	w.host(http.MethodPost, "oauth/connect?user_id="+url.QueryEscape(evil), &links)
	state := func() string {
		return newBrowser(t).open(w.link("ann")).follow().at.Query().Get("state")
	}
	begun := newBrowser(t).open(w.link("ann")).follow()
	inBrowser := begun.at.Query().Get("state")
	for _, tt := range []struct {
		page   string
		status int
		shows  string
	}{
		{w.link(evil), 200, evil},
		{links.Disconnect, 200, "<b>host</b>"},
		{w.origin + "/w/a/oauth/connect?ticket=" + url.QueryEscape(evil), 404, ""},
		{w.origin + "/oauth/callback?state=" + url.QueryEscape(evil), 400, ""},
		{w.origin + "/oauth/callback?code=x&state=" + state(), 403, ""},
		{w.origin + "/oauth/login?code=x&state=" + url.QueryEscape(evil), 400, ""},
		{w.origin + "/oauth/callback?error=" + url.QueryEscape(evil) + "&error_description=" + url.QueryEscape(evil) + "&state=" + inBrowser, 403, evil},
	} {
		r, err := http.NewRequest(http.MethodGet, tt.page, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(tt.page, inBrowser) {
			for _, cookie := range begun.client.Jar.Cookies(r.URL) {
				r.AddCookie(cookie)
			}
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		page := mustRead(t, resp)
		if resp.StatusCode != tt.status || !strings.Contains(html.UnescapeString(page), tt.shows) {
			t.Errorf("%s: %d %s", tt.page, resp.StatusCode, page)
		}
		for _, tag := range []string{"<script", "<img", "<b>", "onerror=alert(1)>"} {
			if strings.Contains(strings.ToLower(page), tag) {
				t.Errorf("%s: the page has %s: %s", tt.page, tag, page)
			}
		}
		csp := resp.Header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, directive) {
				t.Errorf("%s: the policy has no %s: %s", tt.page, directive, csp)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", tt.page, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", tt.page, name, got)
			}
		}
		for _, cookie := range resp.Cookies() {
			if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge > 600 || len(cookie.Value) < 26 {
				t.Errorf("%s: cookie %v", tt.page, cookie)
			}
		}
	}
}

// TestAttackChangedSettings: another client id, other scopes or another login host are
// another connection; a grant is not used for them, nor is one that is being made kept
// as if it were theirs.
func TestAttackChangedSettings(t *testing.T) {
	w := connectWorld(t)
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	settings := w.app.config.Workspaces[0].Auth
	good := *settings
	for what, change := range map[string]func(){
		"client id":  func() { settings.ClientID = "3MVG9other" },
		"scopes":     func() { settings.Scopes = "api refresh_token full" },
		"login host": func() { settings.LoginURL = strings.Replace(good.LoginURL, "127.0.0.1", "localhost", 1) },
	} {
		*settings = good
		change()
		before := w.sent()
		if r := w.as("ann", "query", nil); !r.IsError || r.StructuredContent.ConnectURL == "" || w.sent() != before {
			t.Errorf("another %s: %+v", what, r)
		}
		w.nobody("ann")
	}
	*settings = good
	if r := w.as("ann", "query", nil); r.IsError {
		t.Errorf("as it was before: %+v", r)
	}
}

// TestAttackHostsOnly: what hosts are asked for, browsers and strangers do not get.
func TestAttackHostsOnly(t *testing.T) {
	w := connectWorld(t, func(c *config.Config) { c.Workspaces[0].Profiles[0].Vouches = false })
	for _, tt := range []struct {
		method, path, token, origin string
		status                      int
	}{
		{"GET", "oauth/status?user_id=ann", "", "", 401},
		{"POST", "oauth/connect?user_id=ann", "", "", 401},
		{"POST", "oauth/connect?user_id=ann", "token-b", "", 401},
		{"POST", "oauth/connect?user_id=ann", "token-a", "", 403}, // it does not vouch
		{"POST", "testAuth?user_id=ann", "", "", 401},
		{"GET", "oauth/status?user_id=ann", "token-a", "https://evil.example", 403},
		{"POST", "oauth/connect?user_id=ann&token=token-a", "", "", 401},
	} {
		r, err := http.NewRequest(tt.method, w.origin+"/w/a/"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.token != "" {
			r.Header.Set("Authorization", "Bearer "+tt.token)
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if status, answer := w.do(r); status != tt.status || strings.Contains(answer, "ticket=") {
			t.Errorf("%+v: %d %s", tt, status, answer)
		}
	}
	if s := w.log.String(); strings.Contains(s, "token=token-a") {
		t.Errorf("a token of a query is in the log: %s", s)
	}
	var refused struct{ Error json.RawMessage }
	if w.host(http.MethodPost, "oauth/connect?user_id=ann", &refused); !strings.Contains(string(refused.Error), "vouches") {
		t.Errorf("%s", refused.Error)
	}
}

// TestConnectAgain: who connects once more has one connection, and what there was before
// is revoked at the org.
func TestConnectAgain(t *testing.T) {
	w := connectWorld(t)
	for n := range 3 {
		var links struct {
			Connect string `json:"connect_url"`
		}
		w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
		newBrowser(t).open(links.Connect).salesforce(fakeorg.ServiceUser).shows(200, "now work as")
		revoked := 0
		for _, r := range w.org.org.Requests() {
			if r.Path == "/services/oauth2/revoke" && r.Status == 200 {
				revoked++
			}
		}
		if r := w.as("ann", "query", nil); r.IsError || revoked != n {
			t.Errorf("connected %d times: %d revoked, %+v", n+1, revoked, r)
		}
	}
}

package fakeorg_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestRedirectURIAttacks: nothing is sent to an address that is not registered, whatever it looks like.
func TestRedirectURIAttacks(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) {
		c.RedirectURIs = []string{callback, "http://127.0.0.1:8080/oauth/callback", "http://127.0.0.1:8080/oauth/callback?tenant=1"}
	})}})
	for _, uri := range []string{
		callback + "/", callback + "?", callback + "?a=b", callback + "#x", callback + "/../x", callback + "%2f", callback + "\t", " " + callback, callback + "\r\nX: y",
		"https://mcp.example/oauth", "https://mcp.example/oauth/Callback", "https://MCP.example/oauth/callback", "http://mcp.example/oauth/callback",
		"https://mcp.example:443/oauth/callback", "https://mcp.example.evil.example/oauth/callback", "https://mcp.example@evil.example/oauth/callback",
		"https://evil.example/oauth/callback", "//mcp.example/oauth/callback", "/oauth/callback", "https://mcp.example/oauth/callback/x", `https://mcp.example\@evil.example/oauth/callback`,
		"javascript:alert(1)//" + callback, "data:text/html,x", "http://127.0.0.1:9999/oauth/callback", "http://localhost:8080/oauth/callback",
		"http://127.0.0.1:8080/oauth/callback?tenant=2", "http://127.1:8080/oauth/callback", "http://[::1]:8080/oauth/callback",
	} {
		p := s.browser().open("redirect_uri", uri)
		p.wants(t, 400, "error=redirect_uri_mismatch&amp;error_description=redirect_uri%20must%20match%20configuration")
		if p.location != "" || p.header.Get("Refresh") != "" {
			t.Errorf("%q is sent to %s", uri, p.location)
		}
	}
	b := s.browser()
	for _, twice := range []string{"redirect_uri=https://evil.example/", "client_id=app", "state=other", "scope=full"} {
		p := b.read(b.http.Get(s.url + "/services/oauth2/authorize?response_type=code&client_id=app&scope=api&state=st&redirect_uri=" + url.QueryEscape(callback) + "&" + twice))
		p.wants(t, 400, "duplicate%20parameter")
	}
	p := b.open("redirect_uri", "http://127.0.0.1:8080/oauth/callback?tenant=1", "response_type", "x")
	if !strings.HasPrefix(p.location, "http://127.0.0.1:8080/oauth/callback?tenant=1&error=") {
		t.Errorf("the query of a registered URI is lost: %s", p.location)
	}
	for _, uri := range []string{"", "/relative", "javascript:alert(1)", "https://mcp.example/#x", "https:///x", "%zz"} {
		if err := s.SetClient(personal(func(c *fakeorg.Client) { c.RedirectURIs = []string{uri} })); err == nil {
			t.Errorf("%q is taken for a redirect URI", uri)
		}
	}
}

// TestLoopbackPorts: a registered loopback address fits with every port when the client says so, and nothing else does.
func TestLoopbackPorts(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) {
		c.RedirectURIs, c.AnyLoopbackPort = []string{"http://127.0.0.1/oauth/callback", callback, "http://intern.example/cb", "http://10.0.0.1/cb"}, true
	})}})
	for uri, fits := range map[string]bool{
		"http://127.0.0.1:50123/oauth/callback": true, "http://127.0.0.1/oauth/callback": true, callback: true,
		"http://127.0.0.1:50123/oauth/callback/": false, "http://127.0.0.1:50123@evil.example/oauth/callback": false, "http://127.0.0.1:1/x": false,
		"https://127.0.0.1:50123/oauth/callback": false, "https://mcp.example:8443/oauth/callback": false, "http://intern.example:8/cb": false, "http://10.0.0.1:8/cb": false,
		"http://127.0.0.2:50123/oauth/callback": false, "http://u@127.0.0.1:1/oauth/callback": false, "http://127.0.0.1:x/oauth/callback": false,
	} {
		if got := s.browser().open("redirect_uri", uri).status == 200; got != fits {
			t.Errorf("%q: %v", uri, got)
		}
	}
}

// TestStateComesBack: whatever it holds, unchanged and as one value.
func TestStateComesBack(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	b := s.browser()
	s.exchange(b.allow(fakeorg.ServiceUser)) // later ones come back at once
	for _, state := range []string{"a b+c&code=evil&error=x#frag", `"><script>alert(1)</script>`, "ünïcode \u2028", "%2e%2e%00", "line\r\nSet-Cookie: a=b", strings.Repeat("s", 4000)} {
		p := b.open("state", state)
		q := p.query(t)
		if q.Get("state") != state || len(q["state"]) != 1 || len(q["code"]) != 1 || q.Has("error") || p.header.Get("Set-Cookie") != "" {
			t.Errorf("state %q came back as %s", state, p.location)
		}
	}
	if p := b.open("state", ""); p.query(t).Has("state") {
		t.Errorf("a state from nowhere: %s", p.location)
	}
}

// TestPagesHoldNoForeignCode: what a request or a person has typed is text on every page.
func TestPagesHoldNoForeignCode(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) { c.Name, c.Scopes = evil, []string{"api", "<b>x"} })}})
	b := s.browser()
	login := b.open("state", evil, "login_hint", evil, "nonce", evil)
	again := b.submit(login, "username", evil, "password", evil)
	asked := b.logIn(again, fakeorg.ServiceUser)
	unknown := b.open("client_id", evil)
	wrong := b.open("redirect_uri", "https://x/"+evil)
	for name, p := range map[string]page{"login": login, "login again": again, "consent": asked, "unknown client": unknown, "wrong redirect URI": wrong} {
		if strings.Contains(p.body, "<script") || strings.Contains(p.body, "<img") || strings.Contains(p.body, "<b>") {
			t.Errorf("%s page holds foreign markup: %s", name, p.body)
		}
		if p.header.Get("X-Frame-Options") != "DENY" || !strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") ||
			!strings.Contains(p.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || p.header.Get("Cache-Control") != "no-store" ||
			p.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s page has the headers %v", name, p.header)
		}
	}
	again.wants(t, 200, html.EscapeString(evil)[:8])
	if strings.Contains(again.body, `type="password" value`) {
		t.Error("a password is sent back")
	}
}

// TestConsentCannotBeForged: no consent without the page, from another site, twice, or with the secret of an earlier page.
func TestConsentCannotBeForged(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	b := s.browser()
	login := b.open()
	b.submit(login, "decision", "allow").wants(t, 200, "check your username and password") // nobody has logged in
	login = b.open()
	asked := b.logIn(login, fakeorg.ServiceUser)
	b.submit(login, "decision", "allow").wants(t, 400, "expired") // who knows the login page does not know the consent page
	secret := hidden.FindStringSubmatch(asked.body)[1]
	for name, header := range map[string][2]string{"another site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"Origin", "https://evil.example"}} {
		request, err := http.NewRequest("POST", s.url+"/services/oauth2/authorize", strings.NewReader(url.Values{"login": {secret}, "decision": {"allow"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set(header[0], header[1])
		p := b.read(b.http.Do(request))
		p.wants(t, 403, "another site")
		if p.location != "" {
			t.Errorf("%s: sent to %s", name, p.location)
		}
	}
	if b.submit(asked, "decision", "allow").query(t).Get("code") == "" {
		t.Error("the person's own answer does not count")
	}
	b.submit(asked, "decision", "allow").wants(t, 400, "was sent before")
	b.submit(page{body: `<input type="hidden" name="login" value="guess">`}, "decision", "allow").wants(t, 400, "expired")
}

// TestBrowserRemembersOneUser: the cookie of a login opens no page to others, and no API.
func TestBrowserRemembersOneUser(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	b := s.browser()
	p := b.logIn(b.open(), fakeorg.ServiceUser)
	cookie := p.header.Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || !strings.Contains(cookie, "Path=/services/oauth2/authorize") {
		t.Errorf("cookie %s", cookie)
	}
	value, _, _ := strings.Cut(strings.SplitN(cookie, "=", 2)[1], ";")
	s.do("GET", "/limits", "", "Authorization", "Bearer "+value).wants(t, 401, "INVALID_SESSION_ID")
	s.browser().open().wants(t, 200, "Log in")
	b.open().wants(t, 200, "<strong>"+fakeorg.ServiceUser)
}

// TestCodeInjection: a code that an attacker has got for himself, or stolen, is of no use with another verifier.
func TestCodeInjection(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	stolen := s.browser().allow(fakeorg.AdminUser, "code_challenge", oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier()))
	_, r := s.exchange(stolen)
	r.wants(t, 400, "invalid code verifier")
	_, r = s.exchange(stolen, "code_verifier", strings.Repeat("a", 43))
	r.want(t, 400, codeDead) // no second guess
	s.browser().open("code_challenge", verifier).refused(t, "error=invalid_request&error_description=invalid+code+challenge&state=st")
}

package fakeorg_test

import (
	"html"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestAuthorizeRefusals: what a client is told with the browser, and what only the person is.
func TestAuthorizeRefusals(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{
		personal(),
		personal(func(c *fakeorg.Client) { c.Key, c.RequirePKCE = "no pkce", false }),
		personal(func(c *fakeorg.Client) { c.Key, c.RedirectURIs = "no people", nil }),
	}})
	for _, test := range []struct {
		name    string
		changes []string
		want    string
	}{
		{"implicit flow", []string{"response_type", "token"}, "error=unsupported_response_type&error_description=response+type+not+supported&state=st"},
		{"no response type", []string{"response_type", ""}, "error=unsupported_response_type&error_description=response+type+not+supported&state=st"},
		{"scope the app lacks", []string{"scope", "api web"}, "error=invalid_scope&error_description=the+requested+scope+is+not+allowed&state=st"},
		{"unknown scope", []string{"scope", "everything"}, "error=invalid_scope&error_description=the+requested+scope+is+not+allowed&state=st"},
		{"no challenge", []string{"code_challenge", "", "code_challenge_method", ""}, "error=invalid_request&error_description=missing+required+code+challenge&state=st"},
		{"method without challenge", []string{"client_id", "no pkce", "code_challenge", ""}, "error=invalid_request&error_description=missing+required+code+challenge&state=st"},
		{"plain challenge", []string{"code_challenge_method", "plain"}, "error=invalid_request&error_description=invalid+code+challenge+method&state=st"},
		{"challenge of another length", []string{"code_challenge", "abc"}, "error=invalid_request&error_description=invalid+code+challenge&state=st"},
		{"challenge with padding", []string{"code_challenge", strings.Repeat("A", 43) + "="}, "error=invalid_request&error_description=invalid+code+challenge&state=st"},
		{"no page wanted", []string{"prompt", "none"}, "error=immediate_unsuccessful&error_description=immediate+unsuccessful&state=st"},
		{"immediate", []string{"immediate", "true"}, "error=immediate_unsuccessful&error_description=immediate+unsuccessful&state=st"},
		{"without state", []string{"state", "", "response_type", "x"}, "error=unsupported_response_type&error_description=response+type+not+supported"},
	} {
		t.Run(test.name, func(t *testing.T) { s.browser().open(test.changes...).refused(t, test.want) })
	}
	for _, test := range []struct {
		name    string
		changes []string
		want    string
	}{
		{"unknown client", []string{"client_id", "nobody"}, "error=invalid_client_id&amp;error_description=client%20identifier%20invalid"},
		{"no client", []string{"client_id", ""}, "error=invalid_client_id"},
		{"no redirect URI", []string{"redirect_uri", ""}, "error=redirect_uri_missing"},
		{"client without redirect URI", []string{"client_id", "no people"}, "error=redirect_uri_mismatch&amp;error_description=redirect_uri%20must%20match%20configuration"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := s.browser().open(test.changes...)
			p.wants(t, 400, test.want)
			if p.location != "" {
				t.Errorf("sent to %s", p.location)
			}
		})
	}
}

// TestWhoMayConnect: who is asked, who is not, and who is refused.
func TestWhoMayConnect(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{
		personal(),
		personal(func(c *fakeorg.Client) {
			c.Key, c.PermittedUsers, c.PreApproved = "admitted", fakeorg.AdminApproved, []string{fakeorg.ServiceUser}
		}),
		personal(func(c *fakeorg.Client) { c.Key, c.Blocked = "blocked", true }),
	}})
	t.Run("an admitted user is not asked", func(t *testing.T) {
		b := s.browser()
		if p := b.logIn(b.open("client_id", "admitted"), fakeorg.ServiceUser); p.query(t).Get("code") == "" {
			t.Errorf("sent to %s", p.location)
		}
	})
	t.Run("another user is refused", func(t *testing.T) {
		b := s.browser()
		b.logIn(b.open("client_id", "admitted"), fakeorg.AdminUser).
			refused(t, "error=OAUTH_APP_ACCESS_DENIED&error_description=user+is+not+admin+approved+to+access+this+app&state=st")
	})
	t.Run("a blocked app", func(t *testing.T) {
		b := s.browser()
		b.logIn(b.open("client_id", "blocked"), fakeorg.AdminUser).refused(t, "error=OAUTH_APP_BLOCKED&error_description=this+app+is+blocked+by+admin&state=st")
	})
	t.Run("a person who says no", func(t *testing.T) {
		b := s.browser()
		b.submit(b.logIn(b.open(), fakeorg.AdminUser), "decision", "deny").
			refused(t, "error=access_denied&error_description=end-user+denied+authorization&state=st")
	})
	t.Run("an inactive user cannot log in", func(t *testing.T) {
		b := s.browser()
		b.logIn(b.open(), "gil.former@alderridge.example").wants(t, 200, "check your username and password")
	})
	t.Run("who has approved is not asked again", func(t *testing.T) {
		b := s.browser()
		s.exchange(b.allow(fakeorg.ServiceUser))
		for _, changes := range [][]string{{}, {"prompt", "none"}, {"scope", "api refresh_token"}} {
			if p := b.open(changes...); p.query(t).Get("code") == "" {
				t.Errorf("%v: sent to %s", changes, p.location)
			}
		}
		b.open("prompt", "consent").wants(t, 200, "Allow Access?")
		b.open("prompt", "login").wants(t, 200, "Log in")
		other := s.browser()
		other.logIn(other.open(), fakeorg.AdminUser).wants(t, 200, "Allow Access?")
	})
	t.Run("not you", func(t *testing.T) {
		b := s.browser()
		p := b.logIn(b.open("prompt", "consent"), fakeorg.ServiceUser)
		_, rest, _ := strings.Cut(p.body, `<a href="`)
		link, _, _ := strings.Cut(rest, `"`)
		p = b.read(b.http.Get(s.url + html.UnescapeString(link)))
		p.wants(t, 200, "Log in")
		p = b.logIn(p, fakeorg.AdminUser)
		p.wants(t, 200, "<strong>"+fakeorg.AdminUser)
		if p = b.submit(p, "decision", "allow"); p.query(t).Get("state") != "st" {
			t.Errorf("sent to %s", p.location)
		}
	})
	t.Run("a login hint", func(t *testing.T) {
		s.browser().open("login_hint", "lena.vogt@alderridge.example").wants(t, 200, `name="username" value="lena.vogt@alderridge.example"`)
	})
}

// TestRefusalsOnDemand: errors that no setting brings about, on all three surfaces.
func TestRefusalsOnDemand(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	for name, refusal := range fakeorg.Refusals {
		t.Run(name, func(t *testing.T) {
			s.Inject(fakeorg.Fault{Refusal: name}, fakeorg.Fault{Refusal: name, Path: "/oauth2/authorize"}, fakeorg.Fault{Refusal: name, Path: "/oauth2/authorize", Method: "POST"})
			r := s.post("/services/oauth2/token", url.Values{})
			b := s.browser()
			p := b.open()
			b2 := s.browser()
			if refusal.HTML != "" {
				r.want(t, 503, refusal.HTML)
				p.wants(t, 503, refusal.HTML)
				b2.submit(b2.open()).wants(t, 503, refusal.HTML)
				return
			}
			r.wants(t, max(refusal.Status, 400), `{"error":"`+refusal.ErrorCode+`","error_description":"`+refusal.Message+`"}`)
			for _, p := range []page{p, b2.logIn(b2.open(), fakeorg.AdminUser)} {
				if q := p.query(t); q.Get("error") != refusal.ErrorCode || q.Get("error_description") != refusal.Message || q.Get("state") != "st" {
					t.Errorf("sent to %s", p.location)
				}
			}
		})
	}
	s.do("GET", "/_faults", "").want(t, 200, "[]")
	s.do("POST", "/_faults", `{"refusal": "nonsense"}`).wants(t, 400, "ip restricted")
	s.do("POST", "/_faults", `{"refusal": "ip restricted", "times": 2}`).wants(t, 200, `"errorCode":"invalid_grant","message":"ip restricted"`)
	s.Inject(fakeorg.Fault{Refusal: "ip restricted", Path: "/oauth2/authorize"})
	s.browser().open("redirect_uri", "https://evil.example/").wants(t, 400, "redirect_uri_mismatch") // a fault opens no way out
}

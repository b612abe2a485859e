package fakeorg_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce/fakeorg"
)

// modelGrant is what a grant should be: its tokens, the last refresh token being the one that works.
type modelGrant struct {
	client, user string
	access       map[string]bool // whether each works
	refresh      []string
	dead         bool
}

func (g *modelGrant) end() {
	g.dead = true
	for token := range g.access {
		g.access[token] = false
	}
}

// TestGrantLaw: whatever apps, people and thieves do with tokens, those work that should, and no others. The app
// "rotating" rotates its refresh tokens, "app" does not.
func TestGrantLaw(t *testing.T) {
	s := start(t, fakeorg.Options{DailyCalls: 1 << 40, Clients: []fakeorg.Client{personal(),
		personal(func(c *fakeorg.Client) { c.Key, c.RotateRefreshTokens = "rotating", true })}})
	browsers := map[string]*browser{fakeorg.ServiceUser: s.browser(), fakeorg.AdminUser: s.browser()}
	rapid.Check(t, func(t *rapid.T) {
		var grants []*modelGrant
		defer func() { // the next round begins without grants
			for _, g := range grants {
				s.post("/services/oauth2/revoke", url.Values{"token": {g.refresh[len(g.refresh)-1]}})
			}
		}()
		alive := func(client, user string) (own []*modelGrant) {
			for _, g := range grants {
				if !g.dead && g.client == client && g.user == user {
					own = append(own, g)
				}
			}
			return own
		}
		pick := func(t *rapid.T) *modelGrant {
			if len(grants) == 0 {
				t.Skip("no grant yet")
			}
			return rapid.SampledFrom(grants).Draw(t, "grant")
		}
		t.Repeat(map[string]func(*rapid.T){
			"connect": func(t *rapid.T) {
				client := rapid.SampledFrom([]string{"app", "rotating"}).Draw(t, "client")
				user := rapid.SampledFrom([]string{fakeorg.ServiceUser, fakeorg.AdminUser}).Draw(t, "user")
				given, r := s.exchange(browsers[user].allow(user, "client_id", client), "client_id", client)
				if given.Refresh == "" {
					t.Fatalf("not connected: %s", r.body)
				}
				if own := alive(client, user); len(own) == 5 {
					own[0].end()
				}
				grants = append(grants, &modelGrant{client: client, user: user, access: map[string]bool{given.Access: true}, refresh: []string{given.Refresh}})
			},
			"refresh": func(t *rapid.T) {
				g := pick(t)
				token := rapid.SampledFrom(g.refresh).Draw(t, "token")
				given, r := s.refresh(token, "client_id", g.client)
				current := token == g.refresh[len(g.refresh)-1]
				if (r.status == 200) != (!g.dead && current) {
					t.Fatalf("current %v, dead %v: %d %s", current, g.dead, r.status, r.body)
				}
				switch {
				case r.status != 200:
					g.end()
				case (given.Refresh != "") != (g.client == "rotating"):
					t.Fatalf("%s: %s", g.client, r.body)
				default:
					g.access[given.Access] = true
					if given.Refresh != "" {
						g.refresh = append(g.refresh, given.Refresh)
					}
				}
			},
			"revoke access": func(t *rapid.T) {
				g := pick(t)
				tokens := make([]string, 0, len(g.access))
				for token := range g.access {
					tokens = append(tokens, token)
				}
				slices.Sort(tokens)
				token := rapid.SampledFrom(tokens).Draw(t, "token")
				if r := s.post("/services/oauth2/revoke", url.Values{"token": {token}}); (r.status == 200) != g.access[token] {
					t.Fatalf("works %v: %d", g.access[token], r.status)
				}
				g.access[token] = false
			},
			"revoke refresh": func(t *rapid.T) {
				g := pick(t)
				if r := s.post("/services/oauth2/revoke", url.Values{"token": {g.refresh[len(g.refresh)-1]}}); (r.status == 200) == g.dead {
					t.Fatalf("dead %v: %d", g.dead, r.status)
				}
				g.end()
			},
		})
		for _, g := range grants {
			for token, should := range g.access {
				if s.works(token) != should {
					t.Fatalf("an access token of %s works: %v", g.client, !should)
				}
			}
		}
	})
}

// FuzzAuthorize: no request for an authorization sends a browser anywhere but where the app is registered, or makes the
// org fail.
func FuzzAuthorize(f *testing.F) {
	good := "response_type=code&client_id=app&redirect_uri=" + url.QueryEscape(callback) + "&state=st&scope=api&code_challenge=" +
		strings.Repeat("A", 43)
	for _, query := range []string{good, good + "&prompt=none&nonce=n&login_hint=x", good + "&redirect_uri=https://evil.example", good + "&response_type=token",
		"client_id=app&redirect_uri=" + url.QueryEscape(callback), "client_id=app&redirect_uri=https://mcp.example/oauth/callback%0d%0aX:%20y", "%zz&;&=&&client_id", ""} {
		f.Add(query)
	}
	org, err := fakeorg.New(fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := org.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, query string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/services/oauth2/authorize", strings.NewReader(query))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if method == http.MethodGet {
				r.URL.RawQuery = query
			}
			w := httptest.NewRecorder()
			org.Handler().ServeHTTP(w, r)
			location := w.Header().Get("Location")
			if w.Code != 200 && w.Code != 400 && w.Code != 302 || (w.Code == 302) != strings.HasPrefix(location, callback+"?") || w.Code != 302 && location != "" {
				t.Fatalf("%s %q: %d %s", method, query, w.Code, location)
			}
			if q, err := url.ParseQuery(strings.TrimPrefix(location, callback+"?")); err != nil || q.Has("code") {
				t.Fatalf("%s %q: sent to %s", method, query, location)
			}
		}
	})
}

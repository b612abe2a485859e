package app

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// TestCrossOrigin (attack 19): a form that another site sends does nothing, whatever
// form it is, and whether somebody is signed in or about to be; those of our own pages,
// and of programs, are taken.
func TestCrossOrigin(t *testing.T) {
	h := newHouse(t)
	b := h.as("owner")
	foreign := [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", strings.Replace(h.origin, "http://", "https://", 1) + ".evil.example"},
		{"Origin", h.origin + "0"},
		{"Origin", h.origin, "Sec-Fetch-Site", "cross-site"},
		{"Origin", h.origin, "Sec-Fetch-Site", "same-site"},
		{"Origin", "", "Sec-Fetch-Site", "cross-site"},
		{"Origin", "", "Sec-Fetch-Site", "same-site"},
	}
	for _, route := range routes() {
		method, path := requestOf(route.pattern, testWorkspace)
		if method != http.MethodPost {
			continue
		}
		for _, header := range foreign {
			for _, header := range [][]string{header, append([]string{"HX-Request", "true"}, header...)} {
				if a := b.send(method, path, url.Values{}, header...); a.status != http.StatusForbidden || !strings.HasPrefix(a.body, "another site sent this form") {
					t.Errorf("%s with %q: %d", route.pattern, header, a.status)
				}
			}
		}
	}
	for _, header := range [][]string{{}, {"Sec-Fetch-Site", "same-origin"}, {"Origin", ""}, {"Origin", "", "Sec-Fetch-Site", "none"}} {
		if a := b.send(http.MethodPost, "/account", url.Values{"name": {fmt.Sprint(header)}}, header...); a.status != http.StatusSeeOther {
			t.Errorf("our own form with %q: %d", header, a.status)
		}
	}
	for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json", ""} {
		if a := b.send(http.MethodPost, "/account", url.Values{"name": {"x"}}, "Content-Type", kind); a.status != http.StatusUnsupportedMediaType {
			t.Errorf("a form as %q: %d", kind, a.status)
		}
	}
	if a := b.post("/account", url.Values{"name": {strings.Repeat("x", largestForm)}}); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of more than a megabyte: %d", a.status)
	}
	// What changes something is no GET.
	for _, path := range []string{"/signout", "/account/password", "/platform/users/id-nobody/delete", "/language"} {
		if a := b.get(path); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
	if !b.in() {
		t.Error("somebody was signed out")
	}
}

// TestLoginCSRF (attack 19): nobody is signed in as somebody else by a page of another
// site, or by a link that they were sent.
func TestLoginCSRF(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	a := b.send(http.MethodPost, "/signin", url.Values{"email": {"nobody@acme.example"}, "password": {goodPassword}}, "Origin", "https://evil.example")
	if a.status != http.StatusForbidden || b.in() {
		t.Errorf("the form of another site signs in: %d", a.status)
	}
	path, err := UserLink(t.Context(), h.store, mustUser(t, h, "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	if a := b.get(path); a.status != http.StatusOK || b.in() {
		t.Errorf("a link alone signs in: %d", a.status)
	}
}

// TestFixation (attack 19): a session that somebody knew before is nobody's after the
// sign-in, and none that was made up is taken.
func TestFixation(t *testing.T) {
	h := newHouse(t)
	victim, attacker := h.browser(), h.browser()
	attacker.carry("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	victim.carry("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if a := victim.signIn("admin", goodPassword); a.status != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", a.status)
	}
	first := victim.cookie("session")
	if first == "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" || len(first) < 43 || attacker.in() || !victim.in() {
		t.Errorf("the session is %q", first)
	}
	// Signing in once more, and proving again who one is, end the session of before.
	for _, again := range []func() answer{
		func() answer { return victim.signIn("approver", goodPassword) },
		func() answer {
			return victim.post("/confirm", url.Values{"password": {goodPassword}})
		},
	} {
		before := victim.cookie("session")
		if a := again(); a.status != http.StatusSeeOther {
			t.Fatalf("again: %d %s", a.status, a.body)
		}
		attacker.carry(before)
		if victim.cookie("session") == before || attacker.in() || !victim.in() {
			t.Error("the session of before goes on")
		}
	}
}

// TestCookies (attack 19): over https cookies have the prefix that keeps other hosts from
// setting them, and neither they nor those on loopback are for scripts or other sites.
func TestCookies(t *testing.T) {
	for _, public := range []string{"https:", ""} {
		h := newHouse(t, func(a *App) { a.PublicURL = public })
		b := h.browser()
		a := b.signIn("admin", goodPassword)
		language := b.post("/language", url.Values{"language": {"fr"}})
		for _, set := range append(a.header.Values("Set-Cookie"), language.header.Values("Set-Cookie")...) {
			c, err := http.ParseSetCookie(set)
			if err != nil {
				t.Fatal(err)
			}
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != h.tls {
				t.Errorf("over https %t: %s", h.tls, set)
			}
			if c.Name != languageCookie && strings.HasPrefix(c.Name, "__Host-") != h.tls {
				t.Errorf("over https %t it is called %s", h.tls, c.Name)
			}
			if strings.Contains(c.Name, "session") && (!c.Expires.IsZero() || c.MaxAge != 0) {
				t.Errorf("the session outlives the browser: %s", set)
			}
		}
		if len(a.header.Values("Set-Cookie")) != 2 || len(language.header.Values("Set-Cookie")) == 0 {
			t.Errorf("cookies: %q", a.header.Values("Set-Cookie"))
		}
		if hsts := a.header.Get("Strict-Transport-Security"); (hsts != "") != h.tls {
			t.Errorf("over https %t: Strict-Transport-Security %q", h.tls, hsts)
		}
		if !b.in() {
			t.Error("nobody is signed in")
		}
	}
}

// TestPages (attack 19): no page stands in a frame of another site, runs or loads what is
// not ours, or is kept by a cache; and no page needs what the policy forbids.
func TestPages(t *testing.T) {
	h := newHouse(t)
	link, err := UserLink(t.Context(), h.store, mustUser(t, h, "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/", "/signin", "/setup?ticket=none", link, "/account", "/confirm", "/platform/users", "/platform/users/id-admin", "/platform/users/id-owner", "/nothing", "/workspaces/demo", "/assets/app.css", "/assets/none", "/%2e%2e/x", "//evil.example/"}
	for _, b := range []*browser{h.as("owner"), h.as("platform-admin"), h.browser()} {
		for _, language := range []string{"en", "fr-CA, en;q=0.5"} {
			for _, path := range paths {
				a := b.send(http.MethodGet, path, nil, "Accept-Language", language)
				policy := a.header.Get("Content-Security-Policy")
				for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
					if !slices.Contains(strings.Split(policy, "; "), part) {
						t.Errorf("%s: the policy %q has no %s", path, policy, part)
					}
				}
				if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || a.header.Get("X-Frame-Options") != "DENY" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "same-origin" {
					t.Errorf("%s: %v", path, a.header)
				}
				if cached := a.header.Get("Cache-Control"); cached != "no-store" && !strings.HasPrefix(path, "/assets/") {
					t.Errorf("%s may be kept: %q", path, cached)
				}
				if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && a.to() == "" {
					lookAt(t, path, a.body)
				}
			}
		}
	}
}

// lookAt finds what the policy of pages forbids, and what keeps people from reading them.
func lookAt(t *testing.T, path, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, labels, described := map[string]int{}, map[string]bool{}, []string{}
	headings := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(a.Key, "hx-on") || a.Key == "srcdoc" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
				t.Errorf("%s: %s has %s=%q", path, n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script":
			if n.FirstChild != nil || !strings.HasPrefix(attributes["src"], "/assets/") {
				t.Errorf("%s has a script: %q", path, attributes["src"])
			}
		case "style", "iframe", "object", "embed", "base":
			t.Errorf("%s has a %s", path, n.Data)
		case "h1":
			headings++
		case "label":
			labels[attributes["for"]] = true
		case "html":
			if attributes["lang"] != english && attributes["lang"] != french {
				t.Errorf("%s is in %q", path, attributes["lang"])
			}
		}
		if id := attributes["id"]; id != "" {
			ids[id]++
		}
		described = append(described, strings.Fields(attributes["aria-describedby"])...)
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s has %d elements called %s", path, n, id)
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && slices.Contains([]string{"input", "select", "textarea"}, n.Data) {
			id, hidden := "", false
			for _, a := range n.Attr {
				if a.Key == "id" {
					id = a.Val
				}
				hidden = hidden || a.Key == "type" && a.Val == "hidden"
			}
			if !hidden && !labels[id] {
				t.Errorf("%s: the field %q has no label", path, id)
			}
		}
	}
	for _, id := range described {
		if ids[id] == 0 {
			t.Errorf("%s: nothing is called %s, which describes a field", path, id)
		}
	}
	if headings != 1 {
		t.Errorf("%s has %d main headings", path, headings)
	}
}

// TestSignOut (attack 19): a session that was ended is over on the server, whoever kept
// its cookie.
func TestSignOut(t *testing.T) {
	h := newHouse(t)
	b, thief := h.as("admin"), h.browser()
	thief.carry(b.cookie("session"))
	if !thief.in() {
		t.Fatal("the cookie is not what signs in")
	}
	if a := b.post("/signout", nil); a.to() != "/signin" || b.cookie("session") != "" {
		t.Errorf("sign out: %d %s, cookie %q", a.status, a.to(), b.cookie("session"))
	}
	if b.in() || thief.in() {
		t.Error("the session goes on")
	}

	// What ends all sessions of a person, and of nobody else.
	for name, end := range map[string]func(*browser){
		"everywhere": func(b *browser) { b.post("/account/signout", nil) },
		"password": func(b *browser) {
			if a := b.post("/account/password", url.Values{"now": {goodPassword}, "password": {"another " + goodPassword}}); a.status != http.StatusSeeOther || !b.in() {
				t.Errorf("new password: %d, still in: %t", a.status, b.in())
			}
			b.post("/account/password", url.Values{"now": {"another " + goodPassword}, "password": {goodPassword}})
		},
		"an admin":  func(*browser) { h.as("owner").post("/platform/users/id-admin/signout", nil) },
		"suspended": func(*browser) { h.as("owner").post("/platform/users/id-admin", url.Values{"suspended": {"yes"}}) },
	} {
		first, second, other := h.as("admin"), h.as("admin"), h.as("auditor")
		end(first)
		if second.in() || !other.in() {
			t.Errorf("%s: another session goes on: %t, one of somebody else: %t", name, second.in(), other.in())
		}
		if name == "suspended" {
			if a := h.browser().signIn("admin", goodPassword); a.status != http.StatusForbidden {
				t.Errorf("who is suspended comes in: %d", a.status)
			}
		}
		h.as("owner").post("/platform/users/id-admin", url.Values{})
	}
}

// TestRolesGo: a role that is taken away is gone with the next request.
func TestRolesGo(t *testing.T) {
	h := newHouse(t)
	b, boss := h.as("auditor"), h.as("owner")
	if a := b.get("/workspaces/demo"); a.status != http.StatusOK {
		t.Fatalf("an auditor sees %d", a.status)
	}
	if a := boss.post("/platform/users/id-auditor", url.Values{"in-other": {"auditor"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if b.get("/workspaces/demo").status != http.StatusNotFound || b.get("/workspaces/other").status != http.StatusOK {
		t.Error("the roles of before hold")
	}
}

// TestOwnPath: nobody is led to another site, as browsers read addresses.
func TestOwnPath(t *testing.T) {
	base, _ := url.Parse("https://here.example/a/b")
	piece := rapid.OneOf(rapid.SampledFrom([]string{"/", "//", "\\", "https:", "http://", "javascript:", "evil.example", "@", "?", "#", "\t", "\n", "\x00", "%2f", "%5c", ".", "..", "é", "a"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "path"), "")
		path := ownPath(text)
		// What the WHATWG URL standard does before it looks: tabs and ends of lines go,
		// and a \ is a /.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(path)
		u, err := base.Parse(seen)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || !strings.HasPrefix(path, "/") {
			t.Fatalf("%q leads to %v, error %v", text, u, err)
		}
	})
	for text, want := range map[string]string{"/a?b=c#d": "/a?b=c#d", "": "/", "a": "/", "//evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/", "https://evil.example": "/", "/%2f/evil.example": "/%2f/evil.example", "?a": "/"} {
		if got := ownPath(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	h := newHouse(t)
	for _, next := range []string{"//evil.example", "/\\evil.example", "https://evil.example/", "/%09/evil.example"} {
		b := h.browser()
		for _, a := range []answer{b.post("/signin", url.Values{"email": {"admin@acme.example"}, "password": {goodPassword}, "next": {next}}), b.get("/signin?next=" + url.QueryEscape(next)),
			b.post("/language", url.Values{"language": {"en"}, "next": {next}}), b.post("/confirm", url.Values{"password": {goodPassword}, "next": {next}})} {
			if a.to() != "/" && a.to() != "/%09/evil.example" {
				t.Errorf("%q leads to %d %q", next, a.status, a.to())
			}
		}
	}
}

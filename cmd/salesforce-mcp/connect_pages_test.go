package main

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestAttackDisconnect: nothing but the button of its page, or the host, disconnects.
func TestAttackDisconnect(t *testing.T) {
	w := connectWorld(t)
	unused := w.link("ann") // of the time before
	var links struct {
		Connect    string `json:"connect_url"`
		Disconnect string `json:"disconnect_url"`
	}
	w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
	newBrowser(t).open(links.Connect).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
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
		newBrowser(t).open(links.Connect).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
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

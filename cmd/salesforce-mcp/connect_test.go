package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// connectWorld is a world whose workspaces are in mode oauth. Its hosts vouch for
// their people.
func connectWorld(t *testing.T, change ...func(*config.Config)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*config.Config){func(c *config.Config) {
		c.Secrets.KeyFile = t.TempDir() + "/master.key"
		for i := range c.Workspaces {
			a := *c.Workspaces[i].Auth
			a.Mode, a.PrivateKey, a.Username, a.Proof = "oauth", "", "", "none"
			c.Workspaces[i].Auth = &a
			c.Workspaces[i].Profiles[0].Vouches = true
		}
	}}, change...)...)
	for i := range w.app.config.Workspaces {
		w.app.config.Workspaces[i].Auth.ClientSecret = salesforce.Secret(w.org.ready.ClientSecret)
	}
	err := w.org.org.SetClient(fakeorg.Client{Key: w.org.ready.ClientID, Name: "salesforce-mcp", Secret: w.org.ready.ClientSecret,
		RedirectURIs: []string{w.origin + "/oauth/callback"}, RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A browser is a person's: it keeps cookies, follows redirects, and can be looked
// at.
type browser struct {
	t      *testing.T
	client *http.Client
	at     *url.URL // of the page
	status int
	page   string
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		next.Header.Del("Origin") // which browsers send with a POST, and not with the GET that it is redirected to
		return nil
	}}}
}

func (b *browser) open(address string) *browser { return b.send(http.MethodGet, address, nil) }

func (b *browser) send(method, address string, form url.Values) *browser {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.page = resp.Request.URL, resp.StatusCode, string(text)
	return b
}

// follow opens the link of the page.
func (b *browser) follow() *browser {
	b.t.Helper()
	link := regexp.MustCompile(`<a href="([^"]+)"`).FindStringSubmatch(b.page)
	if link == nil {
		b.t.Fatalf("no link on %s: %s", b.at, b.page)
	}
	to, err := b.at.Parse(html.UnescapeString(link[1]))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.open(to.String())
}

// salesforce logs in at the org and says yes.
func (b *browser) salesforce(username string) *browser {
	b.t.Helper()
	for _, form := range []url.Values{{"username": {username}, "password": {fakeorg.Password}}, {"decision": {"allow"}}} {
		secret := regexp.MustCompile(`name="login" value="([^"]+)"`).FindStringSubmatch(b.page)
		if secret == nil {
			return b // it need not be asked again, or was refused
		}
		form.Set("login", secret[1])
		at := *b.at
		at.RawQuery = ""
		b.send(http.MethodPost, at.String(), form)
	}
	return b
}

func (b *browser) shows(status int, text string) {
	b.t.Helper()
	if b.status != status || !strings.Contains(html.UnescapeString(b.page), text) {
		b.t.Errorf("%s shows %d %s; want %d and %q", b.at.Path, b.status, b.page, status, text)
	}
}

// as calls a tool for a person, and returns the result.
func (w *world) as(user, tool string, args map[string]any) (result struct {
	IsError           bool
	Content           []struct{ Text string }
	StructuredContent struct {
		Type       string
		ConnectURL string `json:"connect_url"`
		Scopes     []string
		Error      struct{ Code, Message string }
	}
}) {
	w.t.Helper()
	if args == nil {
		args = map[string]any{"action": "soql", "q": "SELECT Id FROM Account LIMIT 1"}
	}
	args["agent_id"], args["user_id"], args["context_id"] = demoAgent, user, "c1"
	status, body := w.post(call(1, tool, args))
	var answer struct{ Result json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || json.Unmarshal(answer.Result, &result) != nil {
		w.t.Fatalf("%d %s", status, body)
	}
	return result
}

// host sends a request of workspace a's host, and decodes the answer.
func (w *world) host(method, path string, into any) int {
	w.t.Helper()
	r, err := http.NewRequest(method, w.origin+"/w/a/"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token-a")
	status, body := w.do(r)
	if err := json.Unmarshal([]byte(body), into); err != nil {
		w.t.Fatalf("%s: %s", path, body)
	}
	return status
}

type connectStatus struct {
	Connected                         bool
	Username, InstanceURL, AuthMethod string
	Reason                            string
	Scopes                            []string
}

func (w *world) status(user string) (s connectStatus) {
	w.t.Helper()
	if code := w.host(http.MethodGet, "oauth/status?user_id="+url.QueryEscape(user), &s); code != 200 {
		w.t.Errorf("status: %d", code)
	}
	return s
}

// TestConnect takes a person through all of it: an agent is told that they are not
// connected, they connect in a browser, the agent works as them, the token ends
// and is renewed, and they disconnect.
func TestConnect(t *testing.T) {
	w := connectWorld(t)
	if s := w.status("ann"); s.Connected || s.Reason == "" {
		t.Errorf("before: %+v", s)
	}
	refused := w.as("ann", "query", nil)
	link := refused.StructuredContent.ConnectURL
	text := refused.Content[0].Text
	if !refused.IsError || refused.StructuredContent.Type != "connector_auth_required" || refused.StructuredContent.Error.Code != "salesforce_not_connected" ||
		!strings.HasPrefix(text, "Salesforce is not connected for this user") || !strings.Contains(text, link) ||
		!strings.HasPrefix(link, w.origin+"/w/a/oauth/connect?ticket=") || !slices.Equal(refused.StructuredContent.Scopes, []string{"api", "refresh_token"}) {
		t.Fatalf("%+v", refused)
	}
	if again := w.as("ann", "query", nil).StructuredContent.ConnectURL; again != link {
		t.Errorf("asked again: another link, %s", again)
	}

	b := newBrowser(t).open(link)
	b.shows(200, "Go on only if you are ann")
	b.open(link).shows(200, "Go on only") // looking does not use it up
	b.follow()
	if b.at.Path != "/services/oauth2/authorize" {
		t.Fatalf("sent to %s: %s", b.at, b.page)
	}
	for name, want := range map[string]string{"redirect_uri": w.origin + "/oauth/callback", "code_challenge_method": "S256", "response_type": "code", "scope": "api refresh_token"} {
		if got := b.at.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	b.salesforce(fakeorg.ServiceUser).shows(200, "now work as "+fakeorg.ServiceUser)
	newBrowser(t).open(link).shows(404, "not good any more")

	created := w.as("ann", "records", map[string]any{"action": "create", "sObjectName": "Account", "body": map[string]any{"Name": "Ann's"}})
	if created.IsError {
		t.Fatalf("%+v", created)
	}
	who := w.as("ann", "query", map[string]any{"action": "soql", "q": "SELECT CreatedBy.Username FROM Account WHERE Name = 'Ann\\'s'"})
	if !strings.Contains(who.Content[0].Text, fakeorg.ServiceUser) {
		t.Errorf("created by %s", who.Content[0].Text)
	}
	if other := w.as("bob", "query", nil); !other.IsError || other.StructuredContent.ConnectURL == link {
		t.Errorf("somebody else: %+v", other)
	}
	if s := w.status("ann"); !s.Connected || s.Username != fakeorg.ServiceUser || s.InstanceURL != w.org.ready.Org {
		t.Errorf("after: %+v", s)
	}

	w.org.org.Inject(fakeorg.Fault{ExpireTokens: true})
	if s := w.status("ann"); !s.Connected {
		t.Errorf("a status that does not renew: %+v", s)
	}
	w.org.org.Inject(fakeorg.Fault{ExpireTokens: true})
	if r := w.as("ann", "query", nil); r.IsError {
		t.Errorf("a token that ended: %+v", r)
	}

	var done struct{ Disconnected bool }
	if code := w.host(http.MethodPost, "oauth/disconnect?user_id=ann", &done); code != 200 || !done.Disconnected {
		t.Errorf("%d %+v", code, done)
	}
	if s := w.status("ann"); s.Connected {
		t.Errorf("disconnected: %+v", s)
	}
	if r := w.as("ann", "query", nil); !r.IsError || r.StructuredContent.ConnectURL == "" || r.StructuredContent.ConnectURL == link {
		t.Errorf("disconnected: %+v", r)
	}
	var recorded []string
	for _, e := range w.entries("a") {
		if e.Tool == "connection" && e.Phase == audit.PhaseOutcome {
			recorded = append(recorded, e.Action+" "+e.User+" "+string(e.Outcome))
		}
	}
	if want := []string{"connect ann ok", "disconnect ann ok"}; !slices.Equal(recorded, want) {
		t.Errorf("recorded %q, want %q", recorded, want)
	}
}

// TestConnectFromHost: a host that vouches for its people gets links for them that
// need no other proof, once, to connect or to disconnect with.
func TestConnectFromHost(t *testing.T) {
	w := connectWorld(t, func(c *config.Config) { c.Workspaces[0].Auth.Proof = "bridge" })
	if r := w.as("ann", "query", nil); !r.IsError || r.StructuredContent.ConnectURL != "" {
		t.Errorf("a link that proves nobody: %+v", r)
	}
	var links struct {
		Connect    string `json:"connect_url"`
		Disconnect string `json:"disconnect_url"`
	}
	if code := w.host(http.MethodPost, "oauth/connect?user_id=ann", &links); code != 200 {
		t.Fatal(code)
	}
	b := newBrowser(t).open(links.Connect)
	b.shows(200, "Go on only if you are ann") // whoever got it from her is warned
	b.follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as "+fakeorg.ServiceUser)
	newBrowser(t).open(links.Disconnect).shows(404, "not good any more")
	if r := w.as("ann", "query", nil); r.IsError {
		t.Errorf("%+v", r)
	}
	var tested struct {
		OK             bool
		BaseURL, Error string
	}
	if w.host(http.MethodPost, "testAuth?user_id=ann", &tested); !tested.OK || tested.BaseURL != w.org.ready.Org {
		t.Errorf("%+v", tested)
	}
	if w.host(http.MethodPost, "testAuth?user_id=bob", &tested); tested.OK || !strings.Contains(tested.Error, "not connected for this user") {
		t.Errorf("%+v", tested)
	}
	w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
	b = newBrowser(t).open(links.Disconnect)
	b.shows(200, "will not work in Salesforce as you any more")
	if s := w.status("ann"); !s.Connected {
		t.Error("looking at the page disconnected")
	}
	b.send(http.MethodPost, b.at.String(), nil).shows(200, "Salesforce is disconnected")
	if s := w.status("ann"); s.Connected {
		t.Errorf("%+v", s)
	}
	var refused struct {
		Error struct{ Code, Message string }
	}
	if code := w.host(http.MethodPost, "oauth/connect", &refused); code != 403 || refused.Error.Code != "agent_not_identified" {
		t.Errorf("nobody in particular: %d %+v", code, refused)
	}
}

// TestStatusOfWorkspace: where nobody connects everybody is.
func TestStatusOfWorkspace(t *testing.T) {
	w := newWorld(t)
	if s := w.status("ann"); !s.Connected || s.AuthMethod != "jwt" {
		t.Errorf("%+v", s)
	}
	var refused struct{ Error struct{ Message string } }
	for _, path := range []string{"oauth/connect?user_id=ann", "oauth/disconnect?user_id=ann"} {
		if code := w.host(http.MethodPost, path, &refused); code < 400 {
			t.Errorf("%s: %d", path, code)
		}
	}
	var tested struct {
		OK      bool
		BaseURL string
	}
	if w.host(http.MethodPost, "testAuth", &tested); !tested.OK || tested.BaseURL != w.org.ready.Org {
		t.Errorf("%+v", tested)
	}
}

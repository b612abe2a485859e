package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// furnished gives a house its settings: the workspace other stands in the file, and demo
// in the database.
func furnished(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, func(a *App) {
		st := a.Users.(*store.Store)
		kept := secrets.NewSealed(st, secrets.FileKeys(filepath.Join(t.TempDir(), "master.key"), func(string) {}))
		a.Settings = &settings.Settings{Store: st, Journal: a.Journal, Secrets: kept, Log: zerolog.Nop()}
		a.Names, a.Entries, a.Origin = a.Settings.Names, st, "https://mcp.acme.example"
		a.Try = func(context.Context, string) (Connection, error) { return Connection{}, errors.New("nobody is there") }
		file := &config.Config{}
		file.Workspaces = make([]config.Workspace, 1)
		file.Workspaces[0].Name = "other"
		if err := a.Settings.Take(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		var w config.Workspace
		w.Name = testWorkspace
		if err := a.Settings.Create(t.Context(), settings.Author{ID: "test", Name: "Test"}, w); err != nil {
			t.Fatal(err)
		}
	})
	return h
}

func (a answer) says(t *testing.T, what string, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d, want %d: %.300s", what, a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s does not say %q:\n%s", what, text, a.body)
		}
	}
}

func (a answer) silent(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if text != "" && strings.Contains(a.body, text) {
			t.Errorf("%s says %q", what, text)
		}
	}
}

// TestAuthenticationPage: a workspace is set up from nothing: what is wrong stands beside
// its field, with what was typed; secrets are written and never read; a key is made whose
// certificate alone comes out; the test says what to mend.
func TestAuthenticationPage(t *testing.T) {
	h := furnished(t)
	b, at := h.as("admin"), "/workspaces/demo/authentication"
	b.send("GET", at, nil).says(t, "at first", 200, "Salesforce is not configured for this workspace yet", "JWT bearer", "Enable JWT Bearer Flow", "https://login.salesforce.com")
	b.send("GET", at+"?mode=oauth", nil).says(t, "mode oauth", 200, "https://mcp.acme.example/oauth/callback", "Proof of who connects", "Enable Refresh Token Rotation")
	typed := url.Values{"mode": {"jwt"}, "loginURL": {"https://evil.example"}, "clientID": {"3MVG9"}, "username": {""}, "audience": {""}, "apiVersion": {"62"}}
	wrong := b.send("POST", at, typed)
	wrong.says(t, "wrong settings", 422, `value="https://evil.example"`, `id="loginURL-problem"`, `id="apiVersion-problem"`, "evil.example", "v62.0", "Nothing was saved")
	typed.Set("loginURL", "https://acme.my.salesforce.com")
	typed.Set("apiVersion", "v62.0")
	b.send("POST", at, typed).says(t, "no username", 422, `id="username-problem"`, "the username is missing")
	typed.Set("username", "agent@acme.example")
	if a := b.send("POST", at, typed); a.status != http.StatusSeeOther {
		t.Fatalf("saved: %d %s", a.status, a.body)
	}
	b.send("GET", at, nil).says(t, "saved", 200, "Saved.", "agent@acme.example", "Not set: every call is refused until it is.", "Make a key")
	b.send("POST", at, url.Values{"mode": {"magic"}}).says(t, "another mode", 400)

	// A secret needs a fresh proof.
	b.send("POST", "/test/age", url.Values{})
	for _, method := range []string{"GET", "POST"} {
		if a := b.send(method, at+"/secret", form(method)); a.status == http.StatusOK || strings.Contains(a.body, "BEGIN PRIVATE KEY") {
			t.Errorf("%s without a proof: %d", method, a.status)
		}
	}
	b = h.as("admin")
	b.send("GET", at+"/secret", nil).says(t, "secret", 200, "BEGIN PRIVATE KEY", "never shown again")
	b.send("POST", at+"/secret", url.Values{"value": {"hush this is no key"}}).says(t, "no key", 422, "the private key cannot be read")
	if a := b.send("POST", at+"/key", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatalf("key: %d %s", a.status, a.body)
	}
	page := b.send("GET", at, nil)
	page.says(t, "with a key", 200, "just now by admin", "Download the certificate", "Make a new key")
	key, _, err := h.app.Settings.Secrets.Get(t.Context(), "demo", "privateKey")
	if err != nil {
		t.Fatal(err)
	}
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	certificate := b.send("GET", at+"/certificate", nil)
	block, _ := pem.Decode([]byte(certificate.body))
	if block == nil || block.Type != "CERTIFICATE" {
		t.Fatalf("certificate: %d %s", certificate.status, certificate.body)
	}
	if parsed, err := x509.ParseCertificate(block.Bytes); err != nil || !private.PublicKey.Equal(parsed.PublicKey) || parsed.Subject.CommonName != "salesforce-mcp demo" {
		t.Errorf("certificate of another key, or nobody: %v", err)
	}
	secret := strings.Split(key.Reveal(), "\n")[1]
	for _, a := range []answer{page, certificate, wrong, b.send("GET", "/workspaces/demo/history", nil), b.send("GET", at+"/secret", nil)} {
		a.silent(t, "a page", secret, "hush")
	}

	h.app.Try = func(context.Context, string) (Connection, error) {
		return Connection{}, &auth.Error{Code: "invalid_grant", Message: "check the username: Salesforce knows none of that name"}
	}
	b.send("POST", at+"/test", url.Values{}).says(t, "a failed test", 200, "The test failed:", "check the username")
	h.app.Try = func(context.Context, string) (Connection, error) {
		return Connection{Origin: "https://acme.my.salesforce.com", Username: "agent@acme.example", Left: 98765, Allowed: 100000}, nil
	}
	b.send("POST", at+"/test", url.Values{}).says(t, "a good test", 200, "gave a token", "98,765 of 100,000")
	fr := h.as("admin")
	fr.header.Set("Accept-Language", "fr")
	fr.send("POST", at+"/test", url.Values{}).says(t, "in French", 200, "a donné un jeton", "Appels API restants")

	for _, who := range []string{"approver", "auditor", "platform-admin"} {
		a := h.as(who).send("GET", at, nil)
		a.says(t, who, 200, "agent@acme.example")
		a.silent(t, who, "<form method=\"post\" action=\"/workspaces", secret)
	}
	if entries := h.entries("demo"); len(entries) == 0 {
		t.Error("nothing was recorded")
	} else {
		for _, e := range entries {
			if strings.Contains(string(e.Line()), secret) || strings.Contains(string(e.Line()), "hush") {
				t.Errorf("a secret in %s", e.Line())
			}
		}
	}
	if strings.Contains(h.log.String(), secret) {
		t.Error("a secret in the log")
	}
}

// TestDeclaredPages: a workspace of the file is shown, and cannot be changed.
func TestDeclaredPages(t *testing.T) {
	h := furnished(t)
	b := h.as("neighbour")
	for _, path := range []string{"/authentication", "/endpoint", "/history"} {
		a := b.send("GET", "/workspaces/other"+path, nil)
		a.says(t, path, 200, "This workspace stands in the configuration file")
		a.silent(t, path, "<form method=\"post\" action=\"/workspaces")
	}
	for _, path := range []string{"/authentication", "/authentication/secret", "/authentication/key", "/endpoint/hosts", "/endpoint/tokens", "/endpoint/hosts/remove", "/endpoint/tokens/revoke"} {
		f := url.Values{"mode": {"accessToken"}, "instanceURL": {"https://acme.my.salesforce.com"}, "apiVersion": {"v62.0"}, "kind": {"factory"}, "name": {"x"}, "host": {"x"}}
		b.send("POST", "/workspaces/other"+path, f).says(t, path, 409, "This workspace stands in the configuration file")
	}
}

var tokenRE = regexp.MustCompile(`smcp_[A-Z2-7]{52}`)

// TestEndpointPage: a token is shown once, kept as a hash, replaced with an overlap and
// revoked; the last one stays.
func TestEndpointPage(t *testing.T) {
	h := furnished(t)
	b, at := h.as("admin"), "/workspaces/demo/endpoint"
	b.send("GET", at, nil).says(t, "at first", 200, "https://mcp.acme.example/w/demo/mcp", "context_id,agent_id,user_id", "No host may connect yet", "YOUR_HOST_TOKEN", "claude mcp add", "MultiServerMCPClient", "modelcontextprotocol/inspector")
	b.send("POST", at+"/hosts", url.Values{"name": {"desk"}, "kind": {"one"}}).says(t, "no agent", 422, `id="agent-problem"`)
	b.send("POST", at+"/hosts", url.Values{"name": {" "}, "kind": {"factory"}}).says(t, "no name", 422, `id="name-problem"`)
	made := b.send("POST", at+"/hosts", url.Values{"name": {"agent-factory"}, "kind": {"factory"}})
	made.says(t, "made", 200, "shown this once", "just now by admin")
	first := tokenRE.FindString(made.body)
	w, err := h.app.Settings.Workspace(t.Context(), "demo")
	if err != nil || first == "" || len(w.Profiles) != 1 || w.Profiles[0].Tokens[0] != allowlist.HashToken(first) || !w.Profiles[0].OverwritesArguments {
		t.Fatalf("%q %v %+v", first, err, w.Profiles)
	}
	again := b.send("GET", at, nil)
	again.silent(t, "a page later", first)
	again.says(t, "a page later", 200, "YOUR_HOST_TOKEN")
	b.send("POST", at+"/hosts", url.Values{"name": {"agent-factory"}, "kind": {"headers"}}).says(t, "the name again", 422, "the workspace has a host of this name")
	b.send("POST", at+"/tokens/revoke", url.Values{"host": {"agent-factory"}, "token": {w.Profiles[0].Tokens[0]}}).says(t, "the last token", 422, "this is the host&#39;s only token")
	second := tokenRE.FindString(b.send("POST", at+"/tokens", url.Values{"host": {"agent-factory"}}).body)
	if w, err = h.app.Settings.Workspace(t.Context(), "demo"); err != nil || len(w.Profiles[0].Tokens) != 2 || second == first {
		t.Fatalf("both: %+v, %v", w.Profiles, err)
	}
	if a := b.send("POST", at+"/tokens/revoke", url.Values{"host": {"agent-factory"}, "token": {allowlist.HashToken(first)}}); a.status != http.StatusSeeOther {
		t.Errorf("revoke: %d %s", a.status, a.body)
	}
	if w, err = h.app.Settings.Workspace(t.Context(), "demo"); err != nil || len(w.Profiles[0].Tokens) != 1 || w.Profiles[0].Tokens[0] != allowlist.HashToken(second) {
		t.Errorf("after: %+v, %v", w.Profiles, err)
	}
	b.send("POST", at+"/tokens", url.Values{"host": {"nobody"}}).says(t, "a host that is none", 404)
	for _, e := range h.entries("demo") {
		if line := string(e.Line()); strings.Contains(line, first) || strings.Contains(line, second) {
			t.Errorf("a token in %s", line)
		}
	}
	if a := b.send("POST", at+"/hosts/remove", url.Values{"host": {"agent-factory"}}); a.status != http.StatusSeeOther {
		t.Errorf("remove: %d %s", a.status, a.body)
	}
	b.send("POST", "/test/age", url.Values{})
	if a := b.send("POST", at+"/hosts", url.Values{"name": {"x"}, "kind": {"factory"}}); tokenRE.MatchString(a.body) {
		t.Error("a token without a fresh proof")
	}
}

// TestHistoryPage: who changed what is shown, and an earlier revision comes back.
func TestHistoryPage(t *testing.T) {
	h := furnished(t)
	b := h.as("admin")
	b.send("POST", "/workspaces/demo/authentication", url.Values{"mode": {"accessToken"}, "instanceURL": {"https://acme.my.salesforce.com"}, "apiVersion": {"v62.0"}})
	b.send("POST", "/workspaces/demo/endpoint/hosts", url.Values{"name": {"<b>evil</b>"}, "kind": {"factory"}})
	a := b.send("GET", "/workspaces/demo/history", nil)
	a.says(t, "the list", 200, "in force", "auth", "profiles", "admin", "created")
	a = b.send("GET", "/workspaces/demo/history/2", nil)
	a.says(t, "revision 2", 200, "+   instanceURL: https://acme.my.salesforce.com", "What restoring it would change", "&lt;b&gt;evil&lt;/b&gt;", "Restore revision 2")
	a.silent(t, "revision 2", "<b>evil")
	h.as("auditor").send("GET", "/workspaces/demo/history/2", nil).silent(t, "an auditor's page", "Restore revision 2")
	for _, path := range []string{"/4", "/0", "/x", "/9999999999999999999"} {
		b.send("GET", "/workspaces/demo/history"+path, nil).says(t, path, 404)
	}
	if a := b.send("POST", "/workspaces/demo/history/1/restore", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("restore: %d %s", a.status, a.body)
	}
	w, err := h.app.Settings.Workspace(t.Context(), "demo")
	if err != nil || w.Auth != nil || w.Revision != 4 && w.Revision != 3 {
		t.Errorf("%+v %v", w, err)
	}
}

// TestWorkspacesPage: a workspace is created, suspended, and deleted by its name once its
// trail and its settings were taken.
func TestWorkspacesPage(t *testing.T) {
	h := furnished(t)
	b, at := h.as("platform-admin"), "/platform/workspaces"
	b.send("GET", at, nil).says(t, "the list", 200, "demo", "other", "the configuration file", "not configured")
	b.send("POST", at, url.Values{"name": {"Sales Team"}}).says(t, "a bad name", 422, "Sales Team", "must be lower-case letters", `id="name-problem"`)
	b.send("POST", at, url.Values{"name": {"demo"}}).says(t, "a taken name", 422, "the name is taken")
	if a := b.send("POST", at, url.Values{"name": {"sales"}}); a.to() != at+"/sales" {
		t.Errorf("created: %d %s", a.status, a.to())
	}
	b.send("POST", at+"/sales/delete", url.Values{"name": {"sales"}}).says(t, "while it works", 409, "suspend it first")
	b.send("POST", at+"/sales/suspend", url.Values{})
	b.send("GET", at+"/sales", nil).says(t, "suspended", 200, "This workspace is suspended", "Resume sales", "Delete for good")
	b.send("POST", at+"/sales/delete", url.Values{"name": {"demo"}}).says(t, "another name", 422, "This is not the name")
	b.send("POST", at+"/sales/delete", url.Values{"name": {"sales"}}).says(t, "without its export", 409, "Download the audit trail and the settings first")
	file := b.send("GET", at+"/sales/settings", nil)
	file.says(t, "settings", 200, "# revision 1", "name: sales")
	b.send("POST", at+"/sales/delete", url.Values{"name": {"sales"}}).says(t, "without its trail", 409, "Download the audit trail and the settings first")
	if err := h.app.recorded(t.Context(), audit.Entry{Workspace: "sales", Tool: "audit", Action: "export", Effect: "read"}, nil, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if a := b.send("POST", at+"/sales/delete", url.Values{"name": {"sales"}}); a.to() != at {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	b.send("GET", at+"/sales", nil).says(t, "gone", 404)
	b.send("POST", at, url.Values{"name": {"sales"}}).says(t, "the name again", 422, "whose audit trail stays under it")
	b.send("POST", at+"/other/suspend", url.Values{}).says(t, "the file's", 409)
	for _, who := range []string{"admin", "auditor", "neighbour"} {
		h.as(who).send("GET", at, nil).says(t, who, 404)
	}
}

// personOffice stands for connect.People.
type personOffice struct{ connected map[string]bool }

func (o *personOffice) Invite(_ context.Context, c allowlist.Caller) (string, error) {
	if c.User == "bridged" {
		return "", connect.ErrUnprovable
	}
	o.connected[c.Host+"/"+c.User] = true
	return "https://mcp.acme.example/w/demo/oauth/connect?ticket=T", nil
}

func (o *personOffice) Disconnect(_ context.Context, c allowlist.Caller) error {
	delete(o.connected, c.Host+"/"+c.User)
	return nil
}

// TestConnectForm: an admin gets a link for a person of a host that names its users, and
// ends a connection; the audit trail names both people.
func TestConnectForm(t *testing.T) {
	h := furnished(t)
	office := &personOffice{map[string]bool{}}
	h.app.People = office
	b, at := h.as("admin"), "/workspaces/demo/authentication"
	b.send("POST", at, url.Values{"mode": {"oauth"}, "loginURL": {"https://acme.my.salesforce.com"}, "clientID": {"3MVG9"}, "proof": {"username"}, "apiVersion": {"v62.0"}})
	b.send("GET", at, nil).says(t, "without a host", 200, "No host of this workspace names its users yet")
	b.send("POST", "/workspaces/demo/endpoint/hosts", url.Values{"name": {"portal"}, "kind": {"headers"}})
	b.send("GET", at, nil).says(t, "with a host", 200, `<option value="portal">`, "admin@acme.example")
	b.send("POST", at+"/connect", url.Values{"host": {"portal"}, "user": {"ada"}}).says(t, "connect", 200, "/w/demo/oauth/connect?ticket=T", "ada")
	b.send("POST", at+"/connect", url.Values{"host": {"portal"}, "user": {"bridged"}}).says(t, "with the proof bridge", 409, "only it knows who opens a link")
	for _, f := range []url.Values{{"host": {"portal"}}, {"host": {"none"}, "user": {"ada"}}, {"host": {"portal"}, "user": {" ada"}}} {
		b.send("POST", at+"/connect", f).says(t, f.Encode(), 422)
	}
	if !office.connected["portal/ada"] {
		t.Error("nobody was invited")
	}
	b.send("POST", at+"/disconnect", url.Values{"host": {"portal"}, "user": {"ada"}})
	if len(office.connected) != 0 {
		t.Error("still connected")
	}
	said := ""
	for _, e := range h.entries("demo") {
		if e.Tool == "connection" && e.Phase == audit.PhaseIntent {
			said += e.Action + " " + e.User + " " + string(e.Arguments) + "\n"
		}
	}
	if !strings.Contains(said, `invite admin@acme.example {"host":"portal","user":"ada"}`) || !strings.Contains(said, `disconnect admin@acme.example {"host":"portal","user":"ada"}`) {
		t.Errorf("audit trail:\n%s", said)
	}
}

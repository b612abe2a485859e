package app

import (
	"archive/zip"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host/fakehost"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

// newMarket is an office with a host platform.
func newMarket(t *testing.T) (*office, *fakehost.Host) {
	o := newOffice(t, allowlist.Rule{Agent: "a", Preset: "read"})
	h := fakehost.New(t)
	o.app.Hosts = []*host.Platform{{Name: "prisme", API: h.URL, HTTP: http.DefaultClient}}
	o.app.PublicURL, o.app.Origin = "https://mcp.example.com", "https://mcp.example.com"
	return o, h
}

const platformAdmin = "platform-admin"

// A visit is what a page of the catalog answers.
type visit answer

// market asks for a page of the catalog. No secret is ever on one.
func (o *office) market(who, path string, form url.Values) visit {
	o.t.Helper()
	a := o.visit(who, path, form)
	a.body = html.UnescapeString(a.body)
	for _, secret := range []string{"owner-token", "member-token", factoryToken, allowlist.HashToken(factoryToken)} {
		if strings.Contains(a.body, secret) {
			o.t.Errorf("%s shows %s", path, secret)
		}
	}
	return visit(a)
}

func (v visit) has(t testing.TB, status int, texts ...string) {
	t.Helper()
	if v.status != status {
		t.Errorf("%d, want %d: %.500s", v.status, status, v.body)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, text) {
			t.Errorf("there is no %q in %.3000s", text, v.body)
		}
	}
}

const marketURL = "/platform/catalog/demo"

func as(token string) url.Values { return url.Values{"platform": {"prisme"}, "token": {token}} }

// TestCatalogPages: whoever looks after the platform sees what is published, and nobody
// else sees anything.
func TestCatalogPages(t *testing.T) {
	o, h := newMarket(t)
	o.market(platformAdmin, "/platform/catalog", nil).has(t, 200, "demo", "filed", "other", "https://mcp.example.com/w/demo/mcp", "not in it")
	page := o.market(platformAdmin, marketURL, nil)
	page.has(t, 200, "Publish demo", "salesforce_demo", "context_id,agent_id,user_id", `"Authorization": "Bearer {{secrets.SALESFORCE_MCP_DEMO_TOKEN}}"`, "Not checked.", `type="password"`, "/platform/catalog/demo/salesforce.zip")
	if strings.Contains(page.body, "other") && strings.Contains(page.body, "hidden-agent") {
		t.Error("another workspace is shown")
	}
	o.market(platformAdmin, "/platform/catalog/nobody", nil).has(t, 404)
	for _, person := range []string{"admin", "approver", "auditor", "neighbour", "nobody"} {
		for _, route := range catalogRoutes {
			method, path, _ := strings.Cut(strings.ReplaceAll(route.pattern, "{name}", "demo"), " ")
			form := as("owner-token")
			if method == http.MethodGet {
				form = nil
			}
			if v := o.market(person, path, form); v.status != http.StatusNotFound || strings.Contains(v.body, "salesforce_demo") {
				t.Errorf("%s: %s %d", person, route.pattern, v.status)
			}
		}
	}
	if n := h.Requests(); len(n) > 0 {
		t.Errorf("the host was asked: %v", n)
	}
	o.app.Hosts = nil
	o.market(platformAdmin, marketURL, nil).has(t, 200, "No host platform is configured", "Declare it by hand")
	o.app.PublicURL, o.app.Origin = "", "http://127.0.0.1:8080"
	o.market(platformAdmin, marketURL, nil).has(t, 200, "no public address")
}

// TestPublish: the states of an entry, from absent to removed, by what the host says of
// the person.
func TestPublish(t *testing.T) {
	o, h := newMarket(t)
	h.MostPerPage = 3
	for range 8 {
		h.AddEntry(fakehost.Entry("salesforce_demo_2", "https://other.example/mcp"))
	}
	o.market(platformAdmin, "hx:"+marketURL+"/check", as("owner-token")).has(t, 200, "Absent: the catalog of acme")
	if v := o.market(platformAdmin, "hx:"+marketURL+"/check", as("owner-token")); strings.Contains(v.body, "<html") {
		t.Error("htmx gets a whole page")
	}
	o.market(platformAdmin, marketURL+"/check", as("owner-token")).has(t, 200, "Absent", "<html")
	const said = "Forbidden — you need catalog write rights in this org."
	for _, path := range []string{"/check", "/publish", "/withdraw"} {
		o.market(platformAdmin, marketURL+path, as("member-token")).has(t, 200, said)
	}
	o.market(platformAdmin, marketURL+"/publish", as("wrong")).has(t, 200, "The check failed: the host does not take your access token")
	o.market(platformAdmin, marketURL+"/publish", as("")).has(t, 422, "Paste your access token of the platform.", "token-problem")
	o.market(platformAdmin, marketURL+"/publish", url.Values{"platform": {"http://169.254.169.254"}, "token": {"owner-token"}}).has(t, 422, "There is no such platform.", "platform-problem")
	if n := len(h.Entries()); n != 8 {
		t.Fatalf("%d entries", n)
	}
	if v := o.market(platformAdmin, marketURL+"/publish", as("owner-token")); v.status != http.StatusSeeOther || v.header.Get("Location") != marketURL {
		t.Fatalf("%d %s", v.status, v.body)
	}
	entries := h.Entries()
	text, _ := json.Marshal(entries[8])
	if len(entries) != 9 || !strings.Contains(string(text), "https://mcp.example.com/w/demo/mcp") {
		t.Fatalf("%s", text)
	}
	o.market(platformAdmin, "hx:"+marketURL+"/check", as("owner-token")).has(t, 200, "Present: the catalog of acme has it as salesforce_demo")
	if v := o.market(platformAdmin, marketURL+"/publish", as("admin-token")); v.status != http.StatusSeeOther || len(h.Entries()) != 9 {
		t.Errorf("%d, %d entries", v.status, len(h.Entries()))
	}
	h.AddEntry(fakehost.Entry("twin", "https://mcp.example.com/w/demo/mcp"))
	o.market(platformAdmin, "hx:"+marketURL+"/check", as("owner-token")).has(t, 200, "1 more entry leads to this endpoint")
	h.SetBefore(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `{"message":"<b>owner-token</b>"}`)
		return true
	})
	o.market(platformAdmin, "hx:"+marketURL+"/check", as("owner-token")).has(t, 200, "The check failed: the host answers 502", "You can still try")
	h.SetBefore(nil)
	if v := o.market(platformAdmin, marketURL+"/withdraw", as("owner-token")); v.status != http.StatusSeeOther || len(h.Entries()) != 8 {
		t.Errorf("%d, %d entries", v.status, len(h.Entries()))
	}

	// What was done beyond this server is in the trail, and the person's token is not.
	logged, err := o.store.List(t.Context(), audit.Query{Workspace: "demo", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := json.Marshal(logged)
	if n := strings.Count(string(kept), `"tool":"catalog"`); n < 4 || !strings.Contains(string(kept), "you need catalog write rights") || !strings.Contains(string(kept), `"by":"platform-admin@acme.example"`) || strings.Contains(string(kept), "owner-token") || strings.Contains(string(kept), "member-token") {
		t.Errorf("%d entries: %s", n, kept)
	}
}

// TestListing: who sees a workspace in the catalog of this server is changed here, with
// what is wrong beside its field.
func TestListing(t *testing.T) {
	o, _ := newMarket(t)
	saved := func() *config.Catalog {
		w, err := o.app.Settings.Workspace(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		return w.Catalog
	}
	err := o.app.Settings.Change(t.Context(), "demo", settings.Author{Name: "test"}, func(w *config.Workspace) error {
		w.Catalog = &config.Catalog{Name: "kept", Category: "custom", NoAuth: true}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"who": {"everybody"}, "displayName": {" Sales CRM "}, "bridge": {"https://api.studio.prisme.ai/v2/workspaces/slug:sales/webhooks/Salesforce.mcp"}}
	if v := o.market(platformAdmin, marketURL+"/listing", form); v.status != http.StatusSeeOther {
		t.Fatalf("%d %s", v.status, v.body)
	}
	if c := saved(); c == nil || !c.Public || c.DisplayName != "Sales CRM" || !strings.HasSuffix(c.Bridge, "/webhooks/Salesforce") || c.Name != "kept" || c.Category != "custom" || !c.NoAuth {
		t.Fatalf("%+v", c)
	}
	o.market(platformAdmin, "/platform/catalog", nil).has(t, 200, "everybody sees it")
	o.market(platformAdmin, marketURL, nil).has(t, 200, "Sales CRM", "webhooks/Salesforce.mcp")
	form.Set("who", "nobody")
	if v := o.market(platformAdmin, marketURL+"/listing", form); v.status != http.StatusSeeOther || saved() == nil || !saved().Unlisted || saved().Bridge == "" {
		t.Errorf("%d %+v", v.status, saved())
	}
	form.Set("bridge", "ftp://x.example")
	form.Set("documentationURL", "javascript:alert(1)")
	form.Set("hostSecret", "not a name")
	v := o.market(platformAdmin, marketURL+"/listing", form)
	v.has(t, 422, "Nothing was saved", "ftp://x.example", "bridge-problem", "documentationURL-problem", "hostSecret-problem", "Sales CRM")
	if strings.Contains(v.body, `href="javascript:`) || saved().DocumentationURL != "" {
		t.Errorf("%s", v.body)
	}
	o.market(platformAdmin, marketURL+"/listing", url.Values{"who": {"somebody"}}).has(t, 400, "There is no such choice.")
	o.market(platformAdmin, "/platform/catalog/filed/listing", url.Values{"who": {"hosts"}}).has(t, 409, "configuration file")
	o.market(platformAdmin, "/platform/catalog/filed", nil).has(t, 200, "changed there")
}

func TestDownloadBridge(t *testing.T) {
	o, _ := newMarket(t)
	got := o.market(platformAdmin, marketURL+"/salesforce.zip", nil)
	raw := o.visit(platformAdmin, marketURL+"/salesforce.zip", nil).body
	files, err := zip.NewReader(strings.NewReader(raw), int64(len(raw)))
	if err != nil || got.header.Get("Content-Type") != "application/zip" {
		t.Fatal(err)
	}
	f, err := files.Open("index.yml")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(f)
	if !strings.Contains(string(text), "serverUrl: https://mcp.example.com/w/demo") {
		t.Errorf("%s", text)
	}
}

package app

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host/fakehost"
)

// onPlatform is an office with a platform that has agents: a number of them, one with the
// name of another, and one that would like to be markup.
func onPlatform(t *testing.T, rules ...allowlist.Rule) (*office, *fakehost.Host) {
	t.Helper()
	o, h := newOffice(t, rules...), fakehost.New(t)
	h.MostPerPage = 20
	o.app.Hosts = []*host.Platform{{Name: "prisme", API: h.URL, HTTP: http.DefaultClient}}
	for i := range 50 {
		h.AddAgent(fakehost.Object{"id": fmt.Sprintf("filler-%02d", i), "name": fmt.Sprintf("Filler %d", i)})
	}
	h.AddAgent(fakehost.Object{"id": "desk-1", "name": "Help desk"})
	h.AddAgent(fakehost.Object{"id": "desk-2", "name": "Help desk", "description": "<img src=x onerror=alert(1)>"})
	h.AddAgent(fakehost.Object{"id": "dеsk-3", "name": "Help desk"})
	return o, h
}

const platformURL = agentsURL + "/platform"

// TestFindHosted: agents are found with the person's token, on all pages, and nothing
// that the platform says becomes markup.
func TestFindHosted(t *testing.T) {
	o, h := onPlatform(t, allowlist.Rule{Agent: "desk-1", Preset: "read"})
	page := o.visit("admin", platformURL, nil)
	if page.status != http.StatusOK || strings.Contains(page.body, "filler") || len(h.Requests()) != 0 {
		t.Errorf("before anybody asks: %d, %v", page.status, h.Requests())
	}
	form := url.Values{"platform": {"prisme"}, "token": {"member-token"}, "q": {"HELP desk"}, "hostToken": {factoryToken}}
	whole, part := o.visit("admin", platformURL, form), o.visit("admin", "hx:"+platformURL, form)
	for _, v := range []answer{whole, part} {
		for _, has := range []string{"desk-1", "desk-2", "dеsk-3", "е = U+0435", "3 agents", "&lt;img src=x", `name="host" value="factory"`} {
			if v.status != http.StatusOK || !strings.Contains(v.body, has) {
				t.Errorf("%d: %q is not there", v.status, has)
			}
		}
		for _, hasNot := range []string{"<img", "filler", "member-token", factoryToken} {
			if strings.Contains(v.body, hasNot) {
				t.Errorf("%q is there", hasNot)
			}
		}
		if strings.Contains(v.body, `name="agent" value="desk-1"><input type="hidden" name="host"`) || strings.Contains(v.body, `<input type="hidden" name="agent" value="dеsk-3">`) {
			t.Error("one that is allowed, or looks like another, is to be allowed with one click")
		}
	}
	if strings.Contains(part.body, "<html") {
		t.Error("the part is a whole page")
	}
	for what, change := range map[string]url.Values{
		"no token": {"token": {""}}, "a wrong token": {"token": {"wrong-token"}}, "no token of a person": {"token": {"iak_123"}}, "another platform": {"platform": {"elsewhere"}},
	} {
		form := url.Values{"platform": {"prisme"}, "token": {"member-token"}, "q": {"kept <text>"}}
		for name, value := range change {
			form[name] = value
		}
		v := o.visit("admin", platformURL, form)
		if v.status != http.StatusUnprocessableEntity || !strings.Contains(v.body, `id="problems"`) || !strings.Contains(v.body, "kept &lt;text&gt;") || form.Get("token") != "" && strings.Contains(v.body, form.Get("token")) {
			t.Errorf("%s: %d", what, v.status)
		}
	}
	h.SetBefore(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"<b>not you</b>"}`))
		return true
	})
	if v := o.visit("admin", "hx:"+platformURL, form); v.status != http.StatusOK || !strings.Contains(v.body, "does not let you") || strings.Contains(v.body, "<b>") {
		t.Errorf("forbidden: %d %.300s", v.status, v.body)
	}
	for _, person := range []string{"approver", "auditor", "neighbour"} {
		for _, path := range []string{"/platform", "/install"} {
			if v := o.visit(person, agentsURL+path, form); v.status != http.StatusNotFound {
				t.Errorf("%s of %s: %d", path, person, v.status)
			}
		}
	}
}

// TestInstallCapability: the agent is allowed here and has the tool there, once, however
// often it is done; a failure there says what is done and what is not.
func TestInstallCapability(t *testing.T) {
	o, h := onPlatform(t)
	h.AddTool("desk-1", fakehost.Object{"type": "mcp", "name": "another", "server": "https://elsewhere.example/mcp"})
	form := func(agent, hostToken string) url.Values {
		return url.Values{"platform": {"prisme"}, "token": {"member-token"}, "q": {""}, "hostToken": {hostToken}, "agent": {agent}}
	}
	for agent, token := range map[string]string{"desk-1": "not-a-token-of-a-host", "desk-2": "", "dеsk-3": factoryToken} {
		if v := o.visit("admin", agentsURL+"/install", form(agent, token)); v.status != http.StatusUnprocessableEntity || len(h.Tools("desk-2")) != 0 || len(o.rules("demo")) != 0 {
			t.Errorf("%s with %q: %d", agent, token, v.status)
		}
	}
	for range 2 {
		if v := o.visit("admin", agentsURL+"/install", form("desk-1", factoryToken)); v.status != http.StatusSeeOther {
			t.Fatalf("%d %.300s", v.status, v.body)
		}
	}
	installed := h.Tools("desk-1")
	if len(installed) != 2 || installed[1]["server"] != o.origin+"/w/demo/mcp" || installed[1]["scope"] != "context_id,agent_id,user_id" {
		t.Errorf("the tools of the agent: %v", installed)
	}
	if diff := cmp.Diff([]allowlist.Rule{{Agent: "desk-1", Host: "factory", Preset: "read"}}, o.rules("demo")); diff != "" || !o.mayRead("desk-1") {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.SetBefore(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("token was " + factoryToken))
		return true
	})
	v := o.visit("admin", "hx:"+agentsURL+"/install", form("desk-2", factoryToken))
	if v.status != http.StatusOK || !strings.HasPrefix(v.body, "<li") || !strings.Contains(v.body, "allowed here, but the capability is not installed") || strings.Contains(v.body, factoryToken) || !o.mayRead("desk-2") {
		t.Errorf("a failure: %d %s", v.status, v.body)
	}
	if v := o.visit("owner", "/workspaces/filed/agents/install", form("desk-2", factoryToken)); v.status != http.StatusConflict {
		t.Errorf("of the file: %d", v.status)
	}
}

package main

import (
	"strings"
	"testing"
	"time"

	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestHealth: the health page has what happened: calls that went well and did not, the
// token, the use of the API, signatures and places, and nothing of a secret.
func TestHealth(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Audit.File = t.TempDir() + "/entries.jsonl" })
	health := func() *configapp.Health {
		t.Helper()
		h, err := w.app.health(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := health()
	if h.Ready != nil || h.SecretsOK != nil || h.Replicas != 1 || h.Recovered != 0 || !strings.HasPrefix(h.Engine, "SQLite 3.") || !strings.HasSuffix(h.Secrets, "master.key") || len(h.Workspaces) != 2 || h.Workspaces[0].Mode != "jwt" || h.Workspaces[0].Tokens != 0 {
		t.Errorf("before the first call: %+v", h)
	}
	began := time.Now().Add(-time.Second)
	w.post(query(1, 3))
	w.post(call(2, "records", map[string]any{"action": "get", "sObjectName": "Account", "recordId": "001000000000000AAA"}))
	if err := w.app.noteUsageOnce(t.Context(), map[string][2]int{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that all is signed, indexed and written", func() bool {
		h = health()
		return len(h.Signatures) == 1 && h.Signatures[0].Size == 4 && h.Signatures[0].Indexing == 0 && len(h.Sinks) == 1 && h.Sinks[0].Arrived == 4
	})
	a, b := h.Workspaces[0], h.Workspaces[1]
	if a.Name != "a" || a.Tokens != 1 || a.LoggedIn.Before(began) || a.OK.Before(began) || a.Failed.Before(a.OK) || a.FailedCode != "NOT_FOUND" || a.Used == 0 || a.Allowed == 0 || a.UsedAt.IsZero() {
		t.Errorf("workspace a: %+v", a)
	}
	if b != (configapp.WorkspaceHealth{Name: "b", Mode: "jwt"}) {
		t.Errorf("workspace b: %+v", b)
	}
	if s := h.Signatures[0]; s.Workspace != "a" || s.Unsigned != 0 || s.Signed.Before(began) || h.Sinks[0].Waiting != 0 || !h.Sinks[0].Oldest.IsZero() || len(h.Orgs) != 1 || h.Orgs[0].BreakerOpen {
		t.Errorf("signed %+v, sinks %+v, orgs %+v", s, h.Sinks, h.Orgs)
	}
	w.org.org.Inject(fakeorg.Fault{Path: "/services/oauth2/token", Status: 400, Times: 1})
	r := w.request(query(3, 3))
	r.URL.Path = strings.Replace(r.URL.Path, "/w/a/", "/w/b/", 1)
	r.Header.Set("Authorization", "Bearer token-b")
	w.do(r)
	if b := health().Workspaces[1]; b.LoginProblem == "" || b.Tokens != 0 || strings.Contains(b.LoginProblem, "assertion") {
		t.Errorf("a login that failed: %+v", b)
	}
	w.app.draining.Store(true)
	if health().Ready == nil {
		t.Error("it is ready while it stops")
	}
}

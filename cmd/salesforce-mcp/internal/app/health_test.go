package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHealthPage: how the server is, to those who look after it and in both languages.
func TestHealthPage(t *testing.T) {
	now := time.Now()
	health := &Health{Engine: "SQLite 3.51", Database: "/data", Replicas: 3, Recovered: 17, Started: now.Add(-3 * time.Hour), Secrets: "database, sealed",
		Sinks:      []SinkHealth{{"syslog", "demo", 100, 0, time.Time{}}, {"webhook", "other", 40, 60, now.Add(-10 * time.Minute)}},
		Signatures: []SignatureHealth{{"demo", 1234, 5, now.Add(-2 * time.Minute), 77}, {"Server", 3, 0, time.Time{}, 0}},
		Orgs:       []OrgHealth{{"https://acme.my.salesforce.com", true, 0, 0}, {"https://b.my.salesforce.com", false, 12, 5000}},
		Workspaces: []WorkspaceHealth{
			{Name: "demo", Mode: "jwt", Connections: 1, Tokens: 1, LoggedIn: now.Add(-5 * time.Minute), OK: now.Add(-4 * time.Minute), Used: 4700, Allowed: 5000, UsedAt: now},
			{Name: "other", Mode: "clientCredentials", Connections: 1, LoginProblem: "invalid_client <b>", Failed: now.Add(-time.Hour), FailedCode: "not_connected"},
			{Name: "empty"},
		}}
	h := newHouse(t, func(a *App) { a.Health = func(context.Context) (*Health, error) { return health, nil } })
	page := h.as("platform-admin").get("/platform/health").body
	for _, want := range []string{"Calls can be recorded.", "SQLite 3.51, /data", ">3<", "17, because", "webhook", "60", "10 minutes ago", "1,234", "2 minutes ago", "not known", "open", "12 of 5,000", "4,700 of 5,000",
		"5 minutes ago", "4 minutes ago", "invalid_client &lt;b&gt;", "1 hour ago: not_connected", "not set up", "never", `<meter min="0" max="5000" value="4700" high="4500"`, "/platform/audit/proof", "/workspaces/demo/audit"} {
		if !strings.Contains(page, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	b := h.as("owner")
	b.header.Set("Accept-Language", "fr")
	health.Ready, health.SecretsOK = errors.New("the disk is full"), errors.New("no key")
	page = b.get("/platform/health").body
	for _, want := range []string{"Les appels peuvent être enregistrés."} {
		if strings.Contains(page, want) {
			t.Errorf("it says %q", want)
		}
	}
	for _, want := range []string{"the disk is full", "no key", "Disjoncteur", "jamais"} {
		if !strings.Contains(page, want) {
			t.Errorf("in French it lacks %q", want)
		}
	}
	*health = Health{}
	if got := b.get("/platform/health"); got.status != http.StatusOK {
		t.Errorf("an empty server: %d", got.status)
	}
	if got := h.as("auditor").get("/platform/health"); got.status != http.StatusNotFound {
		t.Errorf("for an auditor of a workspace: %d", got.status)
	}
}

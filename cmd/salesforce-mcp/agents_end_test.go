package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// serviceAgent is the id of the seeded agent that works.
func serviceAgent(t *testing.T, w *world) string {
	t.Helper()
	got := w.send(demoAgent, http.MethodPost, "instructions/runQuery", "application/json", strings.NewReader(`{"q":"SELECT Id FROM BotDefinition WHERE DeveloperName = '`+fakeorg.ServiceAgent+`'"}`))
	var found struct {
		Records []struct{ ID string } `json:"records"`
	}
	if err := json.Unmarshal([]byte(got.body), &found); err != nil || len(found.Records) != 1 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	return found.Records[0].ID
}

// begins starts a session as an agent of workspace a, and returns what came of it.
func (w *world) begins(agent, id string) (session, answer string) {
	w.t.Helper()
	got := w.send(agent, http.MethodPost, "instructions/agentStartSession", "application/json", strings.NewReader(fmt.Sprintf(`{"agentId":%q}`, id)))
	var begun struct{ SessionID string }
	_ = json.Unmarshal([]byte(got.body), &begun) // an error has none
	return begun.SessionID, got.body
}

// ends are the reasons with which the sessions of an org have ended, by their ids.
func ends(org *fakeorg.Org) map[string]string {
	reasons := map[string]string{}
	for _, s := range org.AgentSessions() {
		reasons[s.ID] = s.Ended
	}
	return reasons
}

// TestSessionsEnd: what nobody speaks in is ended, and what is open when the server
// stops; both is recorded, as of whom the session belongs to.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Workspaces[0].Agentforce.Idle = time.Hour })
	id := serviceAgent(t, w)
	idle, _ := w.begins(demoAgent, id)
	if err := w.app.endIdle(t.Context()); err != nil || ends(w.org.org)[idle] != "" {
		t.Fatalf("used a moment ago: %v, %v", err, ends(w.org.org))
	}
	w.app.config.Workspaces[0].Agentforce.Idle = time.Nanosecond
	if err := w.app.endIdle(t.Context()); err != nil || ends(w.org.org)[idle] != salesforce.EndExpiration {
		t.Errorf("idle: %v, %v", err, ends(w.org.org))
	}
	if got := w.send(demoAgent, http.MethodPost, "instructions/agentSendMessage", "application/json", strings.NewReader(fmt.Sprintf(`{"sessionId":%q,"text":"hi"}`, idle))); !strings.Contains(got.body, "session_ended") {
		t.Errorf("speaks in it: %s", got.body)
	}
	var open []string
	for range 12 { // more than are ended at once
		session, answer := w.begins(demoAgent, id)
		if session == "" {
			t.Fatal(answer)
		}
		open = append(open, session)
	}
	if err := w.app.endAgents(t.Context()); err != nil {
		t.Error(err)
	}
	for _, session := range open {
		if ends(w.org.org)[session] != salesforce.EndOther {
			t.Errorf("open at the end: %v", ends(w.org.org)[session])
		}
	}
	entries, err := w.app.store.List(t.Context(), audit.Query{Workspace: "a", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	intents, outcomes := 0, 0
	for _, e := range entries {
		if e.Surface != "server" {
			continue
		}
		switch {
		case e.Phase == audit.PhaseIntent && e.Agent == demoAgent && e.Instruction == "agentEndSession" && strings.Contains(string(e.Arguments), `"reason":`):
			intents++
		case e.Phase == audit.PhaseOutcome && e.Outcome == audit.OK && len(e.Exchanges) == 1 && e.Exchanges[0].Method == http.MethodDelete:
			outcomes++
		default:
			t.Errorf("%+v", e)
		}
	}
	if intents != 13 || outcomes != 13 {
		t.Errorf("%d ends are recorded, %d of them with what came of it", intents, outcomes)
	}
}

// TestStopEndsSessions: a server that stops ends its sessions, unless another goes on
// with them; the last one does.
func TestStopEndsSessions(t *testing.T) {
	b := newBalancer(t)
	w := newWorld(t, shared(t, b))
	b.servers(strings.TrimPrefix(w.origin, "http://"))
	w.origin = b.origin()
	session, answer := w.begins(demoAgent, serviceAgent(t, w))
	if session == "" {
		t.Fatal(answer)
	}
	c := *w.app.config
	other, err := build(context.Background(), &c, zerolog.New(w.log))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.close(); err != nil || ends(w.org.org)[session] != "" {
		t.Errorf("another server is there: %v, %v", err, ends(w.org.org))
	}
	w.app.agentsLeft()
	if ends(w.org.org)[session] != salesforce.EndOther {
		t.Errorf("the last server goes: %v", ends(w.org.org))
	}
}

// TestAppForAgents: where the tokens of a workspace's app are no JWTs, agents are reached
// with an app of their own, whose secret is the store's. Whose rights an agent works
// with, and how many sessions there may be, is for the workspace to say.
func TestAppForAgents(t *testing.T) {
	secret := rand.Text()
	w := newWorld(t, func(c *config.Config) {
		c.Workspaces[0].Auth = &config.Auth{Mode: auth.ModeClientCredentials, LoginURL: c.Workspaces[0].Auth.LoginURL, ClientID: c.Workspaces[0].Auth.ClientID, ClientSecret: salesforce.Secret(secret)}
	})
	a := w.app.config.Workspaces[0]
	run := fakeorg.Client{RunAs: fakeorg.IntegrationUser, RequireSecret: true}
	plain, own := run, run
	plain.Key, plain.Secret = a.Auth.ClientID, secret
	own.Key, own.Secret, own.JWTAccessTokens, own.Scopes = a.Agentforce.ClientID, "own "+secret, true, []string{"api", "chatbot_api", "sfap_api"}
	for _, client := range []fakeorg.Client{plain, own} {
		if err := w.org.org.SetClient(client); err != nil {
			t.Fatal(err)
		}
	}
	id := serviceAgent(t, w)
	if _, answer := w.begins(demoAgent, id); !strings.Contains(answer, "agentClientSecret") {
		t.Errorf("without the secret: %s", answer)
	}
	if _, err := w.app.secrets.Put(t.Context(), "a", "agentClientSecret", salesforce.Secret(own.Secret), secrets.Any); err != nil {
		t.Fatal(err)
	}
	first, answer := w.begins(demoAgent, id)
	if first == "" {
		t.Fatal(answer)
	}
	if got := w.send(demoAgent, http.MethodPost, "instructions/convertLead", "application/json", strings.NewReader(`{"leadId":"00QSm0000000001MAQ"}`)); strings.Contains(got.body, "INVALID_SESSION_ID") {
		t.Errorf("SOAP with the other app: %s", got.body)
	}
	a.Agentforce.User, a.Agentforce.OpenSessions = config.TokenUser, 2
	second, answer := w.begins(demoAgent, id)
	if second == "" {
		t.Fatal(answer)
	}
	for _, s := range w.org.org.AgentSessions() {
		if s.Bypass != (s.ID == first) {
			t.Errorf("%s: bypassUser %v", s.ID, s.Bypass)
		}
	}
	if _, answer := w.begins(demoAgent, id); !strings.Contains(answer, "2 sessions with agents are open") {
		t.Errorf("a third: %s", answer)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Agentforce.AgentClientSecretFile, a.Agentforce.OpenSessions = file, 0
	if _, answer := w.begins(demoAgent, id); !strings.Contains(answer, "invalid_client") {
		t.Errorf("with a wrong secret: %s", answer)
	}
}

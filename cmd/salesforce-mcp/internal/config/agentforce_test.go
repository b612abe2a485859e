package config_test

import (
	"strings"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// TestAgentforce: how agents are spoken with is read, what is left out has a default, and
// each problem names its field.
func TestAgentforce(t *testing.T) {
	const host = " is none of https://api.salesforce.com, https://api.gov.salesforce.com"
	for name, tt := range map[string]struct {
		agentforce string
		problem    string
		want       config.Agentforce
	}{
		"none":           {"{}", "", config.Agentforce{User: "agent", Host: "https://api.salesforce.com", Idle: 30 * time.Minute}},
		"all":            {"{clientID: own, user: token, host: 'https://api.gov.salesforce.com', idle: 5m}", "", config.Agentforce{ClientID: "own", User: "token", Host: "https://api.gov.salesforce.com", Idle: 5 * time.Minute}},
		"limits":         {"{sessionsPerHour: 5, openSessions: 2, messagesPerSession: 3}", "", config.Agentforce{User: "agent", Host: "https://api.salesforce.com", Idle: 30 * time.Minute, SessionsPerHour: 5, OpenSessions: 2, MessagesPerSession: 3}},
		"another host":   {"{host: 'https://evil.example'}", `workspaces[0].agentforce.host: "https://evil.example"` + host, config.Agentforce{}},
		"a path":         {"{host: 'https://api.salesforce.com/x'}", host, config.Agentforce{}},
		"another user":   {"{user: me}", `workspaces[0].agentforce.user: "me" is none of agent, token`, config.Agentforce{}},
		"too short":      {"{idle: 1s}", "workspaces[0].agentforce.idle: 1s must be between 1m and 24h", config.Agentforce{}},
		"less than none": {"{openSessions: -1}", "workspaces[0].agentforce.openSessions: -1 must be between", config.Agentforce{}},
		"a secret alone": {"{agentClientSecret: s}", "workspaces[0].agentforce.agentClientSecret: is that of", config.Agentforce{}},
		"nothing such":   {"{clientId: own}", "there is no field clientId here", config.Agentforce{}},
	} {
		c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1) + "    agentforce: " + tt.agentforce + "\n"}, nil)
		switch {
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%s: %v, want %s", name, err, tt.problem)
		case tt.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.problem == "":
			if got := c.Workspaces[0].AgentSettings(); got != tt.want {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

// TestAgentforceOfPeople: in mode oauth it is people who speak with agents, and by their
// own app alone; where the app has a secret it stands in one place.
func TestAgentforceOfPeople(t *testing.T) {
	people := strings.NewReplacer("clientCredentials", "oauth", " %s", "").Replace(sales)
	w := config.Workspace{Auth: &config.Auth{Mode: "oauth"}}
	if got := w.AgentSettings(); got.User != config.TokenUser || got.Limits() != (tools.SessionLimits{}) {
		t.Errorf("%+v", got)
	}
	_, err := load(t, map[string]string{"config.yaml": people + "    agentforce: {clientID: own}\n"}, nil)
	if err == nil || !strings.Contains(err.Error(), "workspaces[0].agentforce.clientID: is for the modes jwt and clientCredentials") {
		t.Error(err)
	}
	app := "    agentforce: {clientID: own, agentClientSecretFile: secret}\n"
	const env = "SALESFORCE_MCP_SALES_EMEA_AGENT_CLIENT_SECRET"
	given := map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1) + app, "secret": "from a file\n"}
	_, err = load(t, given, map[string]string{env: "twice"})
	if err == nil || !strings.Contains(err.Error(), "workspaces[0].agentforce.agentClientSecret: is given more than once") {
		t.Error(err)
	}
}

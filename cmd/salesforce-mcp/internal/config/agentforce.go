package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/auth"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// Agentforce says how the tool agentforce of a workspace speaks with the org's agents.
// The zero value of a field means its default.
type Agentforce struct {
	// ClientID is the consumer key of an app for the Agent API alone, whose tokens are
	// JWTs, while those of Auth are not; jwt and clientCredentials. The rest is as in
	// Auth, the key of jwt too. Default the app of Auth.
	ClientID string `yaml:"clientID"`
	// AgentClientSecret is the consumer secret of that app; clientCredentials. It may
	// instead stand in a file, in the environment (EnvName), or in the secret store.
	AgentClientSecret     salesforce.Secret `yaml:"agentClientSecret"`
	AgentClientSecretFile string            `yaml:"agentClientSecretFile"`
	// User is whose rights an agent works with: agent, its own user, or token, the
	// user of the token. Default token in mode oauth, where that is a person, else
	// agent.
	User string `yaml:"user"`
	// Host is that of the Agent API, https://api.salesforce.com or, for Government
	// Cloud, https://api.gov.salesforce.com. Default the first.
	Host string `yaml:"host"`
	// SessionsPerHour, OpenSessions and MessagesPerSession are what the org may be
	// asked for. Default tools.DefaultSessionLimits.
	SessionsPerHour    int64 `yaml:"sessionsPerHour"`
	OpenSessions       int64 `yaml:"openSessions"`
	MessagesPerSession int64 `yaml:"messagesPerSession"`
	// Idle is after how long without a message a session is ended. Default DefaultIdle.
	Idle time.Duration `yaml:"idle"`
}

// Whose rights an agent works with.
const (
	AgentUser = "agent"
	TokenUser = "token"
)

// DefaultIdle is the default of [Agentforce.Idle].
const DefaultIdle = 30 * time.Minute

// AgentSettings are those of the workspace for agents; its defaults where it says
// nothing.
func (w *Workspace) AgentSettings() Agentforce {
	var a Agentforce
	if w.Agentforce != nil {
		a = *w.Agentforce
	}
	user := AgentUser
	if w.Auth != nil && w.Auth.Mode == auth.ModeOAuth {
		user = TokenUser
	}
	a.User, a.Host, a.Idle = cmp.Or(a.User, user), cmp.Or(a.Host, salesforce.AgentHosts[0]), cmp.Or(a.Idle, DefaultIdle)
	return a
}

// Limits are those of its sessions. Zero ones are for package tools to fill in.
func (a Agentforce) Limits() tools.SessionLimits {
	return tools.SessionLimits{Hourly: a.SessionsPerHour, Open: a.OpenSessions, Messages: a.MessagesPerSession}
}

func (a *Agentforce) secret() Credential {
	return Credential{"agentClientSecret", &a.AgentClientSecret, &a.AgentClientSecretFile}
}

// SecretName is the name of the one secret that it may have.
func (a *Agentforce) SecretName() string { return a.secret().Name }

// HasAgentSecret reports whether the app for agents has a secret of its own.
func (w *Workspace) HasAgentSecret() bool {
	return w.Agentforce != nil && w.Agentforce.ClientID != "" && w.Auth != nil && w.Auth.Mode == auth.ModeClientCredentials
}

// validate returns every problem.
func (a *Agentforce) validate(at string, by *Auth) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
	mode := auth.ModeJWT
	if by != nil {
		mode = cmp.Or(by.Mode, mode)
	}
	own := []string{auth.ModeJWT, auth.ModeClientCredentials}
	switch {
	case by == nil:
		problems = append(problems, errors.New(strings.TrimSuffix(at, ".")+": needs auth, with whose credentials the org is called"))
	case a.ClientID != "" && !slices.Contains(own, mode):
		bad("clientID: is for the modes jwt and clientCredentials; with auth.mode %s the app of auth must issue JWT-based access tokens itself", mode)
	case a.ClientID != "" && a.ClientID == by.ClientID:
		bad("clientID: is that of auth; leave it out, or write that of another app")
	}
	if a.AgentClientSecret != "" && (a.ClientID == "" || mode != auth.ModeClientCredentials) {
		bad("agentClientSecret: is that of agentforce.clientID in mode clientCredentials, and of nothing else")
	}
	if a.User != "" && a.User != AgentUser && a.User != TokenUser {
		bad("user: %q is none of agent, token", a.User)
	}
	if a.Host != "" && !slices.Contains(salesforce.AgentHosts, a.Host) {
		bad("host: %q is none of %s", shown(a.Host), strings.Join(salesforce.AgentHosts, ", "))
	}
	for _, limit := range []struct {
		name string
		is   int64
	}{{"sessionsPerHour", a.SessionsPerHour}, {"openSessions", a.OpenSessions}, {"messagesPerSession", a.MessagesPerSession}} {
		if limit.is < 0 || limit.is > 1_000_000 {
			bad("%s: %d must be between 1 and 1000000", limit.name, limit.is)
		}
	}
	if a.Idle != 0 && (a.Idle < time.Minute || a.Idle > 24*time.Hour) {
		bad("idle: %v must be between 1m and 24h", a.Idle)
	}
	return errors.Join(problems...)
}

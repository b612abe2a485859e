package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// agentforce is what the server needs to speak with agents.
func (o *orgs) agentforce(sessions tools.Sessions) *tools.Agentforce {
	return &tools.Agentforce{
		Sessions: sessions,
		Limits:   func(workspace string) tools.SessionLimits { return o.workspace(workspace).AgentSettings().Limits() },
		AgentUser: func(caller allowlist.Caller) bool {
			return o.workspace(caller.Workspace).AgentSettings().User == config.AgentUser
		},
	}
}

// agentOrg is an org whose agents are reached as its workspace says: on a host, and
// perhaps with an app, of their own.
type agentOrg struct {
	*salesforce.Org
	orgs   *orgs
	caller allowlist.Caller
}

// Do implements [tools.Org].
func (o agentOrg) Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	if !r.Agents {
		return o.Org.Do(ctx, r)
	}
	settings := o.orgs.workspace(o.caller.Workspace).AgentSettings()
	agents := *o.Org
	if settings.Host == salesforce.AgentHosts[1] {
		agents.Client = o.orgs.government
	}
	if settings.ClientID != "" {
		credentials, err := o.orgs.agentApp(ctx, o.caller, settings)
		if err != nil {
			return nil, err
		}
		agents.Credentials = credentials
	}
	return agents.Do(ctx, r)
}

// agentApp returns the credentials of a workspace's app for agents.
func (o *orgs) agentApp(ctx context.Context, caller allowlist.Caller, a config.Agentforce) (*credentials, error) {
	explain := func(err error) error { return o.explainAgents(ctx, caller, err) }
	s, err := o.settings(ctx, caller.Workspace)
	if err != nil {
		return nil, explain(err)
	}
	s.ClientID = a.ClientID
	if o.workspace(caller.Workspace).HasAgentSecret() {
		if s.ClientSecret, err = o.agentSecret(ctx, caller.Workspace, a); err != nil {
			return nil, explain(err)
		}
		if s.ClientSecret == "" {
			return nil, &tools.Error{Code: tools.NotConnected, Message: "the app for agents has no consumer secret: " + a.SecretName() + " stands nowhere",
				Hint: "An administrator stores it: salesforce-mcp secret set " + caller.Workspace + " " + a.SecretName()}
		}
	}
	tokens, err := o.resolver.Credentials(caller.Workspace, s)
	if err != nil {
		return nil, explain(err)
	}
	return &credentials{tokens, explain}, nil
}

// explainAgents is explain of the app for agents, whose mode is no person's.
func (o *orgs) explainAgents(ctx context.Context, caller allowlist.Caller, err error) error {
	s, _ := o.settings(ctx, caller.Workspace) // its mode stands in the configuration
	return o.explain(ctx, caller, s, err)
}

// agentSecret returns the secret of the app for agents as it is now; "" is none.
func (o *orgs) agentSecret(ctx context.Context, workspace string, a config.Agentforce) (salesforce.Secret, error) {
	if a.AgentClientSecretFile != "" {
		text, err := os.ReadFile(a.AgentClientSecretFile)
		if err != nil {
			return "", &secrets.Unavailable{Why: "agentClientSecretFile: " + err.Error(), Err: err}
		}
		return salesforce.Secret(strings.TrimSpace(string(text))), nil
	}
	if a.AgentClientSecret != "" {
		return a.AgentClientSecret, nil
	}
	value, _, err := o.secrets.Get(ctx, workspace, a.SecretName())
	if errors.Is(err, secrets.ErrNone) {
		return "", nil
	}
	return value, err
}

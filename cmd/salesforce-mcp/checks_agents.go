package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// agentScopes are those that a token for the Agent API needs (Agent API Developer Guide,
// "Get Started"); full stands for api.
var agentScopes = []string{"api", "chatbot_api", "sfap_api"}

// agents looks whether the token that the Agent API would be given is one that it takes.
// No agent is spoken with.
func (l *look) agents(ctx context.Context, w *config.Workspace) (string, error) {
	settings := w.AgentSettings()
	if w.Auth.Mode == auth.ModeOAuth {
		return "", skipped("each person speaks with agents by their own token")
	}
	caller := allowlist.Caller{Workspace: w.Name}
	var of *credentials
	if settings.ClientID != "" {
		app, err := l.orgs.agentApp(ctx, caller, settings)
		if err != nil {
			return "", err
		}
		of = app
	} else {
		org, err := l.orgs.connect(ctx, caller, nil)
		if err != nil {
			return "", skipped("the org cannot be used")
		}
		of = org.Credentials.(*credentials)
	}
	token, err := of.bearer(ctx)
	if err != nil {
		return "", err
	}
	scopes, isJWT := scopesIn(token)
	if !isJWT {
		return "", errors.New("the app's tokens are no JWTs: tick Issue JSON Web Token (JWT)-based access tokens for named users in its settings or, as SOAP takes none of those, give agentforce.clientID an app of its own")
	}
	for _, scope := range agentScopes {
		if !slices.Contains(scopes, scope) && (scope != "api" || !slices.Contains(scopes, "full")) {
			return "", fmt.Errorf("the app's tokens lack the scope %s; they have %s", scope, strings.Join(scopes, ", "))
		}
	}
	whose := "their own user"
	if settings.User == config.TokenUser {
		whose = "the token's user"
	}
	return fmt.Sprintf("%s takes such tokens, by their form and scopes; agents work with the rights of %s", settings.Host, whose), nil
}

// bearer returns the access token itself.
func (c *credentials) bearer(ctx context.Context) (string, error) {
	token, err := c.Token(ctx)
	return token.AccessToken.Reveal(), err
}

// scopesIn returns the scopes that a JWT-based access token names (Salesforce Help,
// "JWT-Based Access Tokens"). It verifies nothing.
func scopesIn(token string) (scopes []string, isJWT bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims struct {
		Scopes string `json:"scp"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return nil, false
	}
	return strings.Fields(claims.Scopes), true
}

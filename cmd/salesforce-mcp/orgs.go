package main

import (
	"context"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// largestAnswer is how many bytes one answer of an org may have. A page of 2,000
// records has one or two million; a model is given some thousands.
const largestAnswer = 16 << 20

// orgs connects callers with the org of their workspace. It implements
// tools.Orgs.
type orgs struct {
	client     *salesforce.Client
	resolver   *auth.Resolver
	workspaces map[string]config.Workspace
}

func newOrgs(c *config.Config) *orgs {
	client := salesforce.New(salesforce.Options{Hosts: hosts(c), BodyLimit: largestAnswer, UserAgent: "salesforce-mcp/" + version()})
	o := &orgs{client: client, resolver: &auth.Resolver{HTTP: client.HTTP(), Hosts: hosts(c)}, workspaces: map[string]config.Workspace{}}
	for _, w := range c.Workspaces {
		o.workspaces[w.Name] = w
	}
	return o
}

// Connect makes sure of an access token for the caller's workspace.
func (o *orgs) Connect(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	w := o.workspaces[caller.Workspace]
	if w.Auth == nil {
		return nil, &tools.Error{Code: tools.NotConnected,
			Message: "Salesforce is not configured for this workspace: an administrator has to give it an auth mode and credentials"}
	}
	credentials, err := o.resolver.Credentials(w.Name, w.Auth.Settings())
	if err != nil {
		return nil, err
	}
	if _, err := credentials.Token(ctx); err != nil {
		return nil, err
	}
	return &salesforce.Org{Client: o.client, Credentials: credentials, Version: w.APIVersion, Sent: sent}, nil
}

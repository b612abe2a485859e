package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// largestAnswer is how many bytes one answer of an org may have. A page of 2,000
// records has one or two million; a model is given some thousands.
const largestAnswer = 16 << 20

// orgs connects callers with the org of their workspace. It implements
// tools.Orgs. Its fields are set before use; it is safe for concurrent use.
type orgs struct {
	client     *salesforce.Client
	government *salesforce.Client // for agents of Government Cloud
	resolver   *auth.Resolver
	workspaces atomic.Pointer[map[string]*config.Workspace]
	secrets    secrets.Store   // of administrators
	vault      *secrets.Vault  // nil where secrets are kept elsewhere
	people     *connect.People // set by whoever makes both
	log        zerolog.Logger
}

func newOrgs(c *config.Config, kept secrets.Store, vault *secrets.Vault, log zerolog.Logger) *orgs {
	options := salesforce.Options{Hosts: hosts(c), BodyLimit: largestAnswer, UserAgent: "salesforce-mcp/" + version()}
	client := salesforce.New(options)
	options.AgentHost = salesforce.AgentHosts[1]
	o := &orgs{client: client, government: salesforce.New(options), resolver: &auth.Resolver{HTTP: client.HTTP(), Hosts: hosts(c)},
		secrets: secrets.NewLastKnown(kept), vault: vault, log: log}
	o.replace(c.Workspaces)
	return o
}

// replace puts workspaces in the place of those that there are.
func (o *orgs) replace(workspaces []config.Workspace) {
	next := make(map[string]*config.Workspace, len(workspaces))
	for i := range workspaces {
		next[workspaces[i].Name] = &workspaces[i]
	}
	o.workspaces.Store(&next)
}

// workspace returns the workspace of that name. One that is gone, as it may be in
// the middle of a call, has no settings.
func (o *orgs) workspace(name string) *config.Workspace {
	if w := (*o.workspaces.Load())[name]; w != nil {
		return w
	}
	return &config.Workspace{APIVersion: salesforce.DefaultVersion}
}

// auth returns the settings of a workspace, whose zero value has no secret.
func (o *orgs) auth(workspace string) *config.Auth {
	if a := o.workspace(workspace).Auth; a != nil {
		return a
	}
	return &config.Auth{}
}

// Connect makes sure of an access token for the caller.
func (o *orgs) Connect(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	org, err := o.connect(ctx, caller, sent)
	if err != nil {
		return nil, err
	}
	return agentOrg{org, o, caller}, nil
}

func (o *orgs) connect(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (*salesforce.Org, error) {
	settings, err := o.settings(ctx, caller.Workspace)
	if err != nil {
		return nil, o.explain(ctx, caller, settings, err)
	}
	tokens, err := o.tokens(ctx, caller, settings)
	if err != nil {
		return nil, o.explain(ctx, caller, settings, err)
	}
	credentials := &credentials{tokens, func(err error) error { return o.explain(ctx, caller, settings, err) }}
	if _, err := credentials.Token(ctx); err != nil {
		return nil, err
	}
	return &salesforce.Org{Client: o.client, Credentials: credentials, Version: o.workspace(caller.Workspace).APIVersion, Sent: sent}, nil
}

// tokens returns the tokens that a caller works with: those of their person in mode
// oauth, and those of the workspace in every other one.
func (o *orgs) tokens(ctx context.Context, caller allowlist.Caller, s auth.Settings) (*auth.Cached, error) {
	if s.Mode == auth.ModeOAuth {
		return o.people.Credentials(ctx, caller, o.withProof(caller.Workspace, s))
	}
	return o.resolver.Credentials(caller.Workspace, s)
}

// credentials are tokens whose errors are for the caller: a connection may end in
// the middle of a call.
type credentials struct {
	*auth.Cached
	explain func(error) error
}

// Token implements [salesforce.Credentials].
func (c *credentials) Token(ctx context.Context) (salesforce.Token, error) {
	token, err := c.Cached.Token(ctx)
	if err != nil {
		return token, c.explain(err)
	}
	return token, nil
}

// explain is the error of a caller without a token. That the secret store is not
// available is for the operator to see, and for the caller that it may pass.
func (o *orgs) explain(ctx context.Context, caller allowlist.Caller, s auth.Settings, err error) error {
	if s.Mode == auth.ModeOAuth {
		err = o.people.Explain(ctx, caller, o.withProof(caller.Workspace, s), err)
	}
	var unavailable *secrets.Unavailable
	switch {
	case errors.As(err, &unavailable):
		o.log.Error().Err(err).Str("workspace", caller.Workspace).Msg("no token")
		return &tools.Error{Code: tools.NotConnected, Message: "Salesforce is not connected now: the server's secret store is not available",
			Hint: "Try again later; an administrator finds the cause in the server's log."}
	case ctx.Err() == nil && tools.AsError(err).Code == tools.Internal: // its text is not for the caller
		o.log.Error().Err(err).Str("workspace", caller.Workspace).Msg("no token")
		return tools.AsError(err)
	}
	return err
}

// settings returns those of a workspace as they are now. The file of a secret is
// read again, and a secret that stands nowhere else is in the secret store: what
// an administrator changes there holds from the next call on.
func (o *orgs) settings(ctx context.Context, workspace string) (auth.Settings, error) {
	w := o.workspace(workspace)
	if w.Suspended {
		return auth.Settings{}, &tools.Error{Code: tools.NotAuthorized, Message: strings.ToUpper(allowlist.SuspendedText[:1]) + allowlist.SuspendedText[1:]}
	}
	if w.Auth == nil {
		return auth.Settings{}, &tools.Error{Code: tools.NotConnected,
			Message: "Salesforce is not configured for this workspace: an administrator has to give it an auth mode and credentials"}
	}
	a := *w.Auth
	if a.TransitKey != "" {
		s := a.Settings()
		s.Signer = o.vault.Signer(a.TransitKey)
		return s, nil
	}
	secret := a.Secret()
	switch {
	case *secret.File != "":
		text, err := os.ReadFile(*secret.File)
		if err != nil {
			return auth.Settings{}, &secrets.Unavailable{Why: secret.Name + "File: " + err.Error(), Err: err}
		}
		*secret.Value = salesforce.Secret(strings.TrimSpace(string(text)))
	case *secret.Value == "":
		value, _, err := o.secrets.Get(ctx, workspace, secret.Name)
		if err != nil && !errors.Is(err, secrets.ErrNone) { // that it is missing is for package auth to say
			return auth.Settings{}, err
		}
		*secret.Value = value
	}
	return a.Settings(), nil
}

func (o *orgs) withProof(workspace string, s auth.Settings) connect.Workspace {
	return connect.Workspace{Settings: s, Proof: connect.Proof(o.auth(workspace).Proof)}
}

// People returns a workspace whose people connect.
func (o *orgs) People(ctx context.Context, workspace string) (connect.Workspace, error) {
	s, err := o.settings(ctx, workspace)
	if err != nil {
		return connect.Workspace{}, err
	}
	if s.Mode != auth.ModeOAuth {
		return connect.Workspace{}, connect.ErrNobodyConnects
	}
	return o.withProof(workspace, s), nil
}

// Status says whether a caller could work: always, where nobody connects.
func (o *orgs) Status(ctx context.Context, caller allowlist.Caller) (connect.Status, error) {
	w, err := o.People(ctx, caller.Workspace)
	if errors.Is(err, connect.ErrNobodyConnects) {
		return connect.Status{Connected: true, AuthMethod: o.auth(caller.Workspace).Mode}, nil
	}
	if err != nil {
		return connect.Status{}, err
	}
	return o.people.Status(ctx, caller, w)
}

// Test gets a token for a caller, makes one request with it, and returns the
// org's URL. The error says what to mend.
func (o *orgs) Test(ctx context.Context, caller allowlist.Caller) (instanceURL string, err error) {
	org, err := o.connect(ctx, caller, nil)
	if err != nil {
		return "", err
	}
	if _, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/"}); err != nil { // which needs no permission, as /limits does
		return "", err
	}
	token, err := org.Credentials.Token(ctx)
	return token.InstanceURL, err
}

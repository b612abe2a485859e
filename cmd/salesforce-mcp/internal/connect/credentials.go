package connect

import (
	"context"
	"errors"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/tools"
)

// Credentials returns the tokens of the caller's person, as their grant is now.
// The error is auth.ErrNotConnected when there are none, as may that of the tokens
// be later; [People.Explain] has more to say.
func (p *People) Credentials(ctx context.Context, caller allowlist.Caller, w Workspace) (*auth.Cached, error) {
	if caller.User == "" {
		return nil, &tools.Error{Code: tools.NotConnected, Message: "Salesforce is not connected for this user: this host does not say for whom the agent works",
			Hint: "An administrator gives the host's profile a source of the user."}
	}
	return p.cached(ctx, personOf(caller), w)
}

// cached returns the tokens of a person's grant, as it is now.
func (p *People) cached(ctx context.Context, who person, w Workspace) (*auth.Cached, error) {
	app, err := p.app(w)
	if err != nil {
		return nil, err
	}
	g := p.grants(who, w)
	if _, err := g.Load(ctx); err != nil && !p.recall(g, err) {
		return nil, err
	}
	p.remember(g)
	return p.Resolver.Person(who.Workspace, w.Settings, app, g.name, g.loaded(), g)
}

// remember keeps the version of a grant, not the grant.
func (p *People) remember(g *grants) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.versions == nil || len(p.versions) >= 10_000 { // they only matter while the store is away
		p.versions = map[[2]string]int64{}
	}
	p.versions[[2]string{g.workspace, g.name}] = g.loaded()
}

// recall takes the version of a grant that cannot be loaded for the one it had,
// if only the store is away: its access token is used until the org refuses it.
func (p *People) recall(g *grants, err error) bool {
	var unavailable *secrets.Unavailable
	if !errors.As(err, &unavailable) || !unavailable.Away {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	version, ok := p.versions[[2]string{g.workspace, g.name}]
	if ok {
		g.set(version)
	}
	return ok
}

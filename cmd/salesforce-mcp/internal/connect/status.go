package connect

import (
	"context"
	"errors"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/salesforce"
)

// seen is a token that Salesforce accepted a moment ago.
type seen struct {
	token salesforce.Secret
	until time.Time
}

// Status is what hosts ask for before they let an agent call.
type Status struct {
	Connected   bool       `json:"connected"`
	AuthMethod  string     `json:"authMethod,omitempty"` // of a workspace where nobody connects
	InstanceURL string     `json:"instanceUrl,omitempty"`
	Username    string     `json:"username,omitempty"` // the Salesforce user
	Scopes      []string   `json:"scopes,omitempty"`
	ConnectedAt *time.Time `json:"connectedAt,omitempty"`
	Reason      string     `json:"reason,omitempty"` // why not
}

// aliveFor is how long a token that Salesforce accepted is taken for good.
const aliveFor = time.Minute

// Status says whether a person is connected. It asks Salesforce, and gets
// another token if the one there is has ended: what it says is so. Where
// Salesforce does not answer a person stays connected.
func (p *People) Status(ctx context.Context, caller allowlist.Caller, w Workspace) (Status, error) {
	who := personOf(caller)
	grant, err := p.grants(who, w).Load(ctx)
	if errors.Is(err, auth.ErrNotConnected) {
		return Status{Reason: "never connected, or disconnected"}, nil
	}
	if err != nil {
		return Status{}, err
	}
	if !p.knownAlive(who, grant.AccessToken) {
		err = p.checkAlive(ctx, who, w)
	}
	if errors.Is(err, auth.ErrNotConnected) || refused(err) {
		return Status{Reason: err.Error()}, nil
	}
	return Status{Connected: true, InstanceURL: grant.InstanceURL, Username: grant.Username, Scopes: grant.Scopes, ConnectedAt: &grant.Connected}, nil
}

// checkAlive asks Salesforce whether a person's token is good, and gets another
// one if not. The error is auth.ErrNotConnected when there is none to be had.
func (p *People) checkAlive(ctx context.Context, who person, w Workspace) error {
	app, err := p.app(w)
	if err != nil {
		return err
	}
	cached, err := p.cached(ctx, who, w)
	if err != nil {
		return err
	}
	token, err := cached.Token(ctx)
	if err == nil {
		if err = app.Alive(ctx, token); errors.Is(err, auth.ErrEnded) {
			cached.Drop(token)
			token, err = cached.Token(ctx)
		}
	}
	if err == nil {
		p.noteAlive(who, token.AccessToken)
	}
	return err
}

func (p *People) knownAlive(who person, token salesforce.Secret) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.alive[who]
	return s.token == token && time.Now().Before(s.until)
}

func (p *People) noteAlive(who person, token salesforce.Secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive == nil || len(p.alive) >= 10_000 { // it only saves requests
		p.alive = map[person]seen{}
	}
	p.alive[who] = seen{token, time.Now().Add(aliveFor)}
}

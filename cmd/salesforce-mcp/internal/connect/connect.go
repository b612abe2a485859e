// Package connect lets people connect their own Salesforce user: OAuth for each
// person of a host, in auth mode oauth.
//
// # The dance
//
// A person who is not connected gets a link with a ticket, which stands for
// them once and for ten minutes. The browser that opens it is bound to what
// follows by a cookie. Before anything is kept the person in that browser must
// be proven to be the ticket's user (see [Proof]): otherwise whoever has a
// ticket of their own could send it to somebody else, and work as their
// Salesforce user from then on. Salesforce then asks the person, and sends the
// browser back to the one callback URL with a code, which is good for a grant.
//
// Every secret that is handed out (ticket, state, cookie) is random, is kept as
// a hash, stands for one thing, and is taken once.
//
// # What is kept
//
// A grant is kept in the secret store by workspace, host, user and app. Processes
// take turns with it ([auth.Grants]): refresh tokens may rotate.
package connect

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/tools"
)

// A Proof is how the person in a browser is proven to be the user of a ticket.
type Proof string

// The proofs.
const (
	ByLogin    Proof = "login"    // they sign in with this server's OpenID provider, which knows the host's user ids
	ByBridge   Proof = "bridge"   // the host gives a link to its own signed-in user only, and says so in its profile
	ByUsername Proof = "username" // the host's user ids are Salesforce usernames, and Salesforce says whose the grant is
	Unproven   Proof = "none"     // they are not: whoever opens the link is taken for its user
)

// Rows keep what is under way. *store.Store is one.
type Rows interface {
	Lease(ctx context.Context, name, owner string, life time.Duration) (bool, error)
	Release(ctx context.Context, name, owner string) error
	AddPending(ctx context.Context, kind, secret string, life time.Duration, content []byte) error
	Pending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error)
	TakePending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error)
}

// A Workspace is what is to be known of one whose people connect.
type Workspace struct {
	Settings auth.Settings
	Proof    Proof
}

// People connects people. Its fields are set before use; it is safe for
// concurrent use.
type People struct {
	Secrets   secrets.Store
	Rows      Rows
	Journal   *audit.Journal
	Resolver  *auth.Resolver
	Login     *Login // nil when there is no OpenID provider
	PublicURL string // origin of this server
	Log       zerolog.Logger
	// Workspace returns one whose auth mode is oauth, as it is configured now.
	Workspace func(ctx context.Context, name string) (Workspace, error)

	mu       sync.Mutex
	tickets  map[person]issued // what was given out last, so that an agent that asks on and on gets the same
	alive    map[person]seen
	versions map[[2]string]int64 // of grants, by workspace and name
}

// Format prints the type alone, since fmt would print tickets.
func (*People) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "connect.People") }

// A person is whose connection it is.
type person struct{ Workspace, Host, User string }

func personOf(c allowlist.Caller) person { return person{c.Workspace, c.Host, c.User} }

// How long a ticket, and a step from one redirect to its answer, are good for.
const ticketLife = 10 * time.Minute

// vouchedLife is how long a ticket is good for that the host vouches for: it is
// opened at once, or somebody else might.
const vouchedLife = 2 * time.Minute

// A ticket stands for a person who may connect.
type ticket struct {
	Person person
	Agent  string // which asked for it
	Proven bool   // the host vouches for who opens it
}

type issued struct {
	secret string
	until  time.Time
}

// callbackURL is where Salesforce sends browsers back to. It must be among the
// callback URLs of the app.
func (p *People) callbackURL() string { return p.PublicURL + "/oauth/callback" }

// app is the app of a workspace.
func (p *People) app(w Workspace) (*auth.App, error) {
	return auth.NewApp(w.Settings, p.callbackURL(), p.Resolver.HTTP, p.Resolver.Hosts)
}

// ErrNobodyConnects is the error for a workspace that has another auth mode than
// oauth.
var ErrNobodyConnects = &tools.Error{Code: tools.InvalidArgument, Message: "people do not connect in this workspace: its auth mode is not oauth"}

// provable reports whether a person can be proven who opens a link that no host
// vouches for, or nobody wants that.
func (p *People) provable(w Workspace) bool {
	return w.Proof == ByLogin && p.Login != nil || w.Proof == ByUsername || w.Proof == Unproven
}

// refused reports whether Salesforce refused a grant without saying that it is
// over: it is kept, and connecting again may help.
func refused(err error) bool {
	var e *auth.Error
	return errors.As(err, &e) && e.Code == "invalid_grant" && !e.Temporary()
}

// Explain turns auth.ErrNotConnected, or a grant that is refused, into an error for the caller, with a link if
// the person who opens that can be proven, and leaves all other errors as they are.
func (p *People) Explain(ctx context.Context, caller allowlist.Caller, w Workspace, err error) error {
	if !errors.Is(err, auth.ErrNotConnected) && !refused(err) {
		return err
	}
	e := &tools.Error{Code: tools.NotConnected, Message: err.Error(), Hint: "Ask the user to connect in this host's settings."}
	if !p.provable(w) {
		return e
	}
	link, failed := p.invite(ctx, caller)
	if failed != nil {
		return failed
	}
	e.ConnectURL, e.Scopes, e.Hint = link, auth.Scopes(w.Settings), "Ask the user to open this link in their browser, then repeat the call. It is for this user only, once, for ten minutes."
	return e
}

// Invite is a link with which a person connects, for somebody who has asked for it in the
// configuration app. Whoever opens it still has to be proven to be that person.
func (p *People) Invite(ctx context.Context, caller allowlist.Caller) (string, error) {
	w, err := p.Workspace(ctx, caller.Workspace)
	if err != nil {
		return "", err
	}
	if !p.provable(w) {
		return "", ErrUnprovable
	}
	return p.invite(ctx, caller)
}

// ErrUnprovable is the error for a workspace whose people connect in the settings of
// their host only.
var ErrUnprovable = errors.New("people of this workspace connect in their host's settings: with the proof bridge only the host can say who opens a link")

// invite gives a ticket for the caller's person and returns the URL to open with
// it. An agent that asks again soon gets the same one.
func (p *People) invite(ctx context.Context, caller allowlist.Caller) (string, error) {
	who := personOf(caller)
	p.mu.Lock()
	last := p.tickets[who]
	p.mu.Unlock()
	if time.Until(last.until) > ticketLife/2 {
		if _, ok, err := p.Rows.Pending(ctx, "ticket", last.secret); err == nil && ok {
			return p.link(who, "connect", last.secret), nil
		}
	}
	secret, err := p.add(ctx, "ticket", ticketLife, ticket{who, caller.Agent, false})
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tickets == nil || len(p.tickets) >= 10_000 { // it only saves rows
		p.tickets = map[person]issued{}
	}
	p.tickets[who] = issued{secret, time.Now().Add(ticketLife)}
	return p.link(who, "connect", secret), nil
}

// Links are where the signed-in user of a host that vouches for them connects or
// disconnects. One ticket is in both.
type Links struct {
	ConnectURL    string `json:"connect_url"`
	DisconnectURL string `json:"disconnect_url"`
}

// Links gives a ticket for the caller's person to a host that vouches for
// whoever opens it.
func (p *People) Links(ctx context.Context, caller allowlist.Caller) (Links, error) {
	if _, err := p.Workspace(ctx, caller.Workspace); err != nil {
		return Links{}, err
	}
	secret, err := p.add(ctx, "ticket", vouchedLife, ticket{personOf(caller), caller.Agent, true})
	if err != nil {
		return Links{}, err
	}
	return Links{p.link(personOf(caller), "connect", secret), p.link(personOf(caller), "disconnect", secret)}, nil
}

func (p *People) link(who person, page, secret string) string {
	return p.PublicURL + "/w/" + who.Workspace + "/oauth/" + page + "?ticket=" + secret
}

// take takes what a secret stands for.
func take[T any](ctx context.Context, rows Rows, kind, secret string) (content T, ok bool, err error) {
	text, ok, err := rows.TakePending(ctx, kind, secret)
	if err != nil || !ok {
		return content, false, err
	}
	return content, true, json.Unmarshal(text, &content)
}

// peek finds the ticket of a request, and leaves it.
func peek(r *http.Request, rows Rows) (t ticket, ok bool, err error) {
	text, ok, err := rows.Pending(r.Context(), "ticket", r.URL.Query().Get("ticket"))
	if err != nil || !ok {
		return t, false, err
	}
	return t, true, json.Unmarshal(text, &t)
}

// add keeps what a new secret stands for, and returns that.
func (p *People) add(ctx context.Context, kind string, life time.Duration, content any) (secret string, err error) {
	text, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	secret = rand.Text()
	return secret, p.Rows.AddPending(ctx, kind, secret, life, text)
}

// Disconnect revokes the person's grant at Salesforce and forgets it. That there
// is none is no error; nor is that Salesforce could not be told, which is logged.
func (p *People) Disconnect(ctx context.Context, caller allowlist.Caller) error {
	w, err := p.Workspace(ctx, caller.Workspace)
	if err != nil {
		return err
	}
	app, err := p.app(w)
	if err != nil {
		return err
	}
	return p.recorded(ctx, caller, "disconnect", func() error {
		g := p.grants(personOf(caller), w)
		unlock, err := g.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		grant, err := g.Load(ctx)
		if errors.Is(err, auth.ErrNotConnected) {
			return nil
		}
		if err != nil && !damaged(err) {
			return err
		}
		lost := err
		if err := g.Delete(ctx); err != nil {
			return err
		}
		if lost != nil {
			p.Log.Warn().Err(lost).Str("workspace", caller.Workspace).Msg("a connection was forgotten that could not be opened, and so not revoked at Salesforce")
			return nil
		}
		if err := app.Revoke(ctx, grant); err != nil {
			p.Log.Warn().Err(err).Str("workspace", caller.Workspace).Msg("a connection was forgotten, but Salesforce could not be told to revoke it")
		}
		return nil
	})
}

// recorded does something with a person's connection and records it in the
// audit trail: what cannot be recorded is not done.
func (p *People) recorded(ctx context.Context, caller allowlist.Caller, action string, do func() error) error {
	intent, err := p.Journal.Begin(ctx, audit.Entry{Workspace: caller.Workspace, Host: caller.Host, Agent: caller.Agent, User: caller.User,
		Surface: "oauth", Tool: "connection", Action: action, Decision: audit.DecisionAllowed})
	if err != nil {
		return err
	}
	out := audit.Outcome{Status: audit.OK}
	err = do()
	if err != nil {
		out = audit.Outcome{Status: audit.Failed, Message: err.Error()}
	}
	return errors.Join(err, intent.End(ctx, out))
}

package fakeorg

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Client is a program that is registered with the org: an External Client App or a connected app.
type Client struct {
	Key       string         // consumer key
	Name      string         // what the consent page calls it; default the key
	Secret    string         // for client credentials and the login of people; empty refuses any secret
	PublicKey *rsa.PublicKey // verifies JWT assertions and client assertions; nil refuses them
	RunAs     string         // username client credentials act as

	// RedirectURIs are where a browser may be sent back to with a code. Without any, people cannot log in for the client.
	RedirectURIs []string
	// AnyLoopbackPort lets a registered redirect URI on 127.0.0.1 or [::1] fit with every port, as RFC 8252 §7.3 asks of
	// servers. The platform compares the port too.
	AnyLoopbackPort bool
	// Scopes are those that may be asked for; default [DefaultScopes]. When a login asks for none it gets all.
	Scopes []string
	// RequireSecret refuses people's codes and refresh tokens without the secret. A secret that is sent must be right
	// anyway.
	RequireSecret bool
	// RequirePKCE refuses a login without a code challenge.
	RequirePKCE bool
	// RotateRefreshTokens gives a new refresh token with every refresh and ends the old one. Who uses an old one ends
	// the grant.
	RotateRefreshTokens bool
	// RefreshPolicy is how long refresh tokens work.
	RefreshPolicy RefreshPolicy
	// PermittedUsers says who may use the client; default [AllUsers].
	PermittedUsers PermittedUsers
	// JWTAccessTokens makes access tokens JWTs, as "Issue JSON Web Token (JWT)-based access tokens for named users" does.
	// They open the REST APIs only, and using them does not make them live longer.
	JWTAccessTokens bool
	// Blocked refuses everybody, as an administrator does under Connected Apps OAuth Usage.
	Blocked bool
	// PreApproved are the usernames an administrator has admitted, for [AdminApproved].
	PreApproved []string
}

// DefaultScopes are what a client may ask for when nothing else is said.
var DefaultScopes = []string{"api", "refresh_token", "openid", "id", "profile", "email"}

// PermittedUsers says who may use a client. The last two are called as on the platform.
type PermittedUsers string

// Who may use a client.
const (
	// AllUsers admits everybody: people after they have approved, assertions (JWT bearer) at once. The platform has no
	// such policy; it saves a test the approval.
	AllUsers PermittedUsers = ""
	// SelfAuthorize admits people after they have approved, and assertions only for people who have.
	SelfAuthorize PermittedUsers = "All users may self-authorize"
	// AdminApproved admits the users of [Client.PreApproved] without a consent page, and nobody else.
	AdminApproved PermittedUsers = "Admin approved users are pre-authorized"
)

// RefreshPolicy is how long the refresh tokens of a client work. The zero value is until they are revoked.
type RefreshPolicy struct {
	Immediately bool          // they never work
	Unused      time.Duration // so long after the login or the last refresh; 0 for ever
	After       time.Duration // so long after the login, used or not; 0 for ever
}

// holds reports whether the refresh token of a grant still works at a time.
func (p RefreshPolicy) holds(g *grant, now time.Time) bool {
	return (p.Unused == 0 || now.Before(g.used.Add(p.Unused))) && (p.After == 0 || now.Before(g.issued.Add(p.After)))
}

// check refuses settings that the platform would not save either.
func (c *Client) check() error {
	if c.Key == "" {
		return errors.New("a client needs a key")
	}
	for _, uri := range c.RedirectURIs {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme == "" || u.Fragment != "" || u.Host == "" && strings.HasPrefix(u.Scheme, "http") ||
			slices.Contains([]string{"javascript", "data", "vbscript"}, u.Scheme) {
			return fmt.Errorf("client %q: the redirect URI %q is no absolute URI without a fragment", c.Key, uri)
		}
	}
	return nil
}

// registry are the clients by their keys.
type registry struct {
	clientsMu sync.RWMutex
	clients   map[string]*Client
}

// SetClient registers a client, or changes the one with the same key, as an administrator does. Grants stay as they
// are. When it is blocked its access tokens end, as on the platform.
func (o *Org) SetClient(c Client) error {
	if err := c.check(); err != nil {
		return err
	}
	o.clientsMu.Lock()
	if o.clients == nil {
		o.clients = map[string]*Client{}
	}
	o.clients[c.Key] = &c
	o.clientsMu.Unlock()
	if c.Blocked {
		o.endSessions(func(s *session) bool { return s.client == c.Key })
	}
	return nil
}

// client is the client with a key, or nil. It is not to be changed.
func (o *Org) client(key string) *Client {
	o.clientsMu.RLock()
	defer o.clientsMu.RUnlock()
	return o.clients[key]
}

// name is what people are told.
func (c *Client) name() string {
	if c.Name == "" {
		return c.Key
	}
	return c.Name
}

// mayRedirectTo reports whether a redirect URI is registered, to the letter.
func (c *Client) mayRedirectTo(uri string) bool {
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		return uri == registered || c.AnyLoopbackPort && samePortAside(uri, registered)
	})
}

// samePortAside reports whether two URIs on a loopback address are equal but for their ports.
func samePortAside(uri, registered string) bool {
	given, err := url.Parse(uri)
	if err != nil || given.Scheme != "http" {
		return false
	}
	known, err := url.Parse(registered)
	if err != nil || given.Hostname() != known.Hostname() {
		return false
	}
	address, err := netip.ParseAddr(given.Hostname())
	rest, isPrefix := strings.CutPrefix(uri, "http://"+given.Host)
	return err == nil && address.IsLoopback() && isPrefix && "http://"+known.Host+rest == registered
}

// admits refuses a user whom an administrator keeps out.
func (c *Client) admits(u *user) error {
	if c.Blocked {
		return oauthError("invalid_app_access", "this app is blocked by admin") // the text of the login page; a guess here
	}
	if c.PermittedUsers == AdminApproved && !slices.Contains(c.PreApproved, u.username) {
		return oauthError("invalid_app_access", "user is not admin approved to access this app")
	}
	return nil
}

// scopes are those that may be asked for.
func (c *Client) scopes() []string {
	if c.Scopes == nil {
		return DefaultScopes
	}
	return c.Scopes
}

// sessionScopes are those of a login without a person. Without a list of its own such a client gets api alone.
func (c *Client) sessionScopes() []string {
	if c.Scopes == nil {
		return []string{"api"}
	}
	return slices.DeleteFunc(slices.Clone(c.Scopes), isOffline)
}

// mayAsk reports whether a scope is among the client's. The two names of offline access are one scope of the platform,
// and full holds all others but that.
func (c *Client) mayAsk(scope string) bool {
	if isOffline(scope) {
		return slices.ContainsFunc(c.scopes(), isOffline)
	}
	return slices.Contains(c.scopes(), scope) || slices.Contains(c.scopes(), "full")
}

// isOffline tells the scope that earns a refresh token.
func isOffline(scope string) bool { return scope == "refresh_token" || scope == "offline_access" }

package fakeorg

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"
)

// grant is what a person has let a client do. It lives from the login until it is revoked.
type grant struct {
	user    *user
	client  string // consumer key
	scopes  []string
	issued  time.Time
	used    time.Time // the login or the last refresh
	refresh string    // the one refresh token that works; empty without the scope for it
}

// code is an authorization code: what a person has allowed, until the client fetches it.
type code struct {
	user        *user
	client      string // consumer key
	scopes      []string
	redirectURI string
	challenge   string // S256; empty without PKCE
	nonce       string
	issued      time.Time
	spent       bool
	grant       *grant // what it gave, when it was spent well
}

const (
	codeLife     = 15 * time.Minute // on the platform too
	codeMemory   = 24 * time.Hour   // how long a code is known to have been one
	grantsAtOnce = 5                // of a user for a client, as Salesforce Help says of approvals
)

// given is what a token request has earned.
type given struct {
	access, refresh string // refresh is empty when there is no new one
	grant           *grant
	nonce           string
}

var (
	codeInvalid    = oauthError("invalid_grant", "invalid authorization code")
	codeExpired    = oauthError("invalid_grant", "expired authorization code") // said of a used one too (omniphx/forrest #169)
	verifierWrong  = oauthError("invalid_grant", "invalid code verifier")
	refreshExpired = oauthError("invalid_grant", "expired access/refresh token")
	redirectWrong  = oauthError("redirect_uri_mismatch", "redirect_uri must match configuration")
)

// issueCode gives a code for what a person has allowed. Codes of the platform end in "==", so that clients have to
// decode them from the callback's query and to encode them again.
func (o *Org) issueCode(c *code) string {
	secret, _ := base64.RawURLEncoding.DecodeString(secretText(43))
	text := "aPrx" + base64.URLEncoding.EncodeToString(secret)
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	c.issued = o.options.Clock()
	if o.byCode == nil {
		o.byCode = map[string]*code{}
	}
	maps.DeleteFunc(o.byCode, func(_ string, old *code) bool { return !c.issued.Before(old.issued.Add(codeMemory)) })
	o.byCode[text] = c
	return text
}

// exchange spends the code of a request. It can be tried once only: a wrong redirect URI or verifier spends it too, and
// who tries it again revokes what it gave (RFC 6749 §4.1.2). That a failed try spends it was not found in a source.
func (c *call) exchange(client *Client) (given, error) {
	o := c.org
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	code, now := o.byCode[c.PostFormValue("code")], o.options.Clock()
	switch {
	case code == nil || code.client != client.Key:
		return given{}, codeInvalid
	case code.spent:
		if code.grant != nil {
			o.revokeGrant(code.grant)
		}
		return given{}, codeExpired
	case !now.Before(code.issued.Add(codeLife)):
		return given{}, codeExpired
	}
	code.spent = true
	switch {
	case c.PostFormValue("redirect_uri") != code.redirectURI:
		return given{}, redirectWrong
	case !proves(c.PostFormValue("code_verifier"), code.challenge):
		return given{}, verifierWrong
	}
	code.grant = &grant{user: code.user, client: client.Key, scopes: code.scopes, issued: now, used: now}
	access, err := o.begin(code.grant.session(c.tokenIssuer(client)))
	if err != nil {
		return given{}, err
	}
	g := given{grant: code.grant, nonce: code.nonce, access: access}
	if slices.ContainsFunc(code.scopes, isOffline) {
		g.refresh = o.keep(code.grant, client)
	}
	return g, nil
}

// proves reports whether a verifier belongs to a challenge (RFC 7636 §4.6). One without the other fails as well, says
// Salesforce Help. The platform refuses a verifier with a tilde although the RFC allows it (cognizant-ai-lab/nsflow
// #249), and takes those of jsforce, which are longer than the RFC's 128 characters.
func proves(verifier, challenge string) bool {
	if verifier == "" || challenge == "" {
		return verifier == challenge
	}
	sum := sha256.Sum256([]byte(verifier))
	fits := subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
	return fits && len(verifier) >= 43 && !strings.Contains(verifier, "~")
}

// keep gives a grant its first refresh token and puts it with the user's others for the client. The oldest goes when
// there are too many, and nobody is told. Help counts refresh tokens: a login without one is no approval.
func (o *Org) keep(g *grant, client *Client) string {
	if client.RefreshPolicy.Immediately {
		return refreshText()
	}
	o.grants = append(o.grants, g)
	own := slices.DeleteFunc(slices.Clone(o.grants), func(other *grant) bool {
		return other.user.id != g.user.id || other.client != g.client
	})
	if len(own) > grantsAtOnce {
		o.revokeGrant(own[0])
	}
	return o.renew(g)
}

// renew gives a grant the refresh token that works from now on.
func (o *Org) renew(g *grant) string {
	if o.byRefresh == nil {
		o.byRefresh = map[string]*grant{}
	}
	g.refresh = refreshText()
	o.byRefresh[g.refresh] = g
	return g.refresh
}

// refreshText looks like a refresh token of the platform.
func refreshText() string { return "5Aep861" + secretText(60) }

// renewAccess gives a new access token for the refresh token of a request, and a new one of those when the client rotates
// them. A token that rotation has replaced ends the grant with all its tokens (Salesforce Help 005316711).
func (c *call) renewAccess(client *Client) (given, error) {
	o, text := c.org, c.PostFormValue("refresh_token")
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	g, now := o.byRefresh[text], o.options.Clock()
	switch {
	case g == nil || g.client != client.Key:
		return given{}, refreshExpired
	case text != g.refresh:
		o.revokeGrant(g)
		return given{}, refreshExpired
	case !client.RefreshPolicy.holds(g, now):
		o.forgetGrant(g)
		return given{}, refreshExpired
	}
	access, err := o.begin(g.session(c.tokenIssuer(client)))
	if err != nil {
		return given{}, err
	}
	g.used = now
	answer := given{grant: g, access: access}
	if client.RotateRefreshTokens {
		answer.refresh = o.renew(g)
	}
	return answer, nil
}

// session is a new session of a grant.
func (g *grant) session(issuer string) *session {
	return &session{user: g.user, client: g.client, scopes: g.scopes, grant: g, issuer: issuer}
}

// revokeGrant ends a grant: its refresh tokens and its access tokens. The caller holds tokensMu.
func (o *Org) revokeGrant(g *grant) {
	o.forgetGrant(g)
	maps.DeleteFunc(o.byToken, func(_ string, s *session) bool { return s.grant == g })
}

// forgetGrant ends the refresh tokens of a grant. The caller holds tokensMu.
func (o *Org) forgetGrant(g *grant) {
	maps.DeleteFunc(o.byRefresh, func(_ string, other *grant) bool { return other == g })
	o.grants = slices.DeleteFunc(o.grants, func(other *grant) bool { return other == g })
}

// holder is the user a code or a refresh token is for, or nil.
func (o *Org) holder(text string) *user {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	if g := o.byRefresh[text]; g != nil {
		return g.user
	}
	if c := o.byCode[text]; c != nil {
		return c.user
	}
	return nil
}

// approved reports whether a user has a grant for a client that holds all these scopes. That approval is remembered as
// long as a refresh token lives was not found in a source.
func (o *Org) approved(u *user, client *Client, scopes []string) bool {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	return slices.ContainsFunc(o.grants, func(g *grant) bool {
		return g.user.id == u.id && g.client == client.Key && client.RefreshPolicy.holds(g, o.options.Clock()) &&
			!slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(g.scopes, s) })
	})
}

// revokeToken ends an access token, or a refresh token with all access tokens that came from its grant. It reports
// whether the token was alive.
func (o *Org) revokeToken(text string) bool {
	if o.useSession(text, false) != nil {
		o.tokensMu.Lock()
		defer o.tokensMu.Unlock()
		delete(o.byToken, text)
		return true
	}
	g := o.refreshGrant(text)
	if g == nil {
		return false
	}
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	o.revokeGrant(g)
	return true
}

// refreshGrant is the grant of a refresh token that works, or nil.
func (o *Org) refreshGrant(text string) *grant {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	g := o.byRefresh[text]
	if g == nil || g.refresh != text {
		return nil
	}
	if client := o.client(g.client); client == nil || !client.RefreshPolicy.holds(g, o.options.Clock()) {
		return nil
	}
	return g
}

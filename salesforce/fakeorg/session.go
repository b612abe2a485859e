package fakeorg

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// tokens are what has been given out and still means something.
type tokens struct {
	tokensMu  sync.Mutex
	byToken   map[string]*session // access tokens
	byRefresh map[string]*grant   // refresh tokens of grants, those that rotation has replaced too
	byCode    map[string]*code    // authorization codes, spent ones too
	grants    []*grant            // those with a refresh token, the oldest first
}

// session is what an access token stands for.
type session struct {
	user    *user
	client  string // consumer key; empty for a token of MintToken
	scopes  []string
	grant   *grant // what it came from; nil when no person has logged in for it
	issuer  string // of a JWT; empty when the token is opaque
	issued  time.Time
	expires time.Time
}

// user is who a token stands for.
type user struct{ id, username string }

// MintToken gives an access token for a user without asking for credentials. An unknown username gives a token that
// no request is accepted with.
func (o *Org) MintToken(username string) string {
	o.turn.RLock()
	defer o.turn.RUnlock()
	u, err := o.findUser(context.Background(), o.db, username)
	if err != nil {
		return o.tokenText()
	}
	text, err := o.openSession(&session{user: u, scopes: []string{"api"}})
	if err != nil {
		return o.tokenText() // which does not happen to an opaque one
	}
	return text
}

// openSession gives an access token that begins to live now.
func (o *Org) openSession(s *session) (string, error) {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	return o.begin(s)
}

// begin is openSession for who holds tokensMu.
func (o *Org) begin(s *session) (string, error) {
	if o.byToken == nil {
		o.byToken = map[string]*session{}
	}
	s.issued = o.options.Clock()
	s.expires = s.issued.Add(o.options.TokenLife)
	text := o.tokenText()
	if s.issuer != "" {
		var err error
		if text, err = o.accessJWT(s); err != nil {
			return "", err
		}
	}
	o.byToken[text] = s
	return text, nil
}

// tokenText looks like an opaque access token: the 15 characters of the org's id, "!" and a secret part.
func (o *Org) tokenText() string { return organizationID[:15] + "!AQ" + secretText(60) }

// secretText is so many random bytes, in the alphabet of URLs.
func secretText(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // never fails
	return base64.RawURLEncoding.EncodeToString(secret)
}

// bearer is the token of a request, or empty.
func bearer(r *http.Request) string {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return ""
	}
	return text
}

// useSession returns the session of a token, or nil when there is none or it has expired. Using an opaque token makes it
// live longer, as on the platform; a JWT says itself when it ends.
func (o *Org) useSession(text string, prolong bool) *session {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	s, now := o.byToken[text], o.options.Clock()
	if s == nil || !now.Before(s.expires) {
		delete(o.byToken, text)
		return nil
	}
	if prolong && s.issuer == "" {
		s.expires = now.Add(o.options.TokenLife)
	}
	return s
}

// endSessions makes access tokens useless. Refresh tokens stay.
func (o *Org) endSessions(which func(*session) bool) {
	o.tokensMu.Lock()
	defer o.tokensMu.Unlock()
	maps.DeleteFunc(o.byToken, func(_ string, s *session) bool { return which(s) })
}

// mayCallAPI reports whether the scopes of a session open the REST API.
func (s *session) mayCallAPI() bool {
	return slices.Contains(s.scopes, "api") || slices.Contains(s.scopes, "full")
}

// sessionInvalid is the answer to a token that is unknown, has expired or was revoked.
func sessionInvalid() *fault {
	return refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
}

// stillActive refuses the session of a user who has been deactivated since, and ends it. Of others it finds out what they
// see.
func (c *call) stillActive() error {
	if c.user == nil {
		return nil
	}
	var active bool
	var profile string
	err := c.db.QueryRowContext(c.Context(), `SELECT IsActive, coalesce(ProfileId, '') FROM User WHERE Id = ? AND NOT IsDeleted`, c.user.id).Scan(&active, &profile)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if !active {
		c.org.endSessions(func(s *session) bool { return s.user.id == c.user.id })
		return sessionInvalid()
	}
	return c.look(profile)
}

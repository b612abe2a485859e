package fakeorg

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// sessions are the tokens that have been given out.
type sessions struct {
	sessionsMu sync.Mutex
	byToken    map[string]*session
}

type session struct {
	user    *user
	client  string // consumer key; empty for a token of MintToken
	issued  time.Time
	expires time.Time
}

// user is who a token stands for.
type user struct{ id, username string }

// assertionLife is how far in the future an assertion may expire; sources say three to five minutes.
const assertionLife = 5 * time.Minute

func oauthRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/services/oauth2/token", open: true, reads: true, handle: token},
		{method: http.MethodPost, path: "/services/oauth2/revoke", open: true, reads: true, handle: revoke},
		{method: http.MethodPost, path: "/services/oauth2/introspect", open: true, reads: true, handle: introspect},
		{method: http.MethodGet, path: "/services/oauth2/userinfo", handle: userinfo},
		{method: http.MethodPost, path: "/services/oauth2/userinfo", reads: true, handle: userinfo},
		{method: http.MethodGet, path: "/id/{organization}/{user}", handle: identity},
	}
}

// MintToken gives an access token for a user without asking for credentials. An unknown username gives a token that
// no request is accepted with.
func (o *Org) MintToken(username string) string {
	o.turn.RLock()
	defer o.turn.RUnlock()
	u, err := o.findUser(context.Background(), o.db, username)
	if err != nil {
		return o.tokenText()
	}
	return o.openSession(u, "")
}

func (o *Org) openSession(u *user, client string) string {
	text := o.tokenText()
	o.sessionsMu.Lock()
	defer o.sessionsMu.Unlock()
	if o.byToken == nil {
		o.byToken = map[string]*session{}
	}
	now := o.options.Clock()
	o.byToken[text] = &session{user: u, client: client, issued: now, expires: now.Add(o.options.TokenLife)}
	return text
}

// tokenText looks like an opaque access token: the 15 characters of the org's id, "!" and a secret part.
func (o *Org) tokenText() string {
	secret := make([]byte, 60)
	_, _ = rand.Read(secret) // never fails
	return organizationID[:15] + "!AQ" + base64.RawURLEncoding.EncodeToString(secret)
}

// authenticate finds the user of a request's token. Using a token makes it live longer, as on the platform.
func (o *Org) authenticate(r *http.Request) (*user, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		text = ""
	}
	s := o.useSession(text, true)
	if s == nil {
		return nil, refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	}
	return s.user, nil
}

// useSession returns the session of a token, or nil when there is none or it has expired.
func (o *Org) useSession(text string, prolong bool) *session {
	o.sessionsMu.Lock()
	defer o.sessionsMu.Unlock()
	s, now := o.byToken[text], o.options.Clock()
	if s == nil || !now.Before(s.expires) {
		delete(o.byToken, text)
		return nil
	}
	if prolong {
		s.expires = now.Add(o.options.TokenLife)
	}
	return s
}

// expireSessions makes every token useless.
func (o *Org) expireSessions() {
	o.sessionsMu.Lock()
	defer o.sessionsMu.Unlock()
	o.byToken = nil
}

// findUser returns the active user with that name.
func (o *Org) findUser(ctx context.Context, db querier, username string) (*user, error) {
	u := &user{}
	err := db.QueryRowContext(ctx, `SELECT Id, Username FROM User WHERE Username = ? AND IsActive AND NOT IsDeleted`, username).Scan(&u.id, &u.username)
	return u, err
}

// oauthError is an error of the token endpoint, which has its own form.
func oauthError(code, description string) *fault {
	return &fault{status: http.StatusBadRequest, body: object{{"error", code}, {"error_description", description}}}
}

// token is POST /services/oauth2/token.
func token(c *call) (*answer, error) {
	switch grant := c.PostFormValue("grant_type"); grant {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return c.jwtBearer()
	case "client_credentials":
		return c.clientCredentials()
	default:
		return nil, oauthError("unsupported_grant_type", "grant type not supported")
	}
}

// clientCredentials gives a token for the user the client runs as.
func (c *call) clientCredentials() (*answer, error) {
	client := c.client()
	if client == nil || client.RunAs == "" {
		return nil, oauthError("invalid_client", "invalid client credentials")
	}
	u, err := c.org.findUser(c.Context(), c.db, client.RunAs)
	if err != nil {
		return nil, oauthError("invalid_grant", "no client credentials user enabled")
	}
	granted := c.tokenAnswer(u, client)
	issued := strconv.FormatInt(c.org.options.Clock().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(client.Secret))
	mac.Write([]byte(c.identityURL(u) + issued))
	return ok(append(granted, member{"issued_at", issued}, member{"signature", base64.StdEncoding.EncodeToString(mac.Sum(nil))}))
}

// client returns the client whose key and secret the request carries, in the form or as basic authentication.
func (c *call) client() *Client {
	key, secret, basic := c.BasicAuth()
	if !basic {
		key, secret = c.PostFormValue("client_id"), c.PostFormValue("client_secret")
	}
	client := c.org.client(key)
	if client == nil || client.Secret == "" || !hmac.Equal([]byte(client.Secret), []byte(secret)) {
		return nil
	}
	return client
}

func (o *Org) client(key string) *Client {
	i := slices.IndexFunc(o.options.Clients, func(c Client) bool { return c.Key == key })
	if i < 0 {
		return nil
	}
	return &o.options.Clients[i]
}

// jwtBearer gives a token for the user an assertion names.
func (c *call) jwtBearer() (*answer, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(
		c.PostFormValue("assertion"), claims, func(*jwt.Token) (any, error) {
			client := c.issuer(claims)
			if client == nil || client.PublicKey == nil {
				return nil, errors.New("the issuer is no client with a certificate")
			}
			return client.PublicKey, nil
		})
	client := c.issuer(claims)
	switch {
	case client == nil && claims["iss"] != nil:
		return nil, oauthError("invalid_client_id", "client identifier invalid")
	case err != nil:
		return nil, oauthError("invalid_grant", "invalid assertion")
	case !c.audienceFits(claims):
		return nil, oauthError("invalid_grant", "Audience validation failed")
	case !c.expiryFits(claims):
		return nil, oauthError("invalid_grant", "expired authorization code")
	}
	subject, _ := claims.GetSubject()
	u, err := c.org.findUser(c.Context(), c.db, subject)
	if err != nil {
		return nil, oauthError("invalid_grant", "user hasn't approved this consumer")
	}
	return ok(c.tokenAnswer(u, client))
}

// issuer is the client that says it has made an assertion.
func (c *call) issuer(claims jwt.MapClaims) *Client {
	key, err := claims.GetIssuer()
	if err != nil {
		return nil
	}
	return c.org.client(key)
}

// audienceFits accepts the login hosts and the org's own address.
func (c *call) audienceFits(claims jwt.MapClaims) bool {
	audience, err := claims.GetAudience()
	return err == nil && slices.ContainsFunc(audience, func(a string) bool {
		a = strings.TrimSuffix(a, "/")
		return a == "https://login.salesforce.com" || a == "https://test.salesforce.com" || a == c.base() || a == c.base()+"/services/oauth2/token"
	})
}

// expiryFits wants an expiry in the future, but not far. The official command line sends milliseconds, and the
// platform lets it: a number as large as that is not looked at.
func (c *call) expiryFits(claims jwt.MapClaims) bool {
	expiry, err := strconv.ParseFloat(fmt.Sprint(claims["exp"]), 64) // some clients send a string
	switch {
	case err != nil:
		return false
	case expiry > 1e11:
		return true
	}
	left := time.Unix(int64(expiry), 0).Sub(c.org.options.Clock())
	return left > 0 && left <= assertionLife+30*time.Second
}

func (c *call) tokenAnswer(u *user, client *Client) object {
	return object{{"access_token", c.org.openSession(u, client.Key)}, {"scope", "api"}, {"instance_url", c.base()},
		{"id", c.identityURL(u)}, {"token_type", "Bearer"}}
}

// base is the address clients are told.
func (c *call) base() string {
	if c.org.options.BaseURL != "" {
		return strings.TrimSuffix(c.org.options.BaseURL, "/")
	}
	if c.TLS != nil {
		return "https://" + c.Host
	}
	return "http://" + c.Host
}

func (c *call) identityURL(u *user) string { return c.base() + "/id/" + organizationID + "/" + u.id }

// revoke is POST /services/oauth2/revoke.
func revoke(c *call) (*answer, error) {
	text := c.FormValue("token")
	if c.org.useSession(text, false) == nil {
		return nil, oauthError("unsupported_token_type", "this token type is not supported")
	}
	c.org.sessionsMu.Lock()
	defer c.org.sessionsMu.Unlock()
	delete(c.org.byToken, text)
	return &answer{status: http.StatusOK}, nil
}

// introspect is POST /services/oauth2/introspect.
func introspect(c *call) (*answer, error) {
	if c.client() == nil {
		return nil, oauthError("invalid_client", "invalid client credentials")
	}
	s := c.org.useSession(c.PostFormValue("token"), false)
	if s == nil {
		return ok(object{{"active", false}})
	}
	return ok(object{{"active", true}, {"scope", "api"}, {"client_id", s.client}, {"username", s.user.username},
		{"sub", c.identityURL(s.user)}, {"token_type", "access_token"}, {"exp", s.expires.Unix()}, {"iat", s.issued.Unix()}, {"nbf", s.issued.Unix()}})
}

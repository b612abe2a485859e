package fakeorg

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func oauthRoutes() []route {
	return []route{
		{method: http.MethodGet, path: authorizePath, open: true, handle: authorize},
		{method: http.MethodPost, path: authorizePath, open: true, reads: true, handle: authorize},
		{method: http.MethodGet, path: "/services/oauth2/token", open: true, handle: mustPost},
		{method: http.MethodPost, path: "/services/oauth2/token", open: true, reads: true, handle: token},
		{method: http.MethodGet, path: "/services/oauth2/revoke", open: true, handle: revoke},
		{method: http.MethodPost, path: "/services/oauth2/revoke", open: true, reads: true, handle: revoke},
		{method: http.MethodPost, path: "/services/oauth2/introspect", open: true, reads: true, handle: introspect},
		{method: http.MethodGet, path: "/services/oauth2/userinfo", open: true, handle: userinfo},
		{method: http.MethodPost, path: "/services/oauth2/userinfo", open: true, reads: true, handle: userinfo},
		{method: http.MethodGet, path: "/id/keys", open: true, handle: keys},
		{method: http.MethodGet, path: "/id/{organization}/{user}", open: true, handle: identity},
		{method: http.MethodGet, path: "/.well-known/openid-configuration", open: true, handle: discovery},
	}
}

// mustPost is GET on the token endpoint.
func mustPost(*call) (*answer, error) {
	return nil, oauthError("invalid_request", "must use HTTP POST")
}

// errInactive is the error about a user who may not log in any more.
var errInactive = oauthError("invalid_grant", "inactive user") // restforce/restforce #303

// findUser returns the active user with that name.
func (o *Org) findUser(ctx context.Context, db querier, username string) (*user, error) {
	u, active := &user{}, false
	err := db.QueryRowContext(ctx, `SELECT Id, Username, IsActive FROM User WHERE Username = ? AND NOT IsDeleted`, username).Scan(&u.id, &u.username, &active)
	if err == nil && !active {
		err = errInactive
	}
	return u, err
}

// oauthError is an error of the token endpoint, which has its own form.
func oauthError(code, description string) *fault {
	return &fault{status: http.StatusBadRequest, code: code, message: description,
		body: object{{"error", code}, {"error_description", description}}}
}

var secretWrong = oauthError("invalid_client", "invalid client credentials")

// token is POST /services/oauth2/token. Its answers, good or bad, are not for caches.
func token(c *call) (*answer, error) {
	a, err := c.grantToken()
	if err != nil {
		a = failure(err)
	}
	a.header = http.Header{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
	return a, nil
}

func (c *call) grantToken() (*answer, error) {
	switch c.PostFormValue("grant_type") {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return c.jwtBearer()
	case "client_credentials":
		return c.clientCredentials()
	case "authorization_code":
		return c.authorizationCode()
	case "refresh_token":
		return c.refreshToken()
	default:
		return nil, oauthError("unsupported_grant_type", "grant type not supported")
	}
}

// authorizationCode gives tokens for what a person has allowed.
func (c *call) authorizationCode() (*answer, error) {
	return c.personal("code", c.exchange)
}

// refreshToken gives a new access token for a refresh token.
func (c *call) refreshToken() (*answer, error) {
	return c.personal("refresh_token", c.renewAccess)
}

// personal gives tokens for the code or refresh token in a field of the form.
func (c *call) personal(field string, earn func(*Client) (given, error)) (*answer, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	if err := c.mayHold(client, c.org.holder(c.PostFormValue(field))); err != nil {
		return nil, err
	}
	g, err := earn(client)
	if err != nil {
		return nil, err
	}
	return c.give(g, client)
}

// mayHold refuses tokens for a user who has been deactivated or is not admitted to the client.
func (c *call) mayHold(client *Client, u *user) error {
	if u == nil {
		return nil // which the exchange refuses
	}
	if _, err := c.org.findUser(c.Context(), c.db, u.username); err != nil {
		return errInactive
	}
	return client.admits(u)
}

// give is the answer with the tokens of a person's login.
func (c *call) give(g given, client *Client) (*answer, error) {
	a := object{{"access_token", g.access}}
	if g.refresh != "" {
		a = append(a, member{"refresh_token", g.refresh})
	}
	issued, signature := c.signed(g.grant.user, client)
	a = append(a, signature, member{"scope", strings.Join(g.grant.scopes, " ")})
	if slices.Contains(g.grant.scopes, "openid") {
		text, err := c.idToken(g)
		if err != nil {
			return nil, err
		}
		a = append(a, member{"id_token", text})
	}
	a = append(a, member{"instance_url", c.base()}, member{"id", c.identityURL(g.grant.user)}, member{"token_type", "Bearer"}, issued)
	return ok(append(a, c.format(client)...))
}

// signed are the members that prove to a client with a secret that nobody has changed the identity URL on the way.
func (c *call) signed(u *user, client *Client) (issued, signature member) {
	at := strconv.FormatInt(c.org.options.Clock().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(client.Secret))
	mac.Write([]byte(c.identityURL(u) + at))
	return member{"issued_at", at}, member{"signature", base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// clientCredentials gives a token for the user the client runs as.
func (c *call) clientCredentials() (*answer, error) {
	if c.isLoginHost() {
		return nil, oauthError("invalid_grant", "request not supported on this domain") // pozil/pub-sub-api-node-client #58
	}
	client, err := c.secretClient()
	if err != nil {
		return nil, err
	}
	u, err := c.org.findUser(c.Context(), c.db, client.RunAs)
	if err != nil {
		return nil, oauthError("invalid_grant", "no client credentials user enabled")
	}
	issued, signature := c.signed(u, client)
	answer, err := c.tokenAnswer(u, client)
	if err != nil {
		return nil, err
	}
	return ok(append(answer, issued, signature))
}

// isLoginHost tells the hosts where any org's people log in, which cannot know which org a program means.
func (c *call) isLoginHost() bool {
	host := strings.ToLower(c.Host)
	return strings.HasPrefix(host, "login.") || strings.HasPrefix(host, "test.")
}

// client returns the client of a token request. It may do without a secret unless it says otherwise, but not with a
// wrong one.
func (c *call) client() (*Client, error) {
	if c.PostFormValue("client_assertion") != "" {
		return c.assertedClient()
	}
	key, secret := c.credentials()
	client := c.org.client(key)
	switch {
	case client == nil:
		return nil, unknownClient
	case secret == "" && !client.RequireSecret:
		return client, nil
	case client.Secret == "" || !hmac.Equal([]byte(client.Secret), []byte(secret)):
		return nil, secretWrong
	}
	return client, nil
}

// secretClient returns the client of a request that nobody may send without its secret or its key.
func (c *call) secretClient() (*Client, error) {
	client, err := c.client()
	if _, secret := c.credentials(); err == nil && secret == "" && c.PostFormValue("client_assertion") == "" {
		return nil, secretWrong
	}
	return client, err
}

// credentials are key and secret of a request, in the form or as basic authentication, where they are encoded once more
// (RFC 6749 §2.3.1).
func (c *call) credentials() (key, secret string) {
	key, secret, basic := c.BasicAuth()
	if !basic {
		return c.PostFormValue("client_id"), c.PostFormValue("client_secret")
	}
	decodedKey, err := url.QueryUnescape(key)
	decodedSecret, err2 := url.QueryUnescape(secret)
	if errors.Join(err, err2) != nil {
		return key, secret
	}
	return decodedKey, decodedSecret
}

var unknownClient = oauthError("invalid_client_id", "client identifier invalid")

// tokenAnswer is the answer to a client without a person.
func (c *call) tokenAnswer(u *user, client *Client) (object, error) {
	scopes := client.sessionScopes()
	text, err := c.org.openSession(&session{user: u, client: client.Key, scopes: scopes, issuer: c.tokenIssuer(client)})
	if err != nil {
		return nil, err
	}
	return append(object{{"access_token", text}, {"scope", strings.Join(scopes, " ")}, {"instance_url", c.base()},
		{"id", c.identityURL(u)}, {"token_type", "Bearer"}}, c.format(client)...), nil
}

// tokenIssuer is who issues the client's access tokens when they are JWTs, and empty when they are not.
func (c *call) tokenIssuer(client *Client) string {
	if client.JWTAccessTokens {
		return c.base()
	}
	return ""
}

// format are the members of an answer with a JWT (forcedotcom/agents, NamedUserJwtResponse).
func (c *call) format(client *Client) object {
	if !client.JWTAccessTokens {
		return nil
	}
	return object{{"token_format", "jwt"}, {"api_instance_url", c.base()}}
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

// revoke is GET and POST /services/oauth2/revoke. Who has a token may revoke it.
func revoke(c *call) (*answer, error) {
	if !c.org.revokeToken(c.FormValue("token")) {
		return nil, oauthError("unsupported_token_type", "this token type is not supported")
	}
	return &answer{status: http.StatusOK}, nil
}

// introspect is POST /services/oauth2/introspect. A client learns of its own tokens, and of those of MintToken.
func introspect(c *call) (*answer, error) {
	client, err := c.secretClient()
	if err != nil {
		return nil, err
	}
	text := c.PostFormValue("token")
	if g := c.org.refreshGrant(text); g != nil && g.client == client.Key {
		return ok(object{{"active", true}, {"scope", strings.Join(g.scopes, " ")}, {"client_id", client.Key}, {"username", g.user.username},
			{"sub", c.identityURL(g.user)}, {"token_type", "refresh_token"}, {"iat", g.issued.Unix()}, {"nbf", g.issued.Unix()}})
	}
	s := c.org.useSession(text, false)
	if s == nil || s.client != "" && s.client != client.Key {
		return ok(object{{"active", false}})
	}
	if _, err := c.org.findUser(c.Context(), c.db, s.user.username); err != nil {
		return ok(object{{"active", false}})
	}
	return ok(object{{"active", true}, {"scope", strings.Join(s.scopes, " ")}, {"client_id", s.client}, {"username", s.user.username},
		{"sub", c.identityURL(s.user)}, {"token_type", "access_token"}, {"exp", s.expires.Unix()}, {"iat", s.issued.Unix()}, {"nbf", s.issued.Unix()}})
}

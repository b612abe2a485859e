package fakeorg

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// identityProvider signs identity tokens. Its key is made when it is first needed, for that takes long.
type identityProvider struct {
	keyOnce sync.Once
	key     *rsa.PrivateKey
	keyErr  error
}

// signingKey is the org's key and its name.
func (p *identityProvider) signingKey() (*rsa.PrivateKey, string, error) {
	p.keyOnce.Do(func() { p.key, p.keyErr = rsa.GenerateKey(rand.Reader, 2048) })
	if p.keyErr != nil {
		return nil, "", p.keyErr
	}
	sum := sha256.Sum256(p.key.N.Bytes())
	return p.key, fmt.Sprintf("%x", sum[:4]), nil
}

// identityTokenLife is how long an identity token may be believed; two minutes on the platform, says a forum.
const identityTokenLife = 2 * time.Minute

// idToken is the identity token of OpenID Connect for what was given.
func (c *call) idToken(g given) (string, error) {
	key, id, err := c.org.signingKey()
	if err != nil {
		return "", err
	}
	now, half := c.org.options.Clock(), sha256.Sum256([]byte(g.access))
	claims := jwt.MapClaims{"iss": c.base(), "sub": c.identityURL(g.grant.user), "aud": g.grant.client, "iat": now.Unix(),
		"exp": now.Add(identityTokenLife).Unix(), "at_hash": base64.RawURLEncoding.EncodeToString(half[:16])}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = id
	return t.SignedString(key)
}

// accessJWT is an access token that says what it is for, in the form of Salesforce Help, "JWT-Based Access Tokens", and
// of the fixture in SalesforceMobileSDK. The org itself looks it up like any other.
func (o *Org) accessJWT(s *session) (string, error) {
	key, id, err := o.signingKey()
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"scp": strings.Join(s.scopes, " "), "aud": []string{s.issuer}, "iss": s.issuer,
		"sub": "uid:" + s.user.id, "client_id": s.client, "mty": "oauth", "sfi": secretText(32), "roles": []string{}, "hsc": false,
		"iat": s.issued.Unix(), "nbf": s.issued.Add(-15 * time.Second).Unix(), "exp": s.expires.Unix()})
	t.Header["kid"], t.Header["tty"], t.Header["ver"] = id, "sfdc-core-token", "1.0"
	t.Header["tnk"] = "core/simulated/" + organizationID
	return t.SignedString(key)
}

// keys is GET /id/keys: what verifies identity tokens (RFC 7517).
func keys(c *call) (*answer, error) {
	key, id, err := c.org.signingKey()
	if err != nil {
		return nil, err
	}
	text := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	return ok(object{{"keys", []object{{{"kty", "RSA"}, {"use", "sig"}, {"alg", "RS256"}, {"kid", id},
		{"n", text(key.N.Bytes())}, {"e", text(big.NewInt(int64(key.E)).Bytes())}}}}})
}

// discovery is GET /.well-known/openid-configuration, with the members of the platform's answer that this org serves.
func discovery(c *call) (*answer, error) {
	at := c.base() + "/services/oauth2/"
	return ok(object{{"issuer", c.base()}, {"authorization_endpoint", at + "authorize"}, {"token_endpoint", at + "token"},
		{"revocation_endpoint", at + "revoke"}, {"userinfo_endpoint", at + "userinfo"}, {"introspection_endpoint", at + "introspect"},
		{"jwks_uri", c.base() + "/id/keys"},
		{"scopes_supported", []string{"api", "chatbot_api", "email", "full", "id", "offline_access", "openid", "profile", "refresh_token", "sfap_api", "web"}},
		{"response_types_supported", []string{"code"}}, {"response_modes_supported", []string{"query"}},
		{"grant_types_supported", []string{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"}},
		{"subject_types_supported", []string{"public"}}, {"id_token_signing_alg_values_supported", []string{"RS256"}},
		{"code_challenge_methods_supported", []string{"S256"}}, {"display_values_supported", []string{"page"}},
		{"token_endpoint_auth_methods_supported", []string{"client_secret_post", "client_secret_basic", "private_key_jwt"}},
		{"token_endpoint_auth_signing_alg_values_supported", []string{"RS256"}},
		{"claims_supported", []string{"active", "email", "email_verified", "family_name", "given_name", "locale", "name", "nickname", "organization_id",
			"preferred_username", "sub", "user_id", "zoneinfo"}}})
}

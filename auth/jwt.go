package auth

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2/clientcredentials"

	"salesforce-mcp/salesforce"
)

// jwtSource logs in with an assertion signed by a private key (OAuth 2.0 JWT
// bearer flow, RFC 7523). No user takes part and no secret is sent.
type jwtSource struct {
	endpoint                     *endpoint
	clientID, username, audience string
	signer                       Signer
}

// assertionLife is how long an assertion is good for. The platform's limit is
// three minutes by the most cautious source; two leave a minute for clocks
// that differ.
const assertionLife = 2 * time.Minute

func newJWT(s Settings, e *endpoint) (Source, error) {
	if err := missing(
		setting{"client id", s.ClientID, "the app's consumer key"},
		setting{"username", s.Username, "the Salesforce username to act as"},
		setting{"private key", s.PrivateKey.Reveal() + s.keyID(), "the RSA key in PEM whose certificate is uploaded to the app"},
	); err != nil {
		return nil, err
	}
	signer := s.Signer
	if signer == nil {
		key, err := parseKey(s.PrivateKey)
		if err != nil {
			return nil, err
		}
		signer = localKey{key}
	}
	audience := s.Audience
	if audience == "" {
		audience = audienceOf(e.login)
	}
	return &jwtSource{endpoint: e, clientID: s.ClientID, username: s.Username, audience: audience, signer: signer}, nil
}

// Token signs an assertion and exchanges it for an access token.
func (s *jwtSource) Token(ctx context.Context) (salesforce.Token, error) {
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": s.clientID,
		"sub": s.username,
		"aud": s.audience,
		"exp": time.Now().Add(assertionLife).Unix(),
	}).SigningString()
	if err != nil {
		return salesforce.Token{}, err
	}
	signature, err := s.signer.Sign(ctx, []byte(assertion))
	if err != nil {
		return salesforce.Token{}, err
	}
	assertion += "." + base64.RawURLEncoding.EncodeToString(signature)
	token, err := s.endpoint.exchange(ctx, clientcredentials.Config{EndpointParams: url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {assertion},
	}})
	if err != nil {
		return salesforce.Token{}, attempt{step: ModeJWT, login: s.endpoint.login.String(), secrets: []string{assertion}}.explain(err)
	}
	return token, nil
}

// Format prints the type alone, since fmt would print the key with %s.
func (*jwtSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.jwtSource") }

// localKey is a key in this process.
type localKey struct{ key *rsa.PrivateKey }

func (k localKey) Sign(_ context.Context, text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, settingsError("the private key cannot sign: use an RSA key of 2048 bits or more")
	}
	return signature, nil
}

// KeyID is empty: the key itself is among the settings.
func (localKey) KeyID() string { return "" }

// Format prints the type alone, since fmt would print the key with %s.
func (localKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.localKey") }

// parseKey reads a PEM key (PKCS #1 or #8). Line ends may be written as \n,
// as environment variables often have them.
func parseKey(secret salesforce.Secret) (*rsa.PrivateKey, error) {
	text := strings.ReplaceAll(secret.Reveal(), `\n`, "\n")
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(text))
	switch {
	case err == nil:
		return key, nil
	case strings.Contains(text, "ENCRYPTED"):
		return nil, settingsError("the private key is encrypted: give it without passphrase")
	case strings.Contains(text, "BEGIN CERTIFICATE"):
		return nil, settingsError("the private key is a certificate: " +
			"give the key it was made with, and upload the certificate to the connected app")
	case strings.Contains(text, "PUBLIC KEY"):
		return nil, settingsError("the private key is a public key: give the private one")
	}
	return nil, settingsError("the private key cannot be read: " +
		"it must be an RSA key in PEM, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----")
}

// testHost matches the My Domain hosts of sandboxes (with their older forms)
// and scratch orgs, whose logins belong to test.salesforce.com.
var testHost = regexp.MustCompile(`^(test|cs[0-9]+)\.salesforce\.com$|--|\.(sandbox|scratch|cs[0-9]+)\.my\.`)

// audienceOf returns the audience the platform expects for a login host: its
// production or its test login host. A simulated org is its own audience.
func audienceOf(login *url.URL) string {
	switch {
	case isLoopback(login.Hostname()):
		return login.String()
	case testHost.MatchString(login.Hostname()):
		return "https://test.salesforce.com"
	}
	return "https://login.salesforce.com"
}

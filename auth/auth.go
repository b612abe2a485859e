// Package auth gets access tokens for connected orgs.
//
// Each way to get one is a [Source] in a file of its own; [New] shows them
// all. [Cached] shares one token among the callers of a connection, and
// [Resolver] keeps one Cached for every connection of the process. Sources
// are pure: they ask for a token each time, and know no cache.
//
// An [Error] is written for the person who set the connection up: it says
// which setting to mend. No secret, assertion or token is ever part of one,
// nor of anything this package prints.
package auth

import (
	"context"
	"net/http"

	"salesforce-mcp/salesforce"
)

// The modes of [Settings].
const (
	ModeJWT               = "jwt"
	ModeClientCredentials = "clientCredentials"
	ModeOAuth             = "oauth" // each person connects their own user: [App]
	ModeAccessToken       = "accessToken"
)

// Source gets access tokens for one connected org. Each call is a login.
// Implementations are safe for concurrent use; their errors are [*Error], or
// those of a [Signer] or [Grants].
type Source interface {
	Token(ctx context.Context) (salesforce.Token, error)
}

// A Signer signs with an RSA key that it does not show: RS256 (RFC 7518, section
// 3.3) over a text. It is safe for concurrent use.
type Signer interface {
	// Sign returns the signature. The error says what to mend and holds no
	// secret.
	Sign(ctx context.Context, text []byte) (signature []byte, err error)
	// KeyID tells this key, in this version, from every other one.
	KeyID() string
}

// Settings say how to log in to one org. Which fields are needed depends on
// the mode.
type Settings struct {
	// Mode is jwt (the default when empty), clientCredentials, oauth or
	// accessToken.
	Mode string
	// LoginURL is where tokens come from: the org's My Domain such as
	// https://acme.my.salesforce.com, or for jwt also
	// https://login.salesforce.com (production, the default when empty) and
	// https://test.salesforce.com (sandboxes). An address copied from the
	// browser (acme.lightning.force.com/…) is understood.
	LoginURL string
	// ClientID is the app's consumer key.
	ClientID string
	// ClientSecret is the app's consumer secret; clientCredentials, and oauth
	// unless the app does not require it.
	ClientSecret salesforce.Secret
	// PrivateKey is the RSA key in PEM whose certificate was uploaded to the
	// app; jwt only.
	PrivateKey salesforce.Secret
	// Signer signs instead of a PrivateKey; jwt only.
	Signer Signer
	// Username is the Salesforce username to act as; jwt only.
	Username string
	// Audience replaces the audience derived from the login host; jwt only.
	Audience string
	// Scopes are what people are asked to grant, separated by blanks; oauth
	// only. Empty means api refresh_token.
	Scopes string
	// InstanceURL is the org that AccessToken is for; accessToken only.
	InstanceURL string
	AccessToken salesforce.Secret
}

// New returns the source that settings ask for. It does not reach out; a
// setting that is missing or wrong is an [*Error] that names it. Tokens are
// requested with client, never following redirects, and tokens for a host
// that hosts does not allow are refused.
func New(s Settings, client *http.Client, hosts salesforce.Hosts) (Source, error) {
	if s == (Settings{}) {
		return nil, settingsError("Salesforce is not configured for this workspace: " +
			"set the client id, the username and the private key (mode jwt), or choose another mode")
	}
	login := s.LoginURL
	if s.Mode == ModeAccessToken {
		login = s.InstanceURL
	}
	endpoint, err := newEndpoint(login, client, hosts)
	if err != nil {
		return nil, err
	}
	switch s.Mode {
	case ModeJWT, "":
		return newJWT(s, endpoint)
	case ModeClientCredentials:
		return newClientCredentials(s, endpoint)
	case ModeAccessToken:
		return newAccessToken(s, endpoint)
	case ModeOAuth:
		return nil, settingsError("the mode %s has no tokens but those of people who connect", ModeOAuth)
	}
	return nil, settingsError("the mode %q is not one of %s, %s, %s, %s", s.Mode, ModeJWT, ModeClientCredentials, ModeOAuth, ModeAccessToken)
}

func (s Settings) keyID() string {
	if s.Signer == nil {
		return ""
	}
	return s.Signer.KeyID()
}

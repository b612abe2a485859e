package auth

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/oauth2/clientcredentials"

	"salesforce-mcp/salesforce"
)

// clientCredentialsSource logs in as the user that the app runs as (OAuth 2.0
// client credentials flow, RFC 6749 §4.4).
type clientCredentialsSource struct {
	endpoint     *endpoint
	clientID     string
	clientSecret salesforce.Secret
}

func newClientCredentials(s Settings, e *endpoint) (Source, error) {
	if host := e.login.Hostname(); host == "login.salesforce.com" || host == "test.salesforce.com" {
		return nil, settingsError("the login URL must be the org's My Domain, such as https://acme.my.salesforce.com: "+
			"Salesforce does not offer client credentials at %s, which cannot tell which org is meant", host)
	}
	if err := missing(
		setting{"client id", s.ClientID, "the app's consumer key"},
		setting{"client secret", s.ClientSecret.Reveal(), "the app's consumer secret"},
	); err != nil {
		return nil, err
	}
	return &clientCredentialsSource{endpoint: e, clientID: s.ClientID, clientSecret: s.ClientSecret}, nil
}

// Token exchanges id and secret for an access token.
func (s *clientCredentialsSource) Token(ctx context.Context) (salesforce.Token, error) {
	token, err := s.endpoint.exchange(ctx, clientcredentials.Config{
		ClientID: s.clientID, ClientSecret: s.clientSecret.Reveal(),
	})
	if err != nil {
		return salesforce.Token{}, attempt{step: ModeClientCredentials, login: s.endpoint.login.String(), secrets: []string{s.clientSecret.Reveal()}}.explain(err)
	}
	return token, nil
}

// Format prints the type alone, since fmt would print the secret.
func (*clientCredentialsSource) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "auth.clientCredentialsSource")
}

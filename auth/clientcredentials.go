package auth

import (
	"context"

	"golang.org/x/oauth2/clientcredentials"

	"salesforce-mcp/salesforce"
)

// clientCredentialsSource logs in as the user that the app runs as (OAuth 2.0
// client credentials flow, RFC 6749 §4.4).
type clientCredentialsSource struct {
	endpoint *endpoint
	config   *clientcredentials.Config // a pointer, so that fmt prints an address
}

func newClientCredentials(s Settings, e *endpoint) (Source, error) {
	switch host := e.login.Hostname(); {
	case host == "login.salesforce.com" || host == "test.salesforce.com":
		return nil, settingsError("the login URL must be the org's My Domain, such as https://acme.my.salesforce.com: "+
			"Salesforce does not offer client credentials at %s, which cannot tell which org is meant", host)
	case s.ClientID == "":
		return nil, settingsError("the client id is missing: set it to the connected app's consumer key")
	case s.ClientSecret == "":
		return nil, settingsError("the client secret is missing: set it to the connected app's consumer secret")
	}
	config := &clientcredentials.Config{ClientID: s.ClientID, ClientSecret: s.ClientSecret.Reveal()}
	return &clientCredentialsSource{endpoint: e, config: config}, nil
}

// Token exchanges id and secret for an access token.
func (s *clientCredentialsSource) Token(ctx context.Context) (salesforce.Token, error) {
	token, err := s.endpoint.exchange(ctx, clientcredentials.Config{
		ClientID: s.config.ClientID, ClientSecret: s.config.ClientSecret,
	})
	if err != nil {
		return salesforce.Token{}, explain(err, ModeClientCredentials, s.config.ClientSecret)
	}
	return token, nil
}

package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce"
)

// An App is the External Client App or Connected App through which people let
// agents work as their own Salesforce user: OAuth 2.0 authorization code with
// PKCE (RFC 6749, section 4.1; RFC 7636). It is safe for concurrent use; errors
// of its methods are [*Error].
type App struct {
	endpoint *endpoint
	config   oauth2.Config
}

// defaultScopes are what a connection needs: the API, and a refresh token.
var defaultScopes = []string{"api", "refresh_token"}

// Scopes are what people are asked to grant.
func Scopes(s Settings) []string {
	if scopes := strings.Fields(s.Scopes); len(scopes) > 0 {
		return scopes
	}
	return slices.Clone(defaultScopes)
}

// NewApp returns the app of settings in mode oauth. People come back to
// redirectURL, which must be written among the app's callback URLs exactly so.
func NewApp(s Settings, redirectURL string, client *http.Client, hosts salesforce.Hosts) (*App, error) {
	e, err := newEndpoint(s.LoginURL, client, hosts)
	if err != nil {
		return nil, err
	}
	if err := missing(setting{"client id", s.ClientID, "the app's consumer key"}); err != nil {
		return nil, err
	}
	scopes := Scopes(s)
	return &App{endpoint: e, config: oauth2.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret.Reveal(), RedirectURL: redirectURL, Scopes: scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL:   e.login.String() + "/services/oauth2/authorize",
			TokenURL:  e.login.String() + "/services/oauth2/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}}, nil
}

// A Grant is what a person has granted: the tokens of their Salesforce user, and
// who that is.
type Grant struct {
	AccessToken  salesforce.Secret
	RefreshToken salesforce.Secret // empty when the app gave none
	InstanceURL  string
	Scopes       []string
	Username     string // the Salesforce user, for people to see
	UserID       string // 005…
	Connected    time.Time
}

// AuthorizeURL is where the person's browser goes to say yes. State comes back
// with the answer; verifier is that of [App.Exchange].
func (a *App) AuthorizeURL(state, verifier string) string {
	return a.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Issued reports whether the issuer that an answer names (RFC 9207) is the login
// host that was asked. No source says that Salesforce names one; if it comes to
// do so, the shared login hosts may name the person's My Domain, as they do in
// ID tokens of some orgs.
func (a *App) Issued(issuer string) bool {
	if issuer == a.endpoint.login.String() {
		return true
	}
	named, err := a.endpoint.hosts.Check(issuer)
	return err == nil && named.String() == issuer && isShared(a.endpoint.login.Hostname()) && !isShared(named.Hostname())
}

// isShared reports whether people of any org log in at a host.
func isShared(host string) bool {
	return host == "login.salesforce.com" || host == "test.salesforce.com"
}

// Exchange makes a grant of the code that the person's browser has brought.
func (a *App) Exchange(ctx context.Context, code, verifier string) (Grant, error) {
	answer, err := a.config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, a.endpoint.client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Grant{}, a.attempt(stepExchange, code, verifier).explain(err)
	}
	token, err := a.endpoint.accept(answer)
	if err != nil {
		return Grant{}, err
	}
	g := Grant{AccessToken: token.AccessToken, RefreshToken: salesforce.Secret(answer.RefreshToken), InstanceURL: token.InstanceURL,
		Scopes: scopesOf(answer, a.config.Scopes), Connected: time.Now().UTC().Truncate(time.Second)}
	return a.named(ctx, g)
}

// refresh gets another access token for a grant. Where the app rotates refresh
// tokens the grant it returns has the new one, and the old one is dead.
func (a *App) refresh(ctx context.Context, g Grant) (Grant, error) {
	if g.RefreshToken == "" {
		return Grant{}, &Error{Code: "invalid_grant", ends: true, Message: "the connection has ended, and the app gave no refresh token: " +
			"add the scope Perform requests at any time (refresh_token, offline_access) to it, then connect again"}
	}
	answer, err := a.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, a.endpoint.client), &oauth2.Token{RefreshToken: g.RefreshToken.Reveal()}).Token()
	if err != nil {
		return Grant{}, a.attempt(stepRefresh, g.RefreshToken.Reveal()).explain(err)
	}
	token, err := a.endpoint.accept(answer)
	if err != nil {
		return Grant{}, err
	}
	g.AccessToken, g.InstanceURL, g.RefreshToken = token.AccessToken, token.InstanceURL, salesforce.Secret(answer.RefreshToken)
	return g, nil
}

// Revoke ends a grant at Salesforce: the refresh token with all access tokens it
// gave. A token that Salesforce does not know is no error.
func (a *App) Revoke(ctx context.Context, g Grant) error {
	token := g.RefreshToken
	if token == "" {
		token = g.AccessToken
	}
	form := url.Values{"token": {token.Reveal()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint.login.String()+"/services/oauth2/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.endpoint.client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= 500 {
		return &Error{Code: codeUnreachable, temporary: true, Message: fmt.Sprintf("the login host could not revoke the tokens (status %d); try again later", resp.StatusCode)}
	}
	return nil // 200, or 400 for a token that is gone already
}

// named asks who the user of a grant is.
func (a *App) named(ctx context.Context, g Grant) (Grant, error) {
	who, err := a.userinfo(ctx, g.token())
	if err != nil {
		return Grant{}, &Error{Code: codeAnswer, Message: "Salesforce does not say whom the new token stands for (" + err.Error() + "): add the scope api to the app, or openid"}
	}
	g.Username, g.UserID = printable(who.Username, 200, nil), printable(who.UserID, 30, nil)
	return g, nil
}

// userinfo is who a token stands for.
type userinfo struct {
	Username string `json:"preferred_username"`
	UserID   string `json:"user_id"`
}

// userinfo asks whom a token stands for. The error is ErrEnded when Salesforce
// does not accept the token.
func (a *App) userinfo(ctx context.Context, token salesforce.Token) (who userinfo, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, token.InstanceURL+"/services/oauth2/userinfo", nil)
	if err != nil {
		return who, err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	resp, err := a.endpoint.client.Do(req)
	if err != nil {
		return who, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return who, ErrEnded
	case err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(text, &who) != nil || who.Username == "":
		return who, &Error{Code: codeUnreachable, temporary: true, Message: fmt.Sprintf("no usable answer, status %d", resp.StatusCode)}
	}
	return who, nil
}

// scopesOf are what was granted, which may be less than was asked for.
func scopesOf(answer *oauth2.Token, asked []string) []string {
	if granted, ok := answer.Extra("scope").(string); ok && granted != "" {
		return strings.Fields(granted)
	}
	return asked
}

// Seal writes a grant, with its tokens, as it is kept.
func (g Grant) Seal() salesforce.Secret {
	text, err := json.Marshal(sealedGrant{g.AccessToken.Reveal(), g.RefreshToken.Reveal(), g.InstanceURL, g.Scopes, g.Username, g.UserID, g.Connected})
	if err != nil {
		panic(err) // strings and a time always encode
	}
	return salesforce.Secret(text)
}

// OpenGrant reads what [Grant.Seal] wrote.
func OpenGrant(text salesforce.Secret) (Grant, error) {
	var s sealedGrant
	if err := json.Unmarshal([]byte(text.Reveal()), &s); err != nil {
		return Grant{}, errors.New("the connection cannot be read: it was kept by another version")
	}
	return Grant{salesforce.Secret(s.Access), salesforce.Secret(s.Refresh), s.InstanceURL, s.Scopes, s.Username, s.UserID, s.Connected}, nil
}

// sealedGrant is a Grant with what it hides.
type sealedGrant struct {
	Access, Refresh, InstanceURL string
	Scopes                       []string
	Username, UserID             string
	Connected                    time.Time
}

// Format prints the type alone, since fmt would print the client secret.
func (App) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.App") }

// ErrEnded is the error for a token that Salesforce does not accept any more.
var ErrEnded = errors.New("the access token has ended")

// Alive asks Salesforce whether it accepts a token. The error is ErrEnded when it
// does not, and an [*Error] when it does not say.
func (a *App) Alive(ctx context.Context, token salesforce.Token) error {
	_, err := a.userinfo(ctx, token)
	return err
}

// Refusal is the error with which Salesforce sent a browser back, told to the
// person in front of it.
func Refusal(code, description string) *Error {
	return attempt{step: stepBrowser}.refusal(code, description)
}

// attempt is a step with the app, which sends these secrets besides its own.
func (a *App) attempt(step string, secrets ...string) attempt {
	return attempt{step: step, login: a.endpoint.login.String(), callback: a.config.RedirectURL, secrets: append(secrets, a.config.ClientSecret)}
}

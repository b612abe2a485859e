package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce"
)

// Login is an OpenID provider with which people prove who they are (OpenID
// Connect Core 1.0, section 3.1; PKCE). Its fields are set before use; it is safe
// for concurrent use.
type Login struct {
	Issuer       string
	ClientID     string
	ClientSecret salesforce.Secret
	Claim        string // of the ID token that is the host's user id; "sub" by default
	Scopes       []string
	HTTP         *http.Client

	mu       sync.Mutex
	provider *oidc.Provider // found at the first use
}

// discover reads the provider's configuration, until that has succeeded once.
func (l *Login) discover(ctx context.Context) (*oidc.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provider == nil {
		provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), l.HTTP), l.Issuer)
		if err != nil {
			return nil, fmt.Errorf("the OpenID provider %s cannot be used: %w", l.Issuer, err)
		}
		l.provider = provider
	}
	return l.provider, nil
}

func (l *Login) config(provider *oidc.Provider, callback string) oauth2.Config {
	scopes := append([]string{oidc.ScopeOpenID}, l.Scopes...)
	return oauth2.Config{ClientID: l.ClientID, ClientSecret: l.ClientSecret.Reveal(), Endpoint: provider.Endpoint(), RedirectURL: callback, Scopes: scopes}
}

// URL is where a browser goes to sign in. The options say more, such as that the person
// is to be asked again.
func (l *Login) URL(ctx context.Context, callback, state, nonce, verifier string, options ...oauth2.AuthCodeOption) (string, error) {
	provider, err := l.discover(ctx)
	if err != nil {
		return "", err
	}
	config := l.config(provider, callback)
	return config.AuthCodeURL(state, append(options, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))...), nil
}

// Claims are those of the person that came back with a code: of the ID token, which is
// checked, and what the provider's userinfo endpoint adds to them, where there is one:
// many providers tell the e-mail address and groups there only (OpenID Connect Core 1.0,
// section 5.4).
func (l *Login) Claims(ctx context.Context, callback, code, nonce, verifier string) (map[string]any, error) {
	claims, tokens, err := l.idToken(ctx, callback, code, nonce, verifier)
	if err != nil {
		return nil, err
	}
	provider, err := l.discover(ctx)
	if err != nil || provider.UserInfoEndpoint() == "" {
		return claims, err
	}
	info, err := provider.UserInfo(oidc.ClientContext(ctx, l.HTTP), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("the OpenID provider does not say who this is: %w", err)
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return nil, fmt.Errorf("the OpenID provider's userinfo cannot be read: %w", err)
	}
	if info.Subject == "" || claims["sub"] != info.Subject {
		return nil, fmt.Errorf("the OpenID provider's userinfo is of another person")
	}
	for name, value := range more {
		if _, said := claims[name]; !said {
			claims[name] = value
		}
	}
	return claims, nil
}

// idToken exchanges a code, and returns the claims of the ID token.
func (l *Login) idToken(ctx context.Context, callback, code, nonce, verifier string) (map[string]any, *oauth2.Token, error) {
	provider, err := l.discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx = oidc.ClientContext(ctx, l.HTTP)
	config := l.config(provider, callback)
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, nil, fmt.Errorf("the OpenID provider refused the code: %w", withoutBody(err, l.ClientSecret.Reveal(), code, verifier))
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, nil, fmt.Errorf("the OpenID provider gave no ID token")
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: l.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("the ID token is not good: %w", err)
	}
	if token.Nonce != nonce {
		return nil, nil, fmt.Errorf("the ID token is of another login")
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return nil, nil, fmt.Errorf("the ID token cannot be read: %w", err)
	}
	return claims, tokens, nil
}

// user is the host's user id of the person that came back with a code.
func (l *Login) user(ctx context.Context, callback, code, nonce, verifier string) (string, error) {
	claims, _, err := l.idToken(ctx, callback, code, nonce, verifier)
	if err != nil {
		return "", err
	}
	claim := l.Claim
	if claim == "" {
		claim = "sub"
	}
	user, ok := claims[claim].(string)
	if !ok || user == "" {
		return "", fmt.Errorf("the ID token has no claim %s that is a text", claim)
	}
	if verified, said := claims["email_verified"]; claim == "email" && said && verified != true {
		return "", fmt.Errorf("the OpenID provider has not verified the email address")
	}
	return user, nil
}

// withoutBody is an error of an exchange without the answer's body, which may
// hold tokens, and without what was sent, which it may quote.
func withoutBody(err error, sent ...string) error {
	refused, ok := err.(*oauth2.RetrieveError) //nolint:errorlint // it is not wrapped
	if !ok {
		return err
	}
	said := refused.ErrorCode + " " + refused.ErrorDescription
	for _, secret := range sent {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if form != "" {
				said = strings.ReplaceAll(said, form, "•••")
			}
		}
	}
	return errors.New(strings.ToValidUTF8(said[:min(len(said), 300)], ""))
}

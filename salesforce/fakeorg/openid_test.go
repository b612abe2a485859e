package fakeorg_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestOpenID lets a library for OpenID Connect discover the org, and verify and use what it gives.
func TestOpenID(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time, Clients: []fakeorg.Client{personal()}})
	provider, err := oidc.NewProvider(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: "app", ClientSecret: "s3", Endpoint: provider.Endpoint(), RedirectURL: callback, Scopes: []string{"openid", "api", "offline_access"}}
	b := s.browser()
	p := b.read(b.http.Get(config.AuthCodeURL("st", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n-1"))))
	p = b.submit(b.logIn(p, fakeorg.ServiceUser), "decision", "allow")
	token, err := config.Exchange(t.Context(), p.query(t).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := token.Extra("id_token").(string)
	verify := provider.Verifier(&oidc.Config{ClientID: "app", Now: c.time})
	id, err := verify.Verify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "n-1" || id.Subject != token.Extra("id") || id.VerifyAccessToken(token.AccessToken) != nil {
		t.Errorf("identity token %+v", id)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != id.Subject || info.Email != fakeorg.ServiceUser {
		t.Errorf("%+v %v", info, err)
	}
	renewed, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || renewed.AccessToken == token.AccessToken || renewed.RefreshToken != token.RefreshToken {
		t.Errorf("%+v %v", renewed, err)
	}

	head, rest, _ := strings.Cut(text, ".")
	if _, err := verify.Verify(t.Context(), head+".e30"+rest[strings.Index(rest, "."):]); err == nil {
		t.Error("a changed identity token is accepted")
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "other", Now: c.time}).Verify(t.Context(), text); err == nil {
		t.Error("an identity token for another client is accepted")
	}
	c.move(3 * time.Minute)
	if _, err := verify.Verify(t.Context(), text); err == nil {
		t.Error("an identity token is believed for ever")
	}
}

// TestJWTAccessTokens: an app may get tokens that say themselves what they are for.
func TestJWTAccessTokens(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time, TokenLife: time.Hour, Clients: []fakeorg.Client{
		personal(func(c *fakeorg.Client) { c.JWTAccessTokens, c.RunAs = true, fakeorg.IntegrationUser })}})
	given, r := s.exchange(s.browser().allow(fakeorg.ServiceUser, "scope", "api refresh_token"))
	r.wants(t, 200, `"token_format":"jwt"`)
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(s.do("GET", "/id/keys", "").body), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	keys := oidc.NewRemoteKeySet(t.Context(), s.url+"/id/keys")
	payload, err := keys.VerifySignature(t.Context(), given.Access)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		jwt.RegisteredClaims
		Scope  string `json:"scp"`
		Client string `json:"client_id"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Issuer != s.url || !slices.Equal(claims.Audience, []string{s.url}) || !strings.HasPrefix(claims.Subject, "uid:005") ||
		claims.Scope != "api refresh_token" || claims.Client != "app" || !claims.ExpiresAt.Equal(c.time().Add(time.Hour)) {
		t.Errorf("claims %s", payload)
	}
	again, _ := s.refresh(given.Refresh)
	if again.Access == given.Access || !s.works(again.Access) || !s.works(given.Access) {
		t.Error("a second token of the same second")
	}
	c.move(50 * time.Minute)
	if !s.works(given.Access) {
		t.Error("ended too early")
	}
	c.move(20 * time.Minute)
	if s.works(given.Access) {
		t.Error("using a JWT has made it live longer")
	}
	other := start(t, fakeorg.Options{Clock: c.time})
	if other.works(again.Access) {
		t.Error("another org accepts it")
	}
}

package auth

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"salesforce-mcp/salesforce"
)

// endpoint is the token endpoint of one login host.
type endpoint struct {
	login  *url.URL // origin
	client *http.Client
	hosts  salesforce.Hosts
}

func newEndpoint(loginURL string, client *http.Client, hosts salesforce.Hosts) (*endpoint, error) {
	if loginURL == "" {
		loginURL = "https://login.salesforce.com"
	}
	login, err := hosts.Check(origin(loginURL))
	if err != nil {
		return nil, settingsError("the login URL is wrong: %v", err)
	}
	if client == nil {
		client = http.DefaultClient
	}
	strict := *client
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	// Only an org that is simulated on this machine may hand out tokens for
	// this machine.
	hosts.Loopback = hosts.Loopback && isLoopback(login.Hostname())
	return &endpoint{login: login, client: &strict, hosts: hosts}, nil
}

// origin takes what people copy from the browser's address bar down to the
// org's own origin: https is the default, the path is dropped, and the hosts
// of the user interface become the My Domain host they belong to.
func origin(address string) string {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	for _, ui := range []string{".lightning.force.com", ".my.salesforce-setup.com"} {
		if domain, ok := strings.CutSuffix(strings.ToLower(u.Host), ui); ok {
			u.Host = domain + ".my.salesforce.com"
		}
	}
	return (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// exchange asks for a token. The parameters join those of the config; a
// grant_type among them replaces the config's own.
func (e *endpoint) exchange(ctx context.Context, config clientcredentials.Config) (salesforce.Token, error) {
	config.TokenURL = e.login.String() + "/services/oauth2/token"
	config.AuthStyle = oauth2.AuthStyleInParams
	answer, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, e.client))
	if err != nil {
		return salesforce.Token{}, err
	}
	return e.accept(answer)
}

// accept returns the token of an answer if it may be used: a bearer token for a
// host that is allowed.
func (e *endpoint) accept(answer *oauth2.Token) (salesforce.Token, error) {
	if !strings.EqualFold(answer.Type(), "Bearer") {
		return salesforce.Token{}, &Error{Code: codeAnswer, Message: "the login host gave a token that is not a bearer token"}
	}
	instance, _ := answer.Extra("instance_url").(string)
	checked, err := e.hosts.Check(instance)
	if err != nil {
		return salesforce.Token{}, &Error{
			Code:    codeAnswer,
			Message: "the login host gave a token for an instance URL that is refused (" + err.Error() + "); check the login URL",
		}
	}
	return salesforce.Token{AccessToken: salesforce.Secret(answer.AccessToken), InstanceURL: checked.String()}, nil
}

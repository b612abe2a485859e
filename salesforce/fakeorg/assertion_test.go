package fakeorg_test

import (
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/salesforce/fakeorg"
)

// assert signs an assertion of a client for three minutes.
func assert(t *testing.T, key *rsa.PrivateKey, issuer, subject, audience string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": issuer, "sub": subject, "aud": audience,
		"exp": time.Now().Add(3 * time.Minute).Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWhomAssertionsStandFor: an app acts for those whom its policy admits.
func TestWhomAssertionsStandFor(t *testing.T) {
	key := newKey(t)
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{
		personal(func(c *fakeorg.Client) { c.PublicKey, c.PermittedUsers = &key.PublicKey, fakeorg.SelfAuthorize }),
		{Key: "admitted", PublicKey: &key.PublicKey, PermittedUsers: fakeorg.AdminApproved, PreApproved: []string{fakeorg.ServiceUser}},
		{Key: "blocked", PublicKey: &key.PublicKey, Blocked: true},
	}})
	bearer := func(client, username string) reply {
		return s.post("/services/oauth2/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion": {assert(t, key, client, username, s.url)}})
	}
	notApproved := `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`
	bearer("app", fakeorg.ServiceUser).want(t, 400, notApproved)
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
	accessToken(t, bearer("app", fakeorg.ServiceUser))
	bearer("app", fakeorg.AdminUser).want(t, 400, notApproved)
	s.post("/services/oauth2/revoke", url.Values{"token": {given.Refresh}})
	bearer("app", fakeorg.ServiceUser).want(t, 400, notApproved)

	accessToken(t, bearer("admitted", fakeorg.ServiceUser))
	bearer("admitted", fakeorg.AdminUser).want(t, 400, `{"error":"invalid_app_access","error_description":"user is not admin approved to access this app"}`)
	bearer("blocked", fakeorg.AdminUser).wants(t, 400, "invalid_app_access")
}

// TestClientAssertion: a client with a certificate proves who it is without a secret.
func TestClientAssertion(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) {
		c.Secret, c.PublicKey, c.RunAs = "", &key.PublicKey, fakeorg.IntegrationUser
	})}})
	with := func(assertion string) []string {
		return []string{"client_secret", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion}
	}
	good := with(assert(t, key, "app", "app", s.url+"/services/oauth2/token"))
	given, r := s.exchange(s.browser().allow(fakeorg.ServiceUser), good...)
	if r.status != 200 {
		t.Fatal(r.body)
	}
	if _, r := s.refresh(given.Refresh, good...); r.status != 200 {
		t.Error(r.body)
	}
	accessToken(t, s.post("/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {good[3]}, "client_assertion": {good[5]}}))
	for name, changes := range map[string][]string{
		"a stranger's key":     with(assert(t, stranger, "app", "app", s.url)),
		"for a user":           with(assert(t, key, "app", fakeorg.AdminUser, s.url)),
		"another audience":     with(assert(t, key, "app", "app", "https://evil.example")),
		"of an unknown client": with(assert(t, key, "nobody", "nobody", s.url)),
		"not a JWT":            with("x"),
		"without its type":     append(with(good[5]), "client_assertion_type", ""),
		"of another client":    append(with(good[5]), "client_id", "other"),
		"nothing":              {"client_secret", ""},
		"a secret there isn't": {"client_secret", "x"},
	} {
		_, r := s.refresh(given.Refresh, changes...)
		if r.status != 400 || r.body != `{"error":"invalid_client","error_description":"invalid client credentials"}` {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// TestLoginHost: a host that does not say which org is meant admits no program without a user.
func TestLoginHost(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) { c.RunAs = fakeorg.IntegrationUser })}})
	for host, want := range map[string]string{"login.salesforce.com": "request not supported on this domain", "test.salesforce.com": "request not supported on this domain",
		"acme.my.salesforce.com": `"instance_url":"http://acme.my.salesforce.com"`} {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"s3"}}
		request, err := http.NewRequest("POST", s.url+"/services/oauth2/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if p := s.browser().read(http.DefaultClient.Do(request)); !strings.Contains(p.body, want) {
			t.Errorf("%s: %d %s", host, p.status, p.body)
		}
	}
}

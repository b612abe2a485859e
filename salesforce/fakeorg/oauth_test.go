package fakeorg_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/salesforce/fakeorg"
)

// newKey makes a key pair for signing assertions.
func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// post sends a form without a token.
func (s *server) post(path string, form url.Values) reply {
	s.t.Helper()
	return s.do("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
}

// accessToken is the token of an answer, which has to be a good one.
func accessToken(t *testing.T, r reply) string {
	t.Helper()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 || !strings.HasPrefix(answer.AccessToken, "00D") || !strings.Contains(answer.AccessToken, "!") {
		t.Fatalf("no token: %d %s", r.status, r.body)
	}
	return answer.AccessToken
}

func TestJWTBearer(t *testing.T) {
	c := newClock()
	key, stranger := newKey(t), newKey(t)
	s := start(t, fakeorg.Options{Clock: c.time, Clients: []fakeorg.Client{{Key: "app", PublicKey: &key.PublicKey}, {Key: "secret only", Secret: "x"}}})
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		m := jwt.MapClaims{"iss": "app", "sub": fakeorg.ServiceUser, "aud": "https://login.salesforce.com", "exp": c.time().Add(3 * time.Minute).Unix()}
		change(m)
		return m
	}
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(m jwt.MapClaims) { m[name] = value }
	}
	grant := func(method jwt.SigningMethod, key any, m jwt.MapClaims) reply {
		text, err := jwt.NewWithClaims(method, m).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s.post("/services/oauth2/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {text}})
	}

	r := grant(jwt.SigningMethodRS256, key, claims(func(jwt.MapClaims) {}))
	s.token = accessToken(t, r)
	if strings.Contains(r.body, "refresh_token") || strings.Contains(r.body, "expires_in") {
		t.Errorf("the platform gives neither refresh_token nor expires_in: %s", r.body)
	}
	r.wants(t, 200, `"instance_url":"`+s.url+`"`)
	s.do("GET", "/services/oauth2/userinfo", "").wants(t, 200, `"preferred_username":"`+fakeorg.ServiceUser+`"`)
	for name, change := range map[string]func(jwt.MapClaims){"own address": set("aud", s.url), "test host": set("aud", "https://test.salesforce.com"),
		"audience as array": set("aud", []string{"https://login.salesforce.com"}), "milliseconds": set("exp", c.time().UnixMilli())} {
		t.Run(name, func(t *testing.T) { accessToken(t, grant(jwt.SigningMethodRS256, key, claims(change))) })
	}

	for _, test := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		change func(jwt.MapClaims)
		want   string
	}{
		{"signed by a stranger", jwt.SigningMethodRS256, stranger, func(jwt.MapClaims) {}, `{"error":"invalid_grant","error_description":"invalid assertion"}`},
		{"another algorithm", jwt.SigningMethodHS256, []byte("app"), func(jwt.MapClaims) {}, `{"error":"invalid_grant","error_description":"invalid assertion"}`},
		{"not signed", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, func(jwt.MapClaims) {}, `{"error":"invalid_grant","error_description":"invalid assertion"}`},
		{"unknown client", jwt.SigningMethodRS256, key, set("iss", "nobody"), `{"error":"invalid_client_id","error_description":"client identifier invalid"}`},
		{"client without certificate", jwt.SigningMethodRS256, key, set("iss", "secret only"), `{"error":"invalid_grant","error_description":"invalid assertion"}`},
		{"wrong audience", jwt.SigningMethodRS256, key, set("aud", "https://evil.example"), `{"error":"invalid_grant","error_description":"Audience validation failed"}`},
		{"expired", jwt.SigningMethodRS256, key, set("exp", c.time().Unix()), `{"error":"invalid_grant","error_description":"expired authorization code"}`},
		{"expires too late", jwt.SigningMethodRS256, key, set("exp", c.time().Add(time.Hour).Unix()), `{"error":"invalid_grant","error_description":"expired authorization code"}`},
		{"without expiry", jwt.SigningMethodRS256, key, func(m jwt.MapClaims) { delete(m, "exp") }, `{"error":"invalid_grant","error_description":"expired authorization code"}`},
		{"unknown user", jwt.SigningMethodRS256, key, set("sub", "nobody@x.example"), `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`},
		{"inactive user", jwt.SigningMethodRS256, key, set("sub", "gil.former@alderridge.example"), `{"error":"invalid_grant","error_description":"inactive user"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			grant(test.method, test.key, claims(test.change)).want(t, 400, test.want)
		})
	}
	s.post("/services/oauth2/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x.y"}}).wants(t, 400, "invalid assertion")
	s.post("/services/oauth2/token", url.Values{}).wants(t, 400, "unsupported_grant_type")
}

func TestClientCredentials(t *testing.T) {
	s := start(t, fakeorg.Options{BaseURL: "https://alder.example/", Clients: []fakeorg.Client{{Key: "app", Secret: "s3", RunAs: fakeorg.IntegrationUser},
		{Key: "no user", Secret: "s3"}, {Key: "gone user", Secret: "s3", RunAs: "nobody@x.example"}, {Key: "no secret", RunAs: fakeorg.AdminUser}}})
	form := func(id, secret string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	}
	r := s.post("/services/oauth2/token", form("app", "s3"))
	s.token = accessToken(t, r)
	r.wants(t, 200, `"instance_url":"https://alder.example"`)
	r.wants(t, 200, `"issued_at":"`)
	s.do("GET", "/limits", "").wants(t, 200, "DailyApiRequests")
	basic := s.do("POST", "/services/oauth2/token", "grant_type=client_credentials", "Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic YXBwOnMz")
	accessToken(t, basic)
	for _, wrong := range []url.Values{form("app", "s4"), form("app", ""), form("no secret", "x"), form("no secret", "")} {
		s.post("/services/oauth2/token", wrong).want(t, 400, `{"error":"invalid_client","error_description":"invalid client credentials"}`)
	}
	s.post("/services/oauth2/token", form("nobody", "s3")).want(t, 400, `{"error":"invalid_client_id","error_description":"client identifier invalid"}`)
	for _, key := range []string{"no user", "gone user"} {
		s.post("/services/oauth2/token", form(key, "s3")).want(t, 400, `{"error":"invalid_grant","error_description":"no client credentials user enabled"}`)
	}
}

// TestTokenLife: a token that is used stays good, one that is not expires.
func TestTokenLife(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time, TokenLife: time.Hour})
	expired := `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`
	for range 3 {
		c.move(50 * time.Minute)
		s.do("GET", "/limits", "").wants(t, 200, "Max")
	}
	c.move(time.Hour)
	s.do("GET", "/limits", "").want(t, 401, expired)
	s.token = s.MintToken("nobody@x.example")
	s.do("GET", "/limits", "").want(t, 401, expired)
	s.do("GET", "/limits", "", "Authorization", "").want(t, 401, expired)
	s.token = s.MintToken(fakeorg.AdminUser)
	s.do("GET", "/limits", "", "Authorization", "OAuth "+s.token).wants(t, 200, "Max")
	s.do("GET", "/limits", "", "Authorization", "Basic "+s.token).want(t, 401, expired)
}

func TestRevokeAndIntrospect(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{{Key: "app", Secret: "s3", RunAs: fakeorg.IntegrationUser}}})
	form := url.Values{"token": {s.token}, "client_id": {"app"}, "client_secret": {"s3"}}
	s.post("/services/oauth2/introspect", form).wants(t, 200, `{"active":true,"scope":"api"`)
	s.post("/services/oauth2/revoke", form).want(t, 200, "")
	s.post("/services/oauth2/introspect", form).want(t, 200, `{"active":false}`)
	s.post("/services/oauth2/revoke", form).wants(t, 400, "unsupported_token_type")
	s.do("GET", "/limits", "").wants(t, 401, "INVALID_SESSION_ID")
	form.Set("client_secret", "no")
	s.post("/services/oauth2/introspect", form).wants(t, 400, "invalid_client")
}

func TestIdentity(t *testing.T) {
	s := start(t, fakeorg.Options{})
	path := "/id/00DSm0000000001MAA/005Sm0000000001IAA"
	s.do("GET", path, "").wants(t, 200, `"rest":"`+s.url+`/services/data/v{version}/"`)
	s.do("GET", path, "").wants(t, 200, `"username":"`+fakeorg.IntegrationUser+`"`)
	s.do("GET", "/id/00DSm0000000001MAA/005Sm0000000002IAA", "").wants(t, 403, "Wrong Org")
	s.do("GET", path, "", "Authorization", "").want(t, 403, "Missing_OAuth_Token")
	s.do("GET", path, "", "Authorization", "Bearer 00D!x").want(t, 403, "Bad_OAuth_Token")
	s.do("GET", "/services/oauth2/userinfo", "", "Authorization", "Bearer 00D!x").want(t, 403, "Bad_OAuth_Token")
}

// TestOrgsAreApart: two orgs of one process share nothing.
func TestOrgsAreApart(t *testing.T) {
	one, two := start(t, fakeorg.Options{}), start(t, fakeorg.Options{})
	id := one.create("Account", `{"Name": "Only here"}`)
	two.do("GET", "/sobjects/Account/"+id, "").wants(t, 404, "NOT_FOUND")
	two.do("GET", "/limits", "", "Authorization", "Bearer "+one.token).wants(t, 401, "INVALID_SESSION_ID")
}

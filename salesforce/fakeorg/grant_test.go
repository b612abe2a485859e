package fakeorg_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

const (
	refreshDead = `{"error":"invalid_grant","error_description":"expired access/refresh token"}`
	codeUnknown = `{"error":"invalid_grant","error_description":"invalid authorization code"}`
	codeDead    = `{"error":"invalid_grant","error_description":"expired authorization code"}`
)

// TestExchangeRefusals: each wrong request for the tokens of a code.
func TestExchangeRefusals(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(), personal(func(c *fakeorg.Client) { c.Key = "other" })}})
	for _, test := range []struct {
		name    string
		changes []string
		want    string
	}{
		{"unknown code", []string{"code", "aPrx=="}, codeUnknown},
		{"no code", []string{"code", ""}, codeUnknown},
		{"code of another client", []string{"client_id", "other"}, codeUnknown},
		{"another redirect URI", []string{"redirect_uri", callback + "/"}, `{"error":"redirect_uri_mismatch","error_description":"redirect_uri must match configuration"}`},
		{"no redirect URI", []string{"redirect_uri", ""}, `{"error":"redirect_uri_mismatch","error_description":"redirect_uri must match configuration"}`},
		{"another verifier", []string{"code_verifier", verifier + "x"}, `{"error":"invalid_grant","error_description":"invalid code verifier"}`},
		{"no verifier", []string{"code_verifier", ""}, `{"error":"invalid_grant","error_description":"invalid code verifier"}`},
		{"unknown client", []string{"client_id", "nobody"}, `{"error":"invalid_client_id","error_description":"client identifier invalid"}`},
		{"wrong secret", []string{"client_secret", "s4"}, `{"error":"invalid_client","error_description":"invalid client credentials"}`},
		{"no secret", []string{"client_secret", ""}, `{"error":"invalid_client","error_description":"invalid client credentials"}`},
		{"unknown grant type", []string{"grant_type", "password"}, `{"error":"unsupported_grant_type","error_description":"grant type not supported"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, r := s.exchange(s.browser().allow(fakeorg.ServiceUser), test.changes...)
			r.want(t, 400, test.want)
		})
	}
	s.do("GET", "/services/oauth2/token", "").want(t, 400, `{"error":"invalid_request","error_description":"must use HTTP POST"}`)
}

// TestClientOfCode: how a client may say who it is.
func TestClientOfCode(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) { c.RequireSecret, c.RequirePKCE = false, false })}})
	b := s.browser()
	code := url.QueryEscape(b.allow(fakeorg.ServiceUser))
	s.do("POST", "/services/oauth2/token", "grant_type=authorization_code&code="+code+"&redirect_uri="+url.QueryEscape(callback)+"&code_verifier="+verifier,
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic YXBwOnMz").wants(t, 200, "refresh_token")
	if _, r := s.exchange(b.allow(fakeorg.ServiceUser), "client_secret", ""); r.status != 200 {
		t.Errorf("a public client: %d %s", r.status, r.body)
	}
	if _, r := s.exchange(b.allow(fakeorg.ServiceUser, "code_challenge", "", "code_challenge_method", ""), "code_verifier", ""); r.status != 200 {
		t.Errorf("without PKCE: %d %s", r.status, r.body)
	}
	if _, r := s.exchange(b.allow(fakeorg.ServiceUser, "code_challenge_method", "")); r.status != 200 { // as jsforce does it
		t.Errorf("without the method: %d %s", r.status, r.body)
	}
	_, r := s.exchange(b.allow(fakeorg.ServiceUser, "code_challenge", "", "code_challenge_method", "")) // a verifier without a challenge
	r.wants(t, 400, "invalid code verifier")
	_, r = s.exchange(b.allow(fakeorg.ServiceUser), "client_secret", "s4")
	r.wants(t, 400, "invalid client credentials")
}

func TestCodeLife(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time, Clients: []fakeorg.Client{personal()}})
	b := s.browser()
	code := b.allow(fakeorg.ServiceUser)
	c.move(15*time.Minute - time.Second)
	given, r := s.exchange(code)
	if r.status != 200 {
		t.Fatalf("a code of 14:59 minutes: %s", r.body)
	}
	_, r = s.exchange(code)
	r.want(t, 400, codeDead)
	if s.works(given.Access) {
		t.Error("a replayed code leaves its tokens alive")
	}
	_, r = s.refresh(given.Refresh)
	r.want(t, 400, refreshDead)

	code = b.allow(fakeorg.ServiceUser)
	c.move(15 * time.Minute)
	_, r = s.exchange(code)
	r.want(t, 400, codeDead)

	p := b.open("prompt", "login")
	c.move(15 * time.Minute)
	b.logIn(p, fakeorg.ServiceUser).wants(t, 400, "expired")
}

// TestSignature: the answer proves that the identity URL is the org's.
func TestSignature(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	given, r := s.exchange(s.browser().allow(fakeorg.ServiceUser, "scope", "refresh_token api"))
	mac := hmac.New(sha256.New, []byte("s3"))
	mac.Write([]byte(given.ID + given.IssuedAt))
	if given.Signature != base64.StdEncoding.EncodeToString(mac.Sum(nil)) || len(given.IssuedAt) != 13 {
		t.Errorf("signature of %s", r.body)
	}
	if given.Scope != "refresh_token api" || given.IDToken != "" || strings.Contains(r.body, "expires_in") {
		t.Errorf("answer %s", r.body)
	}
	given, _ = s.exchange(s.browser().allow(fakeorg.ServiceUser, "scope", "api"))
	if given.Access == "" || given.Refresh != "" {
		t.Error("a refresh token without the scope for it")
	}
}

// TestScopes: what a token does not open.
func TestScopes(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser, "scope", "openid"))
	s.token = given.Access
	s.do("GET", "/limits", "").want(t, 401, `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`)
	s.do("GET", "/services/oauth2/userinfo", "").wants(t, 200, fakeorg.ServiceUser)
}

func TestRotation(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) { c.RotateRefreshTokens = true })}})
	first, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
	second, _ := s.refresh(first.Refresh)
	third, _ := s.refresh(second.Refresh)
	if second.Refresh == first.Refresh || third.Refresh == second.Refresh || third.Refresh == "" || !s.works(first.Access) {
		t.Fatal("not rotated")
	}
	_, r := s.refresh(second.Refresh)
	r.want(t, 400, refreshDead)
	_, r = s.refresh(third.Refresh)
	r.want(t, 400, refreshDead)
	for i, access := range []string{first.Access, second.Access, third.Access} {
		if s.works(access) {
			t.Errorf("access token %d outlives the reuse of a rotated token", i+1)
		}
	}
}

func TestRefreshRefusals(t *testing.T) {
	c := newClock()
	policy := func(key string, p fakeorg.RefreshPolicy) fakeorg.Client {
		return personal(func(c *fakeorg.Client) { c.Key, c.RefreshPolicy = key, p })
	}
	s := start(t, fakeorg.Options{Clock: c.time, Clients: []fakeorg.Client{personal(), policy("never", fakeorg.RefreshPolicy{Immediately: true}),
		policy("unused", fakeorg.RefreshPolicy{Unused: time.Hour}), policy("after", fakeorg.RefreshPolicy{After: time.Hour})}})
	connect := func(key string) tokens {
		given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser, "client_id", key), "client_id", key)
		return given
	}
	given := connect("app")
	for name, test := range map[string]struct {
		changes []string
		want    string
	}{
		"unknown token":    {[]string{"refresh_token", "5Aep861x"}, refreshDead},
		"an access token":  {[]string{"refresh_token", given.Access}, refreshDead},
		"another client's": {[]string{"client_id", "after"}, refreshDead},
		"wrong secret":     {[]string{"client_secret", "x"}, `{"error":"invalid_client","error_description":"invalid client credentials"}`},
		"unknown client":   {[]string{"client_id", "nobody"}, `{"error":"invalid_client_id","error_description":"client identifier invalid"}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := s.refresh(given.Refresh, test.changes...)
			r.want(t, 400, test.want)
		})
	}
	never, unused, after := connect("never"), connect("unused"), connect("after")
	_, r := s.refresh(never.Refresh, "client_id", "never")
	r.want(t, 400, refreshDead)
	for range 3 {
		c.move(25 * time.Minute)
		if _, r := s.refresh(unused.Refresh, "client_id", "unused"); r.status != 200 {
			t.Errorf("a token in use: %s", r.body)
		}
	}
	_, r = s.refresh(after.Refresh, "client_id", "after")
	r.want(t, 400, refreshDead)
	c.move(time.Hour)
	_, r = s.refresh(unused.Refresh, "client_id", "unused")
	r.want(t, 400, refreshDead)
}

// TestPersonLeaves: a deactivated user's tokens end, and an app that is blocked or closed to a user.
func TestPersonLeaves(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
	other, _ := s.refresh(given.Refresh)
	code := s.browser().allow(fakeorg.ServiceUser)
	id := given.ID[strings.LastIndex(given.ID, "/")+1:]
	s.do("PATCH", "/sobjects/User/"+id, `{"IsActive": false}`).want(t, 204, "")
	s.do("GET", "/services/oauth2/userinfo", "", "Authorization", "Bearer "+other.Access).want(t, 403, "Bad_OAuth_Token")
	if s.works(given.Access) {
		t.Error("an access token of a deactivated user works")
	}
	if err := s.SetClient(personal(func(c *fakeorg.Client) { c.RequirePKCE = false })); err != nil { // grants outlive a change
		t.Fatal(err)
	}
	_, r := s.refresh(given.Refresh)
	r.want(t, 400, `{"error":"invalid_grant","error_description":"inactive user"}`)
	_, r = s.exchange(code)
	r.want(t, 400, `{"error":"invalid_grant","error_description":"inactive user"}`)
	s.do("PATCH", "/sobjects/User/"+id, `{"IsActive": true}`).want(t, 204, "")
	given, r = s.refresh(given.Refresh)
	if r.status != 200 || !s.works(given.Access) {
		t.Errorf("activated again: %d %s", r.status, r.body)
	}

	given, _ = s.exchange(s.browser().allow(fakeorg.ServiceUser))
	for name, test := range map[string]struct {
		change func(*fakeorg.Client)
		want   string
	}{
		"blocked":      {func(c *fakeorg.Client) { c.Blocked = true }, `{"error":"invalid_app_access","error_description":"this app is blocked by admin"}`},
		"not admitted": {func(c *fakeorg.Client) { c.PermittedUsers = fakeorg.AdminApproved }, `{"error":"invalid_app_access","error_description":"user is not admin approved to access this app"}`},
		"new secret":   {func(c *fakeorg.Client) { c.Secret = "s4" }, `{"error":"invalid_client","error_description":"invalid client credentials"}`},
	} {
		if err := s.SetClient(personal(test.change)); err != nil {
			t.Fatal(err)
		}
		_, r := s.refresh(given.Refresh)
		if r.body != test.want {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if s.works(given.Access) {
		t.Error("an access token outlives the block of its app")
	}
}

// TestGrantLimit: the sixth login of a user for an app silently ends the first, and nobody else's.
func TestGrantLimit(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(), personal(func(c *fakeorg.Client) { c.Key = "other" })}})
	others, _ := s.exchange(s.browser().allow(fakeorg.AdminUser))
	elsewhere, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser, "client_id", "other"), "client_id", "other")
	var all []tokens
	for range 6 {
		given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
		all = append(all, given)
	}
	_, r := s.refresh(all[0].Refresh)
	r.want(t, 400, refreshDead)
	if s.works(all[0].Access) {
		t.Error("the access token of the oldest grant works")
	}
	for _, given := range append(all[1:], others) {
		if _, r := s.refresh(given.Refresh); r.status != 200 {
			t.Errorf("ended with the first: %s", r.body)
		}
	}
	if _, r := s.refresh(elsewhere.Refresh, "client_id", "other"); r.status != 200 {
		t.Errorf("ended with another app's: %s", r.body)
	}
}

func TestRevokePeoplesTokens(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal()}})
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
	other, _ := s.refresh(given.Refresh)
	s.post("/services/oauth2/revoke", url.Values{"token": {given.Access}}).want(t, 200, "")
	if s.works(given.Access) || !s.works(other.Access) {
		t.Error("revoking an access token ends that one only")
	}
	s.do("GET", "/services/oauth2/revoke?token="+given.Refresh, "", "Authorization", "").want(t, 200, "")
	if s.works(other.Access) {
		t.Error("revoking a refresh token ends all")
	}
	for _, token := range []string{given.Access, given.Refresh, other.Access, "x", ""} {
		s.post("/services/oauth2/revoke", url.Values{"token": {token}}).want(t, 400, `{"error":"unsupported_token_type","error_description":"this token type is not supported"}`)
	}
}

func TestIntrospectPeoplesTokens(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(), personal(func(c *fakeorg.Client) { c.Key = "other" })}})
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser, "scope", "api refresh_token"))
	ask := func(token, client, secret string) reply {
		return s.post("/services/oauth2/introspect", url.Values{"token": {token}, "client_id": {client}, "client_secret": {secret}})
	}
	for token, kind := range map[string]string{given.Access: "access_token", given.Refresh: "refresh_token"} {
		ask(token, "app", "s3").wants(t, 200, fmt.Sprintf(`{"active":true,"scope":"api refresh_token","client_id":"app","username":%q,"sub":%q,"token_type":%q`, fakeorg.ServiceUser, given.ID, kind))
		ask(token, "other", "s3").want(t, 200, `{"active":false}`) // nobody learns of another app's tokens
		ask(token, "app", "").wants(t, 400, "invalid_client")
	}
	ask("x", "app", "s3").want(t, 200, `{"active":false}`)
}

// TestManyAtOnce: codes and rotated tokens are spent once, however many try, and the grants that are kept are five.
func TestManyAtOnce(t *testing.T) {
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{personal(func(c *fakeorg.Client) { c.RotateRefreshTokens = true })}})
	const tries = 16
	race := func(try func() int) (won int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range tries {
			all.Go(func() {
				status := try()
				mu.Lock()
				defer mu.Unlock()
				if status == 200 {
					won++
				}
			})
		}
		all.Wait()
		return won
	}
	code := s.browser().allow(fakeorg.ServiceUser)
	if won := race(func() int { _, r := s.exchange(code); return r.status }); won != 1 {
		t.Errorf("a code was spent %d times", won)
	}
	given, _ := s.exchange(s.browser().allow(fakeorg.ServiceUser))
	if won := race(func() int { _, r := s.refresh(given.Refresh); return r.status }); won != 1 {
		t.Errorf("a rotated token was spent %d times", won)
	}
	page := s.browser()
	form := page.logIn(page.open(), fakeorg.ServiceUser)
	if won := race(func() int {
		if p := page.submit(form, "decision", "allow"); p.status == 302 {
			return 200
		}
		return 0
	}); won != 1 {
		t.Errorf("a consent page was sent %d times", won)
	}
	var kept []tokens
	var mu sync.Mutex
	race(func() int {
		given, r := s.exchange(s.browser().allow(fakeorg.AdminUser))
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, given)
		return r.status
	})
	alive := 0
	for _, given := range kept {
		if s.works(given.Access) {
			alive++
		}
	}
	if len(kept) != tries || alive != 5 {
		t.Errorf("%d of %d grants are alive", alive, len(kept))
	}
}

package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestAppOnSimulatedOrg takes a person through the login and consent pages of the simulated org, uses and refreshes the
// grant, and revokes it.
func TestAppOnSimulatedOrg(t *testing.T) {
	o := newSimulated(t)
	app := o.app(t)
	verifier := oauth2.GenerateVerifier()
	code := o.allowed(t, app.AuthorizeURL("the state", verifier), fakeorg.ServiceUser)
	grant, err := app.Exchange(t.Context(), code, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if grant.Username != fakeorg.ServiceUser || !strings.HasPrefix(grant.UserID, "005") || grant.RefreshToken == "" || grant.InstanceURL != o.url {
		t.Errorf("grant of %s %s at %s", grant.Username, grant.UserID, grant.InstanceURL)
	}
	next, err := app.refresh(t.Context(), grant)
	if err != nil || next.RefreshToken == grant.RefreshToken || next.RefreshToken == "" {
		t.Fatalf("not rotated: %v", err)
	}
	if err := app.Revoke(t.Context(), next); err != nil {
		t.Error(err)
	}
	if err := app.Alive(t.Context(), salesforce.Token{AccessToken: next.AccessToken, InstanceURL: next.InstanceURL}); !errors.Is(err, ErrEnded) {
		t.Errorf("a revoked token: %v", err)
	}
	_, err = app.refresh(t.Context(), next)
	checkError(t, err, "invalid_grant", "connect again")
	_, err = app.Exchange(t.Context(), code, verifier)
	checkError(t, err, "invalid_grant", "start connecting again")
}

// allowed is the code a browser comes back with when its person logs in and says yes.
func (o simulated) allowed(t testing.TB, address, username string) string {
	t.Helper()
	answer, page := o.visited(t, address, username, "allow")
	if answer.Get("code") == "" {
		t.Fatalf("no code but %v, after %s", answer, page)
	}
	return answer.Get("code")
}

// visited is what a browser comes back with when its person logs in and decides, or the page at which it ends.
func (o simulated) visited(t testing.TB, address, username, decision string) (answer url.Values, page string) {
	t.Helper()
	browser := &http.Client{Transport: o.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	secret := regexp.MustCompile(`name="login" value="([^"]+)"`)
	page, location := opened(t, browser, http.MethodGet, address, nil)
	at, _, _ := strings.Cut(address, "?")
	for _, form := range []url.Values{{"username": {username}, "password": {fakeorg.Password}}, {"decision": {decision}}} {
		found := secret.FindStringSubmatch(page)
		if location != nil || found == nil {
			break
		}
		form.Set("login", found[1])
		page, location = opened(t, browser, http.MethodPost, at, form)
	}
	if location == nil {
		return nil, page
	}
	return location.Query(), page
}

func opened(t testing.TB, browser *http.Client, method, address string, form url.Values) (page string, location *url.URL) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, _ = resp.Location()
	return string(text), location
}

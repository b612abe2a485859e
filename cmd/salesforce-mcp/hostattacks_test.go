package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// The tests of this file are attacks 12 to 16 and 21 of the security catalogue,
// against a whole server. Each fails without its defence; the single steps of 12
// are in TestJWT.

// signedHosts gives both workspaces a host "idp", whose tokens the issuer signs and
// which names the agent in azp. Workspace b keeps that out of its metadata.
func signedHosts(i *tokenIssuer) func(*config.Config) {
	return func(c *config.Config) {
		c.TrustedProxies = allowlist.Networks{"127.0.0.1"}
		for n := range c.Workspaces {
			w := &c.Workspaces[n]
			w.Profiles = append(slices.Clone(w.Profiles), &allowlist.Profile{Name: "idp",
				JWT:   &allowlist.JWT{Issuer: i.url, Scopes: []string{"salesforce"}, RequiredClaims: map[string]allowlist.OneOf{"scope": {"salesforce"}}, Unlisted: w.Name == "b"},
				Agent: []allowlist.Source{{Kind: allowlist.FromClaim, Name: "azp"}}, User: []allowlist.Source{{Kind: allowlist.FromClaim, Name: "sub"}}})
		}
	}
}

// claims are those of a good token for workspace a, with some changed.
func (w *world) claims(i *tokenIssuer, change map[string]any) string {
	all := map[string]any{"iss": i.url, "aud": w.origin + "/w/a/mcp", "azp": demoReader, "sub": "ada", "scope": "salesforce"}
	for name, value := range change {
		all[name] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// answered is all that a client sees of an answer, but for the time.
func (w *world) answered(r *http.Request) string {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Header.Del("Date")
	return fmt.Sprint(resp.Status, resp.Header, string(body))
}

// tokenRequest is a read of a workspace with a bearer token, from an address.
func (w *world) tokenRequest(workspace, token, from string) *http.Request {
	r := w.request(query(1, 1))
	r.URL.Path = "/w/" + workspace + "/mcp"
	r.Header.Del("Agent-Id")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("X-Forwarded-For", from)
	return r
}

// TestForgedTokens (attack 12): whatever is wrong with a token, the answer is the
// same, and says nothing of it. The log does.
func TestForgedTokens(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i))
	now := time.Now().Unix()
	good := i.token(nil, w.claims(i, nil))
	head, rest, _ := strings.Cut(good, ".")
	payload, _, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "."
	der, err := x509.MarshalPKIXPublicKey(testKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	hs := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": i.url, "aud": w.origin + "/w/a/mcp", "azp": demoReader, "scope": "salesforce", "exp": now + 600})
	hs.Header["kid"] = "rsa"
	shared, err := hs.SignedString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.answered(w.tokenRequest("a", good, "198.51.100.1")); !strings.HasPrefix(got, "200") {
		t.Fatalf("a good token: %s", got)
	}
	want := fmt.Sprintf(`error="invalid_token", scope="salesforce", resource_metadata="%s/.well-known/oauth-protected-resource/w/a/mcp"`, w.origin)
	answers := map[string]string{}
	for name, token := range map[string]string{
		"expired":       i.token(nil, w.claims(i, map[string]any{"exp": now - 90})),
		"nbf":           i.token(nil, w.claims(i, map[string]any{"nbf": now + 90})),
		"audience":      i.token(nil, w.claims(i, map[string]any{"aud": "https://other.example"})),
		"issuer":        i.token(nil, w.claims(i, map[string]any{"iss": "https://other.example"})),
		"none":          none,
		"HS256":         shared,
		"kid":           i.token(map[string]any{"kid": "other"}, w.claims(i, nil)),
		"jku":           i.token(map[string]any{"kid": "other", "jku": i.url + "/keys"}, w.claims(i, nil)),
		"signature":     head + "." + payload + ".AAAA",
		"not a token":   "wrong",
		"two passwords": "a b",
	} {
		got := w.answered(w.tokenRequest("a", token, "198.51.100.2"))
		if !strings.HasPrefix(got, "401") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
		answers[got] = name
	}
	if len(answers) != 1 {
		t.Errorf("there are %d answers: %v", len(answers), answers)
	}
	if log := w.log.String(); !strings.Contains(log, "the claim") && !strings.Contains(log, "audience") || strings.Contains(log, payload) || strings.Contains(log, shared) {
		t.Errorf("the log does not say what was wrong, or has tokens in it:\n%s", log)
	}
	scope := w.answered(w.tokenRequest("a", i.token(nil, w.claims(i, map[string]any{"scope": "other"})), "198.51.100.3"))
	if !strings.HasPrefix(scope, "403") || !strings.Contains(scope, strings.Replace(want, "invalid_token", "insufficient_scope", 1)) {
		t.Errorf("without the scope: %s", scope)
	}
}

// TestTokenPassthrough (attack 13): a token of the org opens nothing here, and a
// host's token never gets to the org.
func TestTokenPassthrough(t *testing.T) {
	var mu sync.Mutex
	var seen strings.Builder
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		_, _ = fmt.Fprintln(&seen, r.URL, r.Header, string(body))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/services/oauth2/token":
			_, _ = fmt.Fprintf(w, `{"access_token":"00D5g00000AbCdE!x","instance_url":"http://%s"}`, r.Host)
		case r.Header.Get("Authorization") != "Bearer 00D5g00000AbCdE!x":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `[{"errorCode":"INVALID_SESSION_ID","message":"not ours"}]`)
		default:
			_, _ = io.WriteString(w, `{"totalSize":0,"done":true,"records":[]}`)
		}
	}))
	t.Cleanup(org.Close)
	i := newTokenIssuer(t)
	w := startWorld(t, orgReady{Org: org.URL, ClientID: "id", Username: "u@x"}, signedHosts(i))
	good := i.token(nil, w.claims(i, nil))
	if status, answer := w.do(w.tokenRequest("a", good, "198.51.100.1")); status != http.StatusOK || strings.Contains(answer, "isError") {
		t.Fatalf("%d %s", status, answer)
	}
	r := w.request(query(1, 1))
	if status, answer := w.do(r); status != http.StatusOK || strings.Contains(answer, "isError") {
		t.Fatalf("%d %s", status, answer)
	}
	mu.Lock()
	before := seen.String()
	mu.Unlock()
	if strings.Contains(before, good) || strings.Contains(before, "token-a") || strings.Contains(before, strings.Split(good, ".")[2]) || !strings.Contains(before, "00D5g00000AbCdE!x") {
		t.Errorf("the org saw:\n%s", before)
	}
	for _, token := range []string{"00D5g00000AbCdE!x", "00D5g00000AbCdE!AQEAQ.abc_d"} {
		if status, answer := w.do(w.tokenRequest("a", token, "198.51.100.2")); status != http.StatusUnauthorized {
			t.Errorf("a token of the org: %d %s", status, answer)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if after := seen.String(); after != before {
		t.Errorf("the org was asked: %s", after[len(before):])
	}
}

// TestTokenInTheURL (attack 14): tokens count in one place only, and what stands in
// a URL is not logged.
func TestTokenInTheURL(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i))
	good := i.token(nil, w.claims(i, nil))
	for _, token := range []string{"token-a", good} {
		for _, name := range []string{"access_token", "token", "authorization", "Authorization", "api_key"} {
			r := w.tokenRequest("a", "", "198.51.100.1")
			r.Header.Del("Authorization")
			r.URL.RawQuery = name + "=" + token
			if status, answer := w.do(r); status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", name, status, answer)
			}
			r = w.tokenRequest("a", "", "198.51.100.1")
			r.Header.Del("Authorization")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader(name + "=" + token))
			if status, answer := w.do(r); status != http.StatusUnauthorized {
				t.Errorf("%s in the body: %d %s", name, status, answer)
			}
		}
	}
	if log := w.log.String(); strings.Contains(log, "token-a") || strings.Contains(log, good) || log == "" {
		t.Errorf("the log: %s", log)
	}
}

// TestForeignWorkspace (attack 15): a token for one workspace opens no other, and
// does not find out which others there are.
func TestForeignWorkspace(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i))
	same := func(text, workspace string) string { return strings.ReplaceAll(text, "/w/"+workspace+"/", "/w/?/") }
	n := 0
	for name, token := range map[string]string{
		"a host token": "token-a", "a signed token": i.token(nil, w.claims(i, nil)), "an expired one": i.token(nil, w.claims(i, map[string]any{"exp": 1})),
		"one for nobody": i.token(nil, w.claims(i, map[string]any{"aud": w.origin + "/w/none/mcp"})), "none": "",
	} {
		n++
		for _, path := range []string{"/w/%s/mcp", "/w/%s/instructions/runQuery", "/w/%s/openapi.json", "/w/%s/results/00000000000000000000000000"} {
			ask := func(workspace string) string {
				r := w.tokenRequest(workspace, token, fmt.Sprintf("198.51.100.%d", n))
				r.URL.Path = fmt.Sprintf(path, workspace)
				if strings.Contains(path, "openapi") || strings.Contains(path, "results") {
					r.Method = http.MethodGet
				}
				if token == "" {
					r.Header.Del("Authorization")
				}
				return same(w.answered(r), workspace)
			}
			there, nowhere := ask("b"), ask("nowhere")
			if there != nowhere || !strings.HasPrefix(there, "401") || strings.Contains(there, "resource_metadata") {
				t.Errorf("%s, %s: of b %s; of none %s", name, path, there, nowhere)
			}
		}
	}
	if n := w.sent(); n != 0 {
		t.Errorf("%d requests reached the org", n)
	}
	// An unlisted issuer leaves no trace in the metadata either.
	metadata := func(workspace string) string {
		r := w.tokenRequest(workspace, "", "198.51.100.1")
		r.Method, r.URL.Path = http.MethodGet, "/.well-known/oauth-protected-resource/w/"+workspace+"/mcp"
		r.Header.Del("Authorization")
		return w.answered(r)
	}
	if there, nowhere := metadata("b"), metadata("nowhere"); there != nowhere || !strings.HasPrefix(there, "404") {
		t.Errorf("metadata of b: %s; of none: %s", there, nowhere)
	}
}

// TestProtectedResourceMetadata: an OAuth client gets from the 401 to the keys that
// sign its token.
func TestProtectedResourceMetadata(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i))
	r := w.request(query(1, 1))
	r.Header.Del("Authorization")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	challenge := resp.Header.Get("WWW-Authenticate")
	_, after, _ := strings.Cut(challenge, `resource_metadata="`)
	at, _, found := strings.Cut(after, `"`)
	if resp.StatusCode != http.StatusUnauthorized || !found || strings.Contains(challenge, "error=") {
		t.Fatalf("%d, challenge %s", resp.StatusCode, challenge)
	}
	resp, err = http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var metadata struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Resource != w.origin+"/w/a/mcp" || !slices.Equal(metadata.Servers, []string{i.url}) || !slices.Equal(metadata.Scopes, []string{"salesforce"}) ||
		!slices.Equal(metadata.Methods, []string{"header"}) || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v, %v", metadata, resp.Header)
	}
	token := i.token(nil, w.claims(i, map[string]any{"aud": metadata.Resource, "scope": strings.Join(metadata.Scopes, " ")}))
	if status, answer := w.asHost(token, nil); status != http.StatusOK || w.who() != "idp/"+demoReader+"/ada/" {
		t.Errorf("%d %s", status, answer)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/w/a", "/.well-known/oauth-protected-resource/w/none/mcp"} {
		r, err := http.NewRequest(http.MethodGet, w.origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := w.do(r); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestAgentsThatLookAlike (attack 16): in whatever place a host names the agent,
// only the very name of the allow-list is that agent.
func TestAgentsThatLookAlike(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i))
	for _, agent := range []any{demoReader + " ", " " + demoReader, strings.ToUpper(demoReader), strings.Replace(demoReader, "e", "е", 1), demoReader + "\u200b", demoReader + "\x00",
		demoReader + "\n", "*", "", "stranger", demoReader[:len(demoReader)-1], []string{demoReader, demoAgent}, map[string]any{"sub": demoReader}, []any{}, 7, true} {
		status, answer := w.asHost(i.token(nil, w.claims(i, map[string]any{"azp": agent})), nil)
		if status != http.StatusOK || !strings.Contains(answer, "isError") || !strings.Contains(answer, "could not be identified") && !strings.Contains(answer, "is not authorized") {
			t.Errorf("%q: %d %s", agent, status, answer)
		}
	}
	// The header and the arguments do not speak for a host whose profile has claims.
	token := i.token(nil, w.claims(i, map[string]any{"azp": "stranger"}))
	if _, answer := w.asHost(token, map[string]string{"Agent-Id": demoAgent}); !strings.Contains(answer, "is not authorized") {
		t.Errorf("the header of another host: %s", answer)
	}
	r := w.request(call(1, "query", map[string]any{"action": "soql", "q": "SELECT Id FROM Account", "agent_id": demoAgent, "user_id": "u", "context_id": "c"}))
	r.Header.Set("Authorization", "Bearer "+i.token(nil, w.claims(i, nil)))
	if _, answer := w.do(r); !strings.Contains(answer, "the model could have written it") {
		t.Errorf("arguments: %s", answer)
	}
	if n := w.sent(); n != 0 {
		t.Errorf("%d requests reached the org", n)
	}
}

// TestGuessing (attack 21): whoever fails often has to wait, whatever it sends
// then; nobody else has, not even behind the same address.
func TestGuessing(t *testing.T) {
	i := newTokenIssuer(t)
	w := newWorld(t, signedHosts(i), func(c *config.Config) {
		c.Workspaces[0].Profiles[0].Tokens = append(c.Workspaces[0].Profiles[0].Tokens, allowlist.HashToken("token-new"))
	})
	status := func(token, from string) int {
		t.Helper()
		r := w.tokenRequest("a", token, from)
		r.Header.Set("Agent-Id", demoReader)
		if token == "" {
			r.Header.Del("Authorization")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests && (resp.Header.Get("Retry-After") == "" || resp.Header.Get("Retry-After") == "0") {
			t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
		}
		return resp.StatusCode
	}
	const attacker = "198.51.100.1"
	if got := status("token-a", attacker); got != http.StatusOK {
		t.Fatalf("a host: %d", got)
	}
	refused, waiting := 0, 0
	for n := range 200 {
		switch status(fmt.Sprintf("guess-%d", n), attacker) {
		case http.StatusUnauthorized:
			refused++
		case http.StatusTooManyRequests:
			waiting++
		}
	}
	if refused < 20 || refused > 60 || refused+waiting != 200 {
		t.Errorf("of 200 guesses %d were looked at and %d told to wait", refused, waiting)
	}
	expired := i.token(nil, w.claims(i, map[string]any{"exp": time.Now().Unix() - 90}))
	for _, tt := range []struct {
		what, token, from string
		want              int
	}{
		{"a token that was never good here", "token-new", attacker, http.StatusTooManyRequests},
		{"the host behind the same address", "token-a", attacker, http.StatusOK},
		{"no token", "", attacker, http.StatusUnauthorized},
		{"the same, through a further proxy", "token-new", attacker + ", 127.0.0.1", http.StatusTooManyRequests},
		{"another address", "token-new", "198.51.100.2", http.StatusOK},
		{"an address made up before it", "guess", "203.0.113.9, " + attacker, http.StatusTooManyRequests},
		{"one of a network", "guess", "2001:db8:1:2::1", http.StatusUnauthorized},
	} {
		if got := status(tt.token, tt.from); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
	for n := range 100 { // all of one /64
		refused = status("guess", fmt.Sprintf("2001:db8:1:2::%x", n))
	}
	if refused != http.StatusTooManyRequests {
		t.Errorf("from many addresses of one network: %d", refused)
	}
	narrow := i.token(nil, w.claims(i, map[string]any{"scope": "other"}))
	for range 40 {
		if got, narrow := status(expired, "198.51.100.3"), status(narrow, "198.51.100.3"); got != http.StatusUnauthorized || narrow != http.StatusForbidden {
			t.Fatalf("a token that has expired, or lacks a scope, is no guess: %d, %d", got, narrow)
		}
	}
	if !strings.Contains(w.log.String(), `"refused":"attempts"`) {
		t.Error("the log has nothing of it")
	}
}

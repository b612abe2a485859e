package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// tokenIssuer is the keys of an authorization server, over real HTTP.
type tokenIssuer struct {
	t   *testing.T
	url string // where it describes itself
	ec  *ecdsa.PrivateKey
}

// issuerECKey is the issuers' second key, "ec"; the first, "rsa", is testKey.
var issuerECKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func newTokenIssuer(t *testing.T) *tokenIssuer {
	i := &tokenIssuer{t: t, ec: issuerECKey()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{KeyID: "rsa", Key: testKey().Public(), Use: "sig"}, {KeyID: "ec", Key: i.ec.Public(), Use: "sig", Algorithm: "ES256"}}})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.url = s.URL
	return i
}

// token signs a token that is good for ten minutes. The text is the claims that it
// has beside, as JSON.
func (i *tokenIssuer) token(header map[string]any, text string) string {
	i.t.Helper()
	now := time.Now().Unix()
	claims := jwt.MapClaims{"iat": now, "nbf": now, "exp": now + 600}
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		i.t.Fatalf("%s: %v", text, err)
	}
	method, kid, key := jwt.SigningMethod(jwt.SigningMethodRS256), "rsa", any(testKey())
	if header["alg"] == "ES256" {
		method, kid, key = jwt.SigningMethodES256, "ec", i.ec
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	for name, value := range header {
		token.Header[name] = value
		if value == nil {
			delete(token.Header, name)
		}
	}
	signed, err := token.SignedString(key)
	if err != nil {
		i.t.Fatal(err)
	}
	return signed
}

// asHost sends one read to workspace a with a bearer token, unless that is empty,
// and further headers.
func (w *world) asHost(token string, headers map[string]string) (status int, answer string) {
	w.t.Helper()
	r := w.request(query(1, 1))
	r.Header.Del("Authorization")
	r.Header.Del("Agent-Id")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return w.do(r)
}

// who says of whom the last entry of workspace a is.
func (w *world) who() string {
	w.t.Helper()
	entries := w.entries("a")
	last := entries[len(entries)-1]
	return last.Host + "/" + last.Agent + "/" + last.User + "/" + last.Context
}

// documentedProfiles are the profiles of docs/hosts.md, each block loaded as an
// administrator would load it.
func documentedProfiles(t *testing.T) []*allowlist.Profile {
	t.Helper()
	text, err := os.ReadFile("../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []*allowlist.Profile
	for n, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		file := filepath.Join(t.TempDir(), "config.yaml")
		content := "workspaces:\n  - name: w\n    " + strings.ReplaceAll(block[1], "\n", "\n    ") + "\n"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, func(string) string { return "" })
		if err != nil {
			t.Fatalf("block %d of docs/hosts.md: %v", n+1, err)
		}
		all = append(all, c.Workspaces[0].Profiles...)
	}
	return all
}

// TestDocumentedHosts: the profiles of docs/hosts.md let in what those hosts send,
// and nothing that is like it.
func TestDocumentedHosts(t *testing.T) {
	i := newTokenIssuer(t)
	profiles := documentedProfiles(t)
	for _, p := range profiles {
		if p.JWT != nil {
			p.JWT.JWKSURL = i.url + "/keys"
		}
		for n := range p.Tokens {
			p.Tokens[n] = allowlist.HashToken("token of " + p.Name)
		}
	}
	// Entra's version 1 tokens, as the page says.
	v1, proof := *profiles[2], *profiles[2].JWT
	v1.Name, v1.JWT = "entra-agent-v1", &proof
	proof.Issuer = "https://sts.windows.net/00000001-0000-0ff1-ce00-000000000000/"
	profiles = append(profiles, &v1)
	const agent, azp, cognito = "agent-1", "aaaaaaaa-1111-2222-3333-444444444444", "1example23456789"
	w := newWorld(t, func(c *config.Config) {
		c.TrustedProxies = allowlist.Networks{"127.0.0.0/8"}
		c.Workspaces[0].Profiles = profiles
		c.Workspaces[0].Rules = nil
		for _, name := range []string{agent, azp, cognito, "wlp8x5q7mvH86KvFJ0g7"} {
			c.Workspaces[0].Rules = append(c.Workspaces[0].Rules, allowlist.Rule{Agent: name, Preset: "read"})
		}
	})
	mcp := w.origin + "/w/a/mcp"
	const (
		entra = `"aud":"f2510d34-8dca-4ab8-a0bc-aaec4d3a3e36","iss":"https://login.microsoftonline.com/00000001-0000-0ff1-ce00-000000000000/v2.0",
			"azp":"aaaaaaaa-1111-2222-3333-444444444444","azpacr":"2","oid":"bbbbbbbb-1111-2222-3333-444444444444","rh":"1.AAA.",
			"sub":"cccccccc-1111-2222-3333-444444444444","tid":"00000001-0000-0ff1-ce00-000000000000","uti":"m5RaaRnoFUyp2TbSCAAAAA","ver":"2.0",
			"xms_par_app_azp":"30cf4c22-9985-4ef7-8756-91cc888176bd","xms_tnt_fct":"3 9",`
		entraUser = `{` + entra + `"idtyp":"user","scp":"salesforce.use","xms_act_fct":"3 9 11","xms_sub_fct":"3 2","xms_idrel":"1 10"}`
		entraApp  = `{` + entra + `"idtyp":"app","roles":["salesforce.use"],"xms_act_fct":"3 9 11","xms_sub_fct":"9 3 11","xms_idrel":"7 10"}`
	)
	entraV1 := strings.NewReplacer(`"azp":`, `"appid":`, `"azpacr":`, `"appidacr":`, `"2.0"`, `"1.0"`,
		"https://login.microsoftonline.com/00000001-0000-0ff1-ce00-000000000000/v2.0", proof.Issuer).Replace(entraApp)
	okta := `{"ver":1,"jti":"AT.x","iss":"https://acme.okta.com/oauth2/aus1a2b3c4d5e6f7g8h9","aud":"` + mcp + `","cid":"wlp8x5q7mvH86KvFJ0g7",
		"uid":"00u1a2b3c4D5E6F7G8H9","scp":["salesforce.use"],"sub":"ada@acme.example","act":{"sub":"wlp8x5q7mvH86KvFJ0g7"}}`
	cognitoApp := `{"sub":"1example23456789","token_use":"access","scope":"salesforce/use","auth_time":1753392285,
		"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI","version":2,"jti":"x","client_id":"1example23456789"}`
	cognitoUser := strings.Replace(cognitoApp, `"sub":"1example23456789"`, `"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","username":"ada","cognito:groups":["g"]`, 1)
	gateway := `{"iss":"acme-gateway","aud":"` + mcp + `","env":"production","agent":"agent-1","sub":"ada","sid":"c-1"}`
	people := `{"iss":"https://login.acme.example/realms/staff","aud":["account","` + mcp + `"],"azp":"agent-1","sub":"ada","scope":"openid salesforce","typ":"Bearer"}`
	rs, es := map[string]any(nil), map[string]any{"alg": "ES256", "typ": "at+jwt"}
	noTyp := map[string]any{"typ": nil}
	cert, pemCert := newClientCert(t, agent)
	xfcc := `By=spiffe://acme.example/ns/mcp/sa/server;Hash=` + cert + `;Subject="CN=gw,O=Acme \"A;B\"";URI=spiffe://acme.example/ns/agents/sa/gateway`
	mesh := map[string]string{"X-Agent-Id": agent, "X-Forwarded-User": "ada"}
	with := func(name, value string) map[string]string {
		return map[string]string{"X-Agent-Id": agent, "X-Forwarded-User": "ada", name: value}
	}
	without := func(text, old, changed string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %s", text, old)
		}
		return strings.Replace(text, old, changed, 1)
	}
	nginx := func(verified, cert string) map[string]string {
		return map[string]string{"X-SSL-Client-Verify": verified, "X-SSL-Client-Cert": cert}
	}

	tested := map[string]bool{}
	for n, tt := range []struct {
		what    string
		token   string
		headers map[string]string
		who     string // host/agent/user/context; "" is 401, "403" and "unidentified" what they say
	}{
		{"agent factory, arguments", "token of agent-factory", nil, "unidentified"}, // this read has none: see below
		{"agent factory, header", "token of agent-factory", map[string]string{"agent-id": agent}, "agent-factory/agent-1//"},
		{"agent factory, other token", "token of agent-factory2", map[string]string{"agent-id": agent}, ""},

		{"entra, for a user", i.token(rs, entraUser), nil, "entra-user/" + azp + "/bbbbbbbb-1111-2222-3333-444444444444/"},
		{"entra, for a user, other scope", i.token(rs, without(entraUser, `"scp":"salesforce.use"`, `"scp":"User.Read"`)), nil, "403"},
		{"entra, for a user, several scopes", i.token(rs, without(entraUser, `"scp":"salesforce.use"`, `"scp":"openid salesforce.use"`)), nil, "entra-user/" + azp + "/bbbbbbbb-1111-2222-3333-444444444444/"},
		{"entra, alone", i.token(rs, entraApp), nil, "entra-agent/" + azp + "//"},
		{"entra, alone, version 1", i.token(rs, entraV1), nil, "entra-agent-v1/" + azp + "//"},
		{"entra, no agent", i.token(rs, without(entraUser, `"3 9 11"`, `"3 9"`)), nil, ""},
		{"entra, facet 111", i.token(rs, without(entraUser, `"3 9 11"`, `"3 9 111"`)), nil, ""},
		{"entra, other tenant", i.token(rs, without(entraUser, "ce00-000000000000/v2.0", "ce00-000000000001/v2.0")), nil, ""},
		{"entra, for another app", i.token(rs, without(entraUser, `"aud":"f2510d34`, `"aud":"f2510d35`)), nil, ""},
		{"entra, for Graph", i.token(rs, without(entraUser, `"aud":"f2510d34-8dca-4ab8-a0bc-aaec4d3a3e36"`, `"aud":"00000003-0000-0000-c000-000000000000"`)), nil, ""},
		{"entra, app without role", i.token(rs, without(entraApp, `["salesforce.use"]`, `["other"]`)), nil, ""},
		{"entra, two agents", i.token(rs, without(entraUser, `"azp":`, `"appid":"agent-1","azp":`)), nil, "unidentified"},

		{"okta", i.token(noTyp, okta), nil, "okta/wlp8x5q7mvH86KvFJ0g7/ada@acme.example/"},
		{"okta, the grant itself", i.token(map[string]any{"typ": "oauth-id-jag+jwt"}, okta), nil, ""},
		{"okta, its own token", i.token(map[string]any{"typ": "application/okta-internal-at+jwt"}, okta), nil, ""},
		{"okta, without actor", i.token(noTyp, without(okta, `"act":{"sub":"wlp8x5q7mvH86KvFJ0g7"}`, `"x":1`)), nil, "unidentified"},
		{"okta, actor is text", i.token(noTyp, without(okta, `{"sub":"wlp8x5q7mvH86KvFJ0g7"}`, `"wlp8x5q7mvH86KvFJ0g7"`)), nil, "unidentified"},
		{"okta, for another server", i.token(noTyp, without(okta, mcp, "api://default")), nil, ""},
		{"okta, other authorization server", i.token(noTyp, without(okta, "/oauth2/aus1a2b3c4d5e6f7g8h9", "/oauth2/default")), nil, ""},
		{"okta, no scope", i.token(noTyp, without(okta, "salesforce.use", "other")), nil, "403"},

		{"agentcore, alone", i.token(noTyp, cognitoApp), nil, "agentcore/" + cognito + "//"},
		{"agentcore, for a user", i.token(noTyp, cognitoUser), nil, "agentcore-user/" + cognito + "/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/"},
		{"agentcore, the header is no user", i.token(noTyp, cognitoApp), map[string]string{"X-Amzn-Bedrock-AgentCore-Runtime-User-Id": "eve"}, "agentcore/" + cognito + "//"},
		{"agentcore, resource bound", i.token(noTyp, without(cognitoApp, `"version"`, `"aud":"`+mcp+`","version"`)), nil, "agentcore/" + cognito + "//"},
		{"agentcore, bound to another", i.token(noTyp, without(cognitoApp, `"version"`, `"aud":"https://other.example","version"`)), nil, ""},
		{"agentcore, other scope", i.token(noTyp, without(cognitoApp, "salesforce/use", "orders/use")), nil, "403"},
		{"agentcore, ID token", i.token(noTyp, without(cognitoUser, `"access"`, `"id"`)), nil, ""},
		{"agentcore, other pool", i.token(noTyp, without(cognitoApp, "_AbCdEfGhI", "_AbCdEfGhJ")), nil, ""},

		{"gateway", i.token(es, gateway), nil, "gateway-jwt/agent-1/ada/c-1"},
		{"gateway, RS256", i.token(map[string]any{"typ": "at+jwt"}, gateway), nil, ""},
		{"gateway, other typ", i.token(map[string]any{"alg": "ES256"}, gateway), nil, ""},
		{"gateway, staging", i.token(es, without(gateway, "production", "staging")), nil, ""},
		{"gateway by headers", "token of gateway-headers", mesh, "gateway-headers/agent-1/ada/"},
		{"gateway by headers, none", "token of gateway-headers", nil, "unidentified"},

		{"mesh", "", with("X-Forwarded-Client-Cert", xfcc), "mesh/agent-1/ada/"},
		{"mesh, other workload", "", with("X-Forwarded-Client-Cert", without(xfcc, "sa/gateway", "sa/other")), ""},
		{"mesh, two proxies", "", with("X-Forwarded-Client-Cert", xfcc+",By=spiffe://x;URI=spiffe://y"), ""},
		{"mesh, name in the subject", "", with("X-Forwarded-Client-Cert", `Hash=x;Subject="CN=a\";URI=spiffe://acme.example/ns/agents/sa/gateway"`), ""},
		{"mesh, nothing", "", mesh, ""},
		{"nginx", "", nginx("SUCCESS", pemCert), "agents/agent-1//"},
		{"nginx, not verified", "", nginx("FAILED:unable to verify the first certificate", pemCert), ""},
		{"nginx, none", "", nginx("NONE", ""), ""},
		{"nginx, no verdict", "", map[string]string{"X-SSL-Client-Cert": pemCert}, ""},
		{"nginx, no certificate", "", nginx("SUCCESS", "1"), ""},

		{"people", i.token(rs, people), nil, "people/agent-1/ada/"},
		{"people, for another resource", i.token(rs, without(people, mcp, w.origin+"/w/b/mcp")), nil, ""},
		{"people, for the account", i.token(rs, without(people, `["account","`+mcp+`"]`, `"account"`)), nil, ""},
		{"people, no scope", i.token(rs, without(people, "openid salesforce", "openid")), nil, "403"},
	} {
		if tt.headers == nil {
			tt.headers = map[string]string{}
		}
		tt.headers["X-Forwarded-For"] = fmt.Sprintf("198.51.100.%d", n) // each from elsewhere, so that none is shut out
		status, answer := w.asHost(tt.token, tt.headers)
		got := fmt.Sprint(status)
		switch {
		case status == http.StatusOK && strings.Contains(answer, "could not be identified"):
			got = "unidentified"
		case status == http.StatusOK && !strings.Contains(answer, "isError"):
			got = w.who()
			host, _, _ := strings.Cut(got, "/")
			tested[host] = true
		case status == http.StatusUnauthorized:
			got = ""
		}
		if got != tt.who {
			t.Errorf("%s: %q, want %q: %d %s", tt.what, got, tt.who, status, answer)
		}
	}
	r := w.request(call(1, "query", map[string]any{"action": "soql", "q": "SELECT Id FROM Account LIMIT 1", "agent_id": agent, "user_id": "ada", "context_id": "c-1"}))
	r.Header.Del("Agent-Id")
	r.Header.Set("Authorization", "Bearer token of agent-factory")
	if status, answer := w.do(r); status != http.StatusOK || w.who() != "agent-factory/agent-1/ada/c-1" {
		t.Errorf("agent factory: %d %s, %s", status, answer, w.who())
	}
	for _, p := range profiles {
		if !tested[p.Name] {
			t.Errorf("profile %s of docs/hosts.md: nothing was let in", p.Name)
		}
	}
}

// newClientCert makes a certificate of that common name: its SHA-256, and as nginx
// passes it on.
func newClientCert(t *testing.T, name string) (sum, escaped string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, issuerECKey().Public(), issuerECKey())
	if err != nil {
		t.Fatal(err)
	}
	escaped = url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return allowlist.HashToken(string(der)), strings.ReplaceAll(escaped, "+", "%20")
}

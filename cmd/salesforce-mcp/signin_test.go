package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// signInServer is an authorization server that lets ada in without asking: the code
// flow with PKCE and resource indicators. Its tokens are signed with testKey.
func signInServer(t *testing.T) (*tokenIssuer, *[]url.Values) {
	i := &tokenIssuer{t: t, ec: issuerECKey()}
	var mu sync.Mutex
	var asked []url.Values
	codes := map[string]url.Values{}
	keys := newTokenIssuer(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": keys.url + "/keys", "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post"}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q, code := r.URL.Query(), rand.Text()
		codes[code] = q
		asked = append(asked, q)
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q, ok := codes[r.FormValue("code")]
		delete(codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || r.FormValue("resource") != q.Get("resource") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		text, _ := json.Marshal(map[string]any{"iss": i.url, "aud": q.Get("resource"), "sub": "ada", "azp": q.Get("client_id"), "scope": q.Get("scope")})
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":600}`, i.token(nil, string(text)))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.url = s.URL
	return i, &asked
}

// TestSDKSignsIn: a client that knows nothing but the endpoint's URL (the official Go
// SDK's) finds the authorization server, signs its user in and calls a tool.
func TestSDKSignsIn(t *testing.T) {
	i, asked := signInServer(t)
	w := newWorld(t, func(c *config.Config) { signedHosts(i)(c) })
	handler, err := sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: demoReader, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "s"}},
		RedirectURL:         "http://127.0.0.1:1/callback",
		AuthorizationCodeFetcher: func(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
			if err != nil {
				return nil, err
			}
			resp, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			back, err := resp.Location()
			if err != nil {
				return nil, err
			}
			return &sdkauth.AuthorizationResult{Code: back.Query().Get("code"), State: back.Query().Get("state")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: w.origin + "/w/a/mcp", OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "query", Arguments: map[string]any{"action": "soql", "q": "SELECT Id FROM Account LIMIT 1"}})
	if err != nil || result.IsError || w.who() != "idp/"+demoReader+"/ada/" {
		t.Errorf("%+v, error %v", result, err)
	}
	if len(*asked) != 1 || (*asked)[0].Get("resource") != w.origin+"/w/a/mcp" || !strings.Contains((*asked)[0].Get("scope"), "salesforce") {
		t.Errorf("the client asked for %v", *asked)
	}
}

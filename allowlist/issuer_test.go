package allowlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// issuer is an authorization server as far as its keys go, over real HTTP. The
// zero values of its switches are those of a healthy one.
type issuer struct {
	url  string
	http *http.Client

	mu      sync.Mutex
	keys    []jose.JSONWebKey // which it publishes
	body    string            // instead of the key set
	status  int               // instead of 200, on all paths
	claims  string            // the issuer that it says it is, instead of url
	fetched int               // key sets that were asked for
	at      []string          // paths that were asked for
}

// Keys that take long to make, for all tests.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	rsaKey2 = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
)

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	k, _ := ecdsa.GenerateKey(curve, rand.Reader)
	return k
}

func edKey() ed25519.PrivateKey {
	_, k, _ := ed25519.GenerateKey(rand.Reader)
	return k
}

// newIssuer starts an issuer with the RSA key "k1".
func newIssuer(t testing.TB) *issuer {
	i := &issuer{keys: []jose.JSONWebKey{publicJWK("k1", rsaKey())}}
	mux := http.NewServeMux()
	discovery := func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		says := i.url
		if i.claims != "" {
			says = i.claims
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": says, "jwks_uri": i.url + "/keys"})
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetched++
		if i.body != "" {
			_, _ = w.Write([]byte(i.body))
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		status := i.status
		i.at = append(i.at, r.URL.Path)
		i.mu.Unlock()
		if status != 0 {
			http.Error(w, "not now", status)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	i.url = s.URL
	// Without connections that stay open, of which synctest would wait for the end.
	i.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return i
}

func publicJWK(id string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: id, Key: key.Public(), Use: "sig"}
}

// publish replaces the keys.
func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched
}

const testResource = "https://sales.example/w/demo/mcp"

// good are the claims of a token that is in order now.
func (i *issuer) good() jwt.MapClaims {
	now := time.Now().Unix()
	return jwt.MapClaims{"iss": i.url, "aud": testResource, "sub": "ada", "azp": "support", "scope": "salesforce.use other",
		"iat": now - 10, "nbf": now - 10, "exp": now + 600}
}

// sign signs claims with a key; header replaces fields of the header, and takes
// out those that are nil.
func sign(t testing.TB, method jwt.SigningMethod, kid string, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	for name, value := range header {
		token.Header[name] = value
		if value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// token is a good token with some claims changed; nil takes one out.
func (i *issuer) token(t testing.TB, change map[string]any) string {
	t.Helper()
	claims := i.good()
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return sign(t, jwt.SigningMethodRS256, "k1", rsaKey(), nil, claims)
}

// workspace is one whose only host proves itself with tokens of the issuer.
func (i *issuer) workspace(proof JWT) *Workspace {
	proof.Issuer = i.url
	return &Workspace{Name: "demo", Keys: &Keys{HTTP: i.http, Loopback: true}, Rules: []Rule{{Agent: "support", Preset: PresetAll}},
		Profiles: []*Profile{{Name: "idp", JWT: &proof, Agent: []Source{{FromClaim, "azp"}}, User: []Source{{FromClaim, "sub"}}}}}
}

// prove presents a token.
func prove(t testing.TB, w *Workspace, token string) (*Host, error) {
	t.Helper()
	return w.Authenticate(t.Context(), Presented{Bearer: token, Header: http.Header{}, Resource: testResource})
}

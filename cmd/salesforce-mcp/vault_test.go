package main

import (
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestVault: a workspace signs with a key that never leaves Vault, one has its
// secret there and one the tokens of its people. While Vault is away sessions go
// on, and what needs Vault says so; when it is back all go on. (That fakevault is
// as Vault is, internal/secrets tests.)
func TestVault(t *testing.T) {
	fake := fakevault.New()
	var away atomic.Bool
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		fake.ServeHTTP(w, r)
	}))
	defer vault.Close()
	admin := func(path, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, vault.URL+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Vault-Token", fake.Root)
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode >= 300 {
			t.Fatal(path, resp, err)
		}
		_ = resp.Body.Close()
	}
	admin("sys/mounts/transit", `{"type":"transit"}`)
	admin("transit/keys/sales", `{"type":"rsa-2048"}`)
	at := secrets.VaultConfig{Address: vault.URL, Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: salesforce.Secret(fake.Root)}}
	store, err := secrets.NewVault(t.Context(), at, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	key, err := store.CertificateKey(t.Context(), "sales")
	if err != nil {
		t.Fatal(err)
	}
	var clientSecret string
	w := newWorld(t, func(c *config.Config) {
		c.Secrets = config.Secrets{Store: config.StoreVault, Vault: at}
		signs, has, people := *c.Workspaces[0].Auth, *c.Workspaces[0].Auth, *c.Workspaces[0].Auth
		signs.PrivateKey, signs.TransitKey = "", "sales"
		has.Mode, has.PrivateKey, has.Username = "clientCredentials", "", ""
		people.Mode, people.PrivateKey, people.Username, people.Proof = "oauth", "", "", "none"
		third := c.Workspaces[0]
		third.Name = "people"
		c.Workspaces = append(c.Workspaces, third)
		c.Workspaces[0].Auth, c.Workspaces[1].Auth, c.Workspaces[2].Auth = &signs, &has, &people
		c.Workspaces[1].Profiles = c.Workspaces[0].Profiles
	})
	clientSecret = w.org.ready.ClientSecret
	if err := w.org.org.SetClient(fakeorg.Client{Key: w.org.ready.ClientID, Secret: clientSecret, PublicKey: key.Public().(*rsa.PublicKey), RunAs: w.org.ready.Username,
		RedirectURIs: []string{w.origin + "/oauth/callback"}, RotateRefreshTokens: true}); err != nil {
		t.Fatal(err)
	}
	call := func(workspace string) string {
		r := w.request(call(1, "query", map[string]any{"action": "soql", "q": "SELECT COUNT() FROM Account", "agent_id": demoAgent, "user_id": "ann", "context_id": "c"}))
		r.URL.Path = "/w/" + workspace + "/mcp"
		_, body := w.do(r)
		return body
	}
	works := func(when, workspace string) {
		t.Helper()
		if body := call(workspace); !strings.Contains(body, "totalSize") {
			t.Errorf("%s, %s: %s", when, workspace, body)
		}
	}
	says := func(when, workspace, want string) {
		t.Helper()
		if body := call(workspace); !strings.Contains(body, want) || strings.Contains(body, vault.URL) {
			t.Errorf("%s, %s: %s", when, workspace, body)
		}
	}
	works("at first", "a")
	says("without a secret", "b", "client secret")
	if _, err := store.Put(t.Context(), "b", "clientSecret", salesforce.Secret(clientSecret), 0); err != nil {
		t.Fatal(err)
	}
	works("with its secret, from the next call on", "b")
	body := call("people")
	link := body[strings.Index(body, w.origin+"/w/people/oauth/connect"):]
	newBrowser(t).open(link[:strings.IndexAny(link, `"\ `)]).follow().salesforce(fakeorg.ServiceUser).shows(200, "Salesforce is connected")
	works("connected", "people")

	away.Store(true)
	for _, workspace := range []string{"a", "b", "people"} {
		works("with a session, Vault away", workspace)
	}
	w.org.org.Inject(fakeorg.Fault{ExpireTokens: true})
	says("without a session, Vault away", "a", "secret store is not available")
	works("a secret that is known, Vault away", "b")
	says("without a session, Vault away", "people", "secret store is not available")
	says("a person who is not known, Vault away", "people", "secret store is not available")
	if n := strings.Count(w.log.String(), fake.Root) + strings.Count(w.log.String(), clientSecret); n != 0 {
		t.Errorf("%d secrets in the log", n)
	}

	away.Store(false)
	for _, workspace := range []string{"a", "b", "people"} {
		works("Vault back", workspace)
	}
	if fake.Count("PUT transit/sign/sales") == 0 && fake.Count("POST transit/sign/sales") == 0 && fake.Count("PUT transit/sign/sales/sha2-256") == 0 {
		t.Error("nothing was signed in Vault")
	}
}

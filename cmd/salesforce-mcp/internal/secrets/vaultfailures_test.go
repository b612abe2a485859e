package secrets_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// uses are the ways to use a Vault, each with the same secret, all of which must
// fail alike.
func uses(t *testing.T, v *secrets.Vault) map[string]error {
	ctx := t.Context()
	all := map[string]error{}
	_, _, all["Get"] = v.Get(ctx, "sales", "x")
	_, all["Put"] = v.Put(ctx, "sales", "x", "canary value", secrets.Any)
	all["Delete"] = v.Delete(ctx, "sales", "x")
	_, all["Sign"] = v.Signer("salesforce").Sign(ctx, []byte("canary assertion"))
	all["Check"] = v.Check(ctx, "salesforce")
	return all
}

// TestVaultFailures: each says what to mend, and none holds a secret (attack 36).
func TestVaultFailures(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		config := w.appRole(t, "")
		w.admin(t, "POST", "sys/mounts/transit", `{"type":"transit"}`)
		w.admin(t, "POST", "sys/mounts/old", `{"type":"kv","options":{"version":"1"}}`)
		w.admin(t, "POST", "transit/keys/salesforce", `{"type":"rsa-2048"}`)
		v := w.open(t, config)
		works(t, v)
		canaries := []string{"canary", config.Login.SecretID.Reveal(), secrets.TokenOf(v).Reveal(), w.root}
		expect := func(name string, v *secrets.Vault, want map[string]string) {
			t.Helper()
			for use, err := range uses(t, v) {
				says, expected := want[use]
				if !expected {
					says = want["all"]
				}
				switch {
				case says == "" && err != nil, says != "" && !unavailable(err, says):
					t.Errorf("%s: %s: %v", name, use, err)
				}
				for _, canary := range canaries {
					if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
						t.Errorf("%s: %s shows a secret: %v", name, use, err)
					}
				}
			}
		}
		changed := func(change func(*secrets.VaultConfig)) *secrets.Vault {
			c := config
			change(&c)
			return w.open(t, c)
		}

		w.policy(t, `path "secret/data/salesforce-mcp/*" { capabilities = ["create", "update"] }`)
		expect("policies", v, map[string]string{
			"Get": "policies in Vault do not allow to read secret/data/salesforce-mcp/sales/x", "Put": "",
			"Delete": "policies in Vault do not allow to delete secret/metadata/salesforce-mcp/sales/x",
			"Sign":   "policies in Vault do not allow to update transit/sign/salesforce/sha2-256",
			"Check":  "lack read on secret/data/salesforce-mcp/any/secret, delete on secret/metadata/salesforce-mcp/any/secret, update on transit/sign/salesforce/sha2-256",
		})
		w.policy(t, `path "secret/data/salesforce-mcp/*" { capabilities = ["read"] }`)
		if _, err := v.Put(t.Context(), "sales", "new", "canary value", 0); !unavailable(err, "do not allow to create or update secret/data/salesforce-mcp/sales/new") {
			t.Error(err)
		}
		w.policy(t, documentedPolicy(t)+`path "old/*" { capabilities = ["read", "update"] } path "gone/*" { capabilities = ["update"] }`)
		expect("no mount", changed(func(c *secrets.VaultConfig) { c.Mount = "none" }), map[string]string{
			"all": `Vault has no mount "none", or the token's policies give no access to it: enable it (vault secrets enable -path=none kv-v2), or mend mount or the policies`, "Sign": "",
		})
		expect("KV version 1", changed(func(c *secrets.VaultConfig) { c.Mount = "old" }), map[string]string{
			"all": `the mount "old" of Vault is not the secrets engine KV version 2: enable one there`, "Sign": "",
		})
		expect("not KV", changed(func(c *secrets.VaultConfig) { c.Mount = "transit" }), map[string]string{
			"all": `the mount "transit" of Vault is not the secrets engine KV version 2`, "Sign": "",
		})
		expect("no transit", changed(func(c *secrets.VaultConfig) { c.TransitMount = "gone" }), map[string]string{
			"Sign": `Vault has nothing mounted at "gone": enable it there`,
		})
		expect("no auth method", changed(func(c *secrets.VaultConfig) { c.Login.Mount = "none" }), map[string]string{
			"all": "Vault refuses the login at auth/none: there is no such auth method (enable it with vault auth enable -path=none approle, or set login.mount)",
		})
		wrong := changed(func(c *secrets.VaultConfig) { c.Login.SecretID = "canary secret id" })
		expect("wrong secret id", wrong, map[string]string{
			"all": "login.roleID is wrong, or the secret id is missing, wrong, expired or used as often as it may; make one with vault write -f auth/approle/role/NAME/secret-id",
		})
		expect("wrong token", changed(func(c *secrets.VaultConfig) { c.Login = secrets.VaultLogin{Method: "token", Token: "canary token"} }), map[string]string{
			"all": "Vault refuses the token: it has expired, was revoked",
		})

		w.admin(t, "PUT", "secret/data/salesforce-mcp/sales/x", `{"data":{"password":"canary"}}`)
		if _, _, err := v.Get(t.Context(), "sales", "x"); !unavailable(err, `the secret in Vault has no text in the field "value": write it with vault kv put -mount=secret salesforce-mcp/sales/x value=-`) {
			t.Error(err)
		}
		if _, err := v.Put(t.Context(), "sales", "x", "canary \xff", secrets.Any); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret that is not text: %v", err)
		}

		w.admin(t, "PUT", "sys/mounts/kv", `{"type":"kv","options":{"version":"2"}}`)
		w.policy(t, documentedPolicy(t)+`path "kv/data/*" { capabilities = ["read"] } path "secret/data/x" { capabilities = ["read"] }`)
		lost := changed(func(c *secrets.VaultConfig) { c.Mount = "kv" })
		if _, _, err := lost.Get(t.Context(), "sales", "x"); !errors.Is(err, secrets.ErrNone) {
			t.Error(err)
		}
		w.admin(t, "DELETE", "sys/mounts/kv", "")
		if _, _, err := lost.Get(t.Context(), "sales", "x"); !unavailable(err, `Vault has nothing mounted at "kv"`) {
			t.Errorf("a mount that was taken away: %v", err)
		}

		w.admin(t, "PUT", "sys/seal", "")
		expect("sealed", v, map[string]string{"all": "Vault at " + w.address + " is sealed: unseal it (vault operator unseal)"})
		fresh := w.open(t, config)
		expect("sealed from the start", fresh, map[string]string{"all": "is sealed: unseal it"})
		w.unseal(t)
		works(t, v)
		for _, canary := range append(canaries, "canary token", "canary secret id") {
			if strings.Contains(w.log.String(), canary) {
				t.Errorf("the log shows %q:\n%s", canary, w.log.String())
			}
		}
	})
}

// TestVaultSoftDelete: a secret that an operator took away is none, and can be
// put again.
func TestVaultSoftDelete(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		v := w.open(t, w.appRole(t, ""))
		works(t, v)
		w.admin(t, "DELETE", "secret/data/salesforce-mcp/sales/clientSecret", "")
		if _, _, err := v.Get(t.Context(), "sales", "clientSecret"); !errors.Is(err, secrets.ErrNone) {
			t.Error(err)
		}
		version, err := v.Put(t.Context(), "sales", "clientSecret", "again", 0)
		if err != nil || version != 2 {
			t.Error(version, err)
		}
	})
}

func TestVaultTLS(t *testing.T) {
	tlsVault(t, func(t *testing.T, w *vaultWorld) {
		config := secrets.VaultConfig{CAFile: w.caFile, Login: secrets.VaultLogin{Method: "token", Token: salesforce.Secret(w.root)}}
		works(t, w.open(t, config))
		config.CAFile = ""
		if _, _, err := w.open(t, config).Get(t.Context(), "sales", "x"); !unavailable(err, "has a certificate that is not trusted: set caFile") {
			t.Error(err)
		}
	})
}

// TestVaultOddAnswers is about answers that a Vault of a test does not give.
func TestVaultOddAnswers(t *testing.T) {
	// Attack 25: nobody is sent the token but Vault.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s followed a redirect with token %q", r.Method, r.URL, r.Header.Get("X-Vault-Token"))
	}))
	defer elsewhere.Close()
	errs := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"standby that redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
			"sends the request elsewhere, as a standby node does that cannot forward it: set address"},
		"standby without active": {errs(500, "local node not active but active cluster node not found"), "is a standby node and knows no active one"},
		"performance standby":    {errs(473, ""), "is a standby node"},
		"not initialised":        {errs(503, "Vault is not initialized"), "is not initialised: initialise it (vault operator init)"},
		"rate limit":             {errs(429, "request path \"…\": rate limit quota exceeded"), "its rate limit quota is used up"},
		"failure":                {errs(500, "internal\nerror"), "failed with status 500: its log says why (Vault says: internal error)"},
		"other":                  {errs(418, "teapot"), "status 418 (Vault says: teapot)"},
		"long":                   {errs(418, strings.Repeat("x", 9999)), strings.Repeat("x", 200) + "…)"},
		"web page":               {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>canary") }, "gives an answer that is not one of Vault's"},
		"empty":                  {func(http.ResponseWriter, *http.Request) {}, "gives an answer that is not one of Vault's"},
		"null":                   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "null") }, "gives an answer that is not one of Vault's"},
		"cut off":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be"},
		"echo": {func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			errs(400, string(body)+r.Header.Get("X-Vault-Token"))(w, r)
		}, "•••"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
					return
				}
			}
		}, "gives an answer that is not one of Vault's"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			w := &vaultWorld{address: server.URL}
			v := w.open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: "approle", RoleID: "r", SecretID: "canary-secret-id"}})
			for use, err := range uses(t, v) {
				if !unavailable(err, c.want) && (name != "echo" || !unavailable(err, "Vault refuses the login")) {
					t.Errorf("%s: %v", use, err)
				}
				if strings.Contains(fmt.Sprint(err)+w.log.String(), "canary") {
					t.Errorf("%s shows a secret: %v", use, err)
				}
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := httptest.NewServer(errs(400, ""))
	defer plain.Close()
	for address, want := range map[string]string{
		"http://" + l.Addr().String():                        "cannot be reached: look whether it runs",
		"https://vault.invalid":                              "has a name that cannot be found",
		strings.Replace(plain.URL, "http://", "https://", 1): "does not speak TLS",
	} {
		v := (&vaultWorld{}).open(t, secrets.VaultConfig{Address: address, Login: secrets.VaultLogin{Method: "token", Token: "t"}})
		if _, _, err := v.Get(t.Context(), "sales", "x"); !unavailable(err, want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestVaultEchoesSecrets: what a Vault, or what stands in front of it, says about
// a request is shown without the secrets that were in it.
func TestVaultEchoesSecrets(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer := map[string]any{"errors": []string{r.Header.Get("X-Vault-Token") + string(body)}}
		switch {
		case r.URL.Path == "/v1/auth/token/lookup-self":
			answer = map[string]any{"data": map[string]any{"ttl": 0}}
		case strings.HasPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/"):
			answer = map[string]any{"data": map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}}
		default:
			w.WriteHeader(400)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	v := (&vaultWorld{address: server.URL}).open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: "token", Token: "canary-token"}})
	shown := 0
	for use, err := range uses(t, v) {
		if err == nil || strings.Contains(err.Error(), "canary-token") || strings.Contains(err.Error(), "canary value") {
			t.Errorf("%s: %v", use, err)
		}
		if strings.Contains(fmt.Sprint(err), "•••") {
			shown++
		}
	}
	if shown < 5 {
		t.Errorf("only %d errors say what Vault says", shown)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", v, v, v, v.Signer("k")); strings.Contains(text, "canary") {
		t.Errorf("a Vault prints as %s", text)
	}
}

package secrets_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// works reports an error unless the store gives what it is given.
func works(t *testing.T, v *secrets.Vault) {
	t.Helper()
	want := salesforce.Secret(fmt.Sprint("value of ", t.Name()))
	if _, err := v.Put(t.Context(), "sales", "clientSecret", want, secrets.Any); err != nil {
		t.Fatal(err)
	}
	if got, _, err := v.Get(t.Context(), "sales", "clientSecret"); got != want || err != nil {
		t.Fatal(got, err)
	}
	if err := v.Check(t.Context(), "salesforce"); err != nil {
		t.Fatal(err)
	}
}

// revokeAll revokes every token but the root token, by revoking what the logins
// made.
func (w *vaultWorld) revoke(t *testing.T, v *secrets.Vault) {
	t.Helper()
	w.admin(t, "POST", "auth/token/revoke", `{"token":"`+secrets.TokenOf(v).Reveal()+`"}`)
}

func TestVaultLoginToken(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		w.policy(t, documentedPolicy(t))
		works(t, w.open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: w.tokenOf(t, "salesforce-mcp", "")}}))

		file := filepath.Join(t.TempDir(), "token")
		write(t, file, w.tokenOf(t, "salesforce-mcp", "").Reveal()+"\n")
		v := w.open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: secrets.LoginToken, TokenFile: file}})
		works(t, v)
		w.revoke(t, v)
		write(t, file, w.tokenOf(t, "salesforce-mcp", "").Reveal()+"\n")
		works(t, v) // with the new one
		w.revoke(t, v)
		if _, _, err := v.Get(t.Context(), "sales", "clientSecret"); !unavailable(err, "Vault refuses the token") {
			t.Error(err)
		}
	})
}

func TestVaultLoginAppRole(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		config := w.appRole(t, `,"token_ttl":"1h"`)
		v := w.open(t, config)
		works(t, v)
		w.revoke(t, v)
		works(t, v)

		t.Run("secret id in a file", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret-id")
			config := config
			config.Login.SecretID, config.Login.SecretIDFile = "", file
			v := w.open(t, config)
			if _, _, err := v.Get(t.Context(), "sales", "x"); !unavailable(err, "secret-id, which the login to Vault needs, is not there") {
				t.Error(err)
			}
			write(t, file, w.text(t, w.admin(t, "POST", "auth/approle/role/server/secret-id", ""), "data.secret_id"))
			works(t, w.open(t, config))
		})
		t.Run("wrapped secret id", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "wrapped")
			wrap := func() {
				write(t, file, w.text(t, w.admin(t, "POST", "auth/approle/role/server/secret-id", "", "X-Vault-Wrap-TTL", "60s"), "wrap_info.token"))
			}
			config := config
			config.Login.SecretID, config.Login.SecretIDFile, config.Login.SecretIDWrapped = "", file, true
			wrap()
			v := w.open(t, config)
			works(t, v)
			w.revoke(t, v)
			works(t, v) // with what was unwrapped before
			if _, _, err := w.open(t, config).Get(t.Context(), "sales", "x"); !unavailable(err, "the wrapping token has expired or was used; deliver a new one, and if nothing of yours has used it, somebody else has") {
				t.Error(err)
			}
			wrap()
			w.revoke(t, v)
			works(t, v) // with the new one
		})
		t.Run("no secret id", func(t *testing.T) {
			w.admin(t, "POST", "auth/approle/role/open", `{"token_policies":"salesforce-mcp","bind_secret_id":false,"token_bound_cidrs":"127.0.0.1/32"}`)
			config := config
			config.Login.RoleID, config.Login.SecretID = w.text(t, w.admin(t, "GET", "auth/approle/role/open/role-id", ""), "data.role_id"), ""
			works(t, w.open(t, config))
		})
		t.Run("used up", func(t *testing.T) {
			w.admin(t, "POST", "auth/approle/role/once", `{"token_policies":"salesforce-mcp","secret_id_num_uses":1}`)
			config := config
			config.Login.RoleID = w.text(t, w.admin(t, "GET", "auth/approle/role/once/role-id", ""), "data.role_id")
			config.Login.SecretID = salesforce.Secret(w.text(t, w.admin(t, "POST", "auth/approle/role/once/secret-id", ""), "data.secret_id"))
			works(t, w.open(t, config))
			if _, _, err := w.open(t, config).Get(t.Context(), "sales", "x"); !unavailable(err, "the secret id is missing, wrong, expired or used as often as it may") {
				t.Error(err)
			}
		})
	})
}

func TestVaultLoginKubernetes(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		api, token := cluster(t)
		w.policy(t, documentedPolicy(t))
		w.admin(t, "POST", "sys/auth/kubernetes", `{"type":"vault-plugin-auth-kubernetes"}`)
		w.admin(t, "POST", "auth/kubernetes/config", `{"kubernetes_host":"`+api+`","disable_local_ca_jwt":true}`)
		w.admin(t, "POST", "auth/kubernetes/role/server", `{"bound_service_account_names":"salesforce-mcp","bound_service_account_namespaces":"agents","token_policies":"salesforce-mcp","token_ttl":"1h"}`)
		file := filepath.Join(t.TempDir(), "token")
		config := secrets.VaultConfig{Login: secrets.VaultLogin{Method: secrets.LoginKubernetes, Role: "server", ServiceAccountTokenFile: file}}
		write(t, file, token("agents", "salesforce-mcp"))
		v := w.open(t, config)
		works(t, v)
		w.revoke(t, v)
		write(t, file, token("agents", "salesforce-mcp")) // as Kubernetes replaces it each hour
		works(t, v)
		for name, c := range map[string]struct{ token, role, want string }{
			"another account":   {token("agents", "other"), "server", "the service account or its namespace is not bound to the role"},
			"another namespace": {token("other", "salesforce-mcp"), "server", "the service account or its namespace is not bound to the role"},
			"not of Kubernetes": {serviceAccountToken(t, "agents", "salesforce-mcp", "forged"), "server", "Kubernetes does not vouch for the token"},
			"no such role":      {token("agents", "salesforce-mcp"), "none", `the role "none" does not exist`},
		} {
			config.Login.Role = c.role
			write(t, file, c.token)
			if _, _, err := w.open(t, config).Get(t.Context(), "sales", "x"); !unavailable(err, c.want) || strings.Contains(err.Error(), c.token) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := v.Get(t.Context(), "sales", "none"); !errors.Is(err, secrets.ErrNone) {
			t.Error(err)
		}
	})
}

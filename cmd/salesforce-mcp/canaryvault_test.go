package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// vaultTellings are the ways in which a Vault fails, or what stands in front of it.
var vaultTellings = map[string]func(w http.ResponseWriter, said string){
	"denied": func(w http.ResponseWriter, said string) {
		respond(w, 403, "application/json", members{"errors": []string{"permission denied: " + said, said}})
	},
	"wrong": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", members{"errors": []string{strings.Repeat("-", 180) + said}, "warnings": []string{said}})
	},
	"garbage":  func(w http.ResponseWriter, said string) { respond(w, 200, "application/json", said) },
	"page":     func(w http.ResponseWriter, said string) { respond(w, 404, "text/html", "<html>"+said+"</html>") },
	"other":    func(w http.ResponseWriter, said string) { respond(w, 200, "application/json", members{"data": said}) },
	"redirect": tellings["redirect"],
}

// TestCanariesOfVault is TestCanaries for what Vault keeps: also where Vault is sealed,
// refuses, or quotes what it was sent.
func TestCanariesOfVault(t *testing.T) {
	for _, method := range []string{secrets.LoginToken, secrets.LoginAppRole} {
		t.Run(method, func(t *testing.T) {
			fake := fakevault.New()
			var cw *canaryWorld
			var mode atomic.Value
			mode.Store("")
			early := &canaries{}
			vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				early.watch(fake, func(w http.ResponseWriter, r *http.Request, body string) bool {
					if mode.Load() == "" || r.Header.Get("X-Admin") != "" {
						return false
					}
					said := r.Header.Get("X-Vault-Token") + " " + url.QueryEscape(r.Header.Get("X-Vault-Token"))
					var sent struct {
						SecretID string `json:"secret_id"`
						Data     map[string]string
					}
					_ = json.Unmarshal([]byte(body), &sent)
					for _, value := range sent.Data {
						said += " " + value
					}
					vaultTellings[mode.Load().(string)](w, said+" "+sent.SecretID)
					return true
				}).ServeHTTP(w, r)
			}))
			t.Cleanup(vault.Close)
			admin := func(path, body string) map[string]any {
				r, err := http.NewRequest(http.MethodPost, vault.URL+"/v1/"+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Vault-Token", fake.Root)
				r.Header.Set("X-Admin", "1")
				if strings.HasSuffix(path, "role-id") {
					r.Method = http.MethodGet
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil || resp.StatusCode >= 300 {
					t.Fatal(path, resp, err)
				}
				var answer struct{ Data map[string]any }
				_ = json.Unmarshal([]byte(mustRead(t, resp)), &answer)
				return answer.Data
			}
			at := secrets.VaultConfig{Address: vault.URL, Login: secrets.VaultLogin{Method: method, Token: salesforce.Secret(fake.Root)}}
			if method == secrets.LoginAppRole {
				admin("sys/auth/approle", `{"type":"approle"}`)
				admin("sys/policies/acl/all", `{"policy":"path \"secret/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }"}`)
				admin("auth/approle/role/mcp", `{"token_policies":"all","token_ttl":"1h"}`)
				at.Login = secrets.VaultLogin{Method: method, RoleID: admin("auth/approle/role/mcp/role-id", "")["role_id"].(string),
					SecretID: salesforce.Secret(admin("auth/approle/role/mcp/secret-id", "{}")["secret_id"].(string))}
			}
			cw, _ = newCanaryWorld(t, func(c *config.Config) { c.Secrets = config.Secrets{Store: config.StoreVault, Vault: at} })
			use := func(works bool) {
				t.Helper()
				for _, workspace := range []string{"cc", "people"} {
					if ok := cw.tool(workspace, "versions", map[string]any{"action": "getLimits"}); works && !ok {
						t.Errorf("%s does not work", workspace)
					}
					for _, path := range []string{"testAuth", "oauth/connect", "oauth/disconnect"} {
						cw.ask(workspace, http.MethodPost, path+"?user_id=ann", "", "")
					}
					cw.ask(workspace, http.MethodGet, "oauth/status?user_id="+fakeorg.ServiceUser, "", "")
					cw.ask(workspace, http.MethodPost, "instructions/getLimits", "application/json", "{}")
				}
				b := cw.dance("y" + fakeorg.ServiceUser)
				b.open(cw.origin + "/readyz")
			}
			cw.dance(fakeorg.ServiceUser).shows(200, "now work as")
			use(true)
			for name := range vaultTellings {
				mode.Store(name)
				use(false)
				var links struct {
					Connect string `json:"connect_url"`
				}
				if _, answer := cw.ask("people", http.MethodPost, "oauth/connect?user_id="+fakeorg.ServiceUser, "", ""); json.Unmarshal([]byte(answer), &links) == nil && links.Connect != "" {
					cw.browser().open(links.Connect).salesforce(fakeorg.ServiceUser) // whose grant cannot be kept
				}
				mode.Store("")
			}
			admin("sys/seal", "{}")
			use(false)
			for part, kind := range early.parts {
				cw.parts[part] = kind
			}
			cw.add("vault token", fake.Root)
			cw.add("vault secret id", at.Login.SecretID.Reveal())
			if early.count["vault token"] == 0 || method == secrets.LoginAppRole && early.count["secret_id"] == 0 {
				t.Errorf("marked %v", early.count)
			}
			for _, e := range cw.entriesOfAll() {
				cw.write("audit", string(e.Line()))
			}
		})
	}
}

// TestCanariesOfConfiguration: what is wrong with a configuration is said without the
// secrets in it, wherever they stand by mistake.
func TestCanariesOfConfiguration(t *testing.T) {
	c, s := &canaries{}, &sinks{}
	const secret = "kV7qXw2ZrT9mNb4LcY8sHd3G"
	c.add("secret", secret)
	good := `
listen: 127.0.0.1:0
allowLoopbackOrg: true
workspaces:
  - name: sales
    auth: {mode: clientCredentials, loginURL: "http://127.0.0.1:1", clientID: id, clientSecret: ` + secret + `}
    profiles: [{name: h, tokens: [` + strings.Repeat("0", 64) + `], agent: ["header:agent-id"]}]
    rules: [{agent: a, preset: read}]
`
	failed := 0
	for i, change := range []struct{ old, new string }{
		{"", ""},
		{"listen:", "nothing: " + secret + "\nlisten:"},
		{"clientSecret: " + secret, "clientSecret: [" + secret + "]"},
		{"clientSecret: " + secret, "clientSecret: {a: " + secret + "}"},
		{"clientSecret: " + secret, "clientSecret: " + secret + ", clientSecret: " + secret},
		{"clientSecret: " + secret, "clientSecret: " + secret + ", clientSecretFile: missing"},
		{"clientSecret:", "clientSecret: x, accessToken:"},
		{"mode: clientCredentials", "mode: jwt, username: u, privateKey: " + secret},
		{"mode: clientCredentials", `mode: jwt, username: u, privateKey: "-----BEGIN PRIVATE KEY-----\n` + secret + `\n-----END PRIVATE KEY-----"`},
		{"loginURL: \"http://127.0.0.1:1\"", `loginURL: "https://user:` + secret + `@login.salesforce.com"`},
		{"auth: {", "auth: " + secret + "\n    x: {"},
		{strings.Repeat("0", 64), secret}, // the token itself instead of its hash
		{"workspaces:", "login: {issuer: 'http://127.0.0.1:1', clientSecret: " + secret + "}\nworkspaces:"},
		{"workspaces:", "secrets: {store: vault, vault: {address: 'http://127.0.0.1:1', login: {method: approle, token: " + secret + "}}}\nworkspaces:"},
		{"workspaces:", "secrets: {store: vault, vault: {address: 'https://u:" + secret + "@v.example', login: {method: token, token: " + secret + "}}}\nworkspaces:"},
		{"workspaces:", "secrets: {vault: {login: {method: token, secretID: " + secret + "}}}\nworkspaces:"},
		{"workspaces:", "publicURL: https://u:" + secret + "@mcp.example\nworkspaces:"},
		{"workspaces:", "allowedOrigins: ['https://u:" + secret + "@mcp.example', 'https://" + secret + "@%zz']\nworkspaces:"},
		{"workspaces:", "login: {issuer: 'https://u:" + secret + "@idp.example', clientID: x}\nworkspaces:"},
		{"name: sales", "name: sales\n    ? [" + secret + "\n    : x"},
	} {
		file := filepath.Join(t.TempDir(), "config.yml")
		if err := os.WriteFile(file, []byte(strings.Replace(good, change.old, change.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, env := range []map[string]string{nil, {"SALESFORCE_MCP_MASTER_KEY": secret}, {"SALESFORCE_MCP_SALES_CLIENT_SECRET": secret}, {"SALESFORCE_MCP_VAULT_TOKEN": secret}} {
			var out bytes.Buffer
			var err error
			for _, command := range [][]string{{"stdio"}, {"check"}, {"secret", "set", "sales", "clientSecret"}, {"secret", "set", "sales", "privateKey"}, {"secret", "set", "sales", secret[:4]}, {"keys", "rotate"}} {
				failure := run(t.Context(), append(command, "--config", file), func(name string) string { return env[name] }, strings.NewReader(secret+"\n"), &out, &out)
				if err = errors.Join(err, failure); command[0] == "stdio" && failure != nil {
					failed++
				}
			}
			s.folder(t, filepath.Dir(file), "config.yml")
			s.write(fmt.Sprintf("configuration %d with %v", i, regexp.MustCompile(`\[.*:`).FindString(fmt.Sprint(env))), fmt.Sprint(out.String(), err))
		}
	}
	var out bytes.Buffer
	for _, args := range [][]string{{"call", "getLimits", "--url", "http://127.0.0.1:1/w/a/mcp", "--token", secret, "--agent", "a"}, {"call", "getLimits", "--token", secret}, {"call", secret, "--url", "http://127.0.0.1:1/w/a/mcp", "--token", secret, "--nothing"}} {
		err := run(t.Context(), args[:len(args):len(args)], func(string) string { return "" }, strings.NewReader(""), &out, &out)
		if args[1] != secret {
			s.write("call", fmt.Sprint(out.String(), err))
		}
	}
	if failed < 40 {
		t.Errorf("only %d were refused", failed)
	}
	s.check(t, c)
}

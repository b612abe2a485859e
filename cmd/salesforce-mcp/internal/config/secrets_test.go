package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// TestSecretStore: where secrets are kept, and what is said about a store that
// cannot work.
func TestSecretStore(t *testing.T) {
	const workspace = `
workspaces:
  - name: sales
    auth: {mode: jwt, loginURL: "https://acme.my.salesforce.com", clientID: key, username: agent@acme.example%s}
    profiles: [{name: desk, local: true, agent: ["static:desk"]}]
    rules: [{agent: desk, preset: read}]
`
	const address = `address: "https://vault.example.com:8200"`
	for name, tt := range map[string]struct {
		secrets     string
		workspace   string
		environment map[string]string
		problems    []string // none for a configuration that is right
	}{
		"none":              {},
		"sealed":            {secrets: `{store: sealed}`},
		"approle":           {secrets: `{store: vault, vault: {` + address + `, login: {method: approle, roleID: r, secretIDFile: secret-id}}}`},
		"token from env":    {secrets: `{store: vault, vault: {` + address + `, login: {method: token}}}`, environment: map[string]string{"SALESFORCE_MCP_VAULT_TOKEN": "canary"}},
		"secret id in env":  {secrets: `{store: vault, vault: {` + address + `, login: {method: approle, roleID: r}}}`, environment: map[string]string{"SALESFORCE_MCP_VAULT_SECRET_ID": "canary"}},
		"kubernetes":        {secrets: `{store: vault, vault: {` + address + `, login: {method: kubernetes, role: r}}}`, environment: map[string]string{"SALESFORCE_MCP_VAULT_TOKEN": "canary"}},
		"a key of Vault":    {secrets: `{store: vault, vault: {` + address + `, login: {method: kubernetes, role: r}}}`, workspace: ", transitKey: salesforce@2"},
		"all that it takes": {secrets: `{store: vault, vault: {address: "http://127.0.0.1:8200", namespace: admin/team, mount: kv, prefix: a/b, transitMount: t, caFile: ca.pem, login: {method: approle, mount: my/approle, roleID: r, secretIDFile: f, secretIDWrapped: true}}}`},

		"another store":      {secrets: `{store: keychain}`, problems: []string{`secrets.store: "keychain" is none of sealed, vault`}},
		"vault not chosen":   {secrets: `{vault: {` + address + `}}`, problems: []string{"secrets.vault: belongs to the store vault, and store is sealed"}},
		"nothing said":       {secrets: `{store: vault}`, problems: []string{"secrets.vault.address: is missing; write the address of Vault, as in https://vault.example.com:8200", `secrets.vault.login.method: "" is none of token, approle, kubernetes`}},
		"unknown field":      {secrets: `{store: vault, vault: {addr: x}}`, problems: []string{"there is no field addr here"}},
		"http":               {secrets: `{store: vault, vault: {address: "http://vault.example.com:8200", login: {method: kubernetes, role: r}}}`, problems: []string{`secrets.vault.address: "http://vault.example.com:8200" must begin with https://, because tokens are sent to it`}},
		"look-alike":         {secrets: `{store: vault, vault: {address: "http://127.0.0.1.evil.example:8200", login: {method: kubernetes, role: r}}}`, problems: []string{"must begin with https://"}},
		"password in it":     {secrets: `{store: vault, vault: {address: "https://u:canary@vault.example.com", login: {method: kubernetes, role: r}}}`, problems: []string{"secrets.vault.address: is no origin"}},
		"paths":              {secrets: `{store: vault, vault: {` + address + `, namespace: "a b", mount: ../sys, prefix: /x, transitMount: "a//b", login: {method: kubernetes, role: r, mount: "auth/../x"}}}`, problems: []string{"secrets.vault.namespace:", "secrets.vault.mount:", "secrets.vault.prefix:", "secrets.vault.transitMount:", "secrets.vault.login.mount:"}},
		"of another method":  {secrets: `{store: vault, vault: {` + address + `, login: {method: kubernetes, role: r, token: canary, secretIDFile: f}}}`, problems: []string{`secrets.vault.login.token: belongs to the method token, and the method is "kubernetes"`, `secrets.vault.login.secretIDFile: belongs to the method approle`}},
		"no token":           {secrets: `{store: vault, vault: {` + address + `, login: {method: token}}}`, problems: []string{"secrets.vault.login.token: give it once"}},
		"token twice":        {secrets: `{store: vault, vault: {` + address + `, login: {method: token, tokenFile: f}}}`, environment: map[string]string{"SALESFORCE_MCP_VAULT_TOKEN": "canary"}, problems: []string{"secrets.vault.login.token: is given more than once; keep one of token, tokenFile and the environment's SALESFORCE_MCP_VAULT_TOKEN"}},
		"no role id":         {secrets: `{store: vault, vault: {` + address + `, login: {method: approle, secretID: canary}}}`, problems: []string{"secrets.vault.login.roleID: is missing"}},
		"wrapped nothing":    {secrets: `{store: vault, vault: {` + address + `, login: {method: approle, roleID: r, secretIDWrapped: true}}}`, problems: []string{"secrets.vault.login.secretIDWrapped: there is neither secretID nor secretIDFile"}},
		"no role":            {secrets: `{store: vault, vault: {` + address + `, login: {method: kubernetes}}}`, problems: []string{"secrets.vault.login.role: is missing"}},
		"a key, no vault":    {workspace: ", transitKey: salesforce", problems: []string{"workspaces[0].auth.transitKey: is a key in Vault, and secrets.store is not vault"}},
		"a key that is none": {workspace: ", transitKey: a/b", problems: []string{`workspaces[0].auth.transitKey: "a/b" is no key of Transit; write its name, with @ and a version behind it`}},
		"two keys":           {workspace: ", transitKey: salesforce, privateKeyFile: key.pem", problems: []string{"workspaces[0].auth.transitKey: stands for the private key, which is given too"}},
		"a key, other mode":  {workspace: ", transitKey: salesforce, mode: clientCredentials", problems: []string{"workspaces[0].auth.transitKey: belongs to the mode jwt, and the mode is clientCredentials"}},
	} {
		text := strings.Replace(workspace, "%s", tt.workspace, 1)
		if strings.Contains(tt.workspace, "mode:") {
			text = strings.Replace(text, "mode: jwt, ", "", 1)
		}
		if tt.secrets != "" {
			text += "secrets: " + tt.secrets + "\n"
		}
		c, err := load(t, map[string]string{"config.yaml": text, "key.pem": "x"}, tt.environment)
		if (err == nil) != (tt.problems == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, problem := range tt.problems {
			if err != nil && !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v; want %s", name, err, problem)
			}
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
		if c == nil {
			continue
		}
		if name == "token from env" && c.Secrets.Vault.Login.Token.Reveal() != "canary" || name == "secret id in env" && c.Secrets.Vault.Login.SecretID.Reveal() != "canary" || name == "kubernetes" && c.Secrets.Vault.Login.Token != "" {
			t.Errorf("%s: %+v", name, c.Secrets.Vault)
		}
		if name == "approle" && !filepath.IsAbs(c.Secrets.Vault.Login.SecretIDFile) {
			t.Errorf("%s: the file is %s", name, c.Secrets.Vault.Login.SecretIDFile)
		}
	}
}

// TestDocumentedVault: the store that docs/configuration.md shows is one.
func TestDocumentedVault(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(secrets:\n  store: vault\n.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("docs/configuration.md shows no vault")
	}
	c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1) + string(m[1])}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := c.Secrets.Vault; c.Secrets.Store != config.StoreVault || v.Login.Method != "approle" || !strings.HasSuffix(v.CAFile, "/vault-ca.pem") {
		t.Errorf("%+v", c.Secrets)
	}
}

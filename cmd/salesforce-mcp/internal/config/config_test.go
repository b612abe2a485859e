package config_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
)

const sales = `
workspaces:
  - name: sales-emea
    auth: {mode: clientCredentials, loginURL: "https://acme.my.salesforce.com", clientID: key %s}
    profiles: [{name: desk, local: true, agent: ["static:desk"]}]
    rules: [{agent: desk, preset: read}]
`

// load writes files into a folder, and loads config.yaml of it.
func load(t *testing.T, files, environment map[string]string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(filepath.Join(dir, "config.yaml"), func(name string) string { return environment[name] })
}

// TestSecrets: a secret stands in the file, in a file of its own, in the
// environment or in the secret store, and in one of the first three only.
func TestSecrets(t *testing.T) {
	const env = "SALESFORCE_MCP_SALES_EMEA_CLIENT_SECRET"
	for name, tt := range map[string]struct {
		extra       string
		environment map[string]string
		want        string
		problem     string
	}{
		"in the configuration": {extra: `, clientSecret: "s3cret"`, want: "s3cret"},
		"in a file":            {extra: `, clientSecretFile: secret`, want: "s3cret"},
		"in the environment":   {environment: map[string]string{env: "s3cret"}, want: "s3cret"},
		"in the secret store":  {},
		"twice":                {extra: `, clientSecret: "s3cret"`, environment: map[string]string{env: "s3cret"}, problem: "workspaces[0].auth.clientSecret: is given more than once; keep one of clientSecret, clientSecretFile and the environment's " + env},
		"in a missing file":    {extra: `, clientSecretFile: gone`, problem: "workspaces[0].auth.clientSecretFile: open"},
	} {
		c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", tt.extra, 1), "secret": "s3cret\n"}, tt.environment)
		switch {
		case tt.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.problem == "":
			if got := c.Workspaces[0].Auth.ClientSecret.Reveal(); got != tt.want {
				t.Errorf("%s: the secret is %q", name, got)
			}
		case err == nil || !strings.Contains(err.Error(), tt.problem):
			t.Errorf("%s: %v, want %s", name, err, tt.problem)
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// TestDefaults: what is not given, and what the environment overrides.
func TestDefaults(t *testing.T) {
	file := map[string]string{"config.yaml": strings.Replace(sales, " %s", `, clientSecret: "s3cret"`, 1)}
	c, err := load(t, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.MaxMessageBytes != 1<<20 || c.Workspaces[0].APIVersion != "v62.0" || !filepath.IsAbs(c.Data) {
		t.Errorf("%+v", c)
	}
	c, err = load(t, file, map[string]string{"SALESFORCE_MCP_LISTEN": "[::1]:9", "SALESFORCE_MCP_DATA": "/var/lib/x", "SALESFORCE_MCP_KEY_FILE": "/keys/k"})
	if err != nil || c.Listen != "[::1]:9" || c.Data != "/var/lib/x" || c.Secrets.KeyFile != "/keys/k" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := load(t, file, map[string]string{"SALESFORCE_MCP_LISTEN": "0.0.0.0:80"}); err == nil || !strings.Contains(err.Error(), "publicURL") {
		t.Errorf("an open address without a public URL: %v", err)
	}
	if _, err := load(t, file, map[string]string{"SALESFORCE_MCP_LISTEN": "0.0.0.0:80", "SALESFORCE_MCP_PUBLIC_URL": "https://x.example"}); err != nil {
		t.Error(err)
	}
}

// TestNetworks: networks are blocks of addresses, and not everybody's.
func TestNetworks(t *testing.T) {
	for _, field := range []string{"trustedProxies", "issuerNetworks"} {
		file := strings.Replace(sales, " %s", `, clientSecret: x`, 1) + field + ": [10.0.0.0/8, 192.0.2.7, %s]\n"
		if _, err := load(t, map[string]string{"config.yaml": strings.Replace(file, ", %s", "", 1)}, nil); err != nil {
			t.Errorf("%s: %v", field, err)
		}
		for _, bad := range []string{"0.0.0.0/0", "proxy.example"} {
			if _, err := load(t, map[string]string{"config.yaml": strings.Replace(file, "%s", bad, 1)}, nil); err == nil || !strings.Contains(err.Error(), field+`[2]: "`+bad) {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

// TestDocumentedAuth: the credentials and the login that docs/configuration.md
// shows are some.
func TestDocumentedAuth(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	login := regexp.MustCompile("(?s)```yaml\n(login:\n.*?)```").FindSubmatch(doc)
	if login == nil {
		t.Fatal("docs/configuration.md shows no login")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(    auth:\n.*?)```").FindAllSubmatch(doc, -1) {
		store := "\n"
		if strings.Contains(string(block[1]), "transitKey") {
			store = "\nsecrets: {store: vault, vault: {address: \"https://vault.example.com\", login: {method: token, token: x}}}\n"
		}
		c, err := load(t, map[string]string{
			"config.yaml":   "publicURL: https://salesforce.example.com" + store + string(login[1]) + "workspaces:\n  - name: sales\n" + string(block[1]),
			"key.pem":       string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
			"client-secret": "s", "login-secret": "s", "access-token": "t",
		}, nil)
		if err != nil {
			t.Errorf("%s: %v", block[1], err)
			continue
		}
		modes[c.Workspaces[0].Auth.Mode] = true
	}
	if len(modes) != 4 {
		t.Errorf("it shows the modes %v", modes)
	}
}

// TestDatabase: a Postgres database is a secret with one place, needs an address
// that is one, and a master key that all servers have.
func TestDatabase(t *testing.T) {
	const address = "postgres://u:s3cret@db.example.com/x"
	key := secrets.NewMaster()
	keyFile := filepath.Join(t.TempDir(), "master.key")
	if err := secrets.WriteMasters(keyFile, []secrets.Master{key}); err != nil {
		t.Fatal(err)
	}
	with := map[string]string{"SALESFORCE_MCP_KEY_FILE": keyFile}
	for name, tt := range map[string]struct {
		text        string
		environment map[string]string
		want        string
		drain       time.Duration
		problem     string
	}{
		"in the configuration": {text: "database: " + address, environment: with, want: address, drain: 5 * time.Second},
		"in a file":            {text: "databaseFile: database\ndrain: 10s", environment: with, want: address, drain: 10 * time.Second},
		"in the environment":   {environment: map[string]string{"SALESFORCE_MCP_DATABASE": address, "SALESFORCE_MCP_KEY_FILE": keyFile}, want: address, drain: 5 * time.Second},
		"none":                 {},
		"twice":                {text: "database: " + address + "\ndatabaseFile: database", problem: "database: is given more than once; keep one of database, databaseFile and the environment's SALESFORCE_MCP_DATABASE"},
		"another kind":         {text: "database: mysql://u:s3cret@h/x", environment: with, problem: "database: is no address of a Postgres database; write postgres://"},
		"without a key":        {text: "database: " + address, problem: "all servers of a database need the same master key: make one with salesforce-mcp keys new"},
		"drains too long":      {text: "drain: 1h", problem: "drain: 1h0m0s must be between 0s and 10m"},
	} {
		c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", `, clientSecret: "x"`, 1) + "\n" + tt.text, "database": address + "\n"}, tt.environment)
		switch {
		case tt.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.problem == "" && (c.Database.Reveal() != tt.want || c.Drain != tt.drain):
			t.Errorf("%s: %q, %v", name, c.Database.Reveal(), c.Drain)
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: %v, want %s", name, err, tt.problem)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// admin is a person at a shell with a configuration file. None of the secrets
// may show in what commands print.
type admin struct {
	t       *testing.T
	file    string
	secrets []string
}

// runs runs a command, whose output must hold each of the texts: with "!" in
// front of the command it must fail.
func (a *admin) runs(stdin, command string, want ...string) {
	a.t.Helper()
	command, fails := strings.CutPrefix(command, "! ")
	var out, log bytes.Buffer
	err := run(a.t.Context(), append(strings.Fields(command), "--config", a.file), func(string) string { return "" }, strings.NewReader(stdin), &out, &log)
	said := out.String() + log.String()
	if err != nil {
		said += err.Error()
	}
	if (err != nil) != fails {
		a.t.Errorf("%s: %v\n%s", command, err, said)
	}
	for _, text := range want {
		if !strings.Contains(said, text) {
			a.t.Errorf("%s: no %q in:\n%s", command, text, said)
		}
	}
	for _, secret := range a.secrets {
		if strings.Contains(said, secret) {
			a.t.Errorf("%s shows a secret:\n%s", command, said)
		}
	}
}

// configFile writes a configuration file into a folder of its own.
func configFile(t *testing.T, format string, args ...any) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSecretOfARunningServer: what an administrator stores, rotates and deletes
// beside a server holds from its next call on.
func TestSecretOfARunningServer(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "master.key")
	w := newWorld(t, func(c *config.Config) {
		c.Secrets.KeyFile = keyFile
		for i := range c.Workspaces {
			a := *c.Workspaces[i].Auth
			a.Mode, a.PrivateKey, a.Username = "clientCredentials", "", ""
			c.Workspaces[i].Auth = &a
		}
	})
	a := &admin{t: t, secrets: []string{w.org.ready.ClientSecret, "planted-secret"}, file: configFile(t, `
allowLoopbackOrg: true
data: %s
secrets: {keyFile: %s}
workspaces:
  - {name: a, auth: {mode: clientCredentials, loginURL: %[3]q, clientID: %[4]s}}
  - {name: b, auth: {mode: clientCredentials, loginURL: %[3]q, clientID: %[4]s}}
`, w.app.config.Data, keyFile, w.org.ready.Org, w.org.ready.ClientID)}
	next := 0
	says := func(want string) {
		t.Helper()
		next++
		if _, body := w.post(query(next, next)); !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	says("the client secret is missing")
	a.runs("planted-secret\n", "secret set a clientSecret", "stored clientSecret of workspace a")
	says("the client secret does not belong to the client id")
	a.runs("", "! check", "ok   secrets: ", "FAIL workspace a: "+w.org.ready.Org+": the client secret does not belong", "FAIL workspace b: its clientSecret stands nowhere")
	a.runs(w.org.ready.ClientSecret, "secret set a clientSecret")
	says("totalSize")
	a.runs("", "keys rotate", " has a new master key, which seals ")
	says("totalSize")
	a.runs(w.org.ready.ClientSecret, "secret set b clientSecret") // its data key is sealed with the new master key
	r := w.request(query(100, 100))
	r.URL.Path = "/w/b/mcp"
	r.Header.Set("Authorization", "Bearer token-b")
	if _, body := w.do(r); !strings.Contains(body, "totalSize") {
		t.Error(body)
	}
	a.runs("", "check", "ok   secrets: "+keyFile+" opens ", "ok   workspace a: ", "ok   workspace b: ")
	a.runs("", "secret delete a clientSecret")
	says("the client secret is missing")
	for _, secret := range a.secrets {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the server's log shows a secret: %s", w.log.String())
		}
	}
}

// TestRotateKilled: wherever the command is killed, the key file opens the
// secrets, and the next rotation leaves one master key.
func TestRotateKilled(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	keyFile := filepath.Join(dir, "master.key")
	db, err := store.Open(ctx, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	fresh := func() *secrets.Sealed { return secrets.NewSealed(db, secrets.FileKeys(keyFile, func(string) {})) }
	for i := range 20 {
		if _, err := fresh().Put(ctx, fmt.Sprint("w", i), "clientSecret", "s", 0); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("workspaces: [{name: a}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rotation := func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, "keys", "rotate", "--config", file)
		cmd.Args[0] = "salesforce-mcp" // see TestMain
		return cmd
	}
	began := time.Now()
	if out, err := rotation().CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(began)
	for range 20 {
		cmd := rotation()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole/2 + rand.N(whole/2)) // where it hits does not matter
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := fresh().Check(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := rotation().CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := fresh().Check(ctx); err != nil {
		t.Error(err)
	}
	if masters, err := secrets.ReadMasters(keyFile); err != nil || len(masters) != 1 {
		t.Errorf("%d master keys left, %v", len(masters), err)
	}
}

// TestWarnsOfMissingSecrets: a server that starts says which workspace lacks its
// secret, and starts.
func TestWarnsOfMissingSecrets(t *testing.T) {
	file := configFile(t, `
workspaces:
  - name: lacks
    auth: {mode: clientCredentials, loginURL: "https://acme.my.salesforce.com", clientID: x}
    profiles: [{name: desk, local: true, agent: ["static:desk"]}]
  - {name: signs, auth: {mode: jwt, clientID: x, username: y}}
  - {name: has, auth: {mode: accessToken, instanceURL: "https://acme.my.salesforce.com", accessToken: x}}
  - {name: people, auth: {mode: oauth, clientID: x, proof: none}}
  - {name: none}
`)
	var out, log bytes.Buffer
	if err := run(t.Context(), []string{"stdio", "--config", file, "--workspace", "lacks"}, func(string) string { return "" }, strings.NewReader(""), &out, &log); err != nil {
		t.Fatal(err)
	}
	for workspace, secret := range map[string]string{"lacks": "clientSecret", "signs": "privateKey"} {
		if !strings.Contains(log.String(), fmt.Sprintf(`"workspace":%q,"secret":%q`, workspace, secret)) {
			t.Errorf("no warning of %s in %s", workspace, log.String())
		}
	}
	if n := strings.Count(log.String(), "stands nowhere"); n != 2 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}

// TestCommandsWithVault: the commands keep secrets in Vault, sign with its keys,
// and say what its policies lack.
func TestCommandsWithVault(t *testing.T) {
	fake := fakevault.New()
	vault := httptest.NewServer(fake)
	defer vault.Close()
	ask := func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, vault.URL+"/v1/"+path, strings.NewReader(body))
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
	ask(http.MethodPost, "sys/mounts/transit", `{"type":"transit"}`)
	ask(http.MethodPost, "transit/keys/sales", `{"type":"rsa-2048"}`)
	certificateFile := filepath.Join(t.TempDir(), "certificate.pem")
	org := startFakeOrg(t)
	written := func(login string) string {
		return configFile(t, `
allowLoopbackOrg: true
secrets: {store: vault, vault: {address: %q, login: %s}}
workspaces:
  - {name: signs, auth: {mode: jwt, loginURL: %[3]q, clientID: %[4]s, username: x@y.example, transitKey: sales@1}}
  - {name: has, auth: {mode: clientCredentials, loginURL: %[3]q, clientID: %[4]s}}
`, vault.URL, login, org.ready.Org, org.ready.ClientID)
	}
	a := &admin{t: t, secrets: []string{fake.Root, org.ready.ClientSecret}, file: written(`{method: token, token: ` + fake.Root + `}`)}
	a.runs(org.ready.ClientSecret, "secret set has clientSecret", "stored clientSecret of workspace has; the next call uses it")
	a.runs("", "! check", "ok   secrets: Vault at "+vault.URL+" keeps secrets, and signs with 1 key", "ok   workspace has: "+org.ready.Org+" as ", "FAIL workspace signs: ")
	a.runs("", "! keys rotate", "secrets.store is vault, which keeps its keys itself")
	a.runs("", "keys certificate --workspace signs --out "+certificateFile)
	at := secrets.VaultConfig{Address: vault.URL, Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: salesforce.Secret(fake.Root)}}
	opened, err := secrets.NewVault(t.Context(), at, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	key, err := opened.CertificateKey(t.Context(), "sales@1")
	if err != nil {
		t.Fatal(err)
	}
	if c := readCertificate(t, certificateFile); !c.PublicKey.(*rsa.PublicKey).Equal(key.Public()) || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
		t.Error("the certificate is not that of the key in Vault")
	}
	a.runs("", "secret delete has clientSecret")
	a.runs("", "! check", "FAIL workspace has: its clientSecret stands nowhere")

	a.file = written(`{method: token, token: planted-unknown-token}`)
	a.secrets = append(a.secrets, "planted-unknown-token")
	a.runs("", "! check", "FAIL secrets: ", "FAIL workspace has: ", "FAIL workspace signs: ")
	a.runs("x", "! secret set has clientSecret", "the secret store is not available")

	// A wrapped secret id is for the server alone.
	a.file = written(`{method: approle, roleID: r, secretID: planted-wrapped-id, secretIDWrapped: true}`)
	a.secrets = append(a.secrets, "planted-wrapped-id")
	before := fake.Count("PUT sys/wrapping/unwrap") + fake.Count("PUT auth/approle/login")
	a.runs("", "check", "skip secrets: Vault's secret id is wrapped", "skip workspace has: ", "skip workspace signs: ")
	if after := fake.Count("PUT sys/wrapping/unwrap") + fake.Count("PUT auth/approle/login"); after != before {
		t.Error("check used the wrapped secret id up")
	}
}

// startFakeOrg is a simulated org for the length of the test.
func startFakeOrg(t *testing.T) *runningOrg {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := org.wait(); err != nil {
			t.Error(err)
		}
	})
	return org
}

func readCertificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		t.Fatalf("no certificate: %s", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificate: what Salesforce reads of a certificate is right.
func TestCertificate(t *testing.T) {
	text, err := settings.SelfSigned(testKey(), "salesforce-mcp sales", 730)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "c.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := readCertificate(t, file)
	days := time.Until(c.NotAfter).Hours() / 24
	if !c.PublicKey.(*rsa.PublicKey).Equal(testKey().Public()) || c.Subject.CommonName != "salesforce-mcp sales" || c.SignatureAlgorithm != x509.SHA256WithRSA ||
		days < 728 || days > 731 || time.Now().Before(c.NotBefore) || len(text) > 4096 {
		t.Errorf("%d bytes, %+v", len(text), c)
	}
}

// TestAuthorizes: what login hosts answer to a browser that nobody sits at, and
// what of it is a refusal.
func TestAuthorizes(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		location   string
		body       string
		says, lack string
	}{
		"to log in":                {status: 302, location: "https://acme.my.salesforce.com/?ec=302&startURL=%2Fsetup%2Fsecur%2FRemoteAccessAuthorizationPage.apexp"},
		"the login page":           {status: 200, body: `<form><input name="un"></form><script>var error="";loginError=""</script>`},
		"unknown app":              {status: 400, body: "error=invalid_client_id&error_description=client%20identifier%20invalid", says: "no app with this client id is known"},
		"unknown app, as a page":   {status: 200, body: "<pre>error=invalid_client_id&amp;error_description=client%20identifier%20invalid</pre>", says: "client identifier invalid)"},
		"callback URL":             {status: 302, location: "/setup/secur/RemoteAccessErrorPage.apexp?error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration", says: "the callback URL is not one of the app's"},
		"back with an error":       {status: 302, location: "https://mcp.example.com/oauth/callback?error=invalid_scope&error_description=no&state=check", says: "lacks a scope"},
		"blocked":                  {status: 302, location: "https://mcp.example.com/oauth/callback?error=OAUTH_APP_BLOCKED&error_description=this+app+is+blocked+by+admin", says: "this app is blocked by admin"},
		"no such page":             {status: 404, body: "not here", says: "answered status 404: check the login URL"},
		"an unreadable text":       {status: 400, body: "error=invalid_request&error_description=%zz", says: "invalid_request", lack: "%zz"},
		"another error of no code": {status: 200, body: "error=something_else"},
	} {
		t.Run(name, func(t *testing.T) {
			host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			}))
			defer host.Close()
			client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}}).HTTP()
			err := authorizes(t.Context(), client, host.URL+"/services/oauth2/authorize")
			switch {
			case (err == nil) != (c.says == ""):
				t.Error(err)
			case err != nil && (!strings.Contains(err.Error(), c.says) || c.lack != "" && strings.Contains(err.Error(), c.lack)):
				t.Error(err)
			}
		})
	}
}

// TestFindingIsOneLine: what a far side says cannot pass for another finding, nor
// steer a terminal.
func TestFindingIsOneLine(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		f := finding{"workspace a", statusFailed, "no\nok   workspace a: all well\r\x1b[1A\u202e"}
		if err := f.print(&env{stdout: &out}, asJSON); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b\u202e") {
			t.Errorf("%q", got)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{-5: "0", 0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 5000000: "5,000,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

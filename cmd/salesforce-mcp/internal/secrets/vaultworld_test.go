package secrets_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/salesforce"
)

// realVault names the program of a real Vault, to test with besides the fake;
// testdata/vault/run builds it and sets this.
const realVault = "SALESFORCE_MCP_TEST_VAULT"

// vaultWorld is a Vault of a test's own, as it is after its start: unsealed, with
// a KV version 2 at secret. It is set up with Vault's own API.
type vaultWorld struct {
	address, root, unsealKey, caFile string
	fake                             *fakevault.Vault // nil for a real one
	client                           *http.Client
	log                              lockedBuffer
}

// eachVault runs a test with the fake and, where there is one, with a real Vault.
func eachVault(t *testing.T, test func(*testing.T, *vaultWorld)) {
	t.Run("fake", func(t *testing.T) {
		fake := fakevault.New()
		server := httptest.NewServer(fake)
		t.Cleanup(server.Close)
		test(t, &vaultWorld{address: server.URL, root: fake.Root, unsealKey: fake.UnsealKey, fake: fake, client: http.DefaultClient})
	})
	t.Run("real", func(t *testing.T) {
		test(t, startVault(t))
	})
}

// startVault starts a real Vault in memory. Flags are added to its command line.
func startVault(t *testing.T, flags ...string) *vaultWorld {
	program := os.Getenv(realVault)
	if program == "" {
		t.Skip("no real Vault: testdata/vault/run builds one and runs this test with it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	w := &vaultWorld{address: "http://" + address, root: "the-root-token-of-a-test", client: http.DefaultClient}
	cmd := exec.Command(program, append([]string{"server", "-dev", "-dev-root-token-id=" + w.root, "-dev-no-store-token", "-dev-listen-address=" + address,
		"-dev-plugin-dir=" + filepath.Join(filepath.Dir(program), "plugins")}, flags...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = &w.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if key, found := strings.CutPrefix(lines.Text(), "Unseal Key: "); found {
			w.unsealKey = key
		}
		if strings.HasPrefix(lines.Text(), "Development mode should NOT be used") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return w
		}
	}
	t.Fatalf("Vault did not start: %v\n%s", lines.Err(), w.log.String())
	return nil
}

// tlsVault is a Vault that speaks TLS.
func tlsVault(t *testing.T, test func(*testing.T, *vaultWorld)) {
	t.Run("fake", func(t *testing.T) {
		fake := fakevault.New()
		server := httptest.NewUnstartedServer(fake)
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // it tells of each client that does not trust it
		server.StartTLS()
		t.Cleanup(server.Close)
		w := &vaultWorld{address: server.URL, root: fake.Root, unsealKey: fake.UnsealKey, fake: fake, client: server.Client(), caFile: filepath.Join(t.TempDir(), "ca.pem")}
		write(t, w.caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
		test(t, w)
	})
	t.Run("real", func(t *testing.T) {
		dir := t.TempDir()
		w := startVault(t, "-dev-tls", "-dev-tls-cert-dir="+dir)
		w.address, w.caFile = strings.Replace(w.address, "http:", "https:", 1), filepath.Join(dir, "vault-ca.pem")
		test(t, w)
	})
}

// request makes a request as the API has it. Token "" is none.
func (w *vaultWorld) request(t *testing.T, method, path, token, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.address+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Vault-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var parsed map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &parsed); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return answer.StatusCode, parsed
}

// admin makes a request as root that must succeed.
func (w *vaultWorld) admin(t *testing.T, method, path, body string, headers ...string) map[string]any {
	t.Helper()
	status, answer := w.request(t, method, path, w.root, body, headers...)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// find returns what is in an answer at a path of names.
func find(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (w *vaultWorld) text(t *testing.T, answer map[string]any, path string) string {
	t.Helper()
	s, ok := find(answer, path).(string)
	if !ok || s == "" {
		t.Fatalf("no %s in %v", path, answer)
	}
	return s
}

// documentedPolicy is the policy of docs/configuration.md, which is what the
// tests log in with.
func documentedPolicy(t *testing.T) string {
	t.Helper()
	return documentedPolicies(t)[0]
}

// documentedPolicies are all that docs/configuration.md has: for the server, and
// for whoever makes a certificate.
func documentedPolicies(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("../../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var policies []string
	for _, m := range regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllSubmatch(doc, -1) {
		policies = append(policies, string(m[1]))
	}
	if len(policies) != 2 {
		t.Fatalf("docs/configuration.md has %d policies", len(policies))
	}
	return policies
}

// policy writes a policy named salesforce-mcp.
func (w *vaultWorld) policy(t *testing.T, hcl string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"policy": hcl})
	w.admin(t, "PUT", "sys/policies/acl/salesforce-mcp", string(body))
}

// appRole makes a role with the documented policy, and returns what logs in as
// it. More is added to the settings of the role.
func (w *vaultWorld) appRole(t *testing.T, more string) secrets.VaultConfig {
	t.Helper()
	w.policy(t, documentedPolicy(t))
	w.admin(t, "POST", "sys/auth/approle", `{"type":"approle"}`)
	w.admin(t, "POST", "auth/approle/role/server", `{"token_policies":"salesforce-mcp"`+more+`}`)
	return secrets.VaultConfig{Address: w.address, CAFile: w.caFile, Login: secrets.VaultLogin{
		Method:   secrets.LoginAppRole,
		RoleID:   w.text(t, w.admin(t, "GET", "auth/approle/role/server/role-id", ""), "data.role_id"),
		SecretID: salesforce.Secret(w.text(t, w.admin(t, "POST", "auth/approle/role/server/secret-id", ""), "data.secret_id")),
	}}
}

// tokenOf makes a token with a policy.
func (w *vaultWorld) tokenOf(t *testing.T, policy, settings string) salesforce.Secret {
	t.Helper()
	return salesforce.Secret(w.text(t, w.admin(t, "POST", "auth/token/create", `{"policies":["`+policy+`"]`+settings+`}`), "auth.client_token"))
}

// open opens a store, whose log the world keeps.
func (w *vaultWorld) open(t *testing.T, c secrets.VaultConfig) *secrets.Vault {
	t.Helper()
	c.Address = cmp.Or(c.Address, w.address)
	v, err := secrets.NewVault(t.Context(), c, zerolog.New(&w.log))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// cluster is the part of a Kubernetes that reviews tokens. It returns its URL
// and what makes a token of a service account, which it then knows.
func cluster(t *testing.T) (url string, token func(namespace, name string) string) {
	t.Helper()
	var mu sync.Mutex
	known := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Spec struct {
				Token     string
				Audiences []string
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&review)
		mu.Lock()
		user := known[review.Spec.Token]
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"status": map[string]any{"authenticated": user != "", "audiences": review.Spec.Audiences, "user": map[string]any{"username": user, "uid": "b1d2"}}})
	}))
	t.Cleanup(server.Close)
	return server.URL, func(namespace, name string) string {
		mu.Lock()
		defer mu.Unlock()
		jwt := serviceAccountToken(t, namespace, name, fmt.Sprint("token ", len(known)))
		known[jwt] = "system:serviceaccount:" + namespace + ":" + name
		return jwt
	}
}

// unavailable reports whether err is an [secrets.Unavailable] that says so.
func unavailable(err error, says string) bool {
	var u *secrets.Unavailable
	return errors.As(err, &u) && strings.Contains(err.Error(), says)
}

func (w *vaultWorld) unseal(t *testing.T) {
	t.Helper()
	if status, answer := w.request(t, "PUT", "sys/unseal", "", `{"key":"`+w.unsealKey+`"}`); status != 200 || answer["sealed"] != false {
		t.Fatal(status, answer)
	}
}

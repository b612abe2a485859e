package secrets_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestVaultContract holds the fake to a real Vault: the same requests have the
// same status and the same errors, and answers hold what we read.
func TestVaultContract(t *testing.T) {
	sum := sha256.Sum256([]byte("text"))
	digest := base64.StdEncoding.EncodeToString(sum[:])
	sign := `{"input":"` + digest + `","prehashed":true,"signature_algorithm":"pkcs1v15"`
	const (
		none    = "-" // no token
		invalid = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
		changed = "check-and-set parameter did not match the current version"
	)
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		w.admin(t, "POST", "sys/mounts/transit", `{"type":"transit"}`)
		w.admin(t, "POST", "sys/mounts/old", `{"type":"kv","options":{"version":"1"}}`)
		config := w.appRole(t, `,"token_ttl":"1h","token_max_ttl":"2h"`)
		roleID, secretID := config.Login.RoleID, config.Login.SecretID.Reveal()
		limited := w.tokenOf(t, "salesforce-mcp", `,"ttl":"1h"`).Reveal()
		fixed := w.tokenOf(t, "salesforce-mcp", `,"ttl":"1h","renewable":false`).Reveal()
		wrapping := w.text(t, w.admin(t, "POST", "auth/approle/role/server/secret-id", "", "X-Vault-Wrap-TTL", "60s"), "wrap_info.token")
		steps := []struct {
			method, path, token, body string
			status                    int
			says                      string         // the only error
			has                       map[string]any // "any" for any text that is not empty
		}{
			// KV version 2
			{"GET", "secret/data/a", "", "", 404, "", nil},
			{"PUT", "secret/data/a", "", `{"data":{"value":"x"},"options":{"cas":1}}`, 400, changed, nil},
			{"PUT", "secret/data/a", "", `{"data":{"value":"x"},"options":{"cas":0}}`, 200, "", map[string]any{"data.version": 1.}},
			{"PUT", "secret/data/a", "", `{"data":{"value":"y"},"options":{"cas":0}}`, 400, changed, nil},
			{"PUT", "secret/data/a", "", `{"data":{"value":"y"}}`, 200, "", map[string]any{"data.version": 2.}},
			{"GET", "secret/data/a", "", "", 200, "", map[string]any{"data.data.value": "y", "data.metadata.version": 2.}},
			{"DELETE", "secret/data/a", "", "", 204, "", nil},
			{"GET", "secret/data/a", "", "", 404, "", map[string]any{"data.data": nil, "data.metadata.version": 2.}},
			{"PUT", "secret/data/a", "", `{"data":{"value":"z"},"options":{"cas":0}}`, 400, changed, nil},
			{"PUT", "secret/data/a", "", `{"data":{"value":"z"},"options":{"cas":2}}`, 200, "", map[string]any{"data.version": 3.}},
			{"DELETE", "secret/metadata/a", "", "", 204, "", nil},
			{"DELETE", "secret/metadata/a", "", "", 204, "", nil},
			{"GET", "secret/data/a", "", "", 404, "", map[string]any{"data.metadata": nil}},
			{"PUT", "secret/data/a", "", `{"data":{"value":"1"},"options":{"cas":0}}`, 200, "", map[string]any{"data.version": 1.}},
			{"PUT", "secret/config", "", `{"cas_required":true}`, 204, "", nil},
			{"PUT", "secret/data/a", "", `{"data":{"value":"1"}}`, 400, "check-and-set parameter required for this call", nil},
			{"PUT", "secret/config", "", `{"cas_required":false}`, 204, "", nil},
			// KV version 1
			{"GET", "old/data/a", "", "", 404, "", nil},
			{"PUT", "old/data/a", "", `{"data":{"value":"x"}}`, 204, "", nil},
			{"GET", "old/data/a", "", "", 200, "", map[string]any{"data.data.value": "x", "data.metadata": nil}},
			{"DELETE", "old/data/a", "", "", 204, "", nil},
			// mounts
			{"GET", "none/data/a", "", "", 404, `no handler for route "none/data/a". route entry not found.`, nil},
			{"GET", "sys/internal/ui/mounts/secret", "", "", 200, "", map[string]any{"data.type": "kv", "data.options.version": "2"}},
			{"GET", "sys/internal/ui/mounts/secret", limited, "", 200, "", map[string]any{"data.type": "kv", "data.options.version": "2"}},
			{"GET", "sys/internal/ui/mounts/old", "", "", 200, "", map[string]any{"data.type": "kv", "data.options.version": "1"}},
			{"GET", "sys/internal/ui/mounts/old", limited, "", 403, `preflight capability check returned 403, please ensure client's policies grant access to path "old/"`, nil},
			{"GET", "sys/internal/ui/mounts/none", "", "", 403, `preflight capability check returned 403, please ensure client's policies grant access to path "none/"`, nil},
			// policies
			{"GET", "secret/data/salesforce-mcp/a/b", limited, "", 404, "", nil},
			{"PUT", "secret/data/salesforce-mcp/a/b", limited, `{"data":{"value":"1"}}`, 200, "", map[string]any{"data.version": 1.}},
			{"PUT", "secret/data/salesforce-mcp/a/b", limited, `{"data":{"value":"2"}}`, 200, "", map[string]any{"data.version": 2.}},
			{"DELETE", "secret/metadata/salesforce-mcp/a/b", limited, "", 204, "", nil},
			{"GET", "secret/data/other", limited, "", 403, "1 error occurred:\n\t* permission denied\n\n", nil},
			{"DELETE", "secret/data/salesforce-mcp/a/b", limited, "", 403, "1 error occurred:\n\t* permission denied\n\n", nil},
			{"GET", "secret/data/other", "hvs.nonsense", "", 403, invalid, nil},
			{"GET", "secret/data/other", none, "", 403, "permission denied", nil},
			{"PUT", "sys/capabilities-self", limited, `{"paths":["secret/data/salesforce-mcp/a/b","secret/data/other"]}`, 200, "",
				map[string]any{"data.secret/data/salesforce-mcp/a/b": []any{"create", "read", "update"}, "data.secret/data/other": []any{"deny"}}},
			{"PUT", "sys/capabilities-self", "", `{"paths":["a"]}`, 200, "", map[string]any{"data.a": []any{"root"}}},
			// tokens
			{"GET", "auth/token/lookup-self", "", "", 200, "", map[string]any{"data.ttl": 0., "data.expire_time": nil, "data.renewable": false}},
			{"GET", "auth/token/lookup-self", limited, "", 200, "", map[string]any{"data.expire_time": "any", "data.renewable": true}},
			{"GET", "auth/token/lookup-self", "hvs.nonsense", "", 403, invalid, nil},
			{"PUT", "auth/token/renew-self", limited, "", 200, "", map[string]any{"auth.client_token": limited, "auth.lease_duration": 3600., "auth.renewable": true}},
			{"PUT", "auth/token/renew-self", fixed, "", 400, "lease is not renewable", nil},
			{"PUT", "auth/token/renew-self", "hvs.nonsense", "", 403, invalid, nil},
			// AppRole
			{"PUT", "auth/approle/login", none, `{"role_id":"` + roleID + `","secret_id":"` + secretID + `"}`, 200, "",
				map[string]any{"auth.client_token": "any", "auth.lease_duration": 3600., "auth.renewable": true}},
			{"PUT", "auth/approle/login", none, `{"role_id":"nonsense","secret_id":"` + secretID + `"}`, 400, "invalid role or secret ID", nil},
			{"PUT", "auth/approle/login", none, `{"role_id":"` + roleID + `"}`, 400, "missing secret_id", nil},
			{"PUT", "auth/none/login", none, `{"role_id":"x"}`, 403, "permission denied", nil},
			{"PUT", "sys/wrapping/unwrap", wrapping, "", 200, "", map[string]any{"data.secret_id": "any"}},
			{"PUT", "sys/wrapping/unwrap", wrapping, "", 400, "wrapping token is not valid or does not exist", nil},
			// Transit
			{"PUT", "transit/sign/k/sha2-256", "", sign + "}", 400, "signing key not found", nil},
			{"GET", "transit/keys/k", "", "", 404, "", nil},
			{"PUT", "transit/keys/k", "", `{"type":"rsa-2048"}`, 200, "", nil},
			{"PUT", "transit/sign/k/sha2-256", "", sign + "}", 200, "", map[string]any{"data.signature": "any"}},
			{"PUT", "transit/sign/k/sha2-256", "", sign + `,"key_version":1}`, 200, "", map[string]any{"data.signature": "any"}},
			{"PUT", "transit/sign/k/sha2-256", "", sign + `,"key_version":2}`, 500, "1 error occurred:\n\t* requested version for signing is higher than the latest key version\n\n", nil},
			{"PUT", "transit/keys/k/rotate", "", "", 200, "", nil},
			{"GET", "transit/keys/k", "", "", 200, "", map[string]any{"data.type": "rsa-2048", "data.latest_version": 2., "data.keys.1.public_key": "any", "data.keys.2.public_key": "any"}},
			{"GET", "transit/export/signing-key/k", "", "", 400, "private key material is not exportable", nil},
			{"PUT", "transit/keys/aes", "", `{"type":"aes256-gcm96"}`, 200, "", nil},
			{"PUT", "transit/sign/aes/sha2-256", "", sign + "}", 400, "key type aes256-gcm96 does not support signing", nil},
			{"PUT", "transit/keys/ec", "", `{"type":"ecdsa-p256"}`, 200, "", nil},
			{"PUT", "transit/sign/ec/sha2-256", "", sign + "}", 200, "", map[string]any{"data.signature": "any"}},
		}
		for range 5 {
			steps = append(steps, steps[0])
			steps[len(steps)-1].method, steps[len(steps)-1].path, steps[len(steps)-1].token = "PUT", "auth/approle/login", none
			steps[len(steps)-1].body, steps[len(steps)-1].status, steps[len(steps)-1].says = `{"role_id":"`+roleID+`","secret_id":"wrong"}`, 400, "invalid role or secret ID"
		}
		locked := steps[len(steps)-1]
		locked.status, locked.says = 403, "permission denied"
		seal := locked
		seal.path, seal.token, seal.body, seal.status, seal.says = "sys/seal", "", "", 204, ""
		sealed := locked
		sealed.method, sealed.path, sealed.status, sealed.says = "GET", "secret/data/a", 503, "Vault is sealed"
		sealedLogin := locked
		sealedLogin.status, sealedLogin.says = 503, "Vault is sealed"
		for i, s := range append(steps, locked, seal, sealed, sealedLogin) {
			token := map[string]string{"": w.root, none: ""}[s.token]
			if s.token != "" && s.token != none {
				token = s.token
			}
			status, answer := w.request(t, s.method, s.path, token, s.body)
			var says string
			if errors, ok := answer["errors"].([]any); ok {
				says = strings.TrimSpace(fmt.Sprintln(errors...))
			}
			if status != s.status || says != strings.TrimSpace(s.says) {
				t.Errorf("%d. %s %s: status %d, %q; want %d, %q", i, s.method, s.path, status, says, s.status, s.says)
			}
			for path, want := range s.has {
				got := find(answer, path)
				if text, ok := got.(string); want == "any" && ok && text != "" {
					continue
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%d. %s %s: %s is %v, want %v", i, s.method, s.path, path, got, want)
				}
			}
		}
	})
}

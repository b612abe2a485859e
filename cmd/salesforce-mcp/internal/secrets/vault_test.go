package secrets_test

import (
	"fmt"
	"hash/crc32"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

func TestVaultConformance(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		config := w.appRole(t, "")
		open := func(t *testing.T) secrets.Store {
			c := config
			c.Prefix = fmt.Sprintf("salesforce-mcp/%08x", crc32.ChecksumIEEE([]byte(t.Name())))
			return w.open(t, c)
		}
		conformance(t, open)
		t.Run("cas_required", func(t *testing.T) {
			w.admin(t, "PUT", "secret/config", `{"cas_required":true}`)
			conformance(t, open)
		})
	})
}

// TestVaultLastKnown: what is known is given while Vault is sealed, and only then.
func TestVaultLastKnown(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		ctx := t.Context()
		v := w.open(t, w.appRole(t, ""))
		s := secrets.NewLastKnown(v)
		put := func(value salesforce.Secret) {
			t.Helper()
			if _, err := v.Put(ctx, "sales", "clientSecret", value, secrets.Any); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want salesforce.Secret) {
			t.Helper()
			if got, version, err := s.Get(ctx, "sales", "clientSecret"); got != want || version == 0 || err != nil {
				t.Errorf("%d bytes, version %d, %v", len(got.Reveal()), version, err)
			}
		}
		put("one")
		expect("one")
		put("two")
		expect("two")
		w.admin(t, "PUT", "sys/seal", "")
		expect("two")
		if _, _, err := s.Get(ctx, "sales", "other"); !unavailable(err, "is sealed") {
			t.Errorf("what is not known: %v", err)
		}
		if _, err := s.Put(ctx, "sales", "clientSecret", "three", secrets.Any); !unavailable(err, "is sealed") {
			t.Error(err)
		}
		w.unseal(t)
		w.policy(t, `path "secret/data/other" { capabilities = ["read"] }`)
		for range 2 {
			if _, _, err := s.Get(ctx, "sales", "clientSecret"); !unavailable(err, "do not allow") {
				t.Errorf("the policy was taken away: %v", err)
			}
		}
		w.admin(t, "PUT", "sys/seal", "")
		if _, _, err := s.Get(ctx, "sales", "clientSecret"); !unavailable(err, "is sealed") {
			t.Errorf("after it was forbidden: %v", err)
		}
	})
}

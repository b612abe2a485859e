package secrets_test

import (
	"fmt"
	"hash/crc32"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
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

package secrets

import (
	"context"
	"net/http"

	"github.com/rs/zerolog"

	"salesforce-mcp/salesforce"
)

// TokenOf returns the token of the session.
func TokenOf(v *Vault) salesforce.Secret {
	v.mu.Lock()
	defer v.mu.Unlock()
	return salesforce.Secret(v.session.login.Auth.ClientToken)
}

// NewVaultOver is NewVault with a transport.
func NewVaultOver(ctx context.Context, c VaultConfig, log zerolog.Logger, transport http.RoundTripper) *Vault {
	return newVault(ctx, c, log, transport)
}

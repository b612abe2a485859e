package main

import (
	"context"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// openSecrets returns the secret store of the configuration, and Vault if that is
// it. It does not need to be there yet: what is wrong with it is logged.
func openSecrets(ctx context.Context, c *config.Config, st *store.Store, log zerolog.Logger) (secrets.Store, *secrets.Vault, error) {
	if c.Secrets.Store != config.StoreVault {
		return secrets.NewSealed(st, c.Secrets.Keys(func(file string) {
			log.Warn().Str("file", file).Msg("made the master key that opens the stored secrets: back it up, apart from the database")
		})), nil, nil
	}
	vault, err := secrets.NewVault(ctx, c.Secrets.Vault, log)
	if err != nil {
		return nil, nil, err
	}
	go func() {
		if err := vault.Check(ctx, c.TransitKeys()...); err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("Vault cannot be used; calls that need it are refused until it can")
		}
	}()
	return vault, vault, nil
}

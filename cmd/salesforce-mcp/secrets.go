package main

import (
	"context"

	"github.com/rs/zerolog"

	"salesforce-mcp/auth"
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

// missing returns the name of the secret without which a workspace gets no token,
// if it stands nowhere.
func (o *orgs) missing(ctx context.Context, workspace string) (string, error) {
	s, err := o.settings(ctx, workspace)
	if err != nil {
		return "", err
	}
	switch name := o.auth(workspace).Secret().Name; {
	case s.Mode == auth.ModeOAuth, s.Signer != nil: // an app may have no secret; Vault has the key
		return "", nil
	case name == "privateKey" && s.PrivateKey == "", name == "clientSecret" && s.ClientSecret == "", name == "accessToken" && s.AccessToken == "":
		return name, nil
	}
	return "", nil
}

// warnOfMissing logs which workspaces lack a secret. Where Vault has it, that is
// found out beside what follows.
func (o *orgs) warnOfMissing(ctx context.Context) {
	warn := func() {
		for name, w := range *o.workspaces.Load() {
			if w.Auth == nil || w.Suspended {
				continue
			}
			missing, err := o.missing(ctx, name)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				o.log.Warn().Err(err).Str("workspace", name).Msg("the workspace's secret cannot be read; its calls are refused until it can")
			case missing != "":
				o.log.Warn().Str("workspace", name).Str("secret", missing).Msg("the workspace's secret stands nowhere; its calls are refused until it does: salesforce-mcp secret set")
			}
		}
	}
	if o.vault != nil {
		go warn()
		return
	}
	warn()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// look is what a configuration describes, opened to be looked at, beside a server
// or without one. Nothing is changed: no database and no master key is made.
type look struct {
	config *config.Config
	store  *store.Store     // nil when it could not be opened
	failed error            // why; fs.ErrNotExist when there is none yet
	aside  []settings.Aside // workspaces of the database that are not in force
	orgs   *orgs
}

// lookAt opens what is there. Close the look.
func lookAt(ctx context.Context, c *config.Config) (*look, error) {
	l := &look{config: c}
	if l.store, l.failed = lookStore(ctx, c); l.failed == nil {
		merged, _, aside, err := settings.Merge(ctx, l.store, c)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		c, l.config, l.aside = merged, merged, aside
	}
	if c.Secrets.Store == config.StoreVault {
		vault, err := secrets.NewVault(ctx, c.Secrets.Vault, zerolog.Nop())
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.orgs = newOrgs(c, vault, vault, zerolog.Nop())
		return l, nil
	}
	var kept secrets.Store = unopened{err: l.failed}
	if l.store != nil {
		kept = l.sealed()
	}
	l.orgs = newOrgs(c, kept, nil, zerolog.Nop())
	return l, nil
}

// sealed are the secrets of the database.
func (l *look) sealed() *secrets.Sealed {
	return secrets.NewSealed(l.store, l.config.Secrets.Keys(func(string) {}))
}

func (l *look) close() error {
	if l.store == nil {
		return nil
	}
	return l.store.Close()
}

// unopened stands for the secrets of a database that could not be opened: if it
// is not there yet, it has none.
type unopened struct {
	secrets.Store
	err error
}

// Get implements [secrets.Store].
func (u unopened) Get(context.Context, string, string) (salesforce.Secret, int64, error) {
	if errors.Is(u.err, fs.ErrNotExist) {
		return "", 0, secrets.ErrNone
	}
	return "", 0, &secrets.Unavailable{Why: fmt.Sprintf("the database cannot be used: %v", u.err), Err: u.err}
}

// stored says how many workspaces the database adds to those of the file.
func (l *look) stored(file *config.Config) string {
	if n := len(l.config.Workspaces) - len(file.Workspaces); n > 0 {
		return fmt.Sprintf(", and %d in the database", n)
	}
	return ""
}

// withStored adds the workspaces of the database to a configuration, as far as there
// is one that can be read.
func withStored(ctx context.Context, c *config.Config) *config.Config {
	st, err := lookStore(ctx, c)
	if err != nil {
		return c
	}
	defer func() { _ = st.Close() }() // it was only read
	if merged, _, _, err := settings.Merge(ctx, st, c); err == nil {
		return merged
	}
	return c
}

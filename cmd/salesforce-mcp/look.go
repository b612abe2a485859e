package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// look is what a configuration describes, opened to be looked at, beside a server
// or without one. Nothing is changed: no database and no master key is made.
type look struct {
	config *config.Config
	store  *store.Store // nil when it could not be opened
	failed error        // why; fs.ErrNotExist when there is none yet
	orgs   *orgs
}

// lookAt opens what is there. Close the look.
func lookAt(ctx context.Context, c *config.Config) (*look, error) {
	l := &look{config: c}
	l.store, l.failed = lookStore(ctx, c)
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

package main

import (
	"context"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// openStore opens the database of a configuration as a server does.
func openStore(ctx context.Context, c *config.Config) (*store.Store, error) {
	if c.Database != "" {
		return store.OpenPostgres(ctx, c.Database)
	}
	return store.Open(ctx, c.Data)
}

// joinStore opens it beside a server, or without one.
func joinStore(ctx context.Context, c *config.Config) (*store.Store, error) {
	if c.Database != "" {
		return store.OpenPostgres(ctx, c.Database)
	}
	return store.Join(ctx, c.Data)
}

// lookStore opens it to read.
func lookStore(ctx context.Context, c *config.Config) (*store.Store, error) {
	if c.Database != "" {
		return store.LookPostgres(ctx, c.Database)
	}
	return store.Look(ctx, c.Data)
}

// databasePlace says where it is.
func databasePlace(c *config.Config) string {
	if c.Database != "" {
		return store.PostgresPlace(c.Database)
	}
	return c.Data
}

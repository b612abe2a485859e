package main

import (
	"context"
	"maps"
	"net/http"
	"slices"

	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
)

// newPages returns the configuration app.
func (a *app) newPages() *configapp.App {
	return &configapp.App{PublicURL: a.config.PublicURL, Version: version(), Log: a.log, Tools: a.server, Refused: a.store, Hosts: hostPlatforms(a.config),
		Names: func(context.Context) ([]string, error) {
			return slices.Sorted(maps.Keys(*a.orgs.workspaces.Load())), nil
		}}
}

// pagesHandler is the handler of the configuration app, or nil.
func (a *app) pagesHandler() http.Handler {
	if a.pages == nil {
		return nil
	}
	return a.pages.Handler()
}

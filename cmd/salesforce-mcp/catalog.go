package main

import (
	"maps"
	"slices"

	"salesforce-mcp/cmd/salesforce-mcp/internal/catalog"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/salesforce"
)

// catalog returns the entries of the workspaces that are in the catalog of this server,
// by name, as others reach it at an origin.
func (o *orgs) catalog(origin string) (all []web.Listed) {
	workspaces := *o.workspaces.Load()
	for _, name := range slices.Sorted(maps.Keys(workspaces)) {
		if w := workspaces[name]; w.Catalog != nil && !w.Catalog.Unlisted {
			all = append(all, web.Listed{Workspace: name, Public: w.Catalog.Public, Entry: catalog.Entry(w, origin, "")})
		}
	}
	return all
}

// hostPlatforms are those of the configuration, whose addresses are all that is
// connected to for them.
func hostPlatforms(c *config.Config) (all []*host.Platform) {
	for _, p := range c.HostPlatforms {
		client := salesforce.New(salesforce.Options{Hosts: hosts(c), Internal: p.Networks.Contain})
		all = append(all, &host.Platform{Name: p.Name, API: p.API, AuthType: p.AuthType, HTTP: client.HTTP()})
	}
	return all
}

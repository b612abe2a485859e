// Package catalog says how a workspace of this server stands in catalogs of others: the
// capabilities catalog of Agent Factory, hosts that pull, and the registry of MCP
// servers. Everything follows from the workspace's settings and from where this server
// is reached, and nothing of it is a secret.
package catalog

import (
	"cmp"
	"strings"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/salesforce"
)

// Scope are the arguments that the platform sets on every call of a tool.
const Scope = "context_id,agent_id,user_id"

// description is what an entry says unless the workspace says something else.
const description = "Work in Salesforce: records, SOQL and SOSL, composite and bulk requests, metadata, reports, approvals and quick actions, within the rule of each agent and with every call in an audit trail."

// Endpoint is the URL of a workspace's MCP endpoint on this server, which is reached at
// an origin such as https://salesforce.example.com.
func Endpoint(w *config.Workspace, origin string) string {
	return strings.TrimSuffix(origin, "/") + "/w/" + w.Name + "/mcp"
}

// Entry is a workspace's entry in the catalog of the host platform. AuthType is the
// type of its auth, which the platform's versions call differently; "" is oauth2.
func Entry(w *config.Workspace, origin, authType string) *host.Entry {
	c := settings(w)
	e := &host.Entry{
		Name: c.Name, DisplayName: c.DisplayName, Type: "mcp", Category: c.Category, Description: c.Description,
		IconURL: c.IconURL, DocumentationURL: c.DocumentationURL,
		ConfigSchema: host.Schema{Type: "object", Required: []string{"name", "server"}, Properties: host.Properties{
			Name:   host.Property{Type: "string", Title: "Server Name", Default: c.Name},
			Server: host.Property{Type: "string", Title: "SSE/WebSocket URL", Default: server(w, origin)},
			Scope:  host.Property{Type: "string", Title: "Scope", Default: Scope},
			Headers: host.Property{Type: "object", Title: "Auth Headers (JSON)",
				Description: "How the platform proves itself to the server: the host token, by the name of a secret"},
		}},
		Auth: connects(w, origin, cmp.Or(authType, "oauth2")),
	}
	if headers := Headers(w); headers != nil {
		e.ConfigSchema.Properties.Headers.Default = headers
	} else {
		e.ConfigSchema.Properties.Headers.Description = ""
	}
	return e
}

// Tool is a workspace as a tool of one agent of the platform. The host token proves the
// platform; where the bridge stands between, which has its own, it is not sent.
func Tool(w *config.Workspace, origin string, hostToken salesforce.Secret) host.Tool {
	c := settings(w)
	t := host.Tool{Name: c.Name, DisplayName: c.DisplayName, Description: c.Description, IconURL: c.IconURL,
		Server: server(w, origin), Scope: Scope, HostToken: hostToken, Auth: connects(w, origin, "oauth")}
	if c.Bridge != "" {
		t.HostToken = ""
	}
	return t
}

// Headers are those with which the platform proves itself: the host token, by the name
// of a secret of the platform. Nil with the bridge, which needs none.
func Headers(w *config.Workspace) map[string]string {
	if settings(w).Bridge != "" {
		return nil
	}
	return map[string]string{"Authorization": "Bearer {{secrets." + w.HostSecretName() + "}}"}
}

// settings are those of a workspace for catalogs, with defaults in place.
func settings(w *config.Workspace) config.Catalog {
	c := config.Catalog{}
	if w.Catalog != nil {
		c = *w.Catalog
	}
	c.Name = cmp.Or(c.Name, "salesforce_"+strings.ReplaceAll(w.Name, "-", "_"))
	c.DisplayName = cmp.Or(c.DisplayName, "Salesforce ("+w.Name+")")
	c.Description = cmp.Or(c.Description, description)
	c.Category = cmp.Or(c.Category, "crm")
	return c
}

// server is where agents are led to.
func server(w *config.Workspace, origin string) string {
	if bridge := settings(w).Bridge; bridge != "" {
		return bridge + ".mcp"
	}
	return Endpoint(w, origin)
}

// connects says where people connect their Salesforce user: nowhere, but in auth mode
// oauth.
func connects(w *config.Workspace, origin, authType string) *host.Auth {
	c := settings(w)
	if w.Auth == nil || w.Auth.Mode != auth.ModeOAuth || c.NoAuth {
		return nil
	}
	a := &host.Auth{Type: authType, Scopes: auth.Scopes(w.Auth.Settings())}
	if c.Bridge != "" {
		a.StatusURL, a.ConnectURL, a.DisconnectURL = c.Bridge+".oauthStatus", c.Bridge+".oauthConnect", c.Bridge+".oauthDisconnect"
		return a
	}
	at := strings.TrimSuffix(origin, "/") + "/w/" + w.Name + "/oauth/"
	a.StatusURL, a.ConnectURL, a.DisconnectURL = at+"status", at+"connect", at+"disconnect"
	return a
}

package catalog

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// serverSchema is the schema of server.json that [Server] follows.
const serverSchema = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

// Server is a server.json, as registries of MCP servers take it. Its fields are those
// of the schema.
type Server struct {
	Schema      string   `json:"$schema"`
	Name        string   `json:"name"` // reverse DNS, a slash, a name
	Title       string   `json:"title"`
	Description string   `json:"description"` // at most 100 characters
	Version     string   `json:"version"`
	WebsiteURL  string   `json:"websiteUrl,omitempty"`
	Remotes     []Remote `json:"remotes"`
}

// Remote is where the server is reached.
type Remote struct {
	Type      string           `json:"type"` // streamable-http
	URL       string           `json:"url"`  // with {variables}
	Headers   []Input          `json:"headers,omitempty"`
	Variables map[string]Input `json:"variables,omitempty"`
}

// Input is a header, or a variable of a header or URL, that whoever connects fills in.
type Input struct {
	Name        string           `json:"name,omitempty"` // of headers
	Description string           `json:"description"`
	IsRequired  bool             `json:"isRequired"`
	IsSecret    bool             `json:"isSecret"`
	Value       string           `json:"value,omitempty"` // with {variables}
	Variables   map[string]Input `json:"variables,omitempty"`
}

// ServerJSON describes this server, which is reached at an origin. With a workspace it
// describes that one; without, the workspace is for whoever connects to fill in, and
// none is named.
func ServerJSON(w *config.Workspace, origin, version string) Server {
	s := Server{Schema: serverSchema, Name: reverse(origin) + "/salesforce", Title: "Salesforce", Version: version,
		Description: "Let agents work in Salesforce, within a rule for each and with an audit trail"}
	remote := Remote{Type: "streamable-http", URL: strings.TrimSuffix(origin, "/") + "/w/{workspace}/mcp", Headers: []Input{{
		Name: "Authorization", Description: "The host token of the workspace", IsRequired: true, IsSecret: true, Value: "Bearer {token}",
		Variables: map[string]Input{"token": {Description: "The host token, which an administrator of the workspace gives out", IsRequired: true, IsSecret: true}}}}}
	if w == nil {
		remote.Variables = map[string]Input{"workspace": {Description: "The workspace, which its administrator names", IsRequired: true}}
		remote.Headers = append(remote.Headers, identity("agent-id", true))
	} else {
		c := settings(w)
		s.Name += "-" + w.Name
		s.Title = cut(c.DisplayName, 100)
		s.WebsiteURL = c.DocumentationURL
		remote.URL = Endpoint(w, origin)
		agent, user := identityHeaders(w)
		if agent != "" {
			remote.Headers = append(remote.Headers, identity(agent, true))
		}
		if user != "" {
			remote.Headers = append(remote.Headers, identity(user, false))
		}
	}
	s.Remotes = []Remote{remote}
	return s
}

func identity(header string, agent bool) Input {
	if agent {
		return Input{Name: header, Description: "The agent that calls, as the workspace's rules name it", IsRequired: true}
	}
	return Input{Name: header, Description: "The person for whom the agent works"}
}

// identityHeaders are the headers in which a host with a token names agent and user, or
// "".
func identityHeaders(w *config.Workspace) (agent, user string) {
	for _, p := range w.Profiles {
		if len(p.Tokens) > 0 {
			return headerOf(p.Agent), headerOf(p.User)
		}
	}
	return "", ""
}

func headerOf(sources []allowlist.Source) string {
	i := slices.IndexFunc(sources, func(s allowlist.Source) bool { return s.Kind == allowlist.FromHeader })
	if i < 0 {
		return ""
	}
	return sources[i].Name
}

// reverse is the name of an origin's host in reverse, as com.example.salesforce.
func reverse(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return "localhost"
	}
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most])
	}
	return text
}

package host

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/salesforce"
)

// agents is where agents are, below the platform's API.
const agents = "/workspaces/slug:agent-factory/webhooks/v1/agents"

// Agent is an agent of the platform. Several may have the same name.
type Agent struct {
	ID          string
	Name        string // may be empty
	Description string
}

// Agents returns the agents that the person may see, own, shared and published
// ones, from all pages, in the platform's order. With a search it returns those
// whose name, description or id has it, in whatever case.
func (s Session) Agents(ctx context.Context, search string) ([]Agent, error) {
	items, err := s.all(ctx, agents, url.Values{"scope": {"own,shared,published"}}, 100)
	if err != nil {
		return nil, err
	}
	var found []Agent
	search = strings.ToLower(strings.TrimSpace(search))
	for _, item := range items {
		id, err := idOf(item)
		if err != nil {
			return nil, err
		}
		var said struct {
			Name        any `json:"name"` // a text, or texts by language
			DisplayName any `json:"display_name"`
			Description any `json:"description"`
		}
		if err := json.Unmarshal(item, &said); err != nil {
			return nil, &Error{Unreadable, 0, "an agent of the host's list is not what its documentation says", 0}
		}
		a := Agent{ID: id, Name: s.clean(inEnglish(said.DisplayName, said.Name)), Description: s.clean(inEnglish(said.Description))}
		if strings.Contains(strings.ToLower(a.Name+"\n"+a.Description+"\n"+a.ID), search) {
			found = append(found, a)
		}
	}
	return found, nil
}

// inEnglish is the first of the values that says something.
func inEnglish(values ...any) string {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if text := inEnglish(v["en"], v["fr"]); text != "" {
				return text
			}
		}
	}
	return ""
}

// Tool is this server as a tool of one agent.
type Tool struct {
	Name        string // of letters, digits, _ and -
	DisplayName string
	Description string
	IconURL     string // may be empty
	Server      string // the MCP endpoint
	Scope       string // the arguments that the platform sets
	// HostToken is the token with which the platform proves itself to this server.
	// Empty where it needs none, as with the platform's own bridge.
	HostToken salesforce.Secret
	Auth      *Auth // nil: nobody connects
}

// Installed is what became of a tool.
type Installed struct {
	ID       string   // of the tool; may be empty
	Replaced []string // names of the tools that it stands in place of
}

// Install makes a tool be one of the agent's. Tools cannot be changed on the
// platform, so those that have its name or lead to its endpoint are removed, the
// latter after it is there. That it was done twice does no harm.
func (s Session) Install(ctx context.Context, agentID string, tool Tool) (Installed, error) {
	if agentID == "" || agentID == "." || agentID == ".." {
		return Installed{}, &Error{NotFound, 0, "the agent has no id that can stand in an address", 0}
	}
	path := agents + "/" + url.PathEscape(agentID) + "/tools"
	items, err := s.all(ctx, path, url.Values{}, 100)
	if err != nil {
		return Installed{}, err
	}
	var done Installed
	var after []string
	for _, item := range items {
		id, err := idOf(item)
		if err != nil {
			return done, err
		}
		var there struct {
			Name   string `json:"name"`
			Server string `json:"server"`
		}
		if err := json.Unmarshal(item, &there); err != nil {
			return done, &Error{Unreadable, 0, "a tool of the agent is not what the host's documentation says", 0}
		}
		switch {
		case there.Name == tool.Name:
			if err := s.remove(ctx, path, id); err != nil {
				return done, err
			}
			done.Replaced = append(done.Replaced, s.clean(there.Name))
		case there.Server == tool.Server:
			after = append(after, id)
			done.Replaced = append(done.Replaced, s.clean(there.Name))
		}
	}
	var added json.RawMessage
	if err := s.send(ctx, http.MethodPost, path, tool.wire(), &added); err != nil {
		return done, err
	}
	done.ID, _ = idOf(added)
	for _, id := range after {
		if err := s.remove(ctx, path, id); err != nil {
			return done, err
		}
	}
	return done, nil
}

// remove removes a tool, which may be gone already.
func (s Session) remove(ctx context.Context, path, id string) error {
	if id == "." || id == ".." {
		return &Error{Unreadable, 0, "a tool of the agent has an id that cannot stand in an address", 0}
	}
	err := s.send(ctx, http.MethodDelete, path+"/"+url.PathEscape(id), nil, nil)
	if Is(err, NotFound) {
		return nil
	}
	return err
}

// wireTool is a tool as it is sent.
type wireTool struct {
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name"`
	Description string            `json:"description"`
	IconURL     string            `json:"icon_url,omitempty"`
	Server      string            `json:"server"`
	Scope       string            `json:"scope"`
	Headers     map[string]string `json:"headers,omitempty"`
	Auth        *Auth             `json:"auth,omitempty"`
}

func (t Tool) wire() wireTool {
	w := wireTool{Type: "mcp", Name: t.Name, DisplayName: t.DisplayName, Description: t.Description, IconURL: t.IconURL, Server: t.Server, Scope: t.Scope, Auth: t.Auth}
	if token := t.HostToken.Reveal(); token != "" {
		w.Headers = map[string]string{"Authorization": "Bearer " + token}
	}
	return w
}

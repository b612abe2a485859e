package host

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// servers is where the capabilities catalog is, below the platform's API.
const servers = "/workspaces/slug:capabilities/webhooks/v1/servers"

// Entry is a capability as it is published. Its fields are those of the platform's
// documentation.
type Entry struct {
	Name             string `json:"name"` // snake_case
	DisplayName      string `json:"display_name"`
	Type             string `json:"type"` // mcp
	Category         string `json:"category"`
	Description      string `json:"description"`
	IconURL          string `json:"icon_url,omitempty"`
	DocumentationURL string `json:"documentation_url,omitempty"`
	ConfigSchema     Schema `json:"config_schema"`
	Auth             *Auth  `json:"auth"` // null: nobody connects
}

// Schema is what whoever attaches the capability to an agent fills in.
type Schema struct {
	Type       string     `json:"type"` // object
	Required   []string   `json:"required"`
	Properties Properties `json:"properties"`
}

// Properties are the fields of an entry's schema.
type Properties struct {
	Name    Property `json:"name"`
	Server  Property `json:"server"`
	Scope   Property `json:"scope"`
	Headers Property `json:"headers"`
}

// Property is a field of a schema, with what it is unless it is changed.
type Property struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Default     any    `json:"default,omitempty"`
}

// Auth says where people connect, and whether they are connected.
type Auth struct {
	Type          string   `json:"type"`
	StatusURL     string   `json:"status_url"`
	ConnectURL    string   `json:"connect_url"`
	DisconnectURL string   `json:"disconnect_url"`
	Scopes        []string `json:"scopes"`
}

// Endpoint is the URL that the entry leads agents to, by which it is known.
func (e *Entry) Endpoint() string {
	endpoint, _ := e.ConfigSchema.Properties.Server.Default.(string)
	return endpoint
}

// Capability is an entry that is in the catalog.
type Capability struct {
	ID, Name, DisplayName string
	Endpoint              string // "" when it leads nowhere that we know of
}

// Capabilities returns the organisation's own entries for MCP servers, from all
// pages. Those that the platform brought along are left out: nobody can change them.
func (s Session) Capabilities(ctx context.Context) ([]Capability, error) {
	items, err := s.all(ctx, servers, url.Values{"type": {"mcp"}, "built_in": {"false"}}, 200)
	if err != nil {
		return nil, err
	}
	var found []Capability
	for _, item := range items {
		id, err := idOf(item)
		if err != nil {
			return nil, err
		}
		var entry struct {
			Name        string          `json:"name"`
			DisplayName string          `json:"display_name"`
			BuiltIn     bool            `json:"built_in"`
			Schema      json.RawMessage `json:"config_schema"`
		}
		if err := json.Unmarshal(item, &entry); err != nil {
			return nil, &Error{Unreadable, 0, "an entry of the host's catalog is not what its documentation says", 0}
		}
		if !entry.BuiltIn {
			found = append(found, Capability{id, entry.Name, entry.DisplayName, endpointOf(entry.Schema)})
		}
	}
	return found, nil
}

// endpointOf is where an entry leads, of whose schema nothing else has to be right:
// others write what they like.
func endpointOf(schema json.RawMessage) string {
	var found struct {
		Properties struct {
			Server struct {
				Default string `json:"default"`
			} `json:"server"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &found) != nil {
		return ""
	}
	return found.Properties.Server.Default
}

// Find returns the entries that lead to an endpoint: none, one or, where several
// people added it at once, more. Names do not count.
func (s Session) Find(ctx context.Context, endpoint string) ([]Capability, error) {
	all, err := s.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	var found []Capability
	for _, c := range all {
		if c.Endpoint == endpoint && endpoint != "" {
			found = append(found, c)
		}
	}
	return found, nil
}

// Published is what became of an entry.
type Published struct {
	ID      string
	Created bool // there was none; else it was updated
	Org     Org  // in whose catalog it is
	Others  int  // further entries that lead to the same endpoint
}

// Publish makes an entry be in the catalog of the person's organisation: the one
// that leads to the same endpoint is updated, and where there is none it is added.
// Without the right to do so nothing is written, whether the platform checks it or
// not, nor if the catalog cannot be read to its end.
func (s Session) Publish(ctx context.Context, e *Entry) (Published, error) {
	me, err := s.publisher(ctx)
	if err != nil {
		return Published{}, err
	}
	found, err := s.Find(ctx, e.Endpoint())
	if err != nil {
		return Published{}, err
	}
	if len(found) > 0 {
		err := s.write(ctx, http.MethodPatch, servers+"/"+url.PathEscape(found[0].ID), e, nil)
		if !Is(err, NotFound) { // else somebody has just removed it
			return Published{ID: found[0].ID, Org: me.Org, Others: len(found) - 1}, err
		}
	}
	var added json.RawMessage
	if err := s.write(ctx, http.MethodPost, servers, e, &added); err != nil {
		return Published{}, err
	}
	id, _ := idOf(added) // it is there, whatever its answer looks like
	return Published{ID: id, Created: true, Org: me.Org}, nil
}

// Withdraw removes every entry that leads to an endpoint from the catalog of the
// person's organisation, and returns how many there were.
func (s Session) Withdraw(ctx context.Context, endpoint string) (int, error) {
	if _, err := s.publisher(ctx); err != nil {
		return 0, err
	}
	found, err := s.Find(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	for i, c := range found {
		if err := s.write(ctx, http.MethodDelete, servers+"/"+url.PathEscape(c.ID), nil, nil); err != nil && !Is(err, NotFound) {
			return i, err
		}
	}
	return len(found), nil
}

// write changes the catalog. The platform's refusal is said in the documented words.
func (s Session) write(ctx context.Context, method, path string, content, out any) error {
	if strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..") {
		return &Error{Unreadable, 0, "the host's entry has an id that cannot stand in an address", 0}
	}
	err := s.send(ctx, method, path, content, out)
	if Is(err, Forbidden) {
		return &Error{Forbidden, http.StatusForbidden, forbiddenToPublish, 0}
	}
	return err
}

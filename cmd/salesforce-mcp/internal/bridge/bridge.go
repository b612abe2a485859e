// Package bridge writes the app with which a workspace of Prisme.ai, the host platform,
// uses this server: an automation for each instruction, for the platform's builders, and
// the webhooks by which its agents call and its people connect.
//
// The app is a package in the form that the platform imports: index.yml, security.yml
// and automations/*.yml. It holds the host token in a secret of the platform's
// workspace, and vouches for the person whom the platform says is signed in: an
// external server's own addresses cannot tell who opens them.
package bridge

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/tools"
)

// App is what is written.
type App struct {
	// Server is the URL of the workspace on this server, as in
	// https://salesforce.example.com/w/sales.
	Server string
	// Table has the instructions.
	Table tools.Table
	// Version is of this program.
	Version string
}

// A File is one of the package.
type File struct {
	Name string // with slashes
	Text []byte
}

// Files returns the package, sorted by name. The same app is the same files.
func (a *App) Files() ([]File, error) {
	documents := map[string]object{"index.yml": a.index(), "security.yml": security}
	for slug, automation := range webhooks {
		documents["automations/"+slug+".yml"] = automation
	}
	instructions, err := a.instructions()
	if err != nil {
		return nil, err
	}
	for slug, automation := range instructions {
		name := "automations/" + slug + ".yml"
		if documents[name] != nil {
			return nil, fmt.Errorf("the instruction %s has the name of a webhook", slug)
		}
		documents[name] = automation
	}
	var files []File
	for name, document := range documents {
		var text bytes.Buffer
		out := yaml.NewEncoder(&text)
		out.SetIndent(2)
		if err := out.Encode(node(document)); err != nil {
			return nil, err
		}
		files = append(files, File{name, text.Bytes()})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// Zip returns the package as the archive that the platform imports.
func (a *App) Zip() ([]byte, error) {
	files, err := a.Files()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, file := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: file.Name, Method: zip.Deflate, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(file.Text); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Folder writes the package into a folder, which must not be there or be empty.
func (a *App) Folder(dir string) error {
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s: is not empty; remove it, or name another folder", dir)
	}
	files, err := a.Files()
	if err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // there is no secret in it
			return err
		}
		if err := os.WriteFile(name, file.Text, 0o644); err != nil { //nolint:gosec // there is no secret in it
			return err
		}
	}
	return nil
}

// secretOfToken is the secret of the platform's workspace that has the host token.
const secretOfToken = "salesforceHostToken"

func (a *App) index() object {
	text := func(title, description string) object {
		return object{{"type", "string"}, {"title", title}, {"description", description}}
	}
	return object{
		{"name", "Salesforce"},
		{"slug", "salesforce"},
		{"description", "Salesforce through salesforce-mcp " + a.Version + ": an instruction for each operation, and the MCP endpoint for agents"},
		{"labels", []any{"app-mcp"}},
		{"config", object{
			{"schema", object{
				{"serverUrl", text("Connector URL", "The workspace on the server, as in https://salesforce.example.com/w/sales")},
				{"hostToken", append(text("Host token", "By which this app proves itself to the server; a reference to a secret"), member{"ui:widget", "password"})},
				{"agentId", text("Agent of automations", "As whom this workspace's own automations call; the server's rules must allow it")},
				{"callers", text("Caller of the MCP endpoint", "Id of the workspace of Agent Factory, whose calls alone are taken; * takes the calls of everybody who knows the address")},
			}},
			{"value", object{
				{"serverUrl", a.Server},
				{"hostToken", "{{secret." + secretOfToken + "}}"},
				{"agentId", "builder"},
				{"callers", ""},
			}},
		}},
		{"secrets", object{{"schema", object{
			{secretOfToken, text("Host token of salesforce-mcp", "An administrator of the server's workspace gives it out")},
		}}}},
	}
}

// security lets editors work on the app, and nobody else do anything but run its
// automations: it has no events, files or pages.
var security = object{{"authorizations", object{
	{"roles", object{{"editor", object{}}}},
	{"rules", []any{
		object{{"role", "editor"}, {"action", []any{"read", "update"}}, {"subject", "workspaces"}},
		object{{"role", "editor"}, {"action", []any{"read", "update"}}, {"subject", "apps"}},
	}},
}}}

// instructions are the automations of all instructions, by name. What they take is that
// of the instruction API's own description.
func (a *App) instructions() (map[string]object, error) {
	text, err := a.Table.OpenAPI("/", a.Version)
	if err != nil {
		return nil, err
	}
	var api struct {
		Paths map[string]struct {
			Post struct {
				OperationID string `json:"operationId"`
				Summary     string `json:"summary"`
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							Properties map[string]struct {
								Type        string `json:"type"`
								Description string `json:"description"`
							} `json:"properties"`
							Required []string `json:"required"`
						} `json:"schema"`
					} `json:"content"`
				} `json:"requestBody"`
			} `json:"post"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		return nil, err
	}
	all := map[string]object{}
	for _, path := range api.Paths {
		op := path.Post
		schema := op.RequestBody.Content["application/json"].Schema
		var names []string
		for name := range schema.Properties {
			names = append(names, name)
		}
		needed := func(name string) int { // first
			if slices.Contains(schema.Required, name) {
				return 0
			}
			return 1
		}
		slices.SortFunc(names, func(a, b string) int {
			if d := needed(a) - needed(b); d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		var takes, passes object
		for _, name := range names {
			p := schema.Properties[name]
			argument := object{{"type", p.Type}}
			if p.Description != "" {
				argument = append(argument, member{"description", p.Description})
			}
			takes = append(takes, member{name, argument})
			passes = append(passes, member{name, "{{" + name + "}}"})
		}
		all[op.OperationID] = object{
			{"slug", op.OperationID},
			{"name", op.OperationID},
			{"description", op.Summary},
			{"arguments", takes},
			{"do", []any{object{{"_call", object{{"operation", op.OperationID}, {"args", passes}, {"output", "result"}}}}}},
			{"output", "{{result}}"},
		}
	}
	return all, nil
}

// An object is a mapping whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// node is a value as YAML.
func node(v any) *yaml.Node {
	switch v := v.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, m := range v {
			n.Content = append(n.Content, node(m.name), node(m.value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, node(item))
		}
		return n
	}
	n := &yaml.Node{}
	_ = n.Encode(v) // a text, a number or a bool, which encode
	return n
}

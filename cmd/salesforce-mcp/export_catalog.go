package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/catalog"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// published is what is published of a server: a workspace, and where it is reached.
type published struct {
	file, workspace, url, mode, out string
}

func (p *published) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "config", "", "configuration file; without it give --url")
	cmd.Flags().StringVar(&p.workspace, "workspace", "", "workspace; default the only one of the configuration")
	cmd.Flags().StringVar(&p.url, "url", "", "origin under which others reach the server, as in https://salesforce.example.com; default that of the configuration")
	cmd.Flags().StringVar(&p.out, "out", "", "file to write; default stdout")
}

// load returns the workspace and the origin. Without a configuration the workspace is
// what the flags say of it; nil when they name none.
func (p *published) load(e *env) (*config.Workspace, string, error) {
	if p.file == "" {
		switch {
		case p.url == "":
			return nil, "", errors.New("give --config, or --url with the server's address")
		case p.workspace == "":
			return nil, p.url, nil
		}
		return &config.Workspace{Workspace: allowlist.Workspace{Name: p.workspace}, Auth: &config.Auth{Mode: p.mode}}, p.url, nil
	}
	if p.mode != "" {
		return nil, "", errors.New("--mode: is in the configuration")
	}
	c, err := config.Load(p.file, e.getenv)
	if err != nil {
		return nil, "", err
	}
	if p.url == "" {
		p.url = c.Origin()
	}
	if p.workspace == "" && len(c.Workspaces) != 1 {
		return nil, p.url, nil
	}
	w, err := oneWorkspace(c, p.workspace)
	return w, p.url, err
}

// write writes a document, as people read it.
func (p *published) write(e *env, document any) error {
	var text strings.Builder
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(document); err != nil {
		return err
	}
	if p.out == "" {
		_, err := e.stdout.Write([]byte(text.String()))
		return err
	}
	return os.WriteFile(p.out, []byte(text.String()), 0o644) //nolint:gosec // there is no secret in it
}

func (e *env) exportCatalog() *cobra.Command {
	var p published
	var authType string
	cmd := &cobra.Command{
		Use:   "catalog (--config FILE | --url ORIGIN) [--workspace NAME] [--out FILE]",
		Short: "Write a workspace's entry for a capabilities catalog, as JSON",
		Long: `Write the entry with which a workspace stands in the capabilities catalog of Agent
Factory: what the configuration app publishes, GET /catalog shows and an administrator
can paste. There is no secret in it: the host token is named by the platform's secret
that has it. See docs/host-platform.md.`,
		Example: `  salesforce-mcp export catalog --config config.yaml --workspace sales
  salesforce-mcp export catalog --url https://salesforce.example.com --workspace sales --mode oauth`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, origin, err := p.load(e)
			if err != nil {
				return err
			}
			if w == nil {
				return errors.New("an entry is of one workspace: say with --workspace of which")
			}
			return p.write(e, catalog.Entry(w, origin, authType))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&p.mode, "mode", "", "auth mode of the workspace, without --config: "+auth.ModeOAuth+" where people connect")
	cmd.Flags().StringVar(&authType, "auth-type", "", "type that the platform gives to how people connect; default oauth2")
	return cmd
}

func (e *env) exportServerJSON() *cobra.Command {
	var p published
	var name string
	cmd := &cobra.Command{
		Use:   "server.json (--config FILE | --url ORIGIN) [--workspace NAME] [--name NAME] [--out FILE]",
		Short: "Write the server.json for a registry of MCP servers",
		Long: `Write a server.json (schema 2025-12-11 of the MCP registry). With --workspace it is
of that one; without, the workspace is a variable of the URL that whoever connects
fills in, and no workspace is named.`,
		Example: `  salesforce-mcp export server.json --url https://salesforce.example.com --name com.example/salesforce`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, origin, err := p.load(e)
			if err != nil {
				return err
			}
			if p.workspace == "" {
				w = nil
			}
			s := catalog.ServerJSON(w, origin, "0.0.0-"+version())
			if release != "" {
				s.Version = release
			}
			if name != "" {
				s.Name = name
			}
			return p.write(e, s)
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "name in the registry, as in com.example/salesforce; default from the address")
	return cmd
}

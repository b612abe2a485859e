package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/bridge"
	"salesforce-mcp/tools"
)

func (e *env) exportDSUL() *cobra.Command {
	var p published
	var dir string
	cmd := &cobra.Command{
		Use:   "dsul (--config FILE | --url ORIGIN) [--workspace NAME] (--out FILE.zip | --dir FOLDER)",
		Short: "Write the app by which a workspace of Prisme.ai uses a workspace of this server",
		Long: `Write an app that Prisme.ai imports: an automation for each instruction, as in
Salesforce.runQuery, and the webhooks mcp, oauthStatus, oauthConnect, oauthDisconnect
and testAuth. There is no secret in it: the host token is a secret of the platform's
workspace. The same input is the same bytes. See docs/host-platform.md.`,
		Example: `  salesforce-mcp export dsul --config config.yaml --workspace sales --out salesforce.zip
  salesforce-mcp export dsul --url https://salesforce.example.com --workspace sales --dir salesforce`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if p.out != "" && dir != "" {
				return errors.New("give --out for a zip or --dir for a folder, not both")
			}
			w, origin, err := p.load(e)
			if err != nil {
				return err
			}
			if w == nil {
				return errors.New("an app is of one workspace: say with --workspace of which")
			}
			app := &bridge.App{Server: strings.TrimSuffix(origin, "/") + "/w/" + w.Name, Table: tools.All, Version: version()}
			if dir != "" {
				return app.Folder(dir)
			}
			text, err := app.Zip()
			if err != nil {
				return err
			}
			if p.out == "" {
				_, err = e.stdout.Write(text)
				return err
			}
			return os.WriteFile(p.out, text, 0o644) //nolint:gosec // there is no secret in it
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&dir, "dir", "", "folder to write instead of a zip; it must be new or empty")
	return cmd
}

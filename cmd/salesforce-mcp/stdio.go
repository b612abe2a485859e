package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/tools"
)

func (e *env) stdio() *cobra.Command {
	var file, workspace, view string
	cmd := &cobra.Command{
		Use:   "stdio --config FILE [--workspace NAME]",
		Short: "Speak MCP over stdin and stdout, for one local user",
		Args:  cobra.NoArgs,
		RunE: e.withApp(&file, func(ctx context.Context, a *app) error {
			if workspace == "" && len(a.config.Workspaces) > 1 {
				var names []string
				for _, w := range a.config.Workspaces {
					names = append(names, w.Name)
				}
				return fmt.Errorf("--workspace is needed: the configuration has %s", strings.Join(names, ", "))
			}
			if workspace == "" {
				workspace = a.config.Workspaces[0].Name
			}
			w, ok := a.gate.Workspace(workspace)
			if !ok {
				return fmt.Errorf("--workspace: the configuration has no workspace %q", workspace)
			}
			host, err := w.Local()
			if err != nil {
				return err
			}
			if a.mcp.View, err = tools.ParseView(view); err != nil {
				return fmt.Errorf("--view: %w", err)
			}
			return a.mcp.ServeLines(ctx, e.stdin, e.stdout, web.Local(a.gate, w, host))
		}),
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace to serve; needed when there are several")
	cmd.Flags().StringVar(&view, "view", "", "how tools are listed: dispatch (default), split or flat")
	return cmd
}

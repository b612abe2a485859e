package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
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
				if len(a.config.Workspaces) == 0 {
					return errors.New("there is no workspace: write one under workspaces in the configuration file, or make one in the configuration app")
				}
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
			if err := a.checkReturns(ctx); err != nil {
				return err
			}
			closePages, err := a.servePages(ctx, workspace)
			if err != nil {
				return err
			}
			driving, end := context.WithCancel(ctx)
			var work sync.WaitGroup
			if slices.ContainsFunc(a.config.Workspaces, func(w config.Workspace) bool { return w.Returns != nil }) {
				work.Go(func() { a.driveReturns(driving) })
			}
			defer work.Wait()
			defer end()
			return errors.Join(a.mcp.ServeLines(ctx, e.stdin, e.stdout, web.Local(a.gate, w, host)), closePages())
		}),
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace to serve; needed when there are several")
	cmd.Flags().StringVar(&view, "view", "", "how tools are listed: dispatch (default), split or flat")
	return cmd
}

// servePages serves the pages with which the one person of stdio connects, where
// their workspace wants that, until it is told to stop.
func (a *app) servePages(ctx context.Context, workspace string) (stop func() error, err error) {
	if settings, err := a.orgs.settings(ctx, workspace); err != nil || settings.Mode != auth.ModeOAuth {
		return func() error { return nil }, nil // calls say what is wrong with the settings
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: the pages to connect with need an address of their own: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serveUntil(ctx, l, a.web().Pages(), a.log) }()
	return func() error { cancel(); return <-served }, nil
}

package main

import (
	"errors"
	"net"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

func (e *env) serve() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			c, err := config.Load(file, e.getenv)
			if err != nil {
				return err
			}
			log := logger(e.stderr, c.LogLevel)
			a, err := build(ctx, c, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
			if err != nil {
				return err
			}
			log.Info().Str("listen", l.Addr().String()).Int("workspaces", len(c.Workspaces)).Str("version", version()).Msg("serving")
			err = serveUntil(ctx, l, a.handler())
			log.Info().Msg("stopped")
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (see docs/configuration.md)")
	_ = cmd.MarkFlagRequired("config") // the flag exists
}

package main

import (
	"context"
	"net"

	"github.com/spf13/cobra"
)

func (e *env) serve() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the server",
		Args:  cobra.NoArgs,
		RunE: e.withApp(&file, func(ctx context.Context, a *app) error {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.Listen)
			if err != nil {
				return err
			}
			a.log.Info().Str("listen", l.Addr().String()).Int("workspaces", len(a.config.Workspaces)).Str("version", version()).Msg("serving")
			err = serveUntil(ctx, l, a.handler(), a.log)
			a.log.Info().Msg("stopped")
			return err
		}),
	}
	configFlag(cmd, &file)
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (see docs/configuration.md)")
	_ = cmd.MarkFlagRequired("config") // the flag exists
}

package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

func (e *env) serve() *cobra.Command {
	var file, metrics string
	change := func(c *config.Config) { c.MetricsListen = cmp.Or(metrics, c.MetricsListen) }
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the server",
		Args:  cobra.NoArgs,
		RunE: e.withApp(&file, func(ctx context.Context, a *app) error {
			if len(a.config.Workspaces) == 0 && a.pages == nil {
				return errors.New("workspaces: at least one is needed, because there is no configuration app in which to make one")
			}
			if err := a.checkReturns(ctx); err != nil {
				return err
			}
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.Listen)
			if err != nil {
				return err
			}
			if err := e.offerFirstLink(ctx, a, l.Addr().String()); err != nil {
				return errors.Join(err, l.Close())
			}
			stop, err := a.serveMetrics(ctx)
			if err != nil {
				return errors.Join(err, l.Close())
			}
			reading, end := context.WithCancel(ctx)
			var work sync.WaitGroup
			work.Go(func() {
				a.follow(reading, func() (*config.Config, error) { return config.Load(file, e.getenv, change) }, file)
			})
			work.Go(func() { a.driveReturns(reading) })
			defer work.Wait()
			defer end()
			a.log.Info().Str("listen", l.Addr().String()).Int("workspaces", len(a.config.Workspaces)).Str("version", version()).Msg("serving")
			err = a.serveUntil(ctx, l)
			a.log.Info().Msg("stopped")
			return errors.Join(err, stop())
		}, change),
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&metrics, "metrics-listen", "", "address for metrics, as in 127.0.0.1:9464; instead of metricsListen")
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (see docs/configuration.md)")
	_ = cmd.MarkFlagRequired("config") // the flag exists
}

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/salesforce"
)

// A place is a sink and how to look whether it can be reached.
type place struct {
	sink  *trail.Sink
	where string
	check func(context.Context) error
}

// places are the sinks of a configuration. Those that write into orgs need the
// orgs, unless they are only looked at.
func places(c *config.Config, o *orgs, log zerolog.Logger) ([]place, error) {
	var all []place
	if c.Audit.File != "" {
		file := &trail.File{Path: c.Audit.File, MaxBytes: c.Audit.FileMaxBytes, Keep: c.Audit.FileKeep}
		all = append(all, place{file.Sink(), c.Audit.File, file.Check})
	}
	if s := c.Audit.Syslog; s != nil {
		syslog, err := s.Sink()
		if err != nil {
			return nil, err
		}
		all = append(all, place{syslog.Sink(), s.Address, syslog.Check})
	}
	if w := c.Audit.Webhook; w != nil {
		webhook, err := webhookOf(c, w)
		if err != nil {
			return nil, err
		}
		all = append(all, place{webhook.Sink(), origin(w.URL), webhook.Check})
	}
	for i := range c.Workspaces {
		if w := &c.Workspaces[i]; w.AuditLog != nil {
			a := auditLogOf(w, o, log)
			all = append(all, place{a.Sink(), w.AuditLog.Object + " of workspace " + w.Name, a.Check})
		}
	}
	return all, nil
}

// webhookOf is the webhook of a configuration. Its client connects where those of
// orgs do, and to audit.networks.
func webhookOf(c *config.Config, w *config.Webhook) (*trail.Webhook, error) {
	roots, err := w.Authorities()
	if err != nil {
		return nil, err
	}
	internal := func(a netip.Addr) bool { return c.Audit.Networks.Contain(a) }
	client := salesforce.New(salesforce.Options{Hosts: hosts(c), Internal: internal}).HTTP()
	if transport, ok := client.Transport.(*http.Transport); ok && roots != nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return &trail.Webhook{URL: w.URL, HTTP: client, Lines: w.Format == "lines", UserAgent: "salesforce-mcp/" + version(), Secrets: func() (salesforce.Secret, error) {
		if w.SecretFile == "" {
			return w.Secret, nil
		}
		text, err := os.ReadFile(w.SecretFile) // again, since it may have been replaced
		return salesforce.Secret(strings.TrimSpace(string(text))), err
	}}, nil
}

// origin is a URL without what may be secret in it.
func origin(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return scheme + "://" + host
}

// auditLogOf is the object of a workspace's org that has its entries.
func auditLogOf(w *config.Workspace, o *orgs, log zerolog.Logger) *trail.AuditLog {
	log = log.With().Str("workspace", w.Name).Str("object", w.AuditLog.Object).Logger()
	at := "" // the org, once it is known
	return &trail.AuditLog{
		Workspace: w.Name, Object: w.AuditLog.Object, Fields: w.AuditLog.Fields,
		CallsPerHour: w.AuditLog.CallsPerHour, CallsPerDay: w.AuditLog.CallsPerDay, Reserve: *w.AuditLog.Reserve,
		Connect: func(ctx context.Context) (trail.Org, error) {
			org, err := o.own(ctx, w)
			if err != nil {
				return nil, err
			}
			token, err := org.Credentials.Token(ctx)
			at = token.InstanceURL
			return org, err
		},
		Usage: func() (used, allowed int, ok bool) {
			if at == "" {
				return 0, 0, false
			}
			return o.client.Limits(at)
		},
		Wrote: func(entries int, requestID string) {
			log.Info().Int("entries", entries).Str("requestId", requestID).Msg("wrote audit entries into the org")
		},
	}
}

// own is the org as the workspace's own user, whom no caller stands behind.
func (o *orgs) own(ctx context.Context, w *config.Workspace) (*salesforce.Org, error) {
	s, err := o.settings(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	credentials, err := o.resolver.Credentials(w.Name, s)
	if err != nil {
		return nil, err
	}
	return &salesforce.Org{Client: o.client, Credentials: credentials, Version: w.APIVersion}, nil
}

// sinksOf are the sinks of places.
func sinksOf(all []place) []*trail.Sink {
	var sinks []*trail.Sink
	for _, p := range all {
		sinks = append(sinks, p.sink)
	}
	return sinks
}

func (e *env) auditSinks() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sinks --config FILE",
		Short: "Print how far each place is that gets the entries",
		Long: `Print, for the audit file, syslog, the webhook and each org, how many entries of a
workspace have arrived there and how many wait. What keeps them waiting is in the
server's log; salesforce-mcp check says whether a place can be reached.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				all, err := places(r.config, nil, zerolog.Nop())
				if err != nil {
					return err
				}
				lags, err := trail.Lags(cmd.Context(), r.store, sinksOf(all))
				if err != nil {
					return err
				}
				return e.printLags(lags, asJSON)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (e *env) printLags(lags []trail.Lag, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		for _, l := range lags {
			if err := out.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	if len(lags) == 0 {
		return errors.New("the configuration names no place beside the database, or there are no entries yet")
	}
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(out, "SINK\tWORKSPACE\tARRIVED\tWAITING"); err != nil {
		return err
	}
	for _, l := range lags {
		if _, err := fmt.Fprintf(out, "%s\t%s\t%d\t%d\n", l.Sink, cmp.Or(oneLine(l.Workspace), "-"), l.Arrived, l.Waiting); err != nil {
			return err
		}
	}
	return out.Flush()
}

// sinks are the checks of the places that get audit entries.
func (l *look) sinks() []check {
	all, err := places(l.config, l.orgs, zerolog.Nop())
	if err != nil {
		return []check{{"audit", func(context.Context) (string, error) { return "", err }}}
	}
	var checks []check
	for _, p := range all {
		checks = append(checks, check{"audit " + p.sink.Name, func(ctx context.Context) (string, error) {
			if err := p.check(ctx); err != nil {
				return "", fmt.Errorf("%s: %w", p.where, err)
			}
			return p.where + " can be reached", nil
		}})
	}
	return checks
}

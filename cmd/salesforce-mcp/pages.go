package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
)

// newPages returns the configuration app, or nil where there is none.
func (a *app) newPages() *configapp.App {
	c := a.config
	if c.App.Off {
		return nil
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		a.log.Warn().Str("publicURL", c.PublicURL).Msg("there is no configuration app: its cookies and passwords need https, or this machine")
		return nil
	}
	pages := &configapp.App{
		PublicURL: c.PublicURL,
		Version:   version(),
		Log:       a.log,
		Tools:     a.server,
		Journal:   a.journal,
		Users:     a.store,
		Attempts:  a.store,
		Sessions:  a.store,
		Links:     a.store,
		Login:     a.people.Login,
		Source:    func(r *http.Request) string { return web.Block(web.Source(r, c.TrustedProxies)).String() },
		Names:     a.settings.Names,
		Settings:  a.settings,
		Refused:   a.store,
		Hosts:     hostPlatforms(c),
		Runs:      a.store,
		Entries:   a.store,
		Returns:   func(workspace string) *config.Returns { return a.orgs.workspace(workspace).Returns },
		Origin:    c.Origin(),
		Try: func(ctx context.Context, workspace string) (configapp.Connection, error) {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			return a.orgs.Try(ctx, c, workspace)
		},
		People: a.people,
	}
	a.trailPages(pages)
	for _, role := range c.App.Roles {
		pages.Claims = append(pages.Claims, configapp.Claim{Name: role.Claim, Value: role.Value, Roles: role.Roles()})
	}
	return pages
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// firstLink is the link with which somebody becomes the owner of the configuration app,
// or "" when somebody can come in already.
func (a *app) firstLink(ctx context.Context, origin string) (string, error) {
	if a.pages == nil || a.pages.GivesOwner() {
		return "", nil
	}
	path, err := configapp.FirstLink(ctx, a.store, a.store)
	if err != nil || path == "" {
		return "", err
	}
	return origin + path, nil
}

// offerFirstLink prints that link, to the operator of a server with that address.
func (e *env) offerFirstLink(ctx context.Context, a *app, address string) error {
	link, err := a.firstLink(ctx, cmp.Or(strings.TrimSuffix(a.config.PublicURL, "/"), "http://"+address))
	if err != nil || link == "" {
		return err
	}
	_, err = fmt.Fprintf(e.stderr, "Nobody can sign in to the configuration app yet. Whoever opens this link within 24 hours becomes its owner:\n%s\n", link)
	return err
}

func (e *env) signInLink() *cobra.Command {
	var file, email string
	cmd := &cobra.Command{
		Use:   "signin-link --config FILE [--email ADDRESS]",
		Short: "Make a link that lets you into the configuration app, once",
		Long: `Make a link that lets whoever opens it into the configuration app, once, within
an hour: as the user of an e-mail address, who chooses a new password, or without
one as a new owner. It is for operators who are locked out. A server may run
meanwhile; the audit trail has it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			c, err := config.Load(file, e.getenv)
			if err != nil {
				return err
			}
			st, err := joinStore(ctx, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, st.Close()) }()
			path := ""
			entry := audit.Entry{Workspace: audit.WholeServer, Tool: "user", Action: "makeLink", Effect: "set"}
			if err := recorded(ctx, st, entry, map[string]any{"user": email}, func() error {
				if email == "" {
					path, err = configapp.OwnerLink(ctx, st)
					return err
				}
				u, ok, err := st.UserByEmail(ctx, strings.ToLower(email))
				if err == nil && (!ok || u.Suspended) {
					err = fmt.Errorf("there is no user with the address %s who may come in", email)
				}
				if err == nil {
					path, err = configapp.UserLink(ctx, st, u)
				}
				return err
			}); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, c.Origin()+path)
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&email, "email", "", "of the user who is to come in; without it a new owner")
	return cmd
}

// pagesHandler is the handler of the configuration app, or nil.
func (a *app) pagesHandler() http.Handler {
	if a.pages == nil {
		return nil
	}
	a.served.Do(func() { a.pageRoutes = a.pages.Handler() })
	return a.pageRoutes
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/sight"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns/loop"
)

// env is what a command gets from outside; tests give it something else.
type env struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run is the program. It returns when the command is done or ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := (&env{getenv, stdin, stdout, stderr}).root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// root has all commands.
func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "salesforce-mcp",
		Short:         "Let AI agents work in Salesforce, safely",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(e.demo(), e.serve(), e.stdio(), e.call(), e.runFile(), e.audit(), e.approvals(), e.returns(), e.check(), e.secret(), e.keys(), e.signInLink(), e.export(), e.fakeorg(), e.version())
	return root
}

// callTimeout bounds one call.
const callTimeout = 2 * time.Minute

// app is the server with everything joined.
type app struct {
	gate    *allowlist.Gate
	keys    issuers // of hosts' tokens
	store   *store.Store
	secrets secrets.Store
	journal *audit.Journal
	signed  func() // signs the last entries and ends the work on the trail
	// recovered ends the care for what other servers left open.
	recovered func()
	// agentsLeft ends the care for sessions with agents, and perhaps the sessions.
	agentsLeft func()
	draining   atomic.Bool // no more calls are wanted
	orgs       *orgs
	people     *connect.People
	server     *tools.Server
	loop       *loop.Loop // drives returns
	mcp        *tools.MCP
	metrics    *sight.Metrics // nil when nobody scrapes them
	traced     func()         // sends the last spans
	pages      *configapp.App // the configuration app; nil without one
	served     sync.Once
	pageRoutes http.Handler       // of pages, once it is served
	settings   *settings.Settings // the workspaces, of the file and of the database
	quiet      atomic.Bool        // nothing has changed since the start, as far as is known
	config     *config.Config
	log        zerolog.Logger
	places     []place // that get audit entries
	noted      func()  // ends the notes of how API calls are used
}

// build joins the parts that the configuration describes. Close the app when
// the last call has ended.
func build(ctx context.Context, c *config.Config, log zerolog.Logger) (*app, error) {
	if err := errors.Join(tools.All.Check()...); err != nil {
		return nil, fmt.Errorf("the table of operations: %w", err)
	}
	st, err := openStore(ctx, c)
	if err != nil {
		return nil, err
	}
	file := c
	c, asOf, aside, err := settings.Merge(ctx, st, file)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	keys := newIssuers(c, log)
	gate, err := allowlist.NewGate(policies(c, keys)...)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	journal := audit.NewJournal(st)
	if n, err := journal.Recover(ctx, st); err != nil {
		journal.Close()
		return nil, errors.Join(err, st.Close())
	} else if n > 0 {
		log.Warn().Int("calls", n).Msg(interrupted)
	}
	warnOfAll(c, log)
	kept, vault, err := openSecrets(ctx, c, st, log)
	if err != nil {
		journal.Close()
		return nil, errors.Join(err, st.Close())
	}
	o := newOrgs(c, kept, vault, log)
	o.people = &connect.People{Secrets: kept, Rows: st, Journal: journal, Resolver: o.resolver, Login: login(c), PublicURL: c.Origin(), Log: log, Workspace: o.People}
	server := &tools.Server{
		Table:      tools.All,
		Gate:       gate,
		Journal:    journal,
		Orgs:       o,
		Handles:    st,
		Results:    st,
		Claims:     st,
		Sealer:     secrets.NewSealer(kept),
		Approvals:  st,
		Agentforce: o.agentforce(st),
		Schemas:    new(tools.Schemas),
		Timeout:    callTimeout,
		Log:        log,
	}
	mcp := tools.NewMCP(server, "salesforce-mcp", version())
	mcp.MaxMessage = int(c.MaxMessageBytes)
	sinks, err := places(c, o, log)
	if err != nil {
		journal.Close()
		return nil, errors.Join(err, st.Close())
	}
	t := &trail.Trail{Store: st, Secrets: kept, Checkpoints: c.Audit.Checkpoints, Sinks: sinksOf(sinks), Log: log}
	a := &app{gate: gate, keys: keys, store: st, secrets: kept, journal: journal, signed: t.Start(ctx), orgs: o, people: o.people, server: server, mcp: mcp, config: c, log: log}
	a.settings = &settings.Settings{Store: st, Secrets: kept, Journal: journal, Log: log, Apply: a.take}
	a.settings.Start(file, asOf, aside)
	a.loop = a.newLoop(server.Sealer)
	server.Returns = returnsOf{a.loop}
	a.recovered = a.recoverOthers(ctx)
	a.agentsLeft = a.tendAgents(ctx)
	a.measure(sinks)
	a.traced = a.trace()
	a.places, a.noted = sinks, a.noteUsage(ctx)
	a.pages = a.newPages()
	return a, nil
}

// issuers have the keys with which the issuers of hosts' tokens sign. Those that the
// settings in the database name are not asked in the networks that the operator has
// named for the file's.
type issuers struct{ file, stored *allowlist.Keys }

func newIssuers(c *config.Config, log zerolog.Logger) issuers {
	keys := func(o salesforce.Options) *allowlist.Keys {
		return &allowlist.Keys{HTTP: salesforce.New(o).HTTP(), Loopback: c.AllowLoopbackOrg, Failed: func(issuer string, err error) {
			log.Warn().Str("issuer", issuer).Err(err).Msg("the keys of a token issuer cannot be fetched")
		}}
	}
	return issuers{keys(salesforce.Options{Hosts: hosts(c), Internal: c.IssuerNetworks.Contain}), keys(salesforce.Options{Hosts: hosts(c)})}
}

// of are the keys for a workspace.
func (k issuers) of(w *config.Workspace) *allowlist.Keys {
	if w.Stored {
		return k.stored
	}
	return k.file
}

// login returns the OpenID provider of the configuration, or nil.
func login(c *config.Config) *connect.Login {
	if c.Login == nil {
		return nil
	}
	l := c.Login
	return &connect.Login{Issuer: l.Issuer, ClientID: l.ClientID, ClientSecret: l.ClientSecret, Claim: l.Claim, Scopes: l.Scopes, HTTP: &http.Client{Timeout: 10 * time.Second}}
}

// withApp is the body of a command that works with what a configuration file
// describes: it builds that, does its work and closes it.
func (e *env) withApp(file *string, work func(context.Context, *app) error, change ...func(*config.Config)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) (err error) {
		ctx := cmd.Context()
		c, err := config.Load(*file, e.getenv, change...)
		if err != nil {
			return err
		}
		a, err := build(ctx, c, logger(e.stderr, c.LogLevel))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.close()) }()
		a.orgs.warnOfMissing(ctx)
		return work(ctx, a)
	}
}

func (a *app) close() error {
	a.agentsLeft()
	if a.pages != nil {
		a.pages.Close()
	}
	a.noted()
	a.recovered()
	a.journal.Close()
	a.signed()
	a.traced()
	return a.store.Close()
}

// ready reports whether calls can be recorded, and the server is not about to
// stop.
func (a *app) ready(ctx context.Context) error {
	if a.draining.Load() {
		return web.ErrStopping
	}
	return a.store.Ready(ctx)
}

// web is the HTTP face of the app.
func (a *app) web() *web.Server {
	return &web.Server{MCP: a.mcp, Tools: a.server, Gate: a.gate, PublicURL: a.config.PublicURL, Origins: a.config.AllowedOrigins,
		MaxBody: a.config.MaxMessageBytes, MaxUpload: a.config.MaxUploadBytes, TrustedProxies: a.config.TrustedProxies, Version: version(), Ready: a.ready, People: a.people, Orgs: a.orgs, Admins: a.config.Admins, Runs: a.store, App: a.pagesHandler(), Catalog: a.orgs.catalog, Log: a.log}
}

func (a *app) handler() http.Handler { return a.web().Handler() }

// serveUntil serves HTTP until ctx ends, then lets what is under way finish.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler, log zerolog.Logger) error {
	srv := web.HTTP(h, callTimeout, log)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return fmt.Errorf("calls were still under way after 30 s: %w", errors.Join(err, srv.Close()))
	}
	return nil
}

// logger writes JSON lines, one at a time.
func logger(w io.Writer, level string) zerolog.Logger {
	l, err := zerolog.ParseLevel(level)
	if err != nil || l == zerolog.NoLevel {
		l = zerolog.InfoLevel
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(l).With().Timestamp().Logger()
}

// hosts says where orgs may be.
func hosts(c *config.Config) salesforce.Hosts { return salesforce.Hosts{Loopback: c.AllowLoopbackOrg} }

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// The demo's workspace and who may call it.
const (
	demoWorkspace = "demo"
	demoPeople    = "people" // where each person works as their own Salesforce user
	demoAgent     = "demo-agent"
	demoReader    = "demo-reader"
	demoCareful   = "demo-careful" // for whom a person approves what changes or removes something
	demoAdmin     = "demo-admin"
	demoUser      = "demo-user"
)

// demoReady is what demo prints when it is ready: a contract. What does not
// exist yet is "".
type demoReady struct {
	MCP          string `json:"mcp"`
	HostToken    string `json:"host_token"`
	AgentID      string `json:"agent_id"`
	UserID       string `json:"user_id"`
	Config       string `json:"config"`
	AdminToken   string `json:"admin_token"`
	Org          string `json:"org"`
	OrgToken     string `json:"org_token"`
	Instructions string `json:"instructions"`
}

func (e *env) demo() *cobra.Command {
	var listen, orgListen, data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start the server with a simulated org and a ready workspace",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			if data == "" {
				if data, err = os.MkdirTemp("", "salesforce-mcp-demo-"); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
			}
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return err
			}
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
			if err != nil {
				return fmt.Errorf("%w; --listen takes another address", err)
			}
			orgCtx, stopOrg := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the server, which ends its sessions there
			defer stopOrg()
			org, err := startOrg(orgCtx, orgListen, &key.PublicKey, "http://"+l.Addr().String()+"/oauth/callback")
			if err != nil {
				return errors.Join(err, l.Close())
			}
			defer func() { cancel(); stopOrg(); err = errors.Join(err, org.wait()) }()
			token := "demo-" + rand.Text()
			admin := "admin-" + rand.Text()
			c, err := demoConfig(l.Addr().String(), data, org.ready, key, token)
			if err != nil {
				return errors.Join(err, l.Close())
			}
			c.Admins = allowlist.Admins{{Name: demoAdmin, Tokens: []string{allowlist.HashToken(admin)}, Workspaces: []string{demoWorkspace, demoPeople}}}
			workspaces := c.Workspaces // these are the newcomer's to change
			c.Workspaces = nil
			a, err := build(ctx, c, logger(e.stderr, "warn"))
			if err != nil {
				return errors.Join(err, l.Close())
			}
			defer func() { err = errors.Join(err, a.close()) }()
			for _, w := range workspaces {
				if err := a.addDemo(ctx, w); err != nil {
					return errors.Join(err, l.Close())
				}
			}
			var work sync.WaitGroup
			work.Go(func() { a.driveReturns(ctx) })
			defer func() { cancel(); work.Wait() }()
			served := make(chan error, 1)
			go func() { served <- serveUntil(ctx, l, a.handler(), a.log) }()
			ready := demoReady{MCP: fmt.Sprintf("http://%s/w/%s/mcp", l.Addr(), demoWorkspace), HostToken: token,
				AgentID: demoAgent, UserID: demoUser, AdminToken: admin, Org: org.ready.Org, OrgToken: org.ready.OrgToken,
				Instructions: fmt.Sprintf("http://%s/w/%s/instructions", l.Addr(), demoWorkspace),
				Config:       "http://" + l.Addr().String()}
			if link, err := a.firstLink(ctx, ready.Config); err != nil {
				cancel()
				return errors.Join(err, <-served)
			} else if link != "" {
				ready.Config = link
			}
			if err := ready.print(e.stdout, asJSON); err != nil {
				cancel()
				return errors.Join(err, <-served)
			}
			return <-served
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address of the server; port 0 picks a free one")
	cmd.Flags().StringVar(&orgListen, "org-listen", "127.0.0.1:8081", "address of the simulated org")
	cmd.Flags().StringVar(&data, "data", "", "folder of the server's state; without it a temporary one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON line once ready")
	return cmd
}

// demoConfig has two workspaces as an administrator would configure them, in
// auth modes jwt and oauth, with a host that injects its identity into the
// arguments as Agent Factory does or names it in headers.
func demoConfig(listen, data string, org orgReady, key *rsa.PrivateKey, token string) (*config.Config, error) {
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	source := func(kind allowlist.Kind, name string) allowlist.Source {
		return allowlist.Source{Kind: kind, Name: name}
	}
	workspace := func(name string, a config.Auth, user ...allowlist.Source) config.Workspace {
		a.LoginURL, a.ClientID = org.Org, org.ClientID
		return config.Workspace{APIVersion: salesforce.DefaultVersion, Auth: &a, Workspace: allowlist.Workspace{
			Name: name,
			Profiles: []*allowlist.Profile{{
				Name: "agent-factory", Tokens: []string{allowlist.HashToken(token)}, OverwritesArguments: true, Vouches: a.Mode == auth.ModeOAuth,
				Agent:   []allowlist.Source{source(allowlist.FromHeader, "agent-id"), source(allowlist.FromArgument, "agent_id")},
				User:    append(user, source(allowlist.FromArgument, "user_id")),
				Context: []allowlist.Source{source(allowlist.FromArgument, "context_id")},
			}},
			Rules: []allowlist.Rule{{Agent: demoAgent, Preset: "all"}, {Agent: demoReader, Preset: "read"},
				{Agent: demoCareful, Preset: "all", Confirm: []string{"set", "remove", "act"}}},
		}}
	}
	c := &config.Config{
		Listen: listen, Data: data, MaxMessageBytes: tools.MaxMessage, MaxUploadBytes: config.MaxUpload, AllowLoopbackOrg: true,
		Secrets: config.Secrets{Store: config.StoreSealed, KeyFile: filepath.Join(data, "master.key")},
		Workspaces: []config.Workspace{
			workspace(demoWorkspace, config.Auth{Mode: auth.ModeJWT, Username: org.Username, PrivateKey: salesforce.Secret(pemKey)}),
			workspace(demoPeople, config.Auth{Mode: auth.ModeOAuth, ClientSecret: salesforce.Secret(org.ClientSecret), Proof: string(connect.Unproven)},
				source(allowlist.FromHeader, "user-id")),
		},
	}
	c.Workspaces[0].Agentforce = &config.Agentforce{ClientID: org.AgentClientID}
	c.Workspaces[0].Returns = &config.Returns{Gateway: config.GatewaySalesforcePayments, Company: "Alder Ridge Tools (simulated)"}
	c.Workspaces[0].Catalog = &config.Catalog{Public: true}
	if err := yaml.Unmarshal([]byte(demoMapping), &c.Workspaces[0].Returns.Mapping); err != nil {
		return nil, err
	}
	return c, c.LoadReturns(data)
}

// addDemo makes a workspace in the database. One that is there from an earlier start is
// as it was left, but for the token that is printed and the org, which is another one.
func (a *app) addDemo(ctx context.Context, w config.Workspace) error {
	by := settings.Author{ID: "demo", Name: "demo"}
	account, secret := *w.Auth, *w.Auth.Secret().Value
	name := w.Auth.Secret().Name
	account.PrivateKey, account.ClientSecret = "", ""
	w.Auth = &account
	err := a.settings.Change(ctx, w.Name, by, func(known *config.Workspace) error {
		if known.Auth != nil && known.Auth.Mode == account.Mode {
			known.Auth.LoginURL, known.Auth.ClientID, known.Auth.Username = account.LoginURL, account.ClientID, account.Username
		}
		for _, p := range known.Profiles {
			if p.Name == w.Profiles[0].Name && len(p.Tokens) > 0 {
				p.Tokens[0] = w.Profiles[0].Tokens[0]
			}
		}
		return nil
	})
	if errors.Is(err, settings.ErrNone) {
		err = a.settings.Create(ctx, by, w)
	}
	var taken *settings.Invalid
	if errors.As(err, &taken) && taken.Problems[0].Field == "name" { // it was deleted
		a.log.Warn().Str("workspace", w.Name).Msg("the demo's workspace was deleted, and is not made again")
		return nil
	}
	if err != nil {
		return err
	}
	return a.settings.SetSecret(ctx, w.Name, name, by, secret)
}

// demoMapping is what the simulated org has that no standard object has.
const demoMapping = `
currency: {code: USD}
order: {delivered: Delivered_On__c}
lines: {finalSale: Product2.Final_Sale__c}
`

func (r demoReady) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, `salesforce-mcp demo: the server is real, the Salesforce org is simulated.

configuration    %s
MCP endpoint     %s
host token       %s
agents           %s (may do all), %s (may only read), %s (asks a person before it changes or removes)
admin token      %s (of %s, who decides what %s asks; see docs/approvals.md)
simulated org    %s
people           in workspace %s each works as their own Salesforce user (see the README)

Try it:

curl -s %s \
  -H 'Authorization: Bearer %s' -H 'agent-id: %s' -H 'Content-Type: application/json' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT Name, Industry, AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST LIMIT 5"}}}'

Stop it with Ctrl-C.
`, r.Config, r.MCP, r.HostToken, demoAgent, demoReader, demoCareful, r.AdminToken, demoAdmin, demoCareful, r.Org, demoPeople, r.MCP, r.HostToken, demoAgent)
	return err
}

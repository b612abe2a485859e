package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"salesforce-mcp/salesforce/fakeorg"
)

// orgReady is what fakeorg prints when it is ready: a contract.
type orgReady struct {
	Org          string `json:"org"`
	OrgToken     string `json:"org_token"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Username     string `json:"username"`
	// AgentClientID and AgentClientSecret are those of an app whose tokens are JWTs, for the Agent API.
	AgentClientID     string `json:"agent_client_id"`
	AgentClientSecret string `json:"agent_client_secret"`
	// Password is that of every user, on the login page for people.
	Password string `json:"password"`
	// CallbackURLs are those of the app, to which people who have logged in are sent back, separated by spaces.
	CallbackURLs string `json:"callback_urls"`
}

// runningOrg is a simulated org that listens.
type runningOrg struct {
	ready  orgReady
	served chan error
	org    *fakeorg.Org
}

// wait returns when the org's context has ended and its requests are answered.
func (o *runningOrg) wait() error { return errors.Join(<-o.served, o.org.Close()) }

// startOrg serves a simulated org until ctx ends. The two apps it knows may log in
// with their secrets and, when a key is given, with JWTs signed by it. People may log
// in for the first when it has callback URLs. The tokens of the other are for the
// Agent API, and SOAP does not take them.
func startOrg(ctx context.Context, listen string, key *rsa.PublicKey, callbacks ...string) (*runningOrg, error) {
	return startOrgOf(ctx, listen, "3MVG9"+rand.Text(), key, callbacks...)
}

// startOrgOf is startOrg with the consumer key of the first app.
func startOrgOf(ctx context.Context, listen, consumerKey string, key *rsa.PublicKey, callbacks ...string) (*runningOrg, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, err
	}
	ready := orgReady{Org: "http://" + l.Addr().String(), ClientID: consumerKey, ClientSecret: rand.Text(), Username: fakeorg.IntegrationUser,
		AgentClientID: "3MVG9" + rand.Text(), AgentClientSecret: rand.Text(),
		Password: fakeorg.Password, CallbackURLs: strings.Join(callbacks, " ")}
	org, err := fakeorg.New(fakeorg.Options{
		BaseURL:    ready.Org,
		Pace:       harnessed.pace,
		DailyCalls: 5_000_000, // that of a full sandbox, so that nobody meets it by trying
		Clients: []fakeorg.Client{{Key: ready.AgentClientID, Name: "salesforce-mcp for agents", Secret: ready.AgentClientSecret, PublicKey: key, RunAs: ready.Username,
			RequireSecret: true, JWTAccessTokens: true, Scopes: []string{"api", "refresh_token", "chatbot_api", "sfap_api"}}, {Key: ready.ClientID, Name: "salesforce-mcp", Secret: ready.ClientSecret, PublicKey: key, RunAs: ready.Username,
			RedirectURIs: callbacks, RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true}},
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ready.OrgToken = org.MintToken(ready.Username)
	o := &runningOrg{ready: ready, served: make(chan error, 1), org: org}
	go func() { o.served <- serveUntil(ctx, l, org.Handler(), zerolog.Nop()) }()
	return o, nil
}

func (e *env) fakeorg() *cobra.Command {
	var listen, certificate, consumerKey string
	var callbacks []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fakeorg",
		Short: "Start a simulated Salesforce org alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := keyOf(certificate)
			if err != nil {
				return err
			}
			org, err := startOrgOf(cmd.Context(), listen, cmp.Or(consumerKey, "3MVG9"+rand.Text()), key, callbacks...)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(e.stdout).Encode(org.ready) //nolint:gosec // the invented secret of a simulated org is what this prints
			} else {
				r := org.ready
				_, err = fmt.Fprintf(e.stdout, "a simulated Salesforce org, with invented data\n\norg            %s\naccess token   %s\nconsumer key   %s\nsecret         %s\nuser           %s\npassword       %s, of every user\ncallback URLs  %s\n",
					r.Org, r.OrgToken, r.ClientID, r.ClientSecret, r.Username, r.Password, r.CallbackURLs)
			}
			return errors.Join(err, org.wait())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8081", "address; port 0 picks a free one")
	cmd.Flags().StringSliceVar(&callbacks, "callback", []string{"http://127.0.0.1:8080/oauth/callback", "http://localhost:8080/oauth/callback"},
		"callback URL of the app, to which people who have logged in are sent back; to the letter")
	cmd.Flags().StringVar(&consumerKey, "consumer-key", "", "consumer key of the app; without it an invented one")
	cmd.Flags().StringVar(&certificate, "certificate", "", "file with the certificate of the app, for mode jwt")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON line once ready")
	return cmd
}

// keyOf reads the RSA key out of a certificate in PEM; nil without a file.
func keyOf(file string) (*rsa.PublicKey, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--certificate: %w", err)
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM(text)
	if err != nil {
		return nil, fmt.Errorf("--certificate: %s holds no certificate of an RSA key in PEM", file)
	}
	return key, nil
}

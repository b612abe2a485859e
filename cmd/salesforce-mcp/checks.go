package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/rs/zerolog"
	"golang.org/x/oauth2"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// checks are all that the configuration gives cause for.
func (l *look) checks() []check {
	all := []check{{"database", l.database}, {"secrets", l.secrets}}
	if l.config.Login != nil {
		all = append(all, check{"login", l.login})
	}
	type issuer struct {
		keys         *allowlist.Keys
		issuer, jwks string
	}
	keysOf, seen := newIssuers(l.config, zerolog.Nop()), map[issuer]bool{}
	for i := range l.config.Workspaces {
		w := &l.config.Workspaces[i]
		for _, p := range w.Profiles {
			if p.JWT == nil {
				continue
			}
			keys := keysOf.of(w)
			this := issuer{keys, p.JWT.Issuer, p.JWT.JWKSURL}
			if seen[this] {
				continue
			}
			seen[this] = true
			all = append(all, check{"issuer " + p.JWT.Issuer, func(ctx context.Context) (string, error) {
				n, err := keys.Check(ctx, p.JWT)
				return "gives " + count(n, "key") + " to check signatures with", err
			}})
		}
	}
	all = append(all, l.sinks()...)
	for _, a := range l.aside {
		all = append(all, check{"workspace " + a.Workspace + " of the database", func(context.Context) (string, error) {
			if a.Hidden {
				return "", skipped(a.Err.Error())
			}
			return "", fmt.Errorf("is not in force: %w", a.Err)
		}})
	}
	for i := range l.config.Workspaces {
		w := &l.config.Workspaces[i]
		all = append(all, check{"workspace " + w.Name, func(ctx context.Context) (string, error) { return l.workspace(ctx, w) }})
		if w.Agentforce != nil {
			all = append(all, check{"agents of " + w.Name, func(ctx context.Context) (string, error) { return l.agents(ctx, w) }})
		}
		if w.Returns != nil {
			all = append(all, check{"returns of " + w.Name, func(ctx context.Context) (string, error) { return l.returns(ctx, w) }})
		}
	}
	return all
}

func (l *look) database(context.Context) (string, error) {
	switch {
	case errors.Is(l.failed, fs.ErrNotExist):
		return "is not there yet: the server makes it in " + databasePlace(l.config), nil
	case l.failed != nil:
		return "", l.failed
	}
	return "can be read in " + databasePlace(l.config), nil
}

// errWrapped is why Vault is not asked.
const errWrapped = skipped("Vault's secret id is wrapped, and good for one login, which the server needs")

func (l *look) secrets(ctx context.Context) (string, error) {
	s := l.config.Secrets
	if s.Store == config.StoreVault {
		if s.Vault.Login.SecretIDWrapped {
			return "", errWrapped
		}
		keys := l.config.TransitKeys()
		return fmt.Sprintf("Vault at %s keeps secrets, and signs with %s", s.Vault.Address, count(len(keys), "key")), l.orgs.vault.Check(ctx, keys...)
	}
	switch {
	case errors.Is(l.failed, fs.ErrNotExist):
		return "none is stored yet", nil
	case l.failed != nil:
		return "", skipped("the database cannot be used")
	}
	keys, err := l.store.DataKeys(ctx)
	if err != nil || len(keys) == 0 {
		return "none is stored yet", err
	}
	return fmt.Sprintf("%s opens %s", s.KeysFrom(), count(len(keys), "data key")), l.sealed().Check(ctx)
}

// login looks for the OpenID provider.
func (l *look) login(ctx context.Context) (string, error) {
	c := login(l.config)
	if _, err := oidc.NewProvider(oidc.ClientContext(ctx, c.HTTP), c.Issuer); err != nil {
		return "", fmt.Errorf("%s cannot be used as OpenID provider: %w", c.Issuer, err)
	}
	return fmt.Sprintf("%s is an OpenID provider; its client %s must have the redirect URL %s/oauth/login", c.Issuer, c.ClientID, l.config.Origin()), nil
}

// workspace looks whether the workspace's org can be used.
func (l *look) workspace(ctx context.Context, w *config.Workspace) (string, error) {
	if w.Suspended {
		return "", skipped("it is suspended: every call is refused")
	}
	if w.Auth == nil {
		return "", errors.New("every call is refused: give it auth, with a mode and credentials")
	}
	secret := w.Auth.Secret()
	if l.config.Secrets.Vault.Login.SecretIDWrapped && *secret.Value == "" && *secret.File == "" {
		return "", errWrapped
	}
	missing, err := l.orgs.missing(ctx, w.Name)
	if err != nil {
		return "", err
	}
	if missing != "" {
		return "", fmt.Errorf("its %s stands nowhere: store it with salesforce-mcp secret set %s %[1]s", missing, w.Name)
	}
	reach := l.org
	if w.Auth.Mode == auth.ModeOAuth {
		reach = l.app
	}
	text, err := reach(ctx, w)
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmp.Or(w.Auth.InstanceURL, loginURL(w)), err)
	}
	return text, nil
}

// returns looks whether the workspace's returns fit its org, and can be paid back.
func (l *look) returns(ctx context.Context, w *config.Workspace) (string, error) {
	if w.Auth.Mode == auth.ModeOAuth {
		return "", skipped("each person reads the org as their own user")
	}
	org, err := l.orgs.Connect(ctx, allowlist.Caller{Workspace: w.Name}, func(salesforce.Exchange) {})
	if err != nil {
		return "", skipped("the org cannot be used")
	}
	if err := w.Returns.Records.Check(ctx, org); err != nil {
		return "", err
	}
	if _, err := l.orgs.gateway(w.Name, w.Returns, org); err != nil {
		return "", err
	}
	return fmt.Sprintf("the mapping fits the org; policy %.12s; gateway %s", w.Returns.Rules.Digest(), w.Returns.Gateway), nil
}

func loginURL(w *config.Workspace) string {
	return cmp.Or(w.Auth.LoginURL, "https://login.salesforce.com")
}

// org makes a request as the workspace's user.
func (l *look) org(ctx context.Context, w *config.Workspace) (string, error) {
	at, err := l.orgs.reach(ctx, w)
	if err != nil {
		return "", err
	}
	text := at.Origin
	if at.Username != "" {
		text += " as " + at.Username
	}
	if at.Allowed > 0 {
		text += fmt.Sprintf(", %s of %s API calls left today", thousands(at.Left), thousands(at.Allowed))
	}
	return text, nil
}

// reach mints a token of a workspace, makes a request with it and reads the limits. The
// error says what to mend.
func (o *orgs) reach(ctx context.Context, w *config.Workspace) (at configapp.Connection, err error) {
	s, err := o.settings(ctx, w.Name)
	if err != nil {
		return at, err
	}
	source, err := auth.New(s, o.resolver.HTTP, o.resolver.Hosts)
	if err != nil {
		return at, err
	}
	credentials := auth.NewCached(source)
	if _, err := credentials.Token(ctx); err != nil {
		return at, err
	}
	org := &salesforce.Org{Client: o.client, Credentials: credentials, Version: w.APIVersion}
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/", Semantics: salesforce.Safe})
	if err != nil {
		return at, err
	}
	at = configapp.Connection{Origin: answer.Origin, Username: cmp.Or(username(ctx, org), w.Auth.Username)}
	if used, allowed, ok := o.client.Limits(answer.Origin); ok {
		at.Left, at.Allowed = max(allowed-used, 0), allowed
	}
	return at, nil
}

// Try looks whether the org of a workspace can be used: with a new token or, where people
// connect, as far as that shows without one. The error says what to mend.
func (o *orgs) Try(ctx context.Context, c *config.Config, workspace string) (configapp.Connection, error) {
	w := o.workspace(workspace)
	if w.Auth == nil {
		return configapp.Connection{}, &tools.Error{Code: tools.NotConnected, Message: "Salesforce is not configured for this workspace: choose a mode and save its settings first"}
	}
	if w.Auth.Mode == auth.ModeOAuth {
		_, err := o.knowsApp(ctx, c, w)
		return configapp.Connection{Origin: loginURL(w), People: true}, err
	}
	return o.reach(ctx, w)
}

// username is whom the org's token stands for, or "" where the app's scopes do
// not let it say so.
func username(ctx context.Context, org *salesforce.Org) string {
	var who struct {
		Username string `json:"preferred_username"`
	}
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/services/oauth2/userinfo", Semantics: salesforce.Safe})
	if err != nil || json.Unmarshal(answer.Body, &who) != nil {
		return ""
	}
	return who.Username
}

// app looks whether people can connect, as far as that shows without one: whether
// the login host knows the app and the callback URL, and whether the secret
// belongs to it. To find out about the secret it asks for tokens with a code that
// is none: what is wrong with the client is said first (RFC 6749, section 5.2,
// leaves the order open; Salesforce's was not found in a source).
func (l *look) app(ctx context.Context, w *config.Workspace) (string, error) {
	return l.orgs.knowsApp(ctx, l.config, w)
}

func (o *orgs) knowsApp(ctx context.Context, c *config.Config, w *config.Workspace) (string, error) {
	if connect.Proof(w.Auth.Proof) == connect.ByBridge && !slices.ContainsFunc(w.Profiles, func(p *allowlist.Profile) bool { return p.Vouches }) {
		return "", errors.New("nobody can connect: its proof is bridge, and none of its profiles has vouches: true")
	}
	s, err := o.settings(ctx, w.Name)
	if err != nil {
		return "", err
	}
	callback := c.Origin() + "/oauth/callback"
	client := o.client.HTTP()
	app, err := auth.NewApp(s, callback, client, hosts(c))
	if err != nil {
		return "", err
	}
	verifier := oauth2.GenerateVerifier()
	if err := authorizes(ctx, client, app.AuthorizeURL("check", verifier)); err != nil {
		return "", fmt.Errorf("%w; the callback URL is %s", err, callback)
	}
	_, err = app.Exchange(ctx, "check", verifier)
	var refused *auth.Error
	if err != nil && (!errors.As(err, &refused) || refused.Code != "invalid_grant") {
		return "", err
	}
	return fmt.Sprintf("%s knows the app and its callback URL %s; people connect, with the proof %s", loginURL(w), callback, w.Auth.Proof), nil
}

// refusalRE finds an error in an address or a page of the authorize endpoint,
// among what may be anything. The codes are those that say something about the
// app (Salesforce Help, "OAuth 2.0 Authorization Errors").
var refusalRE = regexp.MustCompile(`\berror=(invalid_client_id|invalid_client|redirect_uri_mismatch|redirect_uri_missing|invalid_scope|invalid_request|` +
	`unsupported_response_type|invalid_app_access|app_not_found|inactive_org|access_denied|OAUTH_APP_BLOCKED|OAUTH_APP_ACCESS_DENIED)(?:&error_description=([^&<>"'\s]*))?`)

// authorizes returns an error if the authorize endpoint refuses a request before
// it knows who the person is. It sends browsers to log in, or shows a page.
func authorizes(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the address, which is long
		}
		return fmt.Errorf("the login host cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if m := refusalRE.FindStringSubmatch(resp.Header.Get("Location") + " " + html.UnescapeString(string(page))); m != nil {
		said, err := url.QueryUnescape(m[2])
		if err != nil {
			said = ""
		}
		return auth.Refusal(m[1], said)
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("the login host answered status %d: check the login URL", resp.StatusCode)
	}
	return nil
}

// thousands writes a number as 12,345.
func thousands(n int) string {
	text := strconv.Itoa(max(n, 0))
	var b strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

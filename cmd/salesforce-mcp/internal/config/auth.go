package config

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/salesforce"
)

// Auth is how a workspace gets access tokens.
type Auth struct {
	// Mode is jwt, clientCredentials, oauth or accessToken.
	Mode string `yaml:"mode"`
	// LoginURL is https://login.salesforce.com, https://test.salesforce.com or
	// the org's My Domain.
	LoginURL string `yaml:"loginURL"`
	// ClientID is the consumer key of the External Client App or Connected App.
	ClientID string `yaml:"clientID"`
	// Username is the integration user; jwt needs it.
	Username string `yaml:"username"`
	// Audience overrides the audience of the JWT; it follows from LoginURL.
	Audience string `yaml:"audience"`
	// Scopes are what people are asked to grant, separated by blanks; oauth.
	Scopes string `yaml:"scopes"`
	// Proof says how the person who connects is proven to be the host's user:
	// login, bridge, username or none; oauth. Default login where there is a
	// Login, else bridge.
	Proof string `yaml:"proof"`
	// InstanceURL is the org that AccessToken is for; accessToken.
	InstanceURL string `yaml:"instanceURL"`
	// PrivateKey is the RSA key of jwt as PEM, ClientSecret the consumer secret
	// of clientCredentials and oauth, AccessToken that of accessToken. Each may
	// instead stand in a file, which is read again when it changes, in the
	// environment as SALESFORCE_MCP_{WORKSPACE}_PRIVATE_KEY and so on, or in the
	// secret store under its name.
	PrivateKey       salesforce.Secret `yaml:"privateKey"`
	PrivateKeyFile   string            `yaml:"privateKeyFile"`
	ClientSecret     salesforce.Secret `yaml:"clientSecret"`
	ClientSecretFile string            `yaml:"clientSecretFile"`
	AccessToken      salesforce.Secret `yaml:"accessToken"`
	AccessTokenFile  string            `yaml:"accessTokenFile"`
	// TransitKey signs instead of a PrivateKey: NAME or NAME@VERSION of a key in
	// Vault's secrets engine Transit; jwt, with the store vault.
	TransitKey string `yaml:"transitKey"`
}

// Login is an OpenID provider.
type Login struct {
	Issuer           string            `yaml:"issuer"`
	ClientID         string            `yaml:"clientID"`
	ClientSecret     salesforce.Secret `yaml:"clientSecret"` // or in the environment as SALESFORCE_MCP_LOGIN_CLIENT_SECRET
	ClientSecretFile string            `yaml:"clientSecretFile"`
	Claim            string            `yaml:"claim"`  // of the ID token that is the host's user id. Default sub
	Scopes           []string          `yaml:"scopes"` // besides openid
}

// Settings returns what package auth needs.
func (a *Auth) Settings() auth.Settings {
	return auth.Settings{Mode: a.Mode, LoginURL: a.LoginURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret,
		PrivateKey: a.PrivateKey, Username: a.Username, Audience: a.Audience,
		Scopes: a.Scopes, InstanceURL: a.InstanceURL, AccessToken: a.AccessToken}
}

// A Credential is one of the secrets of a workspace, and where it may stand.
type Credential struct {
	Name  string // clientSecret
	Value *salesforce.Secret
	File  *string // absolute once the configuration is loaded; empty for none
}

// Credentials are the secrets that an Auth may have.
func (a *Auth) Credentials() []Credential {
	return []Credential{{"privateKey", &a.PrivateKey, &a.PrivateKeyFile}, {"clientSecret", &a.ClientSecret, &a.ClientSecretFile}, {"accessToken", &a.AccessToken, &a.AccessTokenFile}}
}

// Secret is the secret that the mode uses; oauth may do without it.
func (a *Auth) Secret() Credential {
	all := a.Credentials()
	switch a.Mode {
	case auth.ModeClientCredentials, auth.ModeOAuth:
		return all[1]
	case auth.ModeAccessToken:
		return all[2]
	}
	return all[0]
}

// Credentials are the secrets that a workspace may have.
func (w *Workspace) Credentials() (all []Credential) {
	if w.Auth != nil {
		all = w.Auth.Credentials()
	}
	if w.Returns != nil {
		all = append(all, w.Returns.stripeKey())
	}
	if w.Agentforce != nil {
		all = append(all, w.Agentforce.secret())
	}
	return all
}

// Instead names what gives a secret of a workspace that the secret store would
// otherwise give, or returns "".
func (w *Workspace) Instead(name string, getenv func(string) string) string {
	var secret Credential
	for _, secret = range w.Credentials() {
		if secret.Name == name {
			break
		}
	}
	env := EnvName(w.Name, secret.Name)
	switch {
	case w.Auth.TransitKey != "" && name == w.Auth.Secret().Name:
		return "transitKey"
	case *secret.File != "":
		return secret.Name + "File"
	case getenv(env) != "" && !w.Stored:
		return env
	case *secret.Value != "":
		return secret.Name + " in the configuration"
	}
	return ""
}

// section is the member of the workspace that a secret of it stands in.
func (w *Workspace) section(s Credential) string {
	switch {
	case w.Returns != nil && s.Value == &w.Returns.StripeKey:
		return "returns"
	case w.Agentforce != nil && s.Value == &w.Agentforce.AgentClientSecret:
		return "agentforce"
	}
	return "auth"
}

// readSecrets fills in the secrets that stand elsewhere.
func (c *Config) readSecrets(dir string, getenv func(string) string) error {
	problems := []error{c.Secrets.read(getenv)}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for _, s := range w.Credentials() {
			problems = append(problems, s.read(fmt.Sprintf("workspaces[%d].%s.", i, w.section(s)), dir, EnvName(w.Name, s.Name), getenv))
		}
	}
	if w := c.Audit.Webhook; w != nil {
		s := Credential{"secret", &w.Secret, &w.SecretFile}
		problems = append(problems, s.read("audit.webhook.", dir, WebhookVariable, getenv))
	}
	if c.Login != nil {
		s := Credential{"clientSecret", &c.Login.ClientSecret, &c.Login.ClientSecretFile}
		problems = append(problems, s.read("login.", dir, EnvName("login", s.Name), getenv))
	}
	return errors.Join(problems...)
}

// read fills in a secret that stands in a file or in the environment.
func (s Credential) read(at, dir, env string, getenv func(string) string) error {
	given := 0
	for _, is := range []bool{s.Value.Reveal() != "", *s.File != "", getenv(env) != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return fmt.Errorf("%s%s: is given more than once; keep one of %[2]s, %[2]sFile and the environment's %s", at, s.Name, env)
	case *s.File != "":
		*s.File = absolute(dir, *s.File)
		text, err := os.ReadFile(*s.File)
		if err != nil {
			return fmt.Errorf("%s%sFile: %w", at, s.Name, err)
		}
		*s.Value = salesforce.Secret(strings.TrimSpace(string(text)))
	case getenv(env) != "":
		*s.Value = salesforce.Secret(getenv(env))
	}
	return nil
}

// EnvName is the environment variable that holds a secret of a workspace:
// SALESFORCE_MCP_SALES_PRIVATE_KEY for privateKey of the workspace sales.
func EnvName(workspace, secret string) string {
	upper := func(s string) string { return notName.ReplaceAllString(strings.ToUpper(s), "_") }
	return "SALESFORCE_MCP_" + upper(workspace) + "_" + upper(camel.ReplaceAllString(secret, "${1}_$2"))
}

// check returns what is wrong with the settings. A secret that is missing may be
// in the secret store.
func (a *Auth) check(hosts salesforce.Hosts) error {
	s := a.Settings()
	for _, secret := range []*salesforce.Secret{&s.ClientSecret, &s.AccessToken} {
		if *secret == "" {
			*secret = "stored"
		}
	}
	if s.PrivateKey == "" {
		s.Signer = stored{}
	}
	if a.Mode != auth.ModeOAuth {
		if a.Proof != "" {
			return errors.New("proof: is for mode oauth, where people connect")
		}
		_, err := auth.New(s, nil, hosts)
		return err
	}
	if proof := connect.Proof(a.Proof); !slices.Contains([]connect.Proof{connect.ByLogin, connect.ByBridge, connect.ByUsername, connect.Unproven}, proof) {
		return fmt.Errorf("proof: %q is none of login, bridge, username, none", a.Proof)
	}
	_, err := auth.NewApp(s, "https://callback.example", nil, hosts)
	return err
}

// stored is a private key that is not here.
type stored struct{}

func (stored) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("it is stored") }
func (stored) KeyID() string                                { return "stored" }

func (l *Login) validate() error {
	var problems []error
	if err := checkOrigin(l.origin()); err != nil || l.Issuer == "" {
		problems = append(problems, fmt.Errorf("login.issuer: %q is no URL of an OpenID provider, as in https://login.example.com", shown(l.Issuer)))
	}
	if l.ClientID == "" {
		problems = append(problems, errors.New("login.clientID: is needed"))
	}
	return errors.Join(problems...)
}

// origin is the issuer without its path, which it may have.
func (l *Login) origin() string {
	u, err := url.Parse(l.Issuer)
	if err != nil {
		return l.Issuer
	}
	u.Path, u.RawPath = "", ""
	return u.String()
}

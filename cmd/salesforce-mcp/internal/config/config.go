// Package config reads the configuration file of the server.
//
// The file is YAML; an unknown key is an error. Secrets may stand in files of
// their own (…File) or in the environment, so that the configuration can be
// kept where others read it. Validate reports every problem at once, each with
// the field and its value.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// Config is the whole configuration. The zero value of a field means its
// default.
type Config struct {
	// Listen is the address of the HTTP server. Default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// MetricsListen is the address of the listener for metrics: host:port, or :port
	// on loopback. It has no authentication. Default none.
	MetricsListen string `yaml:"metricsListen"`
	// PublicURL is the origin under which clients reach the server, such as
	// https://salesforce.example.com. It is needed unless Listen is a loopback
	// address.
	PublicURL string `yaml:"publicURL"`
	// AllowedOrigins are further origins from which browsers may call.
	AllowedOrigins []string `yaml:"allowedOrigins"`
	// TrustedProxies are the addresses of the proxies in front, whose
	// X-Forwarded-For says where a request comes from. Default none.
	TrustedProxies allowlist.Networks `yaml:"trustedProxies"`
	// IssuerNetworks are where the issuers of hosts' tokens may be, beside public
	// addresses. Default none.
	IssuerNetworks allowlist.Networks `yaml:"issuerNetworks"`
	// Data is the folder of the server's state. Default data.
	Data string `yaml:"data"`
	// Database is the address of a Postgres database, which then has the state in
	// place of the folder, for any number of servers: a secret, which may stand in
	// DatabaseFile or the environment's SALESFORCE_MCP_DATABASE. Default none.
	Database     salesforce.Secret `yaml:"database"`
	DatabaseFile string            `yaml:"databaseFile"`
	// Drain is how long a server that was told to stop still takes calls, while
	// /readyz says that it is not ready, so that a balancer sends no more. Default
	// 5s with a Database, where there are others, and none without.
	Drain time.Duration `yaml:"drain"`
	// MaxMessageBytes bounds the body of a request. Default 1 MiB.
	MaxMessageBytes int64 `yaml:"maxMessageBytes"`
	// MaxUploadBytes bounds a body that is streamed to Salesforce. Default
	// MaxUpload.
	MaxUploadBytes int64 `yaml:"maxUploadBytes"`
	// LogLevel is debug, info, warn or error. Default info.
	LogLevel string `yaml:"logLevel"`
	// AllowLoopbackOrg lets orgs, and the issuers of hosts' tokens, be on this
	// machine, over http: for the simulated org. Never set it in production.
	AllowLoopbackOrg bool `yaml:"allowLoopbackOrg"`
	// Secrets says where secrets are kept that the file does not have.
	Secrets Secrets `yaml:"secrets"`
	// Audit says where the audit trail is kept beside the database.
	Audit Audit `yaml:"audit"`
	// Tracing says where traces go.
	Tracing Tracing `yaml:"tracing"`
	// Login is the OpenID provider with which people prove who they are before
	// they connect their Salesforce user. Nil where nobody has to.
	Login *Login `yaml:"login"`
	// Admins are the people who decide about calls that wait for one. Default none.
	Admins allowlist.Admins `yaml:"admins"`
	// App says how people use the configuration app.
	App App `yaml:"app"`
	// HostPlatforms are the platforms in whose catalogs people can publish. Default
	// none.
	HostPlatforms []HostPlatform `yaml:"hostPlatforms"`
	// Workspaces are the tenants. Others stand in the database.
	Workspaces []Workspace `yaml:"workspaces"`
}

// Workspace is one tenant: its org, its hosts and its rules.
type Workspace struct {
	allowlist.Workspace `yaml:",inline"`
	// APIVersion is the version of the REST API. Default v62.0.
	APIVersion string `yaml:"apiVersion"`
	// Auth says with whose credentials the org is called. Without it every call
	// is refused as not configured.
	Auth *Auth `yaml:"auth"`
	// AuditLog is the object of the org into which the workspace's audit entries
	// are written. Nil writes none.
	AuditLog *AuditLog `yaml:"auditLog"`
	// Returns says how returns are driven. Nil: the workspace has no tool for them.
	Returns *Returns `yaml:"returns"`
	// Catalog says how the workspace stands in catalogs. Nil: GET /catalog does not
	// show it.
	Catalog *Catalog `yaml:"catalog"`
	// Agentforce says how the org's agents are spoken with. Nil: with the defaults.
	Agentforce *Agentforce `yaml:"agentforce"`

	// Stored says that the workspace stands in the database ([Config.Stored]).
	Stored bool `yaml:"-"`
}

// Load reads the file, then the environment and what is to be changed, then the
// files of secrets, and validates the whole. Relative paths are relative to the file.
func Load(file string, getenv func(string) string, change ...func(*Config)) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c := &Config{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration %s:\n%s", file, readable(err))
	}
	c.environment(getenv)
	for _, change := range change {
		change(c)
	}
	unread := errors.Join(c.readSecrets(filepath.Dir(file), getenv),
		Credential{"database", &c.Database, &c.DatabaseFile}.read("", filepath.Dir(file), databaseVariable, getenv))
	c.defaults(filepath.Dir(file))
	if err := errors.Join(unread, c.LoadReturns(filepath.Dir(file)), c.validate(unread == nil)); err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", file, err)
	}
	return c, nil
}

// readable is an error of the YAML library without the names of Go types.
func readable(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	text = regexp.MustCompile(`field (\S+) not found in type \S+`).ReplaceAllString(text, "there is no field $1 here")
	return strings.ReplaceAll(text, "\n  ", "\n")
}

// environment lets the environment override what differs between machines.
func (c *Config) environment(getenv func(string) string) {
	for name, field := range map[string]*string{
		"SALESFORCE_MCP_LISTEN":         &c.Listen,
		"SALESFORCE_MCP_METRICS_LISTEN": &c.MetricsListen,
		"SALESFORCE_MCP_PUBLIC_URL":     &c.PublicURL,
		"SALESFORCE_MCP_DATA":           &c.Data,
		"SALESFORCE_MCP_LOG_LEVEL":      &c.LogLevel,
		"SALESFORCE_MCP_KEY_FILE":       &c.Secrets.KeyFile,
	} {
		if v := getenv(name); v != "" {
			*field = v
		}
	}
	c.Tracing.environment(getenv)
	c.Secrets.MasterKeys = salesforce.Secret(getenv(masterKeyVariable))
}

// databaseVariable is the environment variable that has the address of the
// database.
const databaseVariable = "SALESFORCE_MCP_DATABASE"

var (
	notName  = regexp.MustCompile(`[^A-Z0-9]`)
	camel    = regexp.MustCompile(`([a-z])([A-Z])`)
	version  = regexp.MustCompile(`^v\d{2,3}\.0$`)
	userinfo = regexp.MustCompile(`//[^/]*@`)
	slug     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

// MaxUpload is the default of MaxUploadBytes: Salesforce takes 150 MB in base64,
// and advises 100 MB before (Bulk API 2.0 guide, "Limits").
const MaxUpload = 100_000_000

func (c *Config) defaults(dir string) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if strings.HasPrefix(c.MetricsListen, ":") {
		c.MetricsListen = "127.0.0.1" + c.MetricsListen
	}
	if c.Data == "" {
		c.Data = "data"
	}
	c.Data = absolute(dir, c.Data)
	if c.Drain == 0 && c.Database != "" {
		c.Drain = 5 * time.Second
	}
	c.Secrets.defaults(dir)
	c.Audit.defaults(dir)
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = tools.MaxMessage
	}
	if c.MaxUploadBytes == 0 {
		c.MaxUploadBytes = MaxUpload
	}
	c.workspaceDefaults()
}

// workspaceDefaults fills in what workspaces leave out.
func (c *Config) workspaceDefaults() {
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		if w.APIVersion == "" {
			w.APIVersion = salesforce.DefaultVersion
		}
		if w.AuditLog != nil {
			w.AuditLog.defaults()
		}
		if w.Auth != nil && w.Auth.Mode == auth.ModeOAuth && w.Auth.Proof == "" {
			w.Auth.Proof = string(connect.ByBridge)
			if c.Login != nil {
				w.Auth.Proof = string(connect.ByLogin)
			}
		}
	}
}

// Workspace returns the workspace of a name.
func (c *Config) Workspace(name string) (*Workspace, error) {
	var names []string
	for i := range c.Workspaces {
		if c.Workspaces[i].Name == name {
			return &c.Workspaces[i], nil
		}
		names = append(names, c.Workspaces[i].Name)
	}
	return nil, fmt.Errorf("the configuration has no workspace %q; it has %s", name, cmp.Or(strings.Join(names, ", "), "none"))
}

// Origin is where clients and browsers reach the server, as in
// https://mcp.example.com.
func (c *Config) Origin() string { return cmp.Or(c.PublicURL, "http://"+c.Listen) }

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Validate returns every problem, each with field and value, or nil.
func (c *Config) Validate() error { return c.validate(true) }

// validate is Validate; without secrets it leaves out what follows from their
// absence.
func (c *Config) validate(secrets bool) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	host, _, err := net.SplitHostPort(c.Listen)
	switch ip := net.ParseIP(host); {
	case err != nil:
		bad("listen: %q is no address; write host:port, as in 127.0.0.1:8080", c.Listen)
	case c.PublicURL == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		bad("publicURL: is needed because listen is %q, which others can reach; write the address clients use, as in https://salesforce.example.com", c.Listen)
	}
	if _, _, err := net.SplitHostPort(c.MetricsListen); err != nil && c.MetricsListen != "" {
		bad("metricsListen: %q is no address; write host:port, as in 127.0.0.1:9464", c.MetricsListen)
	}
	if c.PublicURL != "" {
		if err := checkOrigin(c.PublicURL); err != nil {
			bad("publicURL: %q %w", shown(c.PublicURL), err)
		}
	}
	for i, o := range c.AllowedOrigins {
		if err := checkOrigin(o); err != nil {
			bad("allowedOrigins[%d]: %q %w", i, shown(o), err)
		}
	}
	problems = append(problems, c.TrustedProxies.Validate("trustedProxies"), c.IssuerNetworks.Validate("issuerNetworks"))
	if c.MaxMessageBytes < 1024 || c.MaxMessageBytes > 64<<20 {
		bad("maxMessageBytes: %d must be between 1024 and 67108864", c.MaxMessageBytes)
	}
	if c.MaxUploadBytes < 1024 || c.MaxUploadBytes > 1<<30 {
		bad("maxUploadBytes: %d must be between 1024 and 1073741824", c.MaxUploadBytes)
	}
	if c.Drain < 0 || c.Drain > 10*time.Minute {
		bad("drain: %v must be between 0s and 10m", c.Drain)
	}
	if c.Database != "" {
		if _, err := store.ParsePostgres(c.Database); err != nil {
			bad("database: %w", err)
		}
	}
	switch c.LogLevel {
	case "", "debug", "info", "warn", "error":
	default:
		bad("logLevel: %q is none of debug, info, warn, error", c.LogLevel)
	}
	if c.Login != nil {
		problems = append(problems, c.Login.validate())
	}
	problems = append(problems, c.validateHostPlatforms(), c.App.validate(c.Login != nil), c.checkSecrets(), c.Audit.validate(c.AllowLoopbackOrg, secrets), c.Tracing.validate())
	if err := c.Secrets.checkKeys(c.Database != ""); err != nil && secrets {
		bad("secrets: %w", err)
	}
	names := map[string]bool{}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		problems = append(problems, c.checkProof(i))
		if names[w.Name] {
			bad("workspaces[%d].name: %q is taken", i, w.Name)
		}
		names[w.Name] = true
		problems = append(problems, w.validate(fmt.Sprintf("workspaces[%d].", i), c.AllowLoopbackOrg, secrets))
	}
	problems = append(problems, c.Admins.Validate(c.policies()...))
	return errors.Join(problems...)
}

// checkProof returns an error if the proof of a workspace's people needs somebody who
// is not there.
func (c *Config) checkProof(i int) error {
	if a := c.Workspaces[i].Auth; a != nil && a.Proof == string(connect.ByLogin) && c.Login == nil {
		return fmt.Errorf("workspaces[%d].auth.proof: login needs a login, with whom people sign in", i)
	}
	return nil
}

// policies are those of all workspaces.
func (c *Config) policies() []*allowlist.Workspace {
	all := make([]*allowlist.Workspace, len(c.Workspaces))
	for i := range c.Workspaces {
		all[i] = &c.Workspaces[i].Workspace
	}
	return all
}

func (w *Workspace) validate(at string, loopback, secrets bool) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
	if !slug.MatchString(w.Name) {
		bad("name: %q must be lower-case letters, digits and -, because it stands in URLs", w.Name)
	}
	if strings.EqualFold(w.Name, audit.WholeServer) {
		bad("name: %q is the name of the server's own audit trail", w.Name)
	}
	if err := w.Workspace.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			bad("%s", line)
		}
	}
	if !version.MatchString(w.APIVersion) {
		bad("apiVersion: %q is no version of the REST API; write it as v62.0", w.APIVersion)
	}
	for i, rule := range w.Rules {
		for k, action := range rule.Actions {
			if err := checkAction(action); err != nil {
				bad("rules[%d].actions[%d]: %w", i, k, err)
			}
		}
		for k, action := range rule.ConfirmedNames() {
			if err := checkAction(action); err != nil {
				bad("rules[%d].confirm[%d]: %w", i, k, err)
			}
		}
	}
	if w.Catalog != nil {
		problems = append(problems, w.Catalog.validate(at+"catalog.", loopback))
	}
	if w.AuditLog != nil {
		problems = append(problems, w.AuditLog.validate(at+"auditLog.", w.Auth))
	}
	if w.Returns != nil {
		problems = append(problems, w.Returns.validate(at+"returns.", w.Auth, loopback))
	}
	if w.Agentforce != nil {
		problems = append(problems, w.Agentforce.validate(at+"agentforce.", w.Auth))
	}
	if w.Auth != nil && secrets {
		if err := w.Auth.check(salesforce.Hosts{Loopback: loopback}); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				bad("auth: %s", line)
			}
		}
	}
	return errors.Join(problems...)
}

// checkAction returns an error unless a rule's action is in the table.
func checkAction(name string) error {
	var known []string
	for _, op := range tools.All.Operations() {
		if name == op.Tool || name == op.Tool+"."+op.Action {
			return nil
		}
		if strings.HasPrefix(name, op.Tool+".") {
			known = append(known, op.Tool+"."+op.Action)
		}
	}
	if known == nil {
		for _, t := range tools.All {
			known = append(known, t.Name)
		}
	}
	return fmt.Errorf("%q is not in the table; there are %s", name, strings.Join(known, ", "))
}

// shown is a URL without the password that somebody has put into it.
func shown(address string) string { return userinfo.ReplaceAllString(address, "//•••@") }

// checkOrigin returns an error unless s is an origin: scheme, host, port.
func checkOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("is no origin; write scheme and host, as in https://salesforce.example.com")
	}
	return nil
}

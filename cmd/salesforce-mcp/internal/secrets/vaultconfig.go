package secrets

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"salesforce-mcp/salesforce"
)

// The methods of a [VaultLogin].
const (
	LoginToken      = "token"
	LoginAppRole    = "approle"
	LoginKubernetes = "kubernetes"
)

// VaultConfig says which HashiCorp Vault keeps the secrets, and where in it.
// The zero value of a field means its default.
type VaultConfig struct {
	// Address is the origin of Vault, such as https://vault.example.com:8200.
	// Over http it may only be on this machine, for an agent or a proxy.
	Address string `yaml:"address"`
	// Namespace is where mounts and logins are, in Vault Enterprise and HCP.
	// Default: the root namespace.
	Namespace string `yaml:"namespace"`
	// Mount is the path of the secrets engine KV version 2. Default secret.
	Mount string `yaml:"mount"`
	// Prefix is the folder within the mount; below it is a folder for each
	// workspace. Default salesforce-mcp.
	Prefix string `yaml:"prefix"`
	// TransitMount is the path of the secrets engine Transit, which is asked
	// only where a workspace signs with one of its keys. Default transit.
	TransitMount string `yaml:"transitMount"`
	// CAFile holds the certificates, in PEM, of the authority that Vault's own
	// is checked with. Default: the authorities of the system.
	CAFile string `yaml:"caFile"`
	// Login says how to get a token of Vault.
	Login VaultLogin `yaml:"login"`
}

// VaultLogin is a way to get a token of Vault. What is in a file is read at
// each login, so that it can be replaced while the server runs.
type VaultLogin struct {
	// Method is token, approle or kubernetes.
	Method string `yaml:"method"`
	// Mount is the path of the auth method, below auth/. Default: its name.
	Mount string `yaml:"mount"`

	// Token, or the file it is in; token only.
	Token     salesforce.Secret `yaml:"token"`
	TokenFile string            `yaml:"tokenFile"`

	// RoleID tells the role; approle only.
	RoleID string `yaml:"roleID"`
	// SecretID, or the file it is in; approle only. A role that binds no secret
	// ids needs neither.
	SecretID     salesforce.Secret `yaml:"secretID"`
	SecretIDFile string            `yaml:"secretIDFile"`
	// SecretIDWrapped says that it is not the secret id but the single-use
	// token of a wrapped response that holds one.
	SecretIDWrapped bool `yaml:"secretIDWrapped"`

	// Role is the name of the role; kubernetes only.
	Role string `yaml:"role"`
	// ServiceAccountTokenFile is where Kubernetes keeps the service account's
	// token; kubernetes only. Default
	// /var/run/secrets/kubernetes.io/serviceaccount/token.
	ServiceAccountTokenFile string `yaml:"serviceAccountTokenFile"`
}

// mountRE matches a path of segments that lead nowhere else.
var mountRE = regexp.MustCompile(`^` + segment + `(/` + segment + `){0,7}$`)

// ResolveFiles makes the paths of files relative to a folder.
func (c *VaultConfig) ResolveFiles(dir string) {
	for _, file := range []*string{&c.CAFile, &c.Login.TokenFile, &c.Login.SecretIDFile, &c.Login.ServiceAccountTokenFile} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(dir, *file)
		}
	}
}

func (c VaultConfig) withDefaults() VaultConfig {
	c.Mount = cmp.Or(c.Mount, "secret")
	c.Prefix = cmp.Or(c.Prefix, "salesforce-mcp")
	c.TransitMount = cmp.Or(c.TransitMount, "transit")
	c.Login.Mount = cmp.Or(c.Login.Mount, c.Login.Method)
	c.Login.ServiceAccountTokenFile = cmp.Or(c.Login.ServiceAccountTokenFile, "/var/run/secrets/kubernetes.io/serviceaccount/token")
	return c
}

// Validate returns every problem, each with field and value, or nil. It reads
// no files and does not reach out.
func (c VaultConfig) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	given := c
	c = c.withDefaults()
	if err := checkAddress(c.Address); err != nil {
		bad("address: %w", err)
	}
	for _, path := range []struct{ field, value string }{
		{"namespace", strings.Trim(c.Namespace, "/")}, {"mount", c.Mount}, {"prefix", c.Prefix}, {"transitMount", c.TransitMount}, {"login.mount", c.Login.Mount},
	} {
		if path.value != "" && !mountRE.MatchString(path.value) {
			bad("%s: %q is no path; write names of letters, digits, \".\", \"_\" and \"-\" with / between them, without auth/ or v1/ before", path.field, path.value)
		}
	}
	problems = append(problems, given.Login.validate())
	return errors.Join(problems...)
}

func (l VaultLogin) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf("login."+format, args...)) }
	// Which methods each field belongs to; what is set for another one is a
	// mistake about the method.
	for _, f := range []struct {
		name, method string
		set          bool
	}{
		{"token", LoginToken, l.Token.Reveal() != ""},
		{"tokenFile", LoginToken, l.TokenFile != ""},
		{"roleID", LoginAppRole, l.RoleID != ""},
		{"secretID", LoginAppRole, l.SecretID.Reveal() != ""},
		{"secretIDFile", LoginAppRole, l.SecretIDFile != ""},
		{"secretIDWrapped", LoginAppRole, l.SecretIDWrapped},
		{"role", LoginKubernetes, l.Role != ""},
		{"serviceAccountTokenFile", LoginKubernetes, l.ServiceAccountTokenFile != ""},
	} {
		if f.set && f.method != l.Method {
			bad("%s: belongs to the method %s, and the method is %q", f.name, f.method, l.Method)
		}
	}
	switch l.Method {
	case LoginToken:
		if (l.Token.Reveal() != "") == (l.TokenFile != "") {
			bad("token: give it once, in tokenFile, in token or in the environment")
		}
		if l.Mount != "" {
			bad("mount: the method token has none")
		}
	case LoginAppRole:
		if l.RoleID == "" {
			bad("roleID: is missing; it is printed by vault read auth/approle/role/NAME/role-id")
		}
		if l.SecretID.Reveal() != "" && l.SecretIDFile != "" {
			bad("secretID: is given more than once; keep one of secretIDFile, secretID and the environment")
		}
		if l.SecretIDWrapped && l.SecretID.Reveal() == "" && l.SecretIDFile == "" {
			bad("secretIDWrapped: there is neither secretID nor secretIDFile")
		}
	case LoginKubernetes:
		if l.Role == "" {
			bad("role: is missing; it is the NAME of auth/kubernetes/role/NAME")
		}
	default:
		bad("method: %q is none of %s, %s, %s", l.Method, LoginToken, LoginAppRole, LoginKubernetes)
	}
	return errors.Join(problems...)
}

// checkAddress returns an error unless s is an origin that a token may be sent
// to.
func checkAddress(s string) error {
	const say = "as in https://vault.example.com:8200"
	if s == "" {
		return errors.New("is missing; write the address of Vault, " + say)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("is no origin; write scheme, host and port, " + say) // without the text: it may hold a password
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()):
		return nil
	}
	return fmt.Errorf("%q must begin with https://, because tokens are sent to it; http:// is for this machine only", s)
}

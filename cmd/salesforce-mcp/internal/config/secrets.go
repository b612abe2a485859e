package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// The stores of [Secrets].
const (
	StoreSealed = "sealed"
	StoreVault  = "vault"
)

// masterKeyVariable is the environment variable that has the master keys.
const masterKeyVariable = "SALESFORCE_MCP_MASTER_KEY"

// Secrets says where secrets are kept.
type Secrets struct {
	// Store is sealed, in the server's database, or vault. Default sealed.
	Store string `yaml:"store"`
	// KeyFile has the master keys; sealed. Default master.key beside the
	// configuration file; it is made when it is needed and nothing has been
	// sealed yet. With a Database it must be there: all servers need the same.
	KeyFile string `yaml:"keyFile"`
	// MasterKeys stand for KeyFile; from the environment's
	// SALESFORCE_MCP_MASTER_KEY only.
	MasterKeys salesforce.Secret `yaml:"-"`
	// Vault says which one; vault. Its login.token and login.secretID may stand
	// in the environment as SALESFORCE_MCP_VAULT_TOKEN and
	// SALESFORCE_MCP_VAULT_SECRET_ID.
	Vault secrets.VaultConfig `yaml:"vault"`
}

// read fills in what stands in the environment.
func (s *Secrets) read(getenv func(string) string) error {
	var problems []error
	login := &s.Vault.Login
	for _, c := range []struct {
		name, method string
		value        *salesforce.Secret
		file, env    string
	}{
		{"token", secrets.LoginToken, &login.Token, login.TokenFile, "SALESFORCE_MCP_VAULT_TOKEN"},
		{"secretID", secrets.LoginAppRole, &login.SecretID, login.SecretIDFile, "SALESFORCE_MCP_VAULT_SECRET_ID"},
	} {
		switch env := getenv(c.env); {
		case env == "" || login.Method != c.method:
		case *c.value != "" || c.file != "":
			problems = append(problems, fmt.Errorf("secrets.vault.login.%s: is given more than once; keep one of %[1]s, %[1]sFile and the environment's %s", c.name, c.env))
		default:
			*c.value = salesforce.Secret(env)
		}
	}
	return errors.Join(problems...)
}

// defaults fills in what is not given, and makes paths absolute.
func (s *Secrets) defaults(dir string) {
	if s.Store == "" {
		s.Store = StoreSealed
	}
	if s.KeyFile == "" {
		s.KeyFile = "master.key"
	}
	s.KeyFile = absolute(dir, s.KeyFile)
	s.Vault.ResolveFiles(dir)
}

// Keys gives the master keys. Made is told of a file that is made.
func (s *Secrets) Keys(made func(file string)) secrets.Keys {
	if s.MasterKeys == "" {
		return secrets.FileKeys(s.KeyFile, made)
	}
	masters, err := secrets.ParseMasters(s.MasterKeys.Reveal())
	return func(bool) ([]secrets.Master, error) { return masters, err }
}

// KeysFrom says where the master keys stand.
func (s *Secrets) KeysFrom() string {
	if s.MasterKeys != "" {
		return masterKeyVariable
	}
	return s.KeyFile
}

// checkKeys returns what is wrong with the master keys, if there are any, or if
// there must be some.
func (s *Secrets) checkKeys(must bool) error {
	if s.Store == StoreVault {
		return nil
	}
	if s.MasterKeys != "" {
		if _, err := secrets.ParseMasters(s.MasterKeys.Reveal()); err != nil {
			return fmt.Errorf("%s: %w", masterKeyVariable, err)
		}
		return nil
	}
	_, err := secrets.ReadMasters(s.KeyFile)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case must:
		return fmt.Errorf("keyFile: %q is not there, and all servers of a database need the same master key: make one with salesforce-mcp keys new, and give it to each as keyFile or %s", s.KeyFile, masterKeyVariable)
	}
	return nil
}

// checkSecrets returns what is wrong with the store, and with the workspaces that
// sign with a key of Vault.
func (c *Config) checkSecrets() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch s := c.Secrets; {
	case s.Store == StoreVault:
		if err := s.Vault.Validate(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				bad("secrets.vault.%s", line)
			}
		}
	case s.Store != "" && s.Store != StoreSealed:
		bad("secrets.store: %q is none of %s, %s", s.Store, StoreSealed, StoreVault)
	case s.Vault != secrets.VaultConfig{}:
		bad("secrets.vault: belongs to the store %s, and store is %s", StoreVault, StoreSealed)
	}
	for i := range c.Workspaces {
		a := c.Workspaces[i].Auth
		if a == nil || a.TransitKey == "" {
			continue
		}
		at := fmt.Sprintf("workspaces[%d].auth.transitKey:", i)
		if err := secrets.CheckTransitKey(a.TransitKey); err != nil {
			bad("%s %w", at, err)
		}
		if a.Mode != auth.ModeJWT && a.Mode != "" {
			bad("%s belongs to the mode %s, and the mode is %s", at, auth.ModeJWT, a.Mode)
		}
		if a.PrivateKey != "" || a.PrivateKeyFile != "" {
			bad("%s stands for the private key, which is given too; keep one of them", at)
		}
		if c.Secrets.Store != StoreVault {
			bad("%s is a key in Vault, and secrets.store is not %s", at, StoreVault)
		}
	}
	return errors.Join(problems...)
}

// TransitKeys are the keys of Vault with which workspaces sign.
func (c *Config) TransitKeys() (keys []string) {
	for _, w := range c.Workspaces {
		if w.Auth != nil && w.Auth.TransitKey != "" {
			keys = append(keys, w.Auth.TransitKey)
		}
	}
	return keys
}

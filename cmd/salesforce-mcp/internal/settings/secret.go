package settings

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// SecretInfo is all that is ever shown of a secret.
type SecretInfo struct {
	By string
	At time.Time
}

// own is the beginning of the names of the configuration app's own secrets, such as a
// token of a host platform.
const own = "app/"

// SetSecret stores a secret of a workspace: one that its settings need, or one of the
// app's own, whose name begins with app/. The next call uses it. The error is an
// [*Invalid] when the secret cannot be what it is said to be.
func (s *Settings) SetSecret(ctx context.Context, workspace, name string, by Author, value salesforce.Secret) error {
	if err := s.changeable(ctx, workspace); err != nil {
		return err
	}
	if err := CheckSecret(name, value); err != nil {
		return &Invalid{[]Problem{{name, err.Error()}}}
	}
	return s.recorded(ctx, workspace, by, "set secret", map[string]any{"name": name}, func() error {
		if _, err := s.Secrets.Put(ctx, workspace, name, value, secrets.Any); err != nil {
			return err
		}
		return s.Store.NoteSecret(ctx, workspace, name, by)
	})
}

// ForgetSecret takes a secret of SetSecret away. That there is none is no error.
func (s *Settings) ForgetSecret(ctx context.Context, workspace, name string, by Author) error {
	if err := s.changeable(ctx, workspace); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	return s.recorded(ctx, workspace, by, "forget secret", map[string]any{"name": name}, func() error {
		if err := s.Secrets.Delete(ctx, workspace, name); err != nil {
			return err
		}
		return s.Store.ForgetNote(ctx, workspace, name)
	})
}

// SecretInfo says who stored a secret, and when; ok is false when nobody did in the app.
func (s *Settings) SecretInfo(ctx context.Context, workspace, name string) (info SecretInfo, ok bool, err error) {
	by, at, ok, err := s.Store.SecretNote(ctx, workspace, name)
	return SecretInfo{by.Name, at}, ok, err
}

// checkName refuses the names of secrets that people and the server itself have.
func checkName(name string) error {
	if slices.Contains(config.SecretMembers, name) || strings.HasPrefix(name, own) {
		return nil
	}
	return fmt.Errorf("%q is none of %s", name, strings.Join(config.SecretMembers, ", "))
}

// largestSecret is how many bytes a secret may have; an RSA key of 4096 bits has 3,300.
const largestSecret = 64 << 10

// CheckSecret returns an error if a secret cannot be what its name says.
func CheckSecret(name string, value salesforce.Secret) error {
	if err := checkName(name); err != nil {
		return err
	}
	switch {
	case value == "":
		return fmt.Errorf("there is no %s", name)
	case len(value.Reveal()) > largestSecret:
		return fmt.Errorf("the %s has more than %d bytes", name, largestSecret)
	case name == "privateKey":
		_, err := auth.New(auth.Settings{Mode: auth.ModeJWT, ClientID: "-", Username: "-", PrivateKey: value}, nil, salesforce.Hosts{})
		return err
	case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("the %s has a blank, a line break or a letter that none has: is it the right text?", name)
	}
	return nil
}

// tokenNote is the name under which it is noted who made a host's token.
func tokenNote(hash string) string { return "token/" + hash }

// mostTokens is how many tokens a host may have at once.
const mostTokens = 10

// AddToken gives a host of a workspace one more token, and returns it: it is kept as a
// hash only. Those that the host has go on being good, so that it can be replaced
// without a gap.
func (s *Settings) AddToken(ctx context.Context, workspace, host string, by Author) (salesforce.Secret, error) {
	token := salesforce.Secret("smcp_" + rand.Text() + rand.Text())
	hash := allowlist.HashToken(token.Reveal())
	err := s.change(ctx, workspace, by, "add token of "+host, func(w *config.Workspace) error {
		p, err := hostOf(w, host)
		if err != nil {
			return err
		}
		if len(p.Tokens) >= mostTokens {
			return &Invalid{[]Problem{{"host", fmt.Sprintf("the host has %d tokens: revoke one first", mostTokens)}}}
		}
		p.Tokens = append(p.Tokens, hash)
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, s.Store.NoteSecret(ctx, workspace, tokenNote(hash), by)
}

// RevokeToken takes a token of a host away, by its hash. The last one stays: a host
// without any is removed as a whole.
func (s *Settings) RevokeToken(ctx context.Context, workspace, host, hash string, by Author) error {
	err := s.change(ctx, workspace, by, "revoke token of "+host, func(w *config.Workspace) error {
		p, err := hostOf(w, host)
		if err != nil {
			return err
		}
		if !slices.Contains(p.Tokens, hash) {
			return ErrNone
		}
		if len(p.Tokens) == 1 {
			return &Invalid{[]Problem{{"host", "this is the host's only token: make another one first, or remove the host"}}}
		}
		p.Tokens = slices.DeleteFunc(p.Tokens, func(t string) bool { return t == hash })
		return nil
	})
	if err != nil {
		return err
	}
	return s.Store.ForgetNote(ctx, workspace, tokenNote(hash))
}

// TokenInfo says who made a token, by its hash, as SecretInfo does.
func (s *Settings) TokenInfo(ctx context.Context, workspace, hash string) (SecretInfo, bool, error) {
	return s.SecretInfo(ctx, workspace, tokenNote(hash))
}

// hostOf is a host of a workspace that proves itself with tokens.
func hostOf(w *config.Workspace, name string) (*allowlist.Profile, error) {
	for _, p := range w.Profiles {
		if p.Name == name && p.JWT == nil && p.ClientCert == nil && !p.Local {
			return p, nil
		}
	}
	return nil, ErrNone
}

// AddHost adds a host to a workspace, and returns its first token.
func (s *Settings) AddHost(ctx context.Context, workspace string, host allowlist.Profile, by Author) (salesforce.Secret, error) {
	token := salesforce.Secret("smcp_" + rand.Text() + rand.Text())
	host.Tokens = []string{allowlist.HashToken(token.Reveal())}
	err := s.change(ctx, workspace, by, "add host "+host.Name, func(w *config.Workspace) error {
		if slices.ContainsFunc(w.Profiles, func(p *allowlist.Profile) bool { return p.Name == host.Name }) {
			return &Invalid{[]Problem{{"name", "the workspace has a host of this name"}}}
		}
		added := host
		w.Profiles = append(w.Profiles, &added)
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, s.Store.NoteSecret(ctx, workspace, tokenNote(host.Tokens[0]), by)
}

// RemoveHost takes a host away, with the rules that are for it alone.
func (s *Settings) RemoveHost(ctx context.Context, workspace, host string, by Author) error {
	return s.change(ctx, workspace, by, "remove host "+host, func(w *config.Workspace) error {
		if _, err := hostOf(w, host); err != nil {
			return err
		}
		w.Profiles = slices.DeleteFunc(w.Profiles, func(p *allowlist.Profile) bool { return p.Name == host })
		w.Rules = slices.DeleteFunc(w.Rules, func(r allowlist.Rule) bool { return r.Host == host })
		return nil
	})
}

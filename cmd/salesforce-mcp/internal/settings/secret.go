package settings

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// secretNames are the secrets that a workspace may have, whatever its mode.
func secretNames() (names []string) {
	w := config.Workspace{Auth: &config.Auth{}, Returns: &config.Returns{}}
	for _, c := range w.Credentials() {
		names = append(names, c.Name)
	}
	return names
}

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
	known := secretNames()
	for _, k := range known {
		if name == k {
			return nil
		}
	}
	if strings.HasPrefix(name, own) {
		return nil
	}
	return fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// largestSecret is how many bytes a secret may have; an RSA key of 4096 bits has
// 3,300.
const largestSecret = 64 << 10

func (e *env) secret() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Put a workspace's secret into the secret store, or take it out",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.setSecret(), e.deleteSecret())
	return cmd
}

func (e *env) setSecret() *cobra.Command {
	var file, from string
	cmd := &cobra.Command{
		Use:   "set WORKSPACE NAME --config FILE [--file FILE]",
		Short: "Store a secret, read from stdin or a file; the next call uses it",
		Example: `  salesforce-mcp secret set sales clientSecret --config config.yaml < client-secret
  salesforce-mcp secret set sales privateKey --config config.yaml --file key.pem`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, w, err := e.secretOf(cmd.Context(), file, args[0])
			if err != nil {
				return err
			}
			if used := w.SecretNames(); !slices.Contains(used, args[1]) {
				return fmt.Errorf("%q is not used by workspace %s: its auth mode %s has %s", args[1], w.Name, cmp.Or(w.Auth.Mode, auth.ModeJWT), strings.Join(used, ", "))
			}
			value, err := e.readSecret(from)
			if err != nil {
				return err
			}
			if err := checkSecret(c, w, args[1], value); err != nil {
				return err
			}
			return e.withSecrets(cmd.Context(), c, func(ctx context.Context, st *store.Store, kept secrets.Store) error {
				entry := audit.Entry{Workspace: w.Name, Tool: "secret", Action: "set", Effect: "set"}
				if err := recorded(ctx, st, entry, map[string]any{"name": args[1]}, func() error {
					if _, err := kept.Put(ctx, w.Name, args[1], value, secrets.Any); err != nil {
						return err
					}
					return st.NoteSecret(ctx, w.Name, args[1], store.Author{ID: osUser(), Name: osUser()})
				}); err != nil {
					return err
				}
				if instead := w.Instead(args[1], e.getenv); instead != "" {
					_, err := fmt.Fprintf(e.stdout, "stored %s of workspace %s, which is NOT used: %s stands before it; take that out\n", args[1], w.Name, instead)
					return err
				}
				_, err := fmt.Fprintf(e.stdout, "stored %s of workspace %s; the next call uses it\n", args[1], w.Name)
				return err
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&from, "file", "", "file that has the secret; without it stdin")
	return cmd
}

func (e *env) deleteSecret() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "delete WORKSPACE NAME --config FILE",
		Short: "Forget a stored secret",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, w, err := e.secretOf(cmd.Context(), file, args[0])
			if err != nil {
				return err
			}
			var names []string
			for _, known := range w.Credentials() { // also one that another mode used
				names = append(names, known.Name)
				if known.Name != args[1] {
					continue
				}
				return e.withSecrets(cmd.Context(), c, func(ctx context.Context, st *store.Store, kept secrets.Store) error {
					entry := audit.Entry{Workspace: w.Name, Tool: "secret", Action: "delete", Effect: "remove"}
					if err := recorded(ctx, st, entry, map[string]any{"name": args[1]}, func() error {
						return errors.Join(kept.Delete(ctx, w.Name, args[1]), st.ForgetNote(ctx, w.Name, args[1]))
					}); err != nil {
						return err
					}
					_, err := fmt.Fprintf(e.stdout, "workspace %s has no stored %s any more\n", w.Name, args[1])
					return err
				})
			}
			return fmt.Errorf("%q is none of %s", args[1], strings.Join(names, ", "))
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// secretOf returns the configuration and a workspace of it that has credentials.
func (e *env) secretOf(ctx context.Context, file, workspace string) (*config.Config, *config.Workspace, error) {
	c, err := config.Load(file, e.getenv)
	if err != nil {
		return nil, nil, err
	}
	c = withStored(ctx, c)
	w, err := c.Workspace(workspace)
	if err == nil && w.Auth == nil {
		err = fmt.Errorf("workspace %s has no auth, which says what secret it needs", workspace)
	}
	return c, w, err
}

// readSecret reads a secret from a file or from stdin, without the space around
// it.
func (e *env) readSecret(from string) (salesforce.Secret, error) {
	in := e.stdin
	if from != "" {
		file, err := os.Open(from)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	} else if terminal, ok := in.(*os.File); ok {
		if about, err := terminal.Stat(); err == nil && about.Mode()&os.ModeCharDevice != 0 {
			return "", errors.New("give the secret with --file or through a pipe: what is typed here, others can read")
		}
	}
	text, err := io.ReadAll(io.LimitReader(in, largestSecret+1))
	if err != nil {
		return "", err
	}
	value := strings.TrimSpace(string(text))
	switch {
	case len(text) > largestSecret:
		return "", fmt.Errorf("the secret has more than %d bytes: is it the right file?", largestSecret)
	case value == "":
		return "", errors.New("there is no secret: stdin, or the file, is empty")
	}
	return salesforce.Secret(value), nil
}

// checkSecret returns an error if a secret cannot be what the workspace needs.
func checkSecret(c *config.Config, w *config.Workspace, name string, value salesforce.Secret) error {
	s := w.Auth.Settings()
	if name != "privateKey" {
		if strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("the %s has a blank, a line break or a letter that none has: is it the right text?", name)
		}
		return nil
	}
	s.PrivateKey, s.Signer = value, nil
	_, err := auth.New(s, nil, hosts(c))
	return err
}

// withSecrets opens the store, beside a server or without one, and the secret
// store.
func (e *env) withSecrets(ctx context.Context, c *config.Config, work func(context.Context, *store.Store, secrets.Store) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of Vault's renewals
	st, err := joinStore(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if c.Secrets.Store == config.StoreVault {
		vault, err := secrets.NewVault(ctx, c.Secrets.Vault, zerolog.Nop())
		if err != nil {
			return err
		}
		return work(ctx, st, vault)
	}
	return work(ctx, st, secrets.NewSealed(st, c.Secrets.Keys(func(file string) {
		_, _ = fmt.Fprintf(e.stderr, "made the master key that opens the stored secrets, %s: back it up, apart from the database\n", file)
	})))
}

package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

func (e *env) certificate() *cobra.Command {
	var file, workspace, newKey, out string
	var days int
	cmd := &cobra.Command{
		Use:   "certificate (--config FILE --workspace NAME | --new KEYFILE) [--out FILE]",
		Short: "Make the certificate to upload to Salesforce, for mode jwt",
		Long: `Make a self-signed certificate of a workspace's private key, wherever that is: in
a file, in the environment, in the secret store, or in Vault, which does not give
it away. With --new, make the key too.`,
		Example: `  salesforce-mcp keys certificate --new key.pem --out certificate.pem
  salesforce-mcp keys certificate --config config.yaml --workspace sales --out certificate.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if days < 1 || days > 7300 {
				return fmt.Errorf("--days: %d must be between 1 and 7300", days)
			}
			var text []byte
			var err error
			switch {
			case newKey != "" && file == "" && workspace == "":
				text, err = certifyNew(newKey, days)
			case newKey == "" && file != "" && workspace != "":
				text, err = e.certifyWorkspace(ctx, file, workspace, days)
			default:
				err = errors.New("give --config and --workspace, or --new for a new key")
			}
			if err != nil {
				return err
			}
			if out == "" {
				_, err = e.stdout.Write(text)
				return err
			}
			return writeNew(out, text, 0o644)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace whose private key it is")
	cmd.Flags().StringVar(&newKey, "new", "", "make an RSA key of 2048 bits too, and write it to this file")
	cmd.Flags().IntVar(&days, "days", 730, "how long the certificate is good for")
	cmd.Flags().StringVar(&out, "out", "", "file to write; without it stdout")
	return cmd
}

// certifyNew makes a key, writes it to a file, and returns its certificate.
func certifyNew(file string, days int) ([]byte, error) {
	key, err := settings.NewKey()
	if err != nil {
		return nil, err
	}
	text, err := settings.Certificate(key, "salesforce-mcp", days)
	if err != nil {
		return nil, err
	}
	return text, writeNew(file, []byte(key.Reveal()), 0o600)
}

// certifyWorkspace returns the certificate of a workspace's key.
func (e *env) certifyWorkspace(ctx context.Context, file, workspace string, days int) (text []byte, err error) {
	c, err := config.Load(file, e.getenv)
	if err != nil {
		return nil, err
	}
	c = withStored(ctx, c)
	w, err := c.Workspace(workspace)
	if err != nil {
		return nil, err
	}
	if w.Auth == nil || w.Auth.Secret().Name != "privateKey" {
		return nil, fmt.Errorf("workspace %s does not sign: its auth mode is not %s", workspace, auth.ModeJWT)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of Vault's renewals
	l, err := lookAt(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var key crypto.Signer
	if w.Auth.TransitKey != "" {
		key, err = l.orgs.vault.CertificateKey(ctx, w.Auth.TransitKey)
	} else {
		key, err = l.privateKey(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	return settings.SelfSigned(key, "salesforce-mcp "+workspace, days)
}

// privateKey reads the key of a workspace.
func (l *look) privateKey(ctx context.Context, w *config.Workspace) (crypto.Signer, error) {
	s, err := l.orgs.settings(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	if _, err := auth.New(s, nil, hosts(l.config)); err != nil { // which says what is wrong with it
		return nil, err
	}
	return jwt.ParseRSAPrivateKeyFromPEM([]byte(strings.ReplaceAll(s.PrivateKey.Reveal(), `\n`, "\n")))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

func (e *env) keys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and rotate master keys, and certificates for Salesforce",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.newKey(), e.rotateKeys(), e.certificate())
	return cmd
}

func (e *env) newKey() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "new [--out FILE]",
		Short: "Make a master key, which opens the stored secrets",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := secrets.FormatMasters([]secrets.Master{secrets.NewMaster()})
			if out == "" {
				_, err := e.stdout.Write(text)
				return err
			}
			return writeNew(out, text, 0o600)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write, which only its owner can read; without it stdout")
	return cmd
}

// writeNew writes a file that is not there yet.
func writeNew(name string, text []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is not overwritten: a key that is gone opens nothing any more", name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

func (e *env) rotateKeys() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rotate --config FILE",
		Short: "Replace the master key, while the server runs or not",
		Long: `Replace the master key: put a new one in front in the key file, seal all data
keys with it, take the old one out. A server that runs reads the file again. After
a crash in between, run it again.

Where SALESFORCE_MCP_MASTER_KEY stands for the file, put the new key in front
yourself, with a blank between the two, and start the server so; then rotate seals
all data keys with it, and the old one can be taken out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			c, err := config.Load(file, e.getenv)
			if err != nil {
				return err
			}
			if c.Secrets.Store != config.StoreSealed {
				return fmt.Errorf("secrets.store is %s, which keeps its keys itself; only the store %s has master keys here", c.Secrets.Store, config.StoreSealed)
			}
			st, err := joinStore(ctx, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, st.Close()) }()
			entry := audit.Entry{Workspace: audit.WholeServer, Tool: "keys", Action: "rotate", Effect: "set"}
			if c.Secrets.MasterKeys != "" {
				return recorded(ctx, st, entry, map[string]any{"keys": c.Secrets.KeysFrom()}, func() error { return e.rotateVariable(ctx, c, st) })
			}
			n := 0
			err = recorded(ctx, st, entry, map[string]any{"keys": c.Secrets.KeyFile}, func() (err error) {
				n, err = secrets.RotateFile(ctx, st, c.Secrets.KeyFile)
				return err
			})
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w: it is made when the first secret is stored; if there are some, bring it back", err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.stdout, "%s has a new master key, which seals %s: back it up; the old one opens old backups of the database only\n", c.Secrets.KeyFile, count(n, "data key"))
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// rotateVariable seals with the first of the master keys that stand in the
// environment, where an administrator has put it.
func (e *env) rotateVariable(ctx context.Context, c *config.Config, st *store.Store) error {
	keys, name := c.Secrets.Keys(nil), c.Secrets.KeysFrom()
	masters, err := keys(false)
	if err != nil {
		return err
	}
	if len(masters) == 1 {
		return fmt.Errorf("%s has one key. To replace it: make another with salesforce-mcp keys new, set the variable to that one, a blank and the present one, "+
			"start the server so, and run this again", name)
	}
	if _, err := secrets.NewSealed(st, keys).Rotate(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "the first key in %s seals all data keys now: take the other ones out, and start the server so\n", name)
	return err
}

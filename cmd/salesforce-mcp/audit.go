package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/salesforce"
)

func (e *env) audit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read, export, prove and verify the audit trail",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.auditShow(), e.auditExport(), e.auditProve(), e.auditVerify(), e.auditSinks(), e.auditKey())
	return cmd
}

// records is the audit trail of a configuration, to read: a server may have it.
type records struct {
	config *config.Config
	store  *store.Store
	env    *env
}

// withRecords reads what a configuration file describes. It changes nothing.
func (e *env) withRecords(ctx context.Context, file string, work func(*records) error) (err error) {
	c, err := config.Load(file, e.getenv)
	if err != nil {
		return err
	}
	st, err := lookStore(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if merged, _, _, err := settings.Merge(ctx, st, c); err == nil {
		c = merged
	}
	return work(&records{c, st, e})
}

// key returns the public key that is given or, if none is, that of the secret
// store.
func (r *records) key(ctx context.Context, given string) (proof.PublicKey, error) {
	if given == "" {
		text, err := r.publicKey(ctx)
		if err != nil {
			return proof.PublicKey{}, err
		}
		given = text
	}
	return proof.ParsePublicKey(given)
}

// publicKey is that of the key in the secret store.
func (r *records) publicKey(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kept, _, err := openSecrets(ctx, r.config, r.store, logger(r.env.stderr, "error"))
	if err != nil {
		return "", err
	}
	key, err := trail.Key(ctx, kept)
	if err != nil {
		return "", err
	}
	return key.Public(), nil
}

// workspace is the one that is named or, if none is, the only one.
func (r *records) workspace(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	if len(r.config.Workspaces) == 1 {
		return r.config.Workspaces[0].Name, nil
	}
	var names []string
	for _, w := range r.config.Workspaces {
		names = append(names, w.Name)
	}
	if len(names) == 0 {
		return "", errors.New("no workspace is in force; salesforce-mcp check says why")
	}
	return "", fmt.Errorf("--workspace is needed: the configuration has %s", strings.Join(names, ", "))
}

// exporter exports what is signed of the workspace that is named, or of the only
// one, and returns its name.
func (r *records) exporter(ctx context.Context, workspace, key string) (*proof.Exporter, string, error) {
	name, err := r.workspace(workspace)
	if err != nil {
		return nil, "", err
	}
	public, err := r.key(ctx, key)
	if err != nil {
		return nil, "", err
	}
	x, err := proof.NewExporter(ctx, r.store, name, public)
	return x, name, err
}

func (e *env) auditKey() *cobra.Command {
	var file string
	var rotate bool
	cmd := &cobra.Command{
		Use:   "key --config FILE [--rotate]",
		Short: "Print the public key with which the audit trail is verified, or replace the key",
		Long: `Print the public key with which the audit trail is verified and, if there were
others before, those after it, the newest first.

With --rotate, replace the signing key, while the server runs or not: the next checkpoint of
each log is signed with both keys, an entry in each says which, and the old
private key is gone. After a crash in between, run it again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rotate {
				return e.rotateAuditKey(cmd.Context(), file)
			}
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				public, err := r.publicKey(cmd.Context())
				if err != nil {
					return err
				}
				return e.printKeys(public)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&rotate, "rotate", false, "replace the key")
	return cmd
}

// printKeys prints public keys, one a line.
func (e *env) printKeys(public string) error {
	_, err := fmt.Fprintln(e.stdout, strings.Join(strings.Fields(public), "\n"))
	return err
}

func (e *env) rotateAuditKey(ctx context.Context, file string) error {
	c, err := config.Load(file, e.getenv)
	if err != nil {
		return err
	}
	return e.withSecrets(ctx, c, func(ctx context.Context, st *store.Store, kept secrets.Store) error {
		var told func([]byte) error
		if c.Audit.Checkpoints != "" {
			told = func(signed []byte) error { return trail.KeepCheckpoint(c.Audit.Checkpoints, signed) }
		}
		public, err := trail.RotateKey(ctx, st, kept, func(workspace, public string) error {
			entry := audit.Entry{Workspace: workspace, Tool: "audit", Action: "rotateKey", Effect: "set"}
			return recorded(ctx, st, entry, map[string]any{"publicKeys": strings.Fields(public)}, func() error { return nil })
		}, told)
		if err != nil {
			return err
		}
		return e.printKeys(public)
	})
}

func (e *env) auditExport() *cobra.Command {
	var file, workspace, key string
	cmd := &cobra.Command{
		Use:   "export --config FILE [--workspace NAME]",
		Short: "Print all signed entries of a workspace, with what proves them",
		Long: `Print all signed entries of a workspace as lines of JSON, each with its number in
the log and the hashes that prove it, and the signed checkpoint at the end. It is
verified with the public key alone: salesforce-mcp audit verify --export FILE --key KEY`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return e.withRecords(ctx, file, func(r *records) error {
				x, _, err := r.exporter(ctx, workspace, key)
				if err != nil {
					return err
				}
				out := bufio.NewWriterSize(e.stdout, 1<<16)
				if err := x.All(ctx, out); err != nil {
					return err
				}
				return out.Flush()
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	cmd.Flags().StringVar(&key, "key", "", "public key; without it that of the secret store")
	return cmd
}

func (e *env) auditProve() *cobra.Command {
	var file, workspace, key, record, entry string
	cmd := &cobra.Command{
		Use:   "prove --config FILE (--record ID | --entry ID) [--workspace NAME]",
		Short: "Print a bundle that proves what was done to a record",
		Long: `Print the entries of all calls that read or wrote a record, or one entry and those
that belong to it, as lines of JSON with the hashes that prove them and the signed
checkpoint. The bundle is verified with the public key alone:
salesforce-mcp audit verify --bundle FILE --key KEY`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if (record == "") == (entry == "") {
				return errors.New("give either --record, the ID of a Salesforce record, or --entry, the id of an audit entry")
			}
			return e.withRecords(ctx, file, func(r *records) error {
				x, name, err := r.exporter(ctx, workspace, key)
				if err != nil {
					return err
				}
				leaves, err := r.about(ctx, name, record, entry)
				if err != nil {
					return err
				}
				for _, l := range leaves {
					if l.N >= x.Size() {
						return fmt.Errorf("entry %d is not signed yet; try again in a second, if the server runs", l.N)
					}
					if err := x.Write(e.stdout, l); err != nil {
						return err
					}
				}
				return x.End(e.stdout)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&record, "record", "", "ID of a Salesforce record, of 15 or 18 characters")
	cmd.Flags().StringVar(&entry, "entry", "", "id of an audit entry")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	cmd.Flags().StringVar(&key, "key", "", "public key; without it that of the secret store")
	return cmd
}

// about returns the entries about a record, or the one of that id, in order, and
// with each outcome its intent, which has the arguments.
func (r *records) about(ctx context.Context, workspace, record, entry string) ([]proof.Leaf, error) {
	ids := map[string]bool{}
	if record != "" {
		id, err := salesforce.To18(record)
		if err != nil {
			return nil, fmt.Errorf("--record: %w", err)
		}
		found, err := r.store.List(ctx, audit.Query{Workspace: workspace, Record: id, Limit: math.MaxInt})
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			ids[e.ID] = true
			if e.Intent != "" {
				ids[e.Intent] = true
			}
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("--record: no entry of workspace %s is about %s", workspace, id)
		}
	} else {
		call, err := r.store.Call(ctx, workspace, entry)
		if err != nil {
			return nil, err
		}
		if len(call) == 0 {
			return nil, fmt.Errorf("--entry: workspace %s has no entry %s", workspace, entry)
		}
		for _, id := range call {
			ids[id] = true
		}
	}
	var leaves []proof.Leaf
	for id := range ids {
		l, ok, err := r.store.Leaf(ctx, workspace, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("entry %s of workspace %s is not in the database; salesforce-mcp audit verify says more", id, workspace)
		}
		leaves = append(leaves, l)
	}
	slices.SortFunc(leaves, func(a, b proof.Leaf) int { return cmp.Compare(a.N, b.N) })
	return leaves, nil
}

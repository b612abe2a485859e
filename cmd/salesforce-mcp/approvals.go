package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/tools"
)

func (e *env) approvals() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "Decide about calls that wait for a person",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.listApprovals(), e.showApproval(), e.decide(true), e.decide(false))
	return cmd
}

func (e *env) listApprovals() *cobra.Command {
	var file, state string
	var q tools.ApprovalQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list --config FILE",
		Short: "Print calls that wait for a person, the newest first",
		Long: `Print calls that wait for a person, one a line and the newest first; with --json as
lines of JSON. It reads beside a running server, and changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch q.State = tools.State(state); q.State {
			case "all":
				q.State = ""
			case tools.Waiting, tools.Approved, tools.Denied, tools.Used, tools.Expired:
			default:
				return fmt.Errorf("--state: %q is none of waiting, approved, denied, used, expired, all", state)
			}
			if q.Limit < 1 {
				return errors.New("--limit: must be 1 or more")
			}
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				list, err := r.store.ListApprovals(cmd.Context(), q)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printJSON(list...)
				}
				return e.printApprovals(list)
			})
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&q.Workspace, "workspace", "", "only of this workspace")
	flags.StringVar(&state, "state", string(tools.Waiting), "waiting, approved, denied, used, expired or all")
	flags.IntVar(&q.Limit, "limit", 50, "at most so many, the latest")
	flags.BoolVar(&asJSON, "json", false, "print lines of JSON")
	return cmd
}

func (e *env) showApproval() *cobra.Command {
	var file, workspace string
	cmd := &cobra.Command{
		Use:   "show ID --config FILE [--workspace NAME]",
		Short: "Print one call that waits, with all of its arguments, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return e.withRecords(ctx, file, func(r *records) error {
				name, err := r.workspace(workspace)
				if err != nil {
					return err
				}
				a, found, err := r.store.Approval(ctx, name, args[0])
				if err != nil {
					return err
				}
				if !found {
					return fmt.Errorf("workspace %s has no approval %s", name, args[0])
				}
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				kept, _, err := openSecrets(ctx, r.config, r.store, logger(e.stderr, "error"))
				if err != nil {
					return err
				}
				if a, err = tools.Whole(ctx, secrets.NewSealer(kept), a); err != nil {
					return err
				}
				return e.printJSON(a)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	return cmd
}

// decide is the command approve, or deny.
func (e *env) decide(approve bool) *cobra.Command {
	var file, workspace string
	v := tools.Verdict{Approve: approve, Surface: "command"}
	var asJSON bool
	use, short := "deny", "Refuse a call that waits"
	if approve {
		use, short = "approve", "Let a call that waits be made, once"
	}
	cmd := &cobra.Command{
		Use:   use + " ID --config FILE [--workspace NAME] [--note TEXT] [--by NAME]",
		Short: short,
		Long: short + `. The decision is in the audit trail, with who made it: --by, or the
name of the operating system's user. That must not be the person for whom the agent
asked. It works beside a running server, and the agent sees it at once.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.By == "" {
				me, err := user.Current()
				if err != nil {
					return fmt.Errorf("--by is needed: the operating system does not say who you are: %w", err)
				}
				v.By = me.Username
			}
			return e.beside(cmd.Context(), file, workspace, func(c *config.Workspace, st *store.Store, journal *audit.Journal) error {
				a, err := tools.Decide(cmd.Context(), journal, st, c.Name, args[0], v)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printJSON(a)
				}
				_, err = fmt.Fprintf(e.stdout, "%s: %s of agent %s, by %s\n", a.State, a.Instruction, cmp.Or(oneLine(a.Agent), "-"), oneLine(a.By))
				return err
			})
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	flags.StringVar(&v.Note, "note", "", "what the agent is told")
	flags.StringVar(&v.By, "by", "", "who decides; without it the operating system's user")
	flags.BoolVar(&asJSON, "json", false, "print the approval as a line of JSON")
	return cmd
}

// beside works on the data of a workspace while a server may run on it. Open calls
// are the server's: they are left alone.
func (e *env) beside(ctx context.Context, file, workspace string, work func(*config.Workspace, *store.Store, *audit.Journal) error) (err error) {
	c, err := config.Load(file, e.getenv)
	if err != nil {
		return err
	}
	c = withStored(ctx, c)
	name, err := (&records{config: c}).workspace(workspace)
	if err != nil {
		return err
	}
	w, err := c.Workspace(name)
	if err != nil {
		return err
	}
	st, err := joinStore(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	journal := audit.NewJournal(st)
	defer journal.Close()
	return work(w, st, journal)
}

// printJSON prints approvals as lines of JSON.
func (e *env) printJSON(list ...tools.Approval) error {
	out := bufio.NewWriter(e.stdout)
	for _, a := range list {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, tools.Printable(string(text))); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printApprovals prints one line an approval, for people.
func (e *env) printApprovals(list []tools.Approval) error {
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(out, "ID\tSTATE\tREQUESTED\tEXPIRES\tWORKSPACE\tAGENT\tUSER\tCALL\tARGUMENTS\tREASONING"); err != nil {
		return err
	}
	for _, a := range list {
		cells := []string{a.ID, string(a.State), a.Requested.Format(time.DateTime), a.Expires.Format(time.DateTime), a.Workspace, a.Agent, a.User, a.Tool + "." + a.Action,
			string(a.Arguments), a.Reasoning}
		for i, cell := range cells {
			cells[i] = cmp.Or(oneLine(cell), "-")
		}
		if _, err := fmt.Fprintln(out, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return out.Flush()
}

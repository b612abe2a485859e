package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

func (e *env) returns() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "returns",
		Short: "Look after returns that are under way, and try policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.listReturns(), e.showReturn(), e.moveReturn("retry"), e.moveReturn("cancel"), e.settleReturn(), e.tryReturn())
	return cmd
}

func (e *env) listReturns() *cobra.Command {
	var file string
	var q audit.RunQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list --config FILE",
		Short: "Print returns, first those that want a person",
		Long: `Print returns, one a line: first those that wait or want a person, then all others,
each the newest first; with --json as lines of JSON. It reads beside a running server,
and changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 {
				return errors.New("--limit: must be 1 or more")
			}
			all := []string{"", returns.Running, returns.Waiting, returns.Undoing, returns.Done, returns.Denied, returns.Cancelled, returns.Failed}
			if !slices.Contains(all, q.Status) {
				return fmt.Errorf("--status: %q is none of %s", q.Status, strings.Join(all[1:], ", "))
			}
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				views, err := r.returns(cmd.Context(), q)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printLines(views...)
				}
				return e.printReturns(views)
			})
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&q.Workspace, "workspace", "", "only of this workspace")
	flags.StringVar(&q.Status, "status", "", "only with this status: running, waiting, undoing, done, denied, cancelled or failed")
	flags.StringVar(&q.Subject, "case", "", "only of this case, by its ID of 18 characters")
	flags.BoolVar(&q.Escalated, "escalated", false, "only those that have called for a person")
	flags.IntVar(&q.Limit, "limit", 50, "at most so many")
	flags.BoolVar(&asJSON, "json", false, "print lines of JSON")
	return cmd
}

// returns are the views of runs, without steps: first those that want a person.
func (r *records) returns(ctx context.Context, q audit.RunQuery) (views []returns.View, err error) {
	first := q
	first.Person = true
	urgent, err := r.store.Runs(ctx, first)
	if err != nil {
		return nil, err
	}
	runs, err := r.store.Runs(ctx, q)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, run := range append(urgent, runs...) {
		if !seen[run.ID] && len(views) < q.Limit {
			views = append(views, returns.ViewOf(run, nil, ""))
		}
		seen[run.ID] = true
	}
	return views, nil
}

func (e *env) showReturn() *cobra.Command {
	var file, workspace, run string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show --run ID --config FILE [--workspace NAME]",
		Short: "Print one return: its steps, why it waits, and what is needed",
		Long: `Print one return: its steps, why it waits or wants a person, and what is needed.
What happened to it, request by request, prints audit show --run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				name, err := r.workspace(workspace)
				if err != nil {
					return err
				}
				v, err := viewReturn(cmd.Context(), r.store, name, run)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printLines(v)
				}
				return e.printReturn(v)
			})
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	flags.StringVar(&run, "run", "", "ID of the run")
	flags.BoolVar(&asJSON, "json", false, "print it as a line of JSON")
	_ = cmd.MarkFlagRequired("run")
	return cmd
}

// viewReturn is a run as it is now.
func viewReturn(ctx context.Context, st *store.Store, workspace, id string) (v returns.View, err error) {
	r, found, err := st.Run(ctx, workspace, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: workspace %s has none with the ID %s", returns.ErrNoRun, workspace, id)
	}
	if err != nil {
		return v, err
	}
	steps, err := st.Steps(ctx, id)
	if err != nil {
		return v, err
	}
	waits, err := st.ListApprovals(ctx, tools.ApprovalQuery{Workspace: workspace, Run: id, State: tools.Waiting})
	if err != nil {
		return v, err
	}
	approval := ""
	if len(waits) > 0 {
		approval = waits[0].ID
	}
	return returns.ViewOf(r, steps, approval), nil
}

// moveReturn is the command retry, or cancel.
func (e *env) moveReturn(action string) *cobra.Command {
	short := "Have the step of a parked return tried again"
	if action == "cancel" {
		short = "Take a return back whose refund is not made"
	}
	return e.byHand(&cobra.Command{
		Use:   action + " --run ID --config FILE [--workspace NAME] [--note TEXT] [--by NAME]",
		Short: short,
		Long: short + `. It is in the audit trail, with who wanted it: --by, or the name of
the operating system's user. It works beside a running server, which goes on with the
return.`,
	}, func(ctx context.Context, hand returns.Hand, journal *audit.Journal, st *store.Store, workspace, run string) (err error) {
		if action == "cancel" {
			_, err = hand.Cancel(ctx, journal, st, workspace, run, 0)
		} else {
			_, err = hand.Retry(ctx, journal, st, workspace, run)
		}
		return err
	})
}

// settleReturn is the command settle.
func (e *env) settleReturn() *cobra.Command {
	var made, notMade bool
	var reference string
	cmd := e.byHand(&cobra.Command{
		Use:   "settle --run ID (--made --reference TEXT | --not-made) --note TEXT --config FILE [--workspace NAME] [--by NAME]",
		Short: "Say whether a refund was made of which the gateway can never tell",
		Long: `Say what became of a refund that is in doubt, when its gateway can never tell: that
it was made, with its reference there, or that it was not. Look it up first, in the
gateway's own pages, by the key that returns show prints. Nothing is sent again: a
return whose refund was made goes on to its records, one whose refund was not made is
put back and has failed. If the gateway can tell after all that it was made, that counts.
It is in the audit trail, with who said it (--by, or the name of the operating system's
user), and how they know it (--note).`,
		Example: `  salesforce-mcp returns settle --run 01a20e62-bbb5-782f-b6f7-d840f3a8c926 --made --reference re_3PqX --note "seen in the dashboard" --config config.yaml`,
	}, func(ctx context.Context, hand returns.Hand, journal *audit.Journal, st *store.Store, workspace, run string) error {
		_, err := hand.Settle(ctx, journal, st, workspace, run, made, reference)
		return err
	})
	flags := cmd.Flags()
	flags.BoolVar(&made, "made", false, "the refund was made")
	flags.BoolVar(&notMade, "not-made", false, "the refund was not made, and will not be")
	flags.StringVar(&reference, "reference", "", "the refund's name at the gateway (re_… of Stripe), or the ID of its Refund record")
	cmd.MarkFlagsOneRequired("made", "not-made")
	cmd.MarkFlagsMutuallyExclusive("made", "not-made")
	return cmd
}

// byHand is a command by which a person moves a run beside a running server.
func (e *env) byHand(cmd *cobra.Command, move func(ctx context.Context, hand returns.Hand, journal *audit.Journal, st *store.Store, workspace, run string) error) *cobra.Command {
	var file, workspace, run string
	hand := returns.Hand{Surface: "command"}
	var asJSON bool
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if hand.By == "" {
			me, err := user.Current()
			if err != nil {
				return fmt.Errorf("--by is needed: the operating system does not say who you are: %w", err)
			}
			hand.By = me.Username
		}
		ctx := cmd.Context()
		return e.beside(ctx, file, workspace, func(c *config.Workspace, st *store.Store, journal *audit.Journal) (err error) {
			if err = move(ctx, hand, journal, st, c.Name, run); err != nil {
				return err
			}
			v, err := viewReturn(ctx, st, c.Name, run)
			if err != nil {
				return err
			}
			if asJSON {
				return e.printLines(v)
			}
			_, err = fmt.Fprintf(e.stdout, "%s: run %s of %s, by %s\n", v.Status, v.ID, oneLine(v.Subject), oneLine(hand.By))
			return err
		})
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&workspace, "workspace", "", "workspace; needed when there are several")
	flags.StringVar(&run, "run", "", "ID of the run")
	flags.StringVar(&hand.Note, "note", "", "why, for the audit trail")
	flags.StringVar(&hand.By, "by", "", "who wants it; without it the operating system's user")
	flags.BoolVar(&asJSON, "json", false, "print the run as a line of JSON")
	_ = cmd.MarkFlagRequired("run")
	return cmd
}

// printLines prints runs as lines of JSON.
func (e *env) printLines(views ...returns.View) error {
	out := bufio.NewWriter(e.stdout)
	for _, v := range views {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, tools.Printable(string(text))); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printReturns prints one line a run, for people.
func (e *env) printReturns(views []returns.View) error {
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(out, "ID\tSTATUS\tPERSON\tSTARTED\tMOVED\tWORKSPACE\tCASE\tSTEP\tREASON"); err != nil {
		return err
	}
	for _, v := range views {
		person := ""
		if v.Escalated {
			person = "wanted"
		}
		cells := []string{v.ID, v.Status, person, v.Started.Format(time.DateTime), v.Moved.Format(time.DateTime), v.Workspace, v.Subject, v.Step, v.Because()}
		for i, cell := range cells {
			cells[i] = cmp.Or(oneLine(cell), "-")
		}
		if _, err := fmt.Fprintln(out, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printReturn prints a run, for people.
func (e *env) printReturn(v returns.View) error {
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(out, "%s\t%s\n", name, long(value)) // errors are those of Flush
		}
	}
	line("run", v.ID)
	line("workspace", v.Workspace)
	line("case", v.Subject)
	line("status", v.Status)
	line("step", v.Step)
	line("refund", v.Refund)
	if v.Escalated {
		line("person", "wanted")
	}
	line("reason", v.Because())
	line("answer", string(v.Answer))
	line("needed", v.Needed)
	line("started", v.Started.Format(time.DateTime))
	line("moved", v.Moved.Format(time.DateTime))
	if v.Wakes != nil {
		line("goes on", v.Wakes.Format(time.DateTime))
	}
	_, _ = fmt.Fprintln(out, "\nSTEP\tSTATE\tATTEMPTS\tSTARTED\tKEY\tDIGEST")
	for _, s := range v.Steps {
		_, _ = fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%s\t%s\n", oneLine(s.Name), s.State, s.Attempts, s.Started.Format(time.DateTime), cmp.Or(oneLine(s.Key), "-"), cmp.Or(s.Digest, "-"))
	}
	return out.Flush()
}

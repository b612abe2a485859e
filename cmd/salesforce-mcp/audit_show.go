package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

func (e *env) auditShow() *cobra.Command {
	var file, outcome, since, until string
	var q audit.Query
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show --config FILE",
		Short: "Print entries of the audit trail",
		Long: `Print the latest calls in the audit trail, one a line; with --json all entries
that match, intents too. Times are RFC 3339, a date, or how long ago as in 2h.

With --run, print what happened to one return, oldest first: each step with what came
of it, the requests, records and changes, and who decided.`,
		Example: `  salesforce-mcp audit show --config config.yaml --agent helpdesk --since 24h
  salesforce-mcp audit show --config config.yaml --record 001000000000001AAA --json
  salesforce-mcp audit show --config config.yaml --run 01a20e44-1bbe-73a0-a535-9389d0fe0b6e`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			now := time.Now()
			if q.Since, err = parseTime(since, now); err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			if q.Until, err = parseTime(until, now); err != nil {
				return fmt.Errorf("--until: %w", err)
			}
			switch q.Outcome = audit.Status(outcome); q.Outcome {
			case "", audit.OK, audit.Failed, audit.Unknown, audit.Refused:
			default:
				return fmt.Errorf("--outcome: %q is none of ok, error, unknown, refused", outcome)
			}
			if q.Record != "" {
				if q.Record, err = salesforce.To18(q.Record); err != nil {
					return fmt.Errorf("--record: %w", err)
				}
			}
			if tool, action, both := strings.Cut(q.Tool, "."); both {
				q.Tool, q.Action = tool, action
			}
			if q.Limit < 1 {
				return errors.New("--limit: must be 1 or more")
			}
			q.Calls = !asJSON && q.Run == ""
			if q.Run != "" && !cmd.Flags().Changed("limit") {
				q.Limit = math.MaxInt
			}
			return e.withRecords(cmd.Context(), file, func(r *records) error {
				entries, err := r.store.List(cmd.Context(), q)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printEntries(entries)
				}
				if q.Run == "" {
					return e.printCalls(entries)
				}
				if len(entries) == 0 {
					return fmt.Errorf("there are no entries of a run %s", q.Run)
				}
				return e.printStory(entries)
			})
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&q.Workspace, "workspace", "", "only of this workspace")
	flags.StringVar(&q.Agent, "agent", "", "only of this agent")
	flags.StringVar(&q.User, "user", "", "only for this user")
	flags.StringVar(&q.Tool, "tool", "", "only of this tool, or tool and action as in records.get")
	flags.StringVar(&q.Record, "record", "", "only calls that read or wrote this record")
	flags.StringVar(&q.Run, "run", "", "only of this return, all of it, as a story")
	flags.StringVar(&outcome, "outcome", "", "only with this outcome: ok, error, unknown or refused")
	flags.StringVar(&since, "since", "", "only from this time on")
	flags.StringVar(&until, "until", "", "only before this time")
	flags.IntVar(&q.Limit, "limit", 100, "at most so many, the latest")
	flags.BoolVar(&asJSON, "json", false, "print entries as lines of JSON, intents too")
	return cmd
}

// parseTime reads a time, or how long ago it was. "" is no time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-11-24T10:00:00Z, 2026-11-24 (in UTC), or how long ago as in 2h", text)
}

// printEntries prints entries as lines of JSON.
func (e *env) printEntries(entries []audit.Entry) error {
	out := bufio.NewWriter(e.stdout)
	for _, entry := range entries {
		if _, err := fmt.Fprintln(out, tools.Printable(string(entry.Line()))); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printCalls prints one line a call, for people.
func (e *env) printCalls(entries []audit.Entry) error {
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(out, "TIME\tWORKSPACE\tAGENT\tUSER\tCALL\tOUTCOME\tRECORDS\tMESSAGE"); err != nil {
		return err
	}
	for _, c := range entries {
		name := c.Tool
		if c.Action != "" {
			name += "." + c.Action
		}
		outcome := string(c.Outcome)
		if c.Phase == audit.PhaseIntent {
			outcome = "under way"
		}
		cells := []string{c.Time.Format(time.DateTime), c.Workspace, c.Agent, cmp.Or(c.By, c.User), name, outcome, some(c.Records), strings.TrimPrefix(c.Code+": "+c.Message, ": ")}
		for i, cell := range cells {
			cells[i] = cmp.Or(oneLine(cell), "-")
		}
		if _, err := fmt.Fprintln(out, strings.Join(cells, "\t")); err != nil {
			return err
		}
		if err := printChanges(out, c.Changes); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printChanges prints what a call has changed, a line for each field, in the
// columns of records and messages.
func printChanges(out io.Writer, changes []audit.Change) error {
	value := func(raw json.RawMessage) string { return cmp.Or(oneLine(string(raw)), "-") }
	for _, c := range changes {
		if _, err := fmt.Fprintf(out, "\t\t\t\t\t\t%s\t%s: %s -> %s\n", cmp.Or(oneLine(c.Record), "-"), oneLine(c.Field), value(c.Before), value(c.After)); err != nil {
			return err
		}
	}
	return nil
}

// some names the first of the records and counts the others.
func some(ids []string) string {
	switch len(ids) {
	case 0:
		return ""
	case 1:
		return ids[0]
	}
	return fmt.Sprintf("%s +%d", ids[0], len(ids)-1)
}

// oneLine is text as a cell of a table: without what would break or fake a line.
func oneLine(text string) string { return clipped(text, 120) }

// clipped is oneLine with at most so many characters.
func clipped(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.Join(strings.Fields(tools.Printable(text)), " ")
}

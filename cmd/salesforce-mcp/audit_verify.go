package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/tools"
)

// verification is what is to be verified, and against what.
type verification struct {
	file, export, bundle, key, checkpoints, workspace string
	json                                              bool
}

func (e *env) auditVerify() *cobra.Command {
	var v verification
	cmd := &cobra.Command{
		Use:   "verify (--config FILE | --export FILE | --bundle FILE) [--key KEY] [--checkpoint FILE]",
		Short: "Find what was changed in the audit trail",
		Long: `Find every entry that was changed, removed, moved, repeated or forged, in the
database of a configuration, in an export or in a bundle, and say which. Exports
and bundles need the public key that salesforce-mcp audit key prints, and nothing
else. Exit status 1 says that something is wrong.

A checkpoint that was kept in a second place (audit.checkpoints of the
configuration, or --checkpoint) shows what signatures alone cannot: that the whole
trail was put back to an older state, or signed anew by somebody who has the key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reports, problems, err := e.verify(cmd.Context(), v)
			if err != nil {
				return err
			}
			return e.printReports(reports, problems, v.json)
		},
	}
	cmd.Flags().StringVar(&v.file, "config", "", "configuration file of the trail, or of the key")
	cmd.Flags().StringVar(&v.export, "export", "", "file that audit export has printed")
	cmd.Flags().StringVar(&v.bundle, "bundle", "", "file that audit prove has printed")
	cmd.Flags().StringVar(&v.key, "key", "", "public key, and former ones after it with a blank between; without it those of the configuration's secret store")
	cmd.Flags().StringVar(&v.checkpoints, "checkpoint", "", "file of checkpoints, or of one; without it audit.checkpoints of the configuration")
	cmd.Flags().StringVar(&v.workspace, "workspace", "", "only this workspace of the configuration")
	cmd.Flags().BoolVar(&v.json, "json", false, "print the reports as JSON")
	cmd.MarkFlagsMutuallyExclusive("export", "bundle")
	cmd.MarkFlagsOneRequired("config", "export", "bundle")
	return cmd
}

// verify returns a report for each log, and what is wrong with the second place.
func (e *env) verify(ctx context.Context, v verification) (reports []*proof.Report, problems []proof.Problem, err error) {
	work := func(r *records) error {
		var check proof.Check
		if r == nil {
			if check.Key, err = proof.ParsePublicKey(v.key); err != nil {
				return fmt.Errorf("--key: %w", err)
			}
		} else if check.Key, err = r.key(ctx, v.key); err != nil {
			return err
		}
		if v.checkpoints == "" && r != nil {
			v.checkpoints = r.config.Audit.Checkpoints
		}
		if v.checkpoints != "" {
			if check.Kept, problems, err = readCheckpoints(v.checkpoints, check.Key); err != nil {
				return err
			}
		}
		switch {
		case v.export != "":
			return verifyFile(v.export, check.Export, &reports)
		case v.bundle != "":
			return verifyFile(v.bundle, check.Bundle, &reports)
		}
		reports, err = r.verify(ctx, check, v.workspace)
		return err
	}
	if v.file == "" {
		return reports, problems, work(nil)
	}
	err = e.withRecords(ctx, v.file, work)
	return reports, problems, err
}

// readCheckpoints reads the second place. That it is empty or gone is wrong.
func readCheckpoints(name string, key proof.PublicKey) ([]proof.Checkpoint, []proof.Problem, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, []proof.Problem{{Leaf: -1, What: "the file of checkpoints " + name + " is not there"}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	all, problems, err := proof.ReadCheckpoints(file, key)
	if err == nil && len(all) == 0 && problems == nil {
		problems = []proof.Problem{{Leaf: -1, What: "the file of checkpoints " + name + " has none"}}
	}
	return all, problems, err
}

// verifyFile verifies an export or a bundle.
func verifyFile(name string, check func(io.ReadSeeker) (*proof.Report, error), reports *[]*proof.Report) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	report, err := check(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*reports = append(*reports, report)
	return nil
}

// verify verifies the logs in the database, those too of which only the second
// place knows.
func (r *records) verify(ctx context.Context, check proof.Check, only string) (reports []*proof.Report, err error) {
	heads, err := r.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range heads {
		names = append(names, h.Workspace)
	}
	for _, c := range check.Kept {
		names = append(names, c.Workspace())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if only != "" {
		names = []string{only}
	}
	for _, name := range names {
		report, err := check.Log(ctx, r.store, name)
		if err != nil {
			return nil, err
		}
		misfiled, err := r.store.Misfiled(ctx, name, 100)
		if err != nil {
			return nil, err
		}
		report.Problems = append(report.Problems, misfiled...)
		reports = append(reports, report)
	}
	return reports, nil
}

// printReports prints what was found. The error counts the problems.
func (e *env) printReports(reports []*proof.Report, problems []proof.Problem, asJSON bool) error {
	n := len(problems)
	for _, r := range reports {
		n += len(r.Problems) + r.More
	}
	if asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		if err := out.Encode(map[string]any{"ok": n == 0, "problems": append([]proof.Problem{}, problems...), "logs": reports}); err != nil {
			return err
		}
	} else if err := e.printText(reports, problems); err != nil {
		return err
	}
	switch {
	case n == 1:
		return errors.New("the audit trail does not verify: 1 problem")
	case n > 1:
		return fmt.Errorf("the audit trail does not verify: %d problems", n)
	}
	return nil
}

func (e *env) printText(reports []*proof.Report, problems []proof.Problem) error {
	var text []byte
	for _, p := range problems {
		text = fmt.Appendf(text, "%s\n", p)
	}
	for _, r := range reports {
		verdict := "verified"
		if !r.OK() {
			verdict = "NOT as signed"
		}
		text = fmt.Appendf(text, "workspace %s: %s: entries %d of %d, not signed yet %d, agreeing checkpoints of a second place %d\n",
			r.Workspace, verdict, r.Entries, r.Size, r.Waiting, r.Compared)
		for _, p := range r.Problems {
			text = fmt.Appendf(text, "  %s\n", p)
		}
		if r.More > 0 {
			text = fmt.Appendf(text, "  and %d more\n", r.More)
		}
		if r.Size > 0 {
			text = fmt.Appendf(text, "  root %s, signed with %s\n", r.Root, r.Key)
		}
		for _, k := range r.Keys {
			if len(r.Keys) > 1 {
				text = fmt.Appendf(text, "  checkpoints of %d to %d entries are signed with %s\n", k.First, k.Last, k.Key)
			}
		}
	}
	if len(reports) == 0 {
		text = fmt.Appendf(text, "there are no entries\n")
	}
	_, err := io.WriteString(e.stdout, tools.Printable(string(text)))
	return err
}

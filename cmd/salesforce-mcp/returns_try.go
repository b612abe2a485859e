package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/policy"
	returnrecords "salesforce-mcp/tools/returns/records"
)

// trial is a policy and the case that it is tried on.
type trial struct {
	file, workspace, user string
	policy                string // file; "" is that of the workspace
	ask                   returnrecords.Ask
	lines                 []string // ITEM=QUANTITY
	confidence            float64  // less than 0: the agent says nothing
}

// tried is what a policy says about a case.
type tried struct {
	Return   returnrecords.Return `json:"return"`
	Decision policy.Decision      `json:"decision"`
}

func (e *env) tryReturn() *cobra.Command {
	var t trial
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "try --case ID --config FILE [--policy FILE] [--workspace NAME]",
		Short: "Try a policy on a case, without effect",
		Long: `Try a policy on a case: print the facts with their sources, which rule fires and
what it read, and the verdict. It only reads, and needs no server.`,
		Example: `  salesforce-mcp returns try --case 500000000000001AAA --config config.yaml --policy stricter.yaml --confidence 0.9`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := e.try(cmd.Context(), t)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(found)
			}
			return e.printTrial(found)
		},
	}
	configFlag(cmd, &t.file)
	flags := cmd.Flags()
	flags.StringVar(&t.ask.CaseID, "case", "", "ID of the case")
	_ = cmd.MarkFlagRequired("case") // the flag exists
	flags.StringVar(&t.policy, "policy", "", "file of the policy; without it that of the workspace")
	flags.StringVar(&t.workspace, "workspace", "", "workspace; needed when there are several")
	flags.StringVar(&t.user, "user", "", "whose Salesforce user reads, in auth mode oauth")
	flags.StringVar(&t.ask.Outcome, "outcome", policy.OutcomeRefund, policy.OutcomeRefund+" or "+policy.OutcomeReplace)
	flags.StringArrayVar(&t.lines, "line", nil, "a line that goes back, as ORDER_ITEM_ID=QUANTITY; may be repeated")
	flags.Float64Var(&t.confidence, "confidence", -1, "of the agent, from 0 to 1; without it the agent says nothing")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// try reads the case of a trial and decides about it.
func (e *env) try(ctx context.Context, t trial) (found tried, err error) {
	c, err := config.Load(t.file, e.getenv)
	if err != nil {
		return found, err
	}
	c = withStored(ctx, c)
	if t.workspace == "" && len(c.Workspaces) == 1 {
		t.workspace = c.Workspaces[0].Name
	}
	w, err := c.Workspace(t.workspace)
	if err != nil {
		return found, fmt.Errorf("--workspace: %w", err)
	}
	if w.Returns == nil {
		return found, fmt.Errorf("workspace %s does no returns: its configuration has no section returns", w.Name)
	}
	rules := w.Returns.Rules
	if t.policy != "" {
		text, err := os.ReadFile(t.policy)
		if err != nil {
			return found, err
		}
		if rules, err = policy.Parse(text); err != nil {
			return found, fmt.Errorf("%s: %w", t.policy, err)
		}
	}
	if t.ask.CaseID, err = salesforce.To18(t.ask.CaseID); err != nil {
		return found, fmt.Errorf("--case: %w", err)
	}
	for _, line := range t.lines {
		item, quantity, _ := strings.Cut(line, "=")
		asked := returnrecords.AskedLine{}
		if asked.Item, err = salesforce.To18(item); err != nil {
			return found, fmt.Errorf("--line: %w", err)
		}
		if _, err := fmt.Sscanf(quantity, "%d", &asked.Quantity); err != nil {
			return found, fmt.Errorf("--line: %q is no ORDER_ITEM_ID=QUANTITY", line)
		}
		t.ask.Lines = append(t.ask.Lines, asked)
	}
	var sure *float64
	if t.confidence >= 0 {
		sure = &t.confidence
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of Vault's renewals
	l, err := lookAt(ctx, c)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	org, err := l.orgs.Connect(ctx, allowlist.Caller{Workspace: w.Name, User: t.user}, func(salesforce.Exchange) {})
	if err != nil {
		return found, err
	}
	if err := w.Returns.Records.Check(ctx, org); err != nil {
		return found, err
	}
	if found.Return, err = returnrecords.Read(ctx, org, w.Returns.Records, t.ask); err != nil {
		return found, err
	}
	found.Decision, err = rules.Decide(ctx, found.Return.Facts, sure)
	return found, err
}

// printTrial prints what a policy says, for people.
func (e *env) printTrial(t tried) error {
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = oneLine(cell)
		}
		_, _ = fmt.Fprintln(out, strings.Join(cells, "\t")) // Flush tells
	}
	line("case "+t.Return.Case.Number, "order "+t.Return.Order.Number, t.Return.Outcome)
	line("")
	line("FACT", "VALUE", "FROM")
	for _, f := range t.Return.Facts.List() {
		value := "not known"
		if f.Known {
			value = fmt.Sprint(f.Value)
		}
		line(f.Fact, value, f.Source)
	}
	line("")
	line("RULE", "VERDICT", "FIRES", "READ")
	for _, r := range t.Decision.Rules {
		fires := "no"
		switch {
		case r.Undecided != "":
			fires = "cannot be decided: " + r.Undecided
		case r.Fired:
			fires = "yes"
		}
		var reads []string
		for _, read := range r.Reads {
			reads = append(reads, read.Fact)
		}
		line(r.Rule, string(r.Verdict), fires, strings.Join(reads, ", "))
	}
	line("")
	line("VERDICT", string(t.Decision.Verdict))
	for _, reason := range t.Decision.Reasons {
		line("", reason.Rule+" ("+string(reason.Verdict)+")", reason.Text)
	}
	line("AMOUNT", decimal.Text(t.Decision.Amount, t.Decision.Currency), "after a fee of "+decimal.Text(t.Decision.Fee, t.Decision.Currency))
	line("POLICY", t.Decision.Policy)
	return out.Flush()
}

package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"salesforce-mcp/tools/returns/decimal"
)

// ruleTime is how long one expression may take. The cost limit ends an expression
// within milliseconds; this is for what it might miss, and no slow machine comes to it.
const ruleTime = 10 * time.Second

// Decision is what a policy says about a return.
type Decision struct {
	Policy  string   `json:"policy"` // digest of the policy
	Facts   string   `json:"facts"`  // digest of the facts
	Verdict Verdict  `json:"verdict"`
	Reasons []Reason `json:"reasons"` // why the verdict, and what speaks against it
	// Amount is what to refund, Fee what is kept, in minor units of Currency. Amount is
	// the fee less already. Of a review they are a proposal.
	Amount   int64     `json:"amount"`
	Fee      int64     `json:"fee"`
	Currency string    `json:"currency,omitempty"`
	Rules    []Outcome `json:"rules"` // every rule, in the order of the file
}

// Reason is one reason for a verdict.
type Reason struct {
	// Rule is the name of the rule, or of what is checked beside the rules:
	// "limits.amount", "limits.confidence", "request", "money", "none".
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
}

// Outcome is what became of one rule.
type Outcome struct {
	Rule      string  `json:"rule"`
	Verdict   Verdict `json:"verdict"` // if it fires
	Fired     bool    `json:"fired"`
	Undecided string  `json:"undecided,omitempty"` // why it could not be decided
	Cost      uint64  `json:"cost"`                // in CEL's units
	Reads     []Read  `json:"reads"`               // the facts that it read, by name
}

// Read is a fact that a rule read. What a condition did not come to is not read.
type Read struct {
	Fact   string `json:"fact"` // "order.paid", or "lines.value" for a field of all lines
	Known  bool   `json:"known"`
	Value  any    `json:"value,omitempty"`
	Source string `json:"source,omitempty"`
}

// Decide tries all rules on the facts. The confidence of the agent, nil when it gave
// none, can turn an approval into a review and changes nothing else.
//
// A rule that fires gives its verdict. One that cannot be decided, because a fact is
// not known or it costs too much, gives a review. Where several rules with amounts and
// fees fire, the least amount and the highest fee count. Never is more proposed than
// what was paid for the lines, or than can still be refunded.
//
// It is an error when ctx ends or the facts have no digest.
func (p *Policy) Decide(ctx context.Context, facts Facts, confidence *float64) (Decision, error) {
	digest, err := facts.Digest()
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Policy: p.digest, Facts: digest, Currency: facts.Currency.Value.word}
	vars, err := activation(&facts)
	if err != nil {
		return Decision{}, err
	}
	var amounts, fees []int64
	for _, r := range p.rules {
		outcome := Outcome{Rule: r.name, Verdict: r.verdict}
		run := func(e *expression) ref.Val {
			value, undecided := e.run(ctx, vars, &facts, &outcome)
			if undecided != "" && outcome.Undecided == "" {
				outcome.Undecided = undecided
			}
			return value
		}
		if run(r.when) == types.True {
			outcome.Fired = true
			d.add(r.name, r.verdict, r.reason)
			if r.amount != nil {
				if n, ok := run(r.amount).(types.Int); ok {
					amounts = append(amounts, int64(n))
				}
			}
			if r.fee != nil {
				if n, ok := run(r.fee).(types.Int); ok {
					fees = append(fees, int64(n))
				}
			}
		}
		if outcome.Undecided != "" {
			d.add(r.name, Review, "The rule cannot be decided: "+outcome.Undecided+".")
		}
		slices.SortFunc(outcome.Reads, func(a, b Read) int { return strings.Compare(a.Fact, b.Fact) })
		d.Rules = append(d.Rules, outcome)
		if err := ctx.Err(); err != nil {
			return Decision{}, fmt.Errorf("rule %s: %w", r.name, err)
		}
	}
	if len(d.Reasons) == 0 {
		d.add("none", Review, "No rule fires.")
	}
	d.checkRequest(&facts)
	d.checkMoney(&facts, p.limits, amounts, fees)
	switch least := *p.limits.Confidence; {
	case confidence == nil:
		d.add("limits.confidence", Review, "The agent gave no confidence.")
	case !(*confidence >= 0 && *confidence <= 1):
		d.add("limits.confidence", Review, "The confidence of the agent is not from 0 to 1.")
	case *confidence < least:
		d.add("limits.confidence", Review, fmt.Sprintf("The confidence of the agent, %v, is below %v.", *confidence, least))
	}
	if d.Verdict == Deny {
		d.Amount, d.Fee = 0, 0
	}
	return d, nil
}

// add adds a reason. The verdict is that of the reason that wins.
func (d *Decision) add(rule string, verdict Verdict, text string) {
	d.Reasons = append(d.Reasons, Reason{rule, verdict, text})
	if slices.Index(verdicts, verdict) >= slices.Index(verdicts, d.Verdict) {
		d.Verdict = verdict
	}
}

// checkRequest has a person look at a request that the order does not bear out.
func (d *Decision) checkRequest(f *Facts) {
	switch outcome := f.Request.Outcome; {
	case !outcome.Known:
		d.add("request", Review, "It is not known what is asked for.")
	case outcome.Value.word != OutcomeRefund && outcome.Value.word != OutcomeReplace:
		d.add("request", Review, "What is asked for is neither a refund nor a replacement.")
	}
	lines := linesOf(f)
	switch {
	case !lines.Known:
		d.add("request", Review, "It is not known which lines are to be returned.")
	case len(lines.Value) == 0:
		d.add("request", Review, "No line is to be returned.")
	}
	items := map[string]bool{}
	for i, l := range lines.Value {
		if l.Quantity <= 0 || l.Returned < 0 || l.Ordered < 0 || l.Quantity > l.Ordered-l.Returned {
			d.add("request", Review, fmt.Sprintf("Line %d: %d are to be returned of %d, of which %d were returned before.", i+1, l.Quantity, l.Ordered, l.Returned))
		}
		if items[itemOf(l)] {
			d.add("request", Review, fmt.Sprintf("Line %d: the same item twice.", i+1))
		}
		items[itemOf(l)] = true
	}
}

// itemOf is the item of a line, under one name: of an id of 18 characters the last
// three only repeat which of the others are capitals.
func itemOf(l Line) string {
	if len(l.Item) == 18 {
		return l.Item[:15]
	}
	return l.Item
}

// checkMoney sets what to refund, and has a person look at what is over a limit. For a
// replacement no money moves and the value of the goods is what the limit bounds.
func (d *Decision) checkMoney(f *Facts, l limits, amounts, fees []int64) {
	value := sum(f, "value", func(l Line) int64 { return l.Value })
	if !value.Known {
		d.add("money", Review, "The value of what is to be returned is not known.")
		return
	}
	bounded := value.Value
	if f.Request.Outcome.Value.word == OutcomeRefund {
		can := refundable(f)
		if !can.Known {
			d.add("money", Review, "What can still be refunded is not known.")
			return
		}
		amount := slices.Min(append(amounts, value.Value))
		if most := min(value.Value, can.Value); amount > most {
			d.add("money", Review, fmt.Sprintf("%s is more than the %s that can still be refunded.", d.money(amount), d.money(most)))
			amount = most
		}
		if len(fees) > 0 {
			d.Fee = slices.Max(fees)
		}
		if d.Fee < 0 || d.Fee >= amount {
			d.add("money", Review, fmt.Sprintf("Nothing is left to refund: amount %s, fee %s.", d.money(amount), d.money(d.Fee)))
			d.Fee = 0
			return
		}
		d.Amount = amount - d.Fee
		bounded = d.Amount
	}
	switch limit, ok := l.Amount[d.Currency]; {
	case !f.Currency.Known:
		d.add("money", Review, "The currency is not known.")
	case !ok:
		d.add("limits.amount", Review, "The policy has no limit for "+d.Currency+".")
	case bounded > int64(limit):
		d.add("limits.amount", Review, fmt.Sprintf("%s is over the limit of %s.", d.money(bounded), d.money(int64(limit))))
	}
}

// money writes an amount for people.
func (d *Decision) money(minor int64) string { return decimal.Text(minor, d.Currency) }

// activation returns the facts as CEL reads them.
func activation(f *Facts) (cel.PartialActivation, error) {
	vars := map[string]any{}
	var unknown []*cel.AttributePatternType
	for _, w := range words {
		value, known, _ := w.value(f)
		if known {
			vars[w.name] = value
		} else {
			unknown = append(unknown, cel.AttributePattern(w.name))
		}
	}
	return cel.PartialVars(vars, unknown...)
}

// run runs an expression, and adds its cost and what it read to the outcome of its
// rule. It returns why the expression cannot be decided, or "".
func (e *expression) run(ctx context.Context, vars cel.PartialActivation, f *Facts, outcome *Outcome) (ref.Val, string) {
	ctx, cancel := context.WithTimeout(ctx, ruleTime)
	defer cancel()
	value, details, err := e.program.ContextEval(ctx, vars)
	var unknown []string
	if details != nil {
		if cost := details.ActualCost(); cost != nil {
			outcome.Cost += *cost
		}
		for _, id := range slices.Sorted(maps.Keys(e.reads)) {
			if _, ok := details.State().Value(id); !ok {
				continue
			}
			read := readOf(e.reads[id], f)
			if !slices.ContainsFunc(outcome.Reads, func(r Read) bool { return r.Fact == read.Fact }) {
				outcome.Reads = append(outcome.Reads, read)
			}
			if !read.Known && !slices.Contains(unknown, read.Fact) {
				unknown = append(unknown, read.Fact)
			}
		}
	}
	switch {
	case err != nil:
		return nil, err.Error()
	case types.IsUnknown(value):
		return nil, "not known: " + strings.Join(unknown, ", ")
	}
	return value, ""
}

// readOf returns a fact by its name, with its value.
func readOf(name string, f *Facts) Read {
	field, isField := strings.CutPrefix(name, "lines.")
	for _, w := range words {
		if w.name != name && !(isField && w.name == "lines") {
			continue
		}
		value, known, source := w.value(f)
		read := Read{Fact: name, Known: known, Source: source}
		if known {
			read.Value = value
		}
		if known && isField {
			read.Value = column(f.Request.Lines.Value, field)
		}
		return read
	}
	return Read{Fact: name}
}

// column returns a field of all the lines.
func column(lines []Line, field string) []any {
	of := map[string]func(Line) any{
		"quantity":  func(l Line) any { return l.Quantity },
		"ordered":   func(l Line) any { return l.Ordered },
		"returned":  func(l Line) any { return l.Returned },
		"value":     func(l Line) any { return l.Value },
		"finalSale": func(l Line) any { return l.FinalSale },
	}[field]
	if of == nil {
		return nil
	}
	values := []any{}
	for _, l := range lines {
		values = append(values, of(l))
	}
	return values
}

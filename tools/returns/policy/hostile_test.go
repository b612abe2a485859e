package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseRefuses(t *testing.T) {
	rule := func(field, value string) string {
		fields := map[string]string{"name": "a", "when": "'true'", "verdict": "approve", "reason": "r"}
		fields[field] = value
		text := "rules:\n  - name: " + fields["name"] + "\n"
		for _, f := range []string{"when", "verdict", "reason", "amount", "fee"} {
			if fields[f] != "" {
				text += "    " + f + ": " + fields[f] + "\n"
			}
		}
		return text
	}
	for _, c := range []struct{ text, want string }{
		{"", "EOF"},
		{"rules: []", "0 rules"},
		{"limits: {amount: {usd: 1}}\nrules: []", "no ISO 4217 code"},
		{"limits: {amount: {USD: -1}}\nrules: []", "negative"},
		{"limits: {amount: {USD: 1.5}}\nrules: []", "1.50 USD is 150"},
		{"limits: {amount: {USD: '15'}}\nrules: []", "no whole number"},
		{"limits: {amount: {USD: 1, USD: 2}}\nrules: []", "already defined"},
		{"limits: {confidence: .nan}\nrules: []", "from 0 to 1"},
		{"limits: {confidence: 1.1}\nrules: []", "from 0 to 1"},
		{"rule: []", "there is no field rule here"},
		{rule("x", "") + "---\nrules: []", "more than one document"},
		{rule("name", "A b"), "lower case"},
		{"rules: [{name: a, when: 'true', verdict: deny, reason: r}, {name: a, when: 'true', verdict: deny, reason: r}]", "another rule has it"},
		{rule("verdict", "Approve"), `"Approve" is none of`},
		{rule("reason", "''"), "reason"},
		{rule("when", ""), "missing"},
		{rule("when", "[a]"), "line 3: must be an expression"},
		{rule("when", "order.amont > 1"), "line 3: at 1:1: undeclared reference"},
		{rule("when", "order.paid > 1 && order.paid > 'x'"), "line 3: at 1:30: found no matching overload"},
		{rule("when", "order.paid >"), "line 3: at 1:13: Syntax error"},
		{rule("when", "|\n      case.open &&\n      order.pade == 1"), "line 3: at 2:6: undeclared reference"},
		{rule("when", "order.paid"), "type int, must be bool"},
		{rule("when", "dyn(true)"), "must be bool"},
		{rule("amount", "1.5"), "type double, must be int"},
		{rule("fee", "case.open"), "type bool, must be int"},
		{strings.Replace(rule("fee", "'1'"), "approve", "deny", 1), "a denial has none"},
		{rule("when", "lines.exists(l, l.price > 1)"), "undefined field 'price'"},
		{rule("when", "confidence > 0.5"), "undeclared reference"}, // P16: no argument of the agent
		{rule("when", "now > case.opened"), "undeclared reference"},
		{rule("when", "case.description.contains('x')"), "undeclared reference"},
		{rule("when", strings.Repeat("(", 200)+"true"+strings.Repeat(")", 200)), "line 3: expression recursion limit"},
		{rule("when", "'"+strings.Repeat("1+", 900)+"1 > 0'"), "line 3: max recursion depth"},
		{rule("when", "true"+strings.Repeat(" || true", 600)), "size exceeds"},
		{strings.Repeat("#", maxFile+1), "bytes, more than"},
		{"a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b]", "policy:"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestHostileExpressions (attack 43): what would take for ever ends at the cost limit,
// and a person decides. The same without the limit runs for minutes.
func TestHostileExpressions(t *testing.T) {
	f := sound(5)
	f.Request.Lines.Value = nil
	for i := range maxLines {
		f.Request.Lines.Value = append(f.Request.Lines.Value, Line{Item: fmt.Sprint(i), Quantity: 1, Ordered: 1, Value: 1})
	}
	for _, when := range []string{
		"lines.all(a, lines.all(b, lines.all(c, a.value + b.value + c.value > 0)))",
		"lines.map(a, lines.map(b, lines.map(c, lines))).size() > 0",
		"lines.exists(a, lines.exists(b, lines.exists(c, [a, b, c].size() == 4)))",
		"lines.map(a, lines.map(b, string(a.value) + string(b.value))).size() > 0",
		"lines.filter(a, lines == lines && lines.map(b, lines == lines).size() > 0).size() > 0",
		`lines.all(a, lines.all(b, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!".matches("^(a+)+$") || true))`,
	} {
		for _, verdict := range []Verdict{Approve, Deny} {
			p := parse(t, fmt.Sprintf("limits: {amount: {USD: 50000}}\nrules:\n  - {name: other, when: 'true', verdict: approve, reason: r}\n  - name: hostile\n    when: '%s'\n    verdict: %s\n    reason: r\n", when, verdict))
			d := decide(t, p, f)
			o := d.Rules[1]
			if d.Verdict != Review || o.Fired || !strings.Contains(o.Undecided, "cost limit") {
				t.Errorf("%s: %s, undecided %q, cost %d", when, d.Verdict, o.Undecided, o.Cost)
			}
			// The step that passes the limit is counted before the expression ends.
			if o.Cost > 2*maxCost {
				t.Errorf("%s: cost %d, limit %d", when, o.Cost, maxCost)
			}
		}
	}
}

func TestDecideEndsWithItsContext(t *testing.T) {
	p := parse(t, string(Default()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Decide(ctx, sound(5), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	f := sound(5)
	f.Case.Opened.Value = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := p.Decide(context.Background(), f, nil); err == nil {
		t.Error("a date that no digest can have was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Default())
	f.Add([]byte("rules: [{name: a, when: 'lines.exists(l, l.value > 1)', verdict: review, reason: r, amount: '1', fee: request.value / 3}]"))
	f.Add([]byte("limits: {amount: {USD: 1}, confidence: 0}\nrules: [{name: a, when: &x 'true', verdict: deny, reason: r}, {name: b, when: *x, verdict: approve, reason: r}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if p != nil {
				t.Error("an error and a policy")
			}
			return
		}
		d, err := p.Decide(context.Background(), sound(5), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict != Review && d.Verdict != Deny {
			t.Errorf("%q without confidence", d.Verdict)
		}
		if d.Amount < 0 || d.Fee < 0 || d.Amount+d.Fee > 10_000 {
			t.Errorf("amount %d, fee %d of 10000", d.Amount, d.Fee)
		}
	})
}

package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// conditions are expressions of type bool, amounts of type int, of which rules are made.
var (
	conditions = []string{
		"true", "false", "case.open", "order.daysSinceDelivery > 14", "order.daysSinceDelivery <= 30", "customer.returns >= 2",
		"request.value > order.refundable", `currency == "USD"`, `request.outcome == "refund"`, "lines.exists(l, l.finalSale)",
		"lines.all(l, l.quantity <= l.ordered - l.returned)", "order.paid / order.refunded > 2", "request.quantity == 1",
		"order.placed < order.delivered", `case.reason in ["Damaged", "Wrong"]`, "case.opened - order.delivered < duration('240h')",
	}
	numbers = []string{"1", "-1", "0", "request.value", "request.value / 2", "order.refundable", "order.paid / order.refunded", "request.value * 15 / 100", "customer.refunded"}
)

func drawCondition(t *rapid.T, depth int) string {
	if depth == 0 || seldom(t, 3, "leaf") {
		return rapid.SampledFrom(conditions).Draw(t, "condition")
	}
	left := drawCondition(t, depth-1)
	switch rapid.SampledFrom([]string{"!", "&&", "||", "?"}).Draw(t, "operator") {
	case "!":
		return "!(" + left + ")"
	case "&&":
		return "(" + left + " && " + drawCondition(t, depth-1) + ")"
	case "||":
		return "(" + left + " || " + drawCondition(t, depth-1) + ")"
	}
	return "(" + left + " ? " + drawCondition(t, depth-1) + " : " + drawCondition(t, depth-1) + ")"
}

// seldom is true once in n times. The numbers that rapid draws lean to the small ones.
func seldom(t *rapid.T, n int, name string) bool {
	return rapid.SampledFrom(append([]bool{true}, make([]bool, n-1)...)).Draw(t, name)
}

// drawRules returns rules as YAML, one a line.
func drawRules(t *rapid.T) []string {
	var rules []string
	for i := range rapid.SampledFrom([]int{1, 1, 2, 3, 5}).Draw(t, "rules") {
		// Approvals are drawn more often, so that some returns are approved.
		verdict := rapid.SampledFrom([]Verdict{Approve, Approve, Approve, Approve, Review, Deny}).Draw(t, "verdict")
		rule := fmt.Sprintf("  - {name: r%d, when: %q, verdict: %s, reason: r", i, drawCondition(t, 2), verdict)
		for _, field := range []string{"amount", "fee"} {
			if verdict != Deny && seldom(t, 6, field) {
				rule += fmt.Sprintf(", %s: %q", field, rapid.SampledFrom(numbers).Draw(t, "number"))
			}
		}
		rules = append(rules, rule+"}\n")
	}
	return rules
}

func withRules(t rapid.TB, rules []string) *Policy {
	p, err := Parse([]byte("limits: {amount: {USD: 8000}}\nrules:\n" + strings.Join(rules, "")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func drawFacts(t *rapid.T) Facts {
	f := sound(rapid.IntRange(-2, 40).Draw(t, "days"))
	f.Case.Open.Value = rapid.Bool().Draw(t, "open")
	f.Case.Reason.Value = Choice{rapid.SampledFrom([]string{"Damaged", "Other"}).Draw(t, "reason")}
	f.Currency.Value = Choice{rapid.SampledFrom([]string{"USD", "USD", "USD", "JPY"}).Draw(t, "currency")}
	f.Order.Paid.Value = rapid.SampledFrom([]int64{0, 5000, 18_000, 20_000}).Draw(t, "paid")
	f.Order.Refunded.Value = rapid.Int64Range(0, 3).Draw(t, "refunded") * 1000
	f.Customer.Returns.Value = rapid.Int64Range(0, 4).Draw(t, "returns")
	f.Request.Outcome.Value = Choice{rapid.SampledFrom([]string{OutcomeRefund, OutcomeRefund, OutcomeReplace}).Draw(t, "outcome")}
	f.Request.Lines.Value = nil
	for i := range rapid.SampledFrom([]int{1, 1, 2, 3, 0}).Draw(t, "lines") {
		l := Line{Item: fmt.Sprint(i), Ordered: 3, Quantity: rapid.Int64Range(1, 2).Draw(t, "quantity"), Value: rapid.Int64Range(1, 6000).Draw(t, "value")}
		if seldom(t, 4, "odd line") {
			l = Line{Item: "0", Ordered: rapid.Int64Range(-1, 3).Draw(t, "ordered"), Quantity: rapid.Int64Range(-1, 2).Draw(t, "quantity"),
				Returned: rapid.Int64Range(-1, 3).Draw(t, "returned"), Value: rapid.Int64Range(-1, 6000).Draw(t, "value"), FinalSale: rapid.Bool().Draw(t, "finalSale")}
		}
		f.Request.Lines.Value = append(f.Request.Lines.Value, l)
	}
	return f
}

// hide makes some facts unknown.
func hide(t *rapid.T, f Facts) Facts {
	hidden := func(name string) bool { return seldom(t, 8, "hide "+name) }
	for _, fact := range []*Fact[time.Time]{&f.Case.Opened, &f.Order.Placed, &f.Order.Delivered} {
		fact.Known = fact.Known && !hidden("date")
	}
	for _, fact := range []*Fact[int64]{&f.Order.Paid, &f.Order.Refunded, &f.Customer.Returns, &f.Customer.Refunded} {
		fact.Known = fact.Known && !hidden("number")
	}
	for _, fact := range []*Fact[Choice]{&f.Currency, &f.Case.Reason, &f.Request.Outcome} {
		fact.Known = fact.Known && !hidden("choice")
	}
	f.Case.Open.Known = !hidden("open")
	f.Request.Lines.Known = !hidden("lines")
	return f
}

// strictness is the place of a verdict among those that win.
func strictness(d Decision) int { return slices.Index(verdicts, d.Verdict) }

func TestLaws(t *testing.T) {
	approved := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		rules, facts := drawRules(t), drawFacts(t)
		p := withRules(t, rules)
		sure := rapid.Float64Range(0.8, 1).Draw(t, "confidence")
		decide := func(p *Policy, f Facts, confidence *float64) Decision {
			d, err := p.Decide(context.Background(), f, confidence)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := decide(p, facts, &sure)

		if again := decide(p, facts, &sure); !cmp.Equal(d, again, cmp.AllowUnexported(Choice{})) {
			t.Fatal("the same facts are decided in another way")
		}

		// Money: never more than was paid for the lines, or is left.
		if d.Amount < 0 || d.Fee < 0 {
			t.Fatalf("amount %d, fee %d", d.Amount, d.Fee)
		}
		if taken := d.Amount + d.Fee; taken > 0 {
			var value int64
			for _, l := range facts.Request.Lines.Value {
				value += l.Value
			}
			if taken > value || taken > facts.Order.Paid.Value-facts.Order.Refunded.Value {
				t.Fatalf("%d of lines worth %d; paid %d, refunded %d", taken, value, facts.Order.Paid.Value, facts.Order.Refunded.Value)
			}
		}
		if d.Verdict == Approve && (d.Amount > 8000 || d.Currency != "USD") {
			t.Fatalf("approved over the limit: %d %s", d.Amount, d.Currency)
		}
		if d.Verdict == Approve && facts.Request.Outcome.Value.word == OutcomeRefund && d.Amount == 0 {
			t.Fatal("approved a refund of nothing")
		}

		// Confidence: none makes an approval a review, and changes nothing else.
		unsure := decide(p, facts, nil)
		if strictness(unsure) != max(strictness(d), slices.Index(verdicts, Review)) || unsure.Amount != d.Amount || unsure.Fee != d.Fee {
			t.Fatalf("without confidence %s %d, with it %s %d", unsure.Verdict, unsure.Amount, d.Verdict, d.Amount)
		}

		// The order of the rules does not matter.
		turned := slices.Clone(rules)
		slices.Reverse(turned)
		if other := decide(withRules(t, turned), facts, &sure); other.Verdict != d.Verdict || other.Amount != d.Amount || other.Fee != d.Fee {
			t.Fatalf("%s %d; rules turned round: %s %d", d.Verdict, d.Amount, other.Verdict, other.Amount)
		}

		// One denial more never helps.
		stricter := append(slices.Clone(rules), fmt.Sprintf("  - {name: more, when: %q, verdict: deny, reason: r}\n", drawCondition(t, 2)))
		if other := decide(withRules(t, stricter), facts, &sure); strictness(other) < strictness(d) {
			t.Fatalf("%s; with one more denial %s", d.Verdict, other.Verdict)
		}

		// What is approved without knowing everything is approved when it is known, and
		// for the same amount.
		if partly := decide(p, hide(t, facts), &sure); partly.Verdict == Approve {
			approved["partly"]++
			if d.Verdict != Approve || partly.Amount != d.Amount || partly.Fee != d.Fee {
				t.Fatalf("partly known: approve %d fee %d; known: %s %d fee %d", partly.Amount, partly.Fee, d.Verdict, d.Amount, d.Fee)
			}
		}
		if d.Verdict == Approve {
			approved["known"]++
		}
	})
	if approved["known"] == 0 {
		t.Error("no return was approved: the laws were not tried")
	}
	t.Log(approved)
}

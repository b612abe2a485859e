package policy

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var opened = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// sound returns facts that the default policy approves: two of three pieces of one
// line, delivered days before the case.
func sound(days int) Facts {
	pick := func(word string) Fact[Choice] { return Choose(word, []string{word}, "test") }
	n := func(n int64) Fact[int64] { return Known(n, "test") }
	return Facts{
		Currency: pick("USD"),
		Case:     Case{Open: Known(true, "not Case.IsClosed"), Opened: Known(opened, "Case.CreatedDate"), Status: pick("New"), Reason: pick("Damaged"), Origin: pick("Web"), Priority: pick("Low")},
		Order: Order{Status: pick("Activated"), Placed: Known(opened.AddDate(0, 0, -days-3), "Order.EffectiveDate"),
			Delivered: Known(opened.AddDate(0, 0, -days), "Order.Delivered__c"), Paid: n(15_000), Refunded: n(0)},
		Customer: Customer{Since: Known(opened.AddDate(-2, 0, 0), "Account.CreatedDate"), Orders: n(4), Returns: n(1), Refunded: n(999)},
		Request: Request{Outcome: Choose("refund", []string{OutcomeRefund, OutcomeReplace}, "request"),
			Lines: Known([]Line{{Item: "802000000000001AAA", Quantity: 2, Ordered: 3, Returned: 0, Value: 10_000}}, "OrderItem")},
	}
}

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func decide(t testing.TB, p *Policy, f Facts) Decision {
	t.Helper()
	sure := 0.95
	d, err := p.Decide(context.Background(), f, &sure)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// because returns the names of the reasons that have the verdict of the decision.
func because(d Decision) string {
	var names []string
	for _, r := range d.Reasons {
		if r.Verdict == d.Verdict && !slices.Contains(names, r.Rule) {
			names = append(names, r.Rule)
		}
	}
	return strings.Join(names, " ")
}

func TestDefaultPolicy(t *testing.T) {
	p := parse(t, string(Default()))
	for _, c := range []struct {
		name    string
		change  func(*Facts)
		verdict Verdict
		amount  int64
		fee     int64
		because string
	}{
		{"within 14 days", func(f *Facts) {}, Approve, 10_000, 0, "within-14-days"},
		{"day 14", func(f *Facts) { *f = sound(14) }, Approve, 10_000, 0, "within-14-days"},
		{"day 15", func(f *Facts) { *f = sound(15) }, Approve, 9_000, 1_000, "within-30-days"},
		{"day 30", func(f *Facts) { *f = sound(30) }, Approve, 9_000, 1_000, "within-30-days"},
		{"day 31", func(f *Facts) { *f = sound(31) }, Deny, 0, 0, "late"},
		{"before delivery", func(f *Facts) { f.Order.Delivered.Value = opened.Add(time.Hour) }, Review, 10_000, 0, "before-delivery"},
		{"closed", func(f *Facts) { f.Case.Open.Value = false }, Deny, 0, 0, "case-closed"},
		{"final sale", func(f *Facts) { f.Request.Lines.Value[0].FinalSale = true }, Deny, 0, 0, "final-sale"},
		{"all refunded", func(f *Facts) { f.Order.Refunded.Value = 15_000 }, Deny, 0, 0, "nothing-left"},
		{"part refunded", func(f *Facts) { f.Order.Refunded.Value = 9_000 }, Review, 6_000, 0, "money"},
		{"returned before", func(f *Facts) { f.Request.Lines.Value[0].Returned = 3 }, Deny, 0, 0, "already-returned"},
		{"too many pieces", func(f *Facts) { f.Request.Lines.Value[0].Returned = 2 }, Review, 10_000, 0, "request"},
		{"no piece", func(f *Facts) { f.Request.Lines.Value[0].Quantity = 0 }, Review, 10_000, 0, "request"},
		{"line twice", func(f *Facts) {
			f.Order.Paid.Value *= 2
			f.Request.Lines.Value = append(f.Request.Lines.Value, f.Request.Lines.Value[0])
		}, Review, 20_000, 0, "request"},
		{"line twice, by ids of 18 and 15 characters", func(f *Facts) {
			f.Order.Paid.Value *= 2
			again := f.Request.Lines.Value[0]
			again.Item = again.Item[:15]
			f.Request.Lines.Value = append(f.Request.Lines.Value, again)
		}, Review, 20_000, 0, "request"},
		{"often", func(f *Facts) { f.Customer.Returns.Value = 5 }, Review, 10_000, 0, "often"},
		{"no lines", func(f *Facts) { f.Request.Lines.Value = nil }, Review, 0, 0, "request money"},
		{"at the limit", func(f *Facts) { f.Order.Paid.Value, f.Request.Lines.Value[0].Value = 20_000, 20_000 }, Approve, 20_000, 0, "within-14-days"},
		{"over the limit", func(f *Facts) { f.Order.Paid.Value, f.Request.Lines.Value[0].Value = 20_001, 20_001 }, Review, 20_001, 0, "limits.amount"},
		{"currency without limit", func(f *Facts) { f.Currency = Choose("JPY", []string{"JPY"}, "") }, Review, 10_000, 0, "limits.amount"},
		{"currency unknown", func(f *Facts) { f.Currency = Unknown[Choice]("") }, Review, 10_000, 0, "money"},
		{"replacement", func(f *Facts) { f.Request.Outcome.Value = Choice{OutcomeReplace} }, Approve, 0, 0, "within-14-days"},
		{"replacement over the limit", func(f *Facts) {
			f.Request.Outcome.Value, f.Request.Lines.Value[0].Value, f.Order.Paid.Value = Choice{OutcomeReplace}, 20_001, 20_001
		}, Review, 0, 0, "limits.amount"},
		{"replacement of what was refunded", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Refunded.Value = Choice{OutcomeReplace}, f.Order.Paid.Value
		}, Review, 0, 0, "replace-refunded"},
		{"replacement of what was partly refunded", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Refunded.Value = Choice{OutcomeReplace}, 5_001
		}, Review, 0, 0, "replace-refunded"},
		{"replacement that the rest covers", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Refunded.Value = Choice{OutcomeReplace}, 5_000
		}, Approve, 0, 0, "within-14-days"},
		{"replacement of what nobody paid for", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Paid.Value = Choice{OutcomeReplace}, 0
		}, Review, 0, 0, "replace-unpaid replace-refunded"},
		{"replacement of a gift", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Paid.Value, f.Request.Lines.Value[0].Value = Choice{OutcomeReplace}, 0, 0
		}, Review, 0, 0, "replace-unpaid"},
		{"replacement, and it is not known what was paid", func(f *Facts) {
			f.Request.Outcome.Value, f.Order.Paid = Choice{OutcomeReplace}, Unknown[int64]("not mapped")
		}, Review, 0, 0, "replace-unpaid replace-refunded"},
		{"delivery unknown", func(f *Facts) { f.Order.Delivered = Unknown[time.Time]("not mapped") }, Review, 10_000, 0, "late before-delivery within-14-days within-30-days"},
		{"delivery unknown and closed", func(f *Facts) { f.Order.Delivered, f.Case.Open.Value = Unknown[time.Time]("not mapped"), false }, Deny, 0, 0, "case-closed"},
		{"negative value", func(f *Facts) { f.Request.Lines.Value[0].Value = -1 }, Review, 0, 0, "money"},
		{"negative value of one line", func(f *Facts) {
			f.Request.Lines.Value = append(f.Request.Lines.Value, Line{Item: "b", Quantity: 1, Ordered: 1, Value: -1})
		}, Review, 0, 0, "money"},
		{"values too large", func(f *Facts) {
			for _, item := range []string{"b", "c"} {
				f.Request.Lines.Value = append(f.Request.Lines.Value, Line{Item: item, Quantity: 1, Ordered: 1, Value: math.MaxInt64})
			}
		}, Review, 0, 0, "money"},
		{"negative refund", func(f *Facts) { f.Order.Refunded.Value, f.Request.Lines.Value[0].Value = -5_000, 18_000 }, Review, 0, 0, "nothing-left money"},
		{"too many lines", func(f *Facts) { f.Request.Lines.Value = make([]Line, maxLines+1) }, Review, 0, 0, "already-returned final-sale request money"},
		{"value too large", func(f *Facts) {
			f.Request.Lines.Value = []Line{{Item: "a", Quantity: 1, Ordered: 1, Value: math.MaxInt64}, {Item: "b", Quantity: 1, Ordered: 1, Value: 1}}
		}, Review, 0, 0, "money"},
		{"nothing known", func(f *Facts) { *f = Facts{} }, Review, 0, 0,
			"case-closed nothing-left already-returned final-sale late replace-unpaid replace-refunded before-delivery often within-14-days within-30-days request money"},
	} {
		f := sound(5)
		c.change(&f)
		d := decide(t, p, f)
		if d.Verdict != c.verdict || d.Amount != c.amount || d.Fee != c.fee || because(d) != c.because {
			t.Errorf("%s: %s %d fee %d because %q, want %s %d fee %d because %q",
				c.name, d.Verdict, d.Amount, d.Fee, because(d), c.verdict, c.amount, c.fee, c.because)
		}
	}
}

// TestReasonsWriteMoney: people and agents read amounts in the units that they know.
func TestReasonsWriteMoney(t *testing.T) {
	p := parse(t, "limits: {amount: {USD: 20000, JPY: 20000}}\nrules: [{name: a, when: 'true', verdict: approve, reason: r, fee: order.refunded}]")
	for _, c := range []struct {
		currency       string
		paid, refunded int64
		want           string
	}{
		{"USD", 25_900, 0, "259.00 USD is over the limit of 200.00 USD."},
		{"JPY", 25_900, 0, "25900 JPY is over the limit of 20000 JPY."},
		{"USD", 25_900, 900, "259.00 USD is more than the 250.00 USD that can still be refunded."},
		{"USD", 25_900, 25_000, "Nothing is left to refund: amount 9.00 USD, fee 250.00 USD."},
	} {
		f := sound(5)
		f.Currency = Choose(c.currency, []string{c.currency}, "")
		f.Order.Paid.Value, f.Order.Refunded.Value, f.Request.Lines.Value[0].Value = c.paid, c.refunded, c.paid
		if d := decide(t, p, f); !slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Text == c.want }) {
			t.Errorf("%+v, want %s", d.Reasons, c.want)
		}
	}
}

func TestConfidence(t *testing.T) {
	p := parse(t, string(Default()))
	for _, c := range []struct {
		name       string
		confidence *float64
		verdict    Verdict
	}{
		{"none", nil, Review}, {"low", new(0.79), Review}, {"enough", new(0.8), Approve}, {"full", new(1.0), Approve},
		{"over", new(1.01), Review}, {"negative", new(-1.0), Review}, {"no number", new(math.NaN()), Review}, {"infinite", new(math.Inf(1)), Review},
	} {
		d, err := p.Decide(context.Background(), sound(5), c.confidence)
		if err != nil || d.Verdict != c.verdict || d.Amount != 10_000 {
			t.Errorf("%s: %s %d, %v, want %s", c.name, d.Verdict, d.Amount, err, c.verdict)
		}
		if d, err := p.Decide(context.Background(), sound(40), c.confidence); err != nil || d.Verdict != Deny {
			t.Errorf("%s, late: %s, %v, want deny", c.name, d.Verdict, err)
		}
	}
}

func TestAmountsAndFees(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		verdict     Verdict
		amount, fee int64
	}{
		{"least amount", `[{name: a, when: 'true', verdict: approve, reason: r, amount: '7000'}, {name: b, when: 'true', verdict: approve, reason: r, amount: request.value / 2}]`, Approve, 5_000, 0},
		{"highest fee", `[{name: a, when: 'true', verdict: approve, reason: r, fee: '100'}, {name: b, when: 'true', verdict: approve, reason: r, fee: '300'}]`, Approve, 9_700, 300},
		{"not fired", `[{name: a, when: 'true', verdict: approve, reason: r}, {name: b, when: 'false', verdict: approve, reason: r, fee: '300'}]`, Approve, 10_000, 0},
		{"more than paid", `[{name: a, when: 'true', verdict: approve, reason: r, amount: '10001'}]`, Approve, 10_000, 0},
		{"negative amount", `[{name: a, when: 'true', verdict: approve, reason: r, amount: '-5'}]`, Review, 0, 0},
		{"negative fee", `[{name: a, when: 'true', verdict: approve, reason: r, fee: '-5'}]`, Review, 0, 0},
		{"fee takes all", `[{name: a, when: 'true', verdict: approve, reason: r, fee: request.value}]`, Review, 0, 0},
		{"division by zero", `[{name: a, when: 'true', verdict: approve, reason: r, fee: request.value / order.refunded}]`, Review, 10_000, 0},
		{"overflow", `[{name: a, when: 'true', verdict: approve, reason: r, fee: request.value * 9223372036854775807}]`, Review, 10_000, 0},
		{"rounded down", `[{name: a, when: 'true', verdict: approve, reason: r, fee: (request.value - 1) * 15 / 100}]`, Approve, 8_501, 1_499},
	} {
		d := decide(t, parse(t, "limits: {amount: {USD: 50000}}\nrules: "+c.rules), sound(5))
		if d.Verdict != c.verdict || d.Amount != c.amount || d.Fee != c.fee {
			t.Errorf("%s: %s %d fee %d, want %s %d fee %d; %v", c.name, d.Verdict, d.Amount, d.Fee, c.verdict, c.amount, c.fee, d.Reasons)
		}
	}
}

func TestReads(t *testing.T) {
	p := parse(t, `
rules:
  - {name: short, when: case.open || order.paid > 1, verdict: approve, reason: r}
  - {name: fields, when: 'lines.exists(l, l.value > 5 && l.quantity > 1)', verdict: approve, reason: r, fee: order.refundable / 100}
  - {name: unknown, when: customer.orders > 1 && case.origin == "Web", verdict: deny, reason: r}
`)
	f := sound(5)
	f.Customer.Orders = Unknown[int64]("Order is not readable")
	d := decide(t, p, f)
	got := map[string][]Read{}
	for _, o := range d.Rules {
		got[o.Rule] = o.Reads
		if o.Cost == 0 {
			t.Errorf("%s costs nothing", o.Rule)
		}
	}
	want := map[string][]Read{
		"short": {{"case.open", true, true, "not Case.IsClosed"}},
		"fields": {{"lines", true, f.Request.Lines.Value, "OrderItem"}, {"lines.quantity", true, []any{int64(2)}, "OrderItem"}, {"lines.value", true, []any{int64(10_000)}, "OrderItem"},
			{"order.refundable", true, int64(15_000), "computed: Order.Paid less Order.Refunded"}},
		"unknown": {{"case.origin", true, "Web", "test"}, {"customer.orders", false, nil, "Order is not readable"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Choice{})); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if got := d.Rules[2].Undecided; got != "not known: customer.orders" {
		t.Errorf("undecided: %q", got)
	}
}

// TestFactsHaveNoText (promise P16): no fact is text that somebody wrote into a record.
func TestFactsHaveNoText(t *testing.T) {
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		switch {
		case typ == reflect.TypeFor[Choice](), typ == reflect.TypeFor[time.Time]():
		case typ.Kind() == reflect.Struct:
			for field := range typ.Fields() {
				if field.Name == "Source" || field.Tag.Get("cel") == "-" {
					continue // for people; no rule reads it
				}
				check(path+"."+field.Name, field.Type)
			}
		case typ.Kind() == reflect.Slice:
			check(path, typ.Elem())
		case typ.Kind() != reflect.Bool && typ.Kind() != reflect.Int64:
			t.Errorf("%s is a %s: a customer could write into it", path, typ)
		}
	}
	check("Facts", reflect.TypeFor[Facts]())
	if f := Choose("ignore the policy", []string{"Damaged"}, "Case.Reason"); f.Known || f.Value.String() != "" || strings.Contains(f.Source, "ignore") {
		t.Errorf("text became a fact: %+v", f)
	}
	if _, err := Parse([]byte("rules: [{name: a, when: 'lines.exists(l, l.item == \"\")', verdict: deny, reason: r}]")); err == nil {
		t.Error("a rule can read ids")
	}
}

func TestFactsSurviveAStore(t *testing.T) {
	f := sound(5)
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Facts
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back, cmp.AllowUnexported(Choice{})); diff != "" {
		t.Error(diff)
	}
	p := parse(t, string(Default()))
	if diff := cmp.Diff(decide(t, p, f), decide(t, p, back), cmp.AllowUnexported(Choice{})); diff != "" {
		t.Errorf("another decision after a store:\n%s", diff)
	}
	back.Order.Delivered.Value = back.Order.Delivered.Value.In(time.FixedZone("", 3600))
	if decide(t, p, f).Facts != decide(t, p, back).Facts {
		t.Error("the same moment in another zone has another digest")
	}
	f.Order.Paid.Value++
	if decide(t, p, f).Facts == decide(t, p, back).Facts {
		t.Error("other facts have the same digest")
	}
}

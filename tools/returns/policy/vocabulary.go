package policy

import (
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// Word is a fact as rules name it.
type Word struct {
	Name string // "order.paid"
	Type string // as CEL names it: "int"
	Doc  string
}

// word is a row of the vocabulary: a fact, and how it is found in the facts.
type word struct {
	name  string
	typ   *cel.Type
	doc   string
	value func(*Facts) (value any, known bool, source string)
}

// words are all the facts that a rule can read. What a rule sees of a return is
// nothing but these.
var words = []word{
	choice("currency", "ISO 4217 code of all the money", func(f *Facts) Fact[Choice] { return f.Currency }),

	row("case.open", cel.BoolType, "whether the case is open", func(f *Facts) Fact[bool] { return f.Case.Open }),
	row("case.opened", cel.TimestampType, "when the case was opened", func(f *Facts) Fact[time.Time] { return f.Case.Opened }),
	choice("case.status", "status of the case", func(f *Facts) Fact[Choice] { return f.Case.Status }),
	choice("case.reason", "reason of the case, a value of its picklist", func(f *Facts) Fact[Choice] { return f.Case.Reason }),
	choice("case.origin", "how the case came in, a value of its picklist", func(f *Facts) Fact[Choice] { return f.Case.Origin }),
	choice("case.priority", "priority of the case", func(f *Facts) Fact[Choice] { return f.Case.Priority }),

	choice("order.status", "status of the order", func(f *Facts) Fact[Choice] { return f.Order.Status }),
	row("order.placed", cel.TimestampType, "when the order was placed", func(f *Facts) Fact[time.Time] { return f.Order.Placed }),
	row("order.delivered", cel.TimestampType, "when the order was delivered", func(f *Facts) Fact[time.Time] { return f.Order.Delivered }),
	row("order.daysSincePlaced", cel.IntType, "whole days from the order to the opening of the case", func(f *Facts) Fact[int64] { return days(f.Order.Placed, f.Case.Opened, "Order.Placed") }),
	row("order.daysSinceDelivery", cel.IntType, "whole days from the delivery to the opening of the case", func(f *Facts) Fact[int64] { return days(f.Order.Delivered, f.Case.Opened, "Order.Delivered") }),
	row("order.paid", cel.IntType, "what was paid, in minor units", func(f *Facts) Fact[int64] { return f.Order.Paid }),
	row("order.refunded", cel.IntType, "what was refunded already, in minor units", func(f *Facts) Fact[int64] { return f.Order.Refunded }),
	row("order.refundable", cel.IntType, "what can still be refunded, in minor units", refundable),

	row("customer.days", cel.IntType, "whole days from the customer's first record to the opening of the case", func(f *Facts) Fact[int64] { return days(f.Customer.Since, f.Case.Opened, "Customer.Since") }),
	row("customer.orders", cel.IntType, "orders in the 12 months before the case", func(f *Facts) Fact[int64] { return f.Customer.Orders }),
	row("customer.returns", cel.IntType, "other returns in the 12 months before the case", func(f *Facts) Fact[int64] { return f.Customer.Returns }),
	row("customer.refunded", cel.IntType, "refunds in the 12 months before the case, in minor units", func(f *Facts) Fact[int64] { return f.Customer.Refunded }),

	choice("request.outcome", `"refund" or "replace"`, func(f *Facts) Fact[Choice] { return f.Request.Outcome }),
	row("request.value", cel.IntType, "what was paid for what is to be returned, in minor units", func(f *Facts) Fact[int64] {
		return sum(f, "value", func(l Line) int64 { return l.Value })
	}),
	row("request.quantity", cel.IntType, "how many pieces are to be returned", func(f *Facts) Fact[int64] {
		return sum(f, "quantity", func(l Line) int64 { return l.Quantity })
	}),
	row("lines", cel.ListType(cel.ObjectType("policy.Line")), "what is to be returned: quantity, ordered, returned, value (minor units), finalSale", linesOf),
}

// Vocabulary returns all the facts that rules can read.
func Vocabulary() []Word {
	list := make([]Word, len(words))
	for i, w := range words {
		list[i] = Word{Name: w.name, Type: w.typ.String(), Doc: w.doc}
	}
	return list
}

// List returns every fact that rules can read, those that are computed too, with its
// value and its source.
func (f Facts) List() []Read {
	list := make([]Read, len(words))
	for i, w := range words {
		value, known, source := w.value(&f)
		list[i] = Read{Fact: w.name, Known: known, Source: source}
		if known {
			list[i].Value = value
		}
	}
	return list
}

func row[T any](name string, typ *cel.Type, doc string, of func(*Facts) Fact[T]) word {
	return word{name, typ, doc, func(f *Facts) (any, bool, string) {
		fact := of(f)
		return fact.Value, fact.Known, fact.Source
	}}
}

func choice(name, doc string, of func(*Facts) Fact[Choice]) word {
	return word{name, cel.StringType, doc, func(f *Facts) (any, bool, string) {
		fact := of(f)
		return fact.Value.word, fact.Known, fact.Source
	}}
}

// days returns the whole days of 24 hours from one date to another, negative when the
// other is earlier. Seconds are counted: a [time.Duration] ends at 292 years.
func days(from, to Fact[time.Time], name string) Fact[int64] {
	if !from.Known || !to.Known {
		return Unknown[int64]("computed: days from " + name + " to Case.Opened, of which one is not known")
	}
	seconds := to.Value.Unix() - from.Value.Unix()
	return Known(int64(math.Floor(float64(seconds)/(24*60*60))), "computed: days from "+name+" to Case.Opened")
}

func refundable(f *Facts) Fact[int64] {
	paid, refunded := f.Order.Paid, f.Order.Refunded
	switch {
	case !paid.Known || !refunded.Known:
		return Unknown[int64]("computed: Order.Paid less Order.Refunded, of which one is not known")
	case paid.Value < 0 || refunded.Value < 0:
		return Unknown[int64]("computed: Order.Paid less Order.Refunded, of which one is negative")
	}
	return Known(paid.Value-refunded.Value, "computed: Order.Paid less Order.Refunded")
}

// linesOf returns the lines of the request, which are not known when they are too many.
func linesOf(f *Facts) Fact[[]Line] {
	if n := len(f.Request.Lines.Value); n > maxLines {
		return Unknown[[]Line](fmt.Sprintf("%s: %d lines, more than %d", f.Request.Lines.Source, n, maxLines))
	}
	return f.Request.Lines
}

// sum adds up what is known only when no line has less than nothing and all together
// fit a number.
func sum(f *Facts, name string, of func(Line) int64) Fact[int64] {
	lines := linesOf(f)
	if !lines.Known {
		return Unknown[int64]("computed: sum of " + name + " of Request.Lines, which are not known")
	}
	var total int64
	for _, l := range lines.Value {
		n := of(l)
		if n < 0 || total > math.MaxInt64-n {
			return Unknown[int64]("computed: sum of " + name + " of Request.Lines, one of which is negative or too large")
		}
		total += n
	}
	return Known(total, "computed: sum of "+name+" of Request.Lines")
}

// environment is what expressions are checked in: the facts, and the functions of the
// CEL standard, none of which reads a clock or the world.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		ext.NativeTypes(reflect.TypeFor[Line](), ext.ParseStructTags(true)),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(50),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(1000),
		cel.RegexProgramSizeLimit(1000),
	}
	for _, w := range words {
		options = append(options, cel.Variable(w.name, w.typ))
	}
	return cel.NewEnv(options...)
})

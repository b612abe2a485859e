package soql

import "fmt"

// A place is where an expression stands; not every function may stand everywhere.
type place int

const (
	inSelect place = 1 << iota
	inWhere        // HAVING too: only the schema tells its columns from its aggregates
	inGroup
	inOrder
	inCall // as an argument
)

// A signature says where a function may stand and how many arguments it takes.
type signature struct {
	places   place
	min, max int
}

const anywhere = inSelect | inWhere | inGroup | inOrder | inCall

// functions are the functions of SOQL. A call of any other name is refused
// where the platform refuses it, at the parenthesis.
var functions = func() map[string]signature {
	known := map[string]signature{
		"COUNT":           {inSelect | inWhere | inOrder | inCall, 0, 1},
		"FORMAT":          {inSelect, 1, 1},
		"TOLABEL":         {inSelect | inWhere | inOrder | inGroup | inCall, 1, 1},
		"CONVERTCURRENCY": {anywhere, 1, 1},
		"CONVERTTIMEZONE": {inCall, 1, 1},
		"DISTANCE":        {inSelect | inWhere | inOrder | inCall, 3, 3},
		"GEOLOCATION":     {inCall, 2, 2},
		"GROUPING":        {inSelect | inWhere | inOrder, 1, 1},
	}
	for _, aggregate := range []string{"COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"} {
		known[aggregate] = signature{inSelect | inWhere | inOrder | inCall, 1, 1}
	}
	for _, date := range []string{
		"CALENDAR_MONTH", "CALENDAR_QUARTER", "CALENDAR_YEAR", "DAY_IN_MONTH", "DAY_IN_WEEK", "DAY_IN_YEAR", "DAY_ONLY",
		"FISCAL_MONTH", "FISCAL_QUARTER", "FISCAL_YEAR", "HOUR_IN_DAY", "WEEK_IN_MONTH", "WEEK_IN_YEAR",
	} {
		known[date] = signature{anywhere, 1, 1}
	}
	return known
}()

// Aggregate reports whether the call is an aggregate function itself.
func (c *Call) Aggregate() bool {
	switch upper(c.Func.Text) {
	case "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX":
		return true
	}
	return false
}

// expr reads a path or a call.
func (p *parser) expr(where place) Expr {
	if p.tok.kind == wordToken && p.ahead.is("(") {
		return p.call(where)
	}
	return p.path()
}

func (p *parser) call(where place) Expr {
	if reserved[upper(p.tok.text)] { // NOT (…) in the middle of a condition
		p.unexpected(p.tok)
		return Path{{}}
	}
	known, ok := functions[upper(p.tok.text)]
	if !ok || known.places&where == 0 {
		p.unexpected(p.ahead)
		return Path{{}}
	}
	c := &Call{Func: p.name()}
	p.advance()
	if !p.tok.is(")") {
		p.nest(func() { c.Args = commaList(p, p.argument) })
	}
	closing := p.need(")")
	if n := len(c.Args); p.err == nil && (n < known.min || n > known.max) {
		p.refuse(closing, fmt.Sprintf("%s takes %s, not %d", c.Func.Text, counted(known.min, known.max), n))
	}
	return c
}

// argument reads what a function takes: a path, a call, or for distances a constant.
func (p *parser) argument() Expr {
	if p.tok.kind == wordToken {
		return p.expr(inCall)
	}
	return p.literal(false)
}

func counted(least, most int) string {
	if least < most {
		return fmt.Sprintf("%d or %d arguments", least, most)
	}
	if most == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", most)
}

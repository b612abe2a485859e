package soql

import (
	"strconv"
	"strings"
	"time"
)

// cond reads conditions joined by one operator. The platform knows no
// precedence: another operator on the same level, and NOT beside AND or OR
// without parentheses, is refused.
func (p *parser) cond() Cond {
	if p.tok.is("NOT") {
		not := &Not{At: p.advance().at}
		not.Cond = p.term()
		return not
	}
	first := p.term()
	if !p.tok.oneOf("AND", "OR") {
		return first
	}
	logic := &Logic{Op: upper(p.tok.text), Terms: []Cond{first}}
	for p.take(logic.Op) {
		logic.Terms = append(logic.Terms, p.term())
	}
	return logic
}

// term reads a condition in parentheses or a comparison.
func (p *parser) term() (c Cond) {
	if !p.tok.is("(") {
		return p.comparison()
	}
	p.advance()
	p.nest(func() { c = p.cond() })
	p.need(")")
	return c
}

func (p *parser) comparison() Cond {
	c := &Comparison{Left: p.expr(inWhere), OpAt: p.tok.at}
	switch op := p.advance(); {
	case op.oneOf("=", "!=", "<", "<=", ">", ">="):
		c.Op, c.Right = op.text, p.literal(false)
	case op.is("<>"):
		c.Op, c.Right = "!=", p.literal(false)
	case op.is("LIKE"):
		c.Op, c.Right = "LIKE", p.literal(true)
	case op.is("IN"):
		c.Op, c.Right = "IN", p.members()
	case op.is("NOT") && p.tok.is("IN"):
		p.advance()
		c.Op, c.Right = "NOT IN", p.members()
	case op.oneOf("INCLUDES", "EXCLUDES"):
		c.Op, c.Right = upper(op.text), p.list()
	default:
		p.unexpected(op)
	}
	return c
}

// members reads what stands after IN: a list or a query.
func (p *parser) members() Value {
	if !p.tok.is("(") || !p.ahead.is("SELECT") {
		return p.list()
	}
	join := &SemiJoin{At: p.advance().at}
	p.nest(func() { join.Query = p.query() })
	p.need(")")
	return join
}

func (p *parser) list() *List {
	p.noBind()
	l := &List{At: p.need("(").at}
	l.Values = commaList(p, func() *Literal { return p.literal(false) })
	p.need(")")
	return l
}

// noBind refuses :name, which only Apex code has.
func (p *parser) noBind() {
	if p.tok.is(":") {
		p.refuse(p.tok, "Bind variables only allowed in Apex code")
	}
}

// literal reads a constant; after LIKE only a string, as a pattern.
func (p *parser) literal(like bool) *Literal {
	p.noBind()
	t := p.advance()
	l := &Literal{At: t.at, Text: t.text}
	switch {
	case t.kind == stringToken:
		l.Kind = String
		if like {
			l.Kind = Pattern
		}
		var err error
		if l.Text, err = unescape(t.text, like); err != nil {
			p.refuse(t, err.Error())
		}
	case like:
		p.unexpected(t)
	case t.kind == numberToken:
		l.Kind = Numeric
	case t.kind == currencyToken, t.kind == wordToken && isAmount(t.text):
		l.Kind = Currency
	case t.kind == dateToken:
		l.Kind = Date
		if _, err := time.Parse(time.DateOnly, t.text); err != nil {
			p.unexpected(t)
		}
	case t.kind == dateTimeToken:
		l.Kind, l.Text = DateTime, upper(t.text)
		if _, err := l.Time(); err != nil {
			p.unexpected(t)
		}
	case t.is("NULL"):
		l.Kind, l.Text = Null, "NULL"
	case t.oneOf("TRUE", "FALSE"):
		l.Kind, l.Text = Boolean, upper(t.text)
	case t.kind == wordToken:
		p.dateLiteral(t, l)
	default:
		p.unexpected(t)
	}
	return l
}

func (p *parser) dateLiteral(t token, l *Literal) {
	l.Kind, l.Text = DateLiteral, upper(t.text)
	counted, known := dateLiterals[l.Text]
	if !known {
		p.unexpected(t)
		return
	}
	if !counted {
		return
	}
	p.need(":")
	if p.tok.kind != numberToken || strings.Trim(p.tok.text, "0123456789") != "" {
		p.unexpected(p.tok)
		return
	}
	n := p.advance()
	var err error
	if l.N, err = strconv.Atoi(n.text); err != nil {
		p.unexpected(n)
	}
}

// dateLiterals are the platform's relative dates; true when a count follows.
var dateLiterals = func() map[string]bool {
	known := map[string]bool{"YESTERDAY": false, "TODAY": false, "TOMORROW": false, "LAST_90_DAYS": false, "NEXT_90_DAYS": false}
	for _, unit := range []string{"WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"} {
		known["LAST_"+unit], known["THIS_"+unit], known["NEXT_"+unit] = false, false, false
		known["LAST_N_"+unit+"S"], known["NEXT_N_"+unit+"S"], known["N_"+unit+"S_AGO"] = true, true, true
	}
	known["LAST_N_DAYS"], known["NEXT_N_DAYS"], known["N_DAYS_AGO"] = true, true, true
	return known
}()

// Time is the moment a Date (its midnight in UTC) or a DateTime literal names.
// Fractions finer than a nanosecond are dropped.
func (l *Literal) Time() (time.Time, error) {
	if l.Kind == Date {
		return time.Parse(time.DateOnly, l.Text)
	}
	text := l.Text
	if point := strings.IndexByte(text, '.'); point >= 0 {
		end := skip(text, point+1, isDigit)
		text = text[:min(end, point+10)] + text[end:]
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &Error{Pos: l.At, Msg: "datetime wants the form 2027-03-01T09:15:00Z", Near: l.Text}
}

func upper(s string) string { return strings.ToUpper(s) }

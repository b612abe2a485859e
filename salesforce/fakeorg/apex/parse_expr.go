package apex

import (
	"regexp"
	"strconv"
	"strings"
)

// expr reads an expression.
func (p *parser) expr() (x Expr) {
	p.nest(func() { x = p.assignment() })
	return x
}

func (p *parser) assignment() Expr {
	l := p.ternary()
	at := p.tok().at
	op := ""
	switch {
	case p.tok().oneOf("=", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "<<="):
		op = p.advance().text
	case p.closing(">>>="):
		op = ">>>="
	case p.closing(">>="):
		op = ">>="
	default:
		return l
	}
	switch l.(type) {
	case *name, *member, *index, nil:
	default:
		p.refuse(l.at(), "Expression cannot be assigned")
	}
	return &assign{at, op, l, p.expr()}
}

// closing takes an operator that begins with '>', whose marks stand without space between them.
func (p *parser) closing(op string) bool {
	text := strings.Split(op, "")
	for i, mark := range text {
		t := p.ahead(i)
		if !t.is(mark) || i > 0 && t.from != p.ahead(i-1).to {
			return false
		}
	}
	for range text {
		p.advance()
	}
	return true
}

func (p *parser) ternary() Expr {
	cond := p.operators(0)
	if at := p.tok().at; p.take("?") {
		yes := p.expr()
		p.need(":")
		return &ternary{at, cond, yes, p.expr()}
	}
	return cond
}

// levels are the binary operators, those that bind least first.
var levels = [][]string{{"??"}, {"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"===", "!==", "==", "!=", "<>"}, {"<", "<=", ">", ">=", "instanceof"},
	{"<<", ">>>", ">>"}, {"+", "-"}, {"*", "/"}}

func (p *parser) operators(level int) Expr {
	if level == len(levels) {
		return p.unary()
	}
	l := p.operators(level + 1)
	for n := 0; p.err == nil; n++ {
		at := p.tok().at
		p.chained(n)
		op := p.operator(levels[level])
		if op == "" {
			break
		}
		if op == "instanceof" {
			l = &instanceOf{at, l, p.typ()}
			continue
		}
		l = &binary{at, op, l, p.operators(level + 1)}
	}
	return l
}

// chained bounds how many operators or dots one expression may have in a row: each makes the tree deeper.
func (p *parser) chained(n int) {
	if n > 2000 {
		p.refuse(p.tok().at, "simulated: an expression of more than 2000 parts")
	}
}

// operator takes one of the operators, or gives "".
func (p *parser) operator(ops []string) string {
	for _, op := range ops {
		if op[0] != '>' {
			if p.take(op) {
				return op
			}
			continue
		}
		longer := p.ahead(len(op)) // > is no operator where >= and >> are one
		if p.tok().is(">") && longer.from == p.ahead(len(op)-1).to && (longer.is(">") || longer.is("=")) && op != ">=" {
			continue
		}
		if p.closing(op) {
			return op
		}
	}
	return ""
}

func (p *parser) unary() (x Expr) {
	p.nest(func() { x = p.prefixed() })
	return x
}

func (p *parser) prefixed() Expr {
	t := p.tok()
	switch {
	case t.oneOf("!", "-", "+", "~"):
		p.advance()
		return &unary{t.at, t.text, p.unary()}
	case t.oneOf("++", "--"):
		p.advance()
		return &step{t.at, t.text, p.unary(), true}
	case t.is("("):
		if typ, isCast := try(p, p.castType); isCast {
			return &cast{t.at, typ, p.unary()}
		}
	}
	return p.postfix(p.primary())
}

// castType reads "(Type)" when what follows begins an operand, so that it is no expression in parentheses.
func (p *parser) castType() (Type, bool) {
	p.advance()
	t := p.typ()
	if !p.take(")") || isReserved(t.Name) {
		return t, false
	}
	next := p.tok()
	if next.kind == wordToken {
		return t, !next.is("instanceof")
	}
	return t, next.oneOf("(", "!", "~") || next.is("[") || next.kind == stringToken || next.kind == intToken || next.kind == longToken || next.kind == decimalToken
}

func (p *parser) postfix(x Expr) Expr {
	for n := 0; p.err == nil; n++ {
		t := p.tok()
		p.chained(n)
		switch {
		case t.oneOf(".", "?."):
			p.advance()
			name := p.tok()
			x = p.memberOf(x, p.word(), name.at, t.is("?."))
		case t.is("["):
			p.advance()
			x = &index{t.at, x, p.expr()}
			p.need("]")
		case t.oneOf("++", "--"):
			p.advance()
			x = &step{t.at, t.text, x, false}
		default:
			return x
		}
	}
	return x
}

func (p *parser) memberOf(x Expr, name string, at Pos, safe bool) Expr {
	if p.take("(") {
		return &call{at, x, name, commaList(p, ")", p.expr), safe}
	}
	return &member{at, x, name, safe}
}

func (p *parser) primary() Expr {
	t := p.tok()
	switch t.kind {
	case stringToken:
		p.advance()
		return &literal{t.at, t.text}
	case intToken, longToken, decimalToken:
		p.advance()
		return p.number(t)
	case wordToken:
		return p.named(t)
	case markToken:
		if p.take("(") {
			x := p.expr()
			p.need(")")
			return x
		}
		if t.is("[") && p.ahead(1).oneOf("SELECT", "FIND") {
			return p.query()
		}
	}
	p.unexpected()
	return nil
}

func (p *parser) number(t token) Expr {
	if t.kind == decimalToken {
		d, err := parseDecimal(t.text)
		if err != nil {
			p.refuse(t.at, "Invalid decimal: %s", t.text)
		}
		return &literal{t.at, d}
	}
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil || t.kind == intToken && n > 1<<31-1 {
		p.refuse(t.at, "Illegal integer")
	}
	return &literal{t.at, n}
}

// named reads what begins with a word.
func (p *parser) named(t token) Expr {
	switch {
	case t.is("true"), t.is("false"):
		p.advance()
		return &literal{t.at, t.is("true")}
	case t.is("null"):
		p.advance()
		return &literal{t.at, nil}
	case t.is("new"):
		return p.newExpr()
	case t.is("this"), t.is("super"):
		p.advance()
		if p.take("(") {
			return &call{t.at, nil, strings.ToLower(t.text), commaList(p, ")", p.expr), false}
		}
		return &name{t.at, strings.ToLower(t.text)}
	case isReserved(t.text):
		p.unexpected()
		return nil
	}
	if generic, isType := try(p, func() (Type, bool) { // List<Account>.class
		g := p.typ()
		return g, len(g.Args) > 0 && p.tok().is(".") && p.ahead(1).is("class")
	}); isType {
		return &name{t.at, generic.String()}
	}
	p.advance()
	if p.take("(") {
		return &call{t.at, nil, t.text, commaList(p, ")", p.expr), false}
	}
	return &name{t.at, t.text}
}

// newExpr reads new with a type and what the new value is made of.
func (p *parser) newExpr() Expr {
	x := &newExpr{Pos: p.advance().at, typ: p.typ()}
	switch {
	case p.take("["): // new Integer[3]
		x.typ = Type{Pos: x.typ.Pos, Name: "List", Args: []Type{x.typ}}
		x.args = []Expr{p.expr()}
		p.need("]")
	case p.take("("):
		if p.tok().kind == wordToken && p.ahead(1).is("=") {
			x.named = commaList(p, ")", func() variable {
				v := variable{Pos: p.tok().at, name: p.word()}
				p.need("=")
				v.init = p.expr()
				return v
			})
		} else {
			x.args = commaList(p, ")", p.expr)
		}
	case p.take("{"):
		p.items(x)
	default:
		p.refuse(p.tok().at, "Missing '(' at '%s'", p.tok().shown())
	}
	return x
}

// items reads the values of a list or set, or the pairs of a map.
func (p *parser) items(x *newExpr) {
	if x.typ.is("Map") {
		x.pairs = commaList(p, "}", func() [2]Expr {
			key := p.expr()
			p.need("=>")
			return [2]Expr{key, p.expr()}
		})
		return
	}
	x.items = commaList(p, "}", p.expr)
}

// dateLiteral is what stands before the colon of LAST_N_DAYS:30, which binds nothing.
var dateLiteral = regexp.MustCompile(`(?i)^(LAST|NEXT|N)_\w+$`)

// query reads [SELECT …] as text with the bound expressions in it.
func (p *parser) query() Expr {
	q := &query{Pos: p.advance().at}
	from := p.tok().from
	for p.err == nil && !p.tok().is("]") {
		t := p.advance()
		if t.kind == endToken {
			p.need("]")
		}
		if t.is(":") && !dateLiteral.MatchString(p.tokens[p.pos-2].text) {
			q.parts = append(q.parts, p.source[from:t.from])
			q.binds = append(q.binds, p.bind())
			from = p.tokens[p.pos-1].to
		}
	}
	q.parts = append(q.parts, p.source[from:max(from, p.tok().from)])
	p.need("]")
	return q
}

// bind reads a bound expression: a name, a path, a call or one in parentheses.
func (p *parser) bind() Expr { return p.postfix(p.primary()) }

package apex

import "strings"

// block reads statements in braces.
func (p *parser) block() *Block {
	b := &Block{Pos: p.tok().at}
	p.need("{")
	p.nest(func() {
		for p.err == nil && !p.take("}") {
			if p.tok().kind == endToken {
				p.need("}")
				return
			}
			b.Stmts = append(b.Stmts, p.statement())
		}
	})
	return b
}

// statement reads one statement.
func (p *parser) statement() (s Stmt) {
	p.nest(func() { s = p.anyStatement() })
	return s
}

func (p *parser) anyStatement() Stmt {
	t := p.tok()
	if t.is("{") {
		return p.block()
	}
	if t.kind != endToken && !t.is(";") {
		p.lines[t.at.Line] = true
	}
	if read := statements[strings.ToLower(t.text)]; read != nil && t.kind == wordToken {
		return read(p)
	}
	switch {
	case p.take(";"):
		return &Block{Pos: t.at}
	case t.is("switch") && p.ahead(1).is("on"):
		return p.switchStmt()
	case t.is("System") && p.ahead(1).is(".") && p.ahead(2).is("runAs"):
		return p.runAs()
	}
	return p.simple(";")
}

// statements are those that begin with a word of their own.
var statements map[string]func(*parser) Stmt

func init() { // the parser and this map need each other
	statements = map[string]func(*parser) Stmt{"if": (*parser).ifStmt, "while": (*parser).whileStmt, "do": (*parser).doStmt, "for": (*parser).forStmt,
		"return": (*parser).returnStmt, "throw": (*parser).throwStmt, "break": (*parser).jump, "continue": (*parser).jump, "try": (*parser).tryStmt,
		"insert": (*parser).dml, "update": (*parser).dml, "upsert": (*parser).dml, "delete": (*parser).dml, "undelete": (*parser).dml, "merge": (*parser).dml}
}

// simple reads a declaration or an expression, with what ends it.
func (p *parser) simple(end string) Stmt {
	at := p.tok().at
	for p.tok().is("final") {
		p.advance()
	}
	declared, isDeclared := try(p, func() (*local, bool) {
		t := p.typ()
		if after := p.ahead(1); p.tok().kind != wordToken || !after.oneOf("=", ";", ",", "}") && after.kind != endToken || isReserved(t.Name) {
			return nil, false
		}
		return &local{Pos: at, typ: t}, true
	})
	if isDeclared {
		for {
			v := variable{Pos: p.tok().at, name: p.name()}
			if p.take("=") {
				v.init = p.expr()
			}
			declared.vars = append(declared.vars, v)
			if !p.take(",") {
				break
			}
		}
		p.need(end)
		return declared
	}
	x := p.expr()
	switch x.(type) {
	case *assign, *call, *step, *newExpr, nil:
	default:
		if p.err == nil && p.tok().is(end) {
			p.refuse(at, "Expression cannot be a statement.")
		}
	}
	p.need(end)
	return &exprStmt{at, x}
}

func (p *parser) condition() Expr {
	p.need("(")
	x := p.expr()
	p.need(")")
	return x
}

func (p *parser) ifStmt() Stmt {
	s := &ifStmt{Pos: p.advance().at, cond: p.condition(), then: p.statement()}
	if p.take("else") {
		s.els = p.statement()
	}
	return s
}

func (p *parser) whileStmt() Stmt {
	return &loop{Pos: p.advance().at, cond: p.condition(), body: p.statement()}
}

func (p *parser) doStmt() Stmt {
	s := &loop{Pos: p.advance().at, after: true, body: p.statement()}
	if !p.take("while") {
		p.refuse(p.tok().at, "Missing 'while' at '%s'", p.tok().shown())
	}
	s.cond = p.condition()
	p.need(";")
	return s
}

func (p *parser) forStmt() Stmt {
	at := p.advance().at
	p.need("(")
	each, isEach := try(p, func() (*forEach, bool) {
		s := &forEach{Pos: at, typ: p.typ(), name: p.word()}
		return s, p.take(":")
	})
	if isEach {
		each.over = p.expr()
		p.need(")")
		each.body = p.statement()
		return each
	}
	s := &loop{Pos: at}
	if !p.take(";") {
		s.init = append(s.init, p.simple(";"))
	}
	if !p.tok().is(";") {
		s.cond = p.expr()
	}
	p.need(";")
	s.update = commaList(p, ")", p.expr)
	s.body = p.statement()
	return s
}

func (p *parser) returnStmt() Stmt {
	s := &returnStmt{Pos: p.advance().at}
	if !p.tok().is(";") {
		s.x = p.expr()
	}
	p.need(";")
	return s
}

func (p *parser) throwStmt() Stmt {
	s := &throwStmt{Pos: p.advance().at, x: p.expr()}
	p.need(";")
	return s
}

func (p *parser) jump() Stmt {
	t := p.advance()
	p.need(";")
	return &jump{t.at, strings.ToLower(t.text)}
}

func (p *parser) tryStmt() Stmt {
	s := &tryStmt{Pos: p.advance().at, body: p.block()}
	for p.take("catch") {
		p.need("(")
		c := catch{typ: p.typ(), name: p.name()}
		p.need(")")
		c.body = p.block()
		s.catches = append(s.catches, c)
	}
	if p.take("finally") {
		s.finally = p.block()
	} else if len(s.catches) == 0 {
		p.refuse(s.Pos, "Try must have at least one catch or finally block")
	}
	return s
}

func (p *parser) dml() Stmt {
	t := p.advance()
	s := &dmlStmt{Pos: t.at, op: strings.ToLower(t.text)}
	if p.tok().is("as") { // insert as user …
		p.advance()
		p.advance()
	}
	s.x = p.expr()
	if !p.tok().is(";") && s.op == "upsert" {
		s.key = p.typ().Name
	} else if !p.tok().is(";") && s.op == "merge" {
		p.expr()
	}
	p.need(";")
	return s
}

func (p *parser) runAs() Stmt {
	at := p.tok().at
	for range 3 {
		p.advance()
	}
	return &runAs{at, p.condition(), p.block()}
}

func (p *parser) switchStmt() Stmt {
	s := &switchStmt{Pos: p.advance().at}
	p.advance()
	s.on = p.expr()
	p.need("{")
	for p.err == nil && p.take("when") {
		var w when
		if !p.take("else") {
			w.values = append(w.values, p.whenValue())
			for p.take(",") {
				w.values = append(w.values, p.whenValue())
			}
		}
		w.body = p.block()
		s.whens = append(s.whens, w)
	}
	p.need("}")
	return s
}

// whenValue reads a constant, the name of an enum value, or a type with a name for the value.
func (p *parser) whenValue() Expr {
	at := p.tok().at
	of, isType := try(p, func() (*instanceOf, bool) {
		t := p.typ()
		return &instanceOf{Pos: at, typ: t, x: &name{p.tok().at, p.name()}}, true
	})
	if isType {
		return of
	}
	return p.unary()
}

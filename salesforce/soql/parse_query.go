package soql

// query reads SELECT … up to a closing parenthesis or the end. Clauses stand
// in one order only.
func (p *parser) query() *Query {
	q := &Query{At: p.tok.at}
	p.need("SELECT")
	q.Items = commaList(p, p.item)
	p.need("FROM")
	sources := commaList(p, p.source)
	q.From, q.Joins = sources[0], sources[1:]
	if len(q.Joins) == 0 {
		q.Joins = nil
	}
	if p.take("USING") {
		p.need("SCOPE")
		scope := p.name()
		q.Scope = &scope
	}
	q.Where = p.filter("WHERE")
	for p.tok.is("WITH") {
		q.With = append(q.With, p.with())
	}
	q.GroupBy = p.groupBy()
	if q.GroupBy != nil {
		q.Having = p.filter("HAVING")
	}
	q.OrderBy = p.orderBy()
	q.Limit, q.Offset = p.countAfter("LIMIT"), p.countAfter("OFFSET")
	for p.take("FOR") {
		q.For = append(q.For, commaList(p, func() Name { return p.upperWord("VIEW", "REFERENCE", "UPDATE") })...)
	}
	q.Update = p.update()
	if p.tok.is("ALL") {
		p.advance()
		p.need("ROWS")
		q.AllRows = true
	}
	return q
}

func (p *parser) source() Source {
	// An object may be called like a reserved word: FROM Group.
	return Source{Path: p.dotted(), Alias: p.alias()}
}

func (p *parser) filter(keyword string) *Filter {
	if !p.tok.is(keyword) {
		return nil
	}
	at := p.advance().at
	return &Filter{At: at, Cond: p.cond()}
}

func (p *parser) countAfter(keyword string) *Number {
	if !p.take(keyword) {
		return nil
	}
	return p.number()
}

func (p *parser) update() []Name {
	if !p.take("UPDATE") {
		return nil
	}
	return commaList(p, func() Name { return p.upperWord("TRACKING", "VIEWSTAT") })
}

func (p *parser) item() Item {
	switch {
	case p.tok.is("("):
		child := &Child{At: p.advance().at}
		p.nest(func() { child.Query = p.query() })
		p.need(")")
		return child
	case p.tok.is("TYPEOF") && p.ahead.kind == wordToken && !p.ahead.is("FROM"):
		return p.typeOf()
	case p.tok.is("FIELDS") && p.ahead.is("("):
		set := &FieldSet{At: p.advance().at}
		p.advance()
		set.Kind = p.upperWord("ALL", "STANDARD", "CUSTOM").Text
		p.need(")")
		return set
	}
	return &Column{Expr: p.expr(inSelect), Alias: p.alias()}
}

func (p *parser) typeOf() *TypeOf {
	t := &TypeOf{At: p.advance().at, Field: p.path()}
	for {
		p.need("WHEN")
		when := When{Object: p.name()}
		p.need("THEN")
		when.Then = commaList(p, p.path)
		t.When = append(t.When, when)
		if !p.tok.is("WHEN") {
			break
		}
	}
	if p.take("ELSE") {
		t.Else = commaList(p, p.path)
	}
	p.need("END")
	return t
}

func (p *parser) groupBy() *GroupBy {
	if !p.tok.is("GROUP") {
		return nil
	}
	g := &GroupBy{At: p.advance().at}
	p.need("BY")
	if p.tok.oneOf("ROLLUP", "CUBE") && p.ahead.is("(") {
		g.Kind = p.upperWord("ROLLUP", "CUBE").Text
		p.advance()
		g.Exprs = commaList(p, func() Expr { return p.expr(inGroup) })
		p.need(")")
		return g
	}
	g.Exprs = commaList(p, func() Expr { return p.expr(inGroup) })
	return g
}

func (p *parser) orderBy() *OrderBy {
	if !p.tok.is("ORDER") {
		return nil
	}
	o := &OrderBy{At: p.advance().at}
	p.need("BY")
	o.Keys = commaList(p, p.order)
	return o
}

func (p *parser) order() *Order {
	o := &Order{Expr: p.expr(inOrder)}
	if p.tok.oneOf("ASC", "DESC") {
		o.Desc = p.advance().is("DESC")
	}
	if p.take("NULLS") {
		o.Nulls = p.upperWord("FIRST", "LAST").Text
	}
	return o
}

// with reads one WITH clause: a mode, data categories, or a name with a value.
func (p *parser) with() *With {
	w := &With{At: p.advance().at}
	if p.tok.is("DATA") && p.ahead.is("CATEGORY") {
		p.advance()
		p.advance()
		w.Kind = "DATA CATEGORY"
		w.Categories = []Category{p.category()}
		for p.take("AND") {
			w.Categories = append(w.Categories, p.category())
		}
		return w
	}
	w.Kind = upper(p.name().Text)
	switch {
	case w.Kind == "SNIPPET" && p.take("("):
		p.need("TARGET_LENGTH")
		p.need("=")
		w.Op, w.Values = "TARGET_LENGTH", []*Literal{p.literal(false)}
		p.need(")")
	case p.take("="):
		w.Op, w.Values = "=", []*Literal{p.literal(false)}
	case p.take("IN"):
		p.need("(")
		w.Op, w.Values = "IN", commaList(p, func() *Literal { return p.literal(false) })
		p.need(")")
	}
	return w
}

func (p *parser) category() Category {
	c := Category{Group: p.name()}
	c.Op = p.upperWord("AT", "ABOVE", "BELOW", "ABOVE_OR_BELOW").Text
	if p.take("(") {
		c.Names = commaList(p, p.name)
		p.need(")")
	} else {
		c.Names = []Name{p.name()}
	}
	return c
}

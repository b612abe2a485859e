package soql

// search reads FIND … to the end.
func (p *parser) search() *Search {
	s := &Search{At: p.tok.at}
	if !p.tok.is("FIND") || !p.ahead.is("{") {
		if p.tok.is("FIND") {
			p.refuse(p.ahead, "No search term found. The search term must be enclosed in braces.")
		}
		p.unexpected(p.tok)
		return s
	}
	s.Term = p.searchTerm()
	if p.take("IN") {
		in := p.upperWord("ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR")
		p.need("FIELDS")
		s.In = &in
	}
	if p.take("RETURNING") {
		s.Returning = commaList(p, p.returning)
	}
	for p.tok.is("WITH") {
		s.With = append(s.With, p.with())
	}
	s.Limit = p.countAfter("LIMIT")
	s.Update = p.update()
	return s
}

// searchTerm reads from the brace after FIND to the closing one. The lexer has
// not looked behind the brace yet: ahead is the brace itself.
func (p *parser) searchTerm() Term {
	start := p.ahead.at + 1
	for i := start; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '}':
			term := Term{At: start, Text: p.text[start:i]}
			root, err := parseTerm(p.text, start, i)
			if err != nil {
				p.stop(err)
				return term
			}
			term.Root = root
			p.lexer.pos = i + 1
			p.advance()
			p.advance()
			return term
		}
	}
	p.refuse(p.ahead, "No search term found. The search term must be enclosed in braces.")
	return Term{At: start}
}

func (p *parser) returning() *Returning {
	r := &Returning{Object: p.name()}
	if !p.take("(") {
		return r
	}
	r.Items = commaList(p, p.searchItem)
	if p.tok.is("USING") {
		p.advance()
		p.need("LISTVIEW")
		p.need("=")
		view := p.name()
		r.ListView = &view
	}
	r.Where = p.filter("WHERE")
	r.OrderBy = p.orderBy()
	r.Limit, r.Offset = p.countAfter("LIMIT"), p.countAfter("OFFSET")
	p.need(")")
	return r
}

// searchItem reads one field of RETURNING: there are no child queries here.
func (p *parser) searchItem() Item {
	if p.tok.is("(") {
		p.unexpected(p.tok)
	}
	return p.item()
}

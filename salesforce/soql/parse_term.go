package soql

import (
	"fmt"
	"strings"
)

// A termParser reads the text between the braces of FIND: words and quoted
// phrases joined by AND, OR, AND NOT and parentheses. Words side by side must
// all match. AND binds closer than OR.
type termParser struct {
	lexer lexer // of the whole statement, for positions
	end   int
	depth int
	err   *Error
}

func parseTerm(statement string, from, to int) (Match, *Error) {
	p := &termParser{lexer: lexer{text: statement, pos: from}, end: to}
	root := p.either()
	if p.err == nil && p.peek() != "" {
		p.fail("unexpected token: '" + p.peek() + "'")
	}
	return root, p.err
}

func (p *termParser) either() Match {
	terms := []Match{p.every()}
	for p.keyword("OR") {
		terms = append(terms, p.every())
	}
	if len(terms) == 1 {
		return terms[0]
	}
	return &AnyOf{Terms: terms}
}

func (p *termParser) every() Match {
	terms := []Match{p.unit()}
	for p.err == nil {
		joined := p.keyword("AND")
		if joined && p.keyword("NOT") {
			terms = []Match{&Without{Keep: all(terms), Drop: p.unit()}}
			continue
		}
		if next := p.peek(); !joined && (next == "" || next == ")" || strings.EqualFold(next, "OR")) {
			break
		}
		terms = append(terms, p.unit())
	}
	return all(terms)
}

func all(terms []Match) Match {
	if len(terms) == 1 {
		return terms[0]
	}
	return &AllOf{Terms: terms}
}

func (p *termParser) unit() Match {
	switch next := p.peek(); {
	case next == "":
		p.fail("unexpected end of the search term")
	case next == ")", strings.EqualFold(next, "AND"), strings.EqualFold(next, "OR"), strings.EqualFold(next, "NOT"):
		p.fail("unexpected token: '" + next + "'")
	case next == "(":
		return p.group()
	case next[0] == '"':
		p.lexer.pos += len(next)
		if len(next) < 2 || next[len(next)-1] != '"' {
			p.fail("quoted phrase is not closed")
			break
		}
		return &Phrase{Text: next[1 : len(next)-1], Quoted: true}
	default:
		p.lexer.pos += len(next)
		return &Phrase{Text: next}
	}
	return &Phrase{}
}

func (p *termParser) group() Match {
	p.lexer.pos++
	p.depth++
	if p.depth > MaxDepth {
		p.fail(fmt.Sprintf("search term is nested more than %d levels deep", MaxDepth))
		return &Phrase{}
	}
	inner := p.either()
	p.depth--
	if p.err == nil && p.peek() != ")" {
		p.fail("parenthesis is not closed")
		return inner
	}
	p.lexer.pos++
	return inner
}

// keyword moves over this word when it is next.
func (p *termParser) keyword(word string) bool {
	if p.err != nil || !strings.EqualFold(p.peek(), word) {
		return false
	}
	p.lexer.pos += len(word)
	return true
}

// peek gives the next parenthesis, quoted phrase (with its quotes) or word
// without moving over it, and "" at the end.
func (p *termParser) peek() string {
	text := p.lexer.text[:p.end]
	p.lexer.pos = skip(text, p.lexer.pos, isSpace)
	start := p.lexer.pos
	if start >= p.end {
		return ""
	}
	if text[start] == '(' || text[start] == ')' {
		return text[start : start+1]
	}
	quoted := text[start] == '"'
	i := start
	if quoted {
		i++
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case quoted && c == '"':
			return text[start : i+1]
		case !quoted && (isSpace(c) || c == '(' || c == ')' || c == '"'):
			return text[start:i]
		}
	}
	return text[start:]
}

func (p *termParser) fail(msg string) {
	if p.err == nil {
		p.err = p.lexer.fail(p.lexer.pos, p.peek(), msg)
	}
}

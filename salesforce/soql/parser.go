package soql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxLength is the platform's limit of a statement in characters, MaxDepth
// ours of parentheses within parentheses.
const (
	MaxLength = 100_000
	MaxDepth  = 100
)

// Parse reads one SELECT statement. The error, if any, is an *Error.
func Parse(statement string) (*Query, error) {
	p, err := newParser(statement)
	if err != nil {
		return nil, err
	}
	q := p.query()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return q, nil
}

// ParseSearch reads one SOSL FIND statement. The error, if any, is an *Error.
func ParseSearch(statement string) (*Search, error) {
	p, err := newParser(statement)
	if err != nil {
		return nil, err
	}
	s := p.search()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// ParseFilter reads a condition without its WHERE, as parameterized search
// takes it. The error, if any, is an *Error.
func ParseFilter(text string) (*Filter, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	f := &Filter{At: p.tok.at, Cond: p.cond()}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

// ParseOrder reads sort keys without their ORDER BY, as parameterized search
// takes them. The error, if any, is an *Error.
func ParseOrder(text string) (*OrderBy, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	o := &OrderBy{At: p.tok.at, Keys: commaList(p, p.order)}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return o, nil
}

// A parser looks at one token and the one after it. After the first error it
// sees nothing but the end of the statement, so that every loop stops and no
// step has to look at err.
type parser struct {
	lexer
	tok   token // where the parser is
	ahead token
	depth int
	err   *Error
}

func newParser(statement string) (*parser, error) {
	p := &parser{lexer: lexer{text: statement}}
	if n := utf8.RuneCountInString(statement); n > MaxLength {
		return nil, p.lexer.fail(0, "", fmt.Sprintf("statement has %d characters, the limit is %d", n, MaxLength))
	}
	if !utf8.ValidString(statement) {
		return nil, p.lexer.fail(0, "", "statement is not valid UTF-8")
	}
	p.advance()
	p.advance()
	return p, nil
}

func (p *parser) advance() token {
	gone := p.tok
	p.tok = p.ahead
	if p.err != nil {
		return gone
	}
	next, err := p.lexer.next()
	if err != nil {
		p.stop(err)
		return gone
	}
	p.ahead = next
	return gone
}

// stop keeps the first error and shows the end of the statement from here on.
func (p *parser) stop(err *Error) {
	if p.err == nil {
		p.err = err
	}
	p.tok = token{kind: endToken, at: len(p.text)}
	p.ahead = p.tok
}

// unexpected refuses a token in the platform's words.
func (p *parser) unexpected(t token) {
	near := t.text
	switch t.kind {
	case endToken:
		p.stop(p.lexer.fail(t.at, "", "unexpected token: '<EOF>'"))
		return
	case stringToken:
		near = "'" + near + "'"
	}
	p.stop(p.lexer.fail(t.at, near, "unexpected token: '"+strings.Trim(near, "'")+"'"))
}

func (p *parser) refuse(t token, msg string) { p.stop(p.lexer.fail(t.at, t.text, msg)) }

// take moves on when the parser is at this keyword or mark, and says whether it was.
func (p *parser) take(text string) bool {
	if p.tok.is(text) {
		p.advance()
		return true
	}
	return false
}

// need moves on from this keyword or mark; anything else is unexpected.
func (p *parser) need(text string) token {
	if !p.tok.is(text) {
		p.unexpected(p.tok)
	}
	return p.advance()
}

func (p *parser) end() {
	if p.tok.kind != endToken {
		p.unexpected(p.tok)
	}
}

// nest guards what contains itself: it runs f one level deeper.
func (p *parser) nest(f func()) {
	p.depth++
	if p.depth > MaxDepth {
		p.refuse(p.tok, fmt.Sprintf("statement is nested more than %d levels deep", MaxDepth))
	} else {
		f()
	}
	p.depth--
}

// commaList reads one or more items with commas between them.
func commaList[T any](p *parser, item func() T) []T {
	items := []T{item()}
	for p.take(",") {
		items = append(items, item())
	}
	return items
}

// reserved are the words that never name a field, an object or an alias
// (SOQL reference, "Reserved Keywords").
var reserved = map[string]bool{
	"AND": true, "ASC": true, "DESC": true, "EXCLUDES": true, "FIRST": true, "FROM": true, "GROUP": true,
	"HAVING": true, "IN": true, "INCLUDES": true, "LAST": true, "LIKE": true, "LIMIT": true, "NOT": true,
	"NULL": true, "NULLS": true, "OR": true, "SELECT": true, "USING": true, "WHERE": true, "WITH": true,
}

// opensClause are the further words after which no alias stands.
var opensClause = map[string]bool{"ORDER": true, "OFFSET": true, "FOR": true, "UPDATE": true, "ALL": true}

func (p *parser) name() Name {
	if p.tok.kind != wordToken {
		p.unexpected(p.tok)
	}
	t := p.advance()
	return Name{Text: t.text, At: t.at}
}

// path reads a dotted name. A reserved word may begin it ("Group.Name") but
// not be all of it.
func (p *parser) path() Path {
	if p.tok.kind == wordToken && reserved[strings.ToUpper(p.tok.text)] && !p.ahead.is(".") {
		p.unexpected(p.tok)
	}
	return p.dotted()
}

func (p *parser) dotted() Path {
	path := Path{p.name()}
	for p.take(".") {
		path = append(path, p.name())
	}
	return path
}

func (p *parser) alias() *Name {
	if p.tok.kind != wordToken {
		return nil
	}
	if word := strings.ToUpper(p.tok.text); reserved[word] || opensClause[word] {
		return nil
	}
	n := p.name()
	return &n
}

// upperWord reads one of the words and gives it in upper case.
func (p *parser) upperWord(words ...string) Name {
	if !p.tok.oneOf(words...) {
		p.unexpected(p.tok)
	}
	n := p.name()
	n.Text = strings.ToUpper(n.Text)
	return n
}

func (p *parser) number() *Number {
	if p.tok.kind != numberToken {
		p.unexpected(p.tok)
		return nil
	}
	t := p.advance()
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 0 || t.text[0] == '+' {
		p.unexpected(t)
		return nil
	}
	return &Number{At: t.at, Value: n}
}

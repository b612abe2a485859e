package apex

import (
	"fmt"
	"slices"
	"strings"
)

// maxDepth bounds how deep things stand within each other.
const maxDepth = 200

// A parser is at one token of the source. After the first error it sees nothing but the end of the source, so that
// every loop stops and no step has to look at err.
type parser struct {
	source string
	size   int // without comments
	tokens []token
	pos    int
	depth  int
	err    *Error
	lines  map[int]bool // where statements begin
	class  *Class       // that is being read
}

func newParser(source string) (*parser, *Error) {
	tokens, comments, err := lex(source)
	if err != nil {
		return nil, err
	}
	return &parser{source: source, tokens: tokens, size: len(source) - comments, lines: map[int]bool{}}, nil
}

func (p *parser) tok() token { return p.tokens[p.pos] }

func (p *parser) ahead(n int) token { return p.tokens[min(p.pos+n, len(p.tokens)-1)] }

func (p *parser) advance() token {
	t := p.tok()
	if p.pos < len(p.tokens)-1 {
		p.pos++
	}
	return t
}

func (p *parser) refuse(at Pos, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{at, fmt.Sprintf(format, args...)}
	}
	p.pos = len(p.tokens) - 1
}

func (p *parser) unexpected() {
	p.refuse(p.tok().at, "Unexpected token '%s'.", p.tok().shown())
}

// take moves on when the parser is at this keyword or mark, and says whether it was.
func (p *parser) take(text string) bool {
	if p.tok().is(text) {
		p.advance()
		return true
	}
	return false
}

// need moves on from this mark; anything else is missing it.
func (p *parser) need(text string) {
	if p.tok().is(text) {
		p.advance()
		return
	}
	p.refuse(p.tok().at, "Missing '%s' at '%s'", text, p.tok().shown())
}

// word reads an identifier.
func (p *parser) word() string {
	if p.tok().kind != wordToken {
		p.unexpected()
		return ""
	}
	return p.advance().text
}

// isReserved tells words that name nothing. Case and Trigger name an object and a class as well.
func isReserved(word string) bool {
	word = strings.ToLower(word)
	return reserved[word] && word != "case" && word != "trigger"
}

// name reads an identifier that is declared here.
func (p *parser) name() string {
	if t := p.tok(); t.kind == wordToken && reserved[strings.ToLower(t.text)] {
		p.refuse(t.at, "Identifier name is reserved: %s", t.text)
	}
	return p.word()
}

// reserved words never name a variable, method or class. From the Apex reference, without those that are only
// reserved for later.
var reserved = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`abstract break case catch class continue delete do else enum extends false final finally for global if
		implements insert instanceof interface merge new null on override private protected public return select static super testmethod this
		throw trigger true try undelete update upsert virtual void webservice when where while`) {
		words[word] = true
	}
	return words
}()

// try runs a step that may fail: when it does, the parser is where it was and the error is forgotten.
func try[T any](p *parser, step func() (T, bool)) (T, bool) {
	pos := p.pos
	result, fits := step()
	if p.err == nil && fits {
		return result, true
	}
	p.pos, p.err = pos, nil
	return *new(T), false
}

// nest guards what contains itself: it runs f one level deeper.
func (p *parser) nest(f func()) {
	p.depth++
	if p.depth > maxDepth {
		p.refuse(p.tok().at, "simulated: nested more than %d levels deep", maxDepth)
	} else {
		f()
	}
	p.depth--
}

// commaList reads items with commas between them up to the closing mark.
func commaList[T any](p *parser, closing string, item func() T) []T {
	var items []T
	if p.take(closing) {
		return nil
	}
	for p.err == nil {
		items = append(items, item())
		if !p.take(",") {
			break
		}
	}
	p.need(closing)
	return items
}

// typ reads a type.
func (p *parser) typ() Type {
	t := Type{Pos: p.tok().at, Name: p.word()}
	p.nest(func() {
		if p.tok().is("<") {
			p.advance()
			t.Args = commaList(p, ">", p.typ)
		}
		for p.tok().is(".") && p.ahead(1).kind == wordToken && !p.ahead(1).is("class") {
			p.advance()
			t.Name += "." + p.word()
			if p.take("<") {
				t.Args = commaList(p, ">", p.typ)
			}
		}
		for p.tok().is("[") && p.ahead(1).is("]") {
			p.advance()
			p.advance()
			t = Type{Pos: t.Pos, Name: "List", Args: []Type{t}}
		}
	})
	return t
}

// coverable gives the lines where statements begin.
func (p *parser) coverable() []int {
	var lines []int
	for line := range p.lines {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// ParseClass reads the source of a class, interface or enum.
func ParseClass(source string) (*Class, *Error) {
	p, err := newParser(source)
	if err != nil {
		return nil, err
	}
	m := p.modifiers()
	if !p.tok().oneOf("class", "interface", "enum") {
		p.unexpected()
	}
	c := p.declaration(m, nil)
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	c.setFile(c.Name)
	c.lines, c.Size = p.coverable(), p.size
	return c, nil
}

func (c *Class) setFile(file string) {
	c.File = file
	for _, in := range c.Inner {
		in.setFile(file)
	}
}

func (p *parser) end() {
	if p.tok().kind != endToken {
		p.refuse(p.tok().at, "Missing '<EOF>' at '%s'", p.tok().shown())
	}
}

// ParseTrigger reads the source of a trigger.
func ParseTrigger(source string) (*Trigger, *Error) {
	p, err := newParser(source)
	if err != nil {
		return nil, err
	}
	if !p.take("trigger") {
		p.unexpected()
	}
	t := &Trigger{Name: p.name()}
	if !p.take("on") {
		p.unexpected()
	}
	t.Object = p.word()
	p.need("(")
	t.Events = commaList(p, ")", func() string {
		if !p.tok().oneOf("before", "after") || !p.ahead(1).oneOf("insert", "update", "delete", "undelete") {
			p.unexpected()
		}
		return strings.ToLower(p.advance().text + " " + p.advance().text)
	})
	p.class = &Class{Name: t.Name, Kind: "class"}
	t.Body = p.block()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	t.lines, t.Size = p.coverable(), p.size
	return t, nil
}

// ParseAnonymous reads an anonymous block.
func ParseAnonymous(source string) (*Anonymous, *Error) {
	p, err := newParser(source)
	if err != nil {
		return nil, err
	}
	a := &Anonymous{class: &Class{Kind: "class", Name: "AnonymousBlock", File: ""}, body: &Block{Pos: Pos{1, 1}}}
	p.class = a.class
	for p.tok().kind != endToken {
		if !p.member(a.class) {
			a.body.Stmts = append(a.body.Stmts, p.statement())
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	return a, nil
}

// member reads a method or class between the statements of an anonymous block, if one stands here.
func (p *parser) member(c *Class) bool {
	pos := p.pos
	m := p.modifiers()
	if p.tok().oneOf("class", "interface", "enum") {
		c.Inner = append(c.Inner, p.declaration(m, c))
		return true
	}
	type head struct {
		typ  Type
		name string
	}
	h, isMethod := try(p, func() (head, bool) {
		h := head{p.typ(), p.word()}
		return h, p.tok().is("(") && !isReserved(h.name)
	})
	if isMethod && !h.typ.is("new") && !h.typ.is("return") && !h.typ.is("throw") && !h.typ.is("insert") && !h.typ.is("update") &&
		!h.typ.is("delete") && !h.typ.is("upsert") && !h.typ.is("else") {
		m.Static = true
		p.method(c, m, h.typ, h.name)
		return true
	}
	p.pos = pos
	if p.tok().is("final") || p.tok().is("public") || p.tok().is("private") || p.tok().is("static") { // of a variable
		p.modifiers()
	}
	return false
}

package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// An object is a JSON object whose members keep the order in which Salesforce
// sent them: the order of a SELECT list is the order of its columns.
type object []member

type member struct {
	name  string
	value any // nil, bool, string, json.Number, []any or object
}

// get returns the value of a member, or nil.
func (o object) get(name string) any {
	v, _ := o.lookup(name)
	return v
}

func (o object) lookup(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// without returns o without the named members.
func (o object) without(names ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(names, m.name) })
}

// merge returns o with the members of other that it has not.
func (o object) merge(other object) object {
	c := slices.Clone(o)
	for _, m := range other {
		if _, ok := o.lookup(m.name); !ok {
			c = append(c, m)
		}
	}
	return c
}

// with returns o with the member set to value, at its place or at the end.
func (o object) with(name string, value any) object {
	c := slices.Clone(o)
	for i := range c {
		if c[i].name == name {
			c[i].value = value
			return c
		}
	}
	return append(c, member{name, value})
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// appendJSON appends v as JSON. Objects within objects are written in one pass.
func appendJSON(b []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, m.name); err != nil {
				return nil, err
			}
			b = append(b, ':')
			if b, err = appendJSON(b, m.value); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	text, err := encode(v)
	return append(b, text...), err
}

// decode reads one JSON value with objects as object and numbers as
// json.Number. It is a fifth of the work of a call when encoding/json does it
// token by token.
func decode(raw []byte) (any, error) {
	if !json.Valid(raw) {
		return nil, errors.New("it is not one JSON value")
	}
	p := &reader{raw: raw}
	return p.value(0)
}

// A reader reads JSON that is known to be valid.
type reader struct {
	raw []byte
	at  int
}

// next returns the next byte that is no space, without taking it.
func (p *reader) next() byte {
	for {
		switch c := p.raw[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
}

func (p *reader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	switch p.next() {
	case '{':
		o := object{}
		for p.more('}') {
			name, err := p.text()
			if err != nil {
				return nil, err
			}
			p.next() // the colon
			p.at++
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name, v})
		}
		return o, nil
	case '[':
		list := []any{}
		for p.more(']') {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case '"':
		return p.text()
	case 't':
		p.at += len("true")
		return true, nil
	case 'f':
		p.at += len("false")
		return false, nil
	case 'n':
		p.at += len("null")
		return nil, nil
	}
	start := p.at
	for p.at < len(p.raw) && strings.IndexByte("+-.0123456789eE", p.raw[p.at]) >= 0 {
		p.at++
	}
	return plainNumber(json.Number(p.raw[start:p.at])), nil
}

// more takes the byte before the next element, or the end of an object or list,
// and reports whether there is an element.
func (p *reader) more(end byte) bool {
	first := p.next()
	p.at++
	if first != end && p.next() == end { // it was empty
		p.at++
		return false
	}
	if first != end {
		p.next()
	}
	return first != end
}

// text takes a string.
func (p *reader) text() (string, error) {
	p.next()
	start := p.at
	plain := true
	for p.at++; p.raw[p.at] != '"'; p.at++ {
		switch c := p.raw[p.at]; {
		case c == '\\':
			plain = false
			p.at++
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	p.at++
	if plain {
		return string(p.raw[start+1 : p.at-1]), nil
	}
	var s string
	err := json.Unmarshal(p.raw[start:p.at], &s)
	return s, err
}

// plainNumber spells out the exponents with which Salesforce writes large
// numbers: 1.02373E7 is 10237300. Numbers that a float64 does not hold are left
// as they are.
func plainNumber(n json.Number) json.Number {
	if !strings.ContainsAny(n.String(), "eE") || len(n) > 17 {
		return n
	}
	f, err := n.Float64()
	if err != nil || f != 0 && (math.Abs(f) >= 1e15 || math.Abs(f) < 1e-6) {
		return n
	}
	return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
}

// Printable returns s with what a terminal or a model could take for something
// else spelled out as in JSON: control characters (but for tab and newline, which callers
// treat), escape sequences, invisible characters and those that change the
// direction of writing. A record's text must not look like part of our own.
func Printable(s string) string {
	if plainASCII(s) || !strings.ContainsFunc(s, deceptive) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !deceptive(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, "\\u%04x\\u%04x", high, low)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// plainASCII is the common case of Printable, told quickly.
func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

func deceptive(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	switch r {
	case '\u200d', '\ufe0f': // they join and colour emoji
		return false
	case '\u2028', '\u2029', '\u2800': // they break lines, or are blank
		return true
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

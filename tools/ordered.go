package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
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
// json.Number.
func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name.(string), v})
		}
		_, err = d.Token()
		return o, err
	}
	if n, ok := token.(json.Number); ok {
		return plainNumber(n), nil
	}
	return token, nil
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

// printable returns s with what a terminal or a model could take for something
// else spelled out as in JSON: control characters (but for tab and newline, which callers
// treat), escape sequences, invisible characters and those that change the
// direction of writing. A record's text must not look like part of our own.
func printable(s string) string {
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

// plainASCII is the common case of printable, told quickly.
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

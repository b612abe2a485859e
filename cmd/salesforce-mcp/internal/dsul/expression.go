package dsul

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// absent is the value of a path that leads nowhere: undefined, in the language of the
// platform's runtime.
type absent struct{}

// An expression is read and worked out at once: comparisons of {{paths}}, numbers,
// texts in quotes, true, false and null, joined by and, or, not and parentheses.
type expression struct {
	text    string
	resolve func(path) (any, error)
}

// holds reports whether an expression holds.
func holds(text string, resolve func(path) (any, error)) (bool, error) {
	e := &expression{text, resolve}
	v, err := e.or()
	if err != nil {
		return false, fmt.Errorf("condition %q: %w", text, err)
	}
	if e.space(); e.text != "" {
		return false, fmt.Errorf("condition %q: %q is not understood", text, e.text)
	}
	return truth(v), nil
}

// truth is how a value counts, as in JavaScript.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, absent:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	}
	return true
}

func (e *expression) space() { e.text = strings.TrimLeft(e.text, " \t\n") }

// take takes one of the words, if it is next.
func (e *expression) take(words ...string) (string, bool) {
	e.space()
	for _, word := range words {
		rest, ok := strings.CutPrefix(e.text, word)
		letters := word[0] >= 'a' && word[0] <= 'z'
		if ok && !(letters && rest != "" && (rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= '0' && rest[0] <= '9')) {
			e.text = rest
			return word, true
		}
	}
	return "", false
}

func (e *expression) or() (any, error) {
	left, err := e.and()
	for err == nil {
		if _, ok := e.take("or", "||"); !ok {
			return left, nil
		}
		var right any
		if right, err = e.and(); !truth(left) {
			left = right
		}
	}
	return nil, err
}

func (e *expression) and() (any, error) {
	left, err := e.not()
	for err == nil {
		if _, ok := e.take("and", "&&"); !ok {
			return left, nil
		}
		var right any
		if right, err = e.not(); truth(left) {
			left = right
		}
	}
	return nil, err
}

func (e *expression) not() (any, error) {
	if strings.HasPrefix(strings.TrimSpace(e.text), "!=") {
		return nil, errors.New("a value is missing")
	}
	if _, ok := e.take("not", "!"); ok {
		v, err := e.not()
		return !truth(v), err
	}
	return e.comparison()
}

func (e *expression) comparison() (any, error) {
	left, err := e.value()
	if err != nil {
		return nil, err
	}
	op, ok := e.take("==", "!=", "<=", ">=", "<", ">", "=")
	if !ok {
		return left, nil
	}
	right, err := e.value()
	if err != nil {
		return nil, err
	}
	switch op {
	case "==", "=":
		return same(left, right), nil
	case "!=":
		return !same(left, right), nil
	}
	a, isNumber := number(left)
	b, also := number(right)
	return isNumber && also && (op == "<" && a < b || op == "<=" && a <= b || op == ">" && a > b || op == ">=" && a >= b), nil
}

func same(a, b any) bool {
	x, isNumber := number(a)
	y, also := number(b)
	if isNumber && also {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func (e *expression) value() (any, error) {
	e.space()
	switch {
	case strings.HasPrefix(e.text, "{{"):
		p := &parser{text: e.text[2:], resolve: e.resolve}
		v, err := p.placeholder()
		e.text = p.text
		return v, err
	case strings.HasPrefix(e.text, "("):
		e.text = e.text[1:]
		v, err := e.or()
		if err != nil {
			return nil, err
		}
		if _, ok := e.take(")"); !ok {
			return nil, errors.New("a parenthesis is not closed")
		}
		return v, nil
	case strings.HasPrefix(e.text, `"`), strings.HasPrefix(e.text, "'"):
		text, rest, ok := strings.Cut(e.text[1:], e.text[:1])
		if !ok {
			return nil, errors.New("a quote is not closed")
		}
		e.text = rest
		return text, nil
	}
	if word, ok := e.take("true", "false", "null"); ok {
		return map[string]any{"true": true, "false": false}[word], nil
	}
	end := strings.IndexFunc(e.text, func(r rune) bool { return r != '.' && r != '-' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(e.text)
	}
	word := e.text[:end]
	if _, err := strconv.ParseFloat(word, 64); err != nil {
		return nil, fmt.Errorf("%q is no value", e.text)
	}
	e.text = e.text[end:]
	return json.Number(word), nil
}

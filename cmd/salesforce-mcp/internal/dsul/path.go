package dsul

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A path leads to a value: a.b[0]["c-d"]. Its elements are member names and,
// as ints, places in lists.
type path []any

func (p path) root() string { return p[0].(string) }

func (p path) String() string {
	var b strings.Builder
	for i, e := range p {
		switch e := e.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", e)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(e)
		}
	}
	return b.String()
}

// of follows the path into values.
func (p path) of(values map[string]any) (any, error) {
	var v any = values
	for i, e := range p {
		var next any
		var ok bool
		switch in := v.(type) {
		case map[string]any:
			name, isName := e.(string)
			if !isName {
				name = strconv.Itoa(e.(int))
			}
			next, ok = in[name]
		case []any:
			n, isPlace := e.(int)
			if isPlace && n < len(in) {
				next, ok = in[n], true
			}
		}
		if !ok {
			return nil, fmt.Errorf("there is no %s; %s is %s", p[:i+1], orNothing(p[:i]), described(v))
		}
		v = next
	}
	return v, nil
}

func orNothing(p path) string {
	if len(p) == 0 {
		return "what is known"
	}
	return p.String()
}

// described says what a value is, for people.
func described(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object with " + strings.Join(slices.Sorted(maps.Keys(v)), ", ")
	}
	return "a single value"
}

// interpolate fills the placeholders of a text.
func interpolate(text string, resolve func(path) (any, error)) (any, error) {
	if strings.Contains(text, "{%") {
		return nil, errors.New("expressions in {% %} are not known here; only {{paths}} are")
	}
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		p := &parser{text: after, resolve: resolve}
		v, err := p.placeholder()
		if err != nil {
			return nil, err
		}
		rest = p.text
		if before == "" && rest == "" && b.Len() == 0 {
			return v, nil
		}
		b.WriteString(inText(v))
	}
}

// inText is a value as it stands among other text.
func inText(v any) string {
	switch v := v.(type) {
	case nil, absent:
		return ""
	case string:
		return v
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(out)
}

// A parser reads a placeholder: what stands after its "{{".
type parser struct {
	text    string
	resolve func(path) (any, error)
	depth   int
}

// placeholder reads up to the closing braces and returns the value.
func (p *parser) placeholder() (any, error) {
	if p.depth++; p.depth > 10 {
		return nil, errors.New("the placeholders are nested too deep")
	}
	found, err := p.path()
	if err != nil {
		return nil, err
	}
	p.space()
	after, ok := strings.CutPrefix(p.text, "}}")
	if !ok {
		return nil, fmt.Errorf("the placeholder {{%s is not closed, or holds more than a path", found)
	}
	p.text = after
	return p.resolve(found)
}

func (p *parser) space() { p.text = strings.TrimLeft(p.text, " \t\n") }

// path reads name, .name, [0], ["name"] and [{{path}}].
func (p *parser) path() (path, error) {
	p.space()
	name := p.name()
	if name == "" {
		return nil, errors.New("a placeholder must hold a path, as in {{job.id}}")
	}
	found := path{name}
	for {
		switch {
		case strings.HasPrefix(p.text, "."):
			p.text = p.text[1:]
			if name = p.name(); name == "" {
				return nil, fmt.Errorf("a name is missing after \"%s.\"", found)
			}
			found = append(found, name)
		case strings.HasPrefix(p.text, "["):
			p.text = p.text[1:]
			e, err := p.index()
			if err != nil {
				return nil, err
			}
			found = append(found, e)
		default:
			return found, nil
		}
	}
}

// name reads a name, which may hold hyphens.
func (p *parser) name() string {
	end := strings.IndexFunc(p.text, func(r rune) bool {
		return r != '_' && r != '-' && r != '$' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
	if end < 0 {
		end = len(p.text)
	}
	name := p.text[:end]
	p.text = p.text[end:]
	return name
}

// index reads what stands in brackets, and the closing one.
func (p *parser) index() (any, error) {
	p.space()
	var e any
	switch {
	case strings.HasPrefix(p.text, "{{"):
		p.text = p.text[2:]
		v, err := p.placeholder()
		if err != nil {
			return nil, err
		}
		e = v
	case strings.HasPrefix(p.text, `"`), strings.HasPrefix(p.text, "'"):
		quote := p.text[:1]
		text, after, ok := strings.Cut(p.text[1:], quote)
		if !ok {
			return nil, errors.New("a quote in a placeholder is not closed")
		}
		e, p.text = text, after
	default:
		e = p.name()
	}
	p.space()
	after, ok := strings.CutPrefix(p.text, "]")
	if !ok {
		return nil, errors.New("a bracket in a placeholder is not closed")
	}
	p.text = after
	return element(e)
}

// element is a place in a list, or a member's name.
func element(e any) (any, error) {
	text := fmt.Sprint(e)
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n, nil
	}
	if _, isText := e.(string); !isText || text == "" {
		return nil, fmt.Errorf("[%s] is neither a place nor a name", text)
	}
	return text, nil
}

package tools

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A page is an answer laid out for reading: single values, then lists of
// records.
type page struct {
	head  object
	empty []string // names of single values that are null
	lists []list
	note  string // how to get what was left out
}

// A list is records that are shown as one table.
type list struct {
	name  string
	rows  []any // object, or a bare value
	total int   // how many rows there were before the cut
}

// arrange puts the members of o where they belong.
func (p *page) arrange(o object) {
	for _, m := range o {
		rows, isList := m.value.([]any)
		switch {
		case isList:
			p.add(m.name, rows)
		case m.value == nil:
			p.empty = append(p.empty, m.name)
		case m.name != "attributes":
			p.head = append(p.head, m)
		}
	}
}

func (p *page) add(name string, rows []any) {
	p.lists = append(p.lists, list{name, rows, len(rows)})
}

func (p *page) shown() (n int) {
	for _, l := range p.lists {
		n += len(l.rows)
	}
	return n
}

func (p *page) dropped() (n int) {
	for _, l := range p.lists {
		n += l.total - len(l.rows)
	}
	return n
}

// cut leaves out the rows beyond a budget of characters, and the end of values
// that are too long by themselves. The first row always stays.
func (p *page) cut(budget int, want format) {
	for i := range p.head {
		p.head[i].value = shorten(p.head[i].value, budget)
		budget -= size(p.head[i].value, want)
	}
	for i := range p.lists {
		l := &p.lists[i]
		for n := range l.rows {
			l.rows[n] = shorten(l.rows[n], budget)
			budget -= size(l.rows[n], want)
			if budget < 0 && (n > 0 || i > 0) {
				l.rows = l.rows[:n]
				break
			}
		}
	}
}

// size is about how many characters a value takes in the larger of the wanted
// forms.
func size(v any, want format) int {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v) + 3
	case json.Number:
		return len(v) + 1
	case []any:
		n := 2
		for _, e := range v {
			n += size(e, want)
		}
		return n
	case object:
		n := 2
		for _, m := range v {
			if m.name == "attributes" || m.value == nil {
				continue
			}
			n += size(m.value, want)
			if want.structured {
				n += len(m.name) + 3
			}
		}
		return n
	}
	return 6 // true, false, null
}

// longest is how many characters of one value are shown among others.
const longest = 4_000

// shorten returns v with its long strings cut, saying how much is missing.
func shorten(v any, budget int) any {
	switch v := v.(type) {
	case string:
		most := min(longest, max(budget, 200))
		if r := []rune(v); len(r) > most {
			return string(r[:most]) + fmt.Sprintf("… (%d more characters; records.getField fetches all)", len(r)-most)
		}
	case object:
		o := make(object, len(v))
		for i, m := range v {
			o[i] = member{m.name, shorten(m.value, budget)}
		}
		return o
	}
	return v
}

// text writes the page for a model: "name: value" lines, then each list as a
// header and tab-separated rows.
func (p *page) text() string {
	var b strings.Builder
	for _, m := range p.head {
		if o, ok := m.value.(object); ok {
			columns, _ := columnsOf([]any{o})
			for _, c := range columns {
				fmt.Fprintf(&b, "%s.%s: %s\n", m.name, c.title(), printable(cell(c.of(o))))
			}
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", printable(m.name), printable(cell(m.value)))
	}
	if p.empty != nil {
		fmt.Fprintf(&b, "empty: %s\n", printable(few(p.empty)))
	}
	for _, l := range p.lists {
		l.write(&b)
	}
	if p.note != "" {
		fmt.Fprintf(&b, "\n%s\n", p.note)
	}
	return strings.TrimRight(b.String(), "\n")
}

// structured is the page as JSON, with a count and a note where it was cut.
func (p *page) structured() object {
	o := object{}
	for _, m := range p.head {
		o = append(o, member{m.name, stripped(m.value)})
	}
	for _, l := range p.lists {
		o = append(o, member{l.name, stripped(l.rows)})
	}
	if p.note != "" {
		o = append(o, member{"notShown", json.Number(fmt.Sprint(p.dropped()))}, member{"note", p.note})
	}
	return o
}

// write writes a list as tables, one for each type of record in it.
func (l list) write(b *strings.Builder) {
	if len(l.rows) == 0 {
		if l.name == "errors" { // of a write that succeeded
			return
		}
		fmt.Fprintf(b, "%s: none\n", l.name)
		return
	}
	if _, bare := l.rows[0].(object); !bare && !slices.ContainsFunc(l.rows, func(r any) bool { _, ok := r.(object); return ok }) {
		fmt.Fprintf(b, "%s (%d): %s\n", l.name, l.total, printable(cell(l.rows)))
		return
	}
	for start := 0; start < len(l.rows); {
		kind := typeOf(l.rows[start])
		end := start + 1
		for end < len(l.rows) && (l.rows[end] == nil || typeOf(l.rows[end]) == kind) {
			end++
		}
		rows := l.rows[start:end]
		count := fmt.Sprint(len(rows))
		if len(rows) == len(l.rows) && len(rows) < l.total {
			count = fmt.Sprintf("%d of %d", len(rows), l.total)
		}
		if kind == "" {
			kind = l.name
		}
		columns, empty := columnsOf(rows)
		if empty != nil {
			count += "; empty in all: " + few(empty)
		}
		fmt.Fprintf(b, "%s (%s):\n", printable(kind), printable(count))
		writeTable(b, columns, rows)
		start = end
	}
}

func writeTable(b *strings.Builder, columns []column, rows []any) {
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title())
	}
	fmt.Fprintln(b, printable(strings.Join(titles, "\t")))
	for _, row := range rows {
		o, ok := row.(object)
		if !ok {
			fmt.Fprintln(b, "(none)")
			continue
		}
		var cells []string
		for _, c := range columns {
			cells = append(cells, printable(cell(c.of(o))))
		}
		fmt.Fprintln(b, strings.Join(cells, "\t"))
	}
}

// typeOf is the type of a record, or "" when it does not say.
func typeOf(row any) string {
	o, _ := row.(object)
	attributes, _ := o.get("attributes").(object)
	name, _ := attributes.get("type").(string)
	return name
}

// A column is the path of a value in a record: Name, or Account.Name.
type column []string

func (c column) title() string { return strings.Join(c, ".") }

func (c column) of(o object) any {
	v := o.get(c[0])
	if len(c) == 1 {
		return v
	}
	parent, _ := v.(object)
	return c[1:].of(parent)
}

// columnsOf returns the columns of all rows, in the order of their first
// appearance, and the names of those that have no value in any row. Parent
// records become columns of their own.
func columnsOf(rows []any) (columns []column, empty []string) {
	filled := map[string]bool{} // by title; parents of filled columns too
	var nulls []string
	var visit func(prefix column, o object)
	visit = func(prefix column, o object) {
		for _, m := range o {
			path := append(prefix[:len(prefix):len(prefix)], m.name)
			parent, nested := m.value.(object)
			switch {
			case m.name == "attributes":
			case m.value == nil:
				nulls = append(nulls, path.title())
			case nested && parent.get("records") == nil && len(path) < 6:
				filled[path.title()] = true
				visit(path, parent)
			case !filled[path.title()]:
				filled[path.title()] = true
				columns = append(columns, path)
			}
		}
	}
	for _, row := range rows {
		if o, ok := row.(object); ok {
			visit(nil, o)
		}
	}
	for _, title := range nulls {
		if !filled[title] {
			filled[title] = true
			empty = append(empty, title)
		}
	}
	return columns, empty
}

// few joins names, or counts them when they are many.
func few(names []string) string {
	if len(names) > 20 {
		return fmt.Sprintf("%d fields", len(names))
	}
	return strings.Join(names, ", ")
}

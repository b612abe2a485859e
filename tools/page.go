package tools

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A page is an answer laid out for reading: single values, then lists of
// records.
type page struct {
	head  object
	empty []string // names of single values that are null
	lists []list
	notes []string // what was left out, and how to get it
	typed bool     // the rows say of which type they are also in the structured form
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

// text writes the page for a model: "name: value" lines, then each list as a
// header and tab-separated rows.
func (p *page) text() string {
	var b strings.Builder
	for _, m := range p.head {
		if o, ok := m.value.(object); ok {
			columns, _ := columnsOf([]any{o})
			for _, c := range columns {
				fmt.Fprintf(&b, "%s.%s: %s\n", escapes.Replace(m.name), c.title(), cell(c.of(o)))
			}
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", escapes.Replace(m.name), cell(m.value))
	}
	if p.empty != nil {
		fmt.Fprintf(&b, "empty: %s\n", few(p.empty))
	}
	for _, l := range p.lists {
		counted := l.name == "records" && p.head.get("totalSize") != nil && p.head.get("totalSize") != json.Number("0")
		if len(l.rows) == 0 && (counted || l.name == "errors") {
			continue // COUNT(), or a write that succeeded
		}
		l.write(&b)
	}
	for _, note := range p.notes {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	return printable(strings.TrimRight(b.String(), "\n"))
}

// structured is the page as JSON, with a count and a note where it was cut.
func (p *page) structured() object {
	o := object{}
	for _, m := range p.head {
		o = append(o, member{m.name, stripped(m.value)})
	}
	for _, name := range p.empty {
		if name == "value" {
			o = append(o, member{name, nil})
		}
	}
	for _, l := range p.lists {
		rows := stripped(l.rows).([]any)
		for i, row := range rows {
			if kind := typeOf(l.rows[i]); p.typed && kind != "" {
				rows[i] = append(object{{"attributes", object{{"type", kind}}}}, row.(object)...)
			}
		}
		o = append(o, member{l.name, rows})
	}
	if n := p.dropped(); n > 0 {
		o = append(o, member{"notShown", json.Number(fmt.Sprint(n))})
	}
	if p.notes != nil {
		o = append(o, member{"note", strings.Join(p.notes, " ")})
	}
	return o
}

// write writes a list as tables, one for each type of record in it.
func (l list) write(b *strings.Builder) {
	switch {
	case l.total == 0:
		fmt.Fprintf(b, "%s: none\n", l.name)
		return
	case len(l.rows) == 0:
		fmt.Fprintf(b, "%s: %d, not shown\n", l.name, l.total)
		return
	case !slices.ContainsFunc(l.rows, isObject):
		fmt.Fprintf(b, "%s (%d): %s\n", l.name, l.total, cell(l.rows))
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
		switch {
		case kind == "":
			kind = l.name
		case l.name != "records":
			kind = l.name + ", " + kind
		}
		columns, empty := columnsOf(rows)
		if empty != nil {
			count += "; empty in all: " + few(empty)
		}
		fmt.Fprintf(b, "%s (%s):\n", escapes.Replace(kind), count)
		writeTable(b, columns, rows)
		start = end
	}
}

func writeTable(b *strings.Builder, columns []column, rows []any) {
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title())
	}
	fmt.Fprintln(b, strings.Join(titles, "\t"))
	for _, row := range rows {
		o, ok := row.(object)
		if !ok {
			fmt.Fprintln(b, "(none)")
			continue
		}
		var cells []string
		for _, c := range columns {
			cells = append(cells, cell(c.of(o)))
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

func (c column) title() string { return escapes.Replace(strings.Join(c, ".")) }

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
			case isEmptyList(m.value): // nothing to say
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

func isObject(v any) bool {
	_, ok := v.(object)
	return ok
}

func isEmptyList(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0
}

// few joins names, or counts them when they are many.
func few(names []string) string {
	if len(names) > 20 {
		return fmt.Sprintf("%d fields", len(names))
	}
	return escapes.Replace(strings.Join(names, ", "))
}

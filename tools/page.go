package tools

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
)

// A page is an answer laid out for reading: single values, then lists of
// records.
type page struct {
	head  object
	empty []string // names of single values that are null
	lists []list
	notes []string // what was left out, and how to get it
	typed bool     // the rows say of which type they are also in the structured form
	org   string   // scheme and host of the org, where its records can be opened
	url   string   // of the record that the single values are

	more    bool // the answer goes on beyond the rows, or the bytes, that were read
	read    int  // of a file: up to which byte it is shown, when it goes on
	clipped bool // some values are not shown whole
}

// A list is records that are shown as one table.
type list struct {
	name  string
	rows  []any // object, or a bare value
	total int   // how many rows there were before the cut
	open  bool  // more follow that were not read
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
	p.lists = append(p.lists, list{name, rows, len(rows), p.more})
}

// skip leaves out the first n rows, which the caller has seen.
func (p *page) skip(n int) {
	for i := range p.lists {
		l := &p.lists[i]
		l.rows = l.rows[min(n, len(l.rows)):]
		l.total = len(l.rows)
	}
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
	return Printable(strings.TrimRight(b.String(), "\n"))
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
	if p.url != "" {
		o = append(o, member{"recordURL", p.url})
	}
	for _, l := range p.lists {
		rows := stripped(l.rows).([]any)
		for i := range rows {
			if kind := typeOf(l.rows[i]); p.typed && kind != "" {
				rows[i] = append(object{{"attributes", object{{"type", kind}}}}, rows[i].(object)...)
			}
			if url := recordURL(p.org, l.rows[i]); url != "" {
				rows[i] = append(rows[i].(object), member{"recordURL", url})
			}
		}
		o = append(o, member{l.name, rows})
	}
	if n := p.dropped(); n > 0 && !p.more {
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
		switch {
		case len(rows) == len(l.rows) && l.open:
			count += "; more follow"
		case len(rows) == len(l.rows) && len(rows) < l.total:
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

// recordURL is where a person can open a record that was read or written, or ""
// when v is none.
func recordURL(org string, v any) string {
	o, _ := v.(object)
	id, _ := o.get("Id").(string)
	switch attributes, _ := o.get("attributes").(object); {
	case typeOf(v) == "" && o.get("success") == true:
		id, _ = o.get("id").(string)
	case typeOf(v) == "":
		return ""
	case id == "": // it was not selected
		url, _ := attributes.get("url").(string)
		id = path.Base(url)
	}
	if _, err := salesforce.To18(id); org == "" || err != nil {
		return ""
	}
	return org + "/" + id
}

// A column is the path of a value in a record: Name, or Account.Name.
type column struct {
	path   []string
	parent bool // the members of some of its values have columns of their own
}

func (c column) title() string { return escapes.Replace(strings.Join(c.path, ".")) }

// of is the value of a record in this column.
func (c column) of(o object) any {
	for _, name := range c.path[:len(c.path)-1] {
		o, _ = o.get(name).(object)
	}
	v := o.get(c.path[len(c.path)-1])
	if c.parent && spread(v) {
		return nil
	}
	return v
}

// spread reports whether the members of a value become columns of their own.
func spread(v any) bool {
	o, ok := v.(object)
	return ok && o.get("records") == nil
}

// columnsOf returns the columns of all rows, in the order of their first
// appearance, and the names of those that have no value in any row. Parent
// records become columns of their own.
func columnsOf(rows []any) (columns []column, empty []string) {
	type use struct{ value, parent bool }
	uses := map[string]use{} // by title
	var nulls []string
	var visit func(prefix []string, o object)
	visit = func(prefix []string, o object) {
		for _, m := range o {
			path := append(prefix[:len(prefix):len(prefix)], m.name)
			title := column{path: path}.title()
			u := uses[title]
			switch {
			case m.name == "attributes":
			case m.value == nil:
				nulls = append(nulls, title)
			case isEmptyList(m.value): // nothing to say
			case spread(m.value) && len(path) < 6:
				u.parent = true
				uses[title] = u
				visit(path, m.value.(object))
			case !u.value:
				u.value = true
				uses[title] = u
				columns = append(columns, column{path: path})
			}
		}
	}
	for _, row := range rows {
		if o, ok := row.(object); ok {
			visit(nil, o)
		}
	}
	for i := range columns {
		columns[i].parent = uses[columns[i].title()].parent
	}
	for _, title := range nulls {
		if u := uses[title]; !u.value && !u.parent {
			uses[title] = use{value: true}
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

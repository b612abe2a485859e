package tools

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// longest is how many characters of one value are shown among others.
const longest = 4_000

// A cutter leaves out what does not fit into a result. It counts about as many
// characters as the larger of the wanted forms takes.
type cutter struct {
	left  int // characters
	want  format
	whole bool // strings are given whole
	notes map[string]bool
}

// cut makes the page fit into a budget of characters, and notes what was left
// out of its values and where that can be had. Rows are left out whole; the
// first row always stays, but not all of its children.
func (p *page) cut(budget int, want format, whole bool) {
	c := &cutter{left: budget, want: want, whole: whole, notes: map[string]bool{}}
	for i := range p.head {
		if c.left < 0 {
			c.note("%d more values are not shown.", len(p.head)-i)
			p.head = p.head[:i]
			break
		}
		p.head[i].value = c.value(p.head[i].name, p.head[i].value)
	}
	for i := range p.lists {
		l := &p.lists[i]
		for n := range l.rows {
			before := maps.Clone(c.notes)
			row := c.value("", l.rows[n])
			if c.left < 0 && (n > 0 || i > 0) {
				l.rows, c.notes = l.rows[:n], before
				break
			}
			l.rows[n] = row
		}
	}
	p.clipped = p.clipped || len(c.notes) > 0
	p.notes = append(p.notes, slices.Sorted(maps.Keys(c.notes))...)
}

func (c *cutter) note(format string, args ...any) { c.notes[fmt.Sprintf(format, args...)] = true }

// value returns v as far as it fits. Name is that of the member it is the value
// of.
func (c *cutter) value(name string, v any) any {
	switch v := v.(type) {
	case string:
		if !c.whole && len(v) > longest && utf8.RuneCountInString(v) > longest {
			c.note("%s is cut where it ends in …; for the whole: tool records, action getField.", name)
			v = string([]rune(v)[:longest]) + "…"
		}
		c.left -= utf8.RuneCountInString(v) + 3
		return v
	case json.Number:
		c.left -= len(v) + 1
	case []any:
		return c.list(name, v, "query that object")
	case object:
		return c.object(name, v)
	default:
		c.left -= 6 // true, false, null
	}
	return v
}

// list returns the elements that fit, and at least one. Rest is what the others
// are had by.
func (c *cutter) list(name string, v []any, rest string) []any {
	kept := make([]any, 0, min(len(v), 1000))
	for n := range v {
		if c.left < 0 && n > 0 {
			c.note("%s is cut after %d of %d; for the rest %s.", name, n, len(v), rest)
			break
		}
		kept = append(kept, c.value(name, v[n]))
	}
	return kept
}

// object returns the members that fit.
func (c *cutter) object(name string, o object) object {
	kept := make(object, 0, len(o))
	c.left -= 2
	for n, m := range o {
		if c.left < -longest { // a record is not cut for a little
			c.note("%s has %d more values that are not shown.", name, len(o)-n)
			break
		}
		if m.name == "attributes" && c.want.structured {
			c.left -= len(`"attributes":{},"recordURL":"https://example--sandbox.sandbox.my.salesforce.com/001000000000000AAA"`)
		}
		if m.name == "attributes" || m.value == nil {
			kept = append(kept, m)
			continue
		}
		if c.want.structured || name != "" { // an object in a cell is JSON
			c.left -= len(m.name) + 3
		}
		list, isList := m.value.([]any)
		if m.name != "records" || name == "" || !isList {
			kept = append(kept, member{m.name, c.value(m.name, m.value)})
			continue
		}
		rest := "query that object" // a page of records, or the children of a record
		if _, _, ok := locatorRow(text(o.get("nextRecordsUrl"))); ok {
			rest = "give its nextRecordsUrl to tool query, action next"
		}
		kept = append(kept, member{m.name, c.list(name, list, rest)})
	}
	return goingOn(o, kept)
}

// goingOn mends what a page of records says of itself once it is cut: it is not
// done, and goes on after those that are shown.
func goingOn(page, kept object) object {
	all, _ := page.get("records").([]any)
	shown, _ := kept.get("records").([]any)
	if len(shown) == len(all) || page.get("totalSize") == nil {
		return kept
	}
	next := text(page.get("nextRecordsUrl"))
	id, row, ok := locatorRow(next)
	if !ok {
		return kept.with("done", false).without("nextRecordsUrl")
	}
	place := fmt.Sprintf("%s%s-%d", next[:strings.LastIndexByte(next, '/')+1], id, row-len(all)+len(shown))
	return kept.with("done", false).with("nextRecordsUrl", place)
}

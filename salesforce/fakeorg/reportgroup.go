package fakeorg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// groupTree holds the groups of a report in one direction. The zero value is a report without any.
type groupTree struct {
	root  groupNode
	nodes map[string]*groupNode
}

// groupNode is one group. The id tells it from others while the report is read; the key is its name in the fact map,
// which it gets when the groups are in order.
type groupNode struct {
	id, key      string
	value, label any
	children     []*groupNode
}

// groupID identifies a group by its keys and those of the groups it is in, without regard to case. Each key is
// followed by its label, which does not matter.
func groupID(keysAndLabels []any) string {
	var id strings.Builder
	for i := 0; i < len(keysAndLabels); i += 2 {
		fmt.Fprintf(&id, "\x00%T %s", keysAndLabels[i], strings.ToLower(fmt.Sprint(keysAndLabels[i])))
	}
	return id.String()
}

// add puts a group into the one it is in.
func (t *groupTree) add(parent, id string, value, label any) {
	if t.nodes == nil {
		t.nodes = map[string]*groupNode{"": &t.root}
	}
	node := &groupNode{id: id, value: value, label: label}
	t.nodes[id] = node
	t.nodes[parent].children = append(t.nodes[parent].children, node)
}

// sort brings the groups of each level into the order of its grouping, and gives them their keys.
func (t *groupTree) sort(levels []groupColumn, sortValue func(id, aggregate string) any) {
	t.root.key = "T"
	t.root.sort(levels, "", sortValue)
}

func (n *groupNode) sort(levels []groupColumn, prefix string, sortValue func(id, aggregate string) any) {
	if len(n.children) == 0 {
		return
	}
	slices.SortStableFunc(n.children, func(a, b *groupNode) int {
		order := 0
		if by := levels[0].SortAggregate; by != nil {
			order = compareValues(sortValue(a.id, *by), sortValue(b.id, *by))
		} else {
			order = levels[0].compare(a, b)
		}
		if levels[0].SortOrder == "Desc" {
			return -order
		}
		return order
	})
	for i, child := range n.children {
		child.key = fmt.Sprintf("%s%d", prefix, i)
		child.sort(levels[1:], child.key+"_", sortValue)
	}
}

// compare orders two groups: those of a picklist as its values are listed, others by what they show, nothing first.
func (g *groupColumn) compare(a, b *groupNode) int {
	if g.column.field.Type != "picklist" || a.value == nil || b.value == nil {
		return cmp.Or(compareValues(a.label, b.label), compareValues(a.value, b.value))
	}
	place := func(n *groupNode) int {
		at := slices.IndexFunc(g.column.field.Values, func(v string) bool { return strings.EqualFold(v, fmt.Sprint(n.value)) })
		if at < 0 {
			return len(g.column.field.Values)
		}
		return at
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), compareValues(a.label, b.label))
}

// compareValues compares two values of a column, nothing first.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	if x, isNumber := asNumber(a); isNumber {
		y, _ := asNumber(b)
		return cmp.Compare(x, y)
	}
	return cmp.Compare(strings.ToLower(fmt.Sprint(a)), strings.ToLower(fmt.Sprint(b)))
}

func asNumber(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// walk visits all rows together and then the groups, each before those in it.
func (t *groupTree) walk(visit func(*groupNode)) { t.root.walk(visit) }

func (n *groupNode) walk(visit func(*groupNode)) {
	visit(n)
	for _, child := range n.children {
		child.walk(visit)
	}
}

// shown are the groups in an answer.
func (t *groupTree) shown(levels []groupColumn) []object { return t.root.shown(levels) }

func (n *groupNode) shown(levels []groupColumn) []object {
	groups := []object{}
	for _, child := range n.children {
		group := object{{"groupings", child.shown(levels[1:])}, {"key", child.key}}
		if levels[0].period != nil {
			group = append(group, levels[0].period.shown(child.value)...)
		} else {
			group = append(group, levels[0].column.cell(child.label, child.value)...)
		}
		groups = append(groups, group)
	}
	return groups
}

// cell is what an answer shows of a value of the column. id is that of the record the column names.
func (c *reportColumn) cell(value, id any) object {
	if value == nil {
		return object{{"label", "-"}, {"value", nil}}
	}
	if c.names() && id != nil {
		return object{{"label", value}, {"value", id}}
	}
	switch c.field.Type {
	case "currency":
		return object{{"label", numberLabel(c.field, value)}, {"value", object{{"amount", value}, {"currency", nil}}}}
	case "int", "double", "percent":
		return object{{"label", numberLabel(c.field, value)}, {"value", value}}
	case "boolean":
		on := shown(c.field, value)
		return object{{"label", fmt.Sprint(on)}, {"value", on}}
	case "date":
		return object{{"label", formatted(c.field, value)}, {"value", value}}
	case "datetime":
		text, _ := value.(string)
		at, err := time.Parse(storedTime, text)
		if err != nil {
			return object{{"label", text}, {"value", text}}
		}
		return object{{"label", formatted(c.field, value)}, {"value", at.Format(time.RFC3339)}}
	case "multipicklist":
		text, _ := value.(string)
		return object{{"label", strings.ReplaceAll(text, ";", "; ")}, {"value", text}}
	}
	return object{{"label", value}, {"value", value}}
}

// numberLabel writes a number as reports do in the locale en_US.
func numberLabel(f *Field, value any) string {
	n, _ := asNumber(value)
	text := fmt.Sprint(formatted(f, n))
	if f.Type == "percent" {
		text += "%"
	}
	return text
}

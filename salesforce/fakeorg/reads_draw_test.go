package fakeorg_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce/soql"
)

// drawing writes statements over what describe tells, most of which the org takes. Names are in any case, aliases are
// often the name of something else.
type drawing struct {
	*rapid.T
	*readsWorld
}

func (d *drawing) oneIn(n int, label string) bool { return rapid.IntRange(1, n).Draw(d.T, label) == n }

func (d *drawing) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(d.T, label)
}

// object draws one of those objects that there are.
func (d *drawing) object(names ...string) *soql.SObject {
	known := slices.DeleteFunc(names, func(name string) bool { return d.objects[strings.ToLower(name)] == nil })
	return d.objects[strings.ToLower(d.pick("object", known...))]
}

// cased spells a name in some case.
func (d *drawing) cased(name string) string {
	switch rapid.IntRange(0, 5).Draw(d.T, "case") {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToLower(name)
	}
	return name
}

// drawScope is a query that is being written.
type drawScope struct {
	object  *soql.SObject
	aliases map[string]*soql.SObject // the object and its joined parents, by what stands before their fields
}

func (d *drawing) parents(o *soql.SObject) []soql.Field {
	return slices.DeleteFunc(slices.Clone(o.Fields), func(f soql.Field) bool { return f.RelationshipName == "" || len(f.ReferenceTo) == 0 })
}

// field draws a field of a type that can be compared, sorted and grouped by; in a SELECT list of any type.
func (d *drawing) field(o *soql.SObject, selected bool) string {
	fields := slices.DeleteFunc(slices.Clone(o.Fields), func(f soql.Field) bool {
		return !selected && slices.Contains([]string{"base64", "address", "complexvalue", "textarea", "multipicklist"}, f.Type)
	})
	return d.cased(rapid.SampledFrom(fields).Draw(d.T, "field").Name)
}

// path draws a field of the query, often of a parent.
func (d *drawing) path(s *drawScope, selected bool) string {
	o, path := s.object, ""
	if d.oneIn(3, "prefix") {
		var names []string
		for name := range s.aliases {
			names = append(names, name)
		}
		slices.Sort(names)
		alias := d.pick("alias", names...)
		o, path = s.aliases[alias], d.cased(alias)+"."
	}
	for d.oneIn(3, "parent") && len(d.parents(o)) > 0 {
		f := rapid.SampledFrom(d.parents(o)).Draw(d.T, "relationship")
		path += d.cased(f.RelationshipName) + "."
		if len(f.ReferenceTo) > 1 {
			return path + d.cased(d.pick("name field", "Name", "Type", "Id", "Email", "FirstName", "Phone", "Username", "Title"))
		}
		o = d.objects[strings.ToLower(f.ReferenceTo[0])]
	}
	return path + d.field(o, selected)
}

// from draws FROM with what follows it up to WHERE, and opens the query.
func (d *drawing) from(o *soql.SObject, name string) (*drawScope, string) {
	s := &drawScope{object: o, aliases: map[string]*soql.SObject{o.Name: o}}
	text := " FROM " + d.cased(name)
	if d.oneIn(3, "alias") {
		names := []string{"a", "Owner", o.Name, "Account", "Name", o.Fields[len(o.Fields)-1].Name}
		for _, f := range d.parents(o) {
			names = append(names, f.RelationshipName)
		}
		alias := d.pick("own alias", names...)
		text += " " + alias
		s.aliases[alias] = o
	}
	for i := 0; i < 2 && d.oneIn(4, "join"); i++ {
		single := slices.DeleteFunc(d.parents(o), func(f soql.Field) bool { return len(f.ReferenceTo) > 1 })
		if len(single) == 0 {
			break
		}
		f := rapid.SampledFrom(single).Draw(d.T, "joined")
		alias := d.pick("join alias", "b", "c", "Parent", "Contact", f.RelationshipName, o.Name)
		text += ", " + d.cased(o.Name) + "." + d.cased(f.RelationshipName) + " " + alias
		s.aliases[alias] = d.objects[strings.ToLower(f.ReferenceTo[0])]
	}
	if d.oneIn(8, "scope") {
		text += " USING SCOPE " + d.pick("scope name", "mine", "Everything", "MINE")
	}
	return s, text
}

func (d *drawing) typeOf(s *drawScope) string {
	several := slices.DeleteFunc(d.parents(s.object), func(f soql.Field) bool { return len(f.ReferenceTo) < 2 })
	if len(several) == 0 {
		return d.path(s, true)
	}
	f := rapid.SampledFrom(several).Draw(d.T, "several")
	text := "TYPEOF " + f.RelationshipName
	for range rapid.IntRange(1, 2).Draw(d.T, "whens") {
		target := d.pick("target", f.ReferenceTo...)
		text += " WHEN " + d.cased(target) + " THEN " + d.field(d.objects[strings.ToLower(target)], true)
	}
	if d.oneIn(2, "else") {
		text += " ELSE " + d.pick("else field", "Name", "Phone", "Email, Title", "Id")
	}
	return text + " END"
}

// query draws a SELECT for records over an object that FROM calls name.
func (d *drawing) query(o *soql.SObject, name string, depth int) string {
	s, from := d.from(o, name)
	var items []string
	for range rapid.IntRange(1, 3).Draw(d.T, "items") {
		switch rapid.IntRange(0, 9).Draw(d.T, "item") {
		case 0:
			items = append(items, d.typeOf(s))
		case 1:
			children := slices.DeleteFunc(slices.Clone(o.ChildRelationships), func(c soql.ChildRelationship) bool { return c.RelationshipName == "" })
			if len(children) > 0 && depth < 3 {
				child := rapid.SampledFrom(children).Draw(d.T, "child")
				items = append(items, "("+d.query(d.objects[strings.ToLower(child.ChildSObject)], child.RelationshipName, depth+1)+")")
				break
			}
			fallthrough
		case 2:
			items = append(items, d.pick("function", "toLabel", "FORMAT", "convertCurrency")+"("+d.path(s, true)+")")
		default:
			items = append(items, d.path(s, true))
		}
	}
	if d.oneIn(12, "all fields") {
		items = []string{"FIELDS(" + d.pick("set", "ALL", "STANDARD", "CUSTOM") + ")"}
	}
	text := "SELECT " + strings.Join(items, ", ") + from + d.where(s, depth)
	if d.oneIn(3, "order") {
		text += " ORDER BY " + d.path(s, false)
	}
	return text + " LIMIT 2"
}

func (d *drawing) where(s *drawScope, depth int) string {
	if d.oneIn(3, "no where") {
		return ""
	}
	if depth == 0 && d.oneIn(3, "semi-join") {
		outer := slices.DeleteFunc(slices.Clone(s.object.ChildRelationships), func(c soql.ChildRelationship) bool { return strings.EqualFold(c.ChildSObject, s.object.Name) })
		if len(outer) > 0 {
			child := rapid.SampledFrom(outer).Draw(d.T, "inner")
			inner, from := d.from(d.objects[strings.ToLower(child.ChildSObject)], child.ChildSObject)
			return " WHERE Id " + d.pick("in", "IN", "NOT IN") + " (SELECT " + d.cased(child.Field) + from + d.where(inner, 1) + ")"
		}
	}
	return " WHERE " + d.condition(s, 0)
}

func (d *drawing) condition(s *drawScope, depth int) string {
	if depth < 2 && d.oneIn(3, "nest") {
		op := d.pick("and or", " AND ", " OR ")
		return "(" + d.condition(s, depth+1) + ")" + op + "(NOT " + d.condition(s, 2) + ")"
	}
	return d.path(s, false) + d.pick("comparison", " = null", " != null", " IN (null)")
}

// grouped draws a SELECT with aggregates.
func (d *drawing) grouped(o *soql.SObject) string {
	s, from := d.from(o, o.Name)
	aggregate := func() string {
		return d.pick("aggregate", "COUNT", "MIN", "COUNT_DISTINCT", "MAX") + "(" + d.path(s, false) + ")"
	}
	if d.oneIn(4, "no group") {
		return "SELECT " + d.pick("count", "COUNT()", aggregate()+" n") + from + d.where(s, 0)
	}
	by := d.path(s, false)
	if d.oneIn(3, "date") {
		by = d.pick("date function", "CALENDAR_YEAR", "DAY_ONLY", "HOUR_IN_DAY") + "(" + d.pick("date", "CreatedDate", "convertTimezone(LastModifiedDate)") + ")"
	}
	text := "SELECT " + by + ", " + aggregate() + " x" + from + d.where(s, 0)
	if d.oneIn(3, "rollup") {
		text += " GROUP BY " + d.pick("kind", "ROLLUP", "CUBE") + "(" + by + ")"
	} else {
		text += " GROUP BY " + by
	}
	if d.oneIn(2, "having") {
		text += " HAVING " + aggregate() + " != null"
	}
	if d.oneIn(2, "sorted") {
		text += " ORDER BY " + d.pick("key", by, aggregate())
	}
	return text
}

// search draws a FIND.
func (d *drawing) search() string {
	text := "FIND {" + d.pick("term", "harbor", "example*", "no OR harbor", "5550*") + "} IN " + d.pick("group", "ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR") + " FIELDS"
	if d.oneIn(8, "everything") {
		return text
	}
	for i := range rapid.IntRange(1, 2).Draw(d.T, "objects") {
		o := d.object("Account", "Contact", "Task", "Case", "Lead", "Opportunity", "User", "Order")
		s := &drawScope{object: o, aliases: map[string]*soql.SObject{o.Name: o}}
		text += []string{" RETURNING ", ", "}[i] + d.cased(o.Name)
		if d.oneIn(4, "ids") {
			continue
		}
		text += "(" + d.path(s, true)
		if d.oneIn(2, "where") {
			text += " WHERE " + d.condition(s, 0)
		}
		if d.oneIn(2, "order") {
			text += " ORDER BY " + d.path(s, false)
		}
		text += ")"
	}
	return text
}

var lexemes = regexp.MustCompile(`'[^']*'|\{[^}]*\}|\w+|\s+|.`)

// words are what a mutation puts in the place of another word.
var words = strings.Fields(`Id Name Type Owner OwnerId Account AccountId Contact Contacts Case Cases Task Tasks What Who WhatId Email Phone Subject a b c x
	User Username Parent Industry CreatedBy Opportunities Title CreatedDate Lead Owner.Name a.Name Account.Phone What.Type Contact.Email c.Id b.Owner.Email`)

// marks are what else a mutation may put anywhere.
var marks = strings.Fields(`( ) , . SELECT FROM WHERE NOT AND OR NULL ORDER BY HAVING END ELSE WHEN THEN TYPEOF COUNT FORMAT LIMIT 1 = FIELDS ALL USING SCOPE mine`)

// mutated is a seed in which some names are others, and now and then something is doubled, swapped or left out.
func (d *drawing) mutated(seed string) string {
	parts := lexemes.FindAllString(seed, -1)
	var named []int
	for i, part := range parts {
		if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, part) }) || strings.HasSuffix(part, "Name") {
			named = append(named, i)
		}
	}
	for range rapid.IntRange(1, 3).Draw(d.T, "mutations") {
		i := rapid.IntRange(0, len(parts)-1).Draw(d.T, "place")
		switch rapid.IntRange(0, 12).Draw(d.T, "mutation") {
		case 0:
			parts[i] += " " + d.pick("inserted", marks...)
		case 1:
			parts[i] = ""
		case 2:
			j := rapid.IntRange(0, len(parts)-1).Draw(d.T, "other")
			parts[i], parts[j] = parts[j], parts[i]
		default:
			if len(named) > 0 {
				parts[rapid.SampledFrom(named).Draw(d.T, "name")] = d.cased(d.pick("word", words...))
			}
		}
	}
	return strings.Join(parts, "")
}

// drawnReads draws a statement of some kind and checks it.
func (w *readsWorld) drawnReads(r *rapid.T) (kind string, taken bool) {
	d := &drawing{T: r, readsWorld: w}
	switch kind = d.pick("statement", "query", "grouped", "search", "mutated", "mutated"); kind {
	case "search":
		return kind, w.check(r, "search", d.search())
	case "mutated":
		if d.oneIn(4, "search") {
			return kind, w.check(r, "search", d.mutated(d.pick("seed", searchSeeds...)))
		}
		return kind, w.check(r, "query", d.mutated(d.pick("seed", readsSeeds...)))
	}
	objects := append(slices.Clone(w.names), "Account", "Contact", "Case", "Task", "Opportunity", "Lead", "Order") // these have the most relationships
	o := d.object(objects...)
	if kind == "grouped" {
		return kind, w.check(r, "query", d.grouped(o))
	}
	return kind, w.check(r, "query", d.query(o, o.Name, 0))
}

// SQL reads nothing that Reads has not said, whatever is asked.
func TestReadsAreAllThatSQLReads(t *testing.T) {
	w := newReadsWorld(t)
	tooling := w.under(t, "/services/data/v62.0/tooling")
	drawn, taken := map[string]int{}, map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		for range 5 {
			world, under := w, ""
			if rapid.IntRange(0, 9).Draw(r, "api") == 0 {
				world, under = tooling, " of tooling"
			}
			kind, ok := world.drawnReads(r)
			kind += under
			drawn[kind]++
			if ok {
				taken[kind]++
			}
		}
	})
	for kind, least := range map[string]int{"query": 3, "grouped": 3, "search": 2, "mutated": 60, "query of tooling": 4} {
		if taken[kind]*least < drawn[kind] {
			t.Errorf("the org took %d of %d %s statements: too few to show anything", taken[kind], drawn[kind], kind)
		}
	}
	t.Logf("taken %v of %v", taken, drawn)
}

// FuzzReadsDrawn is the same law on bytes that a fuzzer draws with.
func FuzzReadsDrawn(f *testing.F) {
	w := newReadsWorld(f)
	f.Fuzz(rapid.MakeFuzz(func(r *rapid.T) { w.drawnReads(r) }))
}

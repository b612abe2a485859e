package records

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/currency"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/spelling"
)

// A Problem is what does not fit in a mapping.
type Problem struct {
	Key    string `json:"key"`              // in the mapping: "order.delivered"
	Object string `json:"object,omitempty"` // of the org
	Field  string `json:"field,omitempty"`
	// Message says what is wrong, and what would be right.
	Message string `json:"message"`
}

// String returns key, object, field and message.
func (p Problem) String() string {
	where := p.Key
	if at := strings.Trim(p.Object+"."+p.Field, "."); at != "" {
		where += " (" + at + ")"
	}
	return where + ": " + p.Message
}

// Misfit is the error of a mapping that does not fit.
type Misfit struct{ Problems []Problem }

// Error lists the problems.
func (m *Misfit) Error() string {
	lines := make([]string, len(m.Problems))
	for i, p := range m.Problems {
		lines[i] = p.String()
	}
	return "the mapping of returns does not fit: " + strings.Join(lines, "; ")
}

func isCurrency(code string) bool {
	unit, err := currency.ParseISO(code)
	return err == nil && unit.String() == code
}

// described is what describe says of an object.
type described struct {
	Name                              string
	Createable, Updateable, Queryable bool
	Fields                            []describedField
}

// describedField is what describe says of a field.
type describedField struct {
	Name             string
	Type             string
	Createable       bool
	Updateable       bool
	Filterable       bool
	ExternalID       bool `json:"externalId"`
	Unique           bool
	RelationshipName string
	ReferenceTo      []string
	PicklistValues   []struct {
		Active bool
		Value  string
	}
}

func (d *described) field(name string) *describedField {
	for i := range d.Fields {
		if d.Fields[i].Name == name {
			return &d.Fields[i]
		}
	}
	return nil
}

func (d *described) names() []string {
	var list []string
	for _, f := range d.Fields {
		list = append(list, f.Name)
	}
	return list
}

// values are the active values of a picklist, none of a field that is none.
func (f *describedField) values() []string {
	var list []string
	if f == nil {
		return nil
	}
	for _, v := range f.PicklistValues {
		if v.Active {
			list = append(list, v.Value)
		}
	}
	return list
}

func describePart(name, object string) part {
	return part{name: name, method: http.MethodGet, path: "/sobjects/" + object + "/describe"}
}

// maxParts is how many parts a composite request may have.
const maxParts = 25

// describe describes objects. Those that the org has not are left out.
func describe(ctx context.Context, org Org, objects []string) (map[string]*described, error) {
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/sobjects", Semantics: salesforce.Safe})
	if err != nil {
		return nil, err
	}
	var global struct{ SObjects []struct{ Name string } }
	if err := json.Unmarshal(answer.Body, &global); err != nil {
		return nil, fmt.Errorf("the org's list of objects cannot be read: %w", err)
	}
	all := map[string]*described{}
	for _, o := range global.SObjects {
		all[o.Name] = nil
	}
	var parts []part
	for _, o := range objects {
		if _, there := all[o]; there {
			parts = append(parts, describePart("describe"+strconv.Itoa(len(parts)), o))
		}
	}
	for some := range slices.Chunk(parts, maxParts) {
		answers, err := composite(ctx, org, salesforce.Safe, some)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			var d described
			if err := json.Unmarshal(a.Body, &d); err != nil {
				return nil, fmt.Errorf("the describe of an object cannot be read: %w", err)
			}
			all[d.Name] = &d
		}
	}
	return all, nil
}

// Check compares the mapping with the org. What does not fit is a [*Misfit], which
// names each key, object and field; any other error is one of the org. Fields are
// those that the user of the connection sees.
func (m Mapping) Check(ctx context.Context, org Org) error {
	if problems := m.names(); len(problems) > 0 {
		return &Misfit{Problems: problems}
	}
	var objects []string
	for _, a := range m.Access() {
		if a.Field == "" {
			objects = append(objects, a.Object)
		}
	}
	all, err := describe(ctx, org, objects)
	if err != nil {
		return fmt.Errorf("check the mapping of returns: %w", err)
	}
	var problems []Problem
	for _, u := range m.uses() {
		if u.path == "" || u.to != "" && all[u.to] == nil {
			continue // an object that is not there is told of where it is named
		}
		if all[u.object] == nil {
			section, _, _ := strings.Cut(u.key, ".")
			p := Problem{Key: section + ".object", Object: u.object, Message: "the org has no such object, or the user does not see it" +
				near(u.object, slices.Collect(maps.Keys(all)))}
			if !slices.ContainsFunc(problems, func(told Problem) bool { return told.Object == u.object && told.Field == "" }) {
				problems = append(problems, p)
			}
			continue
		}
		if p := m.fits(all, u); p != nil && !slices.Contains(problems, *p) {
			problems = append(problems, *p)
		}
	}
	if len(problems) > 0 {
		return &Misfit{Problems: problems}
	}
	return nil
}

// fits returns what is wrong with a use, or nil.
func (m Mapping) fits(all map[string]*described, u use) *Problem {
	problem := func(object, field, format string, args ...any) *Problem {
		return &Problem{Key: u.key, Object: object, Field: field, Message: fmt.Sprintf(format, args...)}
	}
	object, names := u.object, strings.Split(u.path, ".")
	for _, name := range names[:len(names)-1] {
		d := all[object]
		i := slices.IndexFunc(d.Fields, func(f describedField) bool { return f.RelationshipName == name })
		next := m.leadsTo(name)
		switch {
		case i < 0:
			var relationships []string
			for _, f := range d.Fields {
				relationships = append(relationships, f.RelationshipName)
			}
			return problem(object, name, "there is no such relationship%s", near(name, relationships))
		case !slices.Contains(d.Fields[i].ReferenceTo, next):
			return problem(object, name, "the relationship leads to %s and not to %s; relationships.%s must say to which", strings.Join(d.Fields[i].ReferenceTo, ", "), next, name)
		case all[next] == nil:
			return problem(next, "", "the user does not see the object")
		}
		object = next
	}
	name := names[len(names)-1]
	f := all[object].field(name)
	if f == nil {
		return problem(object, name, "there is no such field, or the user does not see it%s", near(name, all[object].names()))
	}
	return m.fieldFits(f, object, u, problem)
}

// fieldFits returns what is wrong with the field of a use, or nil.
func (m Mapping) fieldFits(f *describedField, object string, u use, problem func(object, field, format string, args ...any) *Problem) *Problem {
	name := f.Name
	isLookup := u.key == "returnLines.returnOrder" || u.key == "refund.lines.refund" // whose relationship is read as well
	switch {
	case u.types != "" && !slices.Contains(strings.Fields(u.types), f.Type):
		return problem(object, name, "it is of the type %s, and must be one of %s", f.Type, strings.Join(strings.Fields(u.types), ", "))
	case u.to != "" && !slices.Contains(f.ReferenceTo, u.to):
		return problem(object, name, "it refers to %s, and must refer to %s", strings.Join(f.ReferenceTo, ", "), u.to)
	case u.unique && !f.ExternalID:
		return problem(object, name, "it is no external id, and must be one, unique and case sensitive")
	case u.unique && !f.Unique:
		return problem(object, name, "it is not unique, and must be")
	case u.create && !f.Createable:
		return problem(object, name, "it is written when a record is created, and the user may not, or nobody may")
	case u.edit && !f.Updateable:
		return problem(object, name, "it is changed, and the user may not, or nobody may")
	case isLookup && f.RelationshipName != relationship(name):
		return problem(object, name, "its relationship is %s, and must be %s", f.RelationshipName, relationship(name))
	}
	if f.Type == "picklist" {
		for _, v := range u.values {
			if !slices.Contains(f.values(), v) {
				return problem(object, name, "the picklist has no active value %q%s; it has %s", v, near(v, f.values()), strings.Join(f.values(), ", "))
			}
		}
	}
	return nil
}

// near returns a remark that names what is spelled almost like name, or "".
func near(name string, among []string) string {
	if best := spelling.Near(name, among); best != "" {
		return " (did you mean " + best + "?)"
	}
	return ""
}

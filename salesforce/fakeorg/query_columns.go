package fakeorg

import "slices"

// columnMetadata is the answer to a query with columns=true, which is not documented: what the records would be made of. The
// sf command line asks for it to head its tables. Its form is from types in public code (QueryColumnMetadata).
func (p *plan) columnMetadata() object {
	list := []object{}
	if p.shape == nil {
		for _, r := range p.results {
			list = append(list, columnOf(r.key, r.field, true, nil))
		}
		return object{{"columnMetadata", list}, {"entityName", "AggregateResult"}, {"groupBy", true}, {"idSelected", false}, {"keyPrefix", nil}}
	}
	id := slices.ContainsFunc(p.shape.members, func(m shapeMember) bool { return m.field != nil && m.field.Name == "Id" })
	o := p.shape.of.object
	return object{{"columnMetadata", p.shape.columnMetadata()}, {"entityName", o.Name}, {"groupBy", false}, {"idSelected", id}, {"keyPrefix", orNull(o.Prefix)}}
}

func (p *shape) columnMetadata() []object {
	list := []object{}
	for _, m := range p.members {
		switch {
		case m.parent != nil:
			list = append(list, columnOf(m.key, nil, false, m.parent.columnMetadata()))
		case m.child != nil:
			list = append(list, columnOf(m.key, nil, true, m.child.shape.columnMetadata()))
		case m.branches != nil:
			var joined []object
			for _, branch := range m.branches {
				joined = append(joined, branch.columnMetadata()...)
			}
			list = append(list, columnOf(m.key, nil, false, joined))
		default:
			list = append(list, columnOf(m.key, m.field, false, nil))
		}
	}
	return list
}

// columnOf describes one column; joined are those of a parent or of a subquery, which is called an aggregate.
func columnOf(name string, f *Field, aggregate bool, joined []object) object {
	if f == nil {
		f = &Field{Name: name}
	}
	number := slices.Contains([]string{"int", "double", "currency", "percent"}, f.Type)
	return object{{"aggregate", aggregate}, {"apexType", apexTypes[f.Type]}, {"booleanType", f.Type == "boolean"}, {"columnName", name},
		{"custom", custom(f.Name)}, {"displayName", name}, {"foreignKeyName", nil}, {"insertable", f.Createable()}, {"joinColumns", append([]object{}, joined...)},
		{"numberType", number}, {"textType", f.Text()}, {"updatable", f.Updateable()}}
}

// apexTypes are the types of Apex by those of describe; the rest are texts.
var apexTypes = map[string]string{"id": "Id", "reference": "Id", "boolean": "Boolean", "int": "Integer", "double": "Double", "currency": "Decimal",
	"percent": "Decimal", "date": "Date", "datetime": "Datetime", "base64": "Blob", "address": "Address", "string": "String", "textarea": "String",
	"picklist": "String", "multipicklist": "String", "email": "String", "phone": "String", "url": "String"}

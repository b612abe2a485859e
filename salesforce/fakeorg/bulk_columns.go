package fakeorg

import (
	"fmt"
	"strings"
)

// bulkColumn is what the cells of a column are: values of a field, or of another field by which the record is known
// that a reference shall point to.
type bulkColumn struct {
	field  *Field
	parent *Object // of a relationship column
	by     *Field  // of the parent
}

// columns says what the names in the first row of an upload mean. They are field names in any case of letters,
// relationships such as Account.ExternalId__c, and for references to several objects Lead:Who.Email. The words of the
// errors are the platform's: a user has tried out what it says to which name.
func (j *bulkJob) columns(s *Schema, names []string) ([]bulkColumn, error) {
	if j.removes() && (len(names) != 1 || !strings.EqualFold(names[0], "Id")) {
		return nil, bulkProblem("InvalidBatch : The '" + j.Operation + "' batch must contain only ids")
	}
	columns := make([]bulkColumn, len(names))
	for i, name := range names {
		var err error
		if columns[i], err = j.column(s, name); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

// removes reports whether the job deletes.
func (j *bulkJob) removes() bool { return j.Operation == "delete" || j.Operation == "hardDelete" }

func (j *bulkJob) column(s *Schema, name string) (bulkColumn, error) {
	unknown := bulkProblem("InvalidBatch : Field name not found : " + name)
	relationship, by, isPath := strings.Cut(name, ".")
	if !isPath {
		if f := j.object.Field(name); f != nil {
			return bulkColumn{field: f}, nil
		}
		return bulkColumn{}, unknown
	}
	kind, rest, isTyped := strings.Cut(relationship, ":")
	if isTyped {
		relationship = rest
	}
	c := bulkColumn{field: j.object.Parent(relationship)}
	switch {
	case c.field == nil:
		return c, bulkProblem("InvalidBatch : Unable to find relationship: " + relationship)
	case isTyped && len(c.field.To) == 1:
		return c, bulkProblem("InvalidBatch : type is not needed for non polymorphic foreign key references: " + relationship)
	case !isTyped && len(c.field.To) > 1: // that it is refused is documented, the words are not
		return c, bulkProblem("InvalidBatch : type is needed for polymorphic foreign key references: " + relationship)
	case !isTyped:
		kind = c.field.To[0]
	}
	for _, target := range c.field.To {
		if strings.EqualFold(target, kind) {
			c.parent = s.Object(target)
			c.by = c.parent.Field(by)
		}
	}
	if c.by == nil || !c.by.ExternalID && !c.by.IDLookup {
		return c, unknown
	}
	return c, nil
}

// nullCell is what a cell says to make a field empty. An empty cell leaves it alone.
const nullCell = "#N/A"

// bulkRecord makes a record of a row.
func bulkRecord(columns []bulkColumn, row []string) (record, error) {
	var r record
	if len(row) > len(columns) { // what the platform does was not found
		return nil, invalid("INVALID_FIELD", fmt.Sprintf("The row has %d values for %d columns", len(row), len(columns)))
	}
	for i, cell := range row {
		if cell == "" || cell == nullCell && columns[i].field.Name == "Id" {
			continue
		}
		value, err := columns[i].value(i, cell)
		if err != nil {
			return nil, err
		}
		r = append(r, value)
	}
	return r, nil
}

func (c bulkColumn) value(at int, cell string) (input, error) {
	switch {
	case cell == nullCell:
		return input{name: c.field.Name}, nil
	case c.by != nil && c.by.Name != "Id":
		return input{name: c.field.Relationship, value: map[string]any{"attributes": map[string]any{"type": c.parent.Name}, c.by.Name: cell}}, nil
	}
	if c.field.Type == "date" {
		cell = strings.TrimSuffix(cell, "Z") // as in an example of the guide
	}
	if _, fits := c.field.column(cell); !fits {
		return input{}, invalid("INVALID_FIELD", fmt.Sprintf("Failed to deserialize field at col %d. Due to, '%s' is not a valid value for the type %s",
			at, cell, c.field.xsdType()), c.field.Name)
	}
	return input{name: c.field.Name, value: cell}, nil
}

// xsdType is what messages about cells call the type.
func (f *Field) xsdType() string {
	switch f.Type {
	case "double", "currency", "percent":
		return "xsd:double"
	case "datetime":
		return "xsd:dateTime"
	case "base64":
		return "xsd:base64Binary"
	}
	return "xsd:" + f.Type
}

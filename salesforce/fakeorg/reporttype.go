package fakeorg

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed reports.yaml
var reportsFile []byte

// reportsDoc is what reports.yaml says. It is read once and not changed.
type reportsDoc struct {
	Types      []reportType
	Folders    []reportFolder
	Reports    []map[string]any
	Dashboards []dashboardSeed
}

type reportFolder struct {
	Name, Type    string
	DeveloperName string `yaml:"developerName"`
}

var readReports = sync.OnceValues(func() (*reportsDoc, error) { return decodeReports(reportsFile) })

func decodeReports(file []byte) (*reportsDoc, error) {
	doc := &reportsDoc{}
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	decoder.KnownFields(true)
	if err := decoder.Decode(doc); err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	return doc, nil
}

// reportType says over which object reports are and what they may show of its records.
type reportType struct {
	Type, Label, Group, Object string
	Date                       string   // the column of the standard date filter
	Parents                    []string // of a custom report type: the parents whose fields are columns too
	Columns                    []string // what a new report shows
	Sections                   []reportSection
	StandardFilters            []standardFilterInfo `yaml:"standardFilters"`

	object  *Object
	columns map[string]*reportColumn
}

// reportSection is a group of columns.
type reportSection struct {
	Label   string
	Columns reportColumns
}

// reportColumns keep the order of the file.
type reportColumns []*reportColumn

// reportColumn is something a report can show, filter by or group by.
type reportColumn struct {
	Name  string `yaml:"-"` // its API name
	Path  string // a field, or a path to a field of a parent
	Label string

	field *Field  // the field the path ends at
	of    *Object // the object that has the field
}

// standardFilterInfo is a filter all reports of a type have.
type standardFilterInfo struct {
	Name, Label string
	Values      []struct{ Name, Label, When string }
}

// UnmarshalYAML reads a mapping of names to paths, or to a path with a label of its own.
func (c *reportColumns) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		column := &reportColumn{Name: node.Content[i].Value, Path: node.Content[i+1].Value}
		if node.Content[i+1].Kind == yaml.MappingNode {
			if err := node.Content[i+1].Decode(column); err != nil {
				return err
			}
		}
		*c = append(*c, column)
	}
	return nil
}

// resolveReportTypes connects the types of the file with the objects and fields of a schema.
func resolveReportTypes(s *Schema, doc *reportsDoc) ([]*reportType, error) {
	var types []*reportType
	for _, t := range doc.Types {
		if t.object = s.Object(t.Object); t.object == nil {
			return nil, fmt.Errorf("reports: type %s: there is no object %q", t.Type, t.Object)
		}
		sections := t.Sections
		if len(sections) == 0 {
			var err error
			if sections, err = allColumns(s, &t); err != nil {
				return nil, err
			}
		}
		t.Sections, t.columns = nil, map[string]*reportColumn{}
		for _, section := range sections {
			resolved := reportSection{Label: section.Label}
			for _, column := range section.Columns {
				c := *column
				if c.field, c.of = s.fieldAt(t.object, c.Path); c.field == nil {
					return nil, fmt.Errorf("reports: column %s of type %s: %s has no field %q", c.Name, t.Type, t.Object, c.Path)
				}
				if c.Label == "" {
					c.Label = c.field.Label
				}
				resolved.Columns, t.columns[c.Name] = append(resolved.Columns, &c), &c
			}
			t.Sections = append(t.Sections, resolved)
		}
		for _, name := range append(slices.Clone(t.Columns), t.Date) {
			if t.columns[name] == nil {
				return nil, fmt.Errorf("reports: type %s has no column %q", t.Type, name)
			}
		}
		types = append(types, &t)
	}
	return types, nil
}

// allColumns are the sections of a custom report type.
func allColumns(s *Schema, t *reportType) ([]reportSection, error) {
	sections := []reportSection{fieldColumns(t.object, t.Object, "", "")}
	for _, path := range t.Parents {
		parent := t.object
		for name := range strings.SplitSeq(path, ".") {
			reference := parent.Parent(name)
			if reference == nil {
				return nil, fmt.Errorf("reports: type %s: %s leads to no parent of %s", t.Type, path, parent.Name)
			}
			parent = s.Object(reference.To[0])
		}
		sections = append(sections, fieldColumns(parent, t.Object, path+".", parent.Label+": "))
	}
	return sections, nil
}

// fieldColumns makes a column of each field of an object. A reference is not shown itself, but the name of the parent.
func fieldColumns(o *Object, base, path, label string) reportSection {
	section := reportSection{Label: o.Label}
	for _, f := range o.Fields {
		switch {
		case f.Type == "reference" || f.Type == "address" || f.Type == "base64" || f.Name == "IsDeleted" || f.Name == "SystemModstamp":
			continue
		}
		section.Columns = append(section.Columns, &reportColumn{Name: base + "." + path + f.Name, Path: path + f.Name, Label: label + f.Label})
	}
	return section
}

// fieldAt follows a path of parents, each of one type, to a field.
func (s *Schema) fieldAt(o *Object, path string) (*Field, *Object) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		reference := o.Parent(name)
		if reference == nil || len(reference.To) != 1 {
			return nil, nil
		}
		o = s.Object(reference.To[0])
	}
	return o.Field(names[len(names)-1]), o
}

// reportType returns the type with the API name, or nil.
func (o *Org) reportType(name string) *reportType {
	for _, t := range o.analytics.types {
		if t.Type == name {
			return t
		}
	}
	return nil
}

// names reports whether the column shows the name of a record. The value of its cells is the id of that record, as on
// the platform, where the first and last name of a person do the same.
func (c *reportColumn) names() bool {
	return c.field.NameField || c.field.Name == "FirstName" || c.field.Name == "LastName"
}

// dataType is the type of the column in answers.
func (c *reportColumn) dataType() string { return c.field.Type }

// number reports whether the column can be added up.
func (c *reportColumn) number() bool {
	switch c.field.Type {
	case "int", "double", "currency", "percent":
		return true
	}
	return false
}

// filterable reports whether a filter may have the column.
func (c *reportColumn) filterable() bool { return !longText(c.field) }

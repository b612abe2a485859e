package fakeorg

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var developerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*[A-Za-z0-9]$|^[A-Za-z]$`)

// integrity is the error about metadata that cannot be.
func integrity(format string, args ...any) error {
	return invalid("FIELD_INTEGRITY_EXCEPTION", fmt.Sprintf(format, args...))
}

// field makes a field of its metadata.
func (m *fieldMetadata) field(s *Schema, o *Object, name string) (*Field, error) {
	base, isCustom := strings.CutSuffix(name, "__c")
	switch {
	case !isCustom || !developerName.MatchString(base) || strings.Contains(base, "__") || len(base) > 40:
		return nil, invalid("INVALID_FULL_NAME", "The name of a custom field has letters, digits and single underscores and ends with __c: "+name) // words not found
	case m.Label == "":
		return nil, invalid("REQUIRED_FIELD_MISSING", "Required field is missing: label", "label")
	}
	f := &Field{Name: name, Label: m.Label, Length: m.Length.int(), Required: m.Required.bool(), ExternalID: m.ExternalID.bool(), Unique: m.Unique.bool(),
		IDLookup: m.ExternalID.bool(), CaseSensitive: m.CaseSensitive.bool(), Description: m.Description, Help: m.InlineHelpText}
	if err := m.setType(s, o, f); err != nil {
		return nil, err
	}
	if o.Event && (!slices.Contains(eventTypes, m.Type) || f.ExternalID || f.Unique) { // words not found in a source
		return nil, integrity("A field of a platform event is one of %s, and neither external id nor unique: %s", strings.Join(eventTypes, ", "), name)
	}
	return f, m.check(f)
}

// eventTypes are the types a field of a platform event may have (Platform Events Developer Guide).
var eventTypes = []string{"Checkbox", "Date", "DateTime", "Number", "Text", "LongTextArea"}

// setType gives the field its type and what belongs to that.
func (m *fieldMetadata) setType(s *Schema, o *Object, f *Field) error {
	switch m.Type {
	case "Text", "Email", "Phone", "Url", "Date", "DateTime":
		f.Type = strings.ToLower(m.Type)
		if m.Type == "Text" {
			f.Type = "string"
		}
	case "TextArea":
		f.Type = "textarea"
	case "LongTextArea", "Html":
		f.Type, f.Length = "textarea", max(f.Length, 256)
	case "Checkbox":
		f.Type, f.Default = "boolean", strconv.FormatBool(m.DefaultValue.bool())
	case "Number", "Currency", "Percent":
		scale := m.Scale.int()
		f.Type, f.Precision, f.Decimals = strings.ToLower(m.Type), max(m.Precision.int(), 1), &scale
		if m.Type == "Number" {
			f.Type = "double"
		}
	case "Picklist", "MultiselectPicklist":
		f.Type = strings.ToLower(strings.TrimSuffix(m.Type, "Picklist")) + "picklist"
		f.Type = map[string]string{"picklist": "picklist", "multiselectpicklist": "multipicklist"}[f.Type]
		return m.setValues(f)
	case "Lookup", "MasterDetail":
		return m.setReference(s, o, f)
	case "AutoNumber":
		f.Type, f.Auto, f.Start = "string", m.DisplayFormat, max(m.StartingNumber.int(), 1)
		if !strings.Contains(f.Auto, "{0") {
			return integrity("The display format of an auto number has a number in it, such as A-{0000}: %s", m.DisplayFormat)
		}
	case "":
		return invalid("REQUIRED_FIELD_MISSING", "Required field is missing: type", "type")
	default:
		return notSimulated("custom fields of the type " + m.Type + " are not simulated")
	}
	if m.Formula != "" {
		return m.setFormula(s, o, f)
	}
	return nil
}

func (m *fieldMetadata) setValues(f *Field) error {
	if m.ValueSet == nil || len(m.ValueSet.ValueSetDefinition.Value) == 0 {
		return integrity("A picklist needs a valueSet with a valueSetDefinition")
	}
	f.Restricted = m.ValueSet.Restricted.bool()
	for _, v := range m.ValueSet.ValueSetDefinition.Value {
		name := v.ValueName + v.FullName
		if name == "" {
			name = v.Label
		}
		f.Values = append(f.Values, name)
		if v.Default.bool() {
			f.Default = name
		}
	}
	return nil
}

func (m *fieldMetadata) setReference(s *Schema, o *Object, f *Field) error {
	target := s.Object(m.ReferenceTo)
	if target == nil || target.Event {
		return integrity("referenceTo value of '%s' does not resolve to a valid sObject type", m.ReferenceTo)
	}
	f.Type, f.To = "reference", []string{target.Name}
	f.OnDelete = map[string]string{"Restrict": "restrict", "Cascade": "cascade"}[m.DeleteConstraint]
	if m.RelationshipName != "" {
		f.ChildName = m.RelationshipName + "__r"
	}
	if f.ChildName != "" && target.Child(f.ChildName) != nil && o.Field(f.Name) == nil {
		return invalid("DUPLICATE_DEVELOPER_NAME", "There is already a Child Relationship named "+m.RelationshipName+" on "+target.Label+".")
	}
	if m.Type == "MasterDetail" {
		f.OnDelete, f.Required = "cascade", true
	}
	return nil
}

// check refuses what cannot be together.
func (m *fieldMetadata) check(f *Field) error {
	switch {
	case f.Type == "string" && m.Type == "Text" && (f.Length < 1 || f.Length > 255) && m.Formula == "":
		return integrity("Custom field %s: length must be from 1 to 255", f.Name)
	case f.Precision > 18 || f.Decimals != nil && (*f.Decimals < 0 || *f.Decimals > f.Precision):
		return integrity("Custom field %s: precision is at most 18, and scale at most precision", f.Name)
	case f.ExternalID && f.Type != "string" && f.Type != "double" && f.Type != "email":
		return integrity("A field of the type %s cannot be an external id", m.Type)
	case f.Type == "textarea" && f.Length > 131072:
		return integrity("Custom field %s: length must be at most 131072", f.Name)
	}
	return nil
}

// splitFullName cuts Object.Field__c.
func (c *call) splitFullName(fullName string) (*Object, string, error) {
	object, name, found := strings.Cut(fullName, ".")
	o := c.org.schema.metadataObject(object)
	switch {
	case !found:
		return nil, "", invalid("INVALID_FULL_NAME", "The full name needs an object and a name, such as Account.Tier__c: "+fullName)
	case o == nil || o.face:
		return nil, "", invalid("INVALID_TYPE", "Entity of type 'CustomObject' named '"+object+"' cannot be found")
	}
	return o, name, nil
}

// metadataObject is the object that metadata calls by a name. Custom fields of tasks belong to Activity there, which
// tasks have in common with events (Metadata API, CustomField); events are not simulated.
func (s *Schema) metadataObject(name string) *Object {
	if strings.EqualFold(name, "Activity") {
		name = "Task"
	}
	return s.Object(name)
}

// insertCustomField adds a field to an object: to its table, to describe, to queries.
func insertCustomField(c *call, _ *Object, r record) (string, error) {
	fullName, _ := r.get("FullName").(string)
	m := &fieldMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return "", err
	}
	o, f, err := c.readField(fullName, m)
	if err != nil {
		return "", err
	}
	if o.Field(f.Name) != nil {
		return "", invalid("DUPLICATE_DEVELOPER_NAME", fmt.Sprintf("There is already a field named %s on %s.", bare(f.Name), o.Label))
	}
	if err := c.addField(o, f); err != nil {
		return "", err
	}
	return c.idOfMetadata("CustomField", o.Name+"."+f.Name)
}

func (c *call) readField(fullName string, m *fieldMetadata) (*Object, *Field, error) {
	o, name, err := c.splitFullName(fullName)
	if err != nil {
		return nil, nil, err
	}
	f, err := m.field(c.org.schema, o, name)
	return o, f, err
}

// idOfMetadata finds the id of a row by its full name.
func (c *call) idOfMetadata(object, fullName string) (id string, err error) {
	err = c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT Id FROM %q WHERE FullName = ? AND NOT IsDeleted`, object), fullName).Scan(&id)
	return id, err
}

// addField changes the table and the schema. The request it is part of holds the org for itself.
func (c *call) addField(o *Object, f *Field) error {
	if err := c.changeSchema(func(objects []*Object) []*Object {
		of := named(objects, o.Name)
		of.Fields = append(of.Fields, f)
		return objects
	}); err != nil {
		return err
	}
	added := c.org.schema.Object(o.Name).Field(f.Name) // complete
	if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`ALTER TABLE %q ADD COLUMN %s`, o.Name, column(added))); err != nil {
		return err
	}
	if added.Type == "boolean" && added.Default == "true" { // existing records get the default of a checkbox
		if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET %q = 1`, o.Name, added.Name)); err != nil {
			return err
		}
	}
	return c.indexField(o, added)
}

// indexField makes the index of a field that has one.
func (c *call) indexField(o *Object, f *Field) error {
	for _, statement := range indexes([]*Object{{Name: o.Name, Fields: []*Field{f}}}) {
		if _, err := c.db.ExecContext(c.Context(), statement); err != nil {
			return err
		}
	}
	return nil
}

func named(objects []*Object, name string) *Object {
	return objects[slices.IndexFunc(objects, func(o *Object) bool { return o.Name == name })]
}

// changeSchema gives the org a schema that differs, and the Tooling API rows that say so.
func (c *call) changeSchema(change func([]*Object) []*Object) error {
	next, err := c.org.schema.with(c, change)
	if err != nil {
		return err
	}
	c.org.schema = next
	return c.followSchema()
}

// metadataRow reads the full name of a row about the schema.
func (c *call) metadataRow(o *Object, id string) (fullName string, err error) {
	if err := c.mustExist(o, id); err != nil {
		return "", err
	}
	err = c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT FullName FROM %q WHERE Id = ?`, o.Name), id).Scan(&fullName)
	return fullName, err
}

// updateCustomField changes what does not change the column: labels, values, help, whether it is required. A longer
// text and more digits are no change of the column here either.
func updateCustomField(c *call, o *Object, id string, r record) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	m := &fieldMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return err
	}
	of, f, err := c.readField(fullName, m)
	if err != nil {
		return err
	}
	return c.changeField(of, f)
}

// changeField puts a field in the place of one of the same name.
func (c *call) changeField(o *Object, f *Field) error {
	was := o.Field(f.Name)
	next := *f
	next.complete()
	if columnType(was) != columnType(&next) || was.SQL != next.SQL || was.Rollup != nil || was.Type == "reference" && !slices.Equal(was.To, f.To) {
		return notSimulated("changing the type of a field is not simulated: " + o.Name + "." + f.Name + " from " + was.Type + " to " + f.Type)
	}
	return c.changeSchema(func(objects []*Object) []*Object {
		of := named(objects, o.Name)
		of.Fields[slices.IndexFunc(of.Fields, func(old *Field) bool { return old.Name == was.Name })] = f
		return objects
	})
}

// removeCustomField takes a field away, with what records have in it.
func removeCustomField(c *call, o *Object, id string) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	of, name, err := c.splitFullName(fullName)
	if err != nil {
		return err
	}
	return c.dropField(of, of.Field(name))
}

func (c *call) dropField(o *Object, f *Field) error {
	for _, other := range o.Fields {
		if other != f && other.SQL != "" && strings.Contains(other.SQL, f.Name) {
			return invalid("DEPENDENCY_EXISTS", fmt.Sprintf("This custom field is referenced elsewhere in salesforce.com.: %s.%s", o.Name, other.Name))
		}
	}
	for _, rule := range o.Rules {
		if strings.Contains(rule.When, f.Name) {
			return invalid("DEPENDENCY_EXISTS", fmt.Sprintf("This custom field is referenced elsewhere in salesforce.com.: %s.%s", o.Name, rule.Name))
		}
	}
	for _, statement := range []string{fmt.Sprintf(`DROP INDEX IF EXISTS "%s_%s"`, o.Name, f.Name), fmt.Sprintf(`ALTER TABLE %q DROP COLUMN %q`, o.Name, f.Name)} {
		if _, err := c.db.ExecContext(c.Context(), statement); err != nil {
			return err
		}
	}
	return c.changeSchema(func(objects []*Object) []*Object {
		of := named(objects, o.Name)
		of.Fields = slices.DeleteFunc(of.Fields, func(old *Field) bool { return old.Name == f.Name })
		return objects
	})
}

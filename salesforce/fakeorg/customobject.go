package fakeorg

import (
	"fmt"
	"slices"
	"strings"
)

// metadata is what the Metadata column of CustomObject says.
func (o *Object) metadata() object {
	name := object{{"label", "Name"}, {"type", "Text"}}
	if f := o.NameField(); f != nil {
		name = object{{"label", f.Label}, {"type", "Text"}}
		if f.Auto != "" {
			name = object{{"label", f.Label}, {"type", "AutoNumber"}, {"displayFormat", f.Auto}}
		}
	}
	return object{{"label", o.Label}, {"pluralLabel", o.Plural}, {"nameField", name}, {"deploymentStatus", "Deployed"}, {"sharingModel", "ReadWrite"},
		{"description", orNull(o.Description)}, {"enableReports", true}, {"enableActivities", false}}
}

// objectMetadata is the Metadata of a request for a custom object, or an object file, which holds its parts too.
type objectMetadata struct {
	Label, PluralLabel, Description string
	EventType, PublishBehavior      string // of a platform event
	NameField                       struct{ Label, Type, DisplayFormat string }
	Fields                          oneOrMore[fieldMetadata]
	ValidationRules                 oneOrMore[ruleMetadata]
	RecordTypes                     oneOrMore[map[string]any]
	ListViews                       oneOrMore[map[string]any]
}

// systemFields are those every object has.
func (s *Schema) systemFields() []*Field {
	var fields []*Field
	for _, name := range []string{"Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"} {
		fields = append(fields, s.Object("User").Field(name))
	}
	return copyFields(fields)
}

// nextPrefix is a key prefix for a custom object, a00 and so on, or for a platform event, which starts with e.
func (s *Schema) nextPrefix(first string) string {
	for n := range len(base62) * len(base62) {
		prefix := first + string(base62[n/len(base62)]) + string(base62[n%len(base62)])
		if s.byPrefix[prefix] == nil {
			return prefix
		}
	}
	return ""
}

// object makes a custom object without custom fields.
func (m *objectMetadata) object(s *Schema, name string) (*Object, error) {
	base, isCustom := strings.CutSuffix(name, "__c")
	base, isEvent := strings.CutSuffix(base, "__e")
	switch {
	case isCustom == isEvent || !developerName.MatchString(base) || strings.Contains(base, "__") || len(base) > 40:
		return nil, invalid("INVALID_FULL_NAME", "The name of a custom object has letters, digits and single underscores and ends with __c or __e: "+name)
	case m.Label == "" || m.PluralLabel == "":
		return nil, invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: [label, pluralLabel]", "label")
	}
	if isEvent {
		return m.event(s, name)
	}
	f := &Field{Name: "Name", Type: "string", Label: m.NameField.Label, Length: 80, NameField: true, IDLookup: true, Required: true}
	if f.Label == "" {
		f.Label = m.Label + " Name"
	}
	if m.NameField.Type == "AutoNumber" {
		f.Auto, f.Start = m.NameField.DisplayFormat, 1
		if !strings.Contains(f.Auto, "{0") {
			return nil, integrity("The display format of an auto number has a number in it, such as A-{0000}: %s", f.Auto)
		}
	}
	owner := &Field{Name: "OwnerId", Type: "reference", To: []string{"User"}, Required: true, Default: "$User"}
	return &Object{Name: name, Label: m.Label, Plural: m.PluralLabel, Description: m.Description, Prefix: s.nextPrefix("a"),
		Fields: append(s.systemFields(), owner, f)}, nil
}

// event makes a platform event without custom fields. The two fields that every event has are as in the Platform Events
// Developer Guide.
func (m *objectMetadata) event(s *Schema, name string) (*Object, error) {
	if m.EventType != "HighVolume" || m.PublishBehavior != "" && m.PublishBehavior != "PublishAfterCommit" && m.PublishBehavior != "PublishImmediately" {
		return nil, integrity("A platform event has the eventType HighVolume and the publishBehavior PublishAfterCommit or PublishImmediately: %s", name) // words not found in a source
	}
	return &Object{Name: name, Label: m.Label, Plural: m.PluralLabel, Description: m.Description, Prefix: s.nextPrefix("e"), Event: true,
		Fields: append(s.systemFields(), &Field{Name: "ReplayId", Type: "string", Length: 1000, Access: "none"},
			&Field{Name: "EventUuid", Type: "string", Length: 36, Access: "none"})}, nil
}

// insertCustomObject adds an object with its table.
func insertCustomObject(c *call, _ *Object, r record) (string, error) {
	fullName, _ := r.get("FullName").(string)
	m := &objectMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return "", err
	}
	if c.org.schema.Object(fullName) != nil {
		return "", invalid("DUPLICATE_DEVELOPER_NAME", "This object already exists: "+fullName)
	}
	o, err := m.object(c.org.schema, fullName)
	if err != nil {
		return "", err
	}
	if err := c.addObject(o); err != nil {
		return "", err
	}
	return c.idOfMetadata("CustomObject", o.Name)
}

func (c *call) addObject(o *Object) error {
	if err := c.changeSchema(func(objects []*Object) []*Object { return append(objects, o) }); err != nil {
		return err
	}
	for _, statement := range append(tables([]*Object{o}), indexes([]*Object{o})...) {
		if _, err := c.db.ExecContext(c.Context(), statement); err != nil {
			return err
		}
	}
	return nil
}

// updateCustomObject changes labels and description.
func updateCustomObject(c *call, o *Object, id string, r record) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	m := &objectMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return err
	}
	return c.relabel(fullName, m)
}

func (c *call) relabel(name string, m *objectMetadata) error {
	return c.changeSchema(func(objects []*Object) []*Object {
		o := named(objects, name)
		for _, text := range []struct {
			into *string
			from string
		}{{&o.Label, m.Label}, {&o.Plural, m.PluralLabel}, {&o.Description, m.Description}} {
			if text.from != "" {
				*text.into = text.from
			}
		}
		return objects
	})
}

// removeCustomObject takes an object away, with its records.
func removeCustomObject(c *call, o *Object, id string) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	return c.dropObject(c.org.schema.Object(fullName))
}

func (c *call) dropObject(o *Object) error {
	for _, child := range o.Children {
		if child.Object != o {
			return invalid("DEPENDENCY_EXISTS", fmt.Sprintf("This custom object is referenced elsewhere in salesforce.com.: %s.%s", child.Object.Name, child.Field.Name))
		}
	}
	err := c.changeSchema(func(objects []*Object) []*Object {
		for _, other := range objects {
			for _, f := range other.Fields {
				f.To = slices.DeleteFunc(slices.Clone(f.To), func(name string) bool { return name == o.Name })
			}
		}
		return slices.DeleteFunc(objects, func(other *Object) bool { return other.Name == o.Name })
	})
	if err != nil {
		return err
	}
	_, err = c.db.ExecContext(c.Context(), fmt.Sprintf(`DROP TABLE %q`, o.Name))
	return err
}

// insertFlow adds a version of a flow; the first one makes its definition too. An active version makes those before it
// obsolete.
func insertFlow(c *call, o *Object, r record) (string, error) {
	id, err := c.insertRecord(o, r)
	if err != nil {
		return "", err
	}
	name, _ := r.get("FullName").(string)
	definition, err := c.flowDefinition(name)
	if err != nil {
		return "", err
	}
	metadata, _ := r.get("Metadata").(map[string]any)
	for _, step := range []struct {
		when      bool
		statement string
	}{
		{true, `UPDATE Flow SET DefinitionId = ?1, VersionNumber = (SELECT count(*) FROM Flow WHERE FullName = ?3) WHERE Id = ?2`},
		{true, `UPDATE FlowDefinition SET LatestVersionId = ?2 WHERE Id = ?1`},
		{metadata["status"] == "Active", `UPDATE FlowDefinition SET ActiveVersionId = ?2 WHERE Id = ?1`},
		{metadata["status"] == "Active", `UPDATE Flow SET Metadata = json_set(Metadata, '$.status', 'Obsolete') WHERE DefinitionId = ?1 AND Id <> ?2 AND Status = 'Active'`},
	} {
		if !step.when {
			continue
		}
		if _, err := c.db.ExecContext(c.Context(), step.statement, definition, id, name); err != nil {
			return "", err
		}
	}
	return id, nil
}

func (c *call) flowDefinition(name string) (string, error) {
	o := c.org.schema.tooling.Object("FlowDefinition")
	ids, err := c.find(o, o.Field("FullName"), name)
	if err != nil || len(ids) > 0 {
		return append(ids, "")[0], err
	}
	return c.row("FlowDefinition", values{"FullName": name, "Metadata": `{}`})
}

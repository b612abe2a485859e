package fakeorg

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// followSchema writes the rows of the Tooling API that tell of objects, fields and validation rules, so that they say
// what the schema says. Rows of what is new get ids, those of what is gone go.
func (c *call) followSchema() error {
	var objects, fields, rules []described
	for _, o := range c.org.schema.Objects {
		if custom(o.Name) {
			objects = append(objects, described{o.Name, values{"DeveloperName": bare(o.Name), "SharingModel": "ReadWrite", "Language": "en_US"}, o.metadata()})
		}
		for _, f := range o.Fields {
			if custom(f.Name) {
				fields = append(fields, describedField(o, f))
			}
		}
		for _, rule := range o.Rules {
			rules = append(rules, described{o.Name + "." + rule.Name, values{}, rule.metadata()})
		}
	}
	if err := c.syncRows("CustomObject", objects); err != nil {
		return err
	}
	durable, err := c.durableIDs()
	if err != nil {
		return err
	}
	for _, all := range [][]described{fields, rules} {
		for _, d := range all {
			object, _, _ := strings.Cut(d.fullName, ".")
			d.fields["EntityDefinitionId"] = durable[object]
			d.fields["TableEnumOrId"] = durable[object]
		}
	}
	if err := c.syncRows("CustomField", fields); err != nil {
		return err
	}
	return c.syncRows("ValidationRule", rules)
}

// errStale says that EntityDefinition and FieldDefinition do not say what the schema says.
var errStale = errors.New("the definitions are stale")

// define sees to it that EntityDefinition and FieldDefinition say what the schema says. Their rows are many and seldom
// asked for, so that they are written when they are. A call that only reads gets errStale, see [Org.take].
func (c *call) define() error {
	if c.org.defined == c.org.schema {
		return nil
	}
	if _, writes := c.db.(*sql.Tx); !writes {
		return errStale
	}
	durable, err := c.durableIDs()
	if err != nil {
		return err
	}
	if err := c.writeDefinitions(durable); err != nil {
		return err
	}
	c.org.defined = c.org.schema
	return nil
}

// described is a row about something of the schema.
type described struct {
	fullName string
	fields   values
	metadata object
}

// bare is an API name without its suffix.
func bare(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, "__c"), "__e")
}

func describedField(o *Object, f *Field) described {
	return described{o.Name + "." + f.Name, values{"DeveloperName": bare(f.Name), "Description": orNull(f.Description),
		"InlineHelpText": orNull(f.Help), "Length": f.Length, "Precision": f.Precision, "Scale": f.Scale, "RelationshipLabel": orNull(f.ChildName)}, f.metadata()}
}

// syncRows makes the rows of an object those described: by their full names.
func (c *call) syncRows(object string, all []described) error {
	o := c.org.schema.tooling.Object(object)
	rows, err := c.rows(fmt.Sprintf(`SELECT FullName, Id FROM %q`, object), nil)
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, row := range rows {
		name, _ := row[0].(string)
		known[name], _ = row[1].(string)
	}
	for _, d := range all {
		text, err := encode(d.metadata)
		if err != nil {
			return err
		}
		d.fields["FullName"], d.fields["Metadata"] = d.fullName, string(text)
		id := known[d.fullName]
		delete(known, d.fullName)
		if id != "" {
			err = c.refreshRow(o, id, d.fields)
		} else {
			err = c.setRow(o, c.org.newID(o), d.fields, true)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range known {
		if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`DELETE FROM %q WHERE Id = ?`, object), id); err != nil {
			return err
		}
	}
	return nil
}

// refreshRow changes a row if it says something else.
func (c *call) refreshRow(o *Object, id string, fields values) error {
	var metadata string
	if err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT Metadata FROM %q WHERE Id = ?`, o.Name), id).Scan(&metadata); err != nil {
		return err
	}
	if metadata == fields["Metadata"] {
		return nil
	}
	return c.setRow(o, id, fields, false)
}

// durableIDs gives the durable id of each object: its name, or the id of the CustomObject in 15 characters.
func (c *call) durableIDs() (map[string]string, error) {
	ids := map[string]string{}
	for _, o := range c.org.schema.Objects {
		ids[o.Name] = o.Name
	}
	return ids, c.shortIDs("CustomObject", ids)
}

func (c *call) shortIDs(object string, into map[string]string) error {
	rows, err := c.rows(fmt.Sprintf(`SELECT FullName, Id FROM %q WHERE NOT IsDeleted`, object), nil)
	if err != nil {
		return err
	}
	for _, row := range rows {
		name, _ := row[0].(string)
		id, _ := row[1].(string)
		into[name] = id[:min(15, len(id))]
	}
	return nil
}

// writeDefinitions writes EntityDefinition and FieldDefinition anew.
func (c *call) writeDefinitions(durable map[string]string) error {
	fieldIDs := map[string]string{}
	if err := c.shortIDs("CustomField", fieldIDs); err != nil {
		return err
	}
	var entities, fields []values
	for _, o := range c.org.schema.Objects {
		entities = append(entities, o.definition(durable[o.Name]))
		for _, f := range o.Fields {
			name := f.Name
			if id := fieldIDs[o.Name+"."+f.Name]; id != "" {
				name = id
			}
			fields = append(fields, f.definition(durable[o.Name]+"."+name, durable[o.Name], o))
		}
	}
	if err := c.replaceRows("EntityDefinition", entities); err != nil {
		return err
	}
	return c.replaceRows("FieldDefinition", fields)
}

// replaceRows writes many rows in one statement.
func (c *call) replaceRows(object string, rows []values) error {
	o := c.org.schema.tooling.Object(object)
	columns, picks := []string{"CreatedDate", "LastModifiedDate", "SystemModstamp", "CreatedById", "LastModifiedById"}, []string{"?2", "?2", "?2", "?3", "?3"}
	for _, f := range o.Fields {
		if _, given := rows[0][f.Name]; given {
			columns, picks = append(columns, f.Name), append(picks, fmt.Sprintf("value ->> '%s'", f.Name))
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`DELETE FROM %q`, object)); err != nil {
		return err
	}
	_, err = c.db.ExecContext(c.Context(), fmt.Sprintf(`INSERT INTO %q ("%s") SELECT %s FROM json_each(?1)`, object,
		strings.Join(columns, `", "`), strings.Join(picks, ", ")), string(text), c.org.schema.changed.Format(storedTime), c.user.id)
	return err
}

// definition is the EntityDefinition of an object.
func (o *Object) definition(durable string) values {
	writable := !o.ReadOnly
	return values{"Id": durable, "QualifiedApiName": o.Name, "DeveloperName": bare(o.Name), "MasterLabel": o.Label, "Label": o.Label, "PluralLabel": o.Plural,
		"KeyPrefix": orNull(o.Prefix), "IsCustomizable": writable && !o.face, "IsApexTriggerable": writable && !o.face, "IsWorkflowEnabled": writable && !o.face,
		"IsLayoutable": !o.Event, "IsCompactLayoutable": !o.Event, "IsQueryable": !o.Event, "IsSearchable": searchable(o),
		"IsEverCreatable": writable && !o.NoCreate, "IsEverUpdatable": writable && !o.Event, "IsEverDeletable": writable && !o.NoDelete && !o.Event,
		"IsMruEnabled": !o.Event}
}

// definition is the FieldDefinition of a field.
func (f *Field) definition(durable, entity string, o *Object) values {
	d := describeField(o, f)
	flag := func(key string) any {
		return d[slices.IndexFunc(d, func(m member) bool { return m.key == key })].value
	}
	references, err := encode(object{{"referenceTo", append([]string{}, f.To...)}})
	if err != nil || len(f.To) == 0 {
		references = []byte(`{"referenceTo":null}`)
	}
	return values{"Id": durable, "EntityDefinitionId": entity, "QualifiedApiName": f.Name, "DeveloperName": bare(f.Name), "MasterLabel": f.Label,
		"Label": f.Label, "DataType": f.dataType(), "ValueTypeId": f.Type, "Length": f.Length, "Precision": f.Precision, "Scale": f.Scale,
		"IsNillable": flag("nillable"), "IsNameField": f.NameField, "IsCalculated": f.Computed(), "IsIndexed": f.IDLookup || f.ExternalID || f.Type == "reference",
		"IsCompound": f.Type == "address", "IsPolymorphicForeignKey": len(f.To) > 1, "IsApiFilterable": flag("filterable"),
		"IsApiSortable": flag("sortable"), "IsApiGroupable": flag("groupable"), "ReferenceTo": string(references),
		"RelationshipName": orNull(f.Relationship), "Description": orNull(f.Description)}
}

// dataType is what setup calls the type of a field.
func (f *Field) dataType() string {
	switch {
	case f.Rollup != nil:
		return "Roll-Up Summary (SUM " + f.Rollup.From + ")"
	case f.Auto != "":
		return "Auto Number"
	case f.SQL != "" && custom(f.Name):
		return "Formula (" + typeNames[f.Type] + ")"
	}
	switch f.Type {
	case "string":
		return fmt.Sprintf("Text(%d)", f.Length)
	case "textarea":
		if f.Length > 255 {
			return fmt.Sprintf("Long Text Area(%d)", f.Length)
		}
		return "Text Area(255)"
	case "double":
		return fmt.Sprintf("Number(%d, %d)", f.Precision-f.Scale, f.Scale)
	case "currency", "percent":
		return fmt.Sprintf("%s(%d, %d)", typeNames[f.Type], f.Precision-f.Scale, f.Scale)
	case "int":
		return "Number(9, 0)"
	case "reference":
		return "Lookup(" + strings.Join(f.To, ",") + ")"
	case "datetime":
		return "Date/Time"
	case "multipicklist":
		return "Picklist (Multi-Select)"
	case "id", "address", "base64", "complexvalue":
		return inWords(strings.ToUpper(f.Type[:1]) + f.Type[1:])
	case "url":
		return "URL"
	}
	return typeNames[f.Type]
}

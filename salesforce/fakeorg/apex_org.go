package fakeorg

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// apexOrg is the org as Apex sees it: the data API's objects, read and written in the transaction of a call.
type apexOrg struct{ *call }

// apex gives the org to Apex, which sees what the data API shows whichever API has called it.
func (c *call) apex() *apexOrg {
	data := *c
	data.tooling = false
	return &apexOrg{&data}
}

// Class reads a class of the org.
func (o *apexOrg) Class(name string) *apex.Class {
	var body string
	if o.db.QueryRowContext(o.Context(), `SELECT Body FROM ApexClass WHERE Name = ? AND NOT IsDeleted`, name).Scan(&body) != nil {
		return nil
	}
	class, refused := apex.ParseClass(body)
	if refused != nil {
		return nil
	}
	return class
}

// Object gives the API name of an sObject.
func (o *apexOrg) Object(name string) string {
	if object := o.schema().Object(strings.TrimPrefix(name, "Schema.")); object != nil {
		return object.Name
	}
	return ""
}

// Field tells about a field or relationship.
func (o *apexOrg) Field(object, name string) (apex.FieldInfo, bool) {
	of := o.schema().Object(object)
	if of == nil {
		return apex.FieldInfo{}, false
	}
	if f := of.Field(name); f != nil {
		return apex.FieldInfo{Name: f.Name, Type: f.Type, Scale: f.Scale}, true
	}
	if f := of.Parent(name); f != nil {
		return apex.FieldInfo{Name: f.Relationship, Type: "parent", Object: f.To[0]}, true
	}
	if child := of.Child(name); child != nil {
		return apex.FieldInfo{Name: child.Name, Type: "children", Object: child.Object.Name}, true
	}
	return apex.FieldInfo{}, false
}

// Query runs a query.
func (o *apexOrg) Query(soql string) ([]*apex.SObject, error) {
	p, err := o.plan(soql, false)
	if err != nil {
		return nil, asRowError(err)
	}
	_, rows, err := o.run(p)
	if err != nil {
		return nil, asRowError(err)
	}
	records := make([]*apex.SObject, len(rows))
	for i, row := range rows {
		records[i] = o.asRecord(row)
	}
	return records, nil
}

// Count runs SELECT COUNT().
func (o *apexOrg) Count(soql string) (int, error) {
	p, err := o.plan(soql, false)
	if err != nil {
		return 0, asRowError(err)
	}
	total, _, err := o.run(p)
	return total, asRowError(err)
}

// asRecord turns a record of an answer into one of Apex.
func (o *apexOrg) asRecord(row object) *apex.SObject {
	attributes, _ := row[0].value.(object)
	kind, _ := attributes[0].value.(string)
	record := apex.NewSObject(kind)
	record.Queried = true
	of := o.schema().Object(kind)
	for _, m := range row[1:] {
		record.Put(m.key, o.asValue(of, m))
	}
	return record
}

func (o *apexOrg) asValue(of *Object, m member) apex.Value {
	var f *Field
	if of != nil {
		f = of.Field(m.key)
	}
	switch v := m.value.(type) {
	case object:
		if v[0].key == "attributes" {
			return o.asRecord(v)
		}
		list := &apex.List{}
		if rows, isChildren := v[len(v)-1].value.([]object); isChildren {
			for _, row := range rows {
				list.Items = append(list.Items, o.asRecord(row))
			}
		}
		return list
	case double:
		scale := 2
		if f != nil {
			scale = f.Scale
		}
		return apex.NewDecimal(float64(v), scale)
	case string:
		return textValue(f, v)
	case int64, bool:
		return v
	case nil:
		return nil
	}
	return nil
}

// textValue is what a text of an answer stands for.
func textValue(f *Field, text string) apex.Value {
	if f == nil {
		return text
	}
	switch f.Type {
	case "id", "reference":
		return apex.ID(text)
	case "date":
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return apex.Date{Time: t}
		}
	case "datetime":
		if t, err := time.Parse(shownTime, text); err == nil {
			return t.UTC()
		}
	}
	return text
}

// Write writes one record.
func (o *apexOrg) Write(op, key string, row *apex.SObject) (string, error) {
	object := o.schema().Object(row.Type)
	given, _ := row.Get("Id")
	id, _ := parseID(apex.Text(given))
	var r record
	for _, name := range row.Changed() {
		if value, _ := row.Get(name); !strings.EqualFold(name, "Id") && object.Field(name) != nil {
			r = append(r, input{name: name, value: asInput(value)})
		}
	}
	var err error
	switch op {
	case "insert":
		id, err = o.insert(object, r)
	case "update":
		err = o.update(object, id, r)
	case "delete":
		err = o.remove(object, id)
	default:
		id, err = o.upsertOf(object, key, id, r)
	}
	return id, asRowError(err)
}

// upsertOf updates the record with the id or the external id, or creates one.
func (o *apexOrg) upsertOf(object *Object, key, id string, r record) (string, error) {
	if key == "" || strings.EqualFold(key, "Id") {
		if id != "" {
			return id, o.update(object, id, r)
		}
		return o.insert(object, r)
	}
	by, err := externalField(object, key[strings.LastIndexByte(key, '.')+1:])
	if err != nil {
		return "", err
	}
	value, rest := withoutField(r, by.Name)
	id, _, err = o.upsert(object, by, value, rest)
	return id, err
}

// asInput is a value as a request body has it.
func asInput(v apex.Value) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case int64, apex.Decimal:
		return json.Number(apex.Text(v))
	case apex.Date:
		return v.Format(time.DateOnly)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return apex.Text(v)
}

// asRowError makes a refusal one that Apex can catch.
func asRowError(err error) error {
	var f *fault
	if !errors.As(err, &f) || f.status == http.StatusInternalServerError {
		return err
	}
	return &apex.RowError{Code: f.code, Message: strings.TrimSpace(f.message), Fields: f.fields}
}

// Within undoes what fails.
func (o *apexOrg) Within(do func() error) error { return o.within(do) }

// User is who asks.
func (o *apexOrg) User() apex.User {
	u := apex.User{ID: o.user.id, Username: o.user.username, OrganizationID: organizationID}
	_ = o.db.QueryRowContext(o.Context(), `SELECT coalesce(FirstName, ''), LastName, Email, ProfileId FROM User WHERE Id = ?`, o.user.id).
		Scan(&u.FirstName, &u.LastName, &u.Email, &u.ProfileID) // a user who is gone meanwhile has no name
	return u
}

// Now is the org's time.
func (o *apexOrg) Now() time.Time { return o.now() }

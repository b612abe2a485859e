package fakeorg

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// change is a new value of a column.
type change struct {
	field *Field
	value any
}

// insert creates a record and returns its id.
func (c *call) insert(o *Object, r record) (string, error) {
	if o.whole != nil && o.NoCreate && !o.whole.NoCreate && !o.ReadOnly {
		return "", noInsert(o)
	}
	if o.ReadOnly || o.NoCreate {
		return "", refuse(http.StatusBadRequest, "INVALID_TYPE_FOR_OPERATION", "entity type %s does not support create", o.Name)
	}
	if own := metadataObjects[o.Name].insert; own != nil {
		return own(c, o, r)
	}
	return c.insertRecord(o, r)
}

// insertRecord creates a record that needs no more than its object says.
func (c *call) insertRecord(o *Object, r record) (string, error) {
	changes, err := c.changes(o, r, true)
	if err != nil {
		return "", err
	}
	return c.create(o, changes)
}

// create makes a record with the changes, once they are found to be valid.
func (c *call) create(o *Object, changes []change) (string, error) {
	o = o.base()
	changes = c.withDefaults(o, changes)
	if err := c.validate(o, "", changes, true); err != nil {
		return "", err
	}
	return c.add(o, changes)
}

// add writes a new record.
func (c *call) add(o *Object, changes []change) (string, error) {
	id := c.org.newID(o)
	if err := c.store(o, id, changes, true); err != nil {
		return "", err
	}
	if o.Name == "ContentVersion" {
		if err := c.publish(id); err != nil {
			return "", err
		}
	}
	return id, c.settle(o, id, true)
}

// update changes a record.
func (c *call) update(o *Object, id string, r record) error {
	if o.ReadOnly || o.Event {
		return refuse(http.StatusBadRequest, "INVALID_TYPE_FOR_OPERATION", "entity type %s does not support update", o.Name)
	}
	if o.noEdit {
		return noAccess()
	}
	if own := metadataObjects[o.Name].update; own != nil {
		return own(c, o, id, r)
	}
	return c.updateRecord(o, id, r)
}

// updateRecord changes a record that needs no more than its object says.
func (c *call) updateRecord(o *Object, id string, r record) error {
	changes, err := c.changes(o, r, false)
	if err != nil {
		return err
	}
	return c.edit(o, id, changes)
}

// edit changes a record that is there and not locked.
func (c *call) edit(o *Object, id string, changes []change) error {
	o = o.base()
	if err := c.mustExist(o, id); err != nil {
		return err
	}
	if err := c.mayEdit(o, id); err != nil {
		return err
	}
	return c.change(o, id, changes)
}

// change changes a record, locked or not.
func (c *call) change(o *Object, id string, changes []change) error {
	if err := c.validate(o, id, changes, false); err != nil {
		return err
	}
	if err := c.store(o, id, changes, false); err != nil {
		return err
	}
	return c.settle(o, id, false)
}

// changes turns a request body into changes: names and JSON types are checked here, as the platform's parser does
// before it looks at the record, and what the user may write. The changes are of the whole object.
func (c *call) changes(o *Object, r record, creating bool) ([]change, error) {
	var changes []change
	var refused []string
	for _, in := range r {
		if strings.EqualFold(in.name, "attributes") {
			continue
		}
		f := o.Field(in.name)
		if f == nil {
			parent, id, err := c.foreignKey(o, in)
			if err != nil {
				return nil, err
			}
			changes = append(changes, change{parent, id})
			continue
		}
		if f.Name == "Id" && !creating {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
		}
		if slices.ContainsFunc(changes, func(ch change) bool { return ch.field == f }) {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "Duplicate field specified: %s", f.Name)
		}
		value, err := f.parse(in)
		if err != nil {
			return nil, err
		}
		if creating && !f.Createable() || !creating && !f.Updateable() {
			refused = append(refused, f.Name)
		}
		changes = append(changes, change{f, value})
	}
	if len(refused) > 0 {
		return nil, invalid("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+strings.Join(refused, ", ")+
			". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", refused...)
	}
	for i, ch := range changes {
		changes[i].field = o.base().Field(ch.field.Name)
	}
	return changes, nil
}

// noColumn is the error about a name that is no field.
func noColumn(o *Object, name string) *fault {
	return refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on sobject of type %s", name, o.Name)
}

// foreignKey resolves a parent given by an external id, such as "Account": {"ExternalId__c": "A-1"}.
func (c *call) foreignKey(o *Object, in input) (*Field, any, error) {
	f := o.Parent(in.name)
	given, isObject := in.value.(map[string]any)
	if f == nil || !isObject {
		return nil, nil, noColumn(o, in.name)
	}
	attributes, _ := given["attributes"].(map[string]any)
	for _, name := range f.To {
		if kind, isGiven := attributes["type"].(string); isGiven && !strings.EqualFold(kind, name) {
			continue
		}
		parent := c.schema().Object(name)
		for key, value := range given {
			by := parent.Field(key)
			if by == nil || !by.ExternalID && !by.IDLookup {
				continue
			}
			ids, err := c.find(parent, by, fmt.Sprint(value))
			if err != nil {
				return nil, nil, err
			}
			if len(ids) != 1 {
				return nil, nil, invalid("INVALID_FIELD", fmt.Sprintf("Foreign key external ID: %v not found for field %s in entity %s", value, by.Name, parent.Name))
			}
			return f, ids[0], nil
		}
	}
	return nil, nil, noColumn(o, in.name)
}

// withDefaults adds the values a create gets for fields it does not give.
func (c *call) withDefaults(o *Object, changes []change) []change {
	for _, f := range o.Fields {
		at := slices.IndexFunc(changes, func(ch change) bool { return ch.field == f })
		var value any
		switch {
		case f.Auto != "":
			value = c.org.nextNumber(o, f)
		case f.Default == "" || at >= 0 && changes[at].value != nil:
			continue
		case f.Default == "$User":
			value = c.user.id
		case f.Type == "boolean":
			value = f.Default == "true"
		default:
			value = f.Default
		}
		if at >= 0 {
			changes[at].value = value
		} else {
			changes = append(changes, change{f, value})
		}
	}
	return changes
}

// validate refuses values the record cannot have, in the platform's order: required fields, then each value, then
// uniqueness. Validation rules come after the record is written.
func (c *call) validate(o *Object, id string, changes []change, creating bool) error {
	if missing := missing(o, changes, creating); len(missing) > 0 {
		return invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	for i, ch := range changes {
		if err := ch.field.check(ch.value); err != nil {
			return err
		}
		if ch.field.Type == "reference" && ch.value != nil {
			full, err := c.checkReference(ch.field, ch.value.(string))
			if err != nil {
				return err
			}
			changes[i].value = full
		}
	}
	for _, ch := range changes {
		if err := c.checkUnique(o, id, ch); err != nil {
			return err
		}
	}
	return nil
}

// missing lists required fields without a value.
func missing(o *Object, changes []change, creating bool) []string {
	var names []string
	for _, f := range o.Fields {
		if !f.Required || f.Type == "boolean" || !f.Createable() {
			continue
		}
		at := slices.IndexFunc(changes, func(ch change) bool { return ch.field == f })
		if at < 0 && creating || at >= 0 && changes[at].value == nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// checkReference returns the 18 character form of the id of an existing record of a type the field may refer to.
func (c *call) checkReference(f *Field, given string) (string, error) {
	id, valid := parseID(given)
	if !valid {
		return "", invalid("MALFORMED_ID", f.Label+": id value of incorrect type: "+given, f.Name)
	}
	target := c.allObjects().ObjectOf(id)
	if target == nil || !slices.Contains(f.To, target.Name) {
		return "", invalid("FIELD_INTEGRITY_EXCEPTION", f.Label+": id value of incorrect type: "+given, f.Name)
	}
	if c.schema().Object(target.Name) == nil {
		return "", noReference(id)
	}
	var deleted bool
	err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT IsDeleted FROM %q WHERE Id = ?`, target.Name), id).Scan(&deleted)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case err == nil && deleted:
		return "", invalid("ENTITY_IS_DELETED", "entity is deleted")
	}
	return id, err
}

func (c *call) checkUnique(o *Object, id string, ch change) error {
	if !ch.field.Unique || ch.value == nil {
		return nil
	}
	var other string
	err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT Id FROM %q WHERE %q = ? AND Id <> ? AND NOT IsDeleted`, o.Name, ch.field.Name),
		ch.value, id).Scan(&other)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return invalid("DUPLICATE_VALUE", fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", ch.field.Name, other[:15]))
}

// store writes the changes and who made them when.
func (c *call) store(o *Object, id string, changes []change, creating bool) error {
	now := c.now().Format(storedTime)
	names := []string{"LastModifiedDate", "LastModifiedById", "SystemModstamp"}
	values := []any{now, c.user.id, now}
	if creating {
		names = append(names, "CreatedDate", "CreatedById")
		values = append(values, now, c.user.id)
	}
	for _, ch := range changes {
		names, values = append(names, ch.field.Name), append(values, ch.value)
	}
	names, values = append(names, "Id"), append(values, id)
	var statement string
	if creating {
		statement = fmt.Sprintf(`INSERT INTO %q ("%s") VALUES (?%s)`, o.Name, strings.Join(names, `", "`), strings.Repeat(", ?", len(names)-1))
	} else {
		statement = fmt.Sprintf(`UPDATE %q SET "%s" = ? WHERE Id = ?`, o.Name, strings.Join(names[:len(names)-1], `" = ?, "`))
	}
	_, err := c.db.ExecContext(c.Context(), statement, values...)
	return err
}

// settle works out the fields that follow from others, then asks the validation rules.
func (c *call) settle(o *Object, id string, created bool) error {
	if assignments := follows(o, created); assignments != "" {
		if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET %s WHERE Id = ?`, o.Name, assignments), id); err != nil {
			return err
		}
	}
	for _, rule := range o.Rules {
		if rule.When == "" || rule.Inactive {
			continue
		}
		when := strings.ReplaceAll(rule.When, today, c.now().Format(time.DateOnly))
		var broken bool
		err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT coalesce(%s, 0) FROM %q WHERE Id = ?`, when, o.Name), id).Scan(&broken)
		if err != nil {
			return err
		}
		if broken {
			return invalid("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.Message, list(rule.Field)...)
		}
	}
	return nil
}

// follows gives the assignments of fields whose values come from others.
func follows(o *Object, created bool) string {
	var assignments []string
	for _, f := range o.Fields {
		if f.Follow != "" {
			assignments = append(assignments, fmt.Sprintf(`%q = (%s)`, f.Name, f.Follow))
		}
		if f.Initial != "" && created {
			assignments = append(assignments, fmt.Sprintf(`%q = coalesce(%[1]q, (%s))`, f.Name, f.Initial))
		}
	}
	return strings.Join(assignments, ", ")
}

// mustExist refuses ids of records that are not there, or not any more.
func (c *call) mustExist(o *Object, id string) error {
	var deleted bool
	err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT IsDeleted FROM %q WHERE Id = ?`, o.Name), id).Scan(&deleted)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return &fault{status: http.StatusNotFound, code: "INVALID_CROSS_REFERENCE_KEY", message: "invalid cross reference id"}
	case err == nil && deleted:
		return &fault{status: http.StatusNotFound, code: "ENTITY_IS_DELETED", message: "entity is deleted"}
	}
	return err
}

// within runs do so that its writes and the work it promises are undone when it fails, while those before it stay.
func (c *call) within(do func() error) error {
	exec := func(statement string) error {
		_, err := c.db.ExecContext(c.Context(), statement)
		return err
	}
	if err := exec("SAVEPOINT step"); err != nil {
		return err
	}
	promised, schema := c.promised.count(), c.org.schema
	if err := do(); err != nil {
		c.promised.forget(promised)
		c.org.schema, c.org.defined = schema, nil
		return errors.Join(err, exec("ROLLBACK TO step"), exec("RELEASE step"))
	}
	return exec("RELEASE step")
}

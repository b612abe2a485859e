package fakeorg

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// stored is a row of a table by the names of its fields. A blob is represented by its length.
type stored map[string]any

// load reads a record that is not deleted, or gives nil.
func (c *call) load(o *Object, id string) (stored, error) {
	var columns []string
	row := stored{}
	var into []any
	for _, f := range o.Fields {
		if !f.Stored() {
			continue
		}
		column := `"` + f.Name + `"`
		if f.Type == "base64" {
			column = `length(` + column + `)`
		}
		columns, into = append(columns, column), append(into, new(any))
	}
	statement := fmt.Sprintf(`SELECT %s FROM %q WHERE Id = ? AND NOT IsDeleted`, strings.Join(columns, ", "), o.Name)
	err := c.db.QueryRowContext(c.Context(), statement, id).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	for _, f := range o.Fields {
		if f.Stored() {
			row[f.Name], into = *into[0].(*any), into[1:]
		}
	}
	return row, err
}

// checkPaths refuses field paths, such as Name or Owner.Profile.Name, that do not exist.
func (c *call) checkPaths(o *Object, paths []string) error {
	for _, path := range paths {
		if err := c.checkPath(o, path); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) checkPath(o *Object, path string) error {
	first, rest, isPath := strings.Cut(path, ".")
	if !isPath {
		if o.Field(first) == nil {
			return noColumn(o, first)
		}
		return nil
	}
	parent := o.Parent(first)
	if parent == nil {
		return refuse(400, "INVALID_FIELD", "Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, "+
			"be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", first)
	}
	var err error
	for _, name := range parent.To {
		if err = c.checkPath(c.schema().Object(name), rest); err == nil {
			return nil // one of the types a reference may have knows the field
		}
	}
	return err
}

// show makes the answer for a row: the fields and parents the paths name, or every field when there are none.
func (c *call) show(o *Object, row stored, paths []string) (object, error) {
	id, _ := row["Id"].(string)
	out := object{{"attributes", c.attributes(o, id)}}
	if len(paths) == 0 {
		for _, f := range o.Fields {
			out = append(out, member{f.Name, c.value(o, f, id, row)})
		}
		return out, nil
	}
	if !slices.ContainsFunc(paths, func(p string) bool { return strings.EqualFold(p, "Id") }) {
		paths = append(slices.Clone(paths), "Id")
	}
	parents := map[string][]string{}
	for _, path := range paths {
		if first, rest, isPath := strings.Cut(path, "."); isPath {
			key := strings.ToLower(first)
			parents[key] = append(parents[key], rest)
		}
	}
	for _, path := range paths {
		first, _, isPath := strings.Cut(path, ".")
		if !isPath {
			f := o.Field(path)
			out = append(out, member{f.Name, c.value(o, f, id, row)})
			continue
		}
		key := strings.ToLower(first)
		if parents[key] == nil {
			continue // shown already
		}
		f := o.Parent(first)
		parent, err := c.parent(row[f.Name], parents[key])
		if err != nil {
			return nil, err
		}
		out, parents[key] = append(out, member{f.Relationship, parent}), nil
	}
	return out, nil
}

// parent is the record a reference points to, or nil. Fields that its type does not have are left out: the reference
// may have several types.
func (c *call) parent(reference any, paths []string) (any, error) {
	id, _ := reference.(string)
	o := c.schema().ObjectOf(id)
	if o == nil {
		return nil, nil
	}
	row, err := c.load(o, id)
	if err != nil || row == nil {
		return nil, err
	}
	known := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return c.checkPath(o, p) != nil })
	return c.show(o, row, known)
}

// value is what an answer shows of a field.
func (c *call) value(o *Object, f *Field, id string, row stored) any {
	switch f.Type {
	case "address":
		return address(f, func(column string) any { return row[column] })
	case "base64":
		if row[f.Name] == nil {
			return nil
		}
		return c.blobURL(o, f, id)
	}
	return shown(f, row[f.Name])
}

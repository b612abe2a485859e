package fakeorg

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// runner is an automation at work on a record.
type runner struct {
	*call
	object *Object
	id     string         // of the record; empty when there is none
	inputs map[string]any // by name, as columns
	write  func(o *Object, id string, changes []change) error
}

// automate starts an automation on a record. It may change locked records, as the platform's own actions do.
func (c *call) automate(o *Object, id string) *runner {
	return &runner{call: c, object: o, id: id, inputs: map[string]any{"created": nil}, write: c.change}
}

// evaluate works out expressions over the record; over empty columns when there is none.
func (r *runner) evaluate(expressions ...string) ([]any, error) {
	results, into := make([]any, len(expressions)), make([]any, len(expressions))
	for i := range results {
		into[i] = &results[i]
	}
	from := ""
	if r.object != nil {
		from = fmt.Sprintf(`FROM (SELECT 1) LEFT JOIN %q ON Id = :id`, r.object.Name)
	}
	args := []any{sql.Named("id", r.id), sql.Named("now", r.now().Format(storedTime)), sql.Named("user", r.user.id)}
	for name, value := range r.inputs {
		args = append(args, sql.Named(name, value))
	}
	statement := fmt.Sprintf(`SELECT (%s) %s`, strings.Join(expressions, `), (`), from)
	err := r.db.QueryRowContext(r.Context(), statement, args...).Scan(into...)
	return results, err
}

// holds reports whether a condition holds; an empty one does.
func (r *runner) holds(condition string) (bool, error) {
	if condition == "" {
		return true, nil
	}
	results, err := r.evaluate(condition)
	if err != nil {
		return false, err
	}
	n, isInt := results[0].(int64)
	return isInt && n != 0, nil
}

// values works out values for fields of an object.
func (r *runner) values(o *Object, set fieldValues) ([]change, error) {
	if len(set) == 0 {
		return nil, nil
	}
	expressions := make([]string, len(set))
	for i, v := range set {
		expressions[i] = v.expression
	}
	results, err := r.evaluate(expressions...)
	if err != nil {
		return nil, err
	}
	fields := values{}
	for i, v := range set {
		fields[v.field] = results[i]
	}
	return o.columns(fields)
}

// steps does the steps whose conditions hold when it is their turn.
func (r *runner) steps(steps []automationStep) error {
	for i := range steps {
		due, err := r.holds(steps[i].When)
		if err == nil && due {
			err = r.step(&steps[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) step(s *automationStep) error {
	if s.Throw != "" {
		return errors.New(s.Throw)
	}
	o := r.org.schema.Object(s.target(r.object.Name))
	changes, err := r.values(o, s.Set)
	if err != nil {
		return err
	}
	switch {
	case s.Create != "":
		id, err := r.create(o, changes)
		r.inputs["created"] = id
		return err
	case s.Update != "":
		found, err := r.evaluate(s.ID)
		if err != nil || found[0] == nil {
			return err
		}
		return r.write(o, fmt.Sprint(found[0]), changes)
	}
	return r.write(o, r.id, changes)
}

// columns turns values of fields into changes, in the order of the fields.
func (o *Object) columns(fields values) ([]change, error) {
	var changes []change
	for _, f := range o.Fields {
		v, given := fields[f.Name]
		if !given {
			continue
		}
		if v == nil {
			changes = append(changes, change{f, nil})
			continue
		}
		switch n := v.(type) {
		case int, float64:
			v = json.Number(fmt.Sprint(n))
		case int64:
			v = json.Number(fmt.Sprint(n))
			if f.Type == "boolean" {
				v = n != 0
			}
		}
		column, fits := f.column(v)
		if !fits {
			return nil, fmt.Errorf("%s.%s cannot be %v", o.Name, f.Name, v)
		}
		changes = append(changes, change{f, column})
	}
	if len(changes) != len(fields) {
		return nil, fmt.Errorf("%s: one of the fields does not exist: %v", o.Name, fields)
	}
	return changes, nil
}

// putRecord makes a record as the platform itself does: every field may be set, and nothing is checked.
func (c *call) putRecord(name string, fields values) (string, error) {
	o := c.schema().Object(name)
	changes, err := o.columns(fields)
	if err != nil {
		return "", err
	}
	return c.add(o, c.withDefaults(o, changes))
}

// setFields changes a record as the platform itself does.
func (c *call) setFields(name, id string, fields values) error {
	o := c.schema().Object(name)
	changes, err := o.columns(fields)
	if err != nil {
		return err
	}
	return c.store(o, id, changes, false)
}

package fakeorg

import (
	"database/sql"
	"fmt"
	"testing"
	"time"
)

// TestSeedIsValid: the company breaks none of the rules that clients have to keep, since it is written without them.
func TestSeedIsValid(t *testing.T) {
	o := newOrg(t, time.Now())
	c := &call{org: o, db: o.db}
	records := 0
	for _, object := range o.schema.Objects {
		if object.PerUser {
			continue
		}
		columns, rows := everyRow(t, o.db, object)
		for _, row := range rows {
			records++
			for i, f := range columns {
				if err := c.checkSeeded(f, row[i]); err != nil {
					t.Errorf("%s.%s of %v is %v: %v", object.Name, f.Name, row[0], row[i], err)
				}
			}
			for _, rule := range object.Rules {
				var broken bool
				if err := o.db.QueryRow(fmt.Sprintf(`SELECT coalesce(%s, 0) FROM %q WHERE Id = ?`, rule.When, object.Name), row[0]).Scan(&broken); err != nil || broken {
					t.Errorf("%v breaks %s (%v)", row[0], rule.Name, err)
				}
			}
		}
	}
	if admin, err := o.findUser(t.Context(), o.db, AdminUser); err != nil || admin.id != makeID("005", 2) {
		t.Errorf("the records are made by another than the administrator: %v %v", admin, err)
	}
	if records < 600 {
		t.Errorf("only %d records", records)
	}
}

func newOrg(t *testing.T, now time.Time) *Org {
	t.Helper()
	o, err := New(Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// everyRow reads the stored fields of all records.
func everyRow(t *testing.T, db *sql.DB, o *Object) ([]*Field, [][]any) {
	t.Helper()
	var columns []*Field
	list := ""
	for _, f := range o.Fields {
		if f.Stored() {
			columns, list = append(columns, f), list+fmt.Sprintf(", %q", f.Name)
		}
	}
	found, err := db.Query(fmt.Sprintf(`SELECT %s FROM %q ORDER BY Id`, list[2:], o.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	var rows [][]any
	for found.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, rows
}

// checkSeeded is the check of a value as a client would have to pass it.
func (c *call) checkSeeded(f *Field, value any) error {
	if value == nil {
		if f.Required {
			return fmt.Errorf("it is required")
		}
		return nil
	}
	if n, isInt := value.(int64); isInt && f.Type == "boolean" {
		value = n != 0
	}
	if f.Type == "picklist" && !f.hasValue(fmt.Sprint(value)) {
		return fmt.Errorf("the picklist has no such value")
	}
	if id, isText := value.(string); isText && f.Type == "reference" && f.Durable {
		return nil // EntityDefinition is written when it is asked for
	} else if isText && f.Type == "reference" {
		if target := c.org.schema.ObjectOf(id); target == nil {
			return fmt.Errorf("no object has this key prefix")
		} else if err := c.org.db.QueryRow(fmt.Sprintf(`SELECT Id FROM %q WHERE Id = ?`, target.Name), id).Scan(&id); err != nil {
			return err
		}
	}
	return f.check(value)
}

// TestSeedIsTheSame: two orgs with the same clock start with the same records.
func TestSeedIsTheSame(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	one, two := newOrg(t, now), newOrg(t, now)
	for _, object := range one.schema.Objects {
		_, a := everyRow(t, one.db, object)
		_, b := everyRow(t, two.db, object)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("the records of %s differ", object.Name)
		}
	}
}

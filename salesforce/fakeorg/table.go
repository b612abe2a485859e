package fakeorg

import (
	"fmt"
	"strconv"
	"strings"
)

// tables returns the statements that create the tables and triggers of objects.
func tables(objects []*Object) []string {
	var statements, triggers []string // triggers come last: they name tables of other objects
	for _, o := range objects {
		statements = append(statements, table(o))
		for _, f := range o.Fields {
			if f.Rollup != nil {
				triggers = append(triggers, rollup(o, f)...)
			}
		}
	}
	return append(statements, triggers...)
}

// indexes returns the statements that create indexes: for what records are looked up by.
func indexes(objects []*Object) []string {
	var statements []string
	for _, o := range objects {
		if o.View != "" {
			continue
		}
		for _, f := range o.Fields {
			if f.ChildName != "" || f.IDLookup && f.Name != "Id" || f.NameField {
				statements = append(statements, fmt.Sprintf(`CREATE INDEX "%s_%s" ON "%[1]s"("%[2]s")`, o.Name, f.Name))
			}
		}
	}
	return statements
}

func table(o *Object) string {
	if o.View != "" {
		return fmt.Sprintf("CREATE VIEW %q AS %s", o.Name, o.View)
	}
	var columns []string
	for _, f := range o.Fields {
		if f.Stored() {
			columns = append(columns, column(f))
		}
	}
	key := `PRIMARY KEY ("Id")`
	if o.PerUser {
		columns = append(columns, `"ViewerId" TEXT NOT NULL`)
		key = `PRIMARY KEY ("ViewerId", "Id")`
	}
	columns = append(columns, key)
	return fmt.Sprintf("CREATE TABLE %q (\n  %s\n) WITHOUT ROWID", o.Name, strings.Join(columns, ",\n  "))
}

func column(f *Field) string {
	c := fmt.Sprintf("%q %s", f.Name, columnType(f))
	switch {
	case f.SQL != "":
		c += fmt.Sprintf(" GENERATED ALWAYS AS (%s) VIRTUAL", rounded(f, f.SQL))
	case f.Type == "boolean" || f.Rollup != nil:
		c += " NOT NULL DEFAULT 0"
	}
	return c
}

// rounded gives the result of an expression as many decimals as the field has.
func rounded(f *Field, expression string) string {
	if columnType(f) != "REAL" {
		return expression
	}
	return fmt.Sprintf("round(%s, %d)", expression, f.Scale)
}

func columnType(f *Field) string {
	switch f.Type {
	case "boolean", "int":
		return "INTEGER"
	case "double", "currency", "percent":
		return "REAL"
	case "base64":
		return "BLOB"
	case "id", "reference", "date", "datetime":
		return "TEXT"
	}
	if f.CaseSensitive {
		return "TEXT"
	}
	return "TEXT COLLATE NOCASE"
}

// rollup returns the triggers that keep the sum of child rows in the parent.
func rollup(o *Object, f *Field) []string {
	sum := func(row string) string {
		return strings.NewReplacer("{object}", o.Name, "{field}", f.Name, "{from}", f.Rollup.From, "{sum}", f.Rollup.Sum,
			"{parent}", row+`."`+f.Rollup.By+`"`, "{by}", f.Rollup.By, "{scale}", strconv.Itoa(f.Scale)).Replace(`
			UPDATE "{object}" SET "{field}" = (
				SELECT round(coalesce(sum("{sum}"), 0), {scale}) FROM "{from}" WHERE "{by}" = {parent} AND NOT IsDeleted
			) WHERE Id = {parent};`)
	}
	trigger := func(event, body string) string {
		return fmt.Sprintf(`CREATE TRIGGER "%s_%s_%s" AFTER %[3]s ON %[4]q BEGIN %[5]s END`, o.Name, f.Name, event, f.Rollup.From, body)
	}
	return []string{trigger("INSERT", sum("NEW")), trigger("UPDATE", sum("OLD")+sum("NEW"))}
}

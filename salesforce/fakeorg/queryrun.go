package fakeorg

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// run runs a plan and gives the total and the records.
func (c *call) run(p *plan) (total int, records []object, err error) {
	if p.countAll {
		err = c.db.QueryRowContext(c.Context(), p.sql, p.args...).Scan(&total)
		return total, []object{}, err
	}
	rows, err := c.rows(p.sql, p.args)
	if err != nil {
		return 0, nil, err
	}
	records = make([]object, len(rows))
	if p.shape == nil {
		for i, row := range rows {
			records[i] = p.aggregateResult(row)
		}
		return len(rows), records, nil
	}
	children, err := c.children(p, rows)
	if err != nil {
		return 0, nil, err
	}
	for i, row := range rows {
		records[i] = c.record(p.shape, row, children)
		if id, isID := row[p.shape.id].(string); isID && p.views {
			c.viewed = append(c.viewed, id)
		}
	}
	return len(rows), records, nil
}

// rows reads all rows of a statement.
func (c *call) rows(sql string, args []any) ([][]any, error) {
	rows, err := c.db.QueryContext(c.Context(), sql, args...)
	if err != nil {
		return nil, fmt.Errorf("translated query: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]any
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// children runs the subqueries of a plan once for all its rows: per subquery, the records by the parent's id.
func (c *call) children(p *plan, rows [][]any) (map[*plan]map[string][]object, error) {
	if len(p.children) == 0 {
		return nil, nil
	}
	ids := make([]any, len(rows))
	for i, row := range rows {
		ids[i] = row[p.shape.id]
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	found := map[*plan]map[string][]object{}
	for _, child := range p.children {
		child.args[0] = string(list)
		rows, err := c.rows(child.sql, child.args)
		if err != nil {
			return nil, err
		}
		below, err := c.children(child, rows)
		if err != nil {
			return nil, err
		}
		found[child] = map[string][]object{}
		for _, row := range rows {
			parent, _ := row[0].(string)
			found[child][parent] = append(found[child][parent], c.record(child.shape, row, below))
		}
	}
	return found, nil
}

// record makes a record of a row.
func (c *call) record(s *shape, row []any, children map[*plan]map[string][]object) object {
	id, _ := row[s.id].(string)
	record := object{{"attributes", c.attributesOf(s.of, id)}}
	for _, m := range s.members {
		record = append(record, member{m.key, c.memberOf(m, s, id, row, children)})
	}
	return record
}

// attributesOf names the type of a record. A plain path over a reference to several objects shows the entity Name,
// with the address of the record itself.
func (c *call) attributesOf(of *source, id string) object {
	if of.object != nil {
		return c.attributes(of.object, id)
	}
	attributes := object{{"type", "Name"}}
	if target := c.schema().ObjectOf(id); target != nil {
		attributes = append(attributes, member{"url", c.recordURL(target, id)})
	}
	return attributes
}

func (c *call) memberOf(m shapeMember, s *shape, id string, row []any, children map[*plan]map[string][]object) any {
	switch {
	case m.parent != nil:
		if row[m.parent.id] == nil {
			return nil
		}
		return c.record(m.parent, row, nil)
	case m.branches != nil:
		for _, branch := range m.branches {
			if row[branch.id] != nil {
				return c.record(branch, row, nil)
			}
		}
		return nil
	case m.child != nil:
		records := children[m.child][id]
		if len(records) == 0 {
			return nil
		}
		return c.queryResult(len(records), "", records)
	case m.parts != nil:
		return address(m.field, func(column string) any { return row[m.parts[column]] })
	case m.field.Type == "base64":
		if row[m.column] == nil {
			return nil
		}
		return c.blobURL(s.of.object, m.field, id)
	case m.format:
		return formatted(m.field, row[m.column])
	}
	return shown(m.field, row[m.column])
}

// aggregateResult makes a result of a row.
func (p *plan) aggregateResult(row []any) object {
	record := object{{"attributes", object{{"type", "AggregateResult"}}}}
	for i, r := range p.results {
		value := shown(r.field, row[i])
		if r.format {
			value = formatted(r.field, row[i])
		}
		record = append(record, member{r.key, value})
	}
	return record
}

// formatted is what FORMAT() makes of a value in the locale en_US.
func formatted(f *Field, column any) any {
	switch value := column.(type) {
	case int64:
		if f.Type == "boolean" {
			break
		}
		return thousands(float64(value), f.Scale)
	case float64:
		text := thousands(value, f.Scale)
		if f.Type == "currency" {
			return strings.Replace("$"+text, "$-", "-$", 1)
		}
		return text
	case string:
		if t, err := time.Parse(storedTime, value); err == nil && f.Type == "datetime" {
			return t.Format("1/2/2006, 3:04 PM")
		}
		if t, err := time.Parse(time.DateOnly, value); err == nil && f.Type == "date" {
			return t.Format("1/2/2006")
		}
	}
	return shown(f, column)
}

// thousands writes a number with commas between thousands.
func thousands(n float64, scale int) string {
	text := fmt.Sprintf("%.*f", scale, n)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}

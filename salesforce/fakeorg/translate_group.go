package fakeorg

import (
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// grouping translates a query with aggregates. ROLLUP and CUBE are several groupings of the same rows, one after the
// other: in each, the fields that are not grouped by are null.
type grouping struct {
	*selection
	query *soql.Query
	on    map[string]bool // SQL of the GROUP BY fields: whether this grouping groups by them
}

// aggregated reports whether a query without GROUP BY has aggregates in its SELECT list.
func aggregated(q *soql.Query) bool {
	for _, item := range q.Items {
		if column, ok := item.(*soql.Column); ok && hasAggregate(column.Expr) {
			return true
		}
	}
	return false
}

func hasAggregate(e soql.Expr) bool {
	call, ok := e.(*soql.Call)
	if !ok {
		return false
	}
	for _, arg := range call.Args {
		if hasAggregate(arg) {
			return true
		}
	}
	return call.Aggregate()
}

// aggregate makes the statement of a query for aggregate results.
func (s *selection) aggregate(q *soql.Query) error {
	g := &grouping{selection: s, query: q}
	if err := g.known(); err != nil {
		return err
	}
	fields, err := g.fields()
	if err != nil {
		return err
	}
	condition, err := s.rows(q, false)
	if err != nil {
		return err
	}
	var arms []string
	for _, on := range g.sets(fields) {
		g.on = on
		arm, err := g.arm(fields, condition)
		if err != nil {
			return err
		}
		arms = append(arms, arm)
	}
	order := ""
	if q.OrderBy != nil {
		for i, key := range q.OrderBy.Keys {
			order += fmt.Sprintf("k%d COLLATE NOCASE%s, ", i+1, direction(key))
		}
	}
	most, skipped, err := s.limits(q)
	if err != nil {
		return err
	}
	s.plan.sql = fmt.Sprintf("SELECT * FROM (%s) ORDER BY %sarm LIMIT %s OFFSET %s",
		strings.Join(arms, " UNION ALL "), order, s.bind(most), s.bind(skipped))
	return nil
}

// known looks up the fields of the SELECT list before those of GROUP BY, so that the error of a field which stands in
// both shows the first place.
func (g *grouping) known() error {
	for _, item := range g.query.Items {
		column, ok := item.(*soql.Column)
		if !ok {
			continue
		}
		for _, path := range soql.Paths(column) {
			if _, err := g.scope.column(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// fields translates GROUP BY.
func (g *grouping) fields() ([]operand, error) {
	if g.query.GroupBy == nil {
		return nil, nil
	}
	if by := g.query.GroupBy; by.Kind != "" && len(by.Exprs) > maxRollup {
		return nil, g.refuse("MALFORMED_QUERY", by, "GROUP BY %s takes at most %d fields", by.Kind, maxRollup)
	}
	var fields []operand
	for _, e := range g.query.GroupBy.Exprs {
		op, err := g.expr(e)
		if err != nil {
			return nil, err
		}
		if slices.Contains([]string{"base64", "address", "complexvalue", "multipicklist", "datetime", "double", "currency", "percent"}, op.typ) || longText(op.field) {
			return nil, g.refuse("MALFORMED_QUERY", e, "field '%s' can not be grouped in a query call", op.name)
		}
		fields = append(fields, op)
	}
	return fields, nil
}

// sets lists the groupings: one, or those of ROLLUP or CUBE, the finest first.
func (g *grouping) sets(fields []operand) []map[string]bool {
	kind := ""
	if g.query.GroupBy != nil {
		kind = g.query.GroupBy.Kind
	}
	var sets []map[string]bool
	for mask := 0; mask < 1<<len(fields); mask++ {
		on := map[string]bool{}
		rolled := true
		for i, f := range fields {
			out := mask&(1<<(len(fields)-1-i)) != 0
			on[f.sql] = !out
			if i > 0 && !out && !on[fields[i-1].sql] {
				rolled = false // ROLLUP drops fields from the end only
			}
		}
		if kind == "CUBE" || kind == "ROLLUP" && rolled || mask == 0 {
			sets = append(sets, on)
		}
		if kind == "" {
			break
		}
	}
	return sets
}

// arm is the statement of one grouping: the results, the sort keys, and something that keeps the order of groups.
func (g *grouping) arm(fields []operand, condition string) (string, error) {
	columns, err := g.selected()
	if err != nil {
		return "", err
	}
	if g.query.OrderBy != nil {
		for i, key := range g.query.OrderBy.Keys {
			op, err := g.result(key.Expr)
			if err != nil {
				return "", err
			}
			columns = append(columns, fmt.Sprintf("%s AS k%d", op.sql, i+1))
		}
	}
	having := ""
	if g.query.Having != nil {
		f := &filtering{scope: g.scope, operand: g.result, semi: true}
		if having, err = f.cond(g.query.Having.Cond, false); err != nil {
			return "", err
		}
		having = " HAVING " + having
	}
	var by []string
	for _, f := range fields {
		if g.on[f.sql] {
			by = append(by, f.sql)
		}
	}
	group := ""
	if len(by) > 0 {
		group = " GROUP BY " + strings.Join(by, ", ")
	} else if having != "" || len(fields) > 0 {
		group = " GROUP BY NULL"
	}
	return fmt.Sprintf("SELECT %s, %d AS arm %s WHERE %s%s%s", strings.Join(columns, ", "), len(fields)-len(by), g.from.String(), condition, group, having), nil
}

// selected translates the SELECT list, and names the results: by alias, by field, or expr0, expr1 and so on.
func (g *grouping) selected() ([]string, error) {
	var columns []string
	results := []result{}
	unnamed := 0
	for _, item := range g.query.Items {
		column, ok := item.(*soql.Column)
		if !ok {
			return nil, g.refuse("MALFORMED_QUERY", item, "a grouped query selects fields it groups by and aggregates only")
		}
		op, err := g.result(column.Expr)
		if err != nil {
			return nil, err
		}
		call, isCall := column.Expr.(*soql.Call)
		r := result{key: op.name, field: op.field, format: isCall && oneOf(call.Func.Text, "FORMAT")}
		switch {
		case column.Alias != nil:
			r.key = column.Alias.Text
		case isCall:
			r.key = fmt.Sprintf("expr%d", unnamed)
			unnamed++
		}
		for _, other := range results {
			if strings.EqualFold(other.key, r.key) {
				return nil, g.refuse("MALFORMED_QUERY", item, "duplicate alias: %s", r.key)
			}
		}
		results = append(results, r)
		columns = append(columns, fmt.Sprintf("%s AS c%d", op.sql, len(columns)+1))
	}
	g.plan.results = results
	return columns, nil
}

// result translates what stands in SELECT, HAVING and ORDER BY: an aggregate, a grouped field, or a function of them.
// An alias of the SELECT list is not known there: no source says that the platform knows it.
func (g *grouping) result(e soql.Expr) (operand, error) {
	call, isCall := e.(*soql.Call)
	switch {
	case isCall && call.Aggregate():
		return g.aggregateOf(call)
	case isCall && oneOf(call.Func.Text, "GROUPING"):
		return g.groupingOf(call)
	case isCall && hasAggregate(call): // FORMAT(MIN(CloseDate))
		return g.function(call, g.result)
	}
	op, err := g.expr(e)
	if err != nil {
		return operand{}, err
	}
	on, grouped := g.on[op.sql]
	if !grouped {
		return operand{}, g.refuse("MALFORMED_QUERY", e, "Field must be grouped or aggregated: %s", op.name)
	}
	if !on {
		op.sql = "NULL"
	}
	return op, nil
}

// groupingOf is 1 where ROLLUP or CUBE left the field out of the grouping, 0 elsewhere.
func (g *grouping) groupingOf(c *soql.Call) (operand, error) {
	op, err := g.expr(c.Args[0])
	if err != nil {
		return operand{}, err
	}
	on, grouped := g.on[op.sql]
	if !grouped || g.query.GroupBy.Kind == "" {
		return operand{}, g.refuse("MALFORMED_QUERY", c, "GROUPING takes a field of GROUP BY ROLLUP or CUBE, %s is none", op.name)
	}
	value := "1"
	if on {
		value = "0"
	}
	return operand{sql: "(" + value + "+0)", typ: "int", field: &Field{Type: "int"}, name: c.String()}, nil
}

// aggregateOf translates an aggregate function.
func (g *grouping) aggregateOf(c *soql.Call) (operand, error) {
	name := strings.ToUpper(c.Func.Text)
	if len(c.Args) == 0 {
		return operand{}, g.refuse("MALFORMED_QUERY", c, "COUNT() stands alone in a SELECT list: use COUNT(Id)")
	}
	op, err := g.expr(c.Args[0])
	if err != nil {
		return operand{}, err
	}
	number := op.typ == "int" || op.typ == "double" || op.typ == "currency" || op.typ == "percent"
	ordered := number || op.typ == "date" || op.typ == "datetime" || textual(op.typ) || op.typ == "id" || op.typ == "reference"
	fits := map[string]bool{"SUM": number, "AVG": number, "MIN": ordered, "MAX": ordered, "COUNT": ordered || op.typ == "boolean", "COUNT_DISTINCT": ordered}
	if !fits[name] || longText(op.field) {
		return operand{}, g.refuse("MALFORMED_QUERY", c, "field %s does not support aggregate operator %s", op.name, name)
	}
	scale := 0
	if op.field != nil {
		scale = op.field.Scale
	}
	op.name = c.String()
	switch name {
	case "COUNT":
		op.sql, op.typ = "count("+op.sql+")", "int"
	case "COUNT_DISTINCT":
		op.sql, op.typ = "count(DISTINCT "+op.sql+")", "int"
	case "AVG":
		op.sql, op.typ = "avg("+op.sql+")", "double"
	default:
		op.sql = strings.ToLower(name) + "(" + op.sql + ")"
	}
	op.field = &Field{Name: op.name, Type: op.typ, Scale: scale}
	return op, nil
}

package fakeorg

import (
	"fmt"
	"math"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// translate makes a plan of a query.
func (t *translation) translate(q *soql.Query) (*plan, error) {
	if len(q.From.Path) > 1 {
		return nil, t.unknownRelationship(q.From, q.From.Path[0].Text)
	}
	object, err := t.object(q.From.Path[0])
	if err != nil {
		return nil, err
	}
	if q.AllRows {
		return nil, malformed("ALL ROWS not allowed in this context")
	}
	if err := checkDurable(object, q); err != nil {
		return nil, err
	}
	scope, err := t.newScope(object, q)
	if err != nil {
		return nil, err
	}
	s := &selection{scope: scope, plan: &plan{}, level: 1}
	switch {
	case len(q.Items) > maxItems || q.GroupBy != nil && len(q.GroupBy.Exprs) > maxItems:
		err = refuse(400, "QUERY_TOO_COMPLICATED", "the query selects or groups by more than %d fields", maxItems)
	case q.OrderBy != nil && len(q.OrderBy.Keys) > maxKeys:
		err = malformed("ORDER BY takes at most %d fields", maxKeys)
	case isCount(q):
		err = s.count(q)
	case q.GroupBy != nil || aggregated(q):
		err = s.aggregate(q)
	default:
		err = s.records(q)
	}
	if err != nil {
		return nil, err
	}
	if len(t.args) > maxParameters {
		return nil, refuse(400, "QUERY_TOO_COMPLICATED", "the filter conditions are too complicated")
	}
	s.plan.args = t.args
	for _, name := range q.For {
		s.plan.views = s.plan.views || name.Text != "UPDATE"
	}
	return s.plan, nil
}

// records makes the statement of a query for records.
func (s *selection) records(q *soql.Query) error {
	if err := s.items(q); err != nil {
		return err
	}
	condition, err := s.rows(q, false)
	if err != nil {
		return err
	}
	order, err := s.order(q.OrderBy)
	if err != nil {
		return err
	}
	most, skipped, err := s.limits(q)
	if err != nil {
		return err
	}
	s.plan.sql = fmt.Sprintf("SELECT %s %s WHERE %s ORDER BY %s LIMIT %s OFFSET %s",
		s.columns(), s.from.String(), condition, order, s.bind(most), s.bind(skipped))
	return nil
}

// isCount reports whether the query is SELECT COUNT(), whose answer is a number.
func isCount(q *soql.Query) bool {
	column, ok := q.Items[0].(*soql.Column)
	if !ok || len(q.Items) > 1 {
		return false
	}
	call, ok := column.Expr.(*soql.Call)
	return ok && call.Aggregate() && len(call.Args) == 0
}

func (s *selection) count(q *soql.Query) error {
	if q.GroupBy != nil || q.OrderBy != nil {
		return malformed("COUNT() stands without GROUP BY and ORDER BY: use COUNT(Id)")
	}
	condition, err := s.rows(q, false)
	if err != nil {
		return err
	}
	most, skipped, err := s.limits(q)
	if err != nil {
		return err
	}
	s.plan.countAll = true
	s.plan.sql = fmt.Sprintf("SELECT count(*) FROM (SELECT 1 %s WHERE %s LIMIT %s OFFSET %s)", s.from.String(), condition, s.bind(most), s.bind(skipped))
	return nil
}

// limits gives LIMIT and OFFSET; without them everything.
func (t *translation) limits(q *soql.Query) (most, skipped int, err error) {
	most = math.MaxInt32
	if q.Limit != nil {
		most = q.Limit.Value
	}
	if q.Offset != nil {
		skipped = q.Offset.Value
	}
	if skipped > 2000 {
		return 0, 0, refuse(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
	}
	return most, skipped, nil
}

// order translates ORDER BY. Nulls come first unless the query says otherwise, in both directions ("By default, null
// values are sorted first", SOQL reference). Rows that are equal so far keep the order of their ids.
func (s *selection) order(o *soql.OrderBy) (string, error) {
	var keys []string
	if o != nil {
		for _, key := range o.Keys {
			op, err := s.expr(key.Expr)
			if err != nil {
				return "", err
			}
			if op.typ == "base64" || op.typ == "address" || op.typ == "complexvalue" || op.typ == "multipicklist" || longText(op.field) {
				return "", s.refuse("MALFORMED_QUERY", key, "field '%s' can not be sorted in a query call", op.name)
			}
			keys = append(keys, op.sql+direction(key))
		}
	}
	return strings.Join(append(keys, s.root.id()), ", "), nil
}

func direction(key *soql.Order) string {
	text := " ASC"
	if key.Desc {
		text = " DESC"
	}
	if key.Nulls == "LAST" {
		return text + " NULLS LAST"
	}
	return text + " NULLS FIRST"
}

// expr translates what stands in WHERE and ORDER BY of a query for records: a field or a function of it.
func (s *scope) expr(e soql.Expr) (operand, error) {
	switch e := e.(type) {
	case soql.Path:
		return s.column(e)
	case *soql.Call:
		if e.Aggregate() || oneOf(e.Func.Text, "GROUPING") {
			return operand{}, s.refuse("MALFORMED_QUERY", e, "%s is only for the SELECT, HAVING and ORDER BY of grouped queries", e)
		}
		return s.function(e, s.expr)
	}
	return operand{}, malformed("a constant stands here in the place of a field")
}

// function translates a function of one row. inner gives its argument.
func (s *scope) function(c *soql.Call, inner func(soql.Expr) (operand, error)) (operand, error) {
	name := strings.ToUpper(c.Func.Text)
	template, isDate := dateFunctions[name]
	if !isDate {
		switch name {
		case "TOLABEL", "CONVERTCURRENCY", "FORMAT":
			return inner(c.Args[0])
		}
		return operand{}, s.refuse("INVALID_FIELD", c, "%s needs a geolocation field: the simulated org has none", c.Func.Text)
	}
	arg := c.Args[0]
	if zone, ok := arg.(*soql.Call); ok && oneOf(zone.Func.Text, "CONVERTTIMEZONE") {
		arg = zone.Args[0]
	}
	op, err := inner(arg)
	if err != nil {
		return operand{}, err
	}
	if op.typ != "datetime" && (op.typ != "date" || name == "HOUR_IN_DAY" || name == "DAY_ONLY") {
		return operand{}, s.refuse("MALFORMED_QUERY", c, "%s does not take the %s field %s", c.Func.Text, op.typ, op.name)
	}
	op.sql = strings.ReplaceAll(template, "@", op.sql)
	op.typ, op.name = "int", c.String()
	if name == "DAY_ONLY" {
		op.typ = "date"
	}
	op.field = &Field{Name: op.name, Type: op.typ}
	return op, nil
}

package fakeorg

import (
	"fmt"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// semiJoin translates IN and NOT IN with a query, with the platform's restrictions.
func (f *filtering) semiJoin(op operand, c *soql.Comparison, join *soql.SemiJoin, top bool) (string, error) {
	q := join.Query
	if err := f.semiJoinAllowed(c, q, top); err != nil {
		return "", err
	}
	object, err := f.object(q.From.Path[0])
	if err != nil {
		return "", err
	}
	if object == f.root.object {
		return "", f.refuse("MALFORMED_QUERY", join, "The inner and outer selects should not be on the same object type")
	}
	inner, err := f.newScope(object, q)
	if err != nil {
		return "", err
	}
	path := q.Items[0].(*soql.Column).Expr.(soql.Path)
	selected, err := inner.column(path)
	if err != nil {
		return "", err
	}
	if !samePlace(op, selected) {
		return "", f.refuse("MALFORMED_QUERY", path, "The selected field '%s' in the subquery and the left operand field in the where expression "+
			"in the outer query '%s' should point to the same object type", selected.name, op.name)
	}
	condition, err := inner.rows(q, true)
	if err != nil {
		return "", err
	}
	in := fmt.Sprintf("%s IN (SELECT %s %s WHERE %[2]s IS NOT NULL AND %[4]s)", op.sql, selected.sql, inner.from.String(), condition)
	if c.Op == "NOT IN" {
		return "NOT coalesce(" + in + ", 0)", nil
	}
	return in, nil
}

func (f *filtering) semiJoinAllowed(c *soql.Comparison, q *soql.Query, top bool) error {
	f.joins++
	column, _ := q.Items[0].(*soql.Column)
	path := soql.Path(nil)
	if column != nil {
		path, _ = column.Expr.(soql.Path)
	}
	switch {
	case f.semi:
		return f.refuse("MALFORMED_QUERY", c, "Nesting of semi join sub-selects is not supported")
	case !top:
		return f.refuse("MALFORMED_QUERY", c, "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions")
	case f.joins > maxSemiJoins:
		return f.refuse("MALFORMED_QUERY", c, "Maximum %d semi join sub-selects are allowed", maxSemiJoins)
	case len(q.Items) != 1 || path == nil:
		return f.refuse("MALFORMED_QUERY", q, "a semi join sub-select selects one id or reference field")
	case q.GroupBy != nil || q.OrderBy != nil || q.Limit != nil || q.Offset != nil || len(q.For) > 0 || len(q.From.Path) > 1:
		return f.refuse("MALFORMED_QUERY", q, "a semi join sub-select has no GROUP BY, ORDER BY, LIMIT, OFFSET and FOR")
	}
	return nil
}

// samePlace reports whether two ids can be of one object.
func samePlace(a, b operand) bool {
	of := func(op operand) []string {
		switch {
		case op.field == nil:
			return nil
		case op.typ == "id" && op.of.object != nil:
			return []string{op.of.object.Name}
		case op.typ == "reference":
			return op.field.To
		}
		return nil
	}
	for _, x := range of(a) {
		for _, y := range of(b) {
			if strings.EqualFold(x, y) {
				return true
			}
		}
	}
	return false
}

// rows is the condition on the rows of a query: WHERE, scope, and no deleted ones unless they are asked for.
func (s *scope) rows(q *soql.Query, semi bool) (string, error) {
	terms := []string{"1"}
	if s.extra != "" {
		terms = append(terms, s.extra)
	}
	if !s.deleted {
		terms = append(terms, s.root.alias+`."IsDeleted" = 0`)
	}
	if s.root.object.PerUser {
		terms = append(terms, s.root.alias+`."ViewerId" = `+s.bind(s.user))
	}
	if q.Scope != nil {
		switch strings.ToLower(q.Scope.Text) {
		case "everything":
		case "mine":
			if s.root.object.Field("OwnerId") != nil {
				terms = append(terms, s.root.alias+`."OwnerId" = `+s.bind(s.user))
			}
		default:
			return "", s.refuse("MALFORMED_QUERY", *q.Scope, "the scope '%s' is not supported here: use everything or mine", q.Scope.Text)
		}
	}
	for _, with := range q.With {
		switch with.Kind {
		case "SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE":
		default:
			return "", s.refuse("MALFORMED_QUERY", with, "WITH %s is not supported on %s", with.Kind, s.root.object.Name)
		}
	}
	if q.Where != nil {
		where, err := s.where(q.Where.Cond, semi)
		if err != nil {
			return "", err
		}
		terms = append(terms, where)
	}
	return strings.Join(terms, " AND "), nil
}

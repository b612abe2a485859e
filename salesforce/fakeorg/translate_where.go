package fakeorg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// filtering is what a condition may hold: WHERE knows fields, HAVING aggregates and grouped fields too.
type filtering struct {
	*scope
	operand func(soql.Expr) (operand, error)
	semi    bool // inside a semi-join, where no other one may be
}

// where translates a WHERE clause.
func (s *scope) where(cond soql.Cond, semi bool) (string, error) {
	f := &filtering{scope: s, operand: s.expr, semi: semi}
	return f.cond(cond, true)
}

// cond translates a condition into SQL that is true or false, never null. Semi-joins stand at the top only.
func (f *filtering) cond(c soql.Cond, top bool) (string, error) {
	switch c := c.(type) {
	case *soql.Not:
		inner, err := f.cond(c.Cond, false)
		return "NOT coalesce(" + inner + ", 0)", err
	case *soql.Logic:
		terms := make([]string, len(c.Terms))
		for i, term := range c.Terms {
			var err error
			if terms[i], err = f.cond(term, top && c.Op == "AND"); err != nil {
				return "", err
			}
		}
		return balanced(terms, " "+c.Op+" "), nil
	case *soql.Comparison:
		op, err := f.operand(c.Left)
		if err != nil {
			return "", err
		}
		if join, ok := c.Right.(*soql.SemiJoin); ok {
			return f.semiJoin(op, c, join, top)
		}
		return f.comparison(op, c)
	}
	return "", fmt.Errorf("condition %T is not known", c)
}

// balanced joins terms as a tree instead of a list: SQLite bounds how deep an expression is, not how wide.
func balanced(terms []string, op string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return "(" + balanced(terms[:half], op) + op + balanced(terms[half:], op) + ")"
}

// comparison translates field, operator and constants.
func (f *filtering) comparison(op operand, c *soql.Comparison) (string, error) {
	if err := f.filterable(op, c); err != nil {
		return "", err
	}
	switch c.Op {
	case "LIKE":
		pattern := c.Right.(*soql.Literal).Text
		if len(pattern) > 50_000 { // the longest SQLite takes
			return "", refuse(400, "QUERY_TOO_COMPLICATED", "the LIKE pattern has %d bytes, the limit is 50,000", len(pattern))
		}
		return fmt.Sprintf(`%s LIKE %s ESCAPE '\'`, op.sql, f.bind(pattern)), nil
	case "IN", "NOT IN":
		return f.in(op, c.Op == "NOT IN", c.Right.(*soql.List).Values)
	case "INCLUDES", "EXCLUDES":
		return f.includes(op, c.Op == "EXCLUDES", c.Right.(*soql.List).Values)
	}
	literal := c.Right.(*soql.Literal)
	if literal.Kind == soql.DateLiteral {
		return f.inRange(op, c.Op, literal)
	}
	value, err := f.value(op, literal)
	if err != nil {
		return "", err
	}
	switch {
	case value == nil && c.Op == "=":
		return op.sql + " IS NULL", nil
	case value == nil && c.Op == "!=":
		return op.sql + " IS NOT NULL", nil
	case value == nil:
		return "0", nil
	case c.Op == "!=": // null is different from every value
		return op.sql + " IS NOT " + f.bind(value), nil
	}
	return op.sql + " " + c.Op + " " + f.bind(value), nil
}

// filterable refuses operators a type does not know, in the platform's words.
func (f *filtering) filterable(op operand, c *soql.Comparison) error {
	switch {
	case op.typ == "base64", op.typ == "address", op.typ == "complexvalue", longText(op.field) && !op.field.Filtered:
		return f.refuse("INVALID_FIELD", c, "field '%s' can not be filtered in a query call", op.name)
	case c.Op == "INCLUDES" || c.Op == "EXCLUDES":
		if op.typ != "multipicklist" {
			return f.refuse("INVALID_QUERY_FILTER_OPERATOR", c, "includes or excludes operator only valid on multipicklist field")
		}
		return nil
	}
	ordered := slices.Contains([]string{"<", "<=", ">", ">="}, c.Op)
	if (c.Op == "LIKE" && !textual(op.typ)) ||
		(ordered && (op.typ == "boolean" || op.typ == "multipicklist")) ||
		(op.typ == "multipicklist" && c.Op == "LIKE") {
		return f.refuse("INVALID_QUERY_FILTER_OPERATOR", c, "invalid operator on %s field", op.typ)
	}
	return nil
}

// longText tells a long text area, which the platform neither filters (but see Field.Filtered), sorts nor
// groups by.
func longText(f *Field) bool { return f != nil && f.Type == "textarea" && f.Length > 255 }

func textual(typ string) bool {
	switch typ {
	case "string", "textarea", "picklist", "email", "phone", "url":
		return true
	}
	return false
}

// in translates IN and NOT IN with constants. As with !=, a null field is not in any list without null.
func (f *filtering) in(op operand, not bool, literals []*soql.Literal) (string, error) {
	var values []any
	null, ranges := false, []string{}
	for _, l := range literals {
		if l.Kind == soql.DateLiteral {
			in, err := f.inRange(op, "=", l)
			if err != nil {
				return "", err
			}
			ranges = append(ranges, in)
			continue
		}
		value, err := f.value(op, l)
		if err != nil {
			return "", err
		}
		if null = null || value == nil; value != nil {
			values = append(values, value)
		}
	}
	found := append([]string{"0"}, ranges...)
	if len(values) > 0 {
		all, err := json.Marshal(values)
		if err != nil {
			return "", err
		}
		found = append(found, fmt.Sprintf("%s IN (SELECT value FROM json_each(%s))", op.sql, f.bind(string(all))))
	}
	if null {
		found = append(found, op.sql+" IS NULL")
	}
	in := balanced(found, " OR ")
	if not {
		return "NOT coalesce(" + in + ", 0)", nil
	}
	return in, nil
}

// includes translates INCLUDES and EXCLUDES: one of the lists, all of whose values are chosen. A field without any
// value is neither. The values are looked for between semicolons.
func (f *filtering) includes(op operand, not bool, literals []*soql.Literal) (string, error) {
	var lists []string
	for _, l := range literals {
		if l.Kind != soql.String {
			return "", f.wrongType(op, l)
		}
		var chosen []string
		for value := range strings.SplitSeq(l.Text, ";") {
			chosen = append(chosen, fmt.Sprintf("instr(';' || lower(%s) || ';', %s) > 0", op.sql, f.bind(";"+strings.ToLower(strings.TrimSpace(value))+";")))
		}
		lists = append(lists, balanced(chosen, " AND "))
	}
	in := balanced(lists, " OR ")
	if not {
		return "NOT coalesce(" + in + ", 0)", nil
	}
	return in, nil
}

// inRange compares with the time a date literal stands for.
func (f *filtering) inRange(op operand, operator string, l *soql.Literal) (string, error) {
	if op.typ != "date" && op.typ != "datetime" {
		return "", f.wrongType(op, l)
	}
	first, next := dateRange(l, f.now)
	layout := time.DateOnly
	if op.typ == "datetime" {
		layout = storedTime
	}
	from, to := first.Format(layout), next.Format(layout)
	switch operator {
	case "<":
		return op.sql + " < " + f.bind(from), nil
	case "<=":
		return op.sql + " < " + f.bind(to), nil
	case ">":
		return op.sql + " >= " + f.bind(to), nil
	case ">=":
		return op.sql + " >= " + f.bind(from), nil
	}
	in := fmt.Sprintf("(%s >= %s AND %[1]s < %[3]s)", op.sql, f.bind(from), f.bind(to))
	if operator == "!=" {
		return "NOT coalesce(" + in + ", 0)", nil
	}
	return in, nil
}

// value makes a parameter's value of a constant, nil for null. An empty text is null: the platform keeps none.
func (f *filtering) value(op operand, l *soql.Literal) (any, error) {
	if l.Kind == soql.Null || l.Kind == soql.String && l.Text == "" {
		if op.typ == "boolean" && l.Kind == soql.Null { // "null matches FALSE values", SOQL reference
			return false, nil
		}
		return nil, nil
	}
	switch op.typ {
	case "id", "reference":
		if l.Kind != soql.String {
			break
		}
		if op.field != nil && op.field.Durable {
			return l.Text, nil
		}
		id, err := salesforce.To18(l.Text)
		if err != nil {
			return nil, f.refuse("INVALID_QUERY_FILTER_OPERATOR", l, "invalid ID field: %s", l.Text)
		}
		return id, nil
	case "boolean":
		if l.Kind == soql.Boolean {
			return l.Text == "TRUE", nil
		}
	case "int", "double", "currency", "percent":
		text := l.Text
		if l.Kind == soql.Currency { // there is one currency here
			text = text[3:]
		} else if l.Kind != soql.Numeric {
			break
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n, nil
		}
	case "date":
		if l.Kind == soql.Date {
			return l.Text, nil
		}
	case "datetime":
		if l.Kind == soql.DateTime {
			at, err := l.Time()
			return at.UTC().Format(storedTime), err
		}
	default:
		if l.Kind == soql.String {
			return l.Text, nil
		}
	}
	return nil, f.wrongType(op, l)
}

// soapTypes are the names errors give to types where they differ from describe.
var soapTypes = map[string]string{"int": "integer", "currency": "double", "percent": "double", "datetime": "dateTime"}

func (f *filtering) wrongType(op operand, l *soql.Literal) *fault {
	quotes, typ := "should not be enclosed in quotes", op.typ
	if soap, ok := soapTypes[typ]; ok {
		typ = soap
	} else if textual(typ) || typ == "multipicklist" || typ == "id" || typ == "reference" {
		quotes, typ = "should be enclosed in quotes", "string"
	}
	return f.refuse("INVALID_FIELD", l, "value of filter criterion for field '%s' must be of type %s and %s", op.name, typ, quotes)
}

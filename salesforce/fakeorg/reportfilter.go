package fakeorg

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/salesforce/soql"
)

// The condition of a report is written in SOQL and translated as every other query: what a report says of its rows is
// what a query with the condition would say.

// filterOperators are the operators of filters with their labels, in the order of dataTypeFilterOperatorMap.
var filterOperators = []struct{ name, label, soql string }{
	{"equals", "equals", "%s = %s"},
	{"notEqual", "not equal to", "%s != %s"},
	{"lessThan", "less than", "%s < %s"},
	{"greaterThan", "greater than", "%s > %s"},
	{"lessOrEqual", "less or equal", "%s <= %s"},
	{"greaterOrEqual", "greater or equal", "%s >= %s"},
	{"contains", "contains", "%s LIKE '%%%s%%'"},
	{"notContain", "does not contain", "(NOT %s LIKE '%%%s%%')"},
	{"startsWith", "starts with", "%s LIKE '%s%%'"},
	{"includes", "includes", ""},
	{"excludes", "excludes", ""},
}

// operatorsOf are the names of the operators a type of column has. An id has startsWith too on the platform, but not
// here, where SOQL cannot say it.
func operatorsOf(typ string) []string {
	switch {
	case typ == "multipicklist":
		return []string{"equals", "notEqual", "includes", "excludes"}
	case typ == "boolean" || typ == "id":
		return []string{"equals", "notEqual"}
	case textual(typ):
		return []string{"equals", "notEqual", "lessThan", "greaterThan", "lessOrEqual", "greaterOrEqual", "contains", "notContain", "startsWith"}
	}
	return []string{"equals", "notEqual", "lessThan", "greaterThan", "lessOrEqual", "greaterOrEqual"}
}

// condition is the SOQL of all filters of a report, "" when every row fits. It completes filters that leave something
// out.
func (m *reportMetadata) condition(t *reportType, user string, now time.Time) (string, error) {
	var terms []string
	if m.Scope == "user" {
		terms = append(terms, "OwnerId = "+soql.Quote(user))
	}
	for _, filter := range m.StandardFilters {
		when, err := t.standardCondition(filter)
		if err != nil {
			return "", err
		}
		if when != "" {
			terms = append(terms, when)
		}
	}
	dates, err := m.StandardDateFilter.condition(t, now)
	if err != nil {
		return "", err
	}
	filters, err := m.filterCondition(t)
	if err != nil {
		return "", err
	}
	for _, term := range []string{dates, filters} {
		if term != "" {
			terms = append(terms, term)
		}
	}
	return strings.Join(terms, " AND "), nil
}

// standardCondition is the condition of a standard filter, "" when it lets everything pass.
func (t *reportType) standardCondition(filter standardFilter) (string, error) {
	for _, info := range t.StandardFilters {
		for _, value := range info.Values {
			if info.Name == filter.Name && value.Name == filter.Value {
				return value.When, nil
			}
		}
	}
	return "", badReport("Standard filter: Invalid value specified: %s %s", filter.Name, filter.Value)
}

// filterCondition puts the filters together as the boolean filter says, or else all of them with AND.
func (m *reportMetadata) filterCondition(t *reportType) (string, error) {
	var terms []string
	for i := range m.ReportFilters {
		term, err := m.ReportFilters[i].condition(t)
		if err != nil {
			return "", err
		}
		terms = append(terms, term)
	}
	if m.ReportBooleanFilter == nil || strings.TrimSpace(*m.ReportBooleanFilter) == "" {
		m.ReportBooleanFilter = nil
		return strings.Join(terms, " AND "), nil
	}
	return m.logic(terms)
}

var logicTokens = regexp.MustCompile(`(?i)\d+|AND|OR|NOT|[()]|\S`)

// logic puts the conditions in the places of their numbers in the boolean filter, which is given the spelling of
// answers: (1OR4)AND2AND3 is (1 OR 4) AND 2 AND 3. That it fits is found out by parsing the result.
func (m *reportMetadata) logic(terms []string) (string, error) {
	unfit := badReport("The filter logic %s is invalid.", *m.ReportBooleanFilter)
	used := map[int]bool{}
	var logic, condition []string
	for _, token := range logicTokens.FindAllString(strings.ToUpper(*m.ReportBooleanFilter), -1) {
		logic = append(logic, token)
		switch number, err := strconv.Atoi(token); {
		case err == nil && (number < 1 || number > len(terms)):
			return "", unfit
		case err == nil:
			used[number] = true
			token = "(" + terms[number-1] + ")"
		case token == "NOT":
			return "", refuse(501, "NOT_IMPLEMENTED", "The simulated org knows no NOT in filter logic")
		case !slices.Contains([]string{"AND", "OR", "(", ")"}, token):
			return "", unfit
		}
		condition = append(condition, token)
	}
	if len(used) < len(terms) {
		return "", badReport("Some filters are defined but not referenced in the filter logic %s.", *m.ReportBooleanFilter)
	}
	text := "(" + strings.Join(condition, " ") + ")"
	if _, err := soql.Parse("SELECT Id FROM Account WHERE " + text); err != nil {
		return "", unfit
	}
	spelt := strings.NewReplacer("( ", "(", " )", ")").Replace(strings.Join(logic, " "))
	m.ReportBooleanFilter = &spelt
	return text, nil
}

// condition is the SOQL of one filter. Several values, separated by commas, are alternatives.
func (f *reportFilter) condition(t *reportType) (string, error) {
	column := t.columns[f.Column]
	if column == nil || !column.filterable() {
		return "", badReport("Specify a valid filterable column because %s is invalid.", f.Column)
	}
	if !slices.Contains(operatorsOf(column.dataType()), f.Operator) {
		return "", badReport("Specify a valid condition because %s is invalid.", f.Operator)
	}
	fieldValue, editable := "fieldValue", true
	if f.FilterType == nil {
		f.FilterType = &fieldValue
	}
	if f.IsRunPageEditable == nil {
		f.IsRunPageEditable = &editable
	}
	if *f.FilterType != "fieldValue" {
		return "", refuse(501, "NOT_IMPLEMENTED", "The simulated org knows no filters of the type %s", *f.FilterType)
	}
	values := filterValues(f.Value)
	if f.Operator == "includes" || f.Operator == "excludes" { // one comparison with a list
		for i, value := range values {
			values[i] = soql.Quote(value)
		}
		return column.Path + " " + strings.ToUpper(f.Operator) + " (" + strings.Join(values, ", ") + ")", nil
	}
	joint := " OR "
	if f.Operator == "notEqual" || f.Operator == "notContain" {
		joint = " AND "
	}
	var terms []string
	for _, value := range values {
		term, err := column.compare(f.Operator, value)
		if err != nil {
			return "", err
		}
		terms = append(terms, term)
	}
	return "(" + strings.Join(terms, joint) + ")", nil
}

// filterValues splits the value of a filter at commas that do not stand in double quotes: "100,000" is one value.
func filterValues(text string) []string {
	var values []string
	var value strings.Builder
	quoted := false
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			values = append(values, strings.TrimSpace(value.String()))
			value.Reset()
		default:
			value.WriteRune(r)
		}
	}
	return append(values, strings.TrimSpace(value.String()))
}

// compare writes the comparison of the column with one value as SOQL.
func (c *reportColumn) compare(operator, value string) (string, error) {
	if day, err := time.Parse(time.DateOnly, value); err == nil && c.dataType() == "datetime" {
		return c.compareDay(operator, day), nil
	}
	literal := soql.QuoteLike(value)
	if !slices.Contains([]string{"contains", "notContain", "startsWith"}, operator) {
		var err error
		if literal, err = c.literal(value); err != nil {
			return "", err
		}
	}
	for _, known := range filterOperators {
		if known.name == operator {
			return fmt.Sprintf(known.soql, c.Path, literal), nil
		}
	}
	return "", fmt.Errorf("operator %s is not known", operator)
}

// compareDay compares a date and time with a date, which stands for the whole day as a relative date does.
func (c *reportColumn) compareDay(operator string, day time.Time) string {
	from, to := day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)
	template := map[string]string{"equals": "(%[1]s >= %[2]s AND %[1]s < %[3]s)", "notEqual": "(%[1]s < %[2]s OR %[1]s >= %[3]s OR %[1]s = null)",
		"lessThan": "%[1]s < %[2]s", "greaterOrEqual": "%[1]s >= %[2]s", "lessOrEqual": "%[1]s < %[3]s", "greaterThan": "%[1]s >= %[3]s"}[operator]
	return strings.NewReplacer("%[1]s", c.Path, "%[2]s", from, "%[3]s", to).Replace(template)
}

// literal writes a value of a filter as SOQL. An empty one stands for null.
func (c *reportColumn) literal(value string) (string, error) {
	switch {
	case value == "":
		return "null", nil
	case c.dataType() == "boolean":
		if on, err := strconv.ParseBool(strings.ToLower(value)); err == nil {
			return strings.ToUpper(strconv.FormatBool(on)), nil
		}
		return "", badReport("The filter value %s is neither True nor False.", value)
	case c.number():
		n, err := strconv.ParseFloat(strings.NewReplacer(",", "", "$", "", "%", "", "USD ", "").Replace(value), 64)
		if err != nil || !(n > -1e18 && n < 1e18) {
			return "", badReport("The filter value %s is not a number.", value)
		}
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	case isDateField(c.field):
		return c.dateLiteral(value)
	case c.dataType() == "id":
		if _, valid := parseID(value); !valid {
			return "", badReport("The filter value for ID %s is incorrect. Specify an ID that is 15 or 18 characters long, such as 006D000000CrRLw or "+
				"005U0000000Rg2CIAS.", value)
		}
	}
	return soql.Quote(value), nil
}

func isDateField(f *Field) bool { return f.Type == "date" || f.Type == "datetime" }

var dayCount = regexp.MustCompile(`^(LAST|NEXT)_(\d+)_`)

// dateLiteral writes a date, a time or a relative date, such as THIS_MONTH or LAST 30 DAYS.
func (c *reportColumn) dateLiteral(value string) (string, error) {
	unfit := badReport("Filter the date in the correct format. Accepted formats are yyyy-MM-dd'T'HH:mm:ss'Z' and yyyy-MM-dd.")
	if _, err := time.Parse(time.DateOnly, value); err == nil {
		return value, nil
	}
	if at, err := time.Parse("2006-01-02T15:04:05Z", value); err == nil {
		if c.field.Type == "date" {
			return at.Format(time.DateOnly), nil
		}
		return value, nil
	}
	text := strings.ReplaceAll(strings.ToUpper(value), " ", "_")
	if unit := dayCount.FindStringSubmatch(text); unit != nil {
		text = dayCount.ReplaceAllString(text, "${1}_N_") + ":" + unit[2]
	}
	if relativeDate(text) == nil {
		return "", unfit
	}
	return text, nil
}

// relativeDate parses a relative date of SOQL, or gives nil.
func relativeDate(text string) *soql.Literal {
	q, err := soql.Parse("SELECT Id FROM Account WHERE CreatedDate = " + text)
	if err != nil || q.Where == nil {
		return nil
	}
	comparison, isOne := q.Where.Cond.(*soql.Comparison)
	if !isOne {
		return nil
	}
	literal, isLiteral := comparison.Right.(*soql.Literal)
	if !isLiteral || literal.Kind != soql.DateLiteral {
		return nil
	}
	return literal
}

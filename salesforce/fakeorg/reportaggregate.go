package fakeorg

import (
	"fmt"
	"strings"
)

// aggregate is one summary of a report, such as s!AMOUNT.
type aggregate struct {
	name, function string
	column         *reportColumn // nil for RowCount
}

// aggregateFunctions are the prefixes of summaries. The guide writes x! for the largest value, programs of Salesforce
// (ReportRunner for Android) mx!.
var aggregateFunctions = map[string]struct{ label, sql string }{
	"s":  {"Sum of ", "coalesce(sum(%s), 0)"},
	"a":  {"Average ", "avg(%s)"},
	"m":  {"Smallest ", "min(%s)"},
	"mx": {"Largest ", "max(%s)"},
	"x":  {"Largest ", "max(%s)"},
	"u":  {"Unique Count of ", "count(DISTINCT %s)"},
}

// aggregateOf finds what the name of a summary means.
func aggregateOf(t *reportType, name string) (aggregate, error) {
	if name == "RowCount" {
		return aggregate{name: name}, nil
	}
	function, column, _ := strings.Cut(name, "!")
	a := aggregate{name: name, function: function, column: t.columns[column]}
	if _, known := aggregateFunctions[function]; !known || a.column == nil || function != "u" && !a.column.number() {
		return a, refuse(400, "INVALID_FIELD", "%s is not a valid custom summary formula name", strings.TrimPrefix(name, function+"!"))
	}
	return a, nil
}

func (a aggregate) label() string {
	if a.column == nil {
		return "Record Count"
	}
	return aggregateFunctions[a.function].label + a.column.Label
}

func (a aggregate) dataType() string {
	if a.column == nil || a.function == "u" {
		return "int"
	}
	return a.column.dataType()
}

// shown is the summary in an answer.
func (a aggregate) shown(value any) object {
	if value == nil { // of no values
		return object{{"label", "-"}, {"value", nil}}
	}
	f := &Field{Type: a.dataType()}
	if a.column != nil {
		f.Scale = a.column.field.Scale
	}
	return object{{"label", numberLabel(f, value)}, {"value", value}}
}

func (a aggregate) sql(operand string) string {
	if a.column == nil {
		return "count(*)"
	}
	return fmt.Sprintf(aggregateFunctions[a.function].sql, operand)
}

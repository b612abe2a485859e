package fakeorg

import (
	"fmt"
	"strings"
	"time"
)

// durationGroups are the durations the standard date filter offers, by group. Their values are relative dates of SOQL;
// the durations of two periods, such as the current and the previous year, are left out: their values were not found
// in a source.
var durationGroups = []struct {
	label     string
	durations [][2]string // label and value
}{
	{"", [][2]string{{"Custom", "CUSTOM"}}},
	{"Fiscal Year", [][2]string{{"Current FY", "THIS_FISCAL_YEAR"}, {"Previous FY", "LAST_FISCAL_YEAR"}, {"Previous 2 FY", "LAST_N_FISCAL_YEARS:2"},
		{"2 FY Ago", "N_FISCAL_YEARS_AGO:2"}, {"Next FY", "NEXT_FISCAL_YEAR"}}},
	{"Fiscal Quarter", [][2]string{{"Current FQ", "THIS_FISCAL_QUARTER"}, {"Next FQ", "NEXT_FISCAL_QUARTER"},
		{"Previous FQ", "LAST_FISCAL_QUARTER"}}},
	{"Calendar Year", [][2]string{{"Current CY", "THIS_YEAR"}, {"Previous CY", "LAST_YEAR"}, {"Previous 2 CY", "LAST_N_YEARS:2"}, {"2 CY Ago", "N_YEARS_AGO:2"},
		{"Next CY", "NEXT_YEAR"}}},
	{"Calendar Quarter", [][2]string{{"Current CQ", "THIS_QUARTER"}, {"Next CQ", "NEXT_QUARTER"}, {"Previous CQ", "LAST_QUARTER"}}},
	{"Calendar Month", [][2]string{{"Last Month", "LAST_MONTH"}, {"This Month", "THIS_MONTH"}, {"Next Month", "NEXT_MONTH"}}},
	{"Calendar Week", [][2]string{{"Last Week", "LAST_WEEK"}, {"This Week", "THIS_WEEK"}, {"Next Week", "NEXT_WEEK"}}},
	{"Day", [][2]string{{"Yesterday", "YESTERDAY"}, {"Today", "TODAY"}, {"Tomorrow", "TOMORROW"}, {"Last 7 Days", "LAST_N_DAYS:7"},
		{"Last 30 Days", "LAST_N_DAYS:30"}, {"Last 60 Days", "LAST_N_DAYS:60"}, {"Last 90 Days", "LAST_N_DAYS:90"}, {"Last 120 Days", "LAST_N_DAYS:120"}, {"Next 7 Days", "NEXT_N_DAYS:7"},
		{"Next 30 Days", "NEXT_N_DAYS:30"}, {"Next 60 Days", "NEXT_N_DAYS:60"}, {"Next 90 Days", "NEXT_N_DAYS:90"}, {"Next 120 Days", "NEXT_N_DAYS:120"}}},
}

// durationRange is the first and the last day of a duration. The last and next days include today, as in the answer
// recorded by phelipetls/reportforce, where the last 7 days before 2020-02-14 begin on 2020-02-08; in SOQL they do not.
func durationRange(value string, now time.Time) (first, last time.Time, known bool) {
	literal := relativeDate(value)
	if literal == nil || strings.HasSuffix(literal.Text, "_90_DAYS") { // LAST_90_DAYS is SOQL only
		return first, last, false
	}
	from, to := dateRange(literal, now)
	switch literal.Text {
	case "LAST_N_DAYS":
		from = from.AddDate(0, 0, 1)
	case "NEXT_N_DAYS":
		from, to = from.AddDate(0, 0, -1), to.AddDate(0, 0, -1)
	}
	return from, to.AddDate(0, 0, -1), true
}

// condition is the SOQL of the standard date filter, "" when it has no dates. It gives the filter the dates of its
// duration.
func (d *standardDate) condition(t *reportType, now time.Time) (string, error) {
	if d == nil || d.Column == "" {
		return "", nil
	}
	column := t.columns[d.Column]
	switch {
	case column == nil:
		return "", badReport("The column %s specified for the standard date filter is invalid.", d.Column)
	case !isDateField(column.field):
		return "", badReport("The column %s cannot be a standard date filter because it is not a date column.", d.Column)
	case d.DurationValue == "":
		d.DurationValue = "CUSTOM"
	}
	if d.DurationValue != "CUSTOM" {
		first, last, known := durationRange(d.DurationValue, now)
		if !known {
			return "", reportFault(400, "BAD_REQUEST", 113, "The duration %s specified for the standard date filter is invalid.", d.DurationValue)
		}
		from, to := first.Format(time.DateOnly), last.Format(time.DateOnly)
		d.StartDate, d.EndDate = &from, &to
	}
	var terms []string
	for _, end := range []struct {
		name, operator string
		date           *string
	}{{"start", "greaterOrEqual", d.StartDate}, {"end", "lessOrEqual", d.EndDate}} {
		if end.date == nil || *end.date == "" {
			continue
		}
		day, _, _ := strings.Cut(strings.Replace(*end.date, "T", " ", 1), " ") // a time after the date is not looked at
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return "", badReport("The specified %s date of %s specified for the standard date filter is invalid.", end.name, d.Column)
		}
		term, err := column.compare(end.operator, day)
		if err != nil {
			return "", err
		}
		terms = append(terms, term)
	}
	return strings.Join(terms, " AND "), nil
}

// granularity is a way of grouping by a date: the SQL of the group a date is in, its name, and how long it is.
// Groups of one period of time are represented by their first day.
type granularity struct {
	name, label, sql string
	days, months     int // of one period; neither for the parts of dates that come again
	show             func(time.Time) string
}

// The fiscal year is the calendar year, and weeks begin on Sunday. The names of quarters and years were not found in a
// source of the API; they are those of the report builder.
var granularities = []granularity{
	{name: "Day", label: "Day", sql: "date(@)", days: 1, show: func(t time.Time) string { return t.Format("1/2/2006") }},
	{name: "Week", label: "Calendar Week", sql: "date(@, '-' || strftime('%w', @) || ' days')", days: 7,
		show: func(t time.Time) string { return t.Format("1/2/2006") + " - " + t.AddDate(0, 0, 6).Format("1/2/2006") }},
	{name: "Month", label: "Calendar Month", sql: "date(@, 'start of month')", months: 1,
		show: func(t time.Time) string { return t.Format("January 2006") }},
	{name: "Quarter", label: "Calendar Quarter", sql: quarterStart, months: 3,
		show: func(t time.Time) string { return quarterOf(t) + " CY" + t.Format("2006") }},
	{name: "Year", label: "Calendar Year", sql: "date(@, 'start of year')", months: 12, show: func(t time.Time) string { return "CY" + t.Format("2006") }},
	{name: "FiscalQuarter", label: "Fiscal Quarter", sql: quarterStart, months: 3,
		show: func(t time.Time) string { return quarterOf(t) + " FY" + t.Format("2006") }},
	{name: "FiscalYear", label: "Fiscal Year", sql: "date(@, 'start of year')", months: 12, show: func(t time.Time) string { return "FY" + t.Format("2006") }},
	{name: "MonthInYear", label: "Calendar Month in Year", sql: "CAST(strftime('%m', @) AS INTEGER)"},
	{name: "DayInMonth", label: "Calendar Day in Month", sql: "CAST(strftime('%d', @) AS INTEGER)"},
}

const quarterStart = "date(@, 'start of month', '-' || ((CAST(strftime('%m', @) AS INTEGER) - 1) % 3) || ' months')"

func quarterOf(t time.Time) string { return fmt.Sprintf("Q%d", (int(t.Month())+2)/3) }

// granularityOf returns the granularity of that name, or nil.
func granularityOf(name string) *granularity {
	for i := range granularities {
		if granularities[i].name == name {
			return &granularities[i]
		}
	}
	return nil
}

// shown is the label, the value and the first and last day of a group.
func (g *granularity) shown(group any) object {
	if n, isNumber := group.(int64); isNumber {
		label := fmt.Sprint(n)
		if g.name == "MonthInYear" {
			label = time.Month(n).String()
		}
		return object{{"label", label}, {"value", n}}
	}
	text, _ := group.(string)
	first, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return object{{"label", "-"}, {"value", nil}}
	}
	last := first.AddDate(0, g.months, g.days-1)
	return object{{"dategroupings", []string{text, last.Format(time.DateOnly)}}, {"label", g.show(first)}, {"value", text}}
}

package fakeorg

import (
	"strings"
	"time"

	"salesforce-mcp/salesforce/soql"
)

// dateFunctions are the SQL of the date functions. The simulated org's fiscal year is the calendar year, and its
// time zone is UTC. Their results are whole numbers, except that DAY_ONLY gives a date.
var dateFunctions = map[string]string{
	"CALENDAR_YEAR":    "CAST(strftime('%Y', @) AS INTEGER)",
	"CALENDAR_QUARTER": "((CAST(strftime('%m', @) AS INTEGER) + 2) / 3)",
	"CALENDAR_MONTH":   "CAST(strftime('%m', @) AS INTEGER)",
	"DAY_IN_MONTH":     "CAST(strftime('%d', @) AS INTEGER)",
	"DAY_IN_WEEK":      "(CAST(strftime('%w', @) AS INTEGER) + 1)",
	"DAY_IN_YEAR":      "CAST(strftime('%j', @) AS INTEGER)",
	"DAY_ONLY":         "date(@)",
	"FISCAL_YEAR":      "CAST(strftime('%Y', @) AS INTEGER)",
	"FISCAL_QUARTER":   "((CAST(strftime('%m', @) AS INTEGER) + 2) / 3)",
	"FISCAL_MONTH":     "CAST(strftime('%m', @) AS INTEGER)",
	"HOUR_IN_DAY":      "CAST(strftime('%H', @) AS INTEGER)",
	"WEEK_IN_MONTH":    "((CAST(strftime('%d', @) AS INTEGER) + 6) / 7)",
	"WEEK_IN_YEAR":     "((CAST(strftime('%j', @) AS INTEGER) + 6) / 7)",
}

// dateRange is the time a date literal stands for, from (in it) to (not in it any more), both at midnight UTC.
// "THIS_" and "LAST_" units are whole; weeks begin on Sunday, as in the locale en_US.
func dateRange(l *soql.Literal, now time.Time) (from, to time.Time) {
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return today.AddDate(0, 0, n) }
	n := min(l.N, 100_000) // days further off are out of any date's reach
	switch l.Text {
	case "YESTERDAY":
		return day(-1), day(0)
	case "TODAY":
		return day(0), day(1)
	case "TOMORROW":
		return day(1), day(2)
	case "LAST_90_DAYS":
		return day(-90), day(1)
	case "NEXT_90_DAYS":
		return day(1), day(91)
	case "LAST_N_DAYS": // today belongs to it
		return day(-n), day(1)
	case "NEXT_N_DAYS": // today does not
		return day(1), day(n + 1)
	case "N_DAYS_AGO":
		return day(-n), day(1 - n)
	}
	text := strings.Replace(l.Text, "FISCAL_", "", 1)
	start, step := unit(text, today)
	n = min(n, 1_000) // years keep four digits, so that dates compare as text
	switch {
	case strings.HasPrefix(text, "LAST_N_"):
		return step(start, -n), start
	case strings.HasPrefix(text, "NEXT_N_"):
		return step(start, 1), step(start, n+1)
	case strings.HasSuffix(text, "S_AGO"):
		return step(start, -n), step(start, 1-n)
	case strings.HasPrefix(text, "LAST_"):
		return step(start, -1), start
	case strings.HasPrefix(text, "NEXT_"):
		return step(start, 1), step(start, 2)
	}
	return start, step(start, 1) // THIS_
}

// unit gives the start of the week, month, quarter or year a day is in, and how to move by such units.
func unit(literal string, day time.Time) (start time.Time, step func(time.Time, int) time.Time) {
	months := func(n int) func(time.Time, int) time.Time {
		return func(t time.Time, k int) time.Time { return t.AddDate(0, n*k, 0) }
	}
	first := func(m time.Month) time.Time { return time.Date(day.Year(), m, 1, 0, 0, 0, 0, time.UTC) }
	switch {
	case strings.Contains(literal, "WEEK"):
		return day.AddDate(0, 0, -int(day.Weekday())), func(t time.Time, k int) time.Time { return t.AddDate(0, 0, 7*k) }
	case strings.Contains(literal, "MONTH"):
		return first(day.Month()), months(1)
	case strings.Contains(literal, "QUARTER"):
		return first((day.Month()-1)/3*3 + 1), months(3)
	}
	return first(time.January), months(12)
}

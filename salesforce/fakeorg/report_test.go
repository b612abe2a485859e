package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// analyst is a user of an org who looks at reports.
type analyst struct {
	*server
	clock *clock
}

func startReports(t *testing.T) *analyst {
	clock := newClock()
	return &analyst{start(t, fakeorg.Options{Clock: clock.time, Pace: time.Second}), clock}
}

// one returns a field of the only record a query finds.
func (a *analyst) one(soql string) string {
	a.t.Helper()
	r := a.do("GET", "/query?q="+url.QueryEscape(soql), "")
	var answer struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Records) != 1 {
		a.t.Fatalf("%s: %d %s", soql, r.status, r.body)
	}
	delete(answer.Records[0], "attributes")
	for _, value := range answer.Records[0] {
		return fmt.Sprint(value)
	}
	return ""
}

// report is the path of a report of the company.
func (a *analyst) report(developerName string) string {
	a.t.Helper()
	return "/analytics/reports/" + a.one("SELECT Id FROM Report WHERE DeveloperName = '"+developerName+"'")
}

// part is the JSON of a part of an answer, the keys that lead there separated by "/".
func (r reply) part(t *testing.T, path string) string {
	t.Helper()
	text := json.RawMessage(r.body)
	for key := range strings.SplitSeq(path, "/") {
		var list []json.RawMessage
		var object map[string]json.RawMessage
		var i int
		if err := json.Unmarshal(text, &list); err == nil {
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(list) {
				t.Fatalf("%s: no item %s in %s", path, key, text)
			}
			text = list[i]
			continue
		}
		if err := json.Unmarshal(text, &object); err != nil || object[key] == nil {
			t.Fatalf("%s: no member %s in %d %.300s", path, key, r.status, text)
		}
		text = object[key]
	}
	return string(text)
}

// has fails the test unless a part of the answer is this.
func (r reply) has(t *testing.T, path, want string) {
	t.Helper()
	if got := r.part(t, path); got != want {
		t.Errorf("%s is\n%s, want\n%s", path, got, want)
	}
}

// query runs a report that is not saved.
func (a *analyst) query(metadata string) reply {
	a.t.Helper()
	return a.do("POST", "/analytics/reports/query", `{"reportMetadata":`+metadata+`}`)
}

// A cell has the value for programs and the label of the report, by the type of its column.
func TestReportCells(t *testing.T) {
	a := startReports(t)
	id := a.create("Account", `{"Name":"Cell","AnnualRevenue":1234567,"NumberOfEmployees":1200,"Sales_Regions__c":"EMEA;APAC","Industry":"Media"}`)
	opportunity := a.create("Opportunity", `{"Name":"Deal","AccountId":"`+id+`","StageName":"Closed Won","CloseDate":"2027-04-09","Amount":1234.5}`)
	r := a.query(`{"reportType":{"type":"Opportunity"},"hasDetailRows":true,"reportFilters":[{"column":"ACCOUNT_NAME","operator":"equals","value":"cell"}],
		"detailColumns":["OPPORTUNITY_NAME","ACCOUNT_NAME","FULL_NAME","AMOUNT","SALES","EMPLOYEES","PROBABILITY","CLOSE_DATE","CREATED_DATE","CLOSED","STAGE_NAME","NEXT_STEP","Account.Sales_Regions__c","OPPORTUNITY_ID"],
		"aggregates":["s!AMOUNT","a!PROBABILITY","mx!EMPLOYEES","RowCount"]}`)
	user := a.one("SELECT Id FROM User WHERE Username = '" + fakeorg.IntegrationUser + "'")
	r.has(t, "factMap", `{"T!T":{"aggregates":[{"label":"$1,234.50","value":1234.5},{"label":"100%","value":100},{"label":"1,200","value":1200},{"label":"1","value":1}],"rows":[{"dataCells":[`+
		`{"label":"Deal","value":"`+opportunity+`"},{"label":"Cell","value":"`+id+`"},{"label":"Integration User","value":"`+user+`"},`+
		`{"label":"$1,234.50","value":{"amount":1234.5,"currency":null}},{"label":"$1,234,567","value":{"amount":1234567,"currency":null}},{"label":"1,200","value":1200},{"label":"100%","value":100},`+
		`{"label":"4/9/2027","value":"2027-04-09"},{"label":"3/1/2027, 12:00 PM","value":"2027-03-01T12:00:00Z"},{"label":"true","value":true},{"label":"Closed Won","value":"Closed Won"},{"label":"-","value":null},`+
		`{"label":"EMEA; APAC","value":"EMEA;APAC"},{"label":"`+opportunity+`","value":"`+opportunity+`"}]}]}}`)
	r.has(t, "attributes", `{"describeUrl":"`+api+`/analytics/reports/null/describe","instancesUrl":"`+api+`/analytics/reports/null/instances","reportId":null,"reportName":"","type":"Report"}`)
	r.has(t, "reportExtendedMetadata/aggregateColumnInfo/mx!EMPLOYEES", `{"acrossGroupingContext":null,"dataType":"int","downGroupingContext":null,"label":"Largest Employees"}`)
}

// threeDeals makes an account with opportunities of two stages and months.
func (a *analyst) threeDeals() (id string) {
	id = a.create("Account", `{"Name":"Three","Industry":"Media"}`)
	for _, deal := range []string{`"Name":"a","StageName":"Qualification","CloseDate":"2027-04-09","Amount":10`, `"Name":"b","StageName":"Prospecting","CloseDate":"2027-04-10","Amount":20.5`,
		`"Name":"c","StageName":"Prospecting","CloseDate":"2027-05-31"`} {
		a.create("Opportunity", `{"AccountId":"`+id+`",`+deal+`}`)
	}
	return id
}

// The fact map of a matrix has every group down with every group across, the totals, and rows in the innermost ones.
func TestReportMatrix(t *testing.T) {
	a := startReports(t)
	id := a.threeDeals()
	metadata := `{"name":"m","reportType":{"type":"Opportunity"},"reportFormat":"MATRIX","detailColumns":["OPPORTUNITY_NAME"],"aggregates":["s!AMOUNT","RowCount"],
		"groupingsDown":[{"name":"ACCOUNT_NAME"},{"name":"STAGE_NAME","sortOrder":"desc"}],"groupingsAcross":[{"name":"CLOSE_DATE","dateGranularity":"Month"}],
		"reportFilters":[{"column":"INDUSTRY","operator":"equals","value":"Media"}]`
	r := a.query(metadata + "}")
	r.has(t, "groupingsDown", `{"groupings":[{"groupings":[{"groupings":[],"key":"0_0","label":"Qualification","value":"Qualification"},`+
		`{"groupings":[],"key":"0_1","label":"Prospecting","value":"Prospecting"}],"key":"0","label":"Three","value":"`+id+`"}]}`)
	r.has(t, "groupingsAcross", `{"groupings":[{"groupings":[],"key":"0","dategroupings":["2027-04-01","2027-04-30"],"label":"April 2027","value":"2027-04-01"},`+
		`{"groupings":[],"key":"1","dategroupings":["2027-05-01","2027-05-31"],"label":"May 2027","value":"2027-05-01"}]}`)
	fact := func(sum, count string) string {
		return `{"aggregates":[{"label":"$` + sum + `","value":` + strings.TrimSuffix(strings.TrimSuffix(sum, "0"), ".0") + `},{"label":"` + count + `","value":` + count + `}]}`
	}
	want := map[string]string{"T!T": fact("30.50", "3"), "T!0": fact("30.50", "2"), "T!1": fact("0.00", "1"), "0!T": fact("30.50", "3"), "0!0": fact("30.50", "2"), "0!1": fact("0.00", "1"),
		"0_0!T": fact("10.00", "1"), "0_0!0": fact("10.00", "1"), "0_0!1": fact("0.00", "0"), "0_1!T": fact("20.50", "2"), "0_1!0": fact("20.50", "1"), "0_1!1": fact("0.00", "1")}
	for key, facts := range want {
		r.has(t, "factMap/"+key, facts)
	}
	var facts map[string]any
	if err := json.Unmarshal([]byte(r.part(t, "factMap")), &facts); err != nil || len(facts) != len(want) {
		t.Errorf("the fact map has %d keys, want %d", len(facts), len(want))
	}
	r.has(t, "reportExtendedMetadata/groupingColumnInfo/STAGE_NAME/groupingLevel", "1")
	r = a.query(metadata + `,"hasDetailRows":true}`)
	r.has(t, "factMap/T!T/rows", "[]")
	r.has(t, "factMap/0_0!1/rows", "[]")
	r.part(t, "factMap/0_1!0/rows/0/dataCells/0")
	r.has(t, "factMap/0_1!1/rows/0/dataCells/0/label", `"c"`)
	r.has(t, "hasDetailRows", "true")
}

// Groups stand in the order of the picklist, of their names, or of an aggregate; nothing comes first.
func TestReportOrder(t *testing.T) {
	a := startReports(t)
	a.threeDeals()
	labels := func(grouping string) string {
		r := a.query(`{"reportType":{"type":"Opportunity"},"reportFormat":"SUMMARY","aggregates":["RowCount","mx!AMOUNT"],"groupingsDown":[` + grouping + `],
			"reportFilters":[{"column":"OPPORTUNITY_NAME","operator":"equals","value":"a,b,c"}]}`)
		var groups []struct{ Label string }
		if err := json.Unmarshal([]byte(r.part(t, "groupingsDown/groupings")), &groups); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, g := range groups {
			text += g.Label + "|"
		}
		return text
	}
	for grouping, want := range map[string]string{
		`{"name":"STAGE_NAME"}`:                                                     "Prospecting|Qualification|",
		`{"name":"STAGE_NAME","sortOrder":"Desc"}`:                                  "Qualification|Prospecting|",
		`{"name":"OPPORTUNITY_NAME","sortOrder":"Desc"}`:                            "c|b|a|",
		`{"name":"STAGE_NAME","sortAggregate":"RowCount","sortOrder":"Asc"}`:        "Qualification|Prospecting|",
		`{"name":"OPPORTUNITY_NAME","sortAggregate":"mx!AMOUNT","sortOrder":"Asc"}`: "c|a|b|",
		`{"name":"AMOUNT"}`:                                                         "-|$10.00|$20.50|",
		`{"name":"CLOSE_DATE"}`:                                                     "4/9/2027|4/10/2027|5/31/2027|",
		`{"name":"CLOSE_DATE","dateGranularity":"Week"}`:                            "4/4/2027 - 4/10/2027|5/30/2027 - 6/5/2027|",
		`{"name":"CLOSE_DATE","dateGranularity":"Quarter"}`:                         "Q2 CY2027|",
		`{"name":"CLOSE_DATE","dateGranularity":"FiscalYear"}`:                      "FY2027|",
		`{"name":"CLOSE_DATE","dateGranularity":"MonthInYear","sortOrder":"Desc"}`:  "May|April|",
		`{"name":"CLOSE_DATE","dateGranularity":"DayInMonth"}`:                      "9|10|31|",
		`{"name":"CREATED_DATE","dateGranularity":"Year"}`:                          "CY2027|",
	} {
		if got := labels(grouping); got != want {
			t.Errorf("%s: %s, want %s", grouping, got, want)
		}
	}
}

// Filters change one run, not the report.
func TestReportFilters(t *testing.T) {
	a := startReports(t)
	a.threeDeals()
	path := a.report("Opportunities_by_Stage")
	saved := a.do("GET", path+"/describe", "").body
	only := `{"column":"ACCOUNT_NAME","operator":"equals","value":"Three"}`
	for name, test := range map[string]struct{ members, count string }{
		"none":            {`"reportFilters":[]`, "59"},
		"one":             {`"reportFilters":[` + only + `]`, "3"},
		"with AND":        {`"reportFilters":[` + only + `,{"column":"AMOUNT","operator":"greaterThan","value":"10"}]`, "1"},
		"logic":           {`"reportFilters":[` + only + `,{"column":"AMOUNT","operator":"lessThan","value":"11"},{"column":"AMOUNT","operator":"equals","value":""}],"reportBooleanFilter":"1AND(2OR3)"`, "2"},
		"number in words": {`"reportFilters":[{"column":"AMOUNT","operator":"greaterThan","value":"\"150,000\""}]`, "4"},
		"quoted comma":    {`"reportFilters":[{"column":"OPPORTUNITY_NAME","operator":"equals","value":"\"a,b\",c"}]`, "1"},
		"no value of two": {`"reportFilters":[` + only + `,{"column":"OPPORTUNITY_NAME","operator":"notContain","value":"a,b"}]`, "1"},
		"relative date":   {`"reportFilters":[` + only + `,{"column":"CLOSE_DATE","operator":"lessOrEqual","value":"NEXT 40 DAYS"}]`, "2"},
		"standard date":   {`"reportFilters":[` + only + `],"standardDateFilter":{"column":"CLOSE_DATE","durationValue":"CUSTOM","startDate":"2027-04-10","endDate":"2027-05-31"}`, "2"},
		"duration":        {`"reportFilters":[` + only + `],"standardDateFilter":{"column":"CREATED_DATE","durationValue":"TODAY"}`, "3"},
		"standard filter": {`"reportFilters":[` + only + `],"standardFilters":[{"name":"probability","value":"gt90"}]`, "0"},
		"scope":           {`"scope":"user"`, "3"},
	} {
		r := a.do("POST", path, `{"reportMetadata":{`+test.members+`}}`)
		if got := r.part(t, "factMap/T!T/aggregates/2/value"); got != test.count {
			t.Errorf("%s: %s rows, want %s", name, got, test.count)
		}
	}
	r := a.do("POST", path, `{"reportMetadata":{"id":"00O000000000001AAA","name":"other","reportFilters":[`+only+`,`+only+`],"reportBooleanFilter":"(1or 2)"}}`)
	r.has(t, "reportMetadata/reportBooleanFilter", `"(1 OR 2)"`)
	r.has(t, "reportMetadata/name", `"Opportunities by Stage"`)
	r.has(t, "reportMetadata/id", `"`+strings.TrimPrefix(path, "/analytics/reports/")+`"`)
	r.has(t, "reportMetadata/reportFilters/0", `{"column":"ACCOUNT_NAME","filterType":"fieldValue","isRunPageEditable":true,"operator":"equals","value":"Three"}`)
	if a.do("GET", path+"/describe", "").body != saved {
		t.Error("a run with filters has changed the report")
	}
}

// A duration has its days: the last days include today, the fiscal year is the calendar year.
func TestReportDurations(t *testing.T) {
	a := startReports(t)
	for duration, want := range map[string]string{
		"LAST_N_DAYS:7": "2027-02-23 2027-03-01", "NEXT_N_DAYS:7": "2027-03-01 2027-03-07", "THIS_FISCAL_QUARTER": "2027-01-01 2027-03-31", "LAST_MONTH": "2027-02-01 2027-02-28",
		"THIS_WEEK": "2027-02-28 2027-03-06", "N_FISCAL_YEARS_AGO:2": "2025-01-01 2025-12-31", "YESTERDAY": "2027-02-28 2027-02-28",
	} {
		r := a.query(`{"reportType":{"type":"CaseList"},"standardDateFilter":{"column":"CREATED_DATE","durationValue":"` + duration + `"}}`)
		first, last, _ := strings.Cut(want, " ")
		r.has(t, "reportMetadata/standardDateFilter", `{"column":"CREATED_DATE","durationValue":"`+duration+`","endDate":"`+last+`","startDate":"`+first+`"}`)
	}
}

// A tabular report may show its first rows only; its totals are theirs.
func TestReportTopRows(t *testing.T) {
	a := startReports(t)
	path := a.report("Open_Cases")
	r := a.do("POST", path+"?includeDetails=true", `{"reportMetadata":{"sortBy":[{"sortColumn":"CASE_NUMBER","sortOrder":"Desc"}],"topRows":{"rowLimit":2,"direction":"Asc"}}}`)
	r.has(t, "factMap/T!T/aggregates", `[{"label":"2","value":2}]`)
	newest := a.one("SELECT CaseNumber FROM Case WHERE IsClosed = FALSE ORDER BY CaseNumber DESC LIMIT 1")
	r.has(t, "factMap/T!T/rows/0/dataCells/0/label", `"`+newest+`"`)
	r.part(t, "factMap/T!T/rows/1")
	if strings.Count(r.body, `"dataCells"`) != 2 {
		t.Errorf("more rows than two: %s", r.body)
	}
}

// Beyond 2,000 rows a result is not all data: it has the rows of the first groups, and the totals of all.
func TestReportRowLimit(t *testing.T) {
	a := startReports(t)
	for i := range 11 {
		var records []string
		for j := range 200 {
			records = append(records, fmt.Sprintf(`{"attributes":{"type":"Lead"},"LastName":"L%d","Company":"Many %d"}`, j, i%3))
		}
		a.do("POST", "/composite/sobjects", `{"records":[`+strings.Join(records, ",")+`]}`).wants(t, 200, `"success":true`)
	}
	many := `"reportType":{"type":"LeadList"},"detailColumns":["LAST_NAME"],"hasDetailRows":true,"reportFilters":[{"column":"COMPANY","operator":"startsWith","value":"many"}]`
	for name, test := range map[string]struct{ metadata, exceeded string }{
		"tabular": {`{` + many + `}`, "true"},
		"summary": {`{` + many + `,"reportFormat":"SUMMARY","groupingsDown":[{"name":"COMPANY"}]}`, "false"},
	} {
		r := a.query(test.metadata)
		r.has(t, "allData", "false")
		r.has(t, "hasExceededTabularRowLimit", test.exceeded)
		r.has(t, "factMap/T!T/aggregates/0", `{"label":"2,200","value":2200}`)
		if got := strings.Count(r.body, `"dataCells"`); got != 2000 {
			t.Errorf("%s: %d rows", name, got)
		}
	}
	a.query(`{"reportType":{"type":"LeadList"},"detailColumns":["LAST_NAME"],"reportFilters":[{"column":"COMPANY","operator":"equals","value":"many 1"}]}`).has(t, "allData", "true")
}

func TestReportErrors(t *testing.T) {
	a := startReports(t)
	stages, cases := a.report("Opportunities_by_Stage"), a.report("Open_Cases")
	bad := func(message string) string { return `[{"message":"` + message + `","errorCode":"BAD_REQUEST"}]` }
	filter := func(column, operator, value string) string {
		return `{"reportMetadata":{"reportFilters":[{"column":"` + column + `","operator":"` + operator + `","value":"` + value + `"}]}}`
	}
	gone := `[{"message":"The data you’re trying to access is unavailable.","errorCode":"NOT_FOUND"}]`
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"no such report", "GET", "/analytics/reports/00OSm00000009ZzMAI", "", 404, gone},
		{"a record that is no report", "GET", "/analytics/reports/001Sm0000000001IAA/describe", "", 404, gone},
		{"no id", "GET", "/analytics/reports/mine/describe", "", 404, `[{"message":"Use a valid URL, for example, /services/data/(apiversion)/analytics/reports/(reportID)/describe, to retrieve report metadata.","errorCode":"NOT_FOUND"}]`},
		{"no JSON", "POST", stages, "{", 500, `[{"message":"The request body is either invalid or incomplete.","errorCode":"JSON_PARSER_ERROR"}]`},
		{"a result instead of metadata", "POST", stages, `{"factMap":{},"reportMetadata":{}}`, 500, `[{"message":"The request body is either invalid or incomplete.","errorCode":"JSON_PARSER_ERROR"}]`},
		{"unknown member", "POST", stages, `{"reportMetadata":{"filters":[]}}`, 500, `[{"message":"The request body is either invalid or incomplete.","errorCode":"JSON_PARSER_ERROR"}]`},
		{"no metadata", "POST", stages, `{"reportFilters":[]}`, 400, bad("The request is invalid because there is no metadata. Specify metadata in the request body.")},
		{"no filters", "POST", stages, `{"reportMetadata":{"reportFilters":null}}`, 400, bad("The request is invalid because there are no filters. Specify filters or set filters as an empty array to omit them.")},
		{"column", "POST", stages, filter("STATUS", "equals", "x"), 400, bad("Specify a valid filterable column because STATUS is invalid.")},
		{"long text", "POST", stages, filter("DESCRIPTION", "contains", "x"), 400, bad("Specify a valid filterable column because DESCRIPTION is invalid.")},
		{"operator", "POST", stages, filter("STAGE_NAME", "like", "x"), 400, bad("Specify a valid condition because like is invalid.")},
		{"operator of another type", "POST", stages, filter("AMOUNT", "contains", "1"), 400, bad("Specify a valid condition because contains is invalid.")},
		{"id", "POST", stages, filter("OPPORTUNITY_ID", "equals", "006"), 400, bad("The filter value for ID 006 is incorrect. Specify an ID that is 15 or 18 characters long, such as 006D000000CrRLw or 005U0000000Rg2CIAS.")},
		{"date", "POST", stages, filter("CLOSE_DATE", "equals", "9/4/27"), 400, bad("Filter the date in the correct format. Accepted formats are yyyy-MM-dd'T'HH:mm:ss'Z' and yyyy-MM-dd.")},
		{"number", "POST", stages, filter("AMOUNT", "equals", "many"), 400, bad("The filter value many is not a number.")},
		{"boolean", "POST", stages, filter("CLOSED", "equals", "maybe"), 400, bad("The filter value maybe is neither True nor False.")},
		{"logic without a filter", "POST", stages, `{"reportMetadata":{"reportBooleanFilter":"1 AND 2"}}`, 400, bad("The filter logic 1 AND 2 is invalid.")},
		{"mixed logic", "POST", cases, `{"reportMetadata":{"reportBooleanFilter":"1 AND 1 OR 1"}}`, 400, bad("The filter logic 1 AND 1 OR 1 is invalid.")},
		{"filter left out", "POST", cases, `{"reportMetadata":{"reportFilters":[{"column":"CLOSED","operator":"equals","value":"1"},{"column":"CLOSED","operator":"equals","value":"0"}],"reportBooleanFilter":"2"}}`, 400,
			bad("Some filters are defined but not referenced in the filter logic 2.")},
		{"too many filters", "POST", cases, `{"reportMetadata":{"reportFilters":[` + strings.TrimSuffix(strings.Repeat(`{},`, 21), ",") + `]}}`, 400, bad("A report can have only as many as 20 filters.")},
		{"detail column", "POST", stages, `{"reportMetadata":{"detailColumns":["Name"]}}`, 400, bad("Column: Invalid value specified: Name")},
		{"no column", "POST", cases, `{"reportMetadata":{"detailColumns":[]}}`, 400, bad("Can’t run the report because it doesn’t have any columns selected. Be sure to add fields as columns to the report through the user interface.")},
		{"grouping", "POST", stages, `{"reportMetadata":{"groupingsDown":[{"name":"Stage"}]}}`, 400, bad("Grouping: Invalid value specified: Stage")},
		{"grouping twice", "POST", stages, `{"reportMetadata":{"groupingsDown":[{"name":"TYPE"},{"name":"TYPE"}]}}`, 400, bad("Grouping: Invalid value specified: TYPE")},
		{"granularity", "POST", stages, `{"reportMetadata":{"groupingsDown":[{"name":"CLOSE_DATE","dateGranularity":"Decade"}]}}`, 400, bad("Date granularity: Invalid value specified: Decade")},
		{"grouped table", "POST", cases, `{"reportMetadata":{"groupingsDown":[{"name":"STATUS"}]}}`, 400, bad("Groupings are not supported on a tabular report.")},
		{"grouped across", "POST", stages, `{"reportMetadata":{"groupingsAcross":[{"name":"TYPE"}]}}`, 400, bad("Column groupings are not supported on a summary report.")},
		{"format", "POST", stages, `{"reportMetadata":{"reportFormat":"MULTI_BLOCK"}}`, 501, `[{"message":"You’re requesting data for an unsupported report format.","errorCode":"NOT_IMPLEMENTED"}]`},
		{"aggregate", "POST", stages, `{"reportMetadata":{"aggregates":["s!STAGE_NAME"]}}`, 400, `[{"message":"STAGE_NAME is not a valid custom summary formula name","errorCode":"INVALID_FIELD"}]`},
		{"sort by a hidden column", "POST", cases, `{"reportMetadata":{"sortBy":[{"sortColumn":"REASON"}]}}`, 400, bad("The sort column name must be from a selected column.")},
		{"sort by two", "POST", cases, `{"reportMetadata":{"sortBy":[{"sortColumn":"STATUS"},{"sortColumn":"SUBJECT"}]}}`, 400, bad("A report can only be sorted by one column.")},
		{"sort a matrix", "POST", a.report("Pipeline_by_Owner_and_Stage"), `{"reportMetadata":{"sortBy":[{"sortColumn":"AMOUNT"}]}}`, 400, bad("Column sorting isn't supported for matrix reports.")},
		{"sort by none", "POST", cases, `{"reportMetadata":{"sortBy":[{"sortOrder":"Asc"}]}}`, 400, bad("The sort column name can't be null.")},
		{"rows without order", "POST", cases, `{"reportMetadata":{"sortBy":[],"topRows":{"rowLimit":3,"direction":"Asc"}}}`, 400, bad("A report must be sorted by one column when requesting a Top N number of rows.")},
		{"date column", "POST", cases, `{"reportMetadata":{"standardDateFilter":{"column":"STATUS","durationValue":"TODAY"}}}`, 400, bad("The column STATUS cannot be a standard date filter because it is not a date column.")},
		{"duration", "POST", cases, `{"reportMetadata":{"standardDateFilter":{"column":"CREATED_DATE","durationValue":"LAST_90_DAYS"}}}`, 400,
			`[{"errorCode":"BAD_REQUEST","message":"The duration LAST_90_DAYS specified for the standard date filter is invalid.","specificErrorCode":113}]`},
		{"start date", "POST", cases, `{"reportMetadata":{"standardDateFilter":{"column":"CREATED_DATE","durationValue":"CUSTOM","startDate":"soon"}}}`, 400,
			bad("The specified start date of CREATED_DATE specified for the standard date filter is invalid.")},
		{"scope", "POST", cases, `{"reportMetadata":{"scope":"team"}}`, 400, bad("Scope: Invalid value specified: team")},
		{"cross filter", "POST", cases, `{"reportMetadata":{"crossFilters":[{}]}}`, 501, `[{"message":"The simulated org runs no reports with crossFilters","errorCode":"NOT_IMPLEMENTED"}]`},
		{"another type", "POST", cases, `{"reportMetadata":{"reportType":{"type":"LeadList"}}}`, 400, bad("The type of a report can't be changed.")},
		{"no type", "POST", "/analytics/reports/query", `{"reportMetadata":{"name":"x"}}`, 400, bad("The report type can't be null.")},
		{"unknown type", "POST", "/analytics/reports/query", `{"reportMetadata":{"reportType":{"type":"Cases"}}}`, 400, bad("Report type: Invalid value specified: Cases")},
		{"unknown type described", "GET", "/analytics/reportTypes/Cases", "", 404, gone},
	} {
		t.Run(test.name, func(t *testing.T) {
			a.do(test.method, test.path, test.body).want(t, test.status, test.want)
		})
	}
	var columns []string
	for range 100 {
		columns = append(columns, `"STATUS"`)
	}
	a.do("POST", cases, `{"reportMetadata":{"detailColumns":[`+strings.Join(columns, ",")+`]}}`).wants(t, 400, `"specificErrorCode":204}]`)
	a.do("POST", cases, "filters", "Content-Type", "text/plain").wants(t, 415, "only supports JSON content type")
}

package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce/soql"
)

// reportable is a column of a report type and the field it is about, for a query that says the same as a report.
type reportable struct {
	column, path string
	typ          string // string, number, boolean, date, datetime, multipicklist or name
	id           string // of a name: the path of the id
	values       []string
}

// reportables are columns of some types. The first of each is a number to add up.
var reportables = map[string]struct {
	object  string
	columns []reportable
}{
	"Opportunity": {"Opportunity", []reportable{
		{column: "AMOUNT", path: "Amount", typ: "number", values: []string{"10000", "4000", `"50,000"`, "-1", ""}},
		{column: "PROBABILITY", path: "Probability", typ: "number", values: []string{"10", "90", "100"}},
		{column: "STAGE_NAME", path: "StageName", typ: "string", values: []string{"Closed Won", "Prospecting", "closed", "o", ""}},
		{column: "TYPE", path: "Type", typ: "string", values: []string{"New Customer", "Existing Customer - Upgrade", "Existing", ""}},
		{column: "CLOSED", path: "IsClosed", typ: "boolean", values: []string{"True", "False", "0", "true"}},
		{column: "CLOSE_DATE", path: "CloseDate", typ: "date", values: []string{"THIS_YEAR", "2027-01-05", "LAST 30 DAYS", "next month"}},
		{column: "CREATED_DATE", path: "CreatedDate", typ: "datetime", values: []string{"THIS_QUARTER", "2026-12-03", "2026-11-01T10:00:00Z"}},
		{column: "ACCOUNT_NAME", path: "Account.Name", typ: "name", id: "AccountId", values: []string{"Harbor & Pine Hardware", "builders", "x'y\\", "50%_", ""}},
		{column: "FULL_NAME", path: "Owner.Name", typ: "name", id: "OwnerId", values: []string{"Lena Vogt", "tom"}},
		{column: "INDUSTRY", path: "Account.Industry", typ: "string", values: []string{"Retail", "Construction"}},
		{column: "Account.Sales_Regions__c", path: "Account.Sales_Regions__c", typ: "multipicklist", values: []string{"EMEA", "AMER;EMEA", "APAC"}},
	}},
	"Returned_Lines__c": {"ReturnOrderLineItem", []reportable{
		{column: "ReturnOrderLineItem.QuantityReturned", path: "QuantityReturned", typ: "number", values: []string{"1", "2"}},
		{column: "ReturnOrderLineItem.ReasonForReturn", path: "ReasonForReturn", typ: "string", values: []string{"Damaged", "Wrong", ""}},
		{column: "ReturnOrderLineItem.ReturnOrder.Status", path: "ReturnOrder.Status", typ: "string", values: []string{"Approved", "Closed"}},
		{column: "ReturnOrderLineItem.OrderItem.Product2.Name", path: "OrderItem.Product2.Name", typ: "name", id: "OrderItem.Product2Id", values: []string{"Laser Level", "drill"}},
		{column: "ReturnOrderLineItem.ReturnOrder.Account.Name", path: "ReturnOrder.Account.Name", typ: "name", id: "ReturnOrder.AccountId", values: []string{"hardware"}},
		{column: "ReturnOrderLineItem.CreatedDate", path: "CreatedDate", typ: "datetime", values: []string{"LAST_N_DAYS:60", "2027-01-01"}},
	}},
	"AccountList": {"Account", []reportable{
		{column: "SALES", path: "AnnualRevenue", typ: "number", values: []string{`"1,000,000"`, "250000", `"10,000,000"`}},
		{column: "EMPLOYEES", path: "NumberOfEmployees", typ: "number", values: []string{"50", "5"}},
		{column: "INDUSTRY", path: "Industry", typ: "string", values: []string{"Retail", "Consulting"}},
		{column: "USERS.NAME", path: "Owner.Name", typ: "name", id: "OwnerId", values: []string{"Lena Vogt"}},
		{column: "PARENT_NAME", path: "Parent.Name", typ: "name", id: "ParentId", values: []string{"red oak", ""}},
		{column: "Account.Tier__c", path: "Tier__c", typ: "string", values: []string{"Gold", "Silver"}},
		{column: "Account.Sales_Regions__c", path: "Sales_Regions__c", typ: "multipicklist", values: []string{"EMEA", "AMER", "EMEA;AMER"}},
	}},
}

// grouped is one grouping of a report with what groups the same in a query.
type grouped struct {
	reportable
	granularity string
	by          []string // expressions of GROUP BY
}

// factMap is the part of a report's result that this test looks at.
type factMap struct {
	FactMap map[string]struct {
		Aggregates []struct{ Value *float64 }
		Rows       []struct{ DataCells []struct{ Value any } }
	}
	GroupingsDown, GroupingsAcross struct{ Groupings []group }
}

type group struct {
	Key       string
	Value     any
	Groupings []group
}

// A report says of its rows and groups what queries say: COUNT, SUM, AVG, MIN, MAX and COUNT_DISTINCT of each fact, with
// any filters and groupings, and with details the same rows.
func TestReportsAgreeWithQueries(t *testing.T) {
	c := newClient(t)
	for i := range 30 { // what the company has none of: no amount, no account, equal names
		c.create("Opportunity", map[string]any{"Name": fmt.Sprintf("x %d", i), "StageName": []string{"Prospecting", "Closed Won"}[i%2], "CloseDate": "2027-01-05"})
	}
	c.create("Account", map[string]any{"Name": "Harbor & Pine Hardware", "AnnualRevenue": 12.5})
	rapid.Check(t, func(r *rapid.T) {
		*c.now = c.now.Add(10 * time.Second) // fewer runs an hour than there may be
		typ := rapid.SampledFrom([]string{"Opportunity", "Returned_Lines__c", "AccountList"}).Draw(r, "type")
		kind := reportables[typ]
		number := kind.columns[0]
		filters, where := drawFilters(r, kind.columns)
		down := drawGroupings(r, "down", kind.columns, 2)
		across := drawGroupings(r, "across", kind.columns, 2)
		down, across = distinct(down, across)
		format := "SUMMARY"
		if len(across) > 0 {
			format = "MATRIX"
		} else if len(down) == 0 {
			format = "TABULAR"
		}
		id := kind.columns[1].column
		metadata := map[string]any{"name": "law", "reportType": map[string]any{"type": typ}, "reportFormat": format, "detailColumns": []string{id}, "reportFilters": filters,
			"groupingsDown": asGroupings(down), "groupingsAcross": asGroupings(across), "hasDetailRows": true,
			"aggregates": []string{"RowCount", "s!" + number.column, "a!" + number.column, "m!" + number.column, "mx!" + number.column, "u!" + id}}
		body, err := json.Marshal(map[string]any{"reportMetadata": metadata})
		if err != nil {
			r.Fatal(err)
		}
		status, answer := c.ask("POST", "/services/data/v62.0/analytics/reports/query", string(body))
		var result factMap
		if err := json.Unmarshal([]byte(answer), &result); err != nil || status != 200 {
			r.Fatalf("%s: %d %.400s", body, status, answer)
		}
		for d := 0; d <= len(down); d++ {
			for a := 0; a <= len(across); a++ {
				compareFacts(r, c, result, kind.object, number.path, kind.columns[1].path, where, down[:d], across[:a])
			}
		}
		rows := 0
		for _, fact := range result.FactMap {
			rows += len(fact.Rows)
		}
		if count := result.FactMap["T!T"].Aggregates[0].Value; rows != int(*count) {
			r.Fatalf("%s: %d detail rows of %v", body, rows, *count)
		}
	})
}

// Any members of a definition together are run or refused, never a failure of the org.
func TestReportPiecesNeverFail(t *testing.T) {
	c := newClient(t)
	pieces := map[string][]string{
		"reportFormat":        {`"TABULAR"`, `"SUMMARY"`, `"MATRIX"`, `null`, `1`},
		"detailColumns":       {`["OPPORTUNITY_NAME"]`, `["AMOUNT","DESCRIPTION","CREATED_DATE"]`, `[]`, `null`, `["x"]`, `["AMOUNT","AMOUNT"]`},
		"groupingsDown":       {`[]`, `null`, `[{"name":"STAGE_NAME"}]`, `[{"name":"AMOUNT","sortOrder":"Desc"},{"name":"Account.Sales_Regions__c"}]`, `[{"name":"CREATED_DATE","dateGranularity":"Week"},{"name":"CLOSED"}]`, `[{"name":"DESCRIPTION"}]`, `[{"name":"STAGE_NAME","sortAggregate":"s!AMOUNT"}]`, `[{"name":"OPPORTUNITY_NAME"},{"name":"ACCOUNT_OWNER"},{"name":"PROBABILITY"}]`},
		"groupingsAcross":     {`[]`, `[{"name":"CLOSE_DATE","dateGranularity":"FiscalQuarter"}]`, `[{"name":"TYPE"},{"name":"OPPORTUNITY_ID"}]`, `[{}]`},
		"aggregates":          {`[]`, `null`, `["RowCount"]`, `["s!AMOUNT","a!AMOUNT","u!FULL_NAME","m!PROBABILITY"]`, `["RowCount","RowCount"]`, `["s!"]`, `["!"]`, `["u!DESCRIPTION"]`},
		"sortBy":              {`[]`, `null`, `[{"sortColumn":"AMOUNT","sortOrder":"Desc"}]`, `[{"sortColumn":"DESCRIPTION"}]`, `[{"sortColumn":"AMOUNT","sortOrder":"up"}]`},
		"topRows":             {`null`, `{"rowLimit":3,"direction":"Asc"}`, `{"rowLimit":-1}`},
		"reportFilters":       {`[]`, `[{"column":"OPPORTUNITY_NAME","operator":"contains","value":"'%_\\"}]`, `[{"column":"AMOUNT","operator":"equals","value":"1e400"}]`, `[{"column":"CLOSE_DATE","operator":"equals","value":"LAST_N_DAYS:99999999999999999999"}]`, `[{"column":"Account.Sales_Regions__c","operator":"includes","value":""}]`, `[{"column":"STAGE_NAME","operator":"lessThan","value":""},{"column":"CLOSED","operator":"equals","value":""}]`, `[{"column":"OPPORTUNITY_ID","operator":"notEqual","value":"006000000000000"}]`, `[{"column":"OPPORTUNITY_NAME","operator":"contains","value":"` + strings.Repeat("x", 60000) + `"}]`},
		"reportBooleanFilter": {`null`, `"1"`, `"1 OR 2"`, `"(((1"`, `"1 AND NOT 2"`, `""`, `"` + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500) + `"`},
		"standardDateFilter":  {`null`, `{}`, `{"column":"CREATED_DATE","durationValue":"LAST_N_YEARS:3"}`, `{"column":"CLOSE_DATE","durationValue":"CUSTOM","startDate":"2026-01-01 00:00:00"}`},
		"standardFilters":     {`null`, `[]`, `[{"name":"open","value":"closedwon"}]`, `[{"name":"x","value":"y"}]`},
		"scope":               {`"user"`, `"organization"`, `null`},
	}
	names := slices.Sorted(maps.Keys(pieces))
	rapid.Check(t, func(r *rapid.T) {
		*c.now = c.now.Add(10 * time.Second)
		metadata := `"reportType":{"type":"Opportunity"},"hasDetailRows":true`
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 6, rapid.ID[string]).Draw(r, "members") {
			metadata += `,"` + name + `":` + rapid.SampledFrom(pieces[name]).Draw(r, name)
		}
		status, body := c.ask("POST", "/services/data/v62.0/analytics/reports/query", `{"reportMetadata":{`+metadata+`}}`)
		if status != 200 && status != 400 && status != 501 && !strings.Contains(body, "JSON_PARSER_ERROR") {
			r.Fatalf("%.1000s: %d %.500s", metadata, status, body)
		}
	})
}

// compareFacts compares the facts of some levels of groupings with a query that groups alike.
func compareFacts(r *rapid.T, c *client, result factMap, object, number, counted, where string, down, across []grouped) {
	var by []string
	for _, g := range append(append([]grouped{}, down...), across...) {
		by = append(by, g.by...)
	}
	items := append(append([]string{}, by...), "COUNT(Id) n", "SUM("+number+") s", "AVG("+number+") a", "MIN("+number+") m", "MAX("+number+") x", "COUNT_DISTINCT("+counted+") u")
	for i := range by {
		items[i] += fmt.Sprintf(" g%d", i)
	}
	q := "SELECT " + strings.Join(items, ", ") + " FROM " + object + where
	if len(by) > 0 {
		q += " GROUP BY " + strings.Join(by, ", ")
	}
	status, answer := c.ask("GET", queryPath+url.QueryEscape(q), "")
	var queried struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(answer), &queried); err != nil || status != 200 {
		r.Fatalf("%s: %d %s", q, status, answer)
	}
	want := map[string]map[string]any{}
	for _, record := range queried.Records {
		var values []any
		for i := range by {
			values = append(values, record[fmt.Sprintf("g%d", i)])
		}
		want[groupKey(values)] = record
	}
	found := 0
	for _, d := range lowestGroups("T", result.GroupingsDown.Groupings, down) {
		for _, a := range lowestGroups("T", result.GroupingsAcross.Groupings, across) {
			key := d.key + "!" + a.key
			fact, exists := result.FactMap[key]
			if !exists || len(fact.Aggregates) != 6 {
				r.Fatalf("%s: the fact %s is missing: %v", q, key, fact)
			}
			record := want[groupKey(append(append([]any{}, d.values...), a.values...))]
			if record != nil {
				found++
			}
			for i, name := range []string{"n", "s", "a", "m", "x", "u"} {
				is := fact.Aggregates[i].Value
				was, isNumber := record[name].(float64)
				if !isNumber && (name == "n" || name == "s" || name == "u") { // of nothing
					was, isNumber = 0, true
				}
				if isNumber != (is != nil) || isNumber && math.Abs(*is-was) > 1e-9*math.Max(1, math.Abs(was)) {
					r.Fatalf("%s: %s of %s is %v, the query says %v", q, name, key, is, record[name])
				}
			}
		}
	}
	if found != len(want) {
		r.Fatalf("%s: %d groups, the report has %d of them", q, len(want), found)
	}
}

// lowestGroup is a group of the level looked at, with the values that identify it in a query.
type lowestGroup struct {
	key    string
	values []any
}

func lowestGroups(key string, groups []group, levels []grouped) []lowestGroup {
	if len(levels) == 0 {
		return []lowestGroup{{key: key}}
	}
	var all []lowestGroup
	for _, g := range groups {
		for _, below := range lowestGroups(g.Key, g.Groupings, levels[1:]) {
			all = append(all, lowestGroup{below.key, append(levels[0].values(g.Value), below.values...)})
		}
	}
	return all
}

// values are the results of the expressions of GROUP BY for a group of the report.
func (g grouped) values(value any) []any {
	day, isText := value.(string)
	if g.granularity != "Month" || !isText {
		return []any{value}
	}
	var year, month int
	fmt.Sscanf(day, "%d-%d", &year, &month)
	return []any{float64(year), float64(month)}
}

func groupKey(values []any) string { return strings.ToLower(fmt.Sprint(values)) }

func drawGroupings(r *rapid.T, label string, columns []reportable, most int) []grouped {
	var groupings []grouped
	for range rapid.IntRange(0, most).Draw(r, label) {
		c := rapid.SampledFrom(columns).Filter(func(c reportable) bool { return c.typ != "number" && c.typ != "multipicklist" }).Draw(r, "grouping")
		g := grouped{reportable: c, by: []string{c.path}}
		switch c.typ {
		case "name":
			g.by = []string{c.id}
		case "date", "datetime":
			g.granularity = rapid.SampledFrom([]string{"Month", "Day"}).Draw(r, "granularity")
			g.by = []string{"CALENDAR_YEAR(" + c.path + ")", "CALENDAR_MONTH(" + c.path + ")"}
			if g.granularity == "Day" && c.typ == "datetime" {
				g.by = []string{"DAY_ONLY(" + c.path + ")"}
			} else if g.granularity == "Day" {
				g.by = []string{c.path}
			}
		}
		groupings = append(groupings, g)
	}
	return groupings
}

// distinct drops groupings by a column that is grouped by already, and makes no matrix without rows.
func distinct(down, across []grouped) ([]grouped, []grouped) {
	seen := map[string]bool{}
	once := func(groupings []grouped) (kept []grouped) {
		for _, g := range groupings {
			if !seen[g.column] {
				kept = append(kept, g)
			}
			seen[g.column] = true
		}
		return kept
	}
	down = once(down)
	if len(down) == 0 {
		return down, nil
	}
	return down, once(across)
}

func asGroupings(groupings []grouped) []map[string]any {
	all := []map[string]any{}
	for _, g := range groupings {
		one := map[string]any{"name": g.column}
		if g.granularity != "" {
			one["dateGranularity"] = g.granularity
		}
		all = append(all, one)
	}
	return all
}

// drawFilters gives filters of a report, with logic at times, and the WHERE clause that says the same.
func drawFilters(r *rapid.T, columns []reportable) (filters []map[string]any, where string) {
	filters = []map[string]any{}
	var conditions []string
	for range rapid.IntRange(0, 3).Draw(r, "filters") {
		c := rapid.SampledFrom(columns).Draw(r, "column")
		operator := rapid.SampledFrom(map[string][]string{"number": {"equals", "notEqual", "lessThan", "greaterThan", "lessOrEqual", "greaterOrEqual"},
			"string": {"equals", "notEqual", "contains", "notContain", "startsWith", "lessThan", "greaterOrEqual"}, "name": {"equals", "notEqual", "contains", "notContain", "startsWith"},
			"boolean": {"equals", "notEqual"}, "multipicklist": {"includes", "excludes", "equals"}, "date": {"equals", "lessThan", "greaterThan", "lessOrEqual", "greaterOrEqual"},
			"datetime": {"equals", "lessThan", "greaterThan", "lessOrEqual", "greaterOrEqual"}}[c.typ]).Draw(r, "operator")
		values := rapid.SliceOfN(rapid.SampledFrom(c.values), 1, 2).Draw(r, "values")
		filters = append(filters, map[string]any{"column": c.column, "operator": operator, "value": strings.Join(values, ",")})
		conditions = append(conditions, c.soql(operator, values))
	}
	if len(conditions) == 0 {
		return filters, ""
	}
	return filters, " WHERE " + strings.Join(conditions, " AND ")
}

// soql says in a query what a filter says.
func (c reportable) soql(operator string, values []string) string {
	var terms []string
	for _, value := range values {
		terms = append(terms, c.compare(operator, value))
	}
	switch operator {
	case "includes", "excludes":
		return c.path + " " + strings.ToUpper(operator) + " ('" + strings.Join(values, "', '") + "')"
	case "notEqual", "notContain":
		return "(" + strings.Join(terms, " AND ") + ")"
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

func (c reportable) compare(operator, value string) string {
	sign := map[string]string{"equals": "=", "notEqual": "!=", "lessThan": "<", "greaterThan": ">", "lessOrEqual": "<=", "greaterOrEqual": ">="}[operator]
	switch operator {
	case "contains":
		return c.path + " LIKE '%" + soql.QuoteLike(value) + "%'"
	case "notContain":
		return "(NOT (" + c.path + " LIKE '%" + soql.QuoteLike(value) + "%'))"
	case "startsWith":
		return c.path + " LIKE '" + soql.QuoteLike(value) + "%'"
	}
	if value == "" {
		return c.path + " " + sign + " null"
	}
	switch c.typ {
	case "number":
		value = strings.NewReplacer(`"`, "", ",", "").Replace(value)
	case "boolean":
		value = map[string]string{"True": "TRUE", "true": "TRUE", "False": "FALSE", "0": "FALSE"}[value]
	case "date", "datetime":
		value = strings.NewReplacer("LAST 30 DAYS", "LAST_N_DAYS:30", "next month", "NEXT_MONTH").Replace(value)
		if c.typ == "datetime" && len(value) == len("2006-01-02") && value[0] == '2' { // the whole day
			from, to := value+"T00:00:00Z", value+"T23:59:59Z"
			return map[string]string{"equals": "(" + c.path + " >= " + from + " AND " + c.path + " <= " + to + ")", "lessThan": c.path + " < " + from,
				"lessOrEqual": c.path + " <= " + to, "greaterThan": c.path + " > " + to, "greaterOrEqual": c.path + " >= " + from}[operator]
		}
	default:
		value = soql.Quote(value)
	}
	return c.path + " " + sign + " " + value
}

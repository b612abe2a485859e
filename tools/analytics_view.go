package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"salesforce-mcp/salesforce"
)

var briefReports = map[string][]string{"records": {"id", "name"}}

// runReport starts a run, or with mode sync runs the report and waits for it.
func runReport(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if _, changed := args[reportMetadata.Name]; !changed {
		req.Body = nil
	}
	if args[runMode.Name] == "sync" {
		req.Path, req.Semantics = fill("/analytics/reports/{reportId}", args), salesforce.Safe
		if req.Body == nil {
			req.Method = "GET"
		}
	}
	return org.Do(ctx, req)
}

// withoutDetails leaves out includeDetails, which the connector's documentation
// lists for the whole tool and Salesforce knows for runs only.
func withoutDetails(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	delete(args, includeDetails.Name)
	return plain(ctx, org, op, args)
}

// reportNote says what comes after the state that a run is in, and what is
// missing from its results.
func reportNote(args Args, v any) string {
	o, _ := v.(object)
	attributes, _ := o.get("attributes").(object)
	metadata, _ := o.get("reportMetadata").(object)
	status, instance := o.get("status"), o.get("id")
	if attributes != nil {
		status, instance = attributes.get("status"), attributes.get("id")
	}
	switch {
	case status == "New" || status == "Running":
		return fmt.Sprintf("It is under way: in some seconds, action getReportInstance, reportId %q, instanceId %q.", args[reportID.Name], instance)
	case o.get("hasDetailRows") == false && metadata.get("reportFormat") == "TABULAR":
		return "For its rows set includeDetails."
	case o.get("allData") == false:
		return "Salesforce gives the first 2,000 rows of a report: narrow it with reportMetadata.reportFilters for the others."
	}
	return ""
}

// moreOfReport says how to see the rows that were not shown.
func moreOfReport(*Op, Args, *page) string {
	return "Narrow it with reportMetadata.reportFilters, or leave includeDetails out."
}

// reportFacts lays the results of a report out as tables: one row for each
// group with its aggregates, and the rows themselves when there are any. What is
// no result, as a run that has begun, is left as it is.
func reportFacts(_ Args, v any) any {
	o, _ := v.(object)
	if _, isResult := o.lookup("factMap"); !isResult {
		return v
	}
	attributes, _ := o.get("attributes").(object)
	metadata, _ := o.get("reportMetadata").(object)
	flat := object{}
	for _, name := range []string{"reportName", "reportId", "id", "status", "completionDate"} {
		if v := attributes.get(name); v != nil {
			flat = append(flat, member{name, v})
		}
	}
	if attributes.get("reportName") == nil {
		flat = append(flat, member{"reportName", metadata.get("name")})
	}
	if filters := reportFilters(metadata); filters != "" {
		flat = append(flat, member{"filters", filters})
	}
	tables := factTables(o)
	if facts, _ := o.get("factMap").(object); len(facts) > 0 && tables == nil {
		return v // keys of another kind, as those of joined reports
	}
	return append(append(flat, member{"allData", o.get("allData")}), tables...)
}

// factTables are the tables "groups" and "rows" of a result (Analytics REST API
// guide, "Decode the Fact Map"). A key of the fact map is that of a group down,
// "!", and that of a group across; T is all of them.
func factTables(o object) object {
	facts := map[string]object{} // thousands, found one by one
	list, _ := o.get("factMap").(object)
	for _, m := range list {
		facts[m.name], _ = m.value.(object)
	}
	metadata, _ := o.get("reportMetadata").(object)
	extended, _ := o.get("reportExtendedMetadata").(object)
	down, across := groupsOf(o, "groupingsDown"), groupsOf(o, "groupingsAcross")
	names := append(groupNames(metadata, extended, "groupingsDown"), groupNames(metadata, extended, "groupingsAcross")...)
	levels := len(groupNames(metadata, extended, "groupingsDown"))
	var groups, rows []any
	for _, d := range down {
		for _, a := range across {
			fact := facts[d.key+"!"+a.key]
			if fact == nil {
				continue
			}
			at := groupColumns(names, levels, d, a)
			if g := append(at[:len(at):len(at)], aggregates(fact, metadata, extended)...); len(g) > 0 {
				groups = append(groups, g)
			}
			list, _ := fact.get("rows").([]any)
			for _, row := range list {
				rows = append(rows, append(at[:len(at):len(at)], cells(row, metadata, extended)...))
			}
		}
	}
	var tables object
	if groups != nil || len(facts) == 0 {
		tables = append(tables, member{"groups", groups})
	}
	if rows != nil {
		tables = append(tables, member{"rows", rows})
	}
	return tables
}

// reportFilters are the filters of a run, as a person writes them.
func reportFilters(metadata object) string {
	list, _ := metadata.get("reportFilters").([]any)
	var parts []string
	for _, e := range list {
		f, _ := e.(object)
		parts = append(parts, strings.TrimSpace(cell(f.get("column"))+" "+cell(f.get("operator"))+" "+cell(f.get("value"))))
	}
	logic, _ := metadata.get("reportBooleanFilter").(string)
	if logic != "" {
		parts = append(parts, "logic "+logic)
	}
	return strings.Join(parts, "; ")
}

// A group is one group of a report: its key in the fact map, and its label with
// those of the groups around it.
type group struct {
	key    string
	labels []any
}

// groupsOf lists the groups of one direction, all together first.
func groupsOf(o object, direction string) []group {
	groups := []group{{key: "T"}}
	var visit func(v any, around []any)
	visit = func(v any, around []any) {
		list, _ := v.([]any)
		for _, e := range list {
			g, _ := e.(object)
			key, _ := g.get("key").(string)
			labels := append(around[:len(around):len(around)], g.get("label"))
			groups = append(groups, group{key, labels})
			visit(g.get("groupings"), labels)
		}
	}
	top, _ := o.get(direction).(object)
	visit(top.get("groupings"), nil)
	return groups
}

// groupNames are the labels of what a report is grouped by.
func groupNames(metadata, extended object, direction string) []string {
	var names []string
	list, _ := metadata.get(direction).([]any)
	for _, e := range list {
		g, _ := e.(object)
		names = append(names, labelOf(extended, "groupingColumnInfo", g.get("name")))
	}
	return names
}

// allGroups stands for all groups of a column.
const allGroups = "(all)"

// groupColumns are the columns that say which group a row belongs to.
func groupColumns(names []string, levels int, down, across group) object {
	at := object{}
	for i, name := range names {
		labels := down.labels
		if i >= levels {
			labels, i = across.labels, i-levels
		}
		var v any = allGroups
		if i < len(labels) {
			v = labels[i]
		}
		at = append(at, member{name, v})
	}
	return at
}

// aggregates are the sums of a group by label.
func aggregates(fact, metadata, extended object) object {
	values, _ := fact.get("aggregates").([]any)
	return labelled(values, metadata.get("aggregates"), extended, "aggregateColumnInfo")
}

// cells are the values of a row by label.
func cells(row any, metadata, extended object) object {
	o, _ := row.(object)
	values, _ := o.get("dataCells").([]any)
	return labelled(values, metadata.get("detailColumns"), extended, "detailColumnInfo")
}

// labelled joins values with the labels of their columns. Numbers are given as
// numbers, all else as Salesforce shows it to people: the label of a record, not
// its ID.
func labelled(values []any, names any, extended object, info string) object {
	columns, _ := names.([]any)
	o := object{}
	for i, v := range values {
		cell, _ := v.(object)
		var name any = fmt.Sprint("column ", i+1)
		if i < len(columns) {
			name = columns[i]
		}
		value := cell.get("label")
		if n, ok := cell.get("value").(json.Number); ok {
			value = n
		}
		if value == "-" && cell.get("value") == nil { // how Salesforce shows nothing
			value = nil
		}
		o = append(o, member{labelOf(extended, info, name), value})
	}
	return o
}

// labelOf is the label of a column, or its name.
func labelOf(extended object, info string, name any) string {
	text, _ := name.(string)
	columns, _ := extended.get(info).(object)
	column, _ := columns.get(text).(object)
	if label, ok := column.get("label").(string); ok && label != "" {
		return label
	}
	return text
}

// reportDescription says what a report shows and what it can be filtered by.
func reportDescription(_ Args, v any) any {
	o, _ := v.(object)
	metadata, ok := o.get("reportMetadata").(object)
	if !ok {
		return v
	}
	extended, _ := o.get("reportExtendedMetadata").(object)
	kind, _ := metadata.get("reportType").(object)
	flat := object{}
	for _, name := range []string{"id", "name", "description", "reportFormat", "currency", "scope", "reportBooleanFilter"} {
		flat = append(flat, member{name, metadata.get(name)})
	}
	flat = append(flat, member{"reportType", kind.get("label")})
	if date, ok := metadata.get("standardDateFilter").(object); ok {
		flat = append(flat, member{"standardDateFilter", date})
	}
	for _, direction := range []string{"groupingsDown", "groupingsAcross"} {
		flat = append(flat, member{direction, metadata.get(direction)})
	}
	for _, list := range []struct{ name, info string }{{"aggregates", "aggregateColumnInfo"}, {"detailColumns", "detailColumnInfo"}} {
		names, _ := metadata.get(list.name).([]any)
		rows := []any{}
		for _, name := range names {
			text, _ := name.(string)
			rows = append(rows, columnInfo(text, extended, list.info))
		}
		flat = append(flat, member{list.name, rows})
	}
	return append(flat, member{"reportFilters", metadata.get("reportFilters")}, member{"filterableColumns", filterable(o)})
}

func columnInfo(name string, extended object, info string) object {
	columns, _ := extended.get(info).(object)
	column, _ := columns.get(name).(object)
	return object{{"name", name}, {"label", column.get("label")}, {"dataType", column.get("dataType")}}
}

// filterable lists the columns of the report's type.
func filterable(o object) []any {
	rows := []any{}
	kind, _ := o.get("reportTypeMetadata").(object)
	categories, _ := kind.get("categories").([]any)
	for _, c := range categories {
		category, _ := c.(object)
		columns, _ := category.get("columns").(object)
		for _, m := range columns {
			column, _ := m.value.(object)
			rows = append(rows, object{{"name", m.name}, {"label", column.get("label")}, {"dataType", column.get("dataType")}})
		}
	}
	return rows
}

// dashboardDescription lists a dashboard's components and filters.
func dashboardDescription(_ Args, v any) any {
	o, _ := v.(object)
	components, ok := o.get("components").([]any)
	if !ok {
		return v
	}
	flat := object{}
	for _, name := range []string{"id", "name", "description"} {
		flat = append(flat, member{name, o.get(name)})
	}
	if user, ok := o.get("runningUser").(object); ok {
		flat = append(flat, member{"runningUser", user.get("displayName")})
	}
	return append(flat, member{"components", pick(components, []string{"id", "type", "header", "title", "reportId"}, true)}, member{"filters", o.get("filters")})
}

// dashboardNote says whether a refresh is done.
func dashboardNote(args Args, v any) string {
	o, _ := v.(object)
	list, _ := o.get("componentStatus").([]any)
	for _, e := range list {
		component, _ := e.(object)
		if component.get("refreshStatus") == "RUNNING" {
			return "It is under way: ask again in some seconds."
		}
	}
	return fmt.Sprintf("Results: action getDashboard, dashboardId %q.", args[dashboardID.Name])
}

// dashboardFacts has a table for each component of a dashboard.
func dashboardFacts(_ Args, v any) any {
	o, _ := v.(object)
	components, ok := o.get("componentData").([]any)
	if !ok {
		return v
	}
	metadata, _ := o.get("dashboardMetadata").(object)
	titles := map[string]string{} // by ID
	described, _ := metadata.get("components").([]any)
	for _, e := range described {
		component, _ := e.(object)
		for _, name := range []string{"title", "header"} {
			if title, ok := component.get(name).(string); ok && title != "" {
				titles[cell(component.get("id"))] = title
			}
		}
	}
	flat := object{{"id", metadata.get("id")}, {"name", metadata.get("name")}}
	for i, e := range components {
		component, _ := e.(object)
		name := titles[cell(component.get("componentId"))]
		if name == "" {
			name = fmt.Sprint("component ", i+1)
		}
		status, _ := component.get("status").(object)
		result, _ := component.get("reportResult").(object)
		if code, failed := status.get("errorCode").(string); failed && code != "" {
			flat = append(flat, member{name, strings.TrimSpace(code + ": " + cell(status.get("errorMessage")))})
			continue
		}
		for _, table := range factTables(result) {
			if rows, _ := table.value.([]any); len(rows) > 0 {
				flat = append(flat, member{name + ", " + table.name, rows})
			}
		}
	}
	return flat
}

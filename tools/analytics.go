package tools

var (
	reportID       = Param{Name: "reportId", Type: "string", Form: RecordID}
	dashboardID    = Param{Name: "dashboardId", Type: "string", Form: RecordID}
	instanceID     = Param{Name: "instanceId", Type: "string", Form: RecordID, Handle: Instance}
	includeDetails = Param{Name: "includeDetails", Type: "boolean", In: InQuery, Doc: "rows as well"}
	reportMetadata = Param{Name: "reportMetadata", Type: "object", Doc: "for this run, as in {reportFilters: [{column, operator, value}]}, which replaces the report's own"}
	runMode        = Param{Name: "mode", Type: "string", OneOf: "async|sync", In: Local, Doc: "async is the default; sync answers with the results"}
	runningUser    = Param{Name: "runningUser", Type: "string", Form: RecordID, In: InQuery, Rare: true}
	filter1        = Param{Name: "filter1", Type: "string", Form: RecordID, In: InQuery, Doc: "filter option ID", Rare: true}
	filter2        = Param{Name: "filter2", Type: "string", Form: RecordID, In: InQuery, Rare: true}
	filter3        = Param{Name: "filter3", Type: "string", Form: RecordID, In: InQuery, Rare: true}
)

// Analytics is the tool for reports and dashboards. The lists that Salesforce
// has are of what was viewed last; the notes offer the query for all.
//
// A report's status is in the attributes of an instance, and the results of a
// dashboard are another request than its refresh, which answers with the URL of
// its status alone (the connector's documentation differs in both). Not
// documented: the status of a started run or refresh (200 or 201), whether the
// facts of a running instance are null, and whether describe ignores
// includeDetails; it is not sent there.
var Analytics = Tool{Name: "analytics", Doc: "Reports and dashboards.", Ops: []Op{
	{Action: "listReports", Instruction: "listReports", Doc: "List recently viewed reports.", Effect: Read, Touches: touchReports,
		Call: "GET /analytics/reports", Brief: briefReports,
		Note: always("Only recently viewed reports. All: tool query, action soql, q \"SELECT Id, Name, FolderName, LastRunDate FROM Report\".")},
	{Action: "describeReport", Instruction: "describeReport", Doc: "Show a report's columns, groups and filters.", Effect: Read, Opaque: true,
		Call: "GET /analytics/reports/{reportId}/describe", Needs: []Param{reportID}, Takes: []Param{includeDetails}, Run: withoutDetails, View: reportDescription},
	{Action: "runReport", Instruction: "runReport", Doc: "Run a report.", Effect: Read, Opaque: true, Once: true,
		Call: "POST /analytics/reports/{reportId}/instances", Gives: Instance, Needs: []Param{reportID}, Takes: []Param{runMode, includeDetails, reportMetadata}, Run: runReport,
		View: reportFacts, Note: reportNote, More: moreOfReport, Hints: map[string]string{
			"validation": "Columns: action describeReport, filterableColumns. Operators: equals, notEqual, lessThan, greaterThan, lessOrEqual, greaterOrEqual, contains, notContain, startsWith, includes, excludes.",
		}},
	{Action: "getReportInstance", Instruction: "getReportInstance", Doc: "Show status and results of a run.", Effect: Read, Opaque: true,
		Call: "GET /analytics/reports/{reportId}/instances/{instanceId}", Needs: []Param{reportID, instanceID}, Takes: []Param{includeDetails}, Run: withoutDetails, View: reportFacts, Note: reportNote, More: moreOfReport},
	{Action: "listReportInstances", Instruction: "listReportInstances", Doc: "List runs of a report.", Effect: Read, Touches: touchReports,
		Call: "GET /analytics/reports/{reportId}/instances", Needs: []Param{reportID}, Brief: map[string][]string{"records": {"id", "status", "requestDate", "completionDate", "hasDetailRows", "ownerId"}}},
	{Action: "listDashboards", Instruction: "listDashboards", Doc: "List recently viewed dashboards.", Effect: Read, Touches: touchDashboards,
		Call: "GET /analytics/dashboards", Brief: briefReports,
		Note: always("Only recently viewed dashboards. All: tool query, action soql, q \"SELECT Id, Title, FolderName FROM Dashboard\".")},
	{Action: "describeDashboard", Instruction: "describeDashboard", Doc: "Show a dashboard's components and filters.", Effect: Read, Opaque: true,
		Call: "GET /analytics/dashboards/{dashboardId}/describe", Needs: []Param{dashboardID}, View: dashboardDescription},
	{Action: "runDashboard", Instruction: "runDashboard", Doc: "Refresh a dashboard.", Effect: Set, Opaque: true,
		Call: "PUT /analytics/dashboards/{dashboardId}", Needs: []Param{dashboardID}, Takes: []Param{runningUser, filter1, filter2, filter3},
		Note: always("The refresh has begun: getDashboardStatus until every component is IDLE, then getDashboard.")},
	{Action: "getDashboardStatus", Instruction: "getDashboardStatus", Doc: "Show how far a refresh is.", Effect: Read, Touches: touchDashboards,
		Call: "GET /analytics/dashboards/{dashboardId}/status", Needs: []Param{dashboardID}, Takes: []Param{runningUser, filter1, filter2, filter3}, Note: dashboardNote},
	{Action: "getDashboard", Instruction: "getDashboardResults", Doc: "Show the results of the last refresh.", Effect: Read, Opaque: true,
		Call: "GET /analytics/dashboards/{dashboardId}", Needs: []Param{dashboardID}, Takes: []Param{runningUser, filter1, filter2, filter3}, View: dashboardFacts},
}}

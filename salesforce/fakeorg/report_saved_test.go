package fakeorg_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// Describe says what a report is and what its type has, with the keys a real org answers.
func TestReportDescribe(t *testing.T) {
	a := startReports(t)
	path := a.report("Accounts_by_Industry")
	r := a.do("GET", path+"/describe", "")
	id := strings.TrimPrefix(path, "/analytics/reports/")
	r.has(t, "attributes", `{"describeUrl":"`+api+path+`/describe","instancesUrl":"`+api+path+`/instances","reportId":"`+id+`","reportName":"Accounts by Industry","type":"Report"}`)
	r.has(t, "reportMetadata/groupingsDown", `[{"dateGranularity":"None","name":"INDUSTRY","sortAggregate":null,"sortOrder":"Asc"}]`)
	r.has(t, "reportMetadata/reportType", `{"label":"Accounts","type":"AccountList"}`)
	r.has(t, "reportMetadata/standardDateFilter", `{"column":"CREATED_DATE","durationValue":"CUSTOM","endDate":null,"startDate":null}`)
	r.has(t, "reportMetadata/folderId", `"`+a.one("SELECT OwnerId FROM Report WHERE DeveloperName = 'Accounts_by_Industry'")+`"`)
	r.has(t, "reportExtendedMetadata/aggregateColumnInfo/a!SALES", `{"acrossGroupingContext":null,"dataType":"currency","downGroupingContext":null,"label":"Average Annual Revenue"}`)
	r.has(t, "reportExtendedMetadata/detailColumnInfo/USERS.NAME", `{"dataType":"string","entityColumnName":"User.Name","filterValues":[],"filterable":true,"inactiveFilterValues":[],`+
		`"isLookup":true,"label":"Account Owner","uniqueCountable":true}`)
	r.has(t, "reportTypeMetadata/categories/0/columns/Account.Tier__c", `{"dataType":"picklist","entityColumnName":"Account.Tier__c","filterValues":[{"apiName":"Gold","label":"Gold","name":"Gold"},`+
		`{"apiName":"Silver","label":"Silver","name":"Silver"},{"apiName":"Bronze","label":"Bronze","name":"Bronze"}],"filterable":true,"inactiveFilterValues":[],"isLookup":false,"label":"Tier",`+
		`"uniqueCountable":true,"allowedInCustomDetailFormula":true,"bucketable":false,"fieldToFieldFilterable":false,"isCustom":true,"maxLength":255}`)
	r.has(t, "reportTypeMetadata/dataTypeFilterOperatorMap/multipicklist", `[{"label":"equals","name":"equals"},{"label":"not equal to","name":"notEqual"},`+
		`{"label":"includes","name":"includes"},{"label":"excludes","name":"excludes"}]`)
	r.has(t, "reportTypeMetadata/standardDateFilterDurationGroups/1/standardDateFilterDurations/0", `{"endDate":"2027-12-31","label":"Current FY","startDate":"2027-01-01","value":"THIS_FISCAL_YEAR"}`)
	r.has(t, "reportTypeMetadata/scopeInfo/values/0/value", `"user"`)
	a.do("GET", a.report("Opportunities_by_Stage")+"/describe", "").has(t, "reportTypeMetadata/standardFilterInfos/open/filterValues/3", `{"label":"Closed Won","name":"closedwon"}`)
	custom := a.do("GET", a.report("Returns_by_Reason")+"/describe", "")
	custom.has(t, "reportTypeMetadata/categories/1/columns/ReturnOrderLineItem.ReturnOrder.ReturnOrderNumber/label", `"Return Order: Return Order Number"`)
	custom.has(t, "reportTypeMetadata/scopeInfo/values", `[{"allowsDivision":false,"label":"All returned lines with orders and products","value":"organization"}]`)
}

// Whatever describe gives can be sent back, and runs the same report.
func TestReportMetadataRoundTrip(t *testing.T) {
	a := startReports(t)
	var list struct{ Records []struct{ ID string } }
	if err := json.Unmarshal([]byte(a.do("GET", "/query?q=SELECT+Id+FROM+Report", "").body), &list); err != nil || len(list.Records) < 8 {
		t.Fatal(err, list)
	}
	for _, report := range list.Records {
		path := "/analytics/reports/" + report.ID
		plain := a.do("GET", path+"?includeDetails=true", "")
		described := a.do("GET", path+"/describe", "").part(t, "reportMetadata")
		again := a.do("POST", path+"?includeDetails=true", `{"reportMetadata":`+described+`}`)
		if plain.status != 200 || plain.body != again.body {
			t.Errorf("%s: run %d %.300s\nand with its own metadata %d %.300s", report.ID, plain.status, plain.body, again.status, again.body)
		}
	}
}

func TestAnalyticsLists(t *testing.T) {
	a := startReports(t)
	url := func(path string) string { return `"` + api + "/analytics/" + path + `"` }
	a.do("GET", "/analytics/", "").want(t, 200, `{"dashboards":`+url("dashboards")+`,"filteroperators":`+url("filteroperators")+`,"reportTypes":`+url("reportTypes")+`,"reports":`+url("reports")+`}`)
	a.do("GET", "", "").wants(t, 200, `"analytics":"`+api+`/analytics"`)
	a.do("GET", "/analytics/reports", "").want(t, 200, "[]")
	a.do("GET", "/analytics/dashboards", "").want(t, 200, "[]")
	stages, cases := a.report("Opportunities_by_Stage"), a.report("Open_Cases")
	a.do("GET", stages+"/describe", "")
	a.clock.move(time.Minute)
	a.do("GET", cases, "")
	entry := func(path, name string) string {
		path = strings.TrimPrefix(path, "/analytics/")
		return `{"describeUrl":` + url(path+"/describe") + `,"id":"` + strings.TrimPrefix(path, "reports/") + `","instancesUrl":` + url(path+"/instances") + `,"name":"` + name + `","url":` + url(path) + `}`
	}
	a.do("GET", "/analytics/reports", "").want(t, 200, "["+entry(cases, "Open Cases")+","+entry(stages, "Opportunities by Stage")+"]")
	service := []string{"Authorization", "Bearer " + a.MintToken(fakeorg.ServiceUser)}
	if got := strings.Count(a.do("GET", "/analytics/reports", "", service...).body, `"describeUrl"`); got != 2 {
		t.Errorf("the service agent has viewed %d reports", got)
	}
	a.do("GET", "/analytics/report-types", "").has(t, "1", `{"label":"Accounts & Contacts","reportTypes":[{"describeUrl":`+url("reportTypes/AccountList")+`,"label":"Accounts","type":"AccountList"},`+
		`{"describeUrl":`+url("reportTypes/ContactList")+`,"label":"Contacts & Accounts","type":"ContactList"}]}`)
	a.do("GET", "/analytics/reportTypes/CustomEntity$Warranty_Claim__c", "").has(t, "reportMetadata/detailColumns", `["Warranty_Claim__c.Name","Warranty_Claim__c.Status__c","Warranty_Claim__c.Amount__c"]`)
	a.do("GET", "/analytics/filteroperators", "").has(t, "boolean", `[{"label":"equals","name":"equals"},{"label":"not equal to","name":"notEqual"}]`)
	a.do("PUT", stages, "").wants(t, 405, "METHOD_NOT_ALLOWED")
}

// A run is written down in the record of the report.
func TestReportLastRun(t *testing.T) {
	a := startReports(t)
	const lastRun = "SELECT LastRunDate FROM Report WHERE DeveloperName = 'Open_Cases'"
	if got := a.one(lastRun); got != "<nil>" {
		t.Errorf("before a run it is %s", got)
	}
	a.do("GET", a.report("Open_Cases"), "")
	if got := a.one(lastRun); got != "2027-03-01T12:00:00.000+0000" {
		t.Errorf("after a run it is %s", got)
	}
}

// Reports can be made, copied, changed and deleted, and queries know of it.
func TestReportsAreSaved(t *testing.T) {
	a := startReports(t)
	made := a.do("POST", "/analytics/reports", `{"reportMetadata":{"name":"My claims & more","reportType":{"type":"CustomEntity$Warranty_Claim__c"}}}`)
	made.has(t, "reportMetadata/reportFormat", `"TABULAR"`)
	made.has(t, "reportMetadata/developerName", `"My_claims_more"`)
	id := strings.Trim(made.part(t, "reportMetadata/id"), `"`)
	path := "/analytics/reports/" + id
	if got := a.one("SELECT FolderName FROM Report WHERE Id = '" + id + "'"); got != "Private Reports" {
		t.Errorf("it is in %s", got)
	}
	a.do("GET", "/analytics/reports", "").has(t, "0/name", `"My claims & more"`)

	folder := a.one("SELECT Id FROM Folder WHERE DeveloperName = 'Service_Reports'")
	saved := a.do("PATCH", path, `{"reportMetadata":{"name":"Claims","folderId":"`+folder[:15]+`","reportFormat":"SUMMARY","groupingsDown":[{"name":"Warranty_Claim__c.Status__c"}]}}`)
	saved.has(t, "reportMetadata/folderId", `"`+folder+`"`)
	saved.has(t, "reportMetadata/detailColumns", `["Warranty_Claim__c.Name","Warranty_Claim__c.Amount__c"]`)
	for field, want := range map[string]string{"Name": "Claims", "FolderName": "Service Reports", "Format": "Summary"} {
		if got := a.get("Report", id, field); got != want {
			t.Errorf("%s is %v", field, got)
		}
	}
	a.do("GET", path+"/describe", "").has(t, "reportMetadata", saved.part(t, "reportMetadata"))

	copied := a.do("POST", "/analytics/reports?cloneId="+id, `{"reportMetadata":{"name":"Claims"}}`)
	copied.has(t, "reportMetadata/developerName", `"Claims"`)
	copied.has(t, "reportMetadata/groupingsDown/0/name", `"Warranty_Claim__c.Status__c"`)
	if copied.part(t, "reportMetadata/id") == made.part(t, "reportMetadata/id") {
		t.Error("the copy has the id of the report")
	}
	a.do("POST", "/analytics/reports?cloneId="+id, `{"reportMetadata":{"name":"Claims"}}`).has(t, "reportMetadata/developerName", `"Claims2"`)

	a.do("DELETE", path, "").want(t, 204, "")
	a.do("GET", path, "").wants(t, 404, "NOT_FOUND")
	if r := a.do("GET", "/query?q=SELECT+Id+FROM+Report+WHERE+Id='"+id+"'", ""); !strings.Contains(r.body, `"totalSize":0`) {
		t.Errorf("a deleted report is found: %s", r.body)
	}
	if r := a.do("GET", "/analytics/reports", ""); strings.Contains(r.body, id) {
		t.Errorf("a deleted report is listed: %s", r.body)
	}

	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "/analytics/reports", `{"reportMetadata":{"reportType":{"type":"CaseList"}}}`, "The report name can't be null."},
		{"POST", "/analytics/reports", `{"reportMetadata":{"name":"x","reportType":{"type":"CaseList"},"folderId":"00lSm00000000ZZZAA"}}`, "The report folder ID must be a valid folder ID."},
		{"POST", "/analytics/reports?cloneId=" + id, `{"reportMetadata":{"name":"x"}}`, "The clone request must contain a valid cloneId parameter."},
		{"POST", "/analytics/reports?cloneId=x", `{"reportMetadata":{"name":"x"}}`, "The clone request must contain a valid cloneId parameter."},
		{"PATCH", a.report("Open_Cases"), `{"reportMetadata":{"folderId":null}}`, "The report folder ID can't be null."},
		{"PATCH", a.report("Open_Cases"), `{"reportMetadata":{"developerName":"Lead_List_Report"}}`, "The report unique name is already used."},
		{"PATCH", a.report("Open_Cases"), `{"reportMetadata":{"detailColumns":["x"]}}`, "Column: Invalid value specified: x"},
	} {
		a.do(test.method, test.path, test.body).want(t, 400, `[{"message":"`+test.want+`","errorCode":"BAD_REQUEST"}]`)
	}
	a.do("DELETE", a.report("Open_Cases"), "").want(t, 403, `[{"message":"The report can't be deleted because there are one or more dashboards referencing it.","errorCode":"FORBIDDEN"}]`)
	a.do("PATCH", "/sobjects/Report/"+id, `{"Name":"x"}`).wants(t, 400, "INVALID_TYPE_FOR_OPERATION")
}

// Composite requests do not know reports: what they undo would stay.
func TestReportsAreNoSubrequests(t *testing.T) {
	a := startReports(t)
	path := a.report("Open_Cases")
	for _, method := range []string{"GET", "POST"} {
		if got := a.composite(true, sub(method, path+"/instances", "r", "")); !strings.Contains(got, "is not supported in a composite request") {
			t.Errorf("%s answers %s", method, got)
		}
	}
	a.do("GET", path+"/instances", "").want(t, 200, "[]")
}

// An asynchronous run is New, Running and done in its time, and has the rows there are at its end.
func TestReportInstances(t *testing.T) {
	a := startReports(t)
	path := a.report("Lead_List_Report")
	r := a.do("POST", path+"/instances?includeDetails=true", `{"reportMetadata":{"reportFilters":[{"column":"COMPANY","operator":"equals","value":"Late"}]}}`)
	id := strings.Trim(r.part(t, "id"), `"`)
	instance := path + "/instances/" + id
	user := a.one("SELECT Id FROM User WHERE Username = '" + fakeorg.IntegrationUser + "'")
	handle := func(status, completed string) string {
		return `{"completionDate":` + completed + `,"hasDetailRows":true,"id":"` + id + `","ownerId":"` + user + `","queryable":false,"requestDate":"2027-03-01T12:00:00Z","status":"` + status + `","url":"` + api + instance + `"}`
	}
	r.want(t, 200, handle("New", "null"))
	a.do("GET", instance, "").has(t, "attributes/status", `"New"`)
	a.clock.move(time.Second)
	running := a.do("GET", instance, "")
	running.has(t, "attributes/status", `"Running"`)
	running.has(t, "factMap", "null")
	a.do("DELETE", instance, "").wants(t, 400, "before its run has ended")
	a.create("Lead", `{"LastName":"x","Company":"Late"}`)
	a.clock.move(time.Second)
	done := a.do("GET", instance, "")
	done.has(t, "attributes", `{"completionDate":"2027-03-01T12:00:02Z","id":"`+id+`","ownerId":"`+user+`","queryable":false,"reportId":"`+strings.TrimPrefix(path, "/analytics/reports/")+`",`+
		`"reportName":"Lead List Report","requestDate":"2027-03-01T12:00:00Z","status":"Success","type":"ReportInstance"}`)
	done.has(t, "factMap/T!T/aggregates/0/value", "1")
	done.part(t, "factMap/0!T/rows/0")
	a.create("Lead", `{"LastName":"y","Company":"Late"}`)
	if again := a.do("GET", instance, ""); again.body != done.body {
		t.Error("a finished run has changed")
	}
	a.do("GET", path+"/instances", "").want(t, 200, "["+handle("Success", `"2027-03-01T12:00:02Z"`)+"]")
	if got := a.one("SELECT LastRunDate FROM Report WHERE DeveloperName = 'Lead_List_Report'"); got != "2027-03-01T12:00:02.000+0000" {
		t.Errorf("the report was last run at %s", got)
	}

	a.do("GET", a.report("Open_Cases")+"/instances/"+id, "").wants(t, 404, "NOT_FOUND")
	a.do("GET", path+"/instances/0LGSm0000000099MAA", "").wants(t, 404, "NOT_FOUND")
	a.do("POST", path+"/instances", `{"reportMetadata":{"detailColumns":["x"]}}`).wants(t, 400, "BAD_REQUEST")
	a.clock.move(time.Minute)
	second := a.do("POST", path+"/instances", "")
	second.has(t, "hasDetailRows", "false")
	a.do("GET", path+"/instances", "").has(t, "0/id", second.part(t, "id"))
	a.do("DELETE", instance, "").want(t, 204, "")
	a.do("GET", instance, "").wants(t, 404, "NOT_FOUND")
	a.clock.move(time.Hour)
	a.do("GET", path+"/instances", "").has(t, "0/status", `"Success"`)
	a.clock.move(23 * time.Hour)
	expired := a.MintToken(fakeorg.IntegrationUser) // the old one has not been used for hours
	a.do("GET", path+"/instances", "", "Authorization", "Bearer "+expired).want(t, 200, "[]")
}

// A run fails when its user may not run it any more, and is no use when the report is changed or deleted.
func TestReportInstancesThatFail(t *testing.T) {
	a := startReports(t)
	path := a.report("Lead_List_Report")
	service := []string{"Authorization", "Bearer " + a.MintToken(fakeorg.ServiceUser)}
	a.do("POST", path+"/instances", "", service...)
	done := a.do("POST", path+"/instances", "").part(t, "id")
	a.do("PATCH", "/sobjects/User/"+a.one("SELECT Id FROM User WHERE Username = '"+fakeorg.ServiceUser+"'"), `{"IsActive":false}`)
	a.clock.move(5 * time.Second)
	list := a.do("GET", path+"/instances", "")
	list.has(t, "1/status", `"Error"`)
	list.has(t, "1/url", "null")
	list.has(t, "0/status", `"Success"`)
	running := a.do("POST", path+"/instances", "").part(t, "id")
	a.do("PATCH", path, `{"reportMetadata":{"description":"changed"}}`)
	a.do("GET", path+"/instances/"+strings.Trim(running, `"`), "").wants(t, 404, "NOT_FOUND")
	a.do("GET", path+"/instances/"+strings.Trim(done, `"`), "").wants(t, 500, "the report's metadata has changed")

	mine := a.do("POST", "/analytics/reports?cloneId="+strings.TrimPrefix(path, "/analytics/reports/"), `{"reportMetadata":{"name":"mine"}}`).part(t, "reportMetadata/id")
	path = "/analytics/reports/" + strings.Trim(mine, `"`)
	a.do("POST", path+"/instances", "").wants(t, 200, "New")
	a.do("DELETE", path, "").want(t, 204, "")
	a.clock.move(5 * time.Second)
	a.do("GET", path+"/instances", "").wants(t, 404, "NOT_FOUND")
}

// What has an hourly limit counts down in /limits, is refused beyond, and may be done again an hour later.
func TestAnalyticsHourlyLimits(t *testing.T) {
	a := startReports(t)
	cases := a.report("Open_Cases")
	left := func(name string) string { return a.do("GET", "/limits", "").part(t, name) }
	for name, most := range map[string]string{"HourlySyncReportRuns": "500", "HourlyAsyncReportRuns": "1200", "HourlyDashboardRefreshes": "200", "HourlyDashboardResults": "5000",
		"HourlyDashboardStatuses": "999999999"} {
		if got := left(name); got != `{"Max":`+most+`,"Remaining":`+most+`}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	dashboard := "/analytics/dashboards/" + a.one("SELECT Id FROM Dashboard WHERE DeveloperName = 'Lead_List_Dashboard'")
	a.do("POST", cases+"/instances", "")
	a.do("GET", dashboard, "")
	a.do("GET", dashboard+"/status", "")
	a.do("PUT", dashboard, "")
	for name, want := range map[string]string{"HourlyAsyncReportRuns": "1199", "HourlyDashboardRefreshes": "199", "HourlyDashboardResults": "4999", "HourlyDashboardStatuses": "999999998"} {
		if got := left(name); !strings.HasSuffix(got, `"Remaining":`+want+`}`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	a.do("GET", cases, "")
	a.clock.move(30 * time.Minute)
	for range 499 {
		a.do("GET", cases, "")
	}
	a.do("GET", cases, "").want(t, 403, `[{"message":"You can't run more than 500 reports synchronously every 60 minutes. Try again later.","errorCode":"FORBIDDEN"}]`)
	a.query(`{"reportType":{"type":"CaseList"}}`).wants(t, 403, "FORBIDDEN")
	a.clock.move(30 * time.Minute)
	a.do("GET", cases, "").wants(t, 200, "factMap")
	a.do("GET", cases, "").wants(t, 403, "FORBIDDEN")
}

package fakeorg_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// dashboard is the path of a dashboard of the company.
func (a *analyst) dashboard(developerName string) string {
	a.t.Helper()
	return "/analytics/dashboards/" + a.one("SELECT Id FROM Dashboard WHERE DeveloperName = '"+developerName+"'")
}

// text is a part of an answer that is a text.
func (r reply) text(t *testing.T, path string) string {
	t.Helper()
	return strings.Trim(r.part(t, path), `"`)
}

func TestDashboardDescribe(t *testing.T) {
	a := startReports(t)
	path := a.dashboard("Sales_Overview")
	id := strings.TrimPrefix(path, "/analytics/dashboards/")
	r := a.do("GET", path+"/describe", "")
	r.has(t, "attributes", `{"dashboardId":"`+id+`","dashboardName":"Sales Overview","describeUrl":"`+api+path+`/describe","statusUrl":"`+api+path+`/status","type":"Dashboard"}`)
	r.has(t, "filters/1", `{"errorMessage":null,"id":"`+r.text(t, "filters/1/id")+`","name":"Amount","options":[`+
		`{"alias":null,"endValue":null,"id":"`+r.text(t, "filters/1/options/0/id")+`","operation":"lessThan","startValue":null,"value":"20,000"},`+
		`{"alias":"Large","endValue":"200000","id":"`+r.text(t, "filters/1/options/1/id")+`","operation":"between","startValue":"20000","value":null}],"selectedOption":null}`)
	r.has(t, "components/1/properties/groupings/1", `{"inheritedReportSort":null,"name":"STAGE_NAME","sortAggregate":null,"sortOrder":"Asc"}`)
	r.has(t, "components/2/properties/groupings", "null")
	r.has(t, "components/3/properties/filterColumns", `[{"label":"Industry","name":"INDUSTRY"},{"label":"Order Amount","name":"TOTAL_AMOUNT"}]`)
	r.has(t, "components/3/componentData", "3")
	r.has(t, "components/0/reportId", `"`+strings.TrimPrefix(a.report("Opportunities_by_Stage"), "/analytics/reports/")+`"`)
	r.has(t, "layout/components/3", `{"colspan":4,"column":0,"row":8,"rowspan":8}`)
	r.has(t, "runningUser", `{"displayName":"Ada Marlow","id":"`+a.one("SELECT Id FROM User WHERE Username = '"+fakeorg.AdminUser+"'")+`"}`)
	a.do("GET", path+"/describe?loadComponentProperties=false", "").has(t, "components/0/properties", "null")
	a.do("GET", "/analytics/dashboards", "").want(t, 200, `[{"id":"`+id+`","name":"Sales Overview","statusUrl":"`+api+path+`/status","url":"`+api+path+`"}]`)
	if got := a.one("SELECT CustomReport.DeveloperName FROM DashboardComponent WHERE Dashboard.Title = 'Sales Overview' AND Name = 'Orders'"); !strings.Contains(got, "Orders_by_Month") {
		t.Errorf("the component's report is %s", got)
	}
}

// What a dashboard shows is the result of its last refresh. A refresh takes time, component by component.
func TestDashboardRefresh(t *testing.T) {
	a := startReports(t)
	path := a.dashboard("Lead_List_Dashboard")
	status := func() string {
		r := a.do("GET", path+"/status", "")
		var states []string
		for _, i := range []string{"0", "1", "2"} {
			states = append(states, r.text(t, "componentStatus/"+i+"/refreshStatus")+" "+r.text(t, "componentStatus/"+i+"/refreshDate")[14:19])
		}
		return strings.Join(states, ", ")
	}
	count := func() string {
		return a.do("GET", path, "").part(t, "componentData/0/reportResult/factMap/T!T/aggregates/0/value")
	}
	before := a.do("GET", path, "")
	before.has(t, "componentData/0/status", `{"dataStatus":"DATA","errorCode":null,"errorMessage":null,"errorSeverity":null,"refreshDate":"2027-03-01T12:00:00.000+0000","refreshStatus":"IDLE"}`)
	before.has(t, "componentData/2/reportResult/groupingsAcross", "null")
	before.has(t, "componentData/2/reportResult/attributes", "null")
	before.has(t, "componentData/2/reportResult/reportMetadata/aggregates", `["s!SALES"]`)
	before.has(t, "componentData/2/reportResult/reportMetadata/detailColumns", "[]")
	before.has(t, "componentData/2/componentId", before.part(t, "dashboardMetadata/components/2/id"))
	a.create("Lead", `{"LastName":"x","Company":"New"}`)
	a.clock.move(time.Minute)
	if got := count(); got != "24" {
		t.Errorf("before the refresh there are %s leads", got)
	}
	a.do("PUT", path, "").want(t, 200, `{"statusUrl":"`+api+path+`/status"}`)
	a.do("PUT", path, "").want(t, 400, `[{"message":"You can't refresh this dashboard. A refresh is already in progress.","errorCode":"BAD_REQUEST"}]`)
	if got := status(); got != "RUNNING 00:00, RUNNING 00:00, RUNNING 00:00" {
		t.Errorf("at once: %s", got)
	}
	a.do("GET", path, "").has(t, "componentData/0/status/refreshStatus", `"RUNNING"`)
	if got := count(); got != "24" {
		t.Errorf("while it is refreshed there are %s leads", got)
	}
	a.create("Lead", `{"LastName":"y","Company":"New"}`)
	a.clock.move(time.Second)
	if got := status(); got != "IDLE 01:01, RUNNING 00:00, RUNNING 00:00" {
		t.Errorf("after a second: %s", got)
	}
	a.clock.move(2 * time.Second)
	if got := status(); got != "IDLE 01:01, IDLE 01:02, IDLE 01:03" {
		t.Errorf("after three seconds: %s", got)
	}
	if got := count(); got != "26" {
		t.Errorf("after the refresh there are %s leads", got)
	}
	a.do("PUT", path, "").wants(t, 200, "statusUrl")
}

// Filters show other rows, and have results and refreshes of their own.
func TestDashboardFilters(t *testing.T) {
	a := startReports(t)
	path := a.dashboard("Sales_Overview")
	described := a.do("GET", path+"/describe", "")
	shops, large := described.text(t, "filters/0/options/0/id"), described.text(t, "filters/1/options/1/id")
	filtered := "?filter1=" + shops + "&filter2=" + large
	never := a.do("GET", path+filtered, "")
	never.has(t, "componentData/0", `{"componentId":"`+described.text(t, "components/0/id")+`","reportResult":null,"status":`+
		`{"dataStatus":"NODATA","errorCode":null,"errorMessage":null,"errorSeverity":null,"refreshDate":null,"refreshStatus":"IDLE"}}`)
	never.has(t, "dashboardMetadata/filters/0/selectedOption", "0")
	never.has(t, "dashboardMetadata/filters/1/selectedOption", "1")
	a.do("PUT", path+filtered, "").want(t, 200, `{"statusUrl":"`+api+path+"/status"+filtered+`"}`)
	a.do("GET", path+"/status", "").has(t, "componentStatus/0/refreshStatus", `"IDLE"`)
	a.do("GET", path+"/status"+filtered, "").has(t, "componentStatus/3/refreshStatus", `"RUNNING"`)
	a.clock.move(10 * time.Second)
	shown := a.do("GET", path+filtered, "")
	sum := a.do("GET", "/query?q="+url.QueryEscape("SELECT SUM(Amount) s FROM Opportunity WHERE Account.Industry = 'Retail' AND Amount >= 20000 AND Amount <= 200000"), "").part(t, "records/0/s")
	shown.has(t, "componentData/0/reportResult/factMap/T!T/aggregates/0/value", strings.TrimSuffix(sum, ".0"))
	shown.has(t, "componentData/0/reportResult/reportMetadata/reportFilters/2/operator", `"lessOrEqual"`)
	shown.has(t, "componentData/3/status/dataStatus", `"DATA"`)

	service := a.dashboard("Service_and_Returns")
	fresh := "?filter1=" + a.do("GET", service+"/describe", "").text(t, "filters/0/options/0/id")
	a.do("PUT", service+fresh, "")
	a.clock.move(10 * time.Second)
	r := a.do("GET", service+fresh, "")
	r.has(t, "componentData/2/status", `{"dataStatus":"ERROR","errorCode":"305","errorMessage":"The component can't be displayed because the field(s) you chose for the filter are unavailable.",`+
		`"errorSeverity":"Error","refreshDate":"`+r.text(t, "componentData/2/status/refreshDate")+`","refreshStatus":"IDLE"}`)
	newCases := a.do("GET", "/query?q="+url.QueryEscape("SELECT COUNT() FROM Case WHERE Status = 'New'"), "").part(t, "totalSize")
	r.has(t, "componentData/1/reportResult/factMap/T!T/aggregates/0/value", newCases)
	r.part(t, "componentData/1/reportResult/factMap/T!T/rows/0/dataCells/0") // a table shows its rows
}

// The rows are those of the running user: the one of the dashboard, whoever looks, or one that is asked for.
func TestDashboardRunningUser(t *testing.T) {
	a := startReports(t)
	overview, leads, service := a.dashboard("Sales_Overview"), a.dashboard("Lead_List_Dashboard"), a.dashboard("Service_and_Returns")
	ada, sam := a.one("SELECT Id FROM User WHERE Username = '"+fakeorg.AdminUser+"'"), a.one("SELECT Id FROM User WHERE Username = '"+fakeorg.ServiceUser+"'")
	former := a.one("SELECT Id FROM User WHERE IsActive = FALSE")
	a.do("GET", overview+"?runningUser="+sam, "").has(t, "dashboardMetadata/runningUser/displayName", `"Sam Okafor"`)
	a.do("GET", leads+"?runningUser="+ada[:15], "").has(t, "dashboardMetadata/canChangeRunningUser", "false")
	a.do("GET", service, "").has(t, "dashboardMetadata/runningUser/displayName", `"Integration User"`)
	a.do("GET", service, "", "Authorization", "Bearer "+a.MintToken(fakeorg.ServiceUser)).has(t, "dashboardMetadata/runningUser/id", `"`+sam+`"`)
	const denied, inactive = "You don't have permission to view data as this user.",
		"The running user for this dashboard is inactive. Your system administrator should select an active user for this dashboard."
	for path, message := range map[string]string{leads + "?runningUser=" + sam: denied, overview + "?runningUser=005Sm0000000099": denied, overview + "?runningUser=x": denied,
		overview + "?runningUser=" + former: inactive, overview + "?filter1=0ICSm0000000099": "The selected filter item isn't valid.",
		leads + "?filter3=x": "The selected filter item isn't valid."} {
		for _, method := range []string{"GET", "PUT"} {
			a.do(method, path, "").want(t, 400, `[{"message":"`+message+`","errorCode":"BAD_REQUEST"}]`)
		}
	}
	a.do("PATCH", "/sobjects/User/"+ada, `{"IsActive":false}`)
	a.do("GET", leads, "").wants(t, 400, inactive)
	a.do("GET", leads+"/describe", "").wants(t, 200, "Ada Marlow")
}

func TestDashboardComponents(t *testing.T) {
	a := startReports(t)
	path := a.dashboard("Lead_List_Dashboard")
	all := a.do("POST", path, "{}")
	third := all.text(t, "componentData/2/componentId")
	one := a.do("POST", path, `{"componentIds":["`+third[:15]+`"]}`)
	one.has(t, "componentData", "["+all.part(t, "componentData/2")+"]")
	one.has(t, "dashboardMetadata/components/2/componentData", "0")
	one.has(t, "dashboardMetadata/components/0/componentData", "null")
	one.has(t, "attributes/type", `"Dashboard"`)
	a.do("POST", path, `{"componentIds":[]}`).has(t, "componentData", "[]")
	a.do("POST", path, `{"componentIds":["01aSm0000000099"]}`).wants(t, 400, "The dashboard has no component with the ID 01aSm0000000099.")
	a.do("POST", path, `{"componentIds":"x"}`).wants(t, 500, "JSON_PARSER_ERROR")
	a.do("GET", "/analytics/dashboards/01ZSm0000000099MAA", "").wants(t, 404, "NOT_FOUND")
	a.do("GET", "/analytics/dashboards/mine/status", "").wants(t, 404, "NOT_FOUND")
}

// A copy of a dashboard has components of its own, which have not been refreshed, and can be deleted.
func TestDashboardClone(t *testing.T) {
	a := startReports(t)
	path := a.dashboard("Service_and_Returns")
	id := strings.TrimPrefix(path, "/analytics/dashboards/")
	original := a.do("GET", path+"/describe", "")
	folder := original.part(t, "folderId")
	r := a.do("POST", "/analytics/dashboards/?cloneId="+id, `{"name":"Mine","folderId":`+folder+`}`)
	r.has(t, "name", `"Mine"`)
	r.has(t, "folderId", folder)
	copied := "/analytics/dashboards/" + r.text(t, "id")
	for _, part := range []string{"id", "components/0/id", "filters/0/id", "filters/0/options/1/id"} {
		if r.part(t, part) == original.part(t, part) {
			t.Errorf("the copy has the same %s", part)
		}
	}
	a.do("GET", copied, "").has(t, "componentData/0/status/dataStatus", `"NODATA"`)
	a.do("PUT", copied, "").wants(t, 200, copied)
	a.clock.move(10 * time.Second)
	a.do("GET", copied, "").has(t, "componentData/0/status/dataStatus", `"DATA"`)
	if got := a.one("SELECT FolderName FROM Dashboard WHERE Title = 'Mine'"); got != "Company Dashboards" {
		t.Errorf("it is in %s", got)
	}
	a.do("POST", "/analytics/dashboards?cloneId="+id, `{"name":"Mine"}`).has(t, "developerName", `"Mine2"`)
	a.do("POST", "/analytics/dashboards?cloneId="+id, `{"name":"x","folderId":"00l"}`).wants(t, 400, "The dashboard folder ID must be a valid folder ID.")
	a.do("POST", "/analytics/dashboards?cloneId=x", `{"name":"x"}`).wants(t, 400, "The clone request must contain a valid cloneId parameter.")
	a.do("DELETE", copied, "").want(t, 204, "")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		a.do(method, copied, "").want(t, 404, `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`)
	}
	a.do("GET", "/query?q=SELECT+COUNT()+FROM+DashboardComponent+WHERE+DashboardId='"+r.text(t, "id")+"'", "").has(t, "totalSize", "0")
}

package fakeorg

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// analytics is what the org knows of reports and dashboards beside their records. The seeds make it; then it is safe for
// concurrent use.
type analytics struct {
	types []*reportType // not changed

	mu        sync.Mutex
	spent     map[string][]time.Time      // when something with an hourly limit was asked for, the oldest first
	instances []*reportInstance           // the oldest first
	results   map[string]*componentResult // what the components of dashboards show, by [dashboardView.key]
}

// analyticsRoutes are the resources of reports and dashboards. The documentation of composite requests and of batches
// does not name them; what they keep in memory would outlive a transaction that is undone.
func analyticsRoutes() []route {
	routes := []route{
		{method: http.MethodGet, path: "/analytics", handle: analyticsResources},
		{method: http.MethodGet, path: "/analytics/filteroperators", handle: func(*call) (*answer, error) { return ok(operatorMap()) }},
		{method: http.MethodGet, path: "/analytics/reportTypes", handle: reportTypes},
		{method: http.MethodGet, path: "/analytics/reportTypes/{type}", handle: describeReportType},
		{method: http.MethodGet, path: "/analytics/report-types", handle: reportTypes}, // as many clients write it
		{method: http.MethodGet, path: "/analytics/report-types/{type}", handle: describeReportType},

		{method: http.MethodGet, path: "/analytics/reports", handle: recentReports},
		{method: http.MethodPost, path: "/analytics/reports", handle: createReport},
		{method: http.MethodPost, path: "/analytics/reports/query", reads: true, handle: queryReport},
		{method: http.MethodGet, path: "/analytics/reports/{id}", handle: executeReport},
		{method: http.MethodPost, path: "/analytics/reports/{id}", reads: true, handle: executeReport},
		{method: http.MethodPatch, path: "/analytics/reports/{id}", handle: saveReport},
		{method: http.MethodDelete, path: "/analytics/reports/{id}", handle: deleteReport},
		{method: http.MethodGet, path: "/analytics/reports/{id}/describe", handle: getReportMetadata},
		{method: http.MethodGet, path: "/analytics/reports/{id}/instances", handle: listInstances},
		{method: http.MethodPost, path: "/analytics/reports/{id}/instances", handle: createInstance},
		{method: http.MethodGet, path: "/analytics/reports/{id}/instances/{instance}", handle: getInstance},
		{method: http.MethodDelete, path: "/analytics/reports/{id}/instances/{instance}", handle: deleteInstance},

		{method: http.MethodGet, path: "/analytics/dashboards", handle: recentDashboards},
		{method: http.MethodPost, path: "/analytics/dashboards", handle: cloneDashboard},
		{method: http.MethodGet, path: "/analytics/dashboards/{id}", handle: dashboardResults},
		{method: http.MethodPost, path: "/analytics/dashboards/{id}", reads: true, handle: dashboardComponents},
		{method: http.MethodPut, path: "/analytics/dashboards/{id}", handle: refreshDashboard},
		{method: http.MethodDelete, path: "/analytics/dashboards/{id}", handle: deleteDashboard},
		{method: http.MethodGet, path: "/analytics/dashboards/{id}/describe", handle: describeDashboard},
		{method: http.MethodGet, path: "/analytics/dashboards/{id}/status", handle: dashboardStatus},
	}
	for i := range routes {
		routes[i].alone = true
	}
	return routes
}

// analyticsResources is GET /analytics. Its form was not found in a source: it is that of the other lists of resources.
func analyticsResources(c *call) (*answer, error) {
	var all object
	for _, name := range []string{"dashboards", "filteroperators", "reportTypes", "reports"} {
		all = append(all, member{name, c.analyticsURL(name)})
	}
	return ok(all)
}

// analyticsURL is the path of a resource in the version the call came with.
func (c *call) analyticsURL(path string) string {
	return "/services/data/" + c.version + "/analytics/" + path
}

// reportFault is an error of the reports API, with its own code beside the usual one. Of those codes only 113 and 204
// were found in a source; other errors come without.
func reportFault(status int, code string, specific int, format string, args ...any) *fault {
	f := refuse(status, code, format, args...)
	f.body = []object{{{"errorCode", code}, {"message", f.message}, {"specificErrorCode", specific}}}
	return f
}

// badReport is the usual error of the reports API.
func badReport(format string, args ...any) *fault {
	return refuse(http.StatusBadRequest, "BAD_REQUEST", format, args...)
}

// unavailable is the answer about a report or an instance that does not exist.
func unavailable() *fault {
	return refuse(http.StatusNotFound, "NOT_FOUND", "The data you’re trying to access is unavailable.")
}

// hourlyLimits are the limits of any sixty minutes, by their names in /limits.
var hourlyLimits = []struct {
	name    string
	most    int
	message string
}{
	{"HourlyAsyncReportRuns", 1200, "You can't run more than 1200 reports asynchronously every 60 minutes. Try again later."},
	{"HourlyDashboardRefreshes", 200, "You can't refresh more than 200 dashboards every 60 minutes. Try again later."},
	{"HourlyDashboardResults", 5000, "You can't get the results of more than 5000 dashboards every 60 minutes. Try again later."},
	{"HourlyDashboardStatuses", 999999999, "You can't get the status of more than 999999999 dashboards every 60 minutes. Try again later."},
	{"HourlySyncReportRuns", 500, "You can't run more than 500 reports synchronously every 60 minutes. Try again later."},
}

// spend counts a call against an hourly limit, or refuses it. Only the message about synchronous runs is documented.
func (o *Org) spend(name string) error {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	for _, limit := range hourlyLimits {
		if limit.name != name {
			continue
		}
		if len(o.spentLastHour(name)) >= limit.most {
			return refuse(http.StatusForbidden, "FORBIDDEN", "%s", limit.message)
		}
		o.analytics.spent[name] = append(o.analytics.spent[name], o.options.Clock())
	}
	return nil
}

// spentLastHour forgets what was spent before and gives the rest. The caller holds the lock.
func (o *Org) spentLastHour(name string) []time.Time {
	hourAgo := o.options.Clock().Add(-time.Hour)
	o.analytics.spent[name] = slices.DeleteFunc(o.analytics.spent[name], func(at time.Time) bool { return !at.After(hourAgo) })
	return o.analytics.spent[name]
}

// hourlyUsage is what /limits says of the hourly limits.
func (o *Org) hourlyUsage() object {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	var usage object
	for _, limit := range hourlyLimits {
		usage = append(usage, member{limit.name, object{{"Max", limit.most}, {"Remaining", limit.most - len(o.spentLastHour(limit.name))}}})
	}
	return usage
}

// reportTypes is GET /analytics/reportTypes.
func reportTypes(c *call) (*answer, error) {
	groups := []object{}
	var labels []string
	for _, t := range c.org.analytics.types {
		if !slices.Contains(labels, t.Group) {
			labels = append(labels, t.Group)
		}
	}
	for _, label := range labels {
		types := []object{}
		for _, t := range c.org.analytics.types {
			if t.Group == label {
				types = append(types, object{{"describeUrl", c.analyticsURL("reportTypes/" + t.Type)}, {"label", t.Label}, {"type", t.Type}})
			}
		}
		groups = append(groups, object{{"label", label}, {"reportTypes", types}})
	}
	return ok(groups)
}

// describeReportType is GET /analytics/reportTypes/{type}: the description of a new report of the type.
func describeReportType(c *call) (*answer, error) {
	t := c.org.reportType(c.PathValue("type"))
	if t == nil {
		return nil, unavailable()
	}
	return ok(c.describeReport(t, newReport(t)))
}

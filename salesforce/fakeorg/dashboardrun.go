package fakeorg

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// componentResult is what a component of a dashboard shows in one view: the result of the report when it was refreshed
// last. Guarded by the mutex of [analytics].
type componentResult struct {
	refreshed time.Time // zero before the first time
	running   bool
	report    json.RawMessage
	code      int // of an error
	message   string
}

// result returns what a component shows; the zero value when it has never been refreshed. The caller holds the lock.
func (o *Org) result(key string) componentResult {
	if known := o.analytics.results[key]; known != nil {
		return *known
	}
	return componentResult{}
}

// keepResult keeps what a component shows from now on.
func (o *Org) keepResult(key string, r componentResult) {
	o.analytics.results[key] = &r
}

func (r componentResult) date() any {
	if r.refreshed.IsZero() {
		return nil
	}
	return r.refreshed.Format(shownTime)
}

func (r componentResult) refreshStatus() string {
	if r.running {
		return "RUNNING"
	}
	return "IDLE"
}

// status is what an answer says of the state of a component.
func (r componentResult) status() object {
	data, code, message, severity := "DATA", any(nil), any(nil), any(nil)
	switch {
	case r.refreshed.IsZero():
		data = "NODATA"
	case r.code != 0:
		data, code, message, severity = "ERROR", fmt.Sprint(r.code), r.message, "Error"
	}
	return object{{"dataStatus", data}, {"errorCode", code}, {"errorMessage", message}, {"errorSeverity", severity}, {"refreshDate", r.date()},
		{"refreshStatus", r.refreshStatus()}}
}

// answerComponents is the answer with the results of some components.
func (c *call) answerComponents(v *dashboardView, components []dashboardComponent) (object, error) {
	if err := v.checkUser(); err != nil {
		return nil, err
	}
	metadata, err := c.dashboardMetadata(v, components)
	if err != nil {
		return nil, err
	}
	if err := c.org.spend("HourlyDashboardResults"); err != nil {
		return nil, err
	}
	c.viewed = append(c.viewed, v.ID)
	c.org.analytics.mu.Lock()
	defer c.org.analytics.mu.Unlock()
	data := []object{}
	for _, component := range components {
		r := c.org.result(v.key(component))
		var report any
		if r.report != nil {
			report = r.report
		}
		data = append(data, object{{"componentId", component.ID}, {"reportResult", report}, {"status", r.status()}})
	}
	return object{{"componentData", data}, {"dashboardMetadata", metadata}}, nil
}

// refreshDashboard is PUT /analytics/dashboards/{id}: the components run one after the other, and show what they did
// before until they have run.
func refreshDashboard(c *call) (*answer, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	if err := v.checkUser(); err != nil {
		return nil, err
	}
	if c.org.refreshing(v) {
		return nil, badReport("You can't refresh this dashboard. A refresh is already in progress.")
	}
	if err := c.org.spend("HourlyDashboardRefreshes"); err != nil {
		return nil, err
	}
	for i, component := range v.Components {
		c.org.setRunning(v.key(component))
		c.later(i+1, func(c *call) error { return c.refresh(v, component) })
	}
	url := c.analyticsURL("dashboards/" + v.ID + "/status")
	if query := c.URL.RawQuery; query != "" {
		url += "?" + query
	}
	return ok(object{{"statusUrl", url}})
}

func (o *Org) refreshing(v *dashboardView) bool {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	return slices.ContainsFunc(v.Components, func(component dashboardComponent) bool { return o.result(v.key(component)).running })
}

func (o *Org) setRunning(key string) {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	r := o.result(key)
	r.running = true
	o.keepResult(key, r)
}

// refresh runs the report of a component and keeps the result.
func (c *call) refresh(v *dashboardView, component dashboardComponent) error {
	r, err := c.runComponent(v, component)
	if err != nil {
		return err
	}
	r.refreshed = c.now()
	c.org.analytics.mu.Lock()
	defer c.org.analytics.mu.Unlock()
	c.org.keepResult(v.key(component), r)
	return nil
}

// runComponent runs the report of a component with the groupings and summaries the component shows, and with the
// filters that are chosen. What the platform tells of a component is part of the result, with its number.
func (c *call) runComponent(v *dashboardView, component dashboardComponent) (componentResult, error) {
	t, m, err := c.report(component.ReportID)
	if err != nil {
		return componentResult{}, err
	}
	m.Aggregates = component.Aggregates
	table := component.VisualizationType == "FlexTable"
	if len(component.Groupings) > 0 {
		m.regroup(component.Groupings)
	}
	if !table {
		m.DetailColumns, m.SortBy = []string{}, []reportSort{}
	}
	for i, option := range v.options {
		switch {
		case option == nil:
		case component.FilterColumns[i] == "":
			return componentResult{code: 305, message: "The component can't be displayed because the field(s) you chose for the filter are unavailable."}, nil
		default:
			m.addFilter(component.FilterColumns[i], option)
		}
	}
	if len(m.ReportFilters) > reportFilterLimit {
		return componentResult{code: 304, message: "The component can't be displayed because the dashboard filter raises the number of source report filters " +
			"above the limit. Reduce the number of report filters and try again."}, nil
	}
	result, err := c.runReport(t, m, table, v.user)
	var refused *fault
	if errors.As(err, &refused) {
		return componentResult{code: 303, message: "The component can't be displayed because the source report failed to run."}, nil
	}
	if err != nil {
		return componentResult{}, err
	}
	if len(m.GroupingsAcross) == 0 {
		result[slices.IndexFunc(result, func(m member) bool { return m.key == "groupingsAcross" })].value = nil
	}
	text, err := encode(append(object{{"attributes", nil}}, result...))
	return componentResult{report: text}, err
}

// regroup groups the report by other columns, or in another order.
func (m *reportMetadata) regroup(names []string) {
	known := append(slices.Clone(m.GroupingsDown), m.GroupingsAcross...)
	m.GroupingsDown, m.GroupingsAcross, m.ReportFormat = []reportGrouping{}, []reportGrouping{}, "SUMMARY"
	for _, name := range names {
		g := reportGrouping{Name: name}
		if at := slices.IndexFunc(known, func(g reportGrouping) bool { return g.Name == name }); at >= 0 {
			g = known[at]
			g.SortAggregate = nil
		}
		m.GroupingsDown = append(m.GroupingsDown, g)
	}
}

// addFilter adds an option of a dashboard's filter to the filters of the report.
func (m *reportMetadata) addFilter(column string, option *dashboardOption) {
	filters := []reportFilter{{Column: column, Operator: option.Operation, Value: option.Value}}
	if option.Operation == "between" {
		filters = []reportFilter{{Column: column, Operator: "greaterOrEqual", Value: option.StartValue}, {Column: column, Operator: "lessOrEqual", Value: option.EndValue}}
	}
	for _, filter := range filters {
		m.ReportFilters = append(m.ReportFilters, filter)
		if m.ReportBooleanFilter != nil {
			logic := fmt.Sprintf("(%s) AND %d", *m.ReportBooleanFilter, len(m.ReportFilters))
			m.ReportBooleanFilter = &logic
		}
	}
}

func (c *call) dashboardAttributes(d *dashboard) object {
	url := c.analyticsURL("dashboards/" + d.ID)
	return object{{"dashboardId", d.ID}, {"dashboardName", d.Name}, {"describeUrl", url + "/describe"}, {"statusUrl", url + "/status"}, {"type", "Dashboard"}}
}

// dashboardMetadata describes a dashboard. The components that are shown have their place in the list of results.
func (c *call) dashboardMetadata(v *dashboardView, shown []dashboardComponent) (object, error) {
	components, places := []object{}, []object{}
	for i, component := range v.Components {
		described, err := c.describeComponent(v, component)
		if err != nil {
			return nil, err
		}
		var place any
		if at := slices.IndexFunc(shown, func(s dashboardComponent) bool { return s.ID == component.ID }); at >= 0 {
			place = at
		}
		components = append(components, append(object{{"componentData", place}}, described...))
		places = append(places, object{{"colspan", 4}, {"column", i % 3 * 4}, {"row", i / 3 * 8}, {"rowspan", 8}})
	}
	filters := []object{}
	for i, filter := range v.Filters {
		options, selected := []object{}, any(nil)
		for j, option := range filter.Options {
			if v.options[i] != nil && v.options[i].ID == option.ID {
				selected = j
			}
			options = append(options, object{{"alias", orNull(option.Alias)}, {"endValue", orNull(option.EndValue)}, {"id", option.ID},
				{"operation", option.Operation}, {"startValue", orNull(option.StartValue)}, {"value", orNull(option.Value)}})
		}
		filters = append(filters, object{{"errorMessage", nil}, {"id", filter.ID}, {"name", filter.Name}, {"options", options}, {"selectedOption", selected}})
	}
	name, err := c.nameOf(c.org.schema.Object("User"), v.user)
	return object{{"attributes", c.dashboardAttributes(v.dashboard)}, {"canChangeRunningUser", v.Type == "MyTeamUser"}, {"canUseStickyFilter", false},
		{"chartTheme", "light"}, {"colorPalette", "wildflowers"}, {"components", components}, {"dashboardType", v.Type}, {"description", orNull(v.Description)},
		{"developerName", v.DeveloperName}, {"filters", filters}, {"folderId", v.FolderID}, {"id", v.ID},
		{"layout", object{{"components", places}, {"gridLayout", true}, {"numColumns", 12}, {"rowHeight", 36}}}, {"maxFilterOptions", 50}, {"name", v.Name},
		{"runningUser", object{{"displayName", name}, {"id", v.user}}}}, err
}

// describeComponent describes a component, with ?loadComponentProperties=false without its properties.
func (c *call) describeComponent(v *dashboardView, component dashboardComponent) (object, error) {
	t, m, err := c.report(component.ReportID)
	if err != nil {
		return nil, err
	}
	var properties any
	if !strings.EqualFold(c.URL.Query().Get("loadComponentProperties"), "false") {
		properties = componentProperties(t, m, component)
	}
	return object{{"footer", nil}, {"header", component.Header}, {"id", component.ID}, {"properties", properties}, {"reportId", component.ReportID}, {"title", nil},
		{"type", "Report"}}, nil
}

func componentProperties(t *reportType, m *reportMetadata, component dashboardComponent) object {
	aggregates, groupings, filters := []object{}, any(nil), []object{}
	for _, name := range component.Aggregates {
		aggregates = append(aggregates, object{{"name", name}})
	}
	var groups []object
	for _, name := range component.Groupings {
		groups = append(groups, object{{"inheritedReportSort", nil}, {"name", name}, {"sortAggregate", nil}, {"sortOrder", "Asc"}})
	}
	if groups != nil {
		groupings = groups
	}
	for _, name := range component.FilterColumns {
		if column := t.columns[name]; column != nil {
			filters = append(filters, object{{"label", column.Label}, {"name", name}})
		}
	}
	look := object{{"axisRange", object{{"max", nil}, {"min", nil}, {"rangeType", "auto"}}}, {"decimalPrecision", -1}, {"displayUnits", "auto"}, {"drillURL", nil},
		{"groupByType", "none"}, {"legendPosition", "bottom"}, {"showValues", true}}
	switch component.VisualizationType {
	case "Metric":
		look = object{{"breakPoints", []any{}}, {"decimalPrecision", -1}, {"displayUnits", "auto"}, {"drillURL", nil}, {"metricLabel", nil}}
	case "FlexTable":
		columns := []object{}
		for _, name := range m.DetailColumns {
			columns = append(columns, object{{"column", name}, {"isPercent", false}, {"scale", nil}, {"showTotal", false}, {"type", "detail"}})
		}
		look = object{{"displayUnits", nil}, {"drillURL", nil}, {"flexTableType", "tabular"}, {"showChatterPhotos", false}, {"tableColumns", columns}}
	}
	return object{{"aggregates", aggregates}, {"autoSelectColumns", false}, {"drillUrl", nil}, {"filterColumns", filters}, {"groupings", groupings}, {"maxRows", nil},
		{"reportFormat", m.ReportFormat}, {"sort", nil}, {"useReportChart", false}, {"visualizationProperties", look},
		{"visualizationType", component.VisualizationType}}
}

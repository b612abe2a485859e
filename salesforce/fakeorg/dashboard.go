package fakeorg

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
)

// dashboard is the definition of a dashboard as it is kept.
type dashboard struct {
	ID, Name, DeveloperName, FolderID string
	Description                       string
	Type                              string // SpecifiedUser, LoggedInUser or MyTeamUser
	RunningUser                       string // id
	Filters                           []dashboardFilter
	Components                        []dashboardComponent
}

type dashboardFilter struct {
	ID, Name string
	Options  []dashboardOption
}

type dashboardOption struct {
	ID, Alias, Operation        string
	Value, StartValue, EndValue string // start and end are those of the operation between
}

// dashboardComponent shows a report. Without groupings it has those of the report. FilterColumns has a column for each
// filter of the dashboard, "" where the report has none that fits.
type dashboardComponent struct {
	ID, Header, ReportID, VisualizationType string
	Groupings, Aggregates, FilterColumns    []string
}

// dashboardSeed is a dashboard of reports.yaml.
type dashboardSeed struct {
	Folder, Name, Description string
	DeveloperName             string `yaml:"developerName"`
	DashboardType             string `yaml:"dashboardType"`
	RunningUser               string `yaml:"runningUser"` // username
	Filters                   []struct {
		Name    string
		Options []struct {
			Alias, Operation, Value string
			StartValue              string `yaml:"startValue"`
			EndValue                string `yaml:"endValue"`
		}
	}
	Components []struct {
		Header, Report        string
		VisualizationType     string `yaml:"visualizationType"`
		Groupings, Aggregates []string
		FilterColumns         []string `yaml:"filterColumns"`
	}
}

// dashboardView is a dashboard as somebody looks at it: with the rows of a user, and with options of its filters.
type dashboardView struct {
	*dashboard
	user     string
	inactive bool               // the user is not active any more
	options  []*dashboardOption // one for each filter, nil where none is chosen
}

// pathDashboard returns the dashboard of the path.
func (c *call) pathDashboard() (*dashboard, error) {
	id, _ := parseID(c.PathValue("id"))
	d := &dashboard{}
	object := c.org.schema.Object("Dashboard")
	found, err := c.readDefinition(object, id, d)
	if err == nil && !found {
		if err = c.mustExist(object, id); asFault(err).code != "ENTITY_IS_DELETED" {
			err = unavailable()
		}
	}
	return d, err
}

// view returns the dashboard of the path as the parameters say: runningUser, filter1, filter2 and filter3.
func (c *call) view() (*dashboardView, error) {
	d, err := c.pathDashboard()
	if err != nil {
		return nil, err
	}
	v := &dashboardView{dashboard: d, user: d.RunningUser, options: make([]*dashboardOption, len(d.Filters))}
	if d.Type == "LoggedInUser" {
		v.user = c.user.id
	}
	if given := c.URL.Query().Get("runningUser"); given != "" {
		id, _ := parseID(given)
		if id != v.user && d.Type != "MyTeamUser" {
			return nil, badReport("You don't have permission to view data as this user.")
		}
		v.user = id
	}
	row, err := c.load(c.org.schema.Object("User"), v.user)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, badReport("You don't have permission to view data as this user.")
	}
	v.inactive = row["IsActive"] == int64(0)
	for i, name := range []string{"filter1", "filter2", "filter3"} {
		given := c.URL.Query().Get(name)
		if given == "" {
			continue
		}
		id, _ := parseID(given)
		if i >= len(d.Filters) || !v.choose(i, id) {
			return nil, badReport("The selected filter item isn't valid.")
		}
	}
	return v, nil
}

// checkUser refuses to show or to refresh the rows of a user who is not active.
func (v *dashboardView) checkUser() error {
	if v.inactive {
		return badReport("The running user for this dashboard is inactive. Your system administrator should select an active user for this dashboard.")
	}
	return nil
}

// choose sets the option of a filter, and reports whether there is one with the id.
func (v *dashboardView) choose(filter int, id string) bool {
	for i, option := range v.Filters[filter].Options {
		if option.ID == id {
			v.options[filter] = &v.Filters[filter].Options[i]
			return true
		}
	}
	return false
}

// key identifies what a component shows in this view.
func (v *dashboardView) key(component dashboardComponent) string {
	key := []string{v.ID, component.ID, v.user}
	for _, option := range v.options {
		if option != nil {
			key = append(key, option.ID)
		}
	}
	return strings.Join(key, " ")
}

// recentDashboards is GET /analytics/dashboards: those the user has viewed last, the one that was refreshed last first.
func recentDashboards(c *call) (*answer, error) {
	viewed, err := c.recentlyViewed("Dashboard", "Title")
	if err != nil {
		return nil, err
	}
	c.org.analytics.mu.Lock()
	refreshed := map[string]int64{}
	for key, result := range c.org.analytics.results {
		id, _, _ := strings.Cut(key, " ")
		refreshed[id] = max(refreshed[id], result.refreshed.Unix())
	}
	c.org.analytics.mu.Unlock()
	slices.SortStableFunc(viewed, func(a, b viewedRecord) int { return int(refreshed[b.id] - refreshed[a.id]) })
	dashboards := []object{}
	for _, v := range viewed {
		url := c.analyticsURL("dashboards/" + v.id)
		dashboards = append(dashboards, object{{"id", v.id}, {"name", v.name}, {"statusUrl", url + "/status"}, {"url", url}})
	}
	return ok(dashboards)
}

// describeDashboard is GET /analytics/dashboards/{id}/describe?loadComponentProperties=.
func describeDashboard(c *call) (*answer, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	metadata, err := c.dashboardMetadata(v, v.Components)
	c.viewed = append(c.viewed, v.ID)
	return &answer{status: http.StatusOK, body: metadata}, err
}

// dashboardResults is GET /analytics/dashboards/{id}.
func dashboardResults(c *call) (*answer, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	results, err := c.answerComponents(v, v.Components)
	return &answer{status: http.StatusOK, body: results}, err
}

// dashboardComponents is POST /analytics/dashboards/{id}: the results of the components the body names, or of all.
func dashboardComponents(c *call) (*answer, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		ComponentIDs []string `json:"componentIds"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			return nil, unreadableReport()
		}
	}
	wanted := v.Components
	if body.ComponentIDs != nil {
		wanted = nil
	}
	for _, given := range body.ComponentIDs {
		id, _ := parseID(given)
		at := slices.IndexFunc(v.Components, func(known dashboardComponent) bool { return known.ID == id })
		if at < 0 {
			return nil, badReport("The dashboard has no component with the ID %s.", given)
		}
		wanted = append(wanted, v.Components[at])
	}
	results, err := c.answerComponents(v, wanted)
	return &answer{status: http.StatusOK, body: append(object{{"attributes", c.dashboardAttributes(v.dashboard)}}, results...)}, err
}

// dashboardStatus is GET /analytics/dashboards/{id}/status.
func dashboardStatus(c *call) (*answer, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	if err := c.org.spend("HourlyDashboardStatuses"); err != nil {
		return nil, err
	}
	c.org.analytics.mu.Lock()
	defer c.org.analytics.mu.Unlock()
	statuses := []object{}
	for _, component := range v.Components {
		r := c.org.result(v.key(component))
		statuses = append(statuses, object{{"componentId", component.ID}, {"refreshDate", r.date()}, {"refreshStatus", r.refreshStatus()}})
	}
	return ok(object{{"componentStatus", statuses}})
}

// cloneDashboard is POST /analytics/dashboards?cloneId=. The copy has not been refreshed.
func cloneDashboard(c *call) (*answer, error) {
	id, _ := parseID(c.URL.Query().Get("cloneId"))
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	d := &dashboard{}
	found, err := c.readDefinition(c.org.schema.Object("Dashboard"), id, d)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, badReport("The clone request must contain a valid cloneId parameter.")
	}
	var body struct{ Name, FolderID *string }
	if len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			return nil, unreadableReport()
		}
	}
	if body.Name != nil && strings.TrimSpace(*body.Name) != "" {
		d.Name = *body.Name
	}
	if body.FolderID != nil {
		d.FolderID = *body.FolderID
	}
	d.DeveloperName = apiName(d.Name)
	if err := c.saveNewDashboard(d); err != nil {
		return nil, err
	}
	if err := c.org.markViewed(c.Context(), c.db, c.user, []string{d.ID}); err != nil {
		return nil, err
	}
	metadata, err := c.dashboardMetadata(&dashboardView{dashboard: d, user: d.RunningUser, options: make([]*dashboardOption, len(d.Filters))}, d.Components)
	return &answer{status: http.StatusOK, body: metadata}, err
}

// saveNewDashboard writes a dashboard under new ids, those of its parts included.
func (c *call) saveNewDashboard(d *dashboard) (err error) {
	folder, err := c.folder("Dashboard", &d.FolderID)
	if err != nil {
		return err
	}
	if folder == "" {
		return badReport("The dashboard folder ID must be a valid folder ID.")
	}
	if d.DeveloperName, err = c.unusedName("Dashboard", d.DeveloperName); err != nil {
		return err
	}
	o := c.org.schema.Object("Dashboard")
	d.ID, err = c.add(o, []change{{o.Field("Title"), d.Name}, {o.Field("DeveloperName"), d.DeveloperName}, {o.Field("Description"), d.Description},
		{o.Field("FolderId"), d.FolderID}, {o.Field("FolderName"), folder}, {o.Field("Type"), d.Type}, {o.Field("RunningUserId"), d.RunningUser}})
	if err != nil {
		return err
	}
	part := c.org.schema.Object("DashboardComponent")
	for i := range d.Components {
		known := &d.Components[i]
		known.ID, err = c.add(part, []change{{part.Field("Name"), known.Header}, {part.Field("DashboardId"), d.ID}, {part.Field("CustomReportId"), known.ReportID}})
		if err != nil {
			return err
		}
	}
	number := func(prefix string) string {
		c.org.numbers["Dashboard "+prefix]++
		return makeID(prefix, c.org.numbers["Dashboard "+prefix])
	}
	for i := range d.Filters {
		d.Filters[i].ID = number("0IB")
		for j := range d.Filters[i].Options {
			d.Filters[i].Options[j].ID = number("0IC")
		}
	}
	return c.keepDefinition(d.ID, d)
}

// deleteDashboard is DELETE /analytics/dashboards/{id}: the dashboard goes into the recycle bin.
func deleteDashboard(c *call) (*answer, error) {
	d, err := c.pathDashboard()
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, c.discard(c.org.schema.Object("Dashboard"), d.ID)
}

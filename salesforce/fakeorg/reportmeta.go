package fakeorg

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// reportMetadata is the definition of a report in the words of the API, in the order answers have them.
type reportMetadata struct {
	Aggregates              []string         `json:"aggregates"`
	Buckets                 any              `json:"buckets"`
	Chart                   any              `json:"chart"`
	CrossFilters            any              `json:"crossFilters"`
	Currency                any              `json:"currency"`
	CustomDetailFormula     any              `json:"customDetailFormula"`
	CustomSummaryFormula    any              `json:"customSummaryFormula"`
	DashboardSetting        any              `json:"dashboardSetting"`
	Description             *string          `json:"description"`
	DetailColumns           []string         `json:"detailColumns"`
	DeveloperName           *string          `json:"developerName"`
	Division                any              `json:"division"`
	FolderID                *string          `json:"folderId"`
	GroupingsAcross         []reportGrouping `json:"groupingsAcross"`
	GroupingsDown           []reportGrouping `json:"groupingsDown"`
	HasDetailRows           bool             `json:"hasDetailRows"`
	HasRecordCount          bool             `json:"hasRecordCount"`
	HistoricalSnapshotDates any              `json:"historicalSnapshotDates"`
	ID                      *string          `json:"id"`
	Name                    string           `json:"name"`
	PresentationOptions     any              `json:"presentationOptions"`
	ReportBooleanFilter     *string          `json:"reportBooleanFilter"`
	ReportFilters           []reportFilter   `json:"reportFilters"`
	ReportFormat            string           `json:"reportFormat"`
	ReportType              struct {
		Label string `json:"label"`
		Type  string `json:"type"`
	} `json:"reportType"`
	SaveRoleHierarchy       bool             `json:"saveRoleHierarchy"`
	Scope                   string           `json:"scope"`
	ShowGrandTotal          bool             `json:"showGrandTotal"`
	ShowSubtotals           bool             `json:"showSubtotals"`
	SortBy                  []reportSort     `json:"sortBy"`
	StandardDateFilter      *standardDate    `json:"standardDateFilter"`
	StandardFilters         []standardFilter `json:"standardFilters"`
	SupportsRoleHierarchy   bool             `json:"supportsRoleHierarchy"`
	TopRows                 *topRows         `json:"topRows,omitempty"`
	UserOrHierarchyFilterID any              `json:"userOrHierarchyFilterId"`
}

type reportGrouping struct {
	DateGranularity string  `json:"dateGranularity"`
	Name            string  `json:"name"`
	SortAggregate   *string `json:"sortAggregate"`
	SortOrder       string  `json:"sortOrder"`
}

type reportFilter struct {
	Column            string  `json:"column"`
	FilterType        *string `json:"filterType"`
	IsRunPageEditable *bool   `json:"isRunPageEditable"`
	Operator          string  `json:"operator"`
	Value             string  `json:"value"`
}

type reportSort struct {
	SortColumn string `json:"sortColumn"`
	SortOrder  string `json:"sortOrder"`
}

type standardDate struct {
	Column        string  `json:"column"`
	DurationValue string  `json:"durationValue"`
	EndDate       *string `json:"endDate"`
	StartDate     *string `json:"startDate"`
}

type standardFilter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type topRows struct {
	Direction string `json:"direction"`
	RowLimit  int    `json:"rowLimit"`
}

// newReport is the definition of a new report of a type.
func newReport(t *reportType) *reportMetadata {
	m := &reportMetadata{Aggregates: []string{"RowCount"}, Buckets: []any{}, CrossFilters: []any{}, CustomDetailFormula: []any{}, CustomSummaryFormula: []any{},
		DetailColumns: t.Columns, GroupingsAcross: []reportGrouping{}, GroupingsDown: []reportGrouping{}, HasDetailRows: true, HasRecordCount: true,
		HistoricalSnapshotDates: []any{}, PresentationOptions: object{{"hasStackedSummaries", true}}, ReportFilters: []reportFilter{}, ReportFormat: "TABULAR",
		Scope: "organization", ShowGrandTotal: true, ShowSubtotals: true, SortBy: []reportSort{}, StandardDateFilter: &standardDate{Column: t.Date, DurationValue: "CUSTOM"}}
	for _, filter := range t.StandardFilters {
		m.StandardFilters = append(m.StandardFilters, standardFilter{filter.Name, filter.Values[0].Name})
	}
	m.ReportType.Type, m.ReportType.Label = t.Type, t.Label
	return m
}

// reportBody is the body of a request about a report: the members of reportMetadata it gives. An empty body gives none.
type reportBody map[string]json.RawMessage

// unreadableReport is the platform's answer to a body of another form; the guide has it under 500.
func unreadableReport() *fault {
	return refuse(500, "JSON_PARSER_ERROR", "The request body is either invalid or incomplete.")
}

// readReportBody reads the body of a request about a report.
func readReportBody(text []byte) (reportBody, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 || string(text) == "{}" {
		return reportBody{}, nil
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, unreadableReport()
	}
	metadata, given := body["reportMetadata"]
	if !given || string(metadata) == "null" {
		return nil, badReport("The request is invalid because there is no metadata. Specify metadata in the request body.")
	}
	for name := range body {
		if !slices.Contains([]string{"reportMetadata", "reportExtendedMetadata", "reportTypeMetadata", "attributes"}, name) {
			return nil, unreadableReport()
		}
	}
	var members reportBody
	if err := json.Unmarshal(metadata, &members); err != nil {
		return nil, unreadableReport()
	}
	return members, nil
}

// with gives the definition with the members of a request in place of its own. What says which report it is stays.
func (m *reportMetadata) with(body reportBody) (*reportMetadata, error) {
	members := reportBody{}
	own, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(own, &members); err != nil {
		return nil, err
	}
	for name, value := range body {
		members[name] = value
	}
	all, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	changed := &reportMetadata{}
	decoder := json.NewDecoder(bytes.NewReader(all))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(changed); err != nil {
		return nil, unreadableReport()
	}
	changed.ID = m.ID
	return changed, nil
}

// reportColumnLimit is how many columns a report may have, reportFilterLimit how many filters.
const (
	reportColumnLimit = 100
	reportFilterLimit = 20
)

// check fills in what a definition leaves out, and refuses what no report of the type can be, with the messages the
// guide lists under "Report Error Codes" where it has one.
func (m *reportMetadata) check(t *reportType) error {
	m.ReportType.Label = t.Label
	switch {
	case m.ReportFilters == nil:
		return badReport("The request is invalid because there are no filters. Specify filters or set filters as an empty array to omit them.")
	case m.HistoricalSnapshotDates == nil:
		return badReport("The request is invalid because there are no historical snapshot dates in the request body. Specify historical snapshot dates, or set " +
			"historical snapshot dates as an empty array to omit them.")
	case !leftOut(m.HistoricalSnapshotDates):
		return badReport("The request is invalid because reports that are not historical trending reports cannot have historical snapshot dates.")
	case len(m.ReportFilters) > reportFilterLimit:
		return badReport("A report can have only as many as %d filters.", reportFilterLimit)
	}
	for name, value := range map[string]any{"buckets": m.Buckets, "crossFilters": m.CrossFilters, "customDetailFormula": m.CustomDetailFormula,
		"customSummaryFormula": m.CustomSummaryFormula, "userOrHierarchyFilterId": m.UserOrHierarchyFilterID} {
		if !leftOut(value) {
			return refuse(501, "NOT_IMPLEMENTED", "The simulated org runs no reports with %s", name)
		}
	}
	if err := m.checkFormat(); err != nil {
		return err
	}
	for _, check := range []func(*reportType) error{m.checkGroupings, m.checkColumns, m.checkSort, m.checkScope} {
		if err := check(t); err != nil {
			return err
		}
	}
	return nil
}

// leftOut reports whether an optional part of a definition is left out: null, an empty list or an empty object.
func leftOut(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// checkFormat gives a report without groupings the format TABULAR, whatever it was called, as the platform does.
func (m *reportMetadata) checkFormat() error {
	down, across := len(m.GroupingsDown), len(m.GroupingsAcross)
	switch {
	case !slices.Contains([]string{"TABULAR", "SUMMARY", "MATRIX"}, m.ReportFormat):
		return refuse(501, "NOT_IMPLEMENTED", "You’re requesting data for an unsupported report format.")
	case m.ReportFormat == "TABULAR" && down+across > 0:
		return badReport("Groupings are not supported on a tabular report.")
	case down+across == 0:
		m.ReportFormat = "TABULAR"
	case m.ReportFormat == "SUMMARY" && across > 0:
		return badReport("Column groupings are not supported on a summary report.")
	case m.ReportFormat == "SUMMARY" && down > 3 || m.ReportFormat == "MATRIX" && (down > 2 || across > 2):
		return badReport("The report has too many groupings.")
	}
	return nil
}

// checkGroupings wants each grouping to be of another column. A column that is grouped by is no detail column.
func (m *reportMetadata) checkGroupings(t *reportType) error {
	seen := map[string]bool{}
	for _, groupings := range [][]reportGrouping{m.GroupingsDown, m.GroupingsAcross} {
		for i := range groupings {
			g := &groupings[i]
			column := t.columns[g.Name]
			if column == nil || seen[g.Name] || longText(column.field) {
				return badReport("Grouping: Invalid value specified: %s", g.Name)
			}
			seen[g.Name] = true
			if g.DateGranularity != "" && g.DateGranularity != "None" && granularityOf(g.DateGranularity) == nil {
				return badReport("Date granularity: Invalid value specified: %s", g.DateGranularity)
			}
			switch dates := isDateField(column.field); {
			case !dates:
				g.DateGranularity = "None"
			case granularityOf(g.DateGranularity) == nil:
				g.DateGranularity = "Day"
			}
			if err := checkOrder(&g.SortOrder); err != nil {
				return err
			}
			if g.SortAggregate != nil && !slices.Contains(m.Aggregates, *g.SortAggregate) {
				return badReport("Sort aggregate: Invalid value specified: %s", *g.SortAggregate)
			}
		}
	}
	m.DetailColumns = slices.DeleteFunc(slices.Clone(m.DetailColumns), func(name string) bool { return seen[name] })
	return nil
}

// checkOrder gives a sort order the spelling of answers.
func checkOrder(order *string) error {
	switch strings.ToLower(*order) {
	case "", "asc":
		*order = "Asc"
	case "desc":
		*order = "Desc"
	default:
		return badReport("Sort order: Invalid value specified: %s", *order)
	}
	return nil
}

func (m *reportMetadata) checkColumns(t *reportType) error {
	if len(m.DetailColumns)+len(m.Aggregates) >= reportColumnLimit {
		return reportFault(400, "BAD_REQUEST", 204, "Only a report with fewer than 100 columns can be run. The columns are fields specified as detail columns, "+
			"summaries, or custom summary formulas. Remove unneeded columns from the report and try again.")
	}
	if len(m.DetailColumns) == 0 && m.ReportFormat == "TABULAR" {
		return badReport("Can’t run the report because it doesn’t have any columns selected. Be sure to add fields as columns to the report through the user interface.")
	}
	for _, name := range m.DetailColumns {
		if t.columns[name] == nil {
			return badReport("Column: Invalid value specified: %s", name)
		}
	}
	for _, name := range m.Aggregates {
		if _, err := aggregateOf(t, name); err != nil {
			return err
		}
	}
	return nil
}

func (m *reportMetadata) checkSort(t *reportType) error {
	if m.SortBy == nil {
		m.SortBy = []reportSort{}
	}
	if len(m.SortBy) > 1 {
		return badReport("A report can only be sorted by one column.")
	}
	for i := range m.SortBy {
		s := &m.SortBy[i]
		switch {
		case m.ReportFormat == "MATRIX":
			return badReport("Column sorting isn't supported for matrix reports.")
		case s.SortColumn == "":
			return badReport("The sort column name can't be null.")
		case !slices.Contains(m.DetailColumns, s.SortColumn) || longText(t.columns[s.SortColumn].field):
			return badReport("The sort column name must be from a selected column.")
		}
		if err := checkOrder(&s.SortOrder); err != nil {
			return err
		}
	}
	if m.TopRows == nil {
		return nil
	}
	switch {
	case m.ReportFormat != "TABULAR":
		return badReport("A row limit is only supported on a tabular report.")
	case m.TopRows.RowLimit < 1 || m.TopRows.RowLimit > 2000:
		return badReport("The row limit must be a number from 1 to 2000.")
	case len(m.SortBy) == 0:
		return badReport("A report must be sorted by one column when requesting a Top N number of rows.")
	}
	return checkOrder(&m.TopRows.Direction)
}

// checkScope wants a scope and standard filters the type has.
func (m *reportMetadata) checkScope(t *reportType) error {
	if m.Scope != "organization" && (m.Scope != "user" || t.object.Field("OwnerId") == nil) {
		return badReport("Scope: Invalid value specified: %s", m.Scope)
	}
	for _, filter := range m.StandardFilters {
		if _, err := t.standardCondition(filter); err != nil {
			return err
		}
	}
	return nil
}

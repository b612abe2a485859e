package fakeorg

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The definitions of reports and dashboards are kept in a table of their own, by the id of the record: as on the
// platform, a query does not show them.
const definitionTable = `CREATE TABLE "AnalyticsDefinition" ("Id" TEXT PRIMARY KEY, "Definition" TEXT NOT NULL) WITHOUT ROWID`

// keepDefinition writes the definition of a report or dashboard.
func (c *call) keepDefinition(id string, definition any) error {
	text, err := encode(definition)
	if err != nil {
		return err
	}
	_, err = c.db.ExecContext(c.Context(), `INSERT OR REPLACE INTO "AnalyticsDefinition" ("Id", "Definition") VALUES (?, ?)`, id, string(text))
	return err
}

// readDefinition reads the definition of a report or dashboard that is not deleted, or reports that there is none.
func (c *call) readDefinition(o *Object, id string, into any) (found bool, err error) {
	var text string
	err = c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT d."Definition" FROM "AnalyticsDefinition" d JOIN %q o ON o."Id" = d."Id"
		WHERE d."Id" = ? AND NOT o."IsDeleted"`, o.Name), id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal([]byte(text), into)
}

// pathReport returns the definition of the report of the path, complete as describe shows it.
func (c *call) pathReport() (*reportType, *reportMetadata, error) {
	given := c.PathValue("id")
	if !looksLikeID(given) {
		return nil, nil, refuse(http.StatusNotFound, "NOT_FOUND",
			"Use a valid URL, for example, /services/data/(apiversion)/analytics/reports/(reportID)/describe, to retrieve report metadata.")
	}
	id, _ := parseID(given)
	return c.report(id)
}

// report returns the definition of a report.
func (c *call) report(id string) (*reportType, *reportMetadata, error) {
	m := &reportMetadata{}
	found, err := c.readDefinition(c.org.schema.Object("Report"), id, m)
	switch {
	case err != nil:
		return nil, nil, err
	case !found:
		return nil, nil, unavailable()
	}
	t := c.org.reportType(m.ReportType.Type)
	return t, m, c.complete(t, m)
}

// complete checks a definition and fills in what it leaves out, such as the dates of a duration.
func (c *call) complete(t *reportType, m *reportMetadata) error {
	if err := m.check(t); err != nil {
		return err
	}
	_, err := m.condition(t, c.user.id, c.now())
	return err
}

// reportAttributes is the first member of answers about a report.
func (c *call) reportAttributes(m *reportMetadata) object {
	id := "null" // as the platform writes the paths of a report that is not saved
	if m.ID != nil {
		id = *m.ID
	}
	return object{{"describeUrl", c.analyticsURL("reports/" + id + "/describe")}, {"instancesUrl", c.analyticsURL("reports/" + id + "/instances")},
		{"reportId", m.ID}, {"reportName", m.Name}, {"type", "Report"}}
}

// recentReports is GET /analytics/reports: those the user has viewed last.
func recentReports(c *call) (*answer, error) {
	items, err := c.recentlyViewed("Report", "Name")
	if err != nil {
		return nil, err
	}
	reports := []object{}
	for _, item := range items {
		url := c.analyticsURL("reports/" + item.id)
		reports = append(reports, object{{"describeUrl", url + "/describe"}, {"id", item.id}, {"instancesUrl", url + "/instances"}, {"name", item.name},
			{"url", url}})
	}
	return ok(reports)
}

// viewedRecord is a record the user has viewed.
type viewedRecord struct{ id, name string }

// recentlyViewed lists the records of a type the user has viewed last, under the names they have now.
func (c *call) recentlyViewed(kind, name string) ([]viewedRecord, error) {
	rows, err := c.db.QueryContext(c.Context(), fmt.Sprintf(`SELECT o."Id", o.%q FROM RecentlyViewed v JOIN %q o ON o."Id" = v."Id"
		WHERE v.ViewerId = ? AND NOT o.IsDeleted ORDER BY v.LastViewedDate DESC, o."Id" LIMIT 200`, name, kind), c.user.id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var viewed []viewedRecord
	for rows.Next() {
		var v viewedRecord
		if err := rows.Scan(&v.id, &v.name); err != nil {
			return nil, err
		}
		viewed = append(viewed, v)
	}
	return viewed, rows.Err()
}

// getReportMetadata is GET /analytics/reports/{id}/describe.
func getReportMetadata(c *call) (*answer, error) {
	t, m, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	c.viewed = append(c.viewed, *m.ID)
	return ok(c.describeReport(t, m))
}

// readOverrides reads the body of a request about a report.
func (c *call) readOverrides() (reportBody, error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	if kind := c.Header.Get("Content-Type"); len(text) > 0 && kind != "" && !strings.Contains(kind, "json") {
		return nil, refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "The Reports and Dashboards REST API only supports JSON content type in "+
			"both request and response bodies. Specify requests with content type as application/json.")
	}
	return readReportBody(text)
}

// overridden returns the report of the path with what the request changes for one run, and whether details are wanted:
// as the parameter says, else the body.
func (c *call) overridden() (t *reportType, m *reportMetadata, details bool, err error) {
	t, saved, err := c.pathReport()
	if err != nil {
		return nil, nil, false, err
	}
	body, err := c.readOverrides()
	if err != nil {
		return nil, nil, false, err
	}
	if m, err = saved.with(body); err != nil {
		return nil, nil, false, err
	}
	if m.ReportType.Type != saved.ReportType.Type {
		return nil, nil, false, badReport("The type of a report can't be changed.")
	}
	m.Name, m.DeveloperName, m.Description, m.FolderID = saved.Name, saved.DeveloperName, saved.Description, saved.FolderID
	return t, m, c.wantsDetails(body, m), nil
}

func (c *call) wantsDetails(body reportBody, m *reportMetadata) bool {
	if c.URL.Query().Has("includeDetails") {
		return strings.EqualFold(c.URL.Query().Get("includeDetails"), "true")
	}
	_, given := body["hasDetailRows"]
	return given && m.HasDetailRows
}

// executeReport is GET and POST /analytics/reports/{id}?includeDetails=: a run whose result is the answer.
func executeReport(c *call) (*answer, error) {
	t, m, details, err := c.overridden()
	if err != nil {
		return nil, err
	}
	result, err := c.runReport(t, m, details, c.user.id)
	if err != nil {
		return nil, err
	}
	if err := c.org.spend("HourlySyncReportRuns"); err != nil {
		return nil, err
	}
	c.viewed = append(c.viewed, *m.ID)
	c.later(0, func(c *call) error { return c.noteRun(*m.ID) })
	return ok(append(object{{"attributes", c.reportAttributes(m)}}, result...))
}

// noteRun writes down that a report has been run.
func (c *call) noteRun(id string) error {
	_, err := c.db.ExecContext(c.Context(), `UPDATE "Report" SET LastRunDate = ? WHERE Id = ?`, c.now().Format(storedTime), id)
	return err
}

// newDefinition makes a report of a request that says what it is of.
func (c *call) newDefinition(body reportBody) (*reportType, *reportMetadata, error) {
	var given struct{ Type string }
	if err := json.Unmarshal(body["reportType"], &given); err != nil {
		return nil, nil, badReport("The report type can't be null.")
	}
	t := c.org.reportType(given.Type)
	if t == nil {
		return nil, nil, badReport("Report type: Invalid value specified: %s", given.Type)
	}
	m, err := newReport(t).with(body)
	if err != nil {
		return nil, nil, err
	}
	m.ID, m.DeveloperName = nil, nil
	return t, m, nil
}

// queryReport is POST /analytics/reports/query: a run of a report that is not saved.
func queryReport(c *call) (*answer, error) {
	body, err := c.readOverrides()
	if err != nil {
		return nil, err
	}
	t, m, err := c.newDefinition(body)
	if err != nil {
		return nil, err
	}
	result, err := c.runReport(t, m, c.wantsDetails(body, m), c.user.id)
	if err != nil {
		return nil, err
	}
	if err := c.org.spend("HourlySyncReportRuns"); err != nil {
		return nil, err
	}
	return ok(append(object{{"attributes", c.reportAttributes(m)}}, result...))
}

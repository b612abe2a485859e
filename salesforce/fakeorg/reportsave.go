package fakeorg

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// createReport is POST /analytics/reports, with ?cloneId= a copy.
func createReport(c *call) (*answer, error) {
	body, err := c.readOverrides()
	if err != nil {
		return nil, err
	}
	var t *reportType
	var m *reportMetadata
	if c.URL.Query().Has("cloneId") {
		t, m, err = c.copied(body)
	} else {
		t, m, err = c.newDefinition(body)
	}
	if err != nil {
		return nil, err
	}
	if err := c.saveNewReport(t, m, body["developerName"]); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusOK, body: c.describeReport(t, m)}, c.org.markViewed(c.Context(), c.db, c.user, []string{*m.ID})
}

// copied is the report of the parameter cloneId with what the request changes.
func (c *call) copied(body reportBody) (*reportType, *reportMetadata, error) {
	id, valid := parseID(c.URL.Query().Get("cloneId"))
	if !valid {
		return nil, nil, badReport("The clone request must contain a valid cloneId parameter.")
	}
	t, saved, err := c.report(id)
	if err != nil {
		return nil, nil, badReport("The clone request must contain a valid cloneId parameter.")
	}
	saved.FolderID = nil // a copy goes into the folder of the user, unless the request names one
	m, err := saved.with(body)
	if err == nil && m.ReportType.Type != t.Type {
		err = badReport("The type of a report can't be changed.")
	}
	return t, m, err
}

// saveReport is PATCH /analytics/reports/{id}.
func saveReport(c *call) (*answer, error) {
	t, saved, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	body, err := c.readOverrides()
	if err != nil {
		return nil, err
	}
	m, err := saved.with(body)
	if err != nil {
		return nil, err
	}
	if m.ReportType.Type != t.Type {
		return nil, badReport("The type of a report can't be changed.")
	}
	if m.DeveloperName == nil || *m.DeveloperName != apiName(*m.DeveloperName) {
		return nil, badReport("The report unique name is invalid.")
	}
	if free, err := c.unusedName("Report", *m.DeveloperName); err != nil || free != *m.DeveloperName && *m.DeveloperName != *saved.DeveloperName {
		return nil, firstError(err, badReport("The report unique name is already used."))
	}
	folder, err := c.checkSaved(t, m)
	if err != nil {
		return nil, err
	}
	if err := c.store(c.org.schema.Object("Report"), *m.ID, c.reportChanges(m, folder), false); err != nil {
		return nil, err
	}
	c.org.outdate(*m.ID, false)
	return &answer{status: http.StatusOK, body: c.describeReport(t, m)}, c.keepDefinition(*m.ID, m)
}

// saveNewReport writes a report under a new id.
func (c *call) saveNewReport(t *reportType, m *reportMetadata, developerName json.RawMessage) error {
	if m.FolderID == nil {
		m.FolderID = &c.user.id
	}
	var name string
	if err := json.Unmarshal(developerName, &name); err != nil || name == "" {
		name = apiName(m.Name)
	}
	name, err := c.unusedName("Report", name)
	if err != nil {
		return err
	}
	m.DeveloperName = &name
	folder, err := c.checkSaved(t, m)
	if err != nil {
		return err
	}
	id, err := c.add(c.org.schema.Object("Report"), c.reportChanges(m, folder))
	if err != nil {
		return err
	}
	m.ID = &id
	return c.keepDefinition(id, m)
}

// checkSaved refuses definitions that cannot be saved, and gives the name of the folder.
func (c *call) checkSaved(t *reportType, m *reportMetadata) (folder string, err error) {
	switch {
	case strings.TrimSpace(m.Name) == "":
		return "", badReport("The report name can't be null.")
	case m.FolderID == nil:
		return "", badReport("The report folder ID can't be null.")
	}
	if folder, err = c.folder("Report", m.FolderID); err != nil {
		return "", err
	}
	if folder == "" {
		return "", badReport("The report folder ID must be a valid folder ID.")
	}
	return folder, c.complete(t, m)
}

// folder gives the name of a folder for reports or dashboards, "" when there is none, and the id its long form. Beside
// the folders there are the one of the user, whose id is the user's, and the public one, whose id is the org's.
func (c *call) folder(kind string, id *string) (name string, err error) {
	full, valid := parseID(*id)
	switch {
	case !valid:
		return "", nil
	case full == c.user.id:
		name = "Private " + kind + "s"
	case full == organizationID:
		name = "Unfiled Public " + kind + "s"
	default:
		folders := c.org.schema.Object("Folder")
		row, err := c.load(folders, full)
		if err != nil || row == nil || row["Type"] != kind {
			return "", err
		}
		name, _ = row["Name"].(string)
	}
	*id = full
	return name, nil
}

// reportChanges are the fields of the record of a report.
func (c *call) reportChanges(m *reportMetadata, folder string) []change {
	o := c.org.schema.Object("Report")
	var description any
	if m.Description != nil {
		description = *m.Description
	}
	format := map[string]string{"TABULAR": "Tabular", "SUMMARY": "Summary", "MATRIX": "Matrix"}[m.ReportFormat]
	return []change{{o.Field("Name"), m.Name}, {o.Field("DeveloperName"), *m.DeveloperName}, {o.Field("Description"), description},
		{o.Field("Format"), format}, {o.Field("OwnerId"), *m.FolderID}, {o.Field("FolderName"), folder}}
}

// apiName makes a unique name of a display name: letters and digits with single underscores between them.
func apiName(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 || unicode.IsDigit(rune(words[0][0])) {
		words = append([]string{"X"}, words...)
	}
	return strings.Join(words, "_")
}

// unusedName appends a number to a unique name when it is taken.
func (c *call) unusedName(kind, name string) (string, error) {
	o := c.org.schema.Object(kind)
	for n := 1; ; n++ {
		candidate := name
		if n > 1 {
			candidate = fmt.Sprintf("%s%d", name, n)
		}
		if taken, err := c.find(o, o.Field("DeveloperName"), candidate); err != nil || len(taken) == 0 {
			return candidate, err
		}
	}
}

// deleteReport is DELETE /analytics/reports/{id}: the report goes into the recycle bin.
func deleteReport(c *call) (*answer, error) {
	_, m, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	component := c.org.schema.Object("DashboardComponent")
	users, err := c.find(component, component.Field("CustomReportId"), *m.ID)
	if err != nil {
		return nil, err
	}
	if len(users) > 0 {
		return nil, refuse(http.StatusForbidden, "FORBIDDEN", "The report can't be deleted because there are one or more dashboards referencing it.")
	}
	c.org.outdate(*m.ID, true)
	return &answer{status: http.StatusNoContent}, c.discard(c.org.schema.Object("Report"), *m.ID)
}

// outdate makes the instances of a report useless: those that run end, and results of an older definition are not
// shown any more.
func (o *Org) outdate(reportID string, deleted bool) {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	o.analytics.instances = slices.DeleteFunc(o.analytics.instances, func(i *reportInstance) bool {
		if i.reportID != reportID {
			return false
		}
		i.outdated = true
		return deleted || !i.done()
	})
}

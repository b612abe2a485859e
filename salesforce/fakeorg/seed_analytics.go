package fakeorg

import (
	"encoding/json"
	"fmt"
	"time"
)

// analytics are the folders, reports and dashboards of the company. The dashboards have been refreshed once, when the
// org was made.
func (s *seeder) analytics() {
	if s.err == nil {
		s.err = s.addAnalytics()
	}
}

func (s *seeder) addAnalytics() error {
	doc, err := readReports()
	if err != nil {
		return err
	}
	if s.org.analytics.types, err = resolveReportTypes(s.org.schema, doc); err != nil {
		return err
	}
	s.org.analytics.spent, s.org.analytics.results = map[string][]time.Time{}, map[string]*componentResult{}
	if _, err := s.db.ExecContext(s.Context(), definitionTable); err != nil {
		return err
	}
	folders := map[string]string{}
	for _, folder := range doc.Folders {
		folders[folder.DeveloperName] = s.add("Folder", 860, values{"Name": folder.Name, "DeveloperName": folder.DeveloperName, "Type": folder.Type, "AccessType": "Public"})
	}
	if s.err != nil {
		return s.err
	}
	s.at = s.org.now().AddDate(0, 0, -850)
	reports := map[string]string{}
	for _, report := range doc.Reports {
		id, err := s.addReport(report, folders)
		if err != nil {
			return fmt.Errorf("seed: report %v: %w", report["name"], err)
		}
		reports[report["developerName"].(string)] = id
	}
	for _, seed := range doc.Dashboards {
		if err := s.addDashboard(seed, folders, reports); err != nil {
			return fmt.Errorf("seed: dashboard %s: %w", seed.Name, err)
		}
	}
	return s.org.markViewed(s.Context(), s.db, &user{id: s.users[2]}, []string{reports["Opportunities_by_Stage"], reports["Open_Cases"]})
}

// addReport writes a report of the file in the same way as one that a client creates.
func (s *seeder) addReport(report map[string]any, folders map[string]string) (string, error) {
	body := reportBody{}
	for name, value := range report {
		if name == "folder" {
			name, value = "folderId", folders[value.(string)]
		}
		text, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		body[name] = text
	}
	t, m, err := s.newDefinition(body)
	if err != nil {
		return "", err
	}
	if err := s.saveNewReport(t, m, body["developerName"]); err != nil {
		return "", err
	}
	return *m.ID, nil
}

func (s *seeder) addDashboard(seed dashboardSeed, folders, reports map[string]string) error {
	d := &dashboard{Name: seed.Name, DeveloperName: seed.DeveloperName, Description: seed.Description, FolderID: folders[seed.Folder], Type: seed.DashboardType,
		RunningUser: s.user.id}
	if seed.RunningUser != "" {
		u, err := s.org.findUser(s.Context(), s.db, seed.RunningUser)
		if err != nil {
			return err
		}
		d.RunningUser = u.id
	}
	for _, filter := range seed.Filters {
		f := dashboardFilter{Name: filter.Name}
		for _, o := range filter.Options {
			f.Options = append(f.Options, dashboardOption{Alias: o.Alias, Operation: o.Operation, Value: o.Value, StartValue: o.StartValue, EndValue: o.EndValue})
		}
		d.Filters = append(d.Filters, f)
	}
	for _, component := range seed.Components {
		id, known := reports[component.Report]
		if !known || len(component.FilterColumns) != len(seed.Filters) {
			return fmt.Errorf("component %s has no such report, or not a column for each filter", component.Header)
		}
		d.Components = append(d.Components, dashboardComponent{Header: component.Header, ReportID: id, VisualizationType: component.VisualizationType,
			Groupings: component.Groupings, Aggregates: component.Aggregates, FilterColumns: component.FilterColumns})
	}
	if err := s.saveNewDashboard(d); err != nil {
		return err
	}
	now := *s.call
	now.at = s.org.now()
	for _, component := range d.Components {
		if err := now.refresh(&dashboardView{dashboard: d, user: d.RunningUser, options: make([]*dashboardOption, len(d.Filters))}, component); err != nil {
			return err
		}
	}
	return nil
}

package fakeorg

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// instanceLife is how long the result of an asynchronous run is kept, instanceLimit how many a list has.
const (
	instanceLife  = 24 * time.Hour
	instanceLimit = 2000
)

// reportInstance is an asynchronous run of a report. Guarded by the mutex of [analytics], except for what does not
// change: ids, owner, details and the time it was asked for.
type reportInstance struct {
	id, reportID, owner string
	details             bool
	requested           time.Time

	status    string // New, Running, Success or Error
	completed time.Time
	name      string          // of the report
	result    json.RawMessage // the members of the answer when it succeeded
	outdated  bool            // the report was changed since
}

func (i *reportInstance) done() bool { return i.status == "Success" || i.status == "Error" }

// handle is what lists and the answer to a request say of an instance.
func (i *reportInstance) handle(c *call) object {
	var url any = c.analyticsURL("reports/" + i.reportID + "/instances/" + i.id)
	if i.status == "Error" {
		url = nil
	}
	return object{{"completionDate", i.completion()}, {"hasDetailRows", i.details}, {"id", i.id}, {"ownerId", i.owner}, {"queryable", false},
		{"requestDate", i.requested.Format(time.RFC3339)}, {"status", i.status}, {"url", url}}
}

func (i *reportInstance) completion() any {
	if !i.done() {
		return nil
	}
	return i.completed.Format(time.RFC3339)
}

// createInstance is POST /analytics/reports/{id}/instances?includeDetails=. What is wrong with the request is told at
// once; the rows are those there are when the run ends.
func createInstance(c *call) (*answer, error) {
	t, m, details, err := c.overridden()
	if err != nil {
		return nil, err
	}
	if err := c.complete(t, m); err != nil {
		return nil, err
	}
	if err := c.org.spend("HourlyAsyncReportRuns"); err != nil {
		return nil, err
	}
	c.org.numbers["ReportInstance"]++
	i := &reportInstance{id: makeID("0LG", c.org.numbers["ReportInstance"]), reportID: *m.ID, owner: c.user.id, details: details,
		requested: c.now(), status: "New", name: m.Name}
	a := &c.org.analytics
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instances = append(a.instances, i)
	c.later(1, func(c *call) error {
		c.org.change(i, func() { i.status = "Running" })
		return nil
	})
	c.later(2, func(c *call) error { return c.finish(i, t, m) })
	return ok(i.handle(c))
}

// change changes an instance that is still wanted.
func (o *Org) change(i *reportInstance, do func()) {
	o.analytics.mu.Lock()
	defer o.analytics.mu.Unlock()
	if slices.Contains(o.analytics.instances, i) {
		do()
	}
}

// finish runs the report of an instance. It fails when its owner may not run reports any more: here, when the user is
// not active.
func (c *call) finish(i *reportInstance, t *reportType, m *reportMetadata) error {
	var active bool
	if err := c.db.QueryRowContext(c.Context(), `SELECT IsActive FROM "User" WHERE Id = ?`, i.owner).Scan(&active); err != nil {
		return err
	}
	var result []byte
	if active {
		members, err := c.runReport(t, m, i.details, i.owner)
		if err != nil {
			return err
		}
		if result, err = encode(members); err != nil {
			return err
		}
		if err := c.noteRun(i.reportID); err != nil {
			return err
		}
	}
	c.org.change(i, func() {
		i.status, i.completed, i.result = "Error", c.now(), result
		if active {
			i.status = "Success"
		}
	})
	return nil
}

// instancesOf gives the instances of a report that are still kept, the newest first. The caller holds the lock.
func (o *Org) instancesOf(reportID string) []*reportInstance {
	oldest := o.now().Add(-instanceLife)
	o.analytics.instances = slices.DeleteFunc(o.analytics.instances, func(i *reportInstance) bool { return !i.requested.After(oldest) })
	var found []*reportInstance
	for _, i := range slices.Backward(o.analytics.instances) {
		if i.reportID == reportID {
			found = append(found, i)
		}
	}
	return found
}

// listInstances is GET /analytics/reports/{id}/instances.
func listInstances(c *call) (*answer, error) {
	_, m, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	c.org.analytics.mu.Lock()
	defer c.org.analytics.mu.Unlock()
	handles := []object{}
	for _, i := range c.org.instancesOf(*m.ID) {
		if len(handles) < instanceLimit {
			handles = append(handles, i.handle(c))
		}
	}
	return ok(handles)
}

// pathInstance returns the instance of the path. The caller holds the lock.
func (c *call) pathInstance(reportID string) (*reportInstance, error) {
	id, _ := parseID(c.PathValue("instance"))
	for _, i := range c.org.instancesOf(reportID) {
		if i.id == id {
			return i, nil
		}
	}
	return nil, unavailable()
}

// getInstance is GET /analytics/reports/{id}/instances/{instance}. Before the run has ended there is no result.
func getInstance(c *call) (*answer, error) {
	_, m, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	c.org.analytics.mu.Lock()
	defer c.org.analytics.mu.Unlock()
	i, err := c.pathInstance(*m.ID)
	if err != nil {
		return nil, err
	}
	if i.status == "Success" && i.outdated {
		return nil, refuse(http.StatusInternalServerError, "INTERNAL_ERROR", "Results for this instance are unavailable because the report's metadata "+
			"has changed from when the report was last run. To get results, run the report again or undo changes to the report's metadata.")
	}
	attributes := member{"attributes", object{{"completionDate", i.completion()}, {"id", i.id}, {"ownerId", i.owner}, {"queryable", false},
		{"reportId", i.reportID}, {"reportName", i.name}, {"requestDate", i.requested.Format(time.RFC3339)}, {"status", i.status},
		{"type", "ReportInstance"}}}
	if i.status != "Success" {
		return ok(object{attributes, {"allData", false}, {"factMap", nil}, {"groupingsAcross", nil}, {"groupingsDown", nil}, {"hasDetailRows", i.details},
			{"reportExtendedMetadata", nil}, {"reportMetadata", nil}})
	}
	first, err := encode(object{attributes})
	if err != nil {
		return nil, err
	}
	body := append(append(first[:len(first)-1], ','), i.result[1:]...)
	return ok(json.RawMessage(body))
}

// deleteInstance is DELETE /analytics/reports/{id}/instances/{instance}.
func deleteInstance(c *call) (*answer, error) {
	_, m, err := c.pathReport()
	if err != nil {
		return nil, err
	}
	a := &c.org.analytics
	a.mu.Lock()
	defer a.mu.Unlock()
	i, err := c.pathInstance(*m.ID)
	if err != nil {
		return nil, err
	}
	if !i.done() {
		return nil, badReport("The report instance can't be deleted before its run has ended.")
	}
	a.instances = slices.DeleteFunc(a.instances, func(other *reportInstance) bool { return other == i })
	return &answer{status: http.StatusNoContent}, nil
}

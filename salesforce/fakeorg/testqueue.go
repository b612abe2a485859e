package fakeorg

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// testRequest is the body of a request for tests.
type testRequest struct {
	Tests []struct {
		ClassName, ClassID string
		TestMethods        []string
	}
	ClassNames, ClassIDs, SuiteNames, SuiteIDs string
	MaxFailedTests                             any // a number or, in the documentation of synchronous runs, a text
	SkipCodeCoverage                           any
	TestLevel                                  string
}

// readTestRequest reads an object, a bare array of tests, or the query of a GET.
func (c *call) readTestRequest() (*testRequest, error) {
	q := c.URL.Query()
	if c.Method == http.MethodGet {
		return &testRequest{ClassIDs: q.Get("classids"), ClassNames: q.Get("classnames")}, nil
	}
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	r := &testRequest{}
	if strings.HasPrefix(strings.TrimSpace(string(body)), "[") {
		err = json.Unmarshal(body, &r.Tests)
	} else {
		err = json.Unmarshal(body, r)
	}
	if err != nil {
		return nil, unreadable(body, err)
	}
	return r, nil
}

func (r *testRequest) skipsCoverage() bool { return fmt.Sprint(r.SkipCodeCoverage) == "true" }

// mostFailures is how many tests may fail before the rest is left out; -1 is all.
func (r *testRequest) mostFailures() int {
	n := -1
	if r.MaxFailedTests != nil {
		_, _ = fmt.Sscan(fmt.Sprint(r.MaxFailedTests), &n) // what is no number does not limit
	}
	return n
}

// testClasses finds the classes a request names, each once.
func (c *call) testClasses(r *testRequest) ([]*testClass, error) {
	if r.TestLevel != "" && r.TestLevel != "RunSpecifiedTests" {
		if r.TestLevel != "RunLocalTests" && r.TestLevel != "RunAllTestsInOrg" {
			return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "%s is not a test level", r.TestLevel)
		}
		if len(r.Tests) > 0 || r.ClassNames+r.ClassIDs+r.SuiteNames+r.SuiteIDs != "" { // as documented; words not found in a source
			return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "Do not specify classes, suites or tests when the test level is %s", r.TestLevel)
		}
		return c.localTests()
	}
	var classes []*testClass
	add := func(name string, methods []string) error {
		t, err := c.testClassOf(name, methods)
		if err == nil && !slices.ContainsFunc(classes, func(known *testClass) bool { return known.id == t.id && len(methods) == 0 }) {
			classes = append(classes, t)
		}
		return err
	}
	for _, test := range r.Tests {
		if err := add(test.ClassName+test.ClassID, test.TestMethods); err != nil {
			return nil, err
		}
	}
	suites, err := c.suiteClasses(list(r.SuiteNames), list(r.SuiteIDs))
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(list(r.ClassNames), list(r.ClassIDs), suites) {
		if err := add(name, nil); err != nil {
			return nil, err
		}
	}
	if len(classes) == 0 {
		return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "Always provide a classes, suites, tests, or testLevel property")
	}
	return classes, nil
}

// suiteClasses lists the ids of the classes in suites.
func (c *call) suiteClasses(suiteNames, suiteIDs []string) ([]string, error) {
	var ids []string
	for _, suite := range append(suiteNames, suiteIDs...) {
		id, _ := parseID(suite)
		rows, err := c.rows(`SELECT m.ApexClassId FROM ApexTestSuite AS s JOIN TestSuiteMembership AS m ON m.ApexTestSuiteId = s.Id AND NOT m.IsDeleted
			WHERE (s.TestSuiteName = ? OR s.Id = ?) AND NOT s.IsDeleted ORDER BY m.Id`, []any{suite, id})
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "The suite %s does not exist or has no classes", suite)
		}
		for _, row := range rows {
			class, _ := row[0].(string)
			ids = append(ids, class)
		}
	}
	return ids, nil
}

// runTestsSynchronous is POST /tooling/runTestsSynchronous: one class, run while the client waits.
func runTestsSynchronous(c *call) (*answer, error) {
	r, err := c.readTestRequest()
	if err != nil {
		return nil, err
	}
	classes, err := c.testClasses(r)
	if err != nil {
		return nil, err
	}
	if len(classes) > 1 { // words not found in a source
		return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "Only one test class can be run synchronously, the request has %d", len(classes))
	}
	outcomes, err := c.runTests(classes, r.mostFailures())
	if err != nil {
		return nil, err
	}
	if !r.skipsCoverage() {
		if err := c.keepCoverage(outcomes); err != nil {
			return nil, err
		}
	}
	body, err := c.testResult(outcomes)
	if err != nil {
		return nil, err
	}
	return ok(body)
}

// queuedRun is a run of tests one after the other.
type queuedRun struct {
	job, result       string
	request           *testRequest
	items             []string // an ApexTestQueueItem for each class
	names             []testNames
	done, failedTests int
}

// testNames says again which methods to run when their turn comes: the class may have changed by then.
type testNames struct {
	class   string
	methods []string
}

// runTestsAsynchronous is POST and GET /tooling/runTestsAsynchronous. The answer is the id of the job, a text of 15
// characters.
func runTestsAsynchronous(c *call) (*answer, error) {
	r, err := c.readTestRequest()
	if err != nil {
		return nil, err
	}
	classes, err := c.testClasses(r)
	if err != nil {
		return nil, err
	}
	run, err := c.enqueue(r, classes)
	if err != nil {
		return nil, err
	}
	c.later(1, func(c *call) error { return c.runNext(run, 0) })
	return ok(run.job[:15])
}

// enqueue writes the records of a run that has not begun.
func (c *call) enqueue(r *testRequest, classes []*testClass) (*queuedRun, error) {
	run := &queuedRun{request: r}
	methods := 0
	for _, t := range classes {
		methods += len(t.methods)
	}
	var err error
	if run.job, err = c.row("AsyncApexJob", values{"JobType": "TestRequest", "Status": "Queued", "TotalJobItems": len(classes)}); err != nil {
		return nil, err
	}
	if run.result, err = c.row("ApexTestRunResult", values{"AsyncApexJobId": run.job, "UserId": c.user.id, "Status": "Queued", "Source": "API",
		"IsAllTests": r.TestLevel == "RunAllTestsInOrg", "StartTime": c.now().Format(storedTime), "ClassesEnqueued": len(classes),
		"ClassesCompleted": 0, "MethodsEnqueued": methods, "MethodsCompleted": 0, "MethodsFailed": 0}); err != nil {
		return nil, err
	}
	for _, t := range classes {
		item, err := c.row("ApexTestQueueItem", values{"ApexClassId": t.id, "Status": "Queued", "ParentJobId": run.job, "TestRunResultId": run.result,
			"ShouldSkipCodeCoverage": r.skipsCoverage()})
		if err != nil {
			return nil, err
		}
		names := testNames{class: t.id}
		for _, m := range t.methods {
			names.methods = append(names.methods, m.Name)
		}
		run.items, run.names = append(run.items, item), append(run.names, names)
	}
	return run, nil
}

// row writes a record of the Tooling API that no client could write.
func (c *call) row(object string, fields values) (string, error) {
	o := c.org.schema.tooling.Object(object)
	id := c.org.newID(o)
	return id, c.setRow(o, id, fields, true)
}

func (c *call) setRow(o *Object, id string, fields values, creating bool) error {
	var changes []change
	for _, f := range o.Fields {
		if v, given := fields[f.Name]; given {
			changes = append(changes, change{f, v})
		}
	}
	if creating {
		changes = c.withDefaults(o, changes)
	}
	return c.store(o, id, changes, creating)
}

// set changes fields of such a record.
func (c *call) set(object, id string, fields values) error {
	return c.setRow(c.org.schema.tooling.Object(object), id, fields, false)
}

// runNext begins with the class of a number, whose results are there a step later.
func (c *call) runNext(run *queuedRun, i int) error {
	for i < len(run.items) && c.itemStatus(run.items[i]) == "Aborted" {
		i++
	}
	if i >= len(run.items) {
		return c.finishRun(run)
	}
	for _, step := range []error{
		c.set("AsyncApexJob", run.job, values{"Status": "Processing"}),
		c.set("ApexTestRunResult", run.result, values{"Status": "Processing"}),
		c.set("ApexTestQueueItem", run.items[i], values{"Status": "Processing"}),
	} {
		if step != nil {
			return step
		}
	}
	c.later(1, func(c *call) error {
		if c.itemStatus(run.items[i]) != "Aborted" {
			if err := c.runItem(run, i); err != nil {
				return err
			}
		}
		return c.runNext(run, i+1)
	})
	return nil
}

func (c *call) itemStatus(id string) (status string) {
	_ = c.db.QueryRowContext(c.Context(), `SELECT Status FROM ApexTestQueueItem WHERE Id = ?`, id).Scan(&status) // "" when it is gone
	return status
}

// runItem runs the tests of one class and writes their results.
func (c *call) runItem(run *queuedRun, i int) error {
	item := run.items[i]
	t, err := c.testClassOf(run.names[i].class, run.names[i].methods)
	if err != nil {
		return c.set("ApexTestQueueItem", item, values{"Status": "Failed", "ExtendedStatus": asFault(err).message})
	}
	most := run.request.mostFailures()
	if most >= 0 {
		most = max(most-run.failedTests, -1)
	}
	outcomes, err := c.runTests([]*testClass{t}, most)
	if err != nil {
		return err
	}
	failed := 0
	for _, one := range outcomes {
		if one.failed() {
			failed++
		}
		if err := c.writeResult(run, item, one); err != nil {
			return err
		}
	}
	if !run.request.skipsCoverage() {
		if err := c.keepCoverage(outcomes); err != nil {
			return err
		}
	}
	run.done, run.failedTests = run.done+len(outcomes), run.failedTests+failed
	if err := c.set("AsyncApexJob", run.job, values{"JobItemsProcessed": i + 1, "NumberOfErrors": run.failedTests}); err != nil {
		return err
	}
	if err := c.set("ApexTestRunResult", run.result, values{"ClassesCompleted": i + 1, "MethodsCompleted": run.done, "MethodsFailed": run.failedTests}); err != nil {
		return err
	}
	return c.set("ApexTestQueueItem", item, values{"Status": "Completed", "ExtendedStatus": fmt.Sprintf("(%d/%d)", len(outcomes)-failed, len(outcomes))})
}

func (c *call) writeResult(run *queuedRun, item string, t *testOutcome) error {
	outcome := "Pass"
	if t.failed() {
		outcome = "Fail"
	}
	id, err := c.row("ApexTestResult", values{"TestTimestamp": c.now().Format(storedTime), "Outcome": outcome, "ApexClassId": t.id, "MethodName": t.method,
		"Message": t.message(), "StackTrace": t.stack(), "AsyncApexJobId": run.job, "QueueItemId": item, "ApexLogId": orNull(t.logID),
		"ApexTestRunResultId": run.result, "RunTime": t.ms})
	if err != nil {
		return err
	}
	_, err = c.row("ApexTestResultLimits", values{"ApexTestResultId": id, "Soql": t.run.Queries, "QueryRows": t.run.QueryRows, "Sosl": 0,
		"Dml": t.run.DML, "DmlRows": t.run.DMLRows, "Cpu": t.ms, "Callouts": 0, "Email": 0, "AsyncCalls": 0, "MobilePush": 0, "LimitContext": "SYNC"})
	return err
}

// finishRun ends a run whose classes have all had their turn.
func (c *call) finishRun(run *queuedRun) error {
	status, jobStatus := "Completed", "Completed"
	aborted := !slices.ContainsFunc(run.items, func(item string) bool { return c.itemStatus(item) != "Aborted" })
	switch {
	case aborted:
		status, jobStatus = "Aborted", "Aborted"
	case run.failedTests > 0:
		status = "Failed"
	}
	var total int
	if err := c.db.QueryRowContext(c.Context(), `SELECT coalesce(sum(RunTime), 0) FROM ApexTestResult WHERE ApexTestRunResultId = ?`, run.result).Scan(&total); err != nil {
		return err
	}
	now := c.now().Format(storedTime)
	if err := c.set("AsyncApexJob", run.job, values{"Status": jobStatus, "CompletedDate": now}); err != nil {
		return err
	}
	return c.set("ApexTestRunResult", run.result, values{"Status": status, "EndTime": now, "TestTime": total, "TestSetupTime": 0})
}

// abortQueueItem is the only change of a queued class: to Aborted.
func abortQueueItem(c *call, o *Object, id string, r record) error {
	if r.get("Status") != "Aborted" {
		return invalid("INVALID_STATUS", "The status of a queued test class can only be set to Aborted", "Status")
	}
	if err := c.mustExist(o, id); err != nil {
		return err
	}
	if now := c.itemStatus(id); now == "Completed" || now == "Failed" {
		return nil // too late, nothing to stop
	}
	return c.set(o.Name, id, values{"Status": "Aborted"})
}

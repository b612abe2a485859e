package fakeorg

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// testClass is a test class and the methods of it that are to be run.
type testClass struct {
	id      string
	class   *apex.Class
	methods []*apex.Method
}

// testOutcome is what became of a test method.
type testOutcome struct {
	*testClass
	method string
	thrown *apex.Exception // nil when it passed
	ms     int
	run    *apex.Interpreter // for its limits, log and coverage
	logID  string
}

func (t *testOutcome) failed() bool { return t.thrown != nil }

func (t *testOutcome) message() any {
	if t.thrown == nil {
		return nil
	}
	return t.thrown.Error()
}

func (t *testOutcome) stack() any {
	if t.thrown == nil {
		return nil
	}
	return t.thrown.Trace
}

// errUndone ends what is only tried out.
var errUndone = errors.New("undone")

// isUndone reports that a trial went well and was undone.
func isUndone(err error) error {
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

// setupObjects are seen by every test, as on the platform; all other records are hidden from it unless its class is
// annotated with SeeAllData.
var setupObjects = []string{"User", "Profile", "Organization", "Group", "GroupMember", "UserRole", "ProcessDefinition"}

// runTests runs test methods, each in an org of its own, whose changes are undone.
func (c *call) runTests(classes []*testClass, stopAfter int) ([]*testOutcome, error) {
	var outcomes []*testOutcome
	failures := 0
	for _, t := range classes {
		err := c.within(func() error {
			if err := c.hideRecords(t.class); err != nil {
				return err
			}
			setup := c.runMethods(t, t.setup())
			for _, m := range t.methods {
				if stopAfter >= 0 && failures > stopAfter {
					break
				}
				one, err := c.runTest(t, m, setup)
				if err != nil {
					return err
				}
				if one.failed() {
					failures++
				}
				outcomes = append(outcomes, one)
			}
			return errUndone
		})
		if err := isUndone(err); err != nil {
			return nil, err
		}
	}
	for _, one := range outcomes {
		if err := c.logTest(one); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// setup lists the methods that prepare the records of every test.
func (t *testClass) setup() []*apex.Method {
	var methods []*apex.Method
	for _, m := range t.class.Methods {
		if m.Setup {
			methods = append(methods, m)
		}
	}
	return methods
}

// runMethods runs methods in their order up to the first failure.
func (c *call) runMethods(t *testClass, methods []*apex.Method) error {
	for _, m := range methods {
		in := &apex.Interpreter{Platform: c.apex(), Testing: true}
		if err := in.RunMethod(m); err != nil {
			return err
		}
	}
	return nil
}

// hideRecords hides what a test does not see.
func (c *call) hideRecords(class *apex.Class) error {
	if class.SeeAllData {
		return nil
	}
	for _, o := range c.org.schema.Objects {
		if o.face || o.View != "" || o.Event || o.PerUser || slices.Contains(setupObjects, o.Name) {
			continue
		}
		if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET IsDeleted = 1 WHERE NOT IsDeleted`, o.Name)); err != nil {
			return err
		}
	}
	return nil
}

// runTest runs one method. What is not understood here fails it, with a message that says so.
func (c *call) runTest(t *testClass, m *apex.Method, setup error) (*testOutcome, error) {
	in := &apex.Interpreter{Platform: c.apex(), Testing: true}
	one := &testOutcome{testClass: t, method: m.Name, run: in}
	err := setup
	if err == nil {
		err = isUndone(c.within(func() error {
			if err := in.RunMethod(m); err != nil {
				return err
			}
			return errUndone
		}))
	}
	one.ms = in.Milliseconds()
	var problem *apex.Error
	switch {
	case errors.As(err, &one.thrown), err == nil:
		return one, nil
	case errors.As(err, &problem):
		one.thrown = &apex.Exception{Type: "CompileError", Message: problem.Message, Line: problem.Line,
			Trace: fmt.Sprintf("Class.%s.%s: line %d, column %d", t.class.Name, m.Name, problem.Line, problem.Column)}
		return one, nil
	}
	return nil, err
}

func (c *call) logTest(t *testOutcome) error {
	run := &apexRun{Interpreter: t.run, operation: "ApexTestHandler", unit: t.class.Name + "." + t.method}
	if t.failed() {
		run.failure, run.line = t.thrown.Error(), t.thrown.Line
	}
	var err error
	t.logID, err = c.writeLog(run)
	return err
}

// testClassOf reads a class that has test methods. Methods names those to run, all when there are none.
func (c *call) testClassOf(name string, methods []string) (*testClass, error) {
	by := "Name"
	if id, valid := parseID(name); valid {
		by, name = "Id", id
	}
	name = name[strings.LastIndexByte(name, '.')+1:] // a namespace
	t := &testClass{}
	var body string
	err := c.db.QueryRowContext(c.Context(), `SELECT Id, Body FROM ApexClass WHERE `+by+` = ? AND NOT IsDeleted`, name).Scan(&t.id, &body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if err == nil {
		t.class, _ = apex.ParseClass(body)
	}
	if t.class == nil || !t.class.Test || len(t.class.Tests()) == 0 {
		return nil, noTests(name)
	}
	for _, m := range t.class.Tests() {
		if len(methods) == 0 || slices.ContainsFunc(methods, func(n string) bool { return strings.EqualFold(n, m.Name) }) {
			t.methods = append(t.methods, m)
		}
	}
	return t, nil
}

// noTests: code, status and words are from an issue (RoseSilverSoftware/IlluminatedCloud #1267).
func noTests(name string) *fault {
	return refuse(403, "INVALID_INPUT", "This class name's value is invalid: %s. Provide the name of an Apex class that has test methods.", name)
}

// localTests are all test classes of the org: it has no packages.
func (c *call) localTests() ([]*testClass, error) {
	rows, err := c.rows(`SELECT Id FROM ApexClass WHERE NOT IsDeleted AND Status = 'Active' ORDER BY Name`, nil)
	if err != nil {
		return nil, err
	}
	var all []*testClass
	for _, row := range rows {
		id, _ := row[0].(string)
		t, err := c.testClassOf(id, nil)
		var none *fault
		switch {
		case err == nil:
			all = append(all, t)
		case !errors.As(err, &none):
			return nil, err
		}
	}
	return all, nil
}

// testResult is the RunTestsResult of test methods.
func (c *call) testResult(outcomes []*testOutcome) (object, error) {
	successes, failures, total, logID := []object{}, []object{}, 0, any(nil)
	for _, t := range outcomes {
		total += t.ms
		if t.logID != "" {
			logID = t.logID
		}
		one := object{{"id", t.id}, {"methodName", t.method}, {"name", t.class.Name}, {"namespace", nil}, {"seeAllData", t.class.SeeAllData}, {"time", t.ms}}
		if t.failed() {
			failures = append(failures, append(one, member{"message", t.message()}, member{"stackTrace", t.stack()}, member{"type", "Class"},
				member{"packageName", t.class.Name}))
		} else {
			successes = append(successes, one)
		}
	}
	coverage, warnings, err := c.coverageOf(outcomes)
	if err != nil {
		return nil, err
	}
	return object{{"apexLogId", logID}, {"codeCoverage", coverage}, {"codeCoverageWarnings", warnings}, {"failures", failures},
		{"flowCoverage", []any{}}, {"flowCoverageWarnings", []any{}}, {"numFailures", len(failures)}, {"numTestsRun", len(outcomes)},
		{"successes", successes}, {"totalTime", total}}, nil
}

package fakeorg

import (
	"errors"
	"fmt"
)

// A deploy takes three steps: it begins and counts its components, it checks them all, and it is done for good, tests
// included. What it has done is kept or undone as a whole, and that only the last step can do.

// deployOutcome is what a deploy has found out.
type deployOutcome struct {
	components []*component
	tests      []*testOutcome
	ran        bool // tests
}

func (r *deployOutcome) errors() int {
	n := 0
	for _, m := range r.components {
		if m.problem != "" {
			n++
		}
	}
	return n
}

func (r *deployOutcome) testErrors() int {
	n := 0
	for _, t := range r.tests {
		if t.failed() {
			n++
		}
	}
	return n
}

// deployed counts the components that went well, without the manifest.
func (r *deployOutcome) deployed() int { return max(len(r.components)-r.errors()-1, 0) }

// deployLater promises a step of a deploy, which is done if the deploy still is in the status the step expects: it may
// have been canceled. A package that cannot be opened fails it.
func (c *call) deployLater(id, status string, step func(*call, string, *deployOptions, *deployPackage) error) {
	c.later(1, func(c *call) error {
		row, err := c.deployRow(id)
		if err != nil || row["Status"] != status {
			return nil //nolint:nilerr // it is gone
		}
		options, zip, err := c.deployed(id)
		if err != nil {
			return err
		}
		p, err := openPackage(zip, options.SinglePackage)
		if err != nil {
			return c.failDeploy(id, err)
		}
		return step(c, id, options, p)
	})
}

func (c *call) beginDeploy(id string, _ *deployOptions, p *deployPackage) error {
	now := c.now().Format(storedTime)
	if err := c.set("DeployRequest", id, values{"Status": "InProgress", "StartDate": now, "NumberComponentsTotal": p.count()}); err != nil {
		return err
	}
	c.deployLater(id, "InProgress", (*call).checkDeploy)
	return nil
}

// failDeploy ends a deploy whose package cannot be opened.
func (c *call) failDeploy(id string, problem error) error {
	text := problem.Error()
	var f *fault
	if errors.As(problem, &f) {
		text = f.message
	}
	r := &deployOutcome{components: []*component{{fullName: "package.xml", file: "package.xml", problem: text}}}
	now := c.now().Format(storedTime)
	if err := c.set("DeployRequest", id, values{"StartDate": now, "NumberComponentsTotal": 0}); err != nil {
		return err
	}
	return c.endDeploy(id, r, "Failed")
}

// checkDeploy tries the components out.
func (c *call) checkDeploy(id string, options *deployOptions, p *deployPackage) error {
	r, tests := &deployOutcome{}, 0
	err := isUndone(c.within(func() error {
		var err error
		if r.components, err = c.apply(p); err != nil {
			return err
		}
		classes, err := c.deployTests(options)
		for _, t := range classes {
			tests += len(t.methods)
		}
		return firstError(err, errUndone)
	}))
	var refused *fault
	if err != nil && !errors.As(err, &refused) { // tests that cannot be run fail the last step
		return err
	}
	detail := values{"NumberComponentsDeployed": r.deployed(), "NumberComponentErrors": r.errors(), "NumberComponentsTotal": r.deployed() + r.errors(),
		"NumberTestsTotal": tests}
	if tests > 0 {
		detail["StateDetail"] = "Running Apex tests"
	}
	if err := c.set("DeployRequest", id, detail); err != nil {
		return err
	}
	c.deployLater(id, "InProgress", (*call).finishDeploy)
	return nil
}

// deployTests finds the tests that are part of a deploy.
func (c *call) deployTests(o *deployOptions) ([]*testClass, error) {
	switch {
	case !o.runsTests():
		return nil, nil
	case o.RunAllTests || o.TestLevel != "" && o.TestLevel != "RunSpecifiedTests":
		return c.localTests()
	}
	var classes []*testClass
	for _, name := range o.RunTests {
		t, err := c.testClassOf(name, nil)
		if err != nil {
			return nil, err
		}
		classes = append(classes, t)
	}
	return classes, nil
}

// finishDeploy does what has been asked for. It is undone when it is a check only, or when something failed and
// rollbackOnError is set.
func (c *call) finishDeploy(id string, options *deployOptions, p *deployPackage) error {
	r, status := &deployOutcome{}, "Succeeded"
	err := isUndone(c.within(func() error {
		if err := c.deployAndTest(r, p, options); err != nil {
			return err
		}
		switch {
		case r.testErrors() > 0, r.errors() > 0 && options.RollbackOnError, r.errors() > 0 && r.deployed() == 0:
			status = "Failed"
			return errUndone
		case r.errors() > 0:
			status = "SucceededPartial"
		}
		if options.CheckOnly {
			return errUndone
		}
		return nil
	}))
	var refused *fault
	if errors.As(err, &refused) {
		if err := c.set("DeployRequest", id, values{"ErrorMessage": refused.message, "ErrorStatusCode": refused.code}); err != nil {
			return err
		}
		status, err = "Failed", nil
	}
	if err != nil {
		return err
	}
	if !options.CheckOnly && status != "Failed" {
		if err := c.keepCoverage(r.tests); err != nil {
			return err
		}
	}
	return c.endDeploy(id, r, status)
}

func (c *call) deployAndTest(r *deployOutcome, p *deployPackage, options *deployOptions) error {
	var err error
	if r.components, err = c.apply(p); err != nil {
		return err
	}
	if r.errors() > 0 && options.RollbackOnError || !options.runsTests() {
		return nil
	}
	classes, err := c.deployTests(options)
	if err != nil {
		return err
	}
	r.ran = true
	r.tests, err = c.runTests(classes, -1)
	return err
}

// endDeploy writes down how a deploy went.
func (c *call) endDeploy(id string, r *deployOutcome, status string) error {
	failures, successes := []object{}, []object{}
	for _, m := range r.components {
		if m.problem != "" {
			failures = append(failures, m.message(c))
		} else {
			successes = append(successes, m.message(c))
		}
	}
	tests := noTestResult()
	if r.ran {
		var err error
		if tests, err = c.testResult(r.tests); err != nil {
			return err
		}
	}
	details, err := encode(object{{"componentFailures", failures}, {"componentSuccesses", successes}, {"retrieveResult", nil}, {"runTestResult", tests}})
	if err != nil {
		return err
	}
	if _, err := c.db.ExecContext(c.Context(), `UPDATE DeployPackage SET Details = ? WHERE Id = ?`, string(details), id); err != nil {
		return err
	}
	fields := values{"Status": status, "CompletedDate": c.now().Format(storedTime), "StateDetail": nil,
		"NumberComponentsDeployed": r.deployed(), "NumberComponentErrors": r.errors(), "NumberTestsTotal": len(r.tests),
		"NumberTestsCompleted": len(r.tests) - r.testErrors(), "NumberTestErrors": r.testErrors()}
	if n := r.errors(); status == "Failed" && n > 0 {
		fields["StateDetail"] = fmt.Sprintf("%d component errors", n)
	}
	return c.set("DeployRequest", id, fields)
}

package fakeorg

import (
	"errors"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// executeAnonymous is GET /tooling/executeAnonymous/?anonymousBody=. What does not compile, and what is not understood
// here (its problem says "simulated: …"), changes nothing; neither does what throws.
func executeAnonymous(c *call) (*answer, error) {
	source := c.URL.Query().Get("anonymousBody")
	if source == "" {
		return nil, refuse(400, "MISSING_ARGUMENT", "The anonymousBody parameter is required")
	}
	in := &apex.Interpreter{Platform: c.apex()}
	failed := c.runAnonymous(in, source)
	var problem *apex.Error
	var thrown *apex.Exception
	switch {
	case errors.As(failed, &problem):
		return ok(object{{"line", problem.Line}, {"column", problem.Column}, {"compiled", false}, {"success", false},
			{"compileProblem", problem.Message}, {"exceptionStackTrace", nil}, {"exceptionMessage", nil}})
	case failed != nil && !errors.As(failed, &thrown):
		return nil, failed
	}
	status := "Success"
	if thrown != nil {
		status = thrown.Error()
		in.Events = append(in.Events, apex.Event{Kind: "FATAL_ERROR", Detail: thrown.Error(), Line: thrown.Line})
	}
	if _, err := c.writeLog("/services/data/"+c.version+"/tooling/executeAnonymous/", "execute_anonymous_apex", status, source, in.Events, in.Milliseconds()); err != nil {
		return nil, err
	}
	if thrown != nil {
		return ok(object{{"line", thrown.Line}, {"column", 1}, {"compiled", true}, {"success", false}, {"compileProblem", nil},
			{"exceptionStackTrace", thrown.Trace}, {"exceptionMessage", thrown.Error()}})
	}
	return ok(object{{"line", -1}, {"column", -1}, {"compiled", true}, {"success", true}, {"compileProblem", nil},
		{"exceptionStackTrace", nil}, {"exceptionMessage", nil}})
}

// runAnonymous runs source; what it wrote is undone when it fails.
func (c *call) runAnonymous(in *apex.Interpreter, source string) error {
	block, refused := apex.ParseAnonymous(source)
	if refused != nil {
		return refused
	}
	return c.within(func() error { return in.Run(block) })
}

package fakeorg

import (
	"errors"
	"net/http"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// executed is the result of an anonymous block; nil values are those the answer has none of.
type executed struct {
	line, column            int
	compiled, success       bool
	problem, message, trace any
}

// executeAnonymous is GET /tooling/executeAnonymous/?anonymousBody=.
func executeAnonymous(c *call) (*answer, error) {
	source := c.URL.Query().Get("anonymousBody")
	if source == "" {
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "The anonymousBody parameter is required")
	}
	in := &apex.Interpreter{Platform: c.apex()}
	r, err := c.execute(in, source)
	if err != nil {
		return nil, err
	}
	if r.compiled {
		status := "Success"
		if text, failed := r.message.(string); failed {
			status = text
		}
		operation := "/services/data/" + c.version + "/tooling/executeAnonymous/"
		if _, err := c.writeLog(operation, "execute_anonymous_apex", status, source, in.Events, in.Milliseconds()); err != nil {
			return nil, err
		}
	}
	return ok(object{{"line", r.line}, {"column", r.column}, {"compiled", r.compiled}, {"success", r.success}, {"compileProblem", r.problem},
		{"exceptionStackTrace", r.trace}, {"exceptionMessage", r.message}})
}

// execute runs source. What does not compile, what is not understood here (its problem says "simulated: …") and what
// throws changes nothing; it is a result, not an error.
func (c *call) execute(in *apex.Interpreter, source string) (*executed, error) {
	err := c.runAnonymous(in, source)
	var problem *apex.Error
	var thrown *apex.Exception
	switch {
	case err == nil:
		return &executed{line: -1, column: -1, compiled: true, success: true}, nil
	case errors.As(err, &problem):
		return &executed{line: problem.Line, column: problem.Column, problem: problem.Message}, nil
	case errors.As(err, &thrown):
		in.Events = append(in.Events, apex.Event{Kind: "FATAL_ERROR", Detail: thrown.Error(), Line: thrown.Line})
		return &executed{line: thrown.Line, column: 1, compiled: true, message: thrown.Error(), trace: thrown.Trace}, nil
	}
	return nil, err
}

func (c *call) runAnonymous(in *apex.Interpreter, source string) error {
	block, refused := apex.ParseAnonymous(source)
	if refused != nil {
		return refused
	}
	return c.within(func() error { return in.Run(block) })
}

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
	run := c.anonymous(source)
	r, err := c.execute(run)
	if err != nil {
		return nil, err
	}
	if r.compiled {
		if _, err := c.writeLog(run); err != nil {
			return nil, err
		}
	}
	return ok(object{{"line", r.line}, {"column", r.column}, {"compiled", r.compiled}, {"success", r.success}, {"compileProblem", r.problem},
		{"exceptionStackTrace", r.trace}, {"exceptionMessage", r.message}})
}

// anonymous makes a run of an anonymous block.
func (c *call) anonymous(source string) *apexRun {
	return &apexRun{Interpreter: &apex.Interpreter{Platform: c.apex()}, operation: "/services/data/" + c.version + "/tooling/executeAnonymous/",
		unit: "execute_anonymous_apex", source: source}
}

// execute runs a block. What does not compile, what is not understood here (its problem says "simulated: …") and what
// throws changes nothing; it is a result, not an error.
func (c *call) execute(r *apexRun) (*executed, error) {
	err := c.runAnonymous(r)
	var problem *apex.Error
	var thrown *apex.Exception
	switch {
	case err == nil:
		return &executed{line: -1, column: -1, compiled: true, success: true}, nil
	case errors.As(err, &problem):
		return &executed{line: problem.Line, column: problem.Column, problem: problem.Message}, nil
	case errors.As(err, &thrown):
		r.failure, r.line = thrown.Error(), thrown.Line
		return &executed{line: thrown.Line, column: 1, compiled: true, message: thrown.Error(), trace: thrown.Trace}, nil
	}
	return nil, err
}

func (c *call) runAnonymous(r *apexRun) error {
	block, refused := apex.ParseAnonymous(r.source)
	if refused != nil {
		return refused
	}
	return c.within(func() error { return r.Run(block) })
}

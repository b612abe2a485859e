package fakeorg

import (
	"net/http"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// toolingRoutes are the paths below /tooling: those of records, queries and descriptions, about the objects of the
// Tooling API, and those that it alone has.
func (o *Org) toolingRoutes() []route {
	below := slices.Concat(describeRoutes(), recordRoutes(), collectionRoutes(), o.queryRoutes(), []route{
		{method: http.MethodGet, path: "", handle: toolingResources},
		{method: http.MethodGet, path: "/executeAnonymous", writes: true, handle: executeAnonymous},
		{method: http.MethodGet, path: "/completions", handle: completions},
		{method: http.MethodPost, path: "/runTestsSynchronous", handle: runTestsSynchronous},
		{method: http.MethodPost, path: "/runTestsAsynchronous", handle: runTestsAsynchronous},
		{method: http.MethodGet, path: "/runTestsAsynchronous", writes: true, handle: runTestsAsynchronous},
	})
	var routes []route
	for _, r := range below {
		handle := r.handle
		r.path = "/tooling" + r.path
		r.handle = func(c *call) (*answer, error) {
			c.tooling = true
			return handle(c)
		}
		routes = append(routes, r)
	}
	return routes
}

// toolingResources is GET /tooling.
func toolingResources(c *call) (*answer, error) {
	var all object
	for _, name := range []string{"sobjects", "query", "queryAll", "search", "executeAnonymous", "completions", "runTestsSynchronous", "runTestsAsynchronous"} {
		all = append(all, member{name, c.root() + "/" + name})
	}
	return ok(all)
}

// typeOfFirst is the type of the records of an answer, null when there are none.
func typeOfFirst(records []object) any {
	if len(records) == 0 {
		return nil
	}
	attributes, _ := records[0][0].value.(object)
	return attributes[0].value
}

// onlyOne refuses a query that shows metadata of several records: the platform works it out for one at a time.
func (p *plan) onlyOne(total int) error {
	if p.shape == nil || total < 2 {
		return nil
	}
	for _, m := range p.shape.members {
		if m.field != nil && (m.field.Name == "Metadata" || m.field.Name == "FullName") {
			return malformed("When retrieving results with Metadata or FullName fields, the query qualifications must specify no more than one row for "+
				"retrieval. Result size: %d", total)
		}
	}
	return nil
}

// checkDurable refuses what the platform cannot ask about EntityDefinition and FieldDefinition, in its words (Tooling
// API reference, "SOQL Operation Limitations"). It ignores LIMIT for them, which is called incorrect there: here LIMIT
// is kept.
func checkDurable(o *Object, q *soql.Query) error {
	if !o.Durable {
		return nil
	}
	if q.GroupBy != nil || isCount(q) || aggregated(q) {
		return refuse(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
			"The requested operation is not yet supported by this SObject storage type, contact salesforce.com support for more information.")
	}
	if q.Where == nil {
		return nil
	}
	return checkDurableCondition(q.Where.Cond)
}

func checkDurableCondition(cond soql.Cond) error {
	onlyEquals := refuse(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Only equals comparisons permitted")
	switch c := cond.(type) {
	case *soql.Not:
		return onlyEquals
	case *soql.Logic:
		if strings.EqualFold(c.Op, "OR") {
			return refuse(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Disjunctions not supported")
		}
		for _, term := range c.Terms {
			if err := checkDurableCondition(term); err != nil {
				return err
			}
		}
	case *soql.Comparison:
		if c.Op == "!=" || c.Op == "NOT IN" {
			return onlyEquals
		}
	}
	return nil
}

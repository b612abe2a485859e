package tools

import (
	"context"
	"net/url"
	"strings"

	"salesforce-mcp/salesforce"
)

var (
	q       = Param{Name: "q", Type: "string", Form: Statement, Doc: "the SOQL or SOSL statement"}
	locator = Param{Name: "queryLocator", Type: "string", Form: Locator, Handle: Page, Doc: "nextRecordsUrl of a query"}
	search  = Param{Name: bodyName, Type: "object", Form: Search, In: Body,
		Doc: "{q, sobjects: [{name, fields, where, limit}], fields, in, overallLimit}"}
)

// Query is the tool for SOQL and SOSL.
//
// That the pages of child records are fetched as those of the query itself is
// not documented; Salesforce decides. SOQL that changes the org (FOR VIEW and
// the like) is refused here, since these rows only read.
var Query = Tool{Name: "query", Doc: "Find records with SOQL or SOSL.", Ops: []Op{
	{Action: "soql", Instruction: "runQuery", Doc: "Run SOQL, as in SELECT Id, Name FROM Account WHERE Industry = 'Energy' LIMIT 20.", Effect: Read, Touches: touchSOQL,
		Call: "GET /query", Needs: []Param{q}, More: moreOfQuery},
	{Action: "soqlAll", Instruction: "runQueryAll", Doc: "Run SOQL over deleted and archived rows too.", Effect: Read, Touches: touchSOQL,
		Call: "GET /queryAll", Needs: []Param{q}, More: moreOfQuery},
	{Action: "sosl", Instruction: "runSearch", Doc: "Search text, as in FIND {Acme*} IN NAME FIELDS RETURNING Account(Id, Name).", Effect: Read, Touches: touchSOSL,
		Call: "GET /search", Needs: []Param{q}},
	{Action: "parameterizedSearch", Instruction: "runParameterizedSearch", Doc: "Search text without SOSL syntax.", Effect: Read, Touches: touchSearch,
		Call: "POST /parameterizedSearch", Needs: []Param{search}},
	{Action: "next", Instruction: "getQueryNext", Doc: "Fetch the next page of a query.", Effect: Read, Touches: touchHandle,
		Call: "GET /query/{queryLocator}", Needs: []Param{locator}, Run: next, More: moreOfQuery},
	{Action: "explain", Instruction: "explainQuery", Doc: "Show the query plans of SOQL.", Effect: Read, Touches: touchSOQL,
		Call: "GET /query", Needs: []Param{q}, Run: explain, Brief: briefPlans},
}}

var briefPlans = map[string][]string{
	"":      {"sourceQuery", "plans"},
	"plans": {"leadingOperationType", "relativeCost", "cardinality", "sobjectCardinality", "sobjectType", "fields", "notes"},
}

// next fetches a page. Those of the Tooling API are below a path of their own.
func next(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if id, ok := strings.CutPrefix(args[locator.Name].(string), toolingPrefix); ok {
		req.Path = "/tooling/query/" + id
	}
	return org.Do(ctx, req)
}

// explain asks for the plans of a statement instead of its rows.
func explain(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	req.Query = url.Values{"explain": {args[q.Name].(string)}}
	return org.Do(ctx, req)
}

package tools

import (
	"encoding/json"
	"fmt"
)

var (
	subrequests   = Param{Name: "compositeRequest", Type: "array", Form: Subrequests, Doc: "[{method, url: /services/data/v62.0/…, referenceId, body}]; @{referenceId.field} refers to an earlier answer"}
	batchRequests = Param{Name: "batchRequests", Type: "array", Form: BatchRequests, Doc: "[{method, url: v62.0/…, richInput}]"}
	graphs        = Param{Name: "graphs", Type: "array", Form: Graphs, Doc: "[{graphId, compositeRequest}]"}
	treeRecords   = Param{Name: "records", Type: "array", Form: TreeRecords, Doc: "[{attributes: {type, referenceId}, field: value, Contacts: {records: […]}}]"}
	collate       = Param{Name: "collateSubrequests", Type: "boolean", Doc: "false keeps their order"}
	haltOnError   = Param{Name: "haltOnError", Type: "boolean", Doc: "true: the first failure stops the rest"}
)

// Composite is the tool for several requests in one call. What a subrequest may
// do is what its method and URL say, so the rows may do anything. Salesforce
// answers 200 even if every subrequest failed: each has a status of its own.
//
// A graph is all or none for itself, not for the whole request as the
// connector's documentation has it (REST API guide, "Using Composite Graphs").
// The text that goes with PROCESSING_HALTED is not documented; only the code is
// relied on.
var Composite = Tool{Name: "composite", Doc: "Several requests in one call.", Ops: []Op{
	{Action: "request", Instruction: "runComposite", Doc: "Run up to 25 requests in order; later ones may refer to earlier ones.", Effect: Act, Touches: touchInside,
		Call: "POST /composite", Needs: []Param{subrequests}, Takes: []Param{allOrNone, collate}, View: subanswers},
	{Action: "batch", Instruction: "runCompositeBatch", Doc: "Run up to 25 requests that do not depend on each other.", Effect: Act, Touches: touchInside,
		Call: "POST /composite/batch", Needs: []Param{batchRequests}, Takes: []Param{haltOnError}, View: batchAnswers},
	{Action: "graph", Instruction: "runCompositeGraph", Doc: "Run graphs of requests, each all or none.", Effect: Act, Touches: touchInside,
		Call: "POST /composite/graph", Needs: []Param{graphs}, View: graphAnswers},
	{Action: "tree", Instruction: "createSObjectTree", Doc: "Create records with their children, all or none: up to 200 in 5 levels.", Effect: Add, Touches: touchTree,
		Call: "POST /composite/tree/{sObjectName}", Needs: []Param{sObjectName, treeRecords}},
}}

// subanswers has for each subrequest its body, or its error, and not its
// headers, which repeat what the body says.
func subanswers(_ Args, v any) any {
	o, ok := v.(object)
	if !ok {
		return v
	}
	list, _ := o.get("compositeResponse").([]any)
	rows := make([]any, len(list))
	for i, e := range list {
		rows[i] = subanswer(e, "referenceId", "httpStatusCode", "body")
	}
	return o.with("compositeResponse", rows)
}

// batchAnswers has for each request its result, or its error.
func batchAnswers(_ Args, v any) any {
	o, ok := v.(object)
	if !ok {
		return v
	}
	list, _ := o.get("results").([]any)
	rows := make([]any, len(list))
	for i, e := range list {
		rows[i] = append(object{{"request", json.Number(fmt.Sprint(i))}}, subanswer(e, "statusCode", "result")...)
	}
	return o.with("results", rows)
}

// graphAnswers lists the answers of all graphs as one table.
func graphAnswers(_ Args, v any) any {
	o, _ := v.(object)
	list, ok := o.get("graphs").([]any)
	if !ok {
		return v
	}
	rows := []any{}
	for _, e := range list {
		graph, _ := e.(object)
		response, _ := graph.get("graphResponse").(object)
		answers, _ := response.get("compositeResponse").([]any)
		for _, e := range answers {
			rows = append(rows, append(object{{"graphId", graph.get("graphId")}, {"isSuccessful", graph.get("isSuccessful")}},
				subanswer(e, "referenceId", "httpStatusCode", "body")...))
		}
	}
	return object{{"graphs", rows}}
}

// subanswer keeps the named members of an answer inside an answer. A body that
// is one error becomes code and message of the row.
func subanswer(e any, names ...string) object {
	o, _ := e.(object)
	var row object
	for _, name := range names {
		v := o.get(name)
		list, _ := v.([]any)
		failure, _ := firstOf(v).(object)
		switch {
		case v == nil:
		case len(list) == 1 && failure.get("errorCode") != nil:
			row = append(row, failure...)
		default:
			row = append(row, member{name, v})
		}
	}
	return row
}

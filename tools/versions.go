package tools

var limit = Param{Name: "limit", Type: "integer", Form: Positive, Doc: "at most this many"}

// Versions is the tool for what the org offers: API versions, resources, limits
// and recent items.
var Versions = Tool{Name: "versions", Doc: "API versions, resources, limits, recent items.", Ops: []Op{
	{Action: "listVersions", Instruction: "listVersions", Doc: "List the REST API versions.", Effect: Read, Touches: nothing,
		Call: "GET /services/data"},
	{Action: "listResources", Instruction: "listResources", Doc: "List the REST resources.", Effect: Read, Touches: nothing,
		Call: "GET /"},
	{Action: "getLimits", Instruction: "getLimits", Doc: "Show limits and what remains of them.", Effect: Read, Touches: nothing,
		Call: "GET /limits"},
	{Action: "getRecent", Instruction: "getRecentItems", Doc: "List what the connected user viewed last.", Effect: Read, Touches: nothing,
		Call: "GET /recent", Takes: []Param{limit}},
}}

package tools

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"salesforce-mcp/salesforce"
)

var (
	ruleID        = Param{Name: "ruleId", Type: "string", Form: RecordID, Doc: "rule ID"}
	contextIDs    = Param{Name: "contextIds", Type: "array", Form: RecordIDList, Doc: "record IDs"}
	approvalSteps = Param{Name: "requests", Type: "array", Form: ApprovalRequests,
		Doc: "[{actionType: Submit|Approve|Reject, contextId: record or work item ID, contextActorId, comments, nextApproverIds, processDefinitionNameOrId}]"}
	actionKind = Param{Name: "actionType", Type: "string", OneOf: "flow|apex|standard", In: Local}
	actionName = Param{Name: "actionName", Type: "string", Form: FieldName, Doc: "as listActions names it"}
	inputs     = Param{Name: "inputs", Type: "array", Doc: "[{input: value}], one for each run"}
)

// Process is the tool for workflow rules, approvals and invocable actions.
//
// listRulesForObject is documented with a list and with a map by object; both
// are read. triggerRule has contextIds where older texts have contextId. What
// status an approval answers when some of its requests fail is not documented,
// 200 or 400: each result is judged by itself.
var Process = Tool{Name: "process", Doc: "Workflow rules, approvals, invocable actions.", Ops: []Op{
	{Action: "listRules", Instruction: "listProcessRules", Doc: "List workflow rules.", Effect: Read, Touches: nothing,
		Call: "GET /process/rules", View: byObject("rules")},
	{Action: "listRulesForObject", Instruction: "listProcessRulesForObject", Doc: "List those of an object.", Effect: Read,
		Call: "GET /process/rules/{sObjectName}", Needs: []Param{sObjectName}, View: byObject("rules")},
	{Action: "triggerRule", Instruction: "triggerProcessRule", Doc: "Run a rule on records that meet its conditions; one failure undoes all.", Effect: Act, Opaque: true,
		Call: "POST /process/rules/{sObjectName}/{ruleId}", Needs: []Param{sObjectName, ruleID, contextIDs}},
	{Action: "listApprovals", Instruction: "listApprovals", Doc: "List approval processes, not pending requests.", Effect: Read, Touches: nothing,
		Call: "GET /process/approvals", View: byObject("approvals"),
		Note: always("These are process definitions. Pending requests: tool query, action soql, q \"SELECT Id, ActorId, Actor.Name, ProcessInstance.TargetObjectId, CreatedDate FROM ProcessInstanceWorkitem\".")},
	{Action: "submitApproval", Instruction: "submitApproval", Doc: "Submit, approve or reject; each request counts by itself.", Effect: Act, Opaque: true,
		Call: "POST /process/approvals", Needs: []Param{approvalSteps}, Run: inParts, Note: approvalNote, Hints: map[string]string{
			"INVALID_CROSS_REFERENCE_KEY":                   "To submit, contextId is the record; to approve, reject or remove, it is the work item (04i…).",
			"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "Only its approver (ActorId) or an administrator can decide a work item.",
		}},
	{Action: "listActions", Instruction: "listInvocableActions", Doc: "List invocable actions.", Effect: Read, Touches: nothing,
		Call: "GET /actions/standard", Needs: []Param{actionKind}, Run: invocable, Brief: briefActions},
	{Action: "describeAction", Instruction: "describeInvocableAction", Doc: "Show an action's inputs and outputs.", Effect: Read, Touches: nothing,
		Call: "GET /actions/standard/{actionName}", Needs: []Param{actionKind, actionName}, Run: invocable, Brief: briefAction},
	{Action: "invokeAction", Instruction: "invokeInvocableAction", Doc: "Run a flow, Apex or standard action.", Effect: Act, Opaque: true,
		Call: "POST /actions/standard/{actionName}", Needs: []Param{actionKind, actionName, inputs}, Run: invocable},
}}

var (
	briefActions = map[string][]string{"": {"actions"}, "actions": {"name", "label", "type"}}
	briefAction  = map[string][]string{
		"":       {"name", "label", "type", "description", "targetEntityName", "inputs", "outputs"},
		"inputs": {"name", "label", "type", "required", "maxOccurs", "sobjectType", "description"}, "outputs": {"name", "label", "type", "sobjectType", "description"},
	}
)

// invocable sends the row's request to the resource of the kind of action.
func invocable(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if kind := args[actionKind.Name].(string); kind != "standard" {
		req.Path = strings.Replace(req.Path, "/actions/standard", "/actions/custom/"+kind, 1)
	}
	return parts(org.Do(ctx, req))
}

// inParts sends the row's request, whose parts succeed or fail by themselves.
func inParts(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	return parts(plain(ctx, org, op, args))
}

// parts makes an answer of the error with which Salesforce answers when parts of
// a request failed and others are done: all of them are to be seen.
func parts(resp *salesforce.Response, err error) (*salesforce.Response, error) {
	var e *salesforce.Error
	if !errors.As(err, &e) || e.Results == nil {
		return resp, err
	}
	return &salesforce.Response{Status: http.StatusMultiStatus, Header: http.Header{"Content-Type": {"application/json"}}, Body: e.Results, RequestID: e.RequestID}, nil
}

// approvalNote says who decides next. Salesforce names them by their IDs.
func approvalNote(_ Args, v any) string {
	results, _ := v.([]any)
	var items []string
	for _, e := range results {
		result, _ := e.(object)
		list, _ := result.get("newWorkitemIds").([]any)
		for _, item := range list {
			items = append(items, "'"+cell(item)+"'")
		}
	}
	if items == nil {
		return ""
	}
	return `Who decides: tool query, action soql, q "SELECT Id, Actor.Name FROM ProcessInstanceWorkitem WHERE Id IN (` + strings.Join(items, ", ") + `)".`
}

// byObject lists what Salesforce gives as lists by object, with the object in
// each row.
func byObject(list string) func(Args, any) any {
	return func(_ Args, v any) any {
		o, _ := v.(object)
		groups, ok := o.get(list).(object)
		if !ok {
			return v
		}
		rows := []any{}
		for _, group := range groups {
			elements, _ := group.value.([]any)
			for _, e := range elements {
				row, _ := e.(object)
				rows = append(rows, object{{"object", group.name}}.merge(row))
			}
		}
		return o.with(list, rows)
	}
}

// always is a note that does not depend on the answer.
func always(note string) func(Args, any) string {
	return func(Args, any) string { return note }
}

package tools

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"salesforce-mcp/salesforce"
)

var (
	quickAction   = Param{Name: "actionName", Type: "string", Form: ActionName, Doc: "as list names it"}
	quickParent   = Param{Name: "contextId", Type: "string", Form: RecordID, Doc: "parent record"}
	quickRecord   = Param{Name: "record", Type: "object", Form: FieldValues, Doc: "field values"}
	actionsObject = Param{Name: sObjectName.Name, Type: "string", Form: SObjectName, In: Local, Doc: "for those of an object"}
)

// QuickActions is the tool for quick actions. An object's actions are named as
// in Account.NewCase and are below the object as well.
//
// Not documented are the status of a run (200 or 201) and all keys of its
// result: any success will do, and the result is given as it is.
var QuickActions = Tool{Name: "quickActions", Doc: "Quick actions.", Ops: []Op{
	{Action: "list", Instruction: "listQuickActions", Doc: "List global actions, or an object's.", Effect: Read, Touches: touchObjectActions,
		Call: "GET /quickActions", Takes: []Param{actionsObject}, Run: listQuickActions, Brief: map[string][]string{"records": {"name", "label", "type"}}},
	{Action: "describe", Instruction: "describeQuickAction", Doc: "Show an action's fields.", Effect: Read, Touches: touchQuickAction,
		Call: "GET /quickActions/{actionName}/describe", Needs: []Param{quickAction}, Run: ofObject, View: layoutFields, Hints: quickHints},
	{Action: "invoke", Instruction: "invokeQuickAction", Doc: "Run an action.", Effect: Act, Opaque: true,
		Call: "POST /quickActions/{actionName}", Needs: []Param{quickAction}, Takes: []Param{quickParent, quickRecord}, Run: ofObject, Hints: quickHints},
}}

var quickHints = map[string]string{"NOT_FOUND": "Check the name: action list has those there are; a record this user may not see looks missing."}

// listQuickActions lists global actions, or those of the object that is named.
func listQuickActions(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if _, given := args[actionsObject.Name]; given {
		req.Path = fill("/sobjects/{sObjectName}/quickActions", args)
	}
	return org.Do(ctx, req)
}

// ofObject sends the row's request and, where there is no such global action,
// sends it below the object that the name begins with. Whether Account.NewCase
// is global as well is not documented.
func ofObject(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	resp, err := org.Do(ctx, req)
	name := args[quickAction.Name].(string)
	object, _, dotted := strings.Cut(name, ".")
	var e *salesforce.Error
	if !dotted || !errors.As(err, &e) || e.Status != http.StatusNotFound || e.Class != salesforce.ClassNotFound {
		return resp, err
	}
	below := *req
	below.Path = "/sobjects/" + object + req.Path
	return org.Do(ctx, &below)
}

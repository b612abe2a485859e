package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
)

var describedFields = Param{Name: fields.Name, Type: "string", Form: FieldList, In: Local, Doc: "only these fields, comma-separated"}

var (
	briefGlobal = map[string][]string{
		"":         {"sobjects"},
		"sobjects": {"name", "label", "keyPrefix", "custom", "createable", "updateable", "deletable", "queryable"},
	}
	briefDescribe = map[string][]string{
		"": {"name", "label", "keyPrefix", "createable", "updateable", "deletable", "queryable", "fields", "childRelationships", "recordTypeInfos"},
		"fields": {"name", "label", "type", "length", "precision", "scale", "nillable", "createable", "updateable", "defaultedOnCreate",
			"calculated", "externalId", "unique", "relationshipName", "referenceTo", "picklistValues"},
		"childRelationships": {"relationshipName", "childSObject", "field"},
		"recordTypeInfos":    {"name", "recordTypeId", "available", "defaultRecordTypeMapping"},
	}
)

var sObjectNames = Param{Name: "sObjects", Type: "string", Form: FieldList, Doc: "comma-separated API names; without them all"}

// SObjects is the tool for the shape of the org's data.
var SObjects = Tool{Name: "sobjects", Doc: "Objects and fields of the org.", Ops: []Op{
	{Action: "describeGlobal", Instruction: "describeGlobal", Doc: "List all objects.", Effect: Read, Touches: nothing,
		Call: "GET /sobjects", Brief: briefGlobal},
	{Action: "describe", Instruction: "describeSObject", Doc: "Show fields, picklist values and child relationships of an object.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/describe", Needs: []Param{sObjectName}, Takes: []Param{describedFields}, Run: describe, More: moreOfFields, Brief: briefDescribe},
	{Action: "describeBasic", Instruction: "describeSObjectBasic", Doc: "Show an object's basic metadata and recent records.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}", Needs: []Param{sObjectName}},
	{Action: "recordCount", Instruction: "getRecordCount", Doc: "Count records, roughly and fast.", Effect: Read, Touches: touchCounts,
		Call: "GET /limits/recordCount", Takes: []Param{sObjectNames}},
}}

// describe fetches the description of an object and, when fields are named,
// keeps only those. A name the object does not have is an error that says what
// is near it.
func describe(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	resp, err := plain(ctx, org, op, args)
	want, given := args[fields.Name].([]string)
	if err != nil || !given {
		return resp, err
	}
	var object map[string]json.RawMessage
	var all []map[string]any
	if err := json.Unmarshal(resp.Body, &object); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	if err := json.Unmarshal(object["fields"], &all); err != nil {
		return nil, fmt.Errorf("read the fields of the description: %w", err)
	}
	var names []string
	kept := []map[string]any{}
	for _, field := range all {
		name, _ := field["name"].(string)
		names = append(names, name)
		if slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, name) }) {
			kept = append(kept, field)
		}
	}
	for _, w := range want {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, w) }) {
			return nil, &Error{Code: InvalidArgument, Message: fmt.Sprintf("%s has no field %q%s", args[sObjectName.Name], clip(w), near(w, names))}
		}
	}
	if object["fields"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	resp.Body, err = json.Marshal(object)
	return resp, err
}

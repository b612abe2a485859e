package tools

import (
	"context"
	"errors"

	"salesforce-mcp/salesforce"
)

var (
	recordIDs  = Param{Name: "ids", Type: "string", Form: RecordIDList, Doc: "comma-separated record IDs"}
	recordType = Param{Name: sObjectName.Name, Type: "string", Form: SObjectName, In: Local, Doc: "API name of their type"}
	recordList = Param{Name: "records", Type: "array", Form: RecordList, Doc: "[{attributes: {type: sObject}, field: value}], with id to update"}
	allOrNone  = Param{Name: "allOrNone", Type: "boolean", Doc: "true: one failure undoes all"}
)

// CompositeRecords is the tool for up to 200 records in one call (2,000 to
// read), on the resource composite/sobjects. Salesforce answers 200 even when
// records fail: each has its own success and errors. It has no resource that
// creates records of one type (a POST to composite/sobjects/{sObjectName}
// reads), so createManyForType names the type in every record.
var CompositeRecords = Tool{Name: "compositeRecords", Doc: "Up to 200 records in one call (2,000 to read).", Ops: []Op{
	{Action: "createMany", Instruction: "createRecords", Doc: "Create records of any types.", Effect: Add, Touches: touchCollection,
		Call: "POST /composite/sobjects", Needs: []Param{recordList}, Takes: []Param{allOrNone}},
	{Action: "createManyForType", Instruction: "createRecordsForType", Doc: "Create records of one type.", Effect: Add,
		Call: "POST /composite/sobjects", Needs: []Param{recordType, recordList}, Takes: []Param{allOrNone}},
	{Action: "updateMany", Instruction: "updateRecords", Doc: "Change records by id.", Effect: Set, Touches: touchCollection,
		Call: "PATCH /composite/sobjects", Needs: []Param{recordList}, Takes: []Param{allOrNone}},
	{Action: "upsertManyForType", Instruction: "upsertRecordsForType", Doc: "Create or change records of one type by external ID.", Effect: Set,
		Call: "PATCH /composite/sobjects/{sObjectName}/{externalIdField}", Needs: []Param{recordType, external, recordList}, Takes: []Param{allOrNone}, Run: upsertMany},
	{Action: "deleteMany", Instruction: "deleteRecords", Doc: "Move records to the recycle bin.", Effect: Remove, Touches: touchIDs,
		Call: "DELETE /composite/sobjects", Needs: []Param{recordIDs}, Takes: []Param{allOrNone}},
	{Action: "getMany", Instruction: "getRecordsCollection", Doc: "Fetch records of one type; null for an ID that is not there.", Effect: Read,
		Call: "POST /composite/sobjects/{sObjectName}", Flat: true, Needs: []Param{recordType, recordIDs}, Takes: []Param{fields}, Run: getMany, More: moreOfIDs},
}}

// upsertMany sends the upsert. A record without the external ID is created anew by
// every repetition, and then the whole request must not be repeated.
func upsertMany(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	field := foldKey(args[external.Name].(string))
	for _, e := range args[recordList.Name].([]any) {
		identified := false
		for name, v := range e.(map[string]any) {
			identified = identified || foldKey(name) == field && v != nil && v != ""
		}
		if !identified {
			req.Semantics = salesforce.Unsafe
		}
	}
	return org.Do(ctx, req)
}

// getMany fetches records by POST, which has room for 2,000 IDs. Salesforce
// requires the names of fields: without them these are Id and Name, or Id alone
// for a type that has no Name, as Case and Task have not.
func getMany(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	if _, given := args[fields.Name]; given {
		return plain(ctx, org, op, args)
	}
	args[fields.Name] = []string{"Id", "Name"}
	resp, err := plain(ctx, org, op, args)
	var e *salesforce.Error
	if errors.As(err, &e) && e.Code == "INVALID_FIELD" {
		args[fields.Name] = []string{"Id"}
		return plain(ctx, org, op, args)
	}
	return resp, err
}

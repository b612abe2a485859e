package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"salesforce-mcp/salesforce"
)

var (
	recordID      = Param{Name: "recordId", Type: "string", Form: RecordID, Doc: "15- or 18-character record ID"}
	fieldValues   = Param{Name: bodyName, Type: "object", Form: FieldValues, In: Body, Doc: "field values by API name; null clears a field"}
	externalValue = Param{Name: "externalIdValue", Type: "string", Form: PathValue, Doc: "its value"}
	fieldName     = Param{Name: "fieldName", Type: "string", Form: FieldName, Doc: "one field, also a file's content or a relationship"}
	start         = Param{Name: "start", Type: "string", Form: DateTime, Doc: "ISO 8601, as in 2026-01-31T00:00:00Z"}
	end           = Param{Name: "end", Type: "string", Form: DateTime, Doc: "as start"}
)

// Records is the tool for single records.
var Records = Tool{Name: "records", Doc: "Single Salesforce records.", Ops: []Op{
	{Action: "create", Instruction: "createRecord", Doc: "Create a record.", Effect: Add,
		Call: "POST /sobjects/{sObjectName}", Needs: []Param{sObjectName, fieldValues}},
	{Action: "get", Instruction: "getRecord", Doc: "Fetch a record.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/{recordId}", Needs: []Param{sObjectName, recordID}, Takes: []Param{fields}},
	{Action: "getField", Instruction: "getRecordField", Doc: "Fetch one field of a record.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/{recordId}/{fieldName}", Needs: []Param{sObjectName, recordID, fieldName}, Run: getField, More: moreOfRelationship, Value: true},
	{Action: "update", Instruction: "updateRecord", Doc: "Change fields of a record.", Effect: Set,
		Call: "PATCH /sobjects/{sObjectName}/{recordId}", Needs: []Param{sObjectName, recordID, fieldValues}},
	{Action: "upsert", Instruction: "upsertRecord", Doc: "Create the record with this external ID, or change it.", Effect: Set,
		Call: "PATCH /sobjects/{sObjectName}/{externalIdField}/{externalIdValue}", Needs: []Param{sObjectName, external, externalValue, fieldValues}},
	{Action: "delete", Instruction: "deleteRecord", Doc: "Move a record to the recycle bin.", Effect: Remove,
		Call: "DELETE /sobjects/{sObjectName}/{recordId}", Needs: []Param{sObjectName, recordID}},
	{Action: "getDeleted", Instruction: "getDeletedRecords", Doc: "List the IDs deleted in a time window of the last 15 days.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/deleted/", Needs: []Param{sObjectName, start, end}},
	{Action: "getUpdated", Instruction: "getUpdatedRecords", Doc: "List the IDs changed in a time window of the last 30 days.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/updated/", Needs: []Param{sObjectName, start, end}},
}}

// getField fetches one field. Salesforce serves a file's content and a
// relationship below the record's own URL. Whether it serves a plain value
// there is not documented, and for a relationship that leads nowhere it answers
// 404, so after a 404 the value is taken from the record.
func getField(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	resp, err := plain(ctx, org, op, args)
	var e *salesforce.Error
	if !errors.As(err, &e) || e.Class != salesforce.ClassNotFound {
		return resp, err
	}
	field := args[fieldName.Name].(string)
	resp, err = memberOf(ctx, org, args, field, field)
	if errors.As(err, &e) && e.Code == "INVALID_FIELD" {
		if empty, err := memberOf(ctx, org, args, field+".Id", field); err == nil {
			return empty, nil
		}
	}
	return resp, err
}

// memberOf fetches the record with one field and answers with the member of
// that name.
func memberOf(ctx context.Context, org Org, args Args, field, name string) (*salesforce.Response, error) {
	resp, err := org.Do(ctx, &salesforce.Request{Method: "GET", Semantics: salesforce.Safe,
		Path: fill("/sobjects/{sObjectName}/{recordId}", args), Query: url.Values{fields.Name: {field}}})
	if err != nil {
		return nil, err
	}
	var record map[string]json.RawMessage
	if err := json.Unmarshal(resp.Body, &record); err != nil {
		return nil, fmt.Errorf("read %s of the record: %w", name, err)
	}
	resp.Body = []byte("null")
	for member, value := range record {
		if foldKey(member) == foldKey(name) {
			resp.Body = value
		}
	}
	return resp, nil
}

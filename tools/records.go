package tools

var (
	recordID      = Param{Name: "recordId", Type: "string", Form: RecordID, Doc: "15- or 18-character record ID"}
	fieldValues   = Param{Name: bodyName, Type: "object", Form: FieldValues, In: Body, Doc: "field values by API name; null clears a field"}
	externalValue = Param{Name: "externalIdValue", Type: "string", Form: PathValue, Doc: "its value"}
	fieldName     = Param{Name: "fieldName", Type: "string", Form: FieldName, Doc: "one field, also a file's content or a relationship"}
	byteSkip      = Param{Name: skip.Name, Type: "integer", Form: NotNegative, In: Shape, Doc: "bytes to leave out", Rare: true}
	start         = Param{Name: "start", Type: "string", Form: DateTime, Doc: "ISO 8601, as in 2026-01-31T00:00:00Z"}
	end           = Param{Name: "end", Type: "string", Form: DateTime, Doc: "as start"}
)

// Records is the tool for single records.
//
// Where Salesforce's documentation leaves open what it answers, all of it is
// taken: an upsert 200, 201 or 204; a deleted record 404 or 400; a relationship
// that leads nowhere 204 or 404; a locked row any status of an error.
var Records = Tool{Name: "records", Doc: "Single records.", Ops: []Op{
	{Action: "create", Instruction: "createRecord", Doc: "Create a record.", Effect: Add,
		Call: "POST /sobjects/{sObjectName}", Needs: []Param{sObjectName, fieldValues}},
	{Action: "get", Instruction: "getRecord", Doc: "Fetch a record.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/{recordId}", Needs: []Param{sObjectName, recordID}, Takes: []Param{fields}},
	{Action: "getField", Instruction: "getRecordField", Doc: "Fetch one field of a record.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/{recordId}/{fieldName}", Needs: []Param{sObjectName, recordID, fieldName}, Takes: []Param{byteSkip}, Run: getField, More: moreOfField, Content: Value},
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
	{Action: "uploadFile", Instruction: "uploadFile", Doc: "Store a file, attached to the record.", Effect: Add, Touches: touchFile,
		Call: "POST /sobjects/ContentVersion", Needs: []Param{uploadName, uploadContent}, Takes: []Param{uploadTo, uploadTitle}, Run: uploadFile},
	{Action: "convertLead", Instruction: "convertLead", Doc: "Make an account, a contact and an opportunity of a lead.", Effect: Act, Opaque: true,
		Call: "POST /services/Soap/u", Needs: []Param{leadID}, Takes: []Param{leadStatus, leadAccount, leadContact, leadOpportunity, noOpportunity, leadOwner}, Run: convertLead, Hints: map[string]string{
			"INVALID_STATUS":               `Those that mean converted: tool query, action soql, q "SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true".`,
			"CANNOT_UPDATE_CONVERTED_LEAD": "It is converted already: its ConvertedAccountId, ConvertedContactId and ConvertedOpportunityId say into what.",
		}},
}}

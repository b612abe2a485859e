package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"salesforce-mcp/salesforce"
)

var (
	jobID       = Param{Name: "jobId", Type: "string", Form: RecordID, Handle: Job, Doc: "job ID"}
	contentType = Param{Name: "contentType", Type: "string", OneOf: "CSV", Rare: true}
	lineEnding  = Param{Name: "lineEnding", Type: "string", OneOf: "LF|CRLF", Rare: true}
	delimiter   = Param{Name: "columnDelimiter", Type: "string", OneOf: "COMMA|TAB|PIPE|SEMICOLON|CARET|BACKQUOTE", Rare: true}
	pkChunking  = Param{Name: "isPkChunkingEnabled", Type: "boolean", Doc: "jobs of Bulk API 1 only", Rare: true}
	jobLocator  = Param{Name: "queryLocator", Type: "string", Form: JobLocator, Doc: "nextRecordsUrl of the list before", Rare: true}
	skip        = Param{Name: "skip", Type: "integer", Form: NotNegative, In: Shape, Doc: "rows to leave out"}
)

// Parameters of ingest jobs.
var (
	jobObject     = Param{Name: "object", Type: "string", Form: SObjectName, Doc: "sObject"}
	ingestKind    = Param{Name: "operation", Type: "string", OneOf: "insert|update|upsert|delete|hardDelete"}
	upsertField   = Param{Name: "externalIdFieldName", Type: "string", Form: FieldName, Doc: "for upsert"}
	assignment    = Param{Name: "assignmentRuleId", Type: "string", Form: RecordID, Doc: "for Case and Lead"}
	ingestState   = Param{Name: "state", Type: "string", OneOf: "UploadComplete|Aborted", Doc: "UploadComplete starts the job"}
	rawBody       = Param{Name: "rawBody", Type: "string", In: Raw, Doc: "CSV with a header of field names"}
	ingestJobType = Param{Name: "jobType", Type: "string", OneOf: "Classic|V2Ingest|BigObjectIngest", Rare: true}
)

// BulkIngest is the tool for jobs that write many rows (Bulk API 2.0). A job is
// made, given its rows, started, and then asked how far it is. Nothing changes
// in the org before it is started; its operation decides what then happens.
//
// That a job takes one upload only and that #N/A sets null are from the general
// Bulk API 2.0 documentation; whether the results need the header Accept:
// text/csv is not documented, so it is sent.
var BulkIngest = Tool{Name: "bulkIngest", Doc: "Bulk API 2.0 jobs that write many rows.", Ops: []Op{
	{Action: "create", Instruction: "createIngestJob", Doc: "Make a job; then uploadData, update to UploadComplete, get until JobComplete.", Effect: Add, Touches: touchIngest, Carries: jobEffects,
		Call: "POST /jobs/ingest", Gives: Job, Needs: []Param{jobObject, ingestKind}, Takes: []Param{upsertField, contentType, lineEnding, delimiter, assignment}, Note: jobNote},
	{Action: "uploadData", Instruction: "uploadIngestData", Doc: "Give an open job its rows, once.", Effect: Act, Touches: touchUpload,
		Call: "PUT /jobs/ingest/{jobId}/batches", Needs: []Param{jobID, rawBody}, Run: uploadData},
	{Action: "update", Instruction: "updateIngestJob", Doc: "Start or abort a job.", Effect: Set, Touches: touchHandle, Carries: startEffects, Once: true,
		Call: "PATCH /jobs/ingest/{jobId}", Needs: []Param{jobID, ingestState}, Note: jobNote},
	{Action: "get", Instruction: "getIngestJob", Doc: "Show state and counts of a job.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/ingest/{jobId}", Needs: []Param{jobID}, Note: jobNote},
	{Action: "list", Instruction: "listIngestJobs", Doc: "List jobs.", Effect: Read, Touches: nothing,
		Call: "GET /jobs/ingest", Takes: []Param{pkChunking, ingestJobType, jobLocator, skip}, Brief: briefJobs, More: moreBySkipping},
	{Action: "getSuccessful", Instruction: "getIngestSuccessful", Doc: "Fetch rows that were written.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/ingest/{jobId}/successfulResults/", Needs: []Param{jobID}, Takes: []Param{skip}, Content: CSV, More: moreBySkipping},
	{Action: "getFailed", Instruction: "getIngestFailed", Doc: "Fetch rows that failed, with sf__Error.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/ingest/{jobId}/failedResults/", Needs: []Param{jobID}, Takes: []Param{skip}, Content: CSV, More: moreBySkipping},
	{Action: "getUnprocessed", Instruction: "getIngestUnprocessed", Doc: "Fetch rows that were not reached.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/ingest/{jobId}/unprocessedrecords/", Needs: []Param{jobID}, Takes: []Param{skip}, Content: CSV, More: moreBySkipping},
	{Action: "delete", Instruction: "deleteIngestJob", Doc: "Delete a job and its results, not the records.", Effect: Remove, Touches: touchHandle,
		Call: "DELETE /jobs/ingest/{jobId}", Needs: []Param{jobID}},
}}

// Parameters of query jobs.
var (
	queryKind    = Param{Name: "operation", Type: "string", OneOf: "query|queryAll"}
	jobQuery     = Param{Name: "query", Type: "string", Form: Statement, Doc: "SOQL without GROUP BY, OFFSET, aggregates, subqueries"}
	queryState   = Param{Name: "state", Type: "string", OneOf: "Aborted"}
	queryJobType = Param{Name: "jobType", Type: "string", OneOf: "Classic|V2Query|V2Ingest", Rare: true}
	concurrency  = Param{Name: "concurrencyMode", Type: "string", OneOf: "parallel|serial", Rare: true}
	csvLocator   = Param{Name: "locator", Type: "string", Form: PageLocator, Doc: "Sforce-Locator of the page before"}
	maxRecords   = Param{Name: "maxRecords", Type: "integer", Form: Positive, Doc: "rows a page", Rare: true}
)

// BulkQuery is the tool for queries of any size (Bulk API 2.0). Making a job
// only reads the org's data, but a repetition makes another job.
//
// Which SOQL a job refuses is documented in part; Salesforce decides.
var BulkQuery = Tool{Name: "bulkQuery", Doc: "Bulk API 2.0 queries of any size.", Ops: []Op{
	{Action: "create", Instruction: "createQueryJob", Doc: "Start a query job; then get until JobComplete, getResults.", Effect: Read, Touches: touchJob, Once: true,
		Call: "POST /jobs/query", Gives: Job, Needs: []Param{queryKind, jobQuery}, Takes: []Param{contentType, lineEnding, delimiter}, Note: jobNote},
	{Action: "get", Instruction: "getQueryJob", Doc: "Show state and count of a job.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/query/{jobId}", Needs: []Param{jobID}, Note: jobNote},
	{Action: "list", Instruction: "listQueryJobs", Doc: "List jobs.", Effect: Read, Touches: nothing,
		Call: "GET /jobs/query", Takes: []Param{pkChunking, queryJobType, concurrency, jobLocator, skip}, Brief: briefJobs, More: moreBySkipping},
	{Action: "getResults", Instruction: "getQueryJobResults", Doc: "Fetch rows of a completed job.", Effect: Read, Touches: touchHandle,
		Call: "GET /jobs/query/{jobId}/results", Needs: []Param{jobID}, Takes: []Param{csvLocator, maxRecords, skip}, Content: CSV, More: moreBySkipping, Note: nextPage},
	{Action: "update", Instruction: "updateQueryJob", Doc: "Abort a job.", Effect: Set, Touches: touchHandle, Once: true,
		Call: "PATCH /jobs/query/{jobId}", Needs: []Param{jobID, queryState}},
	{Action: "delete", Instruction: "deleteQueryJob", Doc: "Delete a job and its results.", Effect: Remove, Touches: touchHandle,
		Call: "DELETE /jobs/query/{jobId}", Needs: []Param{jobID}},
}}

var briefJobs = map[string][]string{
	"":        {"done", "nextRecordsUrl", "records"},
	"records": {"id", "object", "operation", "state", "jobType", "createdDate", "createdById"},
}

// uploadData sends the rows of a job. Rows that are streamed can be sent once
// only: the job is read before, so that a token that has expired or a job that
// takes no rows is found while nothing is lost.
func uploadData(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	if _, streamed := args[rawBody.Name].(*Upload); !streamed {
		return plain(ctx, org, op, args)
	}
	resp, err := org.Do(ctx, &salesforce.Request{Method: "GET", Path: fill("/jobs/ingest/{jobId}", args), Semantics: salesforce.Safe})
	if err != nil {
		return nil, err
	}
	var job struct{ State string }
	if err := json.Unmarshal(resp.Body, &job); err != nil {
		return nil, fmt.Errorf("read the job: %w", err)
	}
	if job.State != "Open" {
		return nil, &Error{Code: "INVALIDJOBSTATE", Message: fmt.Sprintf("the job is %s, and only an Open one takes rows; nothing was sent", clip(job.State)),
			Hint: "Make another job."}
	}
	return plain(ctx, org, op, args)
}

// nextPage names the call for the next page of results.
func nextPage(args Args, v any) string {
	page, _ := v.(object)
	if page.get(csvLocator.Name) == nil {
		return ""
	}
	return fmt.Sprintf("After this page: action getResults, jobId %q, locator %q.", args[jobID.Name], page.get(csvLocator.Name))
}

// jobNote says what comes after the state that a job is in.
func jobNote(_ Args, v any) string {
	job, _ := v.(object)
	id, state := job.get("id"), job.get("state")
	failed, _ := strconv.Atoi(cell(job.get("numberRecordsFailed"))) // absent while the job is open
	switch reads := job.get("operation") == "query" || job.get("operation") == "queryAll"; {
	case state == "Open":
		return fmt.Sprintf("Give it rows: action uploadData, jobId %q; then update its state to UploadComplete.", id)
	case state == "UploadComplete" || state == "InProgress":
		return fmt.Sprintf("It is under way: in some seconds, action get, jobId %q.", id)
	case state == "JobComplete" && reads:
		return fmt.Sprintf("Its rows: action getResults, jobId %q.", id)
	case state == "JobComplete" && failed > 0:
		return fmt.Sprintf("%d rows failed; why: action getFailed, jobId %q.", failed, id)
	case (state == "Failed" || state == "Aborted") && !reads:
		return fmt.Sprintf("Rows that were written stay: action getSuccessful; the others: action getFailed and action getUnprocessed; jobId %q.", id)
	}
	return ""
}

// jobEffects are those of the rows of a job, which its operation says.
func jobEffects(args Args) []Effect {
	return map[any][]Effect{"insert": {Add}, "update": {Set}, "upsert": {Add, Set}, "delete": {Remove}, "hardDelete": {Remove}}[args[ingestKind.Name]]
}

// startEffects are those of starting a job, which does what was said when it was
// made, and of aborting it.
func startEffects(args Args) []Effect {
	if args[ingestState.Name] == "UploadComplete" {
		return every
	}
	return nil
}

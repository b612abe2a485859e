package salesforce

import (
	"net/http"
	"strings"
)

// hints say what to do next. They are read by a model or a person; the tools
// and actions they name are the connector's.
var hints = map[string]string{
	"INVALID_FIELD":                           "Describe the object (sobjects, action describe) and use the field names it lists; a field hidden from this user looks missing.",
	"INVALID_FIELD_FOR_INSERT_UPDATE":         "Leave these fields out: they are read-only, or not writable for this user. The object's describe says which are createable and updateable.",
	"INVALID_INPUT":                           "Change the names and values as the message says before calling again.",
	"INVALID_TYPE":                            "Check the object's API name with sobjects, action describeGlobal; custom objects end in __c. An object hidden from this user looks missing.",
	"MALFORMED_QUERY":                         "Mend the query at the place the message points to; SOQL has no SELECT *, and strings take single quotes.",
	"MALFORMED_SEARCH":                        "Mend the search: FIND {text} IN ALL FIELDS RETURNING Object(Field, …), with special characters in the braces escaped by a backslash.",
	"INVALID_QUERY_FILTER_OPERATOR":           "The field's type does not take this operator; describe the object for its type.",
	"INVALID_REPLICATION_DATE":                "Choose a window of at least a minute that ends after its start and lies in the last 30 days (15 for deleted records).",
	"QUERY_TOO_COMPLICATED":                   "Select fewer fields, above all fewer formula fields, or split the query.",
	"QUERY_TIMEOUT":                           "Filter by an indexed field (Id, an external id, dates) or narrow the query with LIMIT.",
	"OPERATION_TOO_LARGE":                     "Narrow the query by an indexed field, or read the rows in parts.",
	"INVALID_QUERY_LOCATOR":                   "The page is no longer kept: run the query again.",
	"REQUIRED_FIELD_MISSING":                  "Add the named fields; the object's describe shows which are required (not nillable and without default).",
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       "A validation rule of this org refused the values; change them as the message says.",
	"FIELD_INTEGRITY_EXCEPTION":               "Change the value as the message says; a reference must be to a record that exists and is of the right object.",
	"STRING_TOO_LONG":                         "Shorten the value to the length the message gives.",
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "Use one of the picklist values the object's describe lists.",
	"JSON_PARSER_ERROR":                       "Check the value types: numbers and booleans without quotes, dates as 2027-03-01, datetimes as 2027-03-01T09:00:00Z.",
	"MALFORMED_ID":                            "Use the record's 15- or 18-character id as it was returned, letter case included.",
	"NOT_FOUND":                               "Check the id and the object name; a record this user may not see looks missing.",
	"ENTITY_IS_DELETED":                       "The record was deleted; records, action getDeleted, shows when.",
	"INVALID_CROSS_REFERENCE_KEY":             "An id names no record this user can see, or one of another object; check every id sent.",
	"INSUFFICIENT_ACCESS":                     "The Salesforce user lacks a permission on this object or record; an administrator can grant it. Do not repeat the call.",
	"API_DISABLED_FOR_ORG":                    "An administrator must enable API access for this org and user.",
	"REQUEST_LIMIT_EXCEEDED":                  "The org's API quota is used up; see versions, action getLimits, and try later.",
	"STORAGE_LIMIT_EXCEEDED":                  "The org has no storage left; an administrator must free some.",
	"INVALIDJOBSTATE":                         "The state of the job does not allow this: look at the job first.",
	"JOB_NOT_COMPLETE":                        "The job is not done: get it until its state is JobComplete.",
	"EXCEEDED_ID_LIMIT":                       "Too many records changed in this window: choose a shorter one.",
	"NO_APPLICABLE_PROCESS":                   "No active approval process takes this record: process, action listApprovals, shows which there are, and each has entry criteria.",
	"ALREADY_IN_PROCESS":                      "The record waits in an approval: approve or reject its work item, or recall it.",
	"UNABLE_TO_LOCK_ROW":                      "Another change holds the record; nothing was written. Try again in a moment.",
	"ENTITY_IS_LOCKED":                        "The record waits in an approval and cannot be edited until it is approved, rejected or recalled.",
	"DELETE_FAILED":                           "Other records depend on this one; remove or change them first.",
	"DUPLICATES_DETECTED":                     "A duplicate rule found matching records: update one of them, or ask the user whether to create another, with tool composite, action request, and in its request httpHeaders {\"Sforce-Duplicate-Rule-Header\": \"allowSave=true\"}.",
	"DUPLICATE_VALUE":                         "The message names the record that has this value already: update that one, or use another value.",
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":       "Nothing was saved because another record failed; mend the one with a different error.",
	"PROCESSING_HALTED":                       "Nothing was saved because an earlier request failed; mend the one with a different error.",
	"UNSUPPORTED_API_VERSION":                 "The org does not have this API version; see versions, action listVersions.",
	"APEX_ERROR":                              "Code of this org failed; its administrator can find it by the message.",
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    "A trigger of this org refused the change; the message says why.",
}

// hintsByClass are used when the code has no hint of its own.
var hintsByClass = map[Class]string{
	ClassAuth:       "The org does not accept the credentials; an administrator must check the connection.",
	ClassPermission: "The Salesforce user may not do this; an administrator can grant it. Do not repeat the call.",
	ClassNotFound:   "Check the id and the object name; a record this user may not see looks missing.",
	ClassValidation: "Change the arguments as the message says before calling again.",
	ClassQuery:      "Mend the query as the message says before calling again.",
	ClassDuplicate:  "Choose one of the records that match, or change the value that must be unique.",
	ClassConflict:   "Read the record again and repeat the change if it is still wanted.",
	ClassRolledBack: "Nothing was saved because another record failed; mend the one with a different error.",
	ClassLimited:    "A limit is reached; wait before calling again.",
	ClassMethod:     "The request is of a form the org does not take; repeating it will not help.",
}

// Hint says in a sentence what to do next, for the model or person that made
// the call. It is empty when there is nothing useful to say.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if e.Code == "REQUEST_LIMIT_EXCEEDED" && isConcurrency(e) {
		return "Too many long requests run in this org at once; wait some seconds before calling again."
	}
	if e.Code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" && strings.Contains(e.Message, "entity type cannot be") { // no trigger says this
		return hintsByClass[ClassPermission]
	}
	switch {
	case strings.Contains(e.Message, "should not be specified in the sobject data"):
		return "Leave it out of body: it stands in the path already."
	case strings.Contains(e.Message, "must be of type dateTime"):
		return "Write it as a datetime without quotes, as in 2027-03-01T00:00:00Z."
	case e.Status == http.StatusRequestURITooLong || e.Status == http.StatusRequestHeaderFieldsTooLarge:
		return "Statements have room for about 16,000 characters: shorten it, fetch records by ID (compositeRecords, action getMany), or query with a job (bulkQuery)."
	case strings.Contains(e.Message, "This session is not valid for use with the REST API"):
		return "The app's tokens do not open the API: an administrator must add Manage user data via APIs (api) to its OAuth scopes, and people connect again."
	case strings.Contains(e.Message, "Connected app is not attached to Agent"):
		return "An administrator must add the app to the agent's connections in Salesforce."
	case e.Code == "INVALID_SESSION_ID" && strings.Contains(e.Message, "found in SessionHeader"): // only SOAP says so (forcedotcom/cli #3303)
		return "If other calls work, the app's tokens are JWTs, which SOAP does not take: an administrator must clear Issue JSON Web Token (JWT)-based access tokens for named users in the app's settings."
	case e.Code == "API_ERROR" && strings.Contains(e.Message, "not terminated"):
		return "Abort the job first: update its state to Aborted."
	}
	if hint := HintFor(e.Code, e.Class); hint != "" {
		return hint
	}
	if e.NotExecuted {
		return "Nothing was changed; try again in a moment."
	}
	return "It is not known whether the org carried it out: for a write, read the record before repeating it."
}

// HintFor returns the hint for an error code, or else for its class; empty
// when there is none. It serves the errors inside an answer (collections,
// composite).
func HintFor(code string, class Class) string {
	if hint, ok := hints[code]; ok {
		return hint
	}
	return hintsByClass[class]
}

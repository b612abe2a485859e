package salesforce

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Class groups error codes by what a caller can do about them.
type Class string

// The classes. An Error always has one.
const (
	ClassAuth       Class = "auth"       // the credentials are not accepted: connect again
	ClassPermission Class = "permission" // the Salesforce user may not do this
	ClassNotFound   Class = "notFound"   // no such record, or deleted
	ClassValidation Class = "validation" // the input is wrong: mend it
	ClassQuery      Class = "query"      // the SOQL or SOSL text is wrong: mend it
	ClassDuplicate  Class = "duplicate"  // another record stands in the way: decide
	ClassConflict   Class = "conflict"   // the record's state or a lock forbids it now
	ClassRolledBack Class = "rolledBack" // a sibling failed: look for the true cause there
	ClassLimited    Class = "limited"    // a quota or rate limit: wait or stop
	ClassTransient  Class = "transient"  // the platform or the network failed in passing
	ClassMethod     Class = "method"     // wrong HTTP method, content type or version: a bug of ours
)

// Detail is one error of an answer that holds several.
type Detail struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Fields  []string `json:"fields,omitempty"`
}

// Error is a request that Salesforce refused, or that got no usable answer.
// Its text is for people and never holds a token or a query string.
type Error struct {
	// Status is the HTTP status, or 0 when there was no answer.
	Status int
	// Class says what can be done about it.
	Class Class
	// Code is the platform's errorCode (statusCode, or OAuth error); it is
	// empty when the answer had none.
	Code string
	// Message is the platform's text, or ours when there was no answer.
	Message string
	// Fields are the fields the platform names.
	Fields []string
	// RequestID is the platform's X-SFDC-Request-Id; it may be empty.
	RequestID string
	// Details are all errors of the answer, in order, when it held more than
	// one. The one above is the first that is not a mere rollback.
	Details []Detail
	// Candidates are the records that stand in the way: the paths of an
	// upsert that matched several (status 300), or the ids of the matches of
	// a duplicate rule.
	Candidates []string
	// Results is the body of an answer that lists what became of each part of
	// the request (approvals, invocable actions), when some succeeded: they are
	// done although the answer is an error. It is nil otherwise.
	Results []byte
	// NotExecuted is true only when it is proven that no exchange of this
	// call was executed by the platform. False means unknown.
	NotExecuted bool
	// Repeated reports that an earlier exchange of the same call may have been
	// executed: this error is about the last one only.
	Repeated bool
	// RetryAfter is how long to wait before trying again; 0 when unknown.
	RetryAfter time.Duration
	// hint is what to do next where neither code nor class says it.
	hint string
	// agents says that it is the answer of the Agent API.
	agents bool
	// Err is the cause below HTTP (context, network, credentials), or nil.
	Err error
}

// Error returns code (or status), message, fields and request id.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Code != "":
		b.WriteString(e.Code + ": ")
	case e.Status != 0:
		fmt.Fprintf(&b, "status %d: ", e.Status)
	}
	b.WriteString(e.Message)
	var notes []string
	if len(e.Fields) > 0 {
		notes = append(notes, "fields "+strings.Join(e.Fields, ", "))
	}
	if e.RetryAfter > 0 {
		notes = append(notes, "retry after "+e.RetryAfter.Round(time.Second).String())
	}
	if e.RequestID != "" {
		notes = append(notes, "request "+e.RequestID)
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, "; ") + ")")
	}
	return b.String()
}

// Unwrap returns the cause below HTTP.
func (e *Error) Unwrap() error { return e.Err }

// classes is the working set of the platform's error codes; the names are
// those of the REST API Developer Guide and the SOAP API's StatusCode.
var classes = map[Class]string{
	ClassAuth: `INVALID_SESSION_ID INVALID_AUTH_HEADER INVALID_LOGIN LOGIN_MUST_USE_SECURITY_TOKEN
		INVALID_OPERATION_WITH_EXPIRED_PASSWORD`,
	ClassPermission: `API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED APEX_REST_SERVICES_DISABLED INSUFFICIENT_ACCESS
		INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY FORBIDDEN
		INVALID_READ_ONLY_USER_DML CANNOT_DELETE_MANAGED_OBJECT CANNOT_MODIFY_MANAGED_OBJECT PACKAGE_LICENSE_REQUIRED`,
	ClassNotFound: `NOT_FOUND ENTITY_IS_DELETED INVALID_CROSS_REFERENCE_KEY INVALID_QUERY_LOCATOR MALFORMED_ID`,
	ClassValidation: `FIELD_CUSTOM_VALIDATION_EXCEPTION REQUIRED_FIELD_MISSING FIELD_INTEGRITY_EXCEPTION
		FIELD_FILTER_VALIDATION_EXCEPTION INVALID_FIELD INVALID_FIELD_FOR_INSERT_UPDATE
		INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST STRING_TOO_LONG NUMBER_OUTSIDE_VALID_RANGE INVALID_EMAIL_ADDRESS
		INVALID_TYPE INVALID_TYPE_ON_FIELD_IN_RECORD INVALID_ID_FIELD JSON_PARSER_ERROR MISSING_ARGUMENT INVALID_STATUS INVALID_INPUT
		CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER APEX_ERROR TRANSFER_REQUIRES_READ
		NO_APPLICABLE_PROCESS`,
	ClassQuery: `MALFORMED_QUERY MALFORMED_SEARCH INVALID_SEARCH INVALID_QUERY_FILTER_OPERATOR QUERY_TOO_COMPLICATED
		EXCEEDED_ID_LIMIT INVALID_REPLICATION_DATE OPERATION_TOO_LARGE`,
	ClassDuplicate: `DUPLICATE_VALUE DUPLICATES_DETECTED DUPLICATE_EXTERNAL_ID DUPLICATE_DEVELOPER_NAME`,
	ClassConflict: `UNABLE_TO_LOCK_ROW ENTITY_IS_LOCKED ENTITY_IS_ARCHIVED ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE
		RECORD_IN_USE_BY_WORKFLOW ALREADY_IN_PROCESS TERRITORY_REALIGN_IN_PROGRESS DELETE_FAILED DEPENDENCY_EXISTS
		INVALIDJOBSTATE JOB_NOT_COMPLETE`,
	ClassRolledBack: `ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED BATCH_PROCESSING_HALTED`,
	ClassLimited: `REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED STORAGE_LIMIT_EXCEEDED LICENSE_LIMIT_EXCEEDED
		TOO_MANY_APEX_REQUESTS MASS_MAIL_LIMIT_EXCEEDED SINGLE_EMAIL_LIMIT_EXCEEDED`,
	ClassTransient: `SERVER_UNAVAILABLE UNKNOWN_EXCEPTION QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG
		INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE PLATFORM_EVENT_PUBLISHING_UNAVAILABLE
		PLATFORM_EVENT_PUBLISH_FAILED`,
	ClassMethod: `METHOD_NOT_ALLOWED INVALID_CONTENT_TYPE UNSUPPORTED_API_VERSION`,
}

// classByCode is classes turned round.
var classByCode = func() map[string]Class {
	byCode := map[string]Class{}
	for class, codes := range classes {
		for code := range strings.FieldsSeq(codes) {
			byCode[code] = class
		}
	}
	return byCode
}()

// ClassOf returns the class of an error code; an unknown one is judged by the
// HTTP status it came with, which is 400 for the errors inside an answer
// (collections, composite).
func ClassOf(code string, status int) Class {
	if class, ok := classByCode[code]; ok {
		return class
	}
	if strings.HasSuffix(code, "_LIMIT_EXCEEDED") {
		return ClassLimited
	}
	switch status {
	case http.StatusMultipleChoices:
		return ClassDuplicate
	case http.StatusUnauthorized:
		return ClassAuth
	case http.StatusForbidden:
		return ClassPermission
	case http.StatusNotFound:
		return ClassNotFound
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusGone:
		return ClassMethod
	case http.StatusConflict, http.StatusPreconditionFailed:
		return ClassConflict
	case http.StatusTooManyRequests:
		return ClassLimited
	case http.StatusRequestTimeout, statusNoRoute:
		return ClassTransient
	}
	if 400 <= status && status < 500 {
		return ClassValidation
	}
	return ClassTransient
}

// statusNoRoute is what the platform's edge answers when it has no route to
// the org (REST API Developer Guide, "Status Codes and Error Responses").
const statusNoRoute = 420

// clip shortens a text to at most n bytes, not cutting a character in two.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// mask takes a token out of whatever the platform, or somebody in its place,
// says. It does so after decoding, since JSON can spell a text in many ways.
func (e *Error) mask(token Secret) {
	out := func(s string) string { return strings.ReplaceAll(s, token.Reveal(), mask) }
	e.Code, e.Message = out(e.Code), out(e.Message)
	for _, list := range [][]string{e.Fields, e.Candidates} {
		for i := range list {
			list[i] = out(list[i])
		}
	}
	for i := range e.Details {
		e.Details[i].Code, e.Details[i].Message = out(e.Details[i].Code), out(e.Details[i].Message)
	}
	e.Results = bytes.ReplaceAll(e.Results, []byte(token.Reveal()), []byte(mask))
}

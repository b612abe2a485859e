package salesforce

import "time"

// Class groups error codes by what a caller can do about them.
type Class string

// The classes.
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
	ClassMethod     Class = "method"     // wrong HTTP method or content type: a bug of ours
)

// Detail is one error of an answer that holds several.
type Detail struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Fields  []string `json:"fields,omitempty"`
}

// Error is a request that Salesforce refused, or that got no usable answer.
// Its text is for people and never holds a token or a query.
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
	// one; the first is the one above.
	Details []Detail
	// Candidates are the records that stand in the way: the paths of an
	// upsert that matched several (status 300), or the ids of the matches of
	// a duplicate rule.
	Candidates []string
	// NotExecuted is true only when it is proven that no exchange of this
	// call was executed by the platform.
	NotExecuted bool
	// RetryAfter is how long to wait before trying again; 0 when unknown.
	RetryAfter time.Duration
	// Err is the cause below HTTP (context, network, credentials), or nil.
	Err error
}

// Error returns code, message, fields and request id.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Hint says in a sentence what to do next, for the model or person that made
// the call. It is empty when there is nothing useful to say.
func (e *Error) Hint() string { return "" }

// Unwrap returns the cause below HTTP.
func (e *Error) Unwrap() error { return e.Err }

package salesforce

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// DefaultVersion is the REST API version used when an [Org] names none.
const DefaultVersion = "v62.0"

// Token is an access token together with the one host it is good for. Tokens
// are values and can be compared with ==.
type Token struct {
	// AccessToken is the bearer token.
	AccessToken Secret
	// InstanceURL is the origin the token may be sent to, such as
	// https://acme.my.salesforce.com. Do checks it with [Hosts.Check].
	InstanceURL string
}

// Credentials are the tokens of one connection. Implementations are safe for
// concurrent use.
type Credentials interface {
	// Token returns a token that is believed to be good.
	Token(ctx context.Context) (Token, error)
	// Drop says that the platform no longer accepts this very token. A token
	// that has been replaced meanwhile is left alone.
	Drop(Token)
}

// Semantics says what a request may do when it is sent twice, in the words of
// RFC 9110 §9.2. It decides what [Org.Do] may repeat.
type Semantics int

const (
	// Unsafe requests (create, actions, composite writes) may have a second
	// effect when sent twice. They are repeated only when the first was
	// provably not executed: the connection was refused or failed before the
	// request was written, or the platform itself (a Salesforce JSON body
	// under /services/data) answered 401 INVALID_SESSION_ID, 503,
	// UNABLE_TO_LOCK_ROW or the concurrency limit for the whole request.
	Unsafe Semantics = iota
	// Idempotent requests (PATCH, DELETE, upsert) end in the same state when
	// sent twice. They are repeated once after an ambiguous answer, and like
	// Unsafe ones otherwise.
	Idempotent
	// Safe requests only read. They are repeated after any passing failure.
	Safe
)

// Request is one call of the REST API.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Path is the escaped path. It starts with a slash and is taken below
	// /services/data/{version}, unless it starts with /services/, when it is
	// taken as it is. It has no query, fragment or dot segments.
	Path string
	// Query is sent after the path; it may be nil.
	Query url.Values
	// Header is added to the request. Authorization, Host, Cookie and
	// Accept-Encoding in it are ignored. Content-Type defaults to
	// application/json when there is a body.
	Header http.Header
	// Body is sent as it is; nil sends none.
	Body []byte
	// Stream is sent instead of Body when it is set, however long it is. The
	// request is not repeated once Stream was read from.
	Stream io.Reader
	// StreamSize is how many bytes Stream has; 0 means unknown.
	StreamSize int64
	// Streamed asks for the body of an answer as Response.Stream.
	Streamed bool
	// Prompt says that a streamed answer is read at once, or left, and not at the
	// pace of somebody else: it takes an ordinary turn at the org.
	Prompt bool
	// Soap makes the request an operation of the SOAP API, for what the REST API
	// has no resource. It is the operation's namespace; Body is the element
	// inside the envelope's body, the version is added to Path, and the answer
	// is XML. The envelope is made here because it holds the access token.
	Soap string
	// Agents makes the request one of the Agent API: it goes to that API's host
	// instead of the org's, and Path is taken below /einstein/ai-agent/v1.
	Agents bool
	// BodyFor, when set, makes the body for an org, by its instance URL, instead of
	// Body. Its error is that of Do, which then sends nothing.
	BodyFor func(instanceURL string) ([]byte, error)
	// Semantics says what may be repeated. The zero value is Unsafe.
	Semantics Semantics
}

// Response is an answer of status 2xx, or 304 to a conditional request. Every
// other status is an [*Error].
type Response struct {
	Status int
	Header http.Header
	// Body is the whole body, decompressed. It is empty for 204 and 304.
	Body []byte
	// Stream is the body, decompressed, when the request asked for that. It is
	// of any size, and the caller closes it; its errors are [*Error].
	Stream io.ReadCloser
	// Origin is scheme and host of the org that answered, where its pages are.
	Origin string
	// RequestID is the platform's X-SFDC-Request-Id; it may be empty.
	RequestID string
	// AlreadyRemoved reports that a repeated DELETE found nothing left to
	// remove, which is success: the lost first answer was the removal. Status
	// is 204 then and the body empty.
	AlreadyRemoved bool
	// Repeated reports that an earlier exchange of the same call may have been
	// executed although its answer was lost. What this answer calls gone may
	// have been removed by it.
	Repeated bool
}

// Exchange is what is kept for the audit of one HTTP exchange. A call has
// several when it was repeated. It never holds query values, bodies or
// headers.
type Exchange struct {
	Method string
	// Path is the escaped path without the query.
	Path string
	// Status is 0 when there was no answer.
	Status    int
	RequestID string
	Duration  time.Duration
	// Err says in short why the exchange failed; it is empty for an answer
	// that [Org.Do] gives back as a Response.
	Err string
}

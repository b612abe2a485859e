package fakeorg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// call is one request to the API: who asks, and the database to answer from.
type call struct {
	*http.Request
	org     *Org
	user    *user     // who asks; nil when the route needs no token
	sight   *view     // the org as that user sees it; nil when that is everything
	version string    // of the path, such as v62.0; empty when the path has none
	tooling bool      // the path is below /tooling
	db      querier   // a transaction when the route writes; rolled back when the handler fails
	at      time.Time // when records it writes are said to be written; zero is now
	viewed  []string  // ids the request has viewed, put into RecentlyViewed afterwards

	promised *promises // where work is kept that the call promises, until its transaction is; nil: on the schedule at once
	failed   bool      // a record of a collection has failed, though the answer is 200
	inside   []Seen    // the subrequests that were performed

	soapHeader []xmlNode // what an answer of SOAP says in its header
}

// now is the time records are written at.
func (c *call) now() time.Time { return c.instant().UTC().Truncate(time.Second) }

// instant is the time of the call, or the time its work was promised for, with its fractions of a second.
func (c *call) instant() time.Time {
	if c.at.IsZero() {
		return c.org.options.Clock()
	}
	return c.at
}

// querier is what a transaction and the database have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tell makes the call tell its statements to who wants to know them.
func (c *call) tell() {
	if hear := c.org.options.Statement; hear != nil {
		request := c.Request
		c.db = &told{querier: c.db, to: func(sql string) { hear(request, sql) }}
	}
}

// told tells every statement before it runs it.
type told struct {
	querier
	to func(sql string)
}

// ExecContext runs a statement.
func (t *told) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.to(query)
	return t.querier.ExecContext(ctx, query, args...)
}

// QueryContext asks for rows.
func (t *told) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.to(query)
	return t.querier.QueryContext(ctx, query, args...)
}

// QueryRowContext asks for one row.
func (t *told) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.to(query)
	return t.querier.QueryRowContext(ctx, query, args...)
}

// handler answers a call. Its error is answered as a [fault] when it is one, else as UNKNOWN_EXCEPTION.
type handler func(*call) (*answer, error)

// route is one method on one path, relative to where [Org.mount] puts it.
type route struct {
	method   string
	path     string // pattern of http.ServeMux without the method
	reads    bool   // does not write, so that it runs beside others; GET does not either
	writes   bool   // writes although it is a GET
	open     bool   // needs no token
	alone    bool   // is no subrequest of a composite request
	respects bool   // does for users who are subject to permissions what they permit
	body     int64  // the largest request body, if that is more than bodyLimit
	handle   handler
}

// answer is what a handler gives back. Body is bytes as they are, a stream, or a value that is written as JSON; nil is
// no body.
type answer struct {
	status int
	header http.Header
	body   any
}

// ok is the usual answer.
func ok(body any) (*answer, error) { return &answer{status: http.StatusOK, body: body}, nil }

// fault is an error as the platform tells it.
type fault struct {
	status  int
	code    string
	message string
	fields  []string
	noField bool // leave the fields key out, as errors of whole requests do
	body    any  // answered instead of code and message, where an error has a form of its own
}

// Error gives code and message.
func (f *fault) Error() string { return f.code + ": " + f.message }

// refuse makes a fault without fields, the form of errors about a whole request.
func refuse(status int, code, format string, args ...any) *fault {
	return &fault{status: status, code: code, message: fmt.Sprintf(format, args...), noField: true}
}

// invalid makes a fault about a record, with the fields to blame.
func invalid(code, message string, fields ...string) *fault {
	return &fault{status: http.StatusBadRequest, code: code, message: message, fields: fields}
}

// asFault turns any error into one the platform could have told.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return refuse(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred: %v", err)
}

// root is the path of the API and version the call came with.
func (c *call) root() string {
	if c.tooling {
		return "/services/data/" + c.version + "/tooling"
	}
	return "/services/data/" + c.version
}

// schema is what that API shows to the user.
func (c *call) schema() *Schema {
	s := c.org.schema
	if c.sight != nil {
		s = c.sight.Schema
	}
	if c.tooling {
		return s.tooling
	}
	return s
}

// recordURL is the path of a record.
func (c *call) recordURL(o *Object, id string) string {
	return c.root() + "/sobjects/" + o.Name + "/" + id
}

// attributes is the first member of every record in an answer.
func (c *call) attributes(o *Object, id string) object {
	return object{{"type", o.Name}, {"url", c.recordURL(o, id)}}
}

// object returns the object the path names.
func (c *call) object() (*Object, error) {
	o := c.schema().Object(c.PathValue("object"))
	if o == nil {
		return nil, noResource()
	}
	if o.Durable {
		return o, c.define()
	}
	return o, nil
}

// list splits a comma separated query parameter.
func list(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

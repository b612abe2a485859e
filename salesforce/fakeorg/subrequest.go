package fakeorg

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// subrequest is a request inside another one: inside a composite request, a graph or a batch.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	HTTPHeaders map[string]string `json:"httpHeaders"`
	Body        json.RawMessage   `json:"body"`

	node bool // of a graph, where only the resources of records are
}

// subanswer is what came of a subrequest.
type subanswer struct {
	*answer
	failed bool // some of it at least, so that a composite request that wants all or none is undone
	record bool // the answer of a resource of one record: later subrequests may refer to its empty fields
}

// lookup is what the mux writes to when it is only asked for the route of a request.
type lookup struct {
	unheard
	request *http.Request // with the values of its path
	methods map[string]route
}

// routeOf returns the call and the route of a subrequest, from the table that requests from outside are answered by.
func (c *call) routeOf(s subrequest) (*call, route, error) {
	target, err := url.Parse(s.URL)
	if err != nil || target.Host != "" || !strings.HasPrefix(target.Path, "/services/data/") { // the mux knows paths that are no routes
		return nil, route{}, noResource()
	}
	trimSlash(target)
	r := &http.Request{Method: s.Method, URL: target, RequestURI: s.URL, Host: c.Host, TLS: c.TLS, Header: c.headers(s),
		Body: io.NopCloser(bytes.NewReader(s.Body))}
	found := &lookup{unheard: unheard{header: http.Header{}}}
	c.org.mux.ServeHTTP(found, r.WithContext(c.Context()))
	if found.methods == nil || !versionExists(found.request.PathValue("version")) {
		return nil, route{}, noResource()
	}
	way, isAllowed := found.methods[method(r)]
	switch {
	case !isAllowed:
		return nil, route{}, notAllowed(s.Method, found.methods)
	case way.alone, s.node && !isNode(found.request):
		return nil, route{}, notInside(s)
	}
	return &call{Request: found.request, org: c.org, user: c.user, sight: c.sight, version: found.request.PathValue("version"), db: c.db, at: c.at,
		promised: c.promised}, way, nil
}

// headers are those of the subrequest and the three that it takes over from the request around it.
func (c *call) headers(s subrequest) http.Header {
	h := http.Header{}
	for _, name := range inherited {
		if value := c.Header.Get(name); value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range s.HTTPHeaders {
		h.Set(name, value)
	}
	return h
}

// inherited are the headers a subrequest must not have of its own.
var inherited = []string{"Accept", "Authorization", "Content-Type"}

// notInside is the error about a resource that composite requests do not know. The code is what a real org was
// reported to answer, the sentence was not found in a source.
func notInside(s subrequest) *fault {
	return halted("The resource %s %s is not supported in a composite request.", s.Method, s.URL)
}

// halted makes the error of a subrequest that is not performed, or not kept. Its members have an order of their own.
func halted(format string, args ...any) *fault {
	f := refuse(http.StatusBadRequest, "PROCESSING_HALTED", format, args...)
	f.body = []object{{{"errorCode", f.code}, {"message", f.message}}}
	return f
}

// performSubrequest answers a subrequest with the handler that would answer it alone, in the transaction of this call. What a
// subrequest that fails has written is undone.
func (c *call) performSubrequest(s subrequest) subanswer {
	sub, way, err := c.routeOf(s)
	if err != nil {
		return c.performed(s, failure(err), true)
	}
	if f := c.org.next(sub.Request, within); f != nil {
		return c.performed(s, failure(f.err()), true)
	}
	var a *answer
	err = c.within(func() (err error) {
		if err = sub.enter(way); err != nil {
			return err
		}
		if a, err = way.handle(sub); err != nil {
			return err
		}
		if a.body, err = asJSON(a.body); err != nil {
			return notInside(s) // a file
		}
		return c.org.markViewed(c.Context(), c.db, c.user, sub.viewed)
	})
	if err != nil {
		return c.performed(s, failure(err), true)
	}
	result := c.performed(s, a, sub.failed || a.status >= http.StatusBadRequest)
	result.record = isRecord(sub.Request)
	return result
}

// asJSON encodes a body. It fails for one that is no JSON.
func asJSON(body any) (any, error) {
	if body == nil {
		return nil, nil
	}
	if _, isFile := body.([]byte); isFile {
		return nil, errors.New("the body is a file")
	}
	text, err := encode(body)
	return json.RawMessage(text), err
}

// performed notes a subrequest for the journal.
func (c *call) performed(s subrequest, a *answer, failed bool) subanswer {
	c.inside = append(c.inside, Seen{Method: s.Method, Path: s.URL, Status: a.status, User: c.user.username})
	return subanswer{answer: a, failed: failed}
}

// Patterns of the resources of records.
const (
	rowsPattern       = "/services/data/{version}/sobjects/{object}"
	rowPattern        = rowsPattern + "/{id}"
	externalIDPattern = rowPattern + "/{field}"
)

func isRecord(r *http.Request) bool { return r.Pattern == rowPattern || r.Pattern == externalIDPattern }

// isNode reports whether a graph may have a request as a node.
func isNode(r *http.Request) bool {
	return (isRecord(r) || r.Pattern == rowsPattern && r.Method == http.MethodPost) && versionNumber(r.PathValue("version")) >= graphVersion
}

// series performs subrequests one after the other and reports whether one has failed. With allOrNone the first one that
// fails is the last: it undoes those before it, and all others are answered that they were rolled back.
func (c *call) series(requests []subrequest, allOrNone bool) (answers []object, failed bool, err error) {
	results := make([]subanswer, len(requests))
	known, culprit := references{}, -1
	err = c.within(func() error {
		for i, s := range requests {
			results[i] = c.performIn(known, s)
			failed = failed || results[i].failed
			if failed && allOrNone {
				culprit = i
				return errRolledBack
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRolledBack) {
		return nil, false, err
	}
	for i, s := range requests {
		if culprit >= 0 && i != culprit {
			results[i].answer = failure(halted("The transaction was rolled back since another operation in the same transaction failed."))
		}
		answers = append(answers, s.answered(results[i].answer))
	}
	return answers, failed, nil
}

// performIn performs a subrequest with the references it makes to earlier ones, and lets later ones refer to it.
func (c *call) performIn(known references, s subrequest) subanswer {
	filled, err := known.fill(s)
	if err != nil {
		return subanswer{answer: failure(err), failed: true}
	}
	result := c.performSubrequest(filled)
	if result.status < http.StatusMultipleChoices {
		if err := known.add(s.ReferenceID, result, c.version); err != nil {
			return subanswer{answer: failure(err), failed: true}
		}
	}
	return result
}

// answered is how the answer to a subrequest is shown.
func (s subrequest) answered(a *answer) object {
	headers := map[string]string{}
	for name, values := range a.header {
		if name == "Etag" {
			name = "ETag" // as the platform spells it
		}
		headers[name] = values[0]
	}
	var id any
	if s.ReferenceID != "" {
		id = s.ReferenceID
	}
	return object{{"body", a.body}, {"httpHeaders", headers}, {"httpStatusCode", a.status}, {"referenceId", id}}
}

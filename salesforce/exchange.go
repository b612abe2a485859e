package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// exchange makes one HTTP exchange: sends the request with the token to
// origin and reads the answer. NotExecuted of its error speaks of this
// exchange alone.
func (o *Org) exchange(ctx context.Context, r *Request, origin *url.URL, token Token) (*Response, *Error) {
	c := o.Client
	began := time.Now()
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	timed, cancel := context.WithTimeout(httptrace.WithClientTrace(ctx, trace), c.options.Timeout)
	defer cancel()

	req, err := o.httpRequest(timed, r, origin, token)
	if err != nil {
		return nil, &Error{Class: ClassValidation, Message: withoutURL(err).Error(), NotExecuted: true}
	}
	response, e := c.answer(req, token)
	if e != nil && e.Status == 0 {
		e = noAnswer(ctx, e.Err, connected.Load())
	}
	o.report(r, req, response, e, time.Since(began))
	return response, e
}

// httpRequest builds the request. Authorization is set here and only here,
// for the token's own host.
func (o *Org) httpRequest(ctx context.Context, r *Request, origin *url.URL, token Token) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, origin.String()+o.path(r.Path), body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.Query.Encode()
	req.Header = http.Header{"Accept": {"application/json"}}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	for _, name := range []string{"Host", "Cookie", "Accept-Encoding"} {
		req.Header.Del(name)
	}
	req.Header.Set("User-Agent", o.Client.options.UserAgent)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	if r.Semantics == Unsafe && body == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		// net/http repeats these by itself when a used connection dies under
		// them, unless the request has a body it cannot rewind.
		req.Body = io.NopCloser(strings.NewReader(""))
	}
	return req, nil
}

// path returns the path below the version's root, or as it is when it is
// already a whole one.
func (o *Org) path(p string) string {
	if strings.HasPrefix(p, "/services/") {
		return p
	}
	version := o.Version
	if version == "" {
		version = DefaultVersion
	}
	if p == "/" { // the list of resources, which has no slash at its end
		p = ""
	}
	return dataRoot + version + p
}

// dataRoot is where the REST API is. Answers from elsewhere, such as an org's
// own Apex REST services, prove nothing: their authors choose the body.
const dataRoot = "/services/data/"

// answer sends the request and reads the answer. An error without a status
// has the cause in Err.
func (c *Client) answer(req *http.Request, token Token) (*Response, *Error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &Error{Err: withoutURL(err)}
	}
	defer func() { _ = res.Body.Close() }()
	c.state(origin(req)).noteUsage(res.Header)
	requestID := clip(res.Header.Get("X-SFDC-Request-Id"), 100)

	body, err := io.ReadAll(io.LimitReader(res.Body, c.options.BodyLimit+1))
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("the answer was cut off: %w", err), RequestID: requestID}
	}
	if int64(len(body)) > c.options.BodyLimit {
		return nil, &Error{
			Status: res.StatusCode, Class: ClassValidation, RequestID: requestID,
			Message: fmt.Sprintf("the answer is larger than %d bytes; ask for fewer records or fields", c.options.BodyLimit),
		}
	}
	if res.StatusCode/100 == 2 || res.StatusCode == http.StatusNotModified {
		return &Response{Status: res.StatusCode, Header: res.Header, Body: body, RequestID: requestID}, nil
	}
	e, whole := parseError(res.StatusCode, body)
	e.mask(token.AccessToken)
	e.RequestID = requestID
	e.RetryAfter = parseRetryAfter(res.Header.Get("Retry-After"), time.Now())
	e.NotExecuted = whole && (isExpired(e) || strings.HasPrefix(req.URL.Path, dataRoot) && refusedUnread(e))
	return nil, e
}

func origin(req *http.Request) string { return req.URL.Scheme + "://" + req.URL.Host }

// refusedUnread reports whether a Salesforce error for the whole request says
// that nothing was executed.
func refusedUnread(e *Error) bool {
	return e.Status == http.StatusServiceUnavailable ||
		e.Code == "UNABLE_TO_LOCK_ROW" || e.Code == "REQUEST_LIMIT_EXCEEDED"
}

// noAnswer makes the Error of an exchange that ended without an answer.
// Without a connection nothing was sent; with one, anything may have
// happened, since a failed write does not prove that the peer got nothing.
func noAnswer(ctx context.Context, cause error, connected bool) *Error {
	e := &Error{Class: ClassTransient, NotExecuted: !connected, Err: cause}
	switch {
	case ctx.Err() != nil:
		e.Message = "the call was cancelled or timed out before an answer came"
		e.Err = fmt.Errorf("%w: %w", errCallEnded, context.Cause(ctx))
	case errors.Is(cause, errAddress):
		e.Class, e.Message = ClassValidation, "the org's host was refused: "+cause.Error()
	case errors.Is(cause, context.DeadlineExceeded):
		e.Message = "no answer in time"
	case connected:
		e.Message = "the connection failed before the answer was complete"
	default:
		e.Message = "the org cannot be reached"
	}
	return e
}

// withoutURL takes the URL, whose query may hold data, off an error of
// net/http or net/url.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// report calls the Sent hook. Platform messages may quote field values, so an
// answered error is named by its code or class alone.
func (o *Org) report(r *Request, req *http.Request, response *Response, e *Error, took time.Duration) {
	if o.Sent == nil {
		return
	}
	x := Exchange{Method: r.Method, Path: req.URL.EscapedPath(), Duration: took}
	switch {
	case e == nil:
		x.Status, x.RequestID = response.Status, response.RequestID
	case e.Status == 0:
		x.RequestID, x.Err = e.RequestID, e.Message
	default:
		x.Status, x.RequestID, x.Err = e.Status, e.RequestID, e.Code
		if x.Err == "" {
			x.Err = string(e.Class)
		}
	}
	o.Sent(x)
}

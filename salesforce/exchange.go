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
// origin and reads the answer, or hands it on to be read. NotExecuted of its
// error speaks of this exchange alone.
func (o *Org) exchange(ctx context.Context, r *Request, origin *url.URL, token Token) (*Response, *Error) {
	c := o.Client
	ctx, span := startSpan(ctx, r, origin)
	defer span.End()
	began := time.Now()
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	watched, watch := newWatch(httptrace.WithClientTrace(ctx, trace), c.timeout(r))
	defer watch.end()

	req, err := o.httpRequest(watched, r, origin, token)
	if err != nil {
		return nil, &Error{Class: ClassValidation, Message: withoutURL(err).Error(), NotExecuted: true}
	}
	if r.Stream != nil {
		req.Body = io.NopCloser(&uploading{r.Stream, watch})
	}
	response, e := c.answer(req, token, r.Streamed, watch)
	if e != nil && r.Agents {
		e.ofAgents(r.Path, time.Since(began), c.options.AgentLimit)
	}
	if e != nil && e.Status == 0 {
		e = noAnswer(ctx, e.Err, connected.Load())
	}
	if e == nil {
		response.Origin = origin.String()
	}
	describe(span, response, e)
	o.report(r, req, response, e, time.Since(began))
	return response, e
}

// httpRequest builds the request. Authorization is set here and only here,
// for the token's own host.
func (o *Org) httpRequest(ctx context.Context, r *Request, origin *url.URL, token Token) (*http.Request, error) {
	var body io.Reader
	host := origin
	if r.Agents {
		var err error
		if host, err = o.Client.agentHost(origin); err != nil {
			return nil, err
		}
	}
	switch {
	case r.BodyFor != nil:
		made, err := r.BodyFor(origin.String())
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(made)
	case r.Stream != nil:
		body = r.Stream
	case r.Soap != "":
		body = strings.NewReader(envelope(r.Soap, token.AccessToken, r.Body))
	case r.Body != nil:
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, host.String()+o.path(r), body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.Query.Encode()
	req.Header = http.Header{"Accept": {"application/json"}}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.StreamSize > 0 {
		req.ContentLength = r.StreamSize
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	for _, name := range []string{"Host", "Cookie", "Accept-Encoding"} {
		req.Header.Del(name)
	}
	req.Header.Set("User-Agent", o.Client.options.UserAgent)
	if r.Streamed { // net/http would decompress it unseen, however far it grows
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if r.Soap != "" {
		req.Header.Set("Accept", "text/xml")
		req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		req.Header.Set("SOAPAction", `""`)
		return req, nil
	}
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
func (o *Org) path(r *Request) string {
	p := r.Path
	if r.Agents {
		return agentRoot + p
	}
	version := o.Version
	if version == "" {
		version = DefaultVersion
	}
	if r.Soap != "" {
		return p + "/" + strings.TrimPrefix(version, "v")
	}
	if strings.HasPrefix(p, "/services/") {
		return p
	}
	if p == "/" { // the list of resources, which has no slash at its end
		p = ""
	}
	return dataRoot + version + p
}

// dataRoot is where the REST API is. Answers from elsewhere, such as an org's
// own Apex REST services, prove nothing: their authors choose the body.
const dataRoot = "/services/data/"

// answer sends the request and reads the answer, or with streamed hands a
// success on unread. An error without a status has the cause in Err.
func (c *Client) answer(req *http.Request, token Token, streamed bool, watch *watch) (*Response, *Error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &Error{Err: withoutURL(err)}
	}
	if !strings.HasPrefix(req.URL.Path, agentRoot) {
		c.state(origin(req)).noteUsage(res.Header)
	}
	for _, values := range res.Header {
		for i := range values {
			values[i] = string(conceal([]byte(values[i]), token.AccessToken))
		}
	}
	requestID := res.Header.Get("X-SFDC-Request-Id")
	response := &Response{Status: res.StatusCode, Header: res.Header, RequestID: clip(requestID, 100)}
	from, err := unzipped(res, streamed)
	if err == nil && streamed && res.StatusCode/100 == 2 {
		response.Stream = watch.stream(newConcealing(from, token.AccessToken), res.Body, response.RequestID)
		return response, nil
	}
	defer func() { _ = res.Body.Close() }()
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(from, c.options.BodyLimit+1))
	}
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("the answer was cut off: %w", err), RequestID: response.RequestID}
	}
	if int64(len(body)) > c.options.BodyLimit {
		return nil, &Error{
			Status: res.StatusCode, Class: ClassValidation, RequestID: response.RequestID,
			Message: fmt.Sprintf("the answer is larger than %d bytes; ask for fewer records or fields", c.options.BodyLimit),
		}
	}
	body = conceal(body, token.AccessToken) // before anything is cut off, and a part of it left
	if res.StatusCode/100 == 2 || res.StatusCode == http.StatusNotModified {
		response.Body = body
		return response, nil
	}
	e, whole := parseError(res.StatusCode, body)
	e.mask(token.AccessToken)
	e.RequestID = response.RequestID
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

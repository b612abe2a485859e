package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/salesforce"
)

// Request builds the row's one plain request from checked arguments.
func (op *Op) Request(args Args) (*salesforce.Request, error) {
	method, pattern, _ := strings.Cut(op.Call, " ")
	req := &salesforce.Request{Method: method, Path: fill(pattern, args), Semantics: op.semantics(), Streamed: op.Content != JSON}
	switch op.Content {
	case CSV:
		req.Header = http.Header{"Accept": {"text/csv"}}
	case Value:
		req.Header = http.Header{"Accept": {"*/*"}}
	}
	query, members := url.Values{}, map[string]any{}
	var whole any
	for _, p := range op.params() {
		v, ok := args[p.Name]
		switch {
		case !ok || p.In == Local || p.In == Shape || strings.Contains(pattern, "{"+p.Name+"}"):
		case p.In == Body:
			whole = v
		case p.In == Raw:
			req.Header = http.Header{"Content-Type": {rawType}}
			switch v := v.(type) {
			case *Upload:
				req.Stream, req.StreamSize = v, v.Size
			case string:
				req.Body = []byte(v)
			}
		case op.member(p):
			members[p.Name] = v
		default:
			query.Set(p.Name, text(v))
		}
	}
	if len(members) > 0 || whole == nil && req.Body == nil && method == http.MethodPost && op.enveloped() {
		whole = members
	}
	if len(query) > 0 {
		req.Query = query
	}
	if whole == nil {
		return req, nil
	}
	var err error
	req.Body, err = encode(whole)
	return req, err
}

// rawType is the media type of a body that is sent as it is.
const rawType = "text/csv; charset=UTF-8"

// plain sends the row's one plain request.
func plain(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	return org.Do(ctx, req)
}

// fill puts arguments into the holes of a pattern, each escaped so that it
// stays one segment.
func fill(pattern string, args Args) string {
	return holeRE.ReplaceAllStringFunc(pattern, func(hole string) string {
		return delimiters.Replace(url.PathEscape(text(args[strings.Trim(hole, "{}")])))
	})
}

// delimiters escapes what may stand in a segment as it is, but means something
// to some servers: a plus may be read as a blank.
var delimiters = strings.NewReplacer("+", "%2B", "&", "%26", "=", "%3D", "@", "%40", ":", "%3A", "$", "%24")

// text returns a checked argument as it stands in a URL.
func text(v any) string {
	if list, ok := v.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v)
}

// encode is json.Marshal without the escaping of <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// semantics says what a request with this effect may do when it is sent twice.
func (e Effect) semantics() salesforce.Semantics {
	switch e {
	case Read:
		return salesforce.Safe
	case Set, Remove:
		return salesforce.Idempotent
	}
	return salesforce.Unsafe
}

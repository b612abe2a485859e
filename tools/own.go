package tools

import (
	"context"
	"net/http"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
)

// Own answers an operation that is not one of Salesforce's, with what encodes to
// JSON. It is gated, audited and shaped like any other.
type Own func(ctx context.Context, c OwnCall) (any, error)

// An OwnCall is a call of a row that the server answers itself.
type OwnCall struct {
	Server *Server
	Caller allowlist.Caller
	Org    Org // connected for the caller; nil unless the row Connects
	Args   Args

	// Progress is told of the answer while it comes; nil when nobody asked for that.
	Progress func(text string)

	// What the agent says of why it makes the call.
	Reasoning  string
	Confidence *float64 // from 0 to 1; nil when it says nothing
}

// answer is what the row answers, in the form of Salesforce's answers.
func (c OwnCall) answer(ctx context.Context, own Own) (*salesforce.Response, error) {
	content, err := own(ctx, c)
	if err != nil {
		return nil, err
	}
	body, err := encode(content)
	if err != nil {
		return nil, err
	}
	return &salesforce.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}

// string is an argument that is text; "" when it is not given.
func (c OwnCall) string(p Param) string {
	s, _ := c.Args[p.Name].(string)
	return s
}

package tools

import (
	"context"
	"encoding/json"
)

// ToolsList returns what a client is sent for tools/list: the JSON of its result, made
// the way [MCP] answers. It remembers nothing, so that any number of rules can be tried
// out. The error is that of who.Visible.
func (s *Server) ToolsList(ctx context.Context, who Identity, view View) (json.RawMessage, error) {
	msg, failure := parseMessage([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if failure != nil {
		return nil, &Error{Code: Internal, Message: failure.Message}
	}
	_, answered := NewMCP(s, "", "").answer(ctx, who, view, "", "", msg)
	if answered.Error != nil {
		return nil, &Error{Code: NotIdentified, Message: answered.Error.Message}
	}
	return encode(answered.Result)
}

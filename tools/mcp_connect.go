package tools

import (
	"context"
	"crypto/rand"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// connectID names the one thing that a user is asked for.
const connectID = "connect"

// notConnected is the error of a call whose user has to connect first, in the form
// that the client understands: as URL elicitation if it has said that it can do
// that, else as a result with the link. Whoever comes back from an elicitation
// without being connected gets the result: asked again and again, clients would
// open one window after the other.
func (m *MCP) notConnected(ctx context.Context, s *session, r mcp.CallToolRequest, e *Error) *mcp.CallToolResult {
	ask := mcp.ElicitationParams{Mode: mcp.ElicitationModeURL, Message: e.Message + ". Connect your Salesforce user to go on.", URL: e.ConnectURL}
	switch info := server.RequestProtocolInfoFromContext(ctx); {
	case s.modern && len(r.Params.InputResponses) == 0 && info != nil && elicitsURL(info.ClientCapabilities):
		return server.NewInputRequestBuilder("").Elicit(connectID, ask).ToolResult()
	case !s.modern && s.surface == stdioSurface && m.elicits.Load():
		ask.ElicitationID = rand.Text()
		s.failure = &rpcError{Code: mcp.URL_ELICITATION_REQUIRED, Message: e.Message, Data: map[string]any{"elicitations": []mcp.ElicitationParams{ask}}}
	}
	return failed(e)
}

func elicitsURL(c *mcp.ClientCapabilities) bool {
	return c != nil && c.Elicitation != nil && c.Elicitation.URL != nil
}

// noteClient keeps what the one client of stdio said of itself. Clients of older
// versions say it once, in initialize; over HTTP nobody remembers.
func (m *MCP) noteClient(s *session, msg *message, agreed string) {
	if s.surface != stdioSurface {
		return
	}
	var params mcp.InitializeParams
	err := json.Unmarshal(msg.params, &params)
	m.elicits.Store(err == nil && agreed == mcp.ProtocolVersion20251125 && elicitsURL(&params.Capabilities))
	m.forms.Store(err == nil && agreed >= mcp.ProtocolVersion20250618 && elicitsForms(&params.Capabilities))
}

// authRequired is the structured form of an error of a user who has to connect,
// as Agent Factory's chat knows it from other connectors.
type authRequired struct {
	Error      *Error   `json:"error"`
	Type       string   `json:"type"` // connector_auth_required
	Name       string   `json:"name"`
	AuthType   string   `json:"auth_type"`
	ConnectURL string   `json:"connect_url"`
	Message    string   `json:"message"`
	Scopes     []string `json:"scopes,omitempty"`
}

// structured is an error as structured content.
func (e *Error) structured() any {
	if e.ConnectURL == "" {
		return map[string]*Error{"error": e}
	}
	return authRequired{e, "connector_auth_required", "Salesforce", "oauth2", e.ConnectURL, e.Message, e.Scopes}
}

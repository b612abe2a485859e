package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
)

// JSON-RPC 2.0 and MCP error codes.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeInvalidParams  = -32602
	codeNoResource     = -32002 // before 2026-07-28
	codeInternal       = -32603
)

// An rpcError is a JSON-RPC error.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// A message is one JSON-RPC message from a client, read once and strictly.
type message struct {
	raw    json.RawMessage
	id     json.RawMessage // nil for a notification
	method string          // "" for a response to a request of ours
	params json.RawMessage
	tool   string // params.name of tools/call
	era    string // protocol version of params._meta; "" before 2026-07-28
	// progress is the token of params._meta that notifications of progress name; nil when
	// nobody wants any.
	progress json.RawMessage
	// live sends a notification before the answer; nil where that cannot be done.
	live  func(any)
	trace string // traceparent of params._meta; "" when there is none
}

// idRE matches the ids of MCP: strings and integers.
var idRE = regexp.MustCompile(`^(?:"(?s:.{0,256})"|-?\d{1,40})$`)

var (
	messageKeys = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramKeys   = []string{"_meta", "name", "arguments", "task", "cursor", "uri", "ref", "argument", "level", "requestId", "notifications",
		"protocolVersion", "capabilities", "clientInfo", "inputResponses", "requestState"}
	metaKeys = []string{versionKey, "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo", "io.modelcontextprotocol/logLevel", "progressToken"}
)

const versionKey = "io.modelcontextprotocol/protocolVersion"

// parseMessage reads one message. The error says what JSON-RPC or MCP wants
// instead; the message is never nil and has the id if that could be read.
func parseMessage(raw []byte) (*message, *rpcError) {
	m := &message{raw: raw}
	if err := strictJSON(raw); err != nil {
		return m, &rpcError{Code: codeParse, Message: "the message is refused: " + err.Error()}
	}
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); trimmed[0] == '[' {
		return m, &rpcError{Code: codeInvalidRequest, Message: "batches are not supported (MCP removed them in 2025-06-18); send one message a request"}
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return m, &rpcError{Code: codeInvalidRequest, Message: "the message is no JSON object"}
	}
	if err := m.readTop(top); err != nil {
		return m, &rpcError{Code: codeInvalidRequest, Message: err.Error()}
	}
	if err := m.readParams(); err != nil {
		return m, &rpcError{Code: codeInvalidParams, Message: err.Error()}
	}
	return m, nil
}

func (m *message) readTop(top map[string]json.RawMessage) error {
	if err := canonical(top, messageKeys...); err != nil {
		return err
	}
	if string(top["jsonrpc"]) != `"2.0"` {
		return fmt.Errorf(`jsonrpc must be "2.0"`)
	}
	if id, ok := top["id"]; ok {
		if !idRE.Match(id) {
			return fmt.Errorf("id must be a string or an integer")
		}
		m.id = id
	}
	method, ok := top["method"]
	if !ok && m.id != nil && (top["result"] != nil || top["error"] != nil) {
		return nil // a response
	}
	if err := json.Unmarshal(method, &m.method); !ok || err != nil || m.method == "" {
		return fmt.Errorf("method must be a string such as tools/call")
	}
	if top["result"] != nil || top["error"] != nil {
		return fmt.Errorf("a message is a request or a response, not both")
	}
	m.params = top["params"]
	return nil
}

func (m *message) readParams() error {
	if m.params == nil {
		return nil
	}
	var params map[string]json.RawMessage
	if err := json.Unmarshal(m.params, &params); err != nil || params == nil {
		return fmt.Errorf("params must be an object")
	}
	if err := canonical(params, paramKeys...); err != nil {
		return err
	}
	if err := m.readMeta(params["_meta"]); err != nil {
		return err
	}
	if m.method != "tools/call" {
		return nil
	}
	if err := json.Unmarshal(params["name"], &m.tool); err != nil {
		return fmt.Errorf("params.name must be the name of a tool")
	}
	if args, ok := params["arguments"]; ok && args[0] != '{' && string(args) != "null" {
		return fmt.Errorf("params.arguments must be an object")
	}
	return nil
}

// readMeta reads the protocol version, whose key mcp-go knows in one spelling
// only.
func (m *message) readMeta(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var meta map[string]json.RawMessage
	if err := json.Unmarshal(raw, &meta); err != nil {
		return fmt.Errorf("params._meta must be an object")
	}
	if err := canonical(meta, metaKeys...); err != nil {
		return err
	}
	if version, ok := meta[versionKey]; ok {
		if err := json.Unmarshal(version, &m.era); err != nil {
			return fmt.Errorf("%s must be a string", versionKey)
		}
	}
	if token, ok := meta["progressToken"]; ok && string(token) != "null" {
		if !idRE.Match(token) {
			return fmt.Errorf("progressToken must be a string or an integer")
		}
		m.progress = token
	}
	if parent, ok := meta[traceparentKey]; ok {
		_ = json.Unmarshal(parent, &m.trace) // one that is no string is none
	}
	return nil
}

// A reply is a JSON-RPC response. The id is the very bytes of the request, so
// that a number of any size comes back as it was.
type reply struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

func (m *message) fail(e *rpcError) *reply {
	id := m.id
	if id == nil {
		id = json.RawMessage("null")
	}
	return &reply{JSONRPC: "2.0", ID: id, Error: e}
}

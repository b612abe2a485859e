package tools

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// MCP speaks the Model Context Protocol for a Server. It is the only part of
// the program that knows the MCP library. It keeps nothing of a caller between
// messages and is safe for concurrent use.
//
// The library's own HTTP transport is not used: it reads a message seven times
// where this reads it once and strictly, and it keys what it keeps by a session
// id that is the same for all stateless callers.
type MCP struct {
	// MaxMessage is how many bytes a line of stdio may have. It is set before
	// the first message; NewMCP sets it to the constant of that name.
	MaxMessage int
	// View is as what tools stdio lists the table. It is set before the first
	// message; NewMCP sets it to Dispatch.
	View View

	server   *Server
	lib      *server.MCPServer
	sessions atomic.Uint64
	elicits  atomic.Bool // the client of stdio can open URLs
	forms    atomic.Bool // it can ask its user
	client   atomic.Pointer[lineClient]
	lists    sync.Map // which rows are visible → map[string]server.ServerTool
	listed   atomic.Int64
}

// maxLists bounds how many different tool lists are kept. There are as many as
// there are different rules.
const maxLists = 256

// NewMCP returns an MCP server that answers with s and calls itself name.
func NewMCP(s *Server, name, version string) *MCP {
	m := &MCP{MaxMessage: MaxMessage, View: Dispatch, server: s, lib: server.NewMCPServer(name, version,
		server.WithToolCapabilities(false),
		server.WithResourceCapabilities(false, false))}
	m.lib.AddResourceTemplate(mcp.NewResourceTemplate(resultURI+"{id}{?from}", "result",
		mcp.WithTemplateDescription("A large result, to whom a tool offered it. Each page names the next one.")), m.readResult)
	return m
}

// resultURI is how the URIs of large results begin.
const resultURI = "salesforce://results/"

// A session is what the library keeps for a client. Ours lives for one message:
// nobody can cancel, watch or list what another caller does.
type session struct {
	id       string
	who      Identity
	surface  string
	modern   bool // the client speaks 2026-07-28 or later
	tools    map[string]server.ServerTool
	outgoing chan mcp.JSONRPCNotification
	progress func(string) // tells the client how far its call is; nil when it does not want to know
	failure  *rpcError    // set by a handler whose failure is one of the protocol
}

func (s *session) Initialize()                                         {}
func (s *session) Initialized() bool                                   { return true }
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.outgoing }
func (s *session) SessionID() string                                   { return s.id }
func (s *session) GetSessionTools() map[string]server.ServerTool       { return s.tools }
func (s *session) SetSessionTools(tools map[string]server.ServerTool)  { s.tools = tools }

var _ server.SessionWithTools = (*session)(nil)

// answer answers one request. Notifications that the library made meanwhile
// come first.
func (m *MCP) answer(ctx context.Context, who Identity, view View, surface, sessionID string, msg *message) (notifications []mcp.JSONRPCNotification, r *reply) {
	defer func() {
		if p := recover(); p != nil {
			m.server.Log.Error().Str("method", msg.method).Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("message panicked")
			notifications, r = nil, msg.fail(&rpcError{Code: codeInternal, Message: "internal error"})
		}
	}()
	if sessionID == "" {
		sessionID = strconv.FormatUint(m.sessions.Add(1), 10)
	}
	s := &session{id: sessionID, who: who, surface: surface, modern: mcp.IsModernProtocol(msg.era), progress: msg.teller(), outgoing: make(chan mcp.JSONRPCNotification, 8)}
	switch msg.method {
	case string(mcp.MethodToolsList):
		visible, err := who.Visible(m.server.Table)
		if err != nil {
			return nil, msg.fail(&rpcError{Code: codeInvalidRequest, Message: err.Error()})
		}
		s.tools = m.list(visible, view)
	case string(mcp.MethodToolsCall):
		s.tools = map[string]server.ServerTool{msg.tool: {Tool: mcp.Tool{Name: msg.tool}, Handler: m.handler(s)}}
	}
	ctx = InTrace(ctx, msg.trace)
	response := m.lib.HandleMessage(m.lib.WithContext(ctx, s), msg.raw)
	for len(s.outgoing) > 0 {
		notifications = append(notifications, <-s.outgoing)
	}
	switch response := response.(type) {
	case mcp.JSONRPCError:
		if s.failure != nil {
			return nil, msg.fail(s.failure)
		}
		return notifications, msg.fail(sanitised(response.Error, msg.method))
	case mcp.JSONRPCResponse:
		if s.failure != nil {
			return nil, msg.fail(s.failure)
		}
		if result, ok := response.Result.(mcp.InitializeResult); ok {
			m.noteClient(s, msg, result.ProtocolVersion)
		}
		return notifications, &reply{JSONRPC: "2.0", ID: msg.id, Result: m.introduced(response.Result, who, view)}
	}
	return notifications, msg.fail(&rpcError{Code: codeInternal, Message: "internal error"})
}

// introduced is the result of a request, and tells a new client what its agent
// may use.
func (m *MCP) introduced(result any, who Identity, view View) any {
	switch result := result.(type) {
	case mcp.InitializeResult:
		result.Instructions = m.instructions(who, view)
		return result
	case mcp.DiscoverResult:
		result.Instructions = m.instructions(who, view)
		return result
	}
	return result
}

func (m *MCP) instructions(who Identity, view View) string {
	visible, err := who.Visible(m.server.Table)
	if err != nil { // a host that names the agent in calls only
		visible = m.server.Table
	}
	return visible.Instructions(view)
}

// sanitised is an error of the library without the Go errors that some of them
// quote.
func sanitised(e mcp.JSONRPCErrorDetails, method string) *rpcError {
	switch e.Code {
	case codeParse, codeInvalidRequest:
		e.Message = "the params do not fit " + clip(method)
	case codeInternal:
		e.Message = "internal error"
	}
	return &rpcError{e.Code, e.Message, e.Data}
}

// handler runs tools/call.
func (m *MCP) handler(s *session) server.ToolHandlerFunc {
	return func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var args map[string]any
		if len(r.Params.RawArguments) > 0 {
			d := json.NewDecoder(strings.NewReader(string(r.Params.RawArguments)))
			d.UseNumber()
			if err := d.Decode(&args); err != nil {
				return failed(&Error{Code: InvalidArgument, Message: "the arguments are no JSON object"}), nil
			}
		}
		c := Call{Who: s.who, Surface: s.surface, Tool: r.Params.Name, Args: args, Progress: s.progress, Elicits: m.canAsk(ctx, s), Answer: answerIn(r)}
		res, err := m.server.Call(ctx, c)
		if q := questionIn(err); q != nil {
			if s.modern {
				return q.result(), nil
			}
			if c.Answer = m.client.Load().ask(ctx, q); c.Answer != nil {
				res, err = m.server.Call(ctx, c)
			}
		}
		if err != nil {
			e := AsError(err)
			if e.Code == UnknownTool { // an error of the protocol: MCP, "Tools", Error Handling
				s.failure = &rpcError{Code: codeInvalidParams, Message: e.Message}
			}
			if e.ConnectURL != "" {
				return m.notConnected(ctx, s, r, e), nil
			}
			return failed(e), nil
		}
		return res.mcp(s.surface), nil
	}
}

// readResult runs resources/read: a page of a large result, and where the next
// one is.
func (m *MCP) readResult(ctx context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	s, ok := server.ClientSessionFromContext(ctx).(*session)
	if !ok {
		return nil, errors.New("no session")
	}
	id, from, err := resultPlace(r.Params.Arguments)
	var page *resultPage
	if err == nil {
		page, err = m.server.page(ctx, Call{Who: s.who, Surface: s.surface}, id, from)
	}
	if err != nil {
		s.failure = &rpcError{Code: codeNoResource, Message: AsError(err).Error(), Data: map[string]string{"uri": r.Params.URI}}
		if s.modern {
			s.failure.Code = codeInvalidParams
		}
		return nil, err
	}
	if page.mediaType == "application/json" && (from > 0 || page.next > 0) { // a part of it is no JSON
		page.mediaType = "text/plain"
	}
	var contents mcp.ResourceContents
	if page.blob != nil {
		contents = mcp.BlobResourceContents{URI: r.Params.URI, MIMEType: page.mediaType, Blob: base64.StdEncoding.EncodeToString(page.blob)}
	} else {
		contents = mcp.TextResourceContents{URI: r.Params.URI, MIMEType: page.mediaType, Text: page.text}
	}
	if page.next == 0 {
		return []mcp.ResourceContents{contents}, nil
	}
	next := fmt.Sprintf("%s%s?from=%d", resultURI, id, page.next)
	return []mcp.ResourceContents{contents, mcp.TextResourceContents{URI: next, MIMEType: "text/plain", Text: "It goes on: read " + next}}, nil
}

// resultPlace reads which result is meant, and from where on.
func resultPlace(vars map[string]any) (id string, from int, err error) {
	first := func(name string) string {
		if list, ok := vars[name].([]string); ok && len(list) > 0 {
			return list[0]
		}
		return ""
	}
	if text := first("from"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return "", 0, &Error{Code: InvalidArgument, Message: "from must be a number"}
		}
	}
	return first("id"), from, nil
}

// failed is an error as a result, so that the model reads it and can do better.
func failed(e *Error) *mcp.CallToolResult {
	r := mcp.NewToolResultError(e.Error())
	r.StructuredContent = e.structured()
	return r
}

// mcp is a result as the protocol wants it. Where there is only a structured
// form it is repeated as text, for hosts that know nothing else.
func (r *Result) mcp(surface string) *mcp.CallToolResult {
	out := &mcp.CallToolResult{IsError: r.Failed}
	if r.Structured != nil {
		out.StructuredContent = r.Structured
	}
	text := r.Text
	if text == "" {
		text = string(r.Structured)
	}
	out.Content = append(out.Content, mcp.NewTextContent(text))
	if r.File != nil && r.File.Attached {
		out.Content = append(out.Content, mcp.NewEmbeddedResource(mcp.BlobResourceContents{
			URI: r.File.URI, MIMEType: r.File.MediaType, Blob: base64.StdEncoding.EncodeToString(r.File.Content)}))
	}
	if r.Link != nil {
		out.Content = append(out.Content, mcp.NewResourceLink(resultURI+r.Link.ID, r.Link.Name, r.Link.text(surface), r.Link.MediaType))
	}
	return out
}

// text says what is behind a link.
func (l *Link) text(surface string) string {
	what := "The whole result"
	if l.Page {
		what = "This page of the result, whole (the rest is on its next pages)"
	}
	what += ", for a day: read it in pages"
	if surface == stdioSurface {
		return what + "."
	}
	return what + ", or download it with an authenticated GET of results/" + l.ID + " beside the URL of this server's mcp endpoint."
}

// list returns the tools of a part of the table. There are as many different
// parts as there are different rules, so they are kept.
func (m *MCP) list(visible Table, view View) map[string]server.ServerTool {
	var rows strings.Builder
	rows.WriteString(string(view) + " ")
	for _, op := range visible.Operations() {
		rows.WriteString(op.Tool + "." + op.Action + " ")
	}
	if tools, ok := m.lists.Load(rows.String()); ok {
		return tools.(map[string]server.ServerTool)
	}
	tools := map[string]server.ServerTool{}
	for _, t := range visible.As(view) {
		tools[t.Name] = server.ServerTool{Tool: t.mcp()}
	}
	if m.listed.Add(1) <= maxLists {
		m.lists.Store(rows.String(), tools)
	}
	return tools
}

// mcp is the tool as the protocol lists it, with those hints that say something
// (the others have no meaning for a tool that only reads, or are the default).
func (t Tool) mcp() mcp.Tool {
	h := t.Hints()
	hints := mcp.ToolAnnotation{ReadOnlyHint: &h.ReadOnly}
	if !h.ReadOnly {
		hints.DestructiveHint, hints.IdempotentHint = &h.Destructive, &h.Idempotent
	}
	return mcp.Tool{Name: t.Name, Description: t.Help(), RawInputSchema: t.Schema(), Annotations: hints}
}

// checkHeaders compares the headers of a request with its message, as 2026-07-28
// wants them compared (SEP-2243), and refuses versions that do not exist.
// Modern reports whether the request is of that era.
func checkHeaders(h http.Header, msg *message) (modern bool, e *rpcError) {
	header, meta := h.Get(mcp.HeaderProtocolVersion), msg.era
	if !mcp.IsModernProtocol(header) && !mcp.IsModernProtocol(meta) {
		if header != "" && msg.method != string(mcp.MethodInitialize) && !mcp.IsValidProtocolVersion(header) {
			return false, unsupported(header)
		}
		return false, nil
	}
	switch {
	case msg.method == "":
		return true, &rpcError{Code: codeInvalidRequest, Message: "2026-07-28 has no requests by the server, so there is nothing to respond to"}
	case header == "" || meta != "" && header != meta:
		return true, &rpcError{Code: mcp.HEADER_MISMATCH, Message: fmt.Sprintf("the header %s must be the protocol version of params._meta, %q", mcp.HeaderProtocolVersion, clip(meta))}
	case meta == "":
		return true, &rpcError{Code: codeInvalidParams, Message: "params._meta must have " + mcp.MetaKeyProtocolVersion}
	case !mcp.IsValidProtocolVersion(meta):
		return true, unsupported(meta)
	case h.Get(mcp.HeaderLastEventID) != "":
		return true, &rpcError{Code: mcp.HEADER_MISMATCH, Message: "streams cannot be resumed; send the request again with a new id"}
	}
	if err := mcp.ValidateStandardHeaders(h.Get, meta, mcp.MCPMethod(msg.method), msg.params); err != nil {
		return true, &rpcError{Code: mcp.HEADER_MISMATCH, Message: err.Error()}
	}
	return true, nil
}

func unsupported(version string) *rpcError {
	e := mcp.UnsupportedProtocolVersionError{Version: clip(version), Supported: mcp.ValidProtocolVersions}.JSONRPCError().Error
	return &rpcError{e.Code, e.Message, e.Data}
}

// statusOf is the HTTP status of a reply. The older protocol versions answer
// errors of a method with 200; 2026-07-28 says what else.
func (r *reply) statusOf(modern bool) int {
	if r.Error == nil {
		return http.StatusOK
	}
	switch r.Error.Code {
	case codeParse, codeInvalidRequest:
		return http.StatusBadRequest
	case mcp.METHOD_NOT_FOUND:
		if modern {
			return http.StatusNotFound
		}
	case codeInvalidParams, mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION:
		if modern || r.Error.Code != codeInvalidParams {
			return http.StatusBadRequest
		}
	}
	return http.StatusOK
}

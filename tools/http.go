package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// ServeHTTP answers one request of the streamable HTTP transport, without
// sessions, for a host that has been authenticated. Both eras of the protocol
// come in here: 2025-03-26 to 2025-11-25 and 2026-07-28. The query parameter
// view says as what tools the table is listed.
//
// The caller of ServeHTTP has checked Host and Origin and bounded the body.
func (m *MCP) ServeHTTP(w http.ResponseWriter, r *http.Request, who Identity) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		who.Refused("method " + clip(r.Method))
		http.Error(w, "this endpoint has no streams and no sessions: send JSON-RPC by POST", http.StatusMethodNotAllowed)
		return
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		who.Refused("content type")
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	if !accepts(r, "application/json") {
		who.Refused("accept")
		http.Error(w, "Accept must include application/json (and, in MCP, text/event-stream)", http.StatusNotAcceptable)
		return
	}
	view, err := ParseView(r.URL.Query().Get("view"))
	if err != nil {
		who.Refused("view")
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		who.Refused("body")
		refuseBody(w, err)
		return
	}
	msg, failure := parseMessage(raw)
	modern := false
	if failure == nil {
		modern, failure = checkHeaders(r.Header, msg)
	}
	if failure != nil {
		who.Refused(failure.Message)
		write(w, http.StatusBadRequest, msg.fail(failure))
		return
	}
	if msg.id == nil || msg.method == "" { // a notification or a response: nobody waits for an answer
		w.WriteHeader(http.StatusAccepted)
		return
	}
	stream := &eventStream{w: w}
	if accepts(r, "text/event-stream") {
		msg.live = stream.send
	}
	notifications, reply := m.answer(InTraceOf(r), who, view, "mcp", "", msg)
	if len(notifications) > 0 && accepts(r, "text/event-stream") {
		for _, n := range notifications {
			stream.send(n)
		}
	}
	if stream.end(reply) {
		return
	}
	write(w, reply.statusOf(modern), reply)
}

// accepts reports whether the client takes that media type. Clients that say
// nothing take everything.
func accepts(r *http.Request, mediaType string) bool {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" {
		return true
	}
	major, _, _ := strings.Cut(mediaType, "/")
	for part := range strings.SplitSeq(header, ",") {
		t, params, err := mime.ParseMediaType(part)
		if err == nil && params["q"] != "0" && (t == "*/*" || t == major+"/*" || t == mediaType) {
			return true
		}
	}
	return false
}

// refuseBody answers a body that could not be read.
func refuseBody(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		w.Header().Set("Connection", "close")
		write(w, http.StatusRequestEntityTooLarge, new(message).fail(&rpcError{Code: codeInvalidRequest,
			Message: fmt.Sprintf("the message is larger than %d bytes; split it, use the Bulk API for many records, and the instruction API for files", tooLarge.Limit)}))
		return
	}
	write(w, http.StatusBadRequest, new(message).fail(&rpcError{Code: codeParse, Message: "the body could not be read to its end"}))
}

// write answers with one JSON message.
func write(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up reads nothing
}

// event writes one message of an event stream.
func event(w http.ResponseWriter, v any) {
	if body, err := json.Marshal(v); err == nil {
		_, _ = fmt.Fprintf(w, "event: message\ndata: %s\n\n", bytes.TrimSpace(body))
	}
}

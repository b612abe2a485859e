package tools

import (
	"encoding/json"
	"net/http"
	"sync"
)

// progressed is a notification of progress (MCP, "Progress"). How much there is to
// come nobody knows, so that it has no total.
type progressed struct {
	JSONRPC string         `json:"jsonrpc"`
	Method  string         `json:"method"`
	Params  progressParams `json:"params"`
}

type progressParams struct {
	Token    json.RawMessage `json:"progressToken"`
	Progress int64           `json:"progress"`
	Message  string          `json:"message"`
}

// teller tells the client of a call what comes of it meanwhile; nil when it sent no
// token for that, or cannot be told.
func (m *message) teller() func(string) {
	if m.progress == nil || m.live == nil {
		return nil
	}
	var mu sync.Mutex
	var n int64
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		n++ // it grows with each
		m.live(progressed{"2.0", "notifications/progress", progressParams{m.progress, n, text}})
	}
}

// An eventStream makes the answer to a POST an event stream, from the first message
// that is sent before the answer on.
type eventStream struct {
	w http.ResponseWriter

	mu           sync.Mutex
	begun, ended bool
}

// send sends a message at once. After the answer it sends nothing.
func (s *eventStream) send(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "text/event-stream")
		s.w.Header().Set("Cache-Control", "no-cache")
		s.w.Header().Set("X-Accel-Buffering", "no")
	}
	event(s.w, v)
	_ = http.NewResponseController(s.w).Flush() // a client that hung up reads nothing
}

// end sends the answer, if a stream has begun; else it is false, and nothing was sent.
func (s *eventStream) end(reply any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.begun {
		event(s.w, reply)
	}
	return s.begun
}

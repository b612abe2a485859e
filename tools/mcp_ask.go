package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// approvalInput names what a person is asked, and approveField the tick that says
// yes: a client that sends a form back unread approves nothing.
const (
	approvalInput = "approval"
	approveField  = "approve"
)

// params is the question as a form. Clients of 2025-06-18 know no mode.
func (q *question) params() mcp.ElicitationParams {
	return mcp.ElicitationParams{Message: q.text, RequestedSchema: map[string]any{
		"type": "object", "required": []string{approveField},
		"properties": map[string]any{approveField: map[string]any{"type": "boolean", "title": "Approve", "description": "Let the agent do this, once"}},
	}}
}

// result asks for the person's answer in the way of 2026-07-28: the client makes the
// call again, with the answer and the state.
func (q *question) result() *mcp.CallToolResult {
	return server.NewInputRequestBuilder(q.state).Elicit(approvalInput, q.params()).ToolResult()
}

// read is what a client says that the person has answered.
func read(e *mcp.ElicitationResult, state string) *Answer {
	content, _ := e.Content.(map[string]any)
	switch e.Action {
	case mcp.ElicitationResponseActionAccept:
		yes := content[approveField] == true
		return &Answer{State: state, Approved: yes, Declined: !yes}
	case mcp.ElicitationResponseActionDecline:
		return &Answer{State: state, Declined: true}
	}
	return &Answer{State: state}
}

// answerIn is the answer that a call of 2026-07-28 brings along.
func answerIn(r mcp.CallToolRequest) *Answer {
	e := server.ElicitationResponse(r.Params.InputResponses, approvalInput)
	if e == nil {
		return nil
	}
	return read(e, r.Params.RequestState)
}

// questionIn is what a person can be asked about a call that waits for one, or nil.
func questionIn(err error) *question {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.ask
}

// canAsk reports whether the client says that it asks its user questions. Clients of
// older versions say so once, in initialize: over HTTP nobody remembers, and no
// request of ours would reach them.
func (m *MCP) canAsk(ctx context.Context, s *session) bool {
	if !s.modern {
		return s.surface == stdioSurface && m.forms.Load()
	}
	info := server.RequestProtocolInfoFromContext(ctx)
	return info != nil && info.ClientCapabilities != nil && elicitsForms(info.ClientCapabilities)
}

// elicitsForms: a capability without modes is that of forms (MCP 2025-11-25,
// "Elicitation", Capabilities).
func elicitsForms(c *mcp.ClientCapabilities) bool {
	return c.Elicitation != nil && (c.Elicitation.Form != nil || c.Elicitation.URL == nil)
}

// A lineClient is the client at the other end of stdio, which answers requests of
// ours.
type lineClient struct {
	send func(any)

	mu      sync.Mutex
	asked   int
	closed  bool
	waiting map[string]chan json.RawMessage // by the id of the request
}

// maxQuestions is how many questions may wait for the person at a time: each of them
// holds a worker.
const maxQuestions = stdioWorkers / 2

// ask puts a question and waits for the answer. It returns nil when there is none:
// then the call waits for somebody else.
func (c *lineClient) ask(ctx context.Context, q *question) *Answer {
	if c == nil {
		return nil
	}
	id, answer := c.begin()
	if answer == nil {
		return nil
	}
	defer c.end(id)
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	c.send(struct {
		JSONRPC string                `json:"jsonrpc"`
		ID      json.RawMessage       `json:"id"`
		Method  string                `json:"method"`
		Params  mcp.ElicitationParams `json:"params"`
	}{"2.0", json.RawMessage(id), string(mcp.MethodElicitationCreate), q.params()})
	select {
	case raw := <-answer:
		var e *mcp.ElicitationResult
		if json.Unmarshal(raw, &e) != nil || e == nil {
			return nil
		}
		return read(e, q.state)
	case <-ctx.Done():
		return nil
	}
}

// begin returns the id of a request, and where its answer will come; nil when
// nothing can be asked now.
func (c *lineClient) begin() (id string, answer chan json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.waiting) >= maxQuestions {
		return "", nil
	}
	c.asked++
	id = fmt.Sprintf(`"approval-%d"`, c.asked)
	answer = make(chan json.RawMessage, 1)
	c.waiting[id] = answer
	return id, answer
}

func (c *lineClient) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// answered hands a response to whoever asked.
func (c *lineClient) answered(msg *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.waiting[string(msg.id)]
	if answer == nil {
		return
	}
	delete(c.waiting, string(msg.id))
	var response struct{ Result json.RawMessage }
	_ = json.Unmarshal(msg.raw, &response) // an error is no answer
	answer <- response.Result
}

// gone says that no answer comes any more.
func (c *lineClient) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for id, answer := range c.waiting {
		delete(c.waiting, id)
		answer <- nil
	}
}

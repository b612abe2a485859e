package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Agents speaks with the agents of an org over the Agent API (Agent API Developer
// Guide; what differs from it is named where it does). It keeps nothing: who calls it
// counts the messages of a session, and sends one at a time. It is safe for concurrent
// use.
type Agents struct {
	// Org sends the requests. *Org does.
	Org interface {
		Do(context.Context, *Request) (*Response, error)
	}
}

// AgentStart is what a session begins with.
type AgentStart struct {
	AgentID string // 18 characters: that of a BotDefinition
	// Key is a UUID of the caller's, by which the agent's event log knows the session.
	Key string
	// AgentUser makes the agent's own user act, and not the token's: it must where the
	// token is the app's, as with client credentials.
	AgentUser bool
	Variables []AgentVariable
}

// AgentVariable is a value that the agent is given.
type AgentVariable struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // Text, Number, Boolean, Id, Date, DateTime, Currency or Object
	Value any    `json:"value"`
}

// AgentSession is a session that began.
type AgentSession struct {
	ID       string // a UUID
	Endpoint string // the org's My Domain
	Greeting AgentReply
}

// AgentMessage is one message of an agent. Which fields it has depends on its Type:
// Inform, Inquire, Confirm, Failure, Escalate, SessionEnded, ProgressIndicator,
// TextChunk, ValidationFailureChunk, EndOfTurn, Error.
type AgentMessage struct {
	Type       string          `json:"type"`
	ID         string          `json:"id,omitempty"`
	Message    string          `json:"message,omitempty"`
	PlanID     string          `json:"planId,omitempty"`
	FeedbackID string          `json:"feedbackId,omitempty"`
	Safe       *bool           `json:"isContentSafe,omitempty"`
	Result     json.RawMessage `json:"result,omitempty"`
	Citations  json.RawMessage `json:"citedReferences,omitempty"`
	Collect    json.RawMessage `json:"collect,omitempty"` // of Inquire
	Confirm    json.RawMessage `json:"confirm,omitempty"`
	Targets    json.RawMessage `json:"targets,omitempty"` // of Escalate
	Reason     string          `json:"reason,omitempty"`  // of SessionEnded
	Indicator  string          `json:"indicatorType,omitempty"`
	Code       json.RawMessage `json:"code,omitempty"` // of Failure
	Errors     json.RawMessage `json:"errors,omitempty"`
	Error      string          `json:"error,omitempty"`      // of Error
	HTTPStatus int             `json:"httpStatus,omitempty"` // of Error
}

// AgentReply is what an agent said in one turn.
type AgentReply struct {
	Text       string         // of all messages that are for the user, a line each
	Messages   []AgentMessage // whole ones, without chunks and signs of progress
	PlanID     string         // of the last message that has one
	FeedbackID string         // what feedback about the turn names
	Ended      string         // the reason, when the agent ended the session
}

// add takes a whole message.
func (r *AgentReply) add(m AgentMessage) {
	r.Messages = append(r.Messages, m)
	if m.Message != "" {
		r.Text += strings.Repeat("\n", min(len(r.Text), 1)) + m.Message
	}
	r.PlanID, r.FeedbackID = cmp.Or(m.PlanID, r.PlanID), cmp.Or(m.FeedbackID, r.FeedbackID)
	if m.Type == "SessionEnded" {
		r.Ended = cmp.Or(m.Reason, "Other")
	}
}

// failure is the error that a message is, or nil.
func (m AgentMessage) failure() error {
	switch m.Type {
	case "Error":
		status := m.HTTPStatus
		if status < http.StatusBadRequest || status > 599 {
			status = http.StatusInternalServerError
		}
		e := &Error{Status: status, Code: clip(m.Error, 100), Message: cmp.Or(clip(m.Message, longestMessage), "the agent failed and did not say why")}
		e.Class = ClassOf(e.Code, status)
		e.ofAgents("/sessions/", 0, 1)
		e.NotExecuted = false // it was at work already
		return e
	case "Failure":
		text := cmp.Or(m.Message, strings.Trim(string(m.Errors), "[]\""), "the agent failed and did not say why")
		return &Error{Status: http.StatusOK, Class: ClassTransient, Code: cmp.Or(clip(strings.Trim(string(m.Code), `"`), 100), "AGENT_FAILURE"), Message: clip(text, longestMessage),
			hint: "The agent could not do it; it may have done a part: look before saying it again."}
	}
	return nil
}

// The reasons for the end of a session.
const (
	EndUserRequest = "UserRequest"
	EndTransfer    = "Transfer"
	EndExpiration  = "Expiration"
	EndError       = "Error"
	EndOther       = "Other"
)

// uuid is the form of session ids (recording agents-001).
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// Start begins a session. It is not repeated after an ambiguous answer.
func (a Agents) Start(ctx context.Context, s AgentStart) (*AgentSession, error) {
	if s.Variables == nil {
		s.Variables = []AgentVariable{}
	}
	answer, err := a.Org.Do(ctx, &Request{Method: http.MethodPost, Path: "/agents/" + url.PathEscape(s.AgentID) + "/sessions", Agents: true,
		BodyFor: func(instanceURL string) ([]byte, error) {
			if err := myDomain(instanceURL); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]any{
				"externalSessionKey":    s.Key,
				"instanceConfig":        map[string]string{"endpoint": instanceURL},
				"streamingCapabilities": map[string]any{"chunkTypes": []string{"Text"}},
				"featureSupport":        "Streaming",
				"bypassUser":            s.AgentUser,
				"variables":             s.Variables,
			})
		}})
	if err != nil {
		return nil, err
	}
	var begun struct {
		SessionID string         `json:"sessionId"`
		Messages  []AgentMessage `json:"messages"`
	}
	if err := json.Unmarshal(answer.Body, &begun); err != nil || !uuid.MatchString(begun.SessionID) {
		return nil, unlikely(answer, "it names no session")
	}
	session := &AgentSession{ID: begun.SessionID, Endpoint: answer.Origin}
	for _, m := range begun.Messages {
		session.Greeting.add(m)
	}
	return session, nil
}

// Say is what is said to an agent.
type Say struct {
	SessionID string
	Sequence  int64 // counts the messages of the session, from 1
	Text      string
	Variables []AgentVariable
}

func (s Say) body() ([]byte, error) {
	if s.Variables == nil {
		s.Variables = []AgentVariable{}
	}
	return json.Marshal(map[string]any{
		"message":   map[string]any{"sequenceId": s.Sequence, "type": "Text", "text": s.Text},
		"variables": s.Variables,
	})
}

// Send says something and waits for the whole answer.
func (a Agents) Send(ctx context.Context, s Say) (*AgentReply, error) {
	body, err := s.body()
	if err != nil {
		return nil, err
	}
	answer, err := a.Org.Do(ctx, &Request{Method: http.MethodPost, Path: "/sessions/" + url.PathEscape(s.SessionID) + "/messages", Agents: true, Body: body})
	if err != nil {
		return nil, err
	}
	return replyIn(answer)
}

// replyIn reads the messages of an answer that is not streamed.
func replyIn(answer *Response) (*AgentReply, error) {
	var said struct {
		Messages []AgentMessage `json:"messages"`
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		return nil, unlikely(answer, "its messages cannot be read")
	}
	reply := &AgentReply{}
	for _, m := range said.Messages {
		if err := m.failure(); err != nil {
			return nil, err
		}
		reply.add(m)
	}
	return reply, nil
}

// unlikely is the error of an answer that is none of the Agent API.
func unlikely(answer *Response, what string) error {
	return &Error{Status: answer.Status, Class: ClassTransient, RequestID: answer.RequestID, Message: "the answer is not one of the Agent API: " + what}
}

// AgentProgress is told while an agent answers: a piece of its text, or, with
// Withdrawn, that the pieces so far are not to be shown (they did not pass the
// platform's validation), or, with Doing, what the agent is about.
type AgentProgress struct {
	Chunk     string
	Withdrawn bool
	Doing     string
}

// Stream says something and tells of the answer while it comes. It returns when the
// agent's turn is over. An answer that is cut off before is an error that says what
// had come; the whole messages so far are returned with it.
func (a Agents) Stream(ctx context.Context, s Say, tell func(AgentProgress)) (*AgentReply, error) {
	body, err := s.body()
	if err != nil {
		return nil, err
	}
	answer, err := a.Org.Do(ctx, &Request{Method: http.MethodPost, Path: "/sessions/" + url.PathEscape(s.SessionID) + "/messages/stream", Agents: true,
		Header: http.Header{"Accept": {"text/event-stream"}}, Body: body, Streamed: true, Prompt: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Stream.Close() }()
	t := turn{tell: tell}
	err = events(answer.Stream, t.take)
	if t.failed != nil {
		return &t.reply, t.failed
	}
	if err == nil {
		if t.reply.Text == "" && t.shown != "" { // no message repeated the pieces
			t.reply.add(AgentMessage{Type: "Inform", Message: t.shown})
		}
		return &t.reply, nil
	}
	cut := &Error{Class: ClassTransient, Code: "AGENT_ANSWER_CUT", RequestID: answer.RequestID, Err: err,
		Message: "the agent's answer was cut off; " + t.received(),
		hint:    "The agent was told, and may have gone on: ask it what it did, before saying it again."}
	if errors.Is(err, io.EOF) {
		cut.Err = io.ErrUnexpectedEOF
	}
	return &t.reply, cut
}

// turn is an agent's turn while it is streamed.
type turn struct {
	tell  func(AgentProgress)
	reply AgentReply
	shown string // the pieces since the last whole message
	// failed is what the agent said of itself. It is at work until its turn is over all
	// the same: who spoke before would find it busy.
	failed error
}

// take reads one event. What it is says its message alone: names of events are spelled
// in several ways, and are missing for some clients.
func (t *turn) take(data []byte) (done bool, err error) {
	var event struct {
		Message AgentMessage `json:"message"`
	}
	if json.Unmarshal(data, &event) != nil || event.Message.Type == "" {
		return false, nil // nothing that we know
	}
	m := event.Message
	if err := m.failure(); err != nil {
		t.failed = cmp.Or(t.failed, fmt.Errorf("the agent failed: %w", err))
		return m.Type == "Error", nil // nothing follows an error
	}
	switch m.Type {
	case "TextChunk":
		t.shown += m.Message
		t.tell(AgentProgress{Chunk: m.Message})
	case "ValidationFailureChunk":
		t.shown = ""
		t.tell(AgentProgress{Withdrawn: true})
	case "ProgressIndicator":
		t.tell(AgentProgress{Doing: m.Message})
	case "EndOfTurn":
		return true, nil
	case "LightningChunk", "ThoughtTextChunk": // not for users
	default:
		if m.Message != "" { // it repeats the pieces
			t.shown = ""
		}
		t.reply.add(m)
	}
	return false, nil
}

// received says what had come when an answer was cut off.
func (t *turn) received() string {
	text := strings.TrimSpace(t.reply.Text + "\n" + t.shown)
	if text == "" {
		return "nothing of it had come"
	}
	return fmt.Sprintf("what had come is %q", clip(text, 1000))
}

// Feedback tells what was thought of a turn.
func (a Agents) Feedback(ctx context.Context, sessionID, feedbackID string, good bool, text string) error {
	body := map[string]string{"feedbackId": feedbackID, "feedback": "BAD"}
	if good {
		body["feedback"] = "GOOD"
	}
	if text != "" {
		body["text"] = text
	}
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = a.Org.Do(ctx, &Request{Method: http.MethodPost, Path: "/sessions/" + url.PathEscape(sessionID) + "/feedback", Agents: true, Body: content})
	return err
}

// End ends a session, for one of the reasons above. A session that is gone has ended.
func (a Agents) End(ctx context.Context, sessionID, reason string) (*AgentReply, error) {
	answer, err := a.Org.Do(ctx, &Request{Method: http.MethodDelete, Path: "/sessions/" + url.PathEscape(sessionID), Agents: true,
		Header: http.Header{"X-Session-End-Reason": {reason}}, Semantics: Idempotent})
	var e *Error
	if errors.As(err, &e) && e.Code == AgentSessionGone {
		return &AgentReply{Ended: reason}, nil
	}
	if err != nil {
		return nil, err
	}
	if len(answer.Body) == 0 {
		return &AgentReply{Ended: reason}, nil
	}
	return replyIn(answer)
}

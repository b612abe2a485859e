package fakeorg

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// said is what an agent says in one turn.
type said struct {
	doing   string // a sign of progress; empty is none
	text    string
	cited   []citation
	order   string // the id of the order it speaks of
	target  string // whom it hands the conversation over to
	failure string // why it could do nothing
}

// citation is a record that stands behind a part of the text.
type citation struct {
	id, label, claim string
	location         int // in the text, where the claim ends
}

// longestThought is how long the platform lets an agent think.
const longestThought = 120 * time.Second

// isMessage tells the requests of sendMessage from all others.
func isMessage(r *http.Request) bool {
	path := strings.TrimSuffix(r.URL.Path, "/stream")
	return strings.HasPrefix(path, agentRoot+"/sessions/") && strings.HasSuffix(path, "/messages")
}

// sendMessage is POST /sessions/{session}/messages, and /messages/stream. A session that another request is at work in
// is refused; it is free again before the last of the answer is sent.
func sendMessage(c *agentCall) *agentError {
	var in struct {
		Message struct {
			SequenceID int64 `json:"sequenceId"`
			Type, Text string
		}
		Variables []agentVariable
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Message.Type != "Text" || in.Message.Text == "" {
		return badAgentRequest("message must have the type Text and a text")
	}
	if e := checkVariables(in.Variables, true); e != nil {
		return e
	}
	t, e := c.org.holdTalk(c.PathValue("session"), c.user.username, c.instant())
	if e != nil {
		return e
	}
	held := true
	free := func(do func()) {
		if held {
			held = false
			c.org.letTalk(t, do)
		}
	}
	defer free(func() {}) // after an error, and when the connection is cut on demand
	if most := cmp.Or(c.org.options.AgentLimits.Messages, 100); len(t.Said) >= most {
		return atLimit(time.Hour, "the session has had %d messages", most)
	}
	if in.Message.SequenceID <= t.last {
		return badAgentRequest("sequenceId %d must be greater than %d", in.Message.SequenceID, t.last)
	}
	t.last = in.Message.SequenceID
	if c.Context().Value(disturbed{}) == nil {
		c.fault = cmp.Or(c.org.next(c.Request, thinking), c.fault)
	}
	wait(c.Request, c.thought())
	s, e := c.think(t, in.Message.Text)
	if e != nil {
		return e
	}
	plan := uuid.NewString()
	done := func() {
		free(func() {
			t.order, t.given[plan], t.used = cmp.Or(s.order, t.order), true, c.org.options.Clock()
			t.Said = append(t.Said, AgentSaid{in.Message.SequenceID, in.Message.Text, s.text, plan})
		})
	}
	if c.fault.Agent == "timeout" {
		done()
		return agentRefusal(http.StatusInternalServerError, "InternalServerException", "The request timed out")
	}
	if strings.HasSuffix(c.URL.Path, "/stream") {
		c.stream(t, s, plan, done)
		return nil
	}
	done()
	switch c.fault.Agent {
	case "cut":
		panic(http.ErrAbortHandler) // the documented way to close the connection
	case "error":
		return agentRefusal(http.StatusInternalServerError, "InternalServerException", "An agent error was ordered")
	}
	return c.write(object{{"messages", messages(s, plan)}, c.links(t)})
}

// thought is how long the agent thinks, on demand.
func (c *agentCall) thought() time.Duration {
	d := time.Duration(c.fault.DelayMS) * time.Millisecond
	if c.fault.Agent == "timeout" {
		return cmp.Or(d, longestThought)
	}
	return d
}

// think asks the script, and the database for it.
func (c *agentCall) think(t *talk, text string) (s said, e *agentError) {
	e = c.ask(func() (err error) {
		s, err = c.script(t.order, text)
		return err
	})
	if c.fault.Agent == "failure" {
		s = said{failure: "An agent failure was ordered"}
	}
	return s, e
}

// messages are the whole messages of a turn.
func messages(s said, plan string) []object {
	switch {
	case s.failure != "":
		return []object{{{"type", "Failure"}, {"id", uuid.NewString()}, {"code", 500}, {"errors", []string{s.failure}}, {"message", s.failure}, {"planId", plan}, {"feedbackId", plan}}}
	case s.target != "":
		return []object{inform(s, plan), {{"type", "Escalate"}, {"id", uuid.NewString()}, {"targets", []object{{{"id", uuid.NewString()}, {"type", "Queue"}, {"label", s.target}}}}}}
	}
	return []object{inform(s, plan)}
}

// inform is the message with the text of a turn. The plan's id is that of the feedback too, as recorded.
func inform(s said, plan string) object {
	cited := []object{}
	for _, x := range s.cited {
		cited = append(cited, object{{"type", "link"}, {"value", x.label}, {"recordId", x.id}, {"label", nil},
			{"inlineMetadata", []object{{{"claim", x.claim}, {"location", x.location}}}}})
	}
	return object{{"type", "Inform"}, {"id", uuid.NewString()}, {"metrics", object{}}, {"feedbackId", plan}, {"planId", plan}, {"isContentSafe", true},
		{"message", s.text}, {"result", []object{}}, {"citedReferences", cited}}
}

// sender writes server-sent events.
type sender struct {
	*agentCall
	origin, trace string
}

// send writes one event. That the client has gone is found out by the next read.
func (s *sender) send(event string, message object) {
	data, err := encode(object{{"timestamp", s.org.options.Clock().UnixMilli()}, {"originEventId", s.origin}, {"traceId", s.trace}, {"offset", 0}, {"message", message}})
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(s.w, "event: %s\nid: %s\ndata: %s\n\n", event, s.origin, data)
	_ = http.NewResponseController(s.w).Flush()
}

// pieces sends a text in pieces of a few words. After so many, if it is not 0, the connection is cut.
func (s *sender) pieces(text string, cutAfter int) {
	words := strings.SplitAfter(text, " ")
	for i := 0; i < len(words); i += 3 {
		n := i/3 + 1
		s.send("TEXT_CHUNK", object{{"type", "TextChunk"}, {"id", uuid.NewString()}, {"offset", n}, {"message", strings.Join(words[i:min(i+3, len(words))], "")}, {"formatType", "Text"}})
		if n == cutAfter {
			panic(http.ErrAbortHandler)
		}
		wait(s.Request, s.org.options.Pace/20)
	}
}

// stream answers with events. Done is called when the agent's turn is over.
func (c *agentCall) stream(t *talk, s said, plan string, done func()) {
	c.w.Header().Set("Content-Type", "text/event-stream;charset=UTF-8")
	c.w.Header().Set("Cache-Control", "no-cache")
	out := &sender{c, fmt.Sprintf("%d-REQ", c.instant().UnixMilli()), strings.ReplaceAll(uuid.NewString(), "-", "")}
	_, _ = io.WriteString(c.w, ": simulated\n\n")
	if s.doing != "" {
		out.send("PROGRESS_INDICATOR", object{{"type", "ProgressIndicator"}, {"id", uuid.NewString()}, {"indicatorType", "ACTION"}, {"message", s.doing}})
	}
	cutAfter := map[string]int{"cut": 2}[c.fault.Agent]
	if c.fault.Agent == "validation" {
		out.pieces("This is not what the agent may say.", 0)
		out.send("VALIDATION_FAILURE_CHUNK", object{{"type", "ValidationFailureChunk"}, {"id", uuid.NewString()}, {"reason", "The response did not pass validation"}})
	}
	if t.chunks && s.text != "" {
		out.pieces(s.text, cutAfter)
	}
	switch c.fault.Agent {
	case "cut": // the text was too short, or is not sent in pieces
		panic(http.ErrAbortHandler)
	case "error":
		done()
		out.send("ERROR", object{{"type", "Error"}, {"id", uuid.NewString()}, {"error", "InternalServerException"}, {"httpStatus", 500}, {"message", "An agent error was ordered"},
			{"timestamp", c.instant().UnixMilli()}, {"expected", false}, {"traceId", out.trace}})
		return
	}
	names := map[any]string{"Inform": "INFORM", "Failure": "FAILURE", "Escalate": "ESCALATE"}
	for _, m := range messages(s, plan) {
		out.send(names[m[0].value], m)
	}
	done()
	out.send("END_OF_TURN", object{{"type", "EndOfTurn"}, {"id", uuid.NewString()}})
	wait(c.Request, c.org.options.Pace/20) // the platform closes later too
}

package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// sessions keeps sessions in memory, as package store keeps them in a database.
type sessions struct {
	mu    sync.Mutex
	all   map[string]*tools.Session // by key
	taken map[string]bool
	ended map[string]string
}

func (s *sessions) OpenSession(_ context.Context, a tools.Session, limits tools.SessionLimits) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all, s.taken, s.ended = map[string]*tools.Session{}, map[string]bool{}, map[string]string{}
	}
	if int64(len(s.all)-len(s.ended)) >= limits.Open {
		return -1, nil
	}
	if int64(len(s.all)) >= limits.Hourly {
		return 90 * time.Second, nil
	}
	a.Caller.Context = ""
	s.all[a.Key] = &a
	return 0, nil
}

func (s *sessions) SessionBegan(_ context.Context, a tools.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a.Key].ID, s.all[a.Key].Endpoint = a.ID, a.Endpoint
	return nil
}

func (s *sessions) of(caller allowlist.Caller, id string) *tools.Session {
	caller.Context = ""
	for _, a := range s.all {
		if a.ID == id && a.Caller == caller {
			return a
		}
	}
	return nil
}

func (s *sessions) TakeTurn(_ context.Context, caller allowlist.Caller, id string, limits tools.SessionLimits, _ time.Duration) (tools.Session, tools.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.of(caller, id)
	switch {
	case a == nil:
		return tools.Session{}, tools.TurnNone, nil
	case s.ended[a.Key] != "":
		return *a, tools.TurnEnded, nil
	case a.Sequence >= limits.Messages:
		return *a, tools.TurnSpent, nil
	case s.taken[a.Key]:
		return *a, tools.TurnBusy, nil
	}
	a.Sequence++
	s.taken[a.Key] = true
	return *a, tools.TurnTaken, nil
}

func (s *sessions) EndTurn(_ context.Context, a tools.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[a.Key] = false
	return nil
}

func (s *sessions) FindSession(_ context.Context, caller allowlist.Caller, id string) (tools.Session, bool, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.of(caller, id); a != nil {
		return *a, s.ended[a.Key] != "", true, nil
	}
	return tools.Session{}, false, false, nil
}

func (s *sessions) SessionEnded(_ context.Context, key, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[key] = reason
	return nil
}

func (s *sessions) IdleSession(_ context.Context, workspace string, idle, _ time.Duration) (tools.Session, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.all {
		if idle == 0 && a.Caller.Workspace == workspace && s.ended[a.Key] == "" && !s.taken[a.Key] {
			s.taken[a.Key] = true
			return *a, true, nil
		}
	}
	return tools.Session{}, false, nil
}

const agentSessionID = "e17fe68d-8509-4da7-8715-f270da5d64be"

// agentOrg answers as the Agent API does, and notes what it was sent. With hold it
// waits for it before it answers a message.
type agentOrg struct {
	mu   sync.Mutex
	sent []string
	hold chan struct{}
	came chan struct{} // is told of a message that is held
}

func (o *agentOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	o.sent = append(o.sent, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Session-End-Reason")+" "+string(body))
	o.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/query") && strings.Contains(r.URL.Query().Get("q"), "BotVersion"):
		answer(w, `200`+"\n"+`{"records":[{"BotDefinitionId":"0Xxed00000002Q1CAI"}]}`)
	case strings.HasSuffix(r.URL.Path, "/query"):
		answer(w, `200`+"\n"+`{"records":[{"Id":"0Xxed00000002Q1CAI","MasterLabel":"Service","DeveloperName":"Service_Agent"},{"Id":"0Xxed00000002Q2CAI","MasterLabel":"Off"}]}`)
	case strings.HasSuffix(r.URL.Path, "/sessions"):
		answer(w, "200\n"+`{"sessionId":"`+agentSessionID+`","messages":[{"type":"Inform","message":"Hi"}]}`)
	case strings.HasSuffix(r.URL.Path, "/messages"):
		if o.hold != nil {
			select {
			case o.came <- struct{}{}:
			default:
			}
			<-o.hold
		}
		if strings.Contains(string(body), "ponder") {
			time.Sleep(ponders) // longer than the platform lets it
			answer(w, "500\n"+`{"error":"InternalServerException","message":"The request timed out"}`)
			return
		}
		if strings.Contains(string(body), "goodbye") {
			answer(w, "200\n"+`{"messages":[{"type":"Inform","message":"Bye."},{"type":"SessionEnded","reason":"Transfer"}]}`)
			return
		}
		if strings.Contains(string(body), "forget") {
			answer(w, "404\n"+`{"error":"NotFoundException","message":"V6Session not found for sessionId: x"}`)
			return
		}
		answer(w, "200\n"+`{"messages":[{"type":"Inform","message":"Approved.","planId":"p","feedbackId":"f","citedReferences":[{"type":"link","value":"https://a"}]}]}`)
	case strings.HasSuffix(r.URL.Path, "/messages/stream"):
		w.Header().Set("Content-Type", "text/event-stream")
		for _, m := range []string{`{"type":"TextChunk","message":"App"}`, `{"type":"ValidationFailureChunk"}`, `{"type":"TextChunk","message":"Approved."}`, `{"type":"Inform","message":"Approved.","feedbackId":"f"}`, `{"type":"EndOfTurn"}`} {
			_, _ = fmt.Fprintf(w, "data: {\"message\":%s}\n\n", m)
		}
	case strings.HasSuffix(r.URL.Path, "/feedback"):
		answer(w, "201\n")
	default:
		answer(w, "200\n"+`{"messages":[{"type":"SessionEnded","reason":"ClientRequest"}]}`)
	}
}

// ponders is how long an agent thinks that is stopped.
const ponders = 20 * time.Millisecond

// agentServer is a server that speaks with the agents of an org.
func agentServer(t *testing.T, org *agentOrg, limits tools.SessionLimits) *tools.Server {
	server := newTestServer(t, org.ServeHTTP)
	server.Table = tools.NewTable(tools.AgentforceTool)
	if errs := server.Table.Check(); errs != nil {
		t.Fatal(errs)
	}
	server.Agentforce = &tools.Agentforce{Sessions: &sessions{}, Limits: func(string) tools.SessionLimits { return limits }, Queue: 2, Patience: 10 * time.Second}
	return server
}

func agentCall(ctx context.Context, server *tools.Server, user, action string, args map[string]any, progress func(string)) (map[string]any, error) {
	args["action"], args["outputFormat"] = action, "structured"
	res, err := server.Call(ctx, tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "admin", User: user}}, Surface: "mcp", Tool: "agentforce", Args: args, Progress: progress})
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(res.Structured, &out)
}

func coded(err error) tools.Code {
	var e *tools.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestConversation: from the list of agents to the end of a session.
func TestConversation(t *testing.T) {
	org := &agentOrg{}
	server := agentServer(t, org, tools.SessionLimits{Open: 1, Messages: 4})
	call := func(action string, args map[string]any) (map[string]any, error) {
		return agentCall(t.Context(), server, "u", action, args, nil)
	}
	listed, err := call("listAgents", map[string]any{})
	if err != nil || !strings.Contains(fmt.Sprint(listed), "active:true") || !strings.Contains(fmt.Sprint(listed), "active:false") {
		t.Errorf("%v, %v", listed, err)
	}
	begun, err := call("startSession", map[string]any{"agentId": "0Xxed00000002Q1"})
	if err != nil || begun["sessionId"] != agentSessionID || begun["text"] != "Hi" {
		t.Fatalf("%v, %v", begun, err)
	}
	_, err = call("startSession", map[string]any{"agentId": "0Xxed00000002Q1"})
	if coded(err) != tools.SessionLimit || !strings.Contains(err.Error(), "retry after") {
		t.Errorf("a session too many: %v", err)
	}
	say := func(text string) map[string]any { return map[string]any{"sessionId": agentSessionID, "text": text} }
	for n := range 2 {
		said, err := call("sendMessage", say("hi"))
		if err != nil || said["text"] != "Approved." || said["sequenceId"] != float64(n+1) || said["planId"] != "p" || said["feedbackId"] != "f" || said["citations"] == nil {
			t.Errorf("%v, %v", said, err)
		}
	}
	var told []string
	said, err := agentCall(t.Context(), server, "u", "sendMessage", say("hi"), func(text string) { told = append(told, text) })
	if err != nil || said["text"] != "Approved." || strings.Join(told, "|") != "App|(what was shown so far is withdrawn)|Approved." {
		t.Errorf("%v, %q, %v", said, told, err)
	}
	if _, err := agentCall(t.Context(), server, "other", "sendMessage", say("hi"), nil); coded(err) != tools.NoSession {
		t.Errorf("in another's session: %v", err)
	}
	if _, err := agentCall(t.Context(), server, "other", "endSession", map[string]any{"sessionId": agentSessionID}, nil); coded(err) != tools.NoSession {
		t.Errorf("ends another's session: %v", err)
	}
	if _, err := call("sendFeedback", map[string]any{"sessionId": agentSessionID, "feedbackId": "f", "feedback": "BAD"}); err != nil {
		t.Error(err)
	}
	if _, err := call("sendMessage", say("forget")); coded(err) != "AGENT_SESSION_GONE" {
		t.Error(err)
	}
	if _, err := call("sendMessage", say("hi")); coded(err) != tools.SessionOver {
		t.Errorf("after its end: %v", err)
	}
	before := len(org.sent)
	if _, err := call("endSession", map[string]any{"sessionId": agentSessionID}); err != nil || len(org.sent) != before {
		t.Errorf("ends what has ended: %v", err)
	}
}

// TestOneMessageAtATime: messages of one session go one after the other, each with an
// ID of its own; more than may wait are refused, and nothing of them is sent.
func TestOneMessageAtATime(t *testing.T) {
	org := &agentOrg{hold: make(chan struct{}), came: make(chan struct{}, 1)}
	server := agentServer(t, org, tools.SessionLimits{})
	if _, err := agentCall(t.Context(), server, "u", "startSession", map[string]any{"agentId": "0Xxed00000002Q1"}, nil); err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	say := func() {
		_, err := agentCall(t.Context(), server, "u", "sendMessage", map[string]any{"sessionId": agentSessionID, "text": "hi"}, nil)
		results <- err
	}
	go say()
	<-org.came
	for range 5 {
		go say()
	}
	refused := 0
	for range 3 { // one is under way, two wait
		if err := <-results; coded(err) == tools.SessionBusy {
			refused++
		} else {
			t.Error(err)
		}
	}
	close(org.hold)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	all := strings.Join(org.sent, "\n")
	for n := 1; n <= 3; n++ {
		if strings.Count(all, fmt.Sprintf(`"sequenceId":%d,`, n)) != 1 {
			t.Errorf("%d is not sent once:\n%s", n, all)
		}
	}
	if refused != 3 {
		t.Errorf("%d refused", refused)
	}
}

// TestAgentEnds: an agent may end a session itself; nothing is said in it then.
func TestAgentEnds(t *testing.T) {
	org := &agentOrg{}
	server := agentServer(t, org, tools.SessionLimits{})
	call := func(action string, args map[string]any) (map[string]any, error) {
		return agentCall(t.Context(), server, "u", action, args, nil)
	}
	if _, err := call("startSession", map[string]any{"agentId": "0Xxed00000002Q1"}); err != nil {
		t.Fatal(err)
	}
	said, err := call("sendMessage", map[string]any{"sessionId": agentSessionID, "text": "goodbye"})
	if err != nil || said["ended"] != "Transfer" || said["text"] != "Bye." {
		t.Errorf("%v, %v", said, err)
	}
	sent := len(org.sent)
	if _, err := call("sendMessage", map[string]any{"sessionId": agentSessionID, "text": "hi"}); coded(err) != tools.SessionOver || len(org.sent) != sent {
		t.Errorf("after its end: %v", err)
	}
}

// TestAgentStopped: an agent that the platform stopped is told from one that failed,
// though both are 500.
func TestAgentStopped(t *testing.T) {
	for limit, want := range map[time.Duration]struct {
		code tools.Code
		text string
	}{
		ponders:   {salesforce.AgentTimeout, "the agent did not answer within 20ms, and was stopped"},
		time.Hour: {"InternalServerException", "The request timed out"},
	} {
		server := agentServer(t, &agentOrg{}, tools.SessionLimits{})
		org := server.Orgs.(connected)
		org.client = salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}, RetryBudget: -1, AgentLimit: limit})
		server.Orgs = org
		if _, err := agentCall(t.Context(), server, "u", "startSession", map[string]any{"agentId": "0Xxed00000002Q1"}, nil); err != nil {
			t.Fatal(err)
		}
		_, err := agentCall(t.Context(), server, "u", "sendMessage", map[string]any{"sessionId": agentSessionID, "text": "ponder"}, nil)
		if coded(err) != want.code || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), "look before saying it again") {
			t.Errorf("%v", err)
		}
	}
}

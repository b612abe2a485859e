package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestAgentforceBySDK: a client that is not ours has a conversation with an agent,
// streamed and not.
func TestAgentforceBySDK(t *testing.T) {
	w := agentWorld(t)
	k := w.talks("a", "token-a", demoAgent, "ann")
	session := k.begin()

	order := k.do("sendMessage", spoke(session, "What is in order SO-71000?"))
	if !strings.Contains(order.Text, "Order SO-71000 of ") || order.SequenceID != 1 || order.PlanID == "" || order.FeedbackID == "" {
		t.Errorf("%+v", order)
	}
	once := spoke(session, "What is in order SO-71000?")
	once["idempotencyKey"] = "again"
	if first, second := k.do("sendMessage", once), k.do("sendMessage", once); first.SequenceID != 2 || second.SequenceID != 2 || second.PlanID != first.PlanID {
		t.Errorf("with one idempotency key: %+v, %+v", first, second)
	}
	if len(order.Citations) != 2 || !strings.HasPrefix(order.Citations[0].RecordID, "801") || !strings.HasSuffix(order.Citations[0].Value, order.Citations[0].RecordID) ||
		!strings.HasPrefix(order.Citations[1].RecordID, "802") {
		t.Errorf("citations %+v", order.Citations)
	}

	refund, problem := k.try("sendMessage", spoke(session, "And my refund?"), true)
	if problem != "" || refund.SequenceID != 3 || !strings.Contains(refund.Text, "of order SO-71000 is") {
		t.Errorf("%+v %s", refund, problem)
	}
	if told := k.progress(refund.Text); told[0] != "(Looking up returns)" || len(told) < 3 || strings.Join(told[1:], "") != refund.Text {
		t.Errorf("%q, the reply is %q", told, refund.Text)
	}

	w.org.org.Inject(fakeorg.Fault{Path: "/stream", Agent: "validation"})
	again, problem := k.try("sendMessage", spoke(session, "Its delivery?"), true)
	if told := k.progress(again.Text); problem != "" || strings.Contains(again.Text, "may say") || !strings.Contains(strings.Join(told, ""), "may say.(what was shown so far is withdrawn)"+again.Text) {
		t.Errorf("%+v %s, told %q", again, problem, told)
	}

	person := k.do("sendMessage", spoke(session, "Let me speak to a person"))
	if len(person.Messages) != 1 || person.Messages[0].Type != "Escalate" {
		t.Errorf("%+v", person)
	}
	if !k.do("sendFeedback", map[string]any{"sessionId": session, "feedbackId": refund.FeedbackID, "feedback": "GOOD", "text": "clear"}).Noted {
		t.Error("the feedback is not noted")
	}
	if ended := k.do("endSession", map[string]any{"sessionId": session, "reason": "Transfer"}); ended.SessionID != session || ended.Ended == "" {
		t.Errorf("%+v", ended)
	}
	kept := sessionOf(t, w.org.org, session)
	if len(kept.Said) != 5 || kept.Ended != "Transfer" || len(kept.Feedback) != 1 || kept.Feedback[0] != "GOOD clear" {
		t.Errorf("%+v", kept)
	}
	for i, s := range kept.Said {
		if s.Sequence != int64(i+1) {
			t.Errorf("message %d has the sequence id %d", i+1, s.Sequence)
		}
	}
}

// TestAgentforceOwners: nobody but who began a session speaks in it, whatever their
// rights; nobody else learns that it is there.
func TestAgentforceOwners(t *testing.T) {
	w := agentWorld(t)
	ann := w.talks("a", "token-a", demoAgent, "ann")
	session := ann.begin()
	turn := ann.do("sendMessage", spoke(session, "What is in order SO-71000?"))
	calls := func(session string) map[string]map[string]any {
		return map[string]map[string]any{"sendMessage": spoke(session, "And my refund?"), "endSession": {"sessionId": session},
			"sendFeedback": {"sessionId": session, "feedbackId": turn.FeedbackID, "feedback": "BAD"}}
	}
	const unknown = "0b6a1ef0-5d0f-4d6c-9f0e-7a2b8b9f6a01"
	callID := regexp.MustCompile(`(?m)^call: .*$`)
	before := len(w.org.org.Requests())
	for name, k := range map[string]*talker{
		"another user": w.talks("a", "token-a", demoAgent, "bob"), "another agent": w.talks("a", "token-a", "other", "ann"),
		"another host": w.talks("a", "token-desk", demoAgent, "ann"), "another workspace": w.talks("b", "token-b", demoAgent, "ann"),
	} {
		for action, args := range calls(session) {
			_, problem := k.try(action, args, false)
			_, none := k.try(action, calls(unknown)[action], false)
			if !strings.Contains(problem, "code: no_session") || callID.ReplaceAllString(problem, "") != callID.ReplaceAllString(none, "") {
				t.Errorf("%s, %s: %s\nof a session that never was: %s", name, action, problem, none)
			}
		}
	}
	for _, r := range w.org.org.Requests()[before:] {
		if strings.HasPrefix(r.Path, agentPath) {
			t.Errorf("%s %s reached the agents", r.Method, r.Path)
		}
	}
	if _, problem := w.talks("a", "token-a", demoReader, "ann").try("sendMessage", spoke(session, "hi"), false); !strings.Contains(problem, "not authorized") {
		t.Errorf("a reader: %s", problem)
	}
	refund, problem := ann.try("sendMessage", map[string]any{"sessionId": session, "text": "And my refund?", "context_id": "another conversation"}, false)
	if problem != "" || refund.SequenceID != 2 || !strings.Contains(refund.Text, "SO-71000") {
		t.Errorf("in another context: %+v %s", refund, problem)
	}
}

// agentPath is where the Agent API is.
const agentPath = "/einstein/ai-agent/v1"

// TestAgentforceReasons: a session ends for each reason that the platform knows, and
// is over then; ending it again ends nothing.
func TestAgentforceReasons(t *testing.T) {
	w := agentWorld(t)
	k := w.talks("a", "token-a", demoAgent, "ann")
	for reason, want := range map[string]string{"": "UserRequest", "UserRequest": "UserRequest", "Transfer": "Transfer", "Expiration": "Expiration", "Error": "Error", "Other": "Other"} {
		session := k.begin()
		args := map[string]any{"sessionId": session}
		if reason != "" {
			args["reason"] = reason
		}
		k.do("endSession", args)
		if got := sessionOf(t, w.org.org, session).Ended; got != want {
			t.Errorf("%q: the org has %q", reason, got)
		}
		if _, problem := k.try("sendMessage", spoke(session, "hi"), false); !strings.Contains(problem, "code: session_ended") {
			t.Errorf("%q: a message afterwards: %s", reason, problem)
		}
		sent := len(w.org.org.Requests())
		k.do("endSession", args)
		if n := len(w.org.org.Requests()) - sent; n != 0 {
			t.Errorf("%q: ending it again sent %d requests", reason, n)
		}
	}
	session := k.begin()
	if _, problem := k.try("endSession", map[string]any{"sessionId": session, "reason": "Bored"}, false); !strings.Contains(problem, "UserRequest") {
		t.Errorf("another reason: %s", problem)
	}
	if got := sessionOf(t, w.org.org, session).Ended; got != "" {
		t.Errorf("it ended with %s", got)
	}
}

// TestAgentforceConfirmed: where a person has to approve it, nothing is said before
// they do, and what they approved is said once.
func TestAgentforceConfirmed(t *testing.T) {
	w := agentWorld(t)
	k := w.talks("a", "token-a", "asker", "ann")
	approved := func(action string, args map[string]any) spoken {
		t.Helper()
		sent := len(w.org.org.Requests())
		_, problem := k.try(action, args, false)
		id := regexp.MustCompile(`approval id: (\S+)`).FindStringSubmatch(problem)
		if !strings.Contains(problem, "approval_required") || id == nil || len(w.org.org.Requests()) != sent {
			t.Fatalf("%s: %s", action, problem)
		}
		w.decide(id[1], "approve")
		return k.do(action, args)
	}
	agents := k.do("listAgents", nil).Agents // which only reads
	i := slices.IndexFunc(agents, func(a agentListed) bool { return a.DeveloperName == fakeorg.ServiceAgent })
	session := approved("startSession", map[string]any{"agentId": agents[i].AgentID}).SessionID
	hi := spoke(session, "What is in order SO-71000?")
	if got := approved("sendMessage", hi); got.SequenceID != 1 || got.Text == "" {
		t.Errorf("%+v", got)
	}
	if _, problem := k.try("sendMessage", hi, false); !strings.Contains(problem, "approval_required") {
		t.Errorf("said again: %s", problem)
	}
	if kept := sessionOf(t, w.org.org, session); len(kept.Said) != 1 || kept.Ended != "" {
		t.Errorf("%+v", kept)
	}
	approved("endSession", map[string]any{"sessionId": session})
}

// TestAgentforceAudited: each call is recorded before it is made, with what it came to
// and what Salesforce was asked; who may not make it is refused, which is recorded too.
func TestAgentforceAudited(t *testing.T) {
	w := agentWorld(t)
	k := w.talks("a", "token-a", demoAgent, "ann")
	session := k.begin()
	turn, _ := k.try("sendMessage", spoke(session, "What is in order SO-71000?"), true)
	k.do("sendFeedback", map[string]any{"sessionId": session, "feedbackId": turn.FeedbackID, "feedback": "GOOD"})
	w.org.org.Inject(fakeorg.Fault{Agent: "cut"}, fakeorg.Fault{Path: "/messages", Status: http.StatusUnprocessableEntity, ErrorCode: "UnprocessableEntityException", Message: "Variable"})
	for _, stream := range []bool{true, false} {
		if _, problem := k.try("sendMessage", spoke(session, "And my refund?"), stream); problem == "" {
			t.Error("a message that failed did not")
		}
	}
	k.do("endSession", map[string]any{"sessionId": session})
	w.talks("a", "token-a", demoReader, "ann").try("endSession", map[string]any{"sessionId": session}, false)

	short := strings.NewReplacer(agentPath+"/sessions/"+session+"/messages", "MESSAGES", agentPath+"/sessions/"+session, "SESSION", sessionOf(t, w.org.org, session).Agent, "AGENT")
	var got []string
	intents := map[string]audit.Entry{}
	for _, e := range w.entries("a") {
		if e.Phase == audit.PhaseIntent {
			intents[e.ID] = e
		}
	}
	for _, e := range w.entries("a") {
		switch e.Phase {
		case audit.PhaseRefusal:
			got = append(got, "refused "+e.Instruction)
		case audit.PhaseOutcome:
			i := intents[e.Intent]
			line := string(e.Outcome) + " " + i.Instruction + " " + i.Effect + " " + i.User
			for _, x := range e.Exchanges {
				line += fmt.Sprintf(" %s %s %d", x.Method, short.Replace(x.Path), x.Status)
			}
			got = append(got, line)
			delete(intents, e.Intent)
		}
		if text := string(e.Line()); strings.Contains(text, "eyJ") || strings.Contains(text, "Bearer") {
			t.Errorf("a token in %s", text)
		}
	}
	slices.Sort(got)
	want := []string{
		"error agentSendMessage act ann POST MESSAGES 422",
		"ok agentEndSession act ann DELETE SESSION 200",
		"ok agentList read ann GET /services/data/v62.0/query 200 GET /services/data/v62.0/query 200",
		"ok agentSendFeedback act ann POST SESSION/feedback 201",
		"ok agentSendMessage act ann POST MESSAGES/stream 200",
		"ok agentStartSession act ann POST /einstein/ai-agent/v1/agents/AGENT/sessions 200",
		"refused agentEndSession",
		"unknown agentSendMessage act ann POST MESSAGES/stream 200", // cut off
	}
	if diff := cmp.Diff(want, got); diff != "" || len(intents) != 0 {
		t.Errorf("%d intents without an outcome, %s", len(intents), diff)
	}
}

// TestAgentforceErrors: each refusal of the Agent API is told with what helps, and
// only what no agent was told is sent again.
func TestAgentforceErrors(t *testing.T) {
	w := agentWorld(t)
	k := w.talks("a", "token-a", demoAgent, "ann")
	session := k.begin()
	agents := map[string]string{}
	for _, a := range k.do("listAgents", nil).Agents {
		agents[a.DeveloperName] = a.AgentID
	}
	refusal := func(status int, name, message string) *fakeorg.Fault {
		return &fakeorg.Fault{Path: agentPath, Status: status, ErrorCode: name, Message: message}
	}
	for name, c := range map[string]struct {
		fault  *fakeorg.Fault
		agent  string // begins a session with it, instead of a message
		sent   int
		logins int
		want   []string // nothing: it succeeds
	}{
		"401 once":              {fault: refusal(401, "Unauthorized", "Invalid token"), sent: 2, logins: 1},
		"401 for ever":          {fault: &fakeorg.Fault{Path: agentPath, Status: 401, ErrorCode: "Unauthorized", Message: "Invalid token", Times: 2}, sent: 2, logins: 1, want: []string{"(HTTP 401)", "JWT-based", "chatbot_api and sfap_api"}},
		"403":                   {fault: refusal(403, "Forbidden", "The token lacks the scope sfap_api"), sent: 1, want: []string{"(HTTP 403)", "lacks a scope", "Do not repeat"}},
		"404":                   {agent: agents[fakeorg.ServiceAgent], fault: refusal(404, "ERROR_HTTP_404", ""), sent: 1, want: []string{"(HTTP 404)", "listAgents", "JWT-based", "Government Cloud"}},
		"412":                   {agent: agents["EmployeeCopilot"], sent: 1, want: []string{"(HTTP 412)", "Agentforce (Default)"}},
		"422":                   {fault: refusal(422, "UnprocessableEntityException", "Variable x"), sent: 1, want: []string{"(HTTP 422)", "Variable x", "Change the variables"}},
		"423 for a moment":      {fault: refusal(423, "LockedException", "Session is locked"), sent: 2},
		"500":                   {fault: refusal(500, "InternalServerException", "Something broke"), sent: 1, want: []string{"(HTTP 500)", "Something broke", "look before saying it again"}},
		"500 no active version": {agent: agents["Warranty_Agent"], sent: 1, want: []string{"(HTTP 500)", "no active version"}},
		"500 an unknown agent":  {agent: "0XxSm0000000999KAA", sent: 1, want: []string{"(HTTP 500)", "the agent's ID is wrong"}},
		"400 no user":           {agent: agents["Parts_Agent"], sent: 1, want: []string{"(HTTP 400)", "no user of its own"}},
		"503":                   {fault: refusal(503, "ServiceUnavailable", "Down"), sent: 1, want: []string{"(HTTP 503)", "not available at the moment"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.fault != nil {
				w.org.org.Inject(*c.fault)
			}
			before, logins := len(w.org.org.Requests()), w.logins()
			action, args := "sendMessage", spoke(session, "hi")
			if c.agent != "" {
				action, args = "startSession", map[string]any{"agentId": c.agent}
			}
			_, problem := k.try(action, args, false)
			if (problem == "") != (c.want == nil) {
				t.Errorf("%q", problem)
			}
			for _, part := range c.want {
				if !strings.Contains(problem, part) {
					t.Errorf("%s, want %q", problem, part)
				}
			}
			sent := 0
			for _, r := range w.org.org.Requests()[before:] {
				if strings.HasPrefix(r.Path, agentPath) {
					sent++
				}
			}
			if sent != c.sent || w.logins()-logins != c.logins {
				t.Errorf("%d requests and %d logins, want %d and %d", sent, w.logins()-logins, c.sent, c.logins)
			}
		})
	}
	t.Run("429", func(t *testing.T) { // others have as many sessions open as the org lets
		token := w.org.org.MintAgentToken(fakeorg.IntegrationUser)
		for status := http.StatusOK; status == http.StatusOK; {
			r, err := http.NewRequest(http.MethodPost, w.org.ready.Org+agentPath+"/agents/"+agents[fakeorg.ServiceAgent]+"/sessions",
				strings.NewReader(`{"externalSessionKey":"k","instanceConfig":{"endpoint":"`+w.org.ready.Org+`"},"bypassUser":true}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
			var body string
			if status, body = w.do(r); status != http.StatusOK && status != http.StatusTooManyRequests {
				t.Fatal(status, body)
			}
		}
		_, problem := k.try("startSession", map[string]any{"agentId": agents[fakeorg.ServiceAgent]}, false)
		for _, part := range []string{"(HTTP 429)", "50 open sessions", "limit on agents", "retry after"} {
			if !strings.Contains(problem, part) {
				t.Errorf("%s, want %q", problem, part)
			}
		}
	})
}

package fakeorg_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

const agentRoot = "/einstein/ai-agent/v1"

// customer speaks with agents.
type customer struct {
	*server
	agents map[string]string // ids by developer names
}

func startAgents(t *testing.T, options fakeorg.Options) *customer {
	t.Helper()
	options.Pace = time.Nanosecond
	c := &customer{server: start(t, options), agents: map[string]string{}}
	var found struct {
		Records []struct{ ID, DeveloperName string }
	}
	if err := json.Unmarshal([]byte(c.do("GET", "/query?q=SELECT+Id,DeveloperName+FROM+BotDefinition", "").body), &found); err != nil {
		t.Fatal(err)
	}
	for _, r := range found.Records {
		c.agents[r.DeveloperName] = r.ID
	}
	c.token = c.MintAgentToken(fakeorg.IntegrationUser)
	return c
}

// ask sends a request to the Agent API.
func (c *customer) ask(method, path, body string, headers ...string) reply {
	c.t.Helper()
	r, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *customer) try(method, path, body string, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+agentRoot+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

func (c *customer) startBody() string {
	return `{"externalSessionKey":"2b8a37a0-7b60-4d0b-a6c0-5f6f2f3ed001","instanceConfig":{"endpoint":"` + c.url + `"},"streamingCapabilities":{"chunkTypes":["Text"]},"bypassUser":true}`
}

// begin starts a session with the agent that answers.
func (c *customer) begin() string {
	c.t.Helper()
	r := c.ask("POST", "/agents/"+c.agents[fakeorg.ServiceAgent]+"/sessions", c.startBody())
	var began struct{ SessionID string }
	if err := json.Unmarshal([]byte(r.body), &began); err != nil || r.status != 200 {
		c.t.Fatalf("%d %s", r.status, r.body)
	}
	return began.SessionID
}

func say(n int, text string) string {
	return fmt.Sprintf(`{"message":{"sequenceId":%d,"type":"Text","text":%q},"variables":[]}`, n, text)
}

// spoken is the text, the plan and the citations of an answer.
type spoken struct {
	Type, Message, PlanID, FeedbackID string
	CitedReferences                   []struct{ RecordID, Value string }
}

func first(t *testing.T, r reply) spoken {
	t.Helper()
	var in struct{ Messages []spoken }
	if err := json.Unmarshal([]byte(r.body), &in); err != nil || r.status != 200 || len(in.Messages) == 0 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	return in.Messages[0]
}

// events reads a stream: names, and messages.
func events(t *testing.T, body string) (names []string, messages []spoken) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		if strings.HasPrefix(block, ":") {
			continue
		}
		var name string
		for line := range strings.SplitSeq(block, "\n") {
			if text, ok := strings.CutPrefix(line, "event: "); ok {
				name = text
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var in struct{ Message spoken }
				if err := json.Unmarshal([]byte(data), &in); err != nil {
					t.Fatalf("%s: %v", data, err)
				}
				names, messages = append(names, name), append(messages, in.Message)
			}
		}
	}
	return names, messages
}

// TestAgentRecordings sends what was recorded and compares status and shape.
func TestAgentRecordings(t *testing.T) {
	c := startAgents(t, fakeorg.Options{})
	session := c.begin()
	gone := "94081416-c6dc-43a8-95e2-14a3f3580d34"
	for _, x := range []struct{ name, method, path, token string }{
		{"agents-001-agent_session_start", "POST", "/agents/" + c.agents[fakeorg.ServiceAgent] + "/sessions", ""},
		{"agents-002-agent_session_start-err", "POST", "/agents/sfd/sessions", ""},
		{"agents-003-agent_message_send", "POST", "/sessions/" + session + "/messages", ""},
		{"agents-004-agent_message_send-err", "POST", "/sessions/" + gone + "/messages", ""},
		{"agents-005-agent_session_end", "DELETE", "/sessions/" + session, ""},
		{"agents-006-agent_session_end-err", "DELETE", "/sessions/" + gone, ""},
		{"sfpi-001-agent_session_start-err", "POST", "/agents/" + c.agents[fakeorg.DefaultAgent] + "/sessions", ""},
		{"sfpi-002-agent_session_start-err", "POST", "/agents/" + c.agents[fakeorg.PartsAgent] + "/sessions", ""},
		{"sfpi-003-agent_session_start-err", "POST", "/agents/" + c.agents[fakeorg.ServiceAgent] + "/sessions", c.MintToken(fakeorg.IntegrationUser)},
		{"sfpi-004-agent_session_start-err", "POST", "/agents/" + c.agents[fakeorg.WarrantyAgent] + "/sessions", ""},
		{"sfpi-005-agent_message_send-err", "POST", "/sessions/" + gone + "/messages", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../../testdata/recordings", x.name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var was struct {
				RequestBody  json.RawMessage `json:"request_body"`
				Status       int
				ResponseBody map[string]any `json:"response_body"`
			}
			if err := json.Unmarshal(text, &was); err != nil {
				t.Fatal(err)
			}
			headers := []string{"X-Session-End-Reason", "UserRequest"}
			if x.token != "" {
				headers = append(headers, "Authorization", "Bearer "+x.token)
			}
			if strings.HasPrefix(x.name, "sfpi-005") { // the platform has answered 404 too, which it does here unless told otherwise
				c.Inject(fakeorg.Fault{Path: gone, Status: was.Status, Message: "V6Session not found for sessionId: xyz"})
			}
			r := c.ask(x.method, x.path, strings.ReplaceAll(string(was.RequestBody), "https://<mydomain>.my.salesforce.com", c.url), headers...)
			var is map[string]any
			if err := json.Unmarshal([]byte(r.body), &is); err != nil || r.status != was.Status {
				t.Fatalf("%d %s, recorded was %d", r.status, r.body, was.Status)
			}
			for _, difference := range shapeDiff("$", was.ResponseBody, is) {
				t.Error(difference)
			}
			if strings.HasPrefix(x.name, "sfpi") && was.ResponseBody["message"] != is["message"] {
				t.Errorf("message %q, recorded was %q", is["message"], was.ResponseBody["message"])
			}
		})
	}
}

// TestAgentAnswers has a conversation about seeded records, streamed and not.
func TestAgentAnswers(t *testing.T) {
	c := startAgents(t, fakeorg.Options{})
	session := c.begin()
	path := "/sessions/" + session + "/messages"
	for i, x := range []struct{ text, want string }{
		{"What is the status of my order?", "Which order is it about?"},
		{"It is so-71000", "Order SO-71000 of "},
		{"And my refund?", "Return RO-0013 of order SO-71000 is submitted."},
		{"Order SO-71007 was refunded, or not?", "of 99.50 is processed."},
		{"What about order SO-99999' OR 1=1?", "I cannot find an order SO-99999."},
	} {
		r := first(t, c.ask("POST", path, say(i+1, x.text)))
		if !strings.Contains(r.Message, x.want) {
			t.Errorf("%q: %q", x.text, r.Message)
		}
		if r.PlanID == "" || r.PlanID != r.FeedbackID {
			t.Errorf("%q: plan %q, feedback %q", x.text, r.PlanID, r.FeedbackID)
		}
	}

	streamed := c.ask("POST", path+"/stream", say(10, "What is in order SO-71000?"), "Accept", "text/event-stream")
	names, messages := events(t, streamed.body)
	if got := strings.Join(names, " "); !strings.HasPrefix(got, "PROGRESS_INDICATOR TEXT_CHUNK ") || !strings.HasSuffix(got, " TEXT_CHUNK INFORM END_OF_TURN") {
		t.Errorf("events are %s", got)
	}
	var pieces string
	for _, m := range messages {
		if m.Type == "TextChunk" {
			pieces += m.Message
		}
	}
	whole := messages[len(messages)-2]
	if pieces != whole.Message || !strings.Contains(whole.Message, "It has 1 x Cordless Drill 18V.") || len(whole.CitedReferences) != 2 ||
		!strings.HasPrefix(whole.CitedReferences[0].RecordID, "801") || !strings.HasSuffix(whole.CitedReferences[0].Value, whole.CitedReferences[0].RecordID) {
		t.Errorf("pieces %q, whole %+v", pieces, whole)
	}
	if names, _ := events(t, c.ask("POST", path+"/stream", say(11, "Let me speak to a person")).body); !strings.Contains(strings.Join(names, " "), "INFORM ESCALATE END_OF_TURN") {
		t.Errorf("events are %v", names)
	}

	for body, status := range map[string]int{
		`{"feedbackId":"` + whole.FeedbackID + `","feedback":"GOOD","text":"clear"}`: 201,
		`{"feedbackId":"` + whole.FeedbackID + `","feedback":"FINE"}`:                400,
		`{"feedbackId":"` + session + `","feedback":"BAD"}`:                          400,
	} {
		if r := c.ask("POST", "/sessions/"+session+"/feedback", body); r.status != status {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := c.ask("DELETE", "/sessions/"+session, "", "X-Session-End-Reason", "Transfer"); !strings.Contains(r.body, `"reason":"ClientRequest"`) {
		t.Error(r.body)
	}
	kept := c.AgentSessions()[0]
	if len(kept.Said) != 7 || kept.Said[6].Sequence != 11 || kept.Ended != "Transfer" || len(kept.Feedback) != 1 || kept.Feedback[0] != "GOOD clear" {
		t.Errorf("%+v", kept)
	}
}

// TestAgentRefusals is what the Agent API refuses.
func TestAgentRefusals(t *testing.T) {
	c := startAgents(t, fakeorg.Options{AgentLimits: fakeorg.AgentLimits{Starts: 4, Open: 2, Messages: 2}})
	session := c.begin()
	messages, agent := "/sessions/"+session+"/messages", "/agents/"+c.agents[fakeorg.ServiceAgent]+"/sessions"
	other := "Bearer " + c.MintAgentToken(fakeorg.ServiceUser)
	c.ask("POST", messages, say(1, "hi"))
	for _, x := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"no token", "POST", messages, say(2, "hi"), []string{"Authorization", "Bearer nonsense"}, 401, "Invalid token"},
		{"another's session", "POST", messages, say(2, "hi"), []string{"Authorization", other}, 404, "V6Session not found"},
		{"a number again", "POST", messages, say(1, "hi"), nil, 400, "sequenceId 1 must be greater than 1"},
		{"no JSON", "POST", messages, say(2, "hi"), []string{"Content-Type", "text/plain"}, 500, "Unsupported Media Type"},
		{"fixed variable", "POST", messages, `{"message":{"sequenceId":2,"type":"Text","text":"a"},"variables":[{"name":"$Context.Id","type":"Id","value":"1"}]}`, nil, 422, "cannot be changed"},
		{"unknown reason", "DELETE", "/sessions/" + session, "", []string{"X-Session-End-Reason", "Bored"}, 400, "must be UserRequest"},
		{"not My Domain", "POST", agent, strings.ReplaceAll(c.startBody(), c.url, "https://acme.lightning.force.com"), nil, 500, "EngineConfigLookupException"},
		{"an account", "POST", "/agents/001Sm0000000001/sessions", c.startBody(), nil, 400, "is not a valid agent ID"},
		{"no permission", "POST", agent, c.startBody(), []string{"Authorization", "Bearer " + c.MintAgentToken(fakeorg.ReturnsUser)}, 412, "No access to Einstein Copilot"},
		{"another agent's id", "POST", "/agents/0XxSm0000000999CAA/sessions", c.startBody(), nil, 500, "HttpServerErrorException"},
		{"wrong method", "GET", messages, "", nil, 405, "not supported"},
		{"wrong path", "POST", "/elsewhere", "{}", nil, 404, "ERROR_HTTP_404"},
	} {
		if r := c.ask(x.method, x.path, x.body, x.headers...); r.status != x.status || !strings.Contains(r.body, x.want) {
			t.Errorf("%s: %d %s", x.name, r.status, r.body)
		}
	}
	limited := func(what string, r reply) {
		t.Helper()
		if r.status != 429 || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	c.ask("POST", messages, say(2, "hi"))
	limited("third message", c.ask("POST", messages, say(3, "hi")))
	c.begin()
	limited("third open session", c.ask("POST", agent, c.startBody()))
	for range 2 {
		c.ask("DELETE", "/sessions/"+session, "", "X-Session-End-Reason", "Other")
		session = c.AgentSessions()[len(c.AgentSessions())-1].ID
		if r := c.ask("POST", agent, c.startBody()); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	c.ask("DELETE", "/sessions/"+session, "", "X-Session-End-Reason", "Other")
	limited("fifth start", c.ask("POST", agent, c.startBody()))
}

// TestAgentFaults is what fails on demand.
func TestAgentFaults(t *testing.T) {
	c := startAgents(t, fakeorg.Options{})
	session := c.begin()
	messages := "/sessions/" + session + "/messages"
	n := 0
	next := func(text string) string { n++; return say(n, text) }

	for _, status := range []int{423, 429, 503} {
		c.Inject(fakeorg.Fault{Path: "/messages", Status: status, ErrorCode: "Ordered", Message: "on demand"})
		if r := c.ask("POST", messages, next("hi")); r.status != status || !strings.Contains(r.body, `"error":"Ordered","message":"on demand"`) {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	c.Inject(fakeorg.Fault{Path: "/stream", Agent: "cut"})
	r, err := c.try("POST", messages+"/stream", next("What is in order SO-71000?"))
	names, _ := events(t, r.body)
	if err == nil || strings.Join(names, " ") != "PROGRESS_INDICATOR TEXT_CHUNK TEXT_CHUNK" {
		t.Errorf("%v %v", names, err)
	}
	c.Inject(fakeorg.Fault{Path: "/stream", Agent: "validation"})
	names, _ = events(t, c.ask("POST", messages+"/stream", next("And its delivery?")).body)
	if got := strings.Join(names, " "); !strings.Contains(got, "TEXT_CHUNK VALIDATION_FAILURE_CHUNK TEXT_CHUNK") || !strings.HasSuffix(got, "INFORM END_OF_TURN") {
		t.Error(got)
	}
	c.Inject(fakeorg.Fault{Path: "/stream", Agent: "error"}, fakeorg.Fault{Path: "/messages", Agent: "failure"}, fakeorg.Fault{Path: "/messages", Agent: "cut"},
		fakeorg.Fault{Path: "/messages", Agent: "timeout", DelayMS: 1})
	if names, _ := events(t, c.ask("POST", messages+"/stream", next("hi")).body); names[len(names)-1] != "ERROR" {
		t.Error(names)
	}
	if m := first(t, c.ask("POST", messages, next("hi"))); m.Type != "Failure" {
		t.Errorf("%+v", m)
	}
	if r, err := c.try("POST", messages, next("hi")); err == nil {
		t.Errorf("%+v", r)
	}
	if r := c.ask("POST", messages, next("hi")); r.status != 500 {
		t.Errorf("%+v", r)
	}

	// Of two messages at once one is refused, as the first is still thought about. It leaves the fault of the next message.
	c.Inject(fakeorg.Fault{Path: "/messages", Agent: "slow", DelayMS: 60000}, fakeorg.Fault{Agent: "error"})
	var both sync.WaitGroup
	refused := make(chan int, 2)
	ctx, stop := context.WithCancel(t.Context())
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, "POST", c.url+agentRoot+messages, strings.NewReader(next("hi")))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}}
		both.Go(func() {
			if r, err := http.DefaultClient.Do(request); err == nil {
				_ = r.Body.Close()
				refused <- r.StatusCode
			}
		})
	}
	if status := <-refused; status != http.StatusLocked {
		t.Errorf("the second message: %d", status)
	}
	if r := c.do("GET", "/_faults", ""); !strings.Contains(r.body, `"agent":"error"`) || strings.Contains(r.body, "slow") {
		t.Errorf("left is %s", r.body)
	}
	stop()
	both.Wait()
}

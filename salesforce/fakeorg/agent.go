package fakeorg

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// agentRoot is where the Agent API is. On the platform it is on a host of its own, api.salesforce.com.
const agentRoot = "/einstein/ai-agent/v1"

// agentScopes are those of a token for the Agent API.
var agentScopes = []string{"api", "chatbot_api", "sfap_api"}

// agentError is an error of the Agent API, which has a form of its own (testdata/recordings, agents-002 and others).
type agentError struct {
	status     int
	name       string
	message    string
	retryAfter int  // seconds; 0 says nothing
	bare       bool // the form of recording sfpi-003
}

func agentRefusal(status int, name, format string, args ...any) *agentError {
	return &agentError{status: status, name: name, message: fmt.Sprintf(format, args...)}
}

// atLimit is the answer at a limit. Its name and its header were not found in a source.
func atLimit(wait time.Duration, format string, args ...any) *agentError {
	e := agentRefusal(http.StatusTooManyRequests, "TooManyRequestsException", "Rate limit exceeded: "+format, args...)
	e.retryAfter = int(wait/time.Second) + 1
	return e
}

// refuseAgent answers with an error.
func (o *Org) refuseAgent(w http.ResponseWriter, r *http.Request, e *agentError) {
	body := object{{"status", e.status}, {"path", "v6.0.0" + strings.TrimPrefix(r.URL.Path, agentRoot)}, {"mode", "unknown"}, {"requestId", uuid.NewString()},
		{"error", e.name}, {"message", e.message}, {"timestamp", o.options.Clock().UnixMilli()}, {"expected", e.status < http.StatusInternalServerError}}
	if e.bare {
		body = object{{"errorCode", e.name}, {"message", e.message}}
	}
	a := &answer{status: e.status, body: body}
	if e.retryAfter > 0 {
		a.header = http.Header{"Retry-After": {strconv.Itoa(e.retryAfter)}}
	}
	o.writeAnswer(w, r, a)
}

// agentCall is one request to the Agent API.
type agentCall struct {
	*call
	w     http.ResponseWriter
	fault *Fault // what has been ordered, or nothing
}

// mountAgents registers the Agent API. Its handlers keep no turn on the database while an agent thinks.
func (o *Org) mountAgents(mux *http.ServeMux) {
	for _, r := range []struct {
		method, path string
		handle       func(*agentCall) *agentError
	}{
		{http.MethodPost, "/agents/{agent}/sessions", startSession},
		{http.MethodPost, "/sessions/{session}/messages", sendMessage},
		{http.MethodPost, "/sessions/{session}/messages/stream", sendMessage},
		{http.MethodPost, "/sessions/{session}/feedback", takeFeedback},
		{http.MethodDelete, "/sessions/{session}", endSession},
	} {
		mux.HandleFunc(agentRoot+r.path, func(w http.ResponseWriter, request *http.Request) {
			c := &agentCall{call: &call{Request: request, org: o}, w: w, fault: &Fault{}}
			e := c.admitted(r.method)
			if e == nil {
				e = r.handle(c)
			}
			if e != nil {
				o.refuseAgent(w, request, e)
			}
		})
	}
	mux.HandleFunc(agentRoot+"/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		o.refuseAgent(w, r, &agentError{status: http.StatusNotFound, name: "ERROR_HTTP_404", bare: true})
	})
}

// admitted finds out who asks and reads the body. The forms of 401, 403 and 405 were not found in a source. That an
// opaque token gives 404 is how the guide's "wrong token" under that status is read here.
func (c *agentCall) admitted(method string) *agentError {
	s := c.org.useSession(bearer(c.Request), true)
	if s == nil {
		return agentRefusal(http.StatusUnauthorized, "Unauthorized", "Invalid token")
	}
	c.user = s.user
	if seen, ok := c.w.(*watched); ok {
		seen.user = s.user.username
	}
	if s.issuer == "" {
		return &agentError{status: http.StatusNotFound, name: "ERROR_HTTP_404", bare: true}
	}
	for _, scope := range agentScopes {
		if !slices.Contains(s.scopes, scope) && !slices.Contains(s.scopes, "full") {
			return agentRefusal(http.StatusForbidden, "Forbidden", "The token lacks the scope %s", scope)
		}
	}
	if c.Method != method {
		return agentRefusal(http.StatusMethodNotAllowed, "MethodNotAllowedException", "HTTP method %s is not supported", c.Method)
	}
	if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); method == http.MethodPost && (err != nil || kind != "application/json") {
		return agentRefusal(http.StatusInternalServerError, "HttpMediaTypeNotSupportedException", "Unsupported Media Type")
	}
	if err := readBody(c.w, c.Request, 1<<20); err != nil {
		return agentRefusal(http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "%v", err)
	}
	return c.ask(nil)
}

// ask queries the database in its turn, as long as the user is active.
func (c *agentCall) ask(query func() error) *agentError {
	err := c.org.catchUp()
	if err == nil {
		_, err = c.org.read(c.call, func(*call) (*answer, error) {
			if err := c.stillActive(); err != nil || query == nil {
				return nil, err
			}
			return nil, query()
		})
	}
	switch f := asFault(err); {
	case err == nil:
		return nil
	case f.status == http.StatusUnauthorized:
		return agentRefusal(f.status, "Unauthorized", "Invalid token")
	default:
		return agentRefusal(http.StatusInternalServerError, "InternalServerException", "%v", err)
	}
}

// decode reads the body.
func (c *agentCall) decode(into any) *agentError {
	if err := json.NewDecoder(c.Body).Decode(into); err != nil {
		return badAgentRequest("JSON parse error: %v", err)
	}
	return nil
}

func badAgentRequest(format string, args ...any) *agentError {
	return agentRefusal(http.StatusBadRequest, "BadRequestException", format, args...)
}

// agentVariable is a value given to the agent. The script has no use for it.
type agentVariable struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

var variableTypes = []string{"Text", "Number", "Boolean", "Id", "Date", "DateTime", "Currency", "Object"}

// checkVariables refuses types that do not exist, and, once the session has begun, variables of $Context, all but one
// of which cannot be changed then.
func checkVariables(variables []agentVariable, begun bool) *agentError {
	for _, v := range variables {
		if !slices.Contains(variableTypes, v.Type) {
			return agentRefusal(http.StatusUnprocessableEntity, "UnprocessableEntityException", "Variable %q: type %q is not one of %s", v.Name, v.Type, strings.Join(variableTypes, ", "))
		}
		if begun && strings.HasPrefix(v.Name, "$Context.") && v.Name != "$Context.EndUserLanguage" {
			return agentRefusal(http.StatusUnprocessableEntity, "UnprocessableEntityException", "Variable %q cannot be changed once the session has begun", v.Name)
		}
	}
	return nil
}

// startSession is POST /agents/{agent}/sessions.
func startSession(c *agentCall) *agentError {
	var in struct {
		ExternalSessionKey string
		InstanceConfig     struct{ Endpoint string }
		BypassUser         bool
		Variables          []agentVariable
		Streaming          struct{ ChunkTypes []string } `json:"streamingCapabilities"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if e := checkVariables(in.Variables, false); e != nil {
		return e
	}
	if in.ExternalSessionKey == "" {
		return badAgentRequest("externalSessionKey is required")
	}
	if strings.TrimSuffix(in.InstanceConfig.Endpoint, "/") != c.base() {
		return agentRefusal(http.StatusInternalServerError, "EngineConfigLookupException", "No engine configuration was found for the endpoint %q", in.InstanceConfig.Endpoint)
	}
	id, e := c.mayTalk(in.BypassUser)
	if e != nil {
		return e
	}
	t := &talk{AgentSession: AgentSession{Agent: id, User: c.user.username, Key: in.ExternalSessionKey, Bypass: in.BypassUser},
		chunks: slices.Contains(in.Streaming.ChunkTypes, "Text")}
	if e := c.org.openTalk(t, c.instant(), c.org.options.AgentLimits); e != nil {
		return e
	}
	return c.write(object{{"sessionId", t.ID}, c.links(t), {"messages", []object{inform(said{text: "Hi, I'm an AI service assistant. How can I help you?"}, "")}}})
}

// mayTalk returns the id of the agent of the path if it can be spoken with.
func (c *agentCall) mayTalk(bypass bool) (id string, e *agentError) {
	text := c.PathValue("agent")
	id, valid := parseID(text)
	if valid && !strings.HasPrefix(id, "0Xx") {
		return "", badAgentRequest("%s is not a valid agent ID", text)
	}
	var label, user, active string
	failed := c.ask(func() (err error) {
		if label, err = c.firstText(`SELECT MasterLabel FROM BotDefinition WHERE Id = ? AND NOT IsDeleted`, id); err != nil {
			return err
		}
		if user, err = c.firstText(`SELECT coalesce(BotUserId, '') FROM BotDefinition WHERE Id = ?`, id); err != nil {
			return err
		}
		active, err = c.firstText(`SELECT Id FROM BotVersion WHERE BotDefinitionId = ? AND Status = 'Active' AND NOT IsDeleted`, id)
		return err
	})
	switch {
	case failed != nil:
		return "", failed
	case label == "": // recording agents-002
		return "", agentRefusal(http.StatusInternalServerError, "HttpServerErrorException",
			`500 [{"message":"An unexpected error occurred. Please include this ErrorId if you contact support: 0000000000-1 (simulated)","errorCode":"UNKNOWN_EXCEPTION"}]`)
	case label == "Agentforce (Default)" || c.sight != nil: // sfpi-001
		return "", agentRefusal(http.StatusPreconditionFailed, "HttpClientErrorException", `412 [{"errorCode":"PRECONDITION_FAILED","message":"No access to Einstein Copilot."}]`)
	case active == "": // sfpi-004
		return "", agentRefusal(http.StatusInternalServerError, "InternalServerException", "Attempted to retrieve bot version ID to insert into cache, but record not found")
	case bypass && user == "": // sfpi-002
		return "", badAgentRequest("Bad Request: Invalid user ID provided on start session: ")
	}
	return id, nil
}

// links are the addresses of a session.
func (c *agentCall) links(t *talk) member {
	href := func(path string) object { return object{{"href", c.base() + agentRoot + path}} }
	session := "/sessions/" + t.ID
	return member{"_links", object{{"self", nil}, {"messages", href(session + "/messages")}, {"messagesStream", href(session + "/messages/stream")},
		{"session", href("/agents/" + t.Agent + "/sessions")}, {"end", href(session)}}}
}

func (c *agentCall) write(body any) *agentError {
	c.org.writeAnswer(c.w, c.Request, &answer{status: http.StatusOK, body: body})
	return nil
}

// takeFeedback is POST /sessions/{session}/feedback.
func takeFeedback(c *agentCall) *agentError {
	var in struct{ FeedbackID, Feedback, Text string }
	if e := c.decode(&in); e != nil {
		return e
	}
	if in.Feedback != "GOOD" && in.Feedback != "BAD" {
		return badAgentRequest("feedback must be GOOD or BAD")
	}
	t, e := c.org.holdTalk(c.PathValue("session"), c.user.username, c.instant())
	if e != nil {
		return e
	}
	known := t.given[in.FeedbackID]
	c.org.letTalk(t, func() {
		if known {
			t.Feedback = append(t.Feedback, strings.TrimSpace(in.Feedback+" "+in.Text))
		}
	})
	if !known {
		return badAgentRequest("feedbackId %q is not one of this session", in.FeedbackID)
	}
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

var endReasons = regexp.MustCompile(`^(UserRequest|Transfer|Expiration|Error|Other)$`)

// endSession is DELETE /sessions/{session}.
func endSession(c *agentCall) *agentError {
	reason := c.Header.Get("X-Session-End-Reason")
	if !endReasons.MatchString(reason) {
		return badAgentRequest("The header x-session-end-reason must be UserRequest, Transfer, Expiration, Error or Other, not %q", reason)
	}
	t, e := c.org.holdTalk(c.PathValue("session"), c.user.username, c.instant())
	if e != nil {
		return e
	}
	c.org.letTalk(t, func() { t.Ended = reason })
	return c.write(object{{"messages", []object{{{"type", "SessionEnded"}, {"id", uuid.NewString()}, {"reason", "ClientRequest"}, {"feedbackId", uuid.NewString()}}}}, c.links(t)})
}

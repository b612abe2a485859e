package tools

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/salesforce"
)

var (
	agentID        = Param{Name: "agentId", Type: "string", Form: RecordID, In: Local, Doc: "ID of the agent, from listAgents"}
	agentSession   = Param{Name: "sessionId", Type: "string", Form: Key, In: Local, Doc: "ID of the session, as startSession said"}
	agentText      = Param{Name: "text", Type: "string", Form: Text, In: Local, Doc: "what to say; with feedback, what to note"}
	agentFeedback  = Param{Name: "feedback", Type: "string", OneOf: "GOOD|BAD", In: Local, Doc: "GOOD or BAD"}
	agentTurn      = Param{Name: "feedbackId", Type: "string", Form: Key, In: Local, Doc: "of the reply it is about"}
	agentReason    = Param{Name: "reason", Type: "string", OneOf: "UserRequest|Transfer|Expiration|Error|Other", In: Local, Doc: "why it ends; default UserRequest"}
	agentVariables = Param{Name: "variables", Type: "array", In: Local, Doc: "[{name, type, value}]; type is Text, Number, Boolean, Id, Date, DateTime, Currency or Object"}
)

// AgentforceTool is the tool for conversations with the org's Agentforce agents. What
// such an agent does it does with rights of its own, so that nobody can say what a
// call touches.
var AgentforceTool = Tool{Name: "agentforce", Doc: "Conversations with the org's Agentforce agents. End sessions when done.", Ops: []Op{
	{Action: "listAgents", Instruction: "agentList", Doc: "List agents, and whether they are active.", Effect: Read, Opaque: true, Connects: true,
		Own: listAgents},
	{Action: "startSession", Instruction: "agentStartSession", Doc: "Begin a session with an agent.", Effect: Act, Opaque: true, Connects: true,
		Needs: []Param{agentID}, Takes: []Param{agentVariables}, Own: startSession},
	{Action: "sendMessage", Instruction: "agentSendMessage", Doc: "Say something and get the whole reply, in up to 2 minutes.", Effect: Act, Opaque: true, Connects: true,
		Needs: []Param{agentSession, agentText}, Takes: []Param{agentVariables}, Waits: agentPatience + salesforce.AgentGrace, Own: sendMessage},
	{Action: "sendFeedback", Instruction: "agentSendFeedback", Doc: "Rate a reply.", Effect: Act, Opaque: true, Connects: true,
		Needs: []Param{agentSession, agentTurn, agentFeedback}, Takes: []Param{agentText}, Own: sendFeedback},
	{Action: "endSession", Instruction: "agentEndSession", Doc: "End a session.", Effect: Act, Opaque: true, Connects: true,
		Needs: []Param{agentSession}, Takes: []Param{agentReason}, Own: endSession},
}}

// An AgentReply is a reply as callers get it.
type AgentReply struct {
	SessionID  string          `json:"sessionId"`
	Sequence   int64           `json:"sequenceId,omitempty"`
	Text       string          `json:"text"`
	PlanID     string          `json:"planId,omitempty"`
	FeedbackID string          `json:"feedbackId,omitempty"`
	Citations  json.RawMessage `json:"citations,omitempty"`
	Ended      string          `json:"ended,omitempty"` // why the session has ended, when it has
	// Messages are the agent's own, when there is more to them than text.
	Messages []salesforce.AgentMessage `json:"messages,omitempty"`
}

// replied is a reply as callers get it.
func replied(s Session, r *salesforce.AgentReply) AgentReply {
	out := AgentReply{SessionID: s.ID, Sequence: s.Sequence, Text: r.Text, PlanID: r.PlanID, FeedbackID: r.FeedbackID, Ended: r.Ended}
	var citations []json.RawMessage
	for _, m := range r.Messages {
		var cited []json.RawMessage
		if json.Unmarshal(m.Citations, &cited) == nil {
			citations = append(citations, cited...)
		}
		var result []json.RawMessage
		if json.Unmarshal(m.Result, &result) == nil && len(result) > 0 || m.Type != "Inform" && m.Type != "SessionEnded" {
			out.Messages = append(out.Messages, m)
		}
	}
	if citations != nil {
		out.Citations, _ = json.Marshal(citations) // what was decoded encodes
	}
	return out
}

// mostAgents is how many agents are listed.
const mostAgents = 200

// agentQueries are what listAgents asks: an agent can be spoken with when it has an
// active version.
const (
	agentQuery        = "SELECT Id, MasterLabel, DeveloperName, Description, Type FROM BotDefinition ORDER BY MasterLabel LIMIT 200"
	agentVersionQuery = "SELECT BotDefinitionId FROM BotVersion WHERE Status = 'Active' LIMIT 2000"
)

func listAgents(ctx context.Context, c OwnCall) (any, error) {
	type agent struct {
		ID          string `json:"agentId"`
		Label       string `json:"label"`
		Name        string `json:"developerName"`
		Description string `json:"description,omitempty"`
		Type        string `json:"type,omitempty"`
		Active      bool   `json:"active"`
	}
	found, err := c.query(ctx, agentQuery)
	if err != nil {
		return nil, err
	}
	versions, err := c.query(ctx, agentVersionQuery)
	if err != nil {
		return nil, err
	}
	active := map[string]bool{}
	for _, v := range versions {
		active[v["BotDefinitionId"]] = true
	}
	list := make([]agent, 0, min(len(found), mostAgents))
	for _, f := range found {
		list = append(list, agent{f["Id"], f["MasterLabel"], f["DeveloperName"], f["Description"], f["Type"], active[f["Id"]]})
	}
	return map[string]any{"agents": list}, nil
}

// query asks for records, and returns their fields that are texts.
func (c OwnCall) query(ctx context.Context, soql string) (records []map[string]string, err error) {
	resp, err := c.Org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/query", Query: url.Values{"q": {soql}}, Semantics: salesforce.Safe})
	if err != nil {
		return nil, err
	}
	var page struct {
		Records []map[string]any `json:"records"`
	}
	if err := json.Unmarshal(resp.Body, &page); err != nil {
		return nil, &Error{Code: Unreadable, Message: "the list of agents cannot be read"}
	}
	for _, r := range page.Records {
		texts := map[string]string{}
		for name, value := range r {
			if s, ok := value.(string); ok {
				texts[name] = s
			}
		}
		records = append(records, texts)
	}
	return records, nil
}

// variables are those that the arguments have for the agent.
func (c OwnCall) variables() ([]salesforce.AgentVariable, error) {
	list, _ := c.Args[agentVariables.Name].([]any)
	var out []salesforce.AgentVariable
	for _, e := range list {
		o, _ := e.(map[string]any)
		name, _ := o["name"].(string)
		kind, _ := o["type"].(string)
		value, given := o["value"]
		if name == "" || kind == "" || !given || len(o) != 3 {
			return nil, agentVariables.wrong("each is {name, type, value}")
		}
		out = append(out, salesforce.AgentVariable{Name: name, Type: kind, Value: value})
	}
	return out, nil
}

func startSession(ctx context.Context, c OwnCall) (any, error) {
	f, err := c.agentforce()
	if err != nil {
		return nil, err
	}
	id, err := salesforce.To18(c.string(agentID))
	if err != nil {
		return nil, agentID.wrong(err.Error())
	}
	variables, err := c.variables()
	if err != nil {
		return nil, err
	}
	s := Session{Key: uuid.NewString(), Caller: c.Caller, AgentID: id}
	limits := f.limits(c.Caller.Workspace)
	wait, err := f.Sessions.OpenSession(ctx, s, limits)
	if err != nil {
		return nil, err
	}
	if wait != 0 {
		return nil, f.full(limits, wait)
	}
	after := context.WithoutCancel(ctx)
	begun, err := salesforce.Agents{Org: c.Org}.Start(ctx, salesforce.AgentStart{AgentID: id, Key: s.Key, AgentUser: f.AgentUser == nil || f.AgentUser(c.Caller), Variables: variables})
	if err != nil {
		if noted := f.Sessions.SessionEnded(after, s.Key, salesforce.EndError); noted != nil {
			c.Server.Log.Error().Err(noted).Msg("a session that did not begin could not be noted; it is when it was idle")
		}
		return nil, err
	}
	s.ID, s.Endpoint = begun.ID, begun.Endpoint
	if err := f.Sessions.SessionBegan(after, s); err != nil { // nobody could speak in it
		_, ended := salesforce.Agents{Org: c.Org}.End(after, s.ID, salesforce.EndError)
		c.Server.Log.Error().Err(err).AnErr("ended", ended).Msg("a session could not be noted")
		return nil, err
	}
	return replied(s, &begun.Greeting), nil
}

func sendMessage(ctx context.Context, c OwnCall) (any, error) {
	f, err := c.agentforce()
	if err != nil {
		return nil, err
	}
	variables, err := c.variables()
	if err != nil {
		return nil, err
	}
	s, err := f.turn(ctx, c.Caller, c.string(agentSession))
	if err != nil {
		return nil, err
	}
	defer c.giveBack(ctx, f, s)
	agents, say := salesforce.Agents{Org: c.Org}, salesforce.Say{SessionID: s.ID, Sequence: s.Sequence, Text: c.string(agentText), Variables: variables}
	var reply *salesforce.AgentReply
	if c.Progress != nil {
		reply, err = agents.Stream(ctx, say, func(p salesforce.AgentProgress) {
			switch {
			case p.Withdrawn:
				c.Progress("(what was shown so far is withdrawn)")
			case p.Chunk != "":
				c.Progress(Printable(p.Chunk))
			case p.Doing != "":
				c.Progress("(" + Printable(p.Doing) + ")")
			}
		})
	} else {
		reply, err = agents.Send(ctx, say)
	}
	if err != nil {
		c.noteGone(ctx, f, s, err)
		return nil, err
	}
	if reply.Ended != "" {
		c.noteEnd(ctx, f, s, reply.Ended)
	}
	return replied(s, reply), nil
}

func sendFeedback(ctx context.Context, c OwnCall) (any, error) {
	f, err := c.agentforce()
	if err != nil {
		return nil, err
	}
	s, _, err := f.find(ctx, c.Caller, c.string(agentSession))
	if err != nil {
		return nil, err
	}
	good := strings.EqualFold(c.string(agentFeedback), "GOOD")
	if err := (salesforce.Agents{Org: c.Org}).Feedback(ctx, s.ID, c.string(agentTurn), good, c.string(agentText)); err != nil {
		c.noteGone(ctx, f, s, err)
		return nil, err
	}
	return map[string]any{"sessionId": s.ID, "noted": true}, nil
}

func endSession(ctx context.Context, c OwnCall) (any, error) {
	f, err := c.agentforce()
	if err != nil {
		return nil, err
	}
	s, ended, err := f.find(ctx, c.Caller, c.string(agentSession))
	if err != nil {
		return nil, err
	}
	reason := c.string(agentReason)
	if reason == "" {
		reason = salesforce.EndUserRequest
	}
	if ended { // a repeat ends nothing more
		return AgentReply{SessionID: s.ID, Ended: reason}, nil
	}
	reply, err := salesforce.Agents{Org: c.Org}.End(ctx, s.ID, reason)
	if err != nil {
		return nil, err
	}
	c.noteEnd(ctx, f, s, reason)
	return replied(Session{ID: s.ID}, reply), nil
}

// agentPatience is how long a message waits until the one before is answered.
const agentPatience = 30 * time.Second

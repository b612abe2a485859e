package salesforce

import (
	"net/http"
	"strings"
	"time"
)

// AgentTimeout is the code of an agent that did not answer within the platform's own
// limit, which the platform reports as any other failure, with 500.
const AgentTimeout = "AGENT_TIMEOUT"

// AgentSessionGone is the code of a session that the platform does not know, or no
// longer.
const AgentSessionGone = "AGENT_SESSION_GONE"

// agentRefusals tell the errors of the Agent API apart, by status (0 is any) and a
// part of the text (of code and message), the first that fits. The texts are those of
// testdata/recordings (agents-*, sfpi-*) and of the Agent API Developer Guide,
// "Troubleshooting".
var agentRefusals = []struct {
	status int
	text   string
	class  Class
	code   string // "" keeps the platform's
	hint   string
}{
	{0, "V6Session not found", ClassNotFound, AgentSessionGone, "The session has ended or was idle for too long: start another (agentforce, action startSession)."},
	{http.StatusNotFound, "/sessions/", ClassNotFound, AgentSessionGone, "The session has ended or was idle for too long: start another (agentforce, action startSession)."},
	{0, "No access to Einstein Copilot", ClassPermission, "", "The user has no access to Agentforce, or the agent is of the type Agentforce (Default), which the Agent API does not serve: an administrator assigns the permission, or another agent is chosen."},
	{0, "Invalid user ID", ClassPermission, "", "The agent has no user of its own, or the token's user may not speak with it: an administrator gives the agent a user, or the app's Run As user access."},
	{0, "bot version ID", ClassNotFound, "", "The agent has no active version: an administrator activates it. listAgents shows which agents have one."},
	{0, "is not a valid agent ID", ClassNotFound, "", "Take the ID from listAgents: 18 characters, that of a BotDefinition."},
	{0, "EngineConfigLookupException", ClassValidation, "", "The org must be connected by its My Domain (https://acme.my.salesforce.com), not by another name of it."},
	{0, "Unsupported Media Type", ClassMethod, "", ""},
	{http.StatusInternalServerError, "HttpServerErrorException", ClassNotFound, "", "Most often the agent's ID is wrong, or of another org: take it from listAgents. If it is right, its administrator finds the cause by the error ID."},
	{http.StatusUnauthorized, "", ClassAuth, "", "The Agent API takes JWT-based tokens only: an administrator must tick Issue JSON Web Token (JWT)-based access tokens for named users in the app, and give it the scopes api, refresh_token, chatbot_api and sfap_api."},
	{http.StatusForbidden, "", ClassPermission, "", "The app lacks a scope (it needs api, chatbot_api and sfap_api), or its user may not use this agent. Do not repeat the call."},
	{http.StatusNotFound, "", ClassNotFound, "", "The agent is not there: take its ID from listAgents. If it is right, the token is not JWT-based, or the org is of another partition (Government Cloud has a host of its own)."},
	{http.StatusPreconditionFailed, "", ClassPermission, "", "The Agent API does not serve this agent: agents of the type Agentforce (Default) and those of Agent Script are not supported."},
	{http.StatusUnprocessableEntity, "", ClassValidation, "", "Change the variables as the message says: their types must fit, those of $Context are fixed once the session began, and others need Allow value to be set by API."},
	{http.StatusLocked, "", ClassConflict, "AGENT_SESSION_BUSY", "The agent still works on the message before: wait for its answer. Nothing was said to it."},
	{http.StatusTooManyRequests, "", ClassLimited, "", "The org's limit on agents is reached: wait before calling again. Nothing was said to the agent."},
	{http.StatusServiceUnavailable, "", ClassTransient, "", "Agentforce is not available at the moment: try again in some minutes. It is not known whether the agent was told."},
	{http.StatusInternalServerError, "", ClassTransient, "", "The agent failed, and may have done a part of what it was asked: look before saying it again."},
}

// ofAgents makes an error one of the Agent API: path is what was called, took how
// long it took, and most how long an agent may take.
func (e *Error) ofAgents(path string, took, most time.Duration) {
	if e.Status == 0 {
		return
	}
	e.agents, e.NotExecuted = true, false
	if e.Message == "" {
		e.Message = "the Agent API says no more than " + strings.ToLower(http.StatusText(e.Status))
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusLocked || e.Status == http.StatusTooManyRequests {
		e.NotExecuted = !strings.HasPrefix(e.Message, notTheAPI) // refused before an agent was told
	}
	if e.Status == http.StatusInternalServerError && took >= most-most/60 { // the clocks are two
		e.Class, e.Code = ClassTransient, AgentTimeout
		e.Message = "the agent did not answer within " + most.String() + ", and was stopped"
		e.hint = "It may have done what it was asked all the same: look before saying it again, or ask for less at once."
		return
	}
	for _, r := range agentRefusals {
		text := e.Code + " " + e.Message
		if r.text == "/sessions/" {
			text = path[:min(len(path), len(r.text))]
		}
		if r.status != 0 && r.status != e.Status || !strings.Contains(text, r.text) {
			continue
		}
		e.Class, e.hint = r.class, r.hint
		if r.code != "" {
			e.Code = r.code
		}
		return
	}
}

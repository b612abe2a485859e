package main

import (
	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/tools"
)

// agentforceOf is what the server needs to speak with agents: it keeps their sessions
// in the store, and asks for the agent's own user where the token is not a person's.
func agentforceOf(sessions tools.Sessions, o *orgs) *tools.Agentforce {
	return &tools.Agentforce{
		Sessions:  sessions,
		AgentUser: func(caller allowlist.Caller) bool { return o.auth(caller.Workspace).Mode != auth.ModeOAuth },
	}
}

package tools

import (
	"context"
	"errors"
	"fmt"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// endTime bounds the end of one session that nobody waits for.
const endTime = 20 * time.Second

// EndIdle ends a session of a workspace that was not used for so long, for one of the
// reasons of package salesforce, and reports whether there was one. That is recorded
// as a call of whom it belongs to, on the surface "server". It is tried once: what the
// platform does not hear, it ends by itself in time. An error means that nothing more
// can be done now, such as that nothing can be recorded.
func (s *Server) EndIdle(ctx context.Context, workspace string, idle time.Duration, reason string) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	session, found, err := s.Agentforce.Sessions.IdleSession(ctx, workspace, idle, turnLease)
	if err != nil || !found {
		return false, err
	}
	caller := session.Caller
	entry := audit.Entry{Workspace: caller.Workspace, Host: caller.Host, Agent: caller.Agent, User: caller.User, Surface: "server",
		Tool: AgentforceTool.Name, Action: "endSession", Instruction: "agentEndSession", Effect: Act.String(),
		Arguments: audit.Redact(map[string]any{agentSession.Name: session.ID, agentReason.Name: reason}, nil)}
	intent, err := s.Journal.Begin(ctx, entry)
	if err != nil {
		return false, fmt.Errorf("a session is not ended: %w", err)
	}
	var t trace
	failed := s.endNow(ctx, session, reason, &t)
	out := audit.Outcome{Status: audit.OK, Exchanges: t}
	if failed != nil {
		e := AsError(failed)
		out.Status, out.Code, out.Message = audit.Failed, string(e.Code), e.Message
		if len(t) > 0 && e.Status == 0 { // nobody knows whether it was heard
			out.Status = audit.Unknown
		}
	}
	after := context.WithoutCancel(ctx)
	return true, errors.Join(intent.End(after, out), s.Agentforce.Sessions.SessionEnded(after, session.Key, reason))
}

// endNow tells the platform that a session is over.
func (s *Server) endNow(ctx context.Context, session Session, reason string, t *trace) error {
	org, err := s.Orgs.Connect(ctx, session.Caller, t.add)
	if err != nil {
		return err
	}
	_, err = salesforce.Agents{Org: org}.End(ctx, session.ID, reason)
	return err
}

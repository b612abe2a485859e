package app

import (
	"context"
	"errors"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// recorded does something between an intent and an outcome in the audit trail: what
// cannot be recorded is not done. The entry says what; its surface is that of the app.
func (a *App) recorded(ctx context.Context, entry audit.Entry, args map[string]any, work func() error) (err error) {
	entry.Surface, entry.Decision, entry.Arguments = "app", audit.DecisionAllowed, audit.Redact(args, nil)
	intent, err := a.Journal.Begin(ctx, entry)
	if err != nil {
		return err
	}
	out := audit.Outcome{Status: audit.Unknown, Code: "interrupted", Message: "the request was interrupted"} // unless it is set below
	defer func() { err = errors.Join(err, intent.End(ctx, out)) }()
	if err := work(); err != nil {
		out = audit.Outcome{Status: audit.Failed, Code: "failed", Message: err.Error()}
		return err
	}
	out = audit.Outcome{Status: audit.OK}
	return nil
}

// ofUser is the entry of something that a user does about the server, or who may use it.
func ofUser(u users.User, tool, action string) audit.Entry {
	return audit.Entry{Workspace: audit.WholeServer, User: u.Shown(), Tool: tool, Action: action, Effect: "act"}
}

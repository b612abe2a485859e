package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// recorded does what an administrator asks for with a command, between an intent
// and an outcome in the audit trail; a server may be writing there at the same
// time, and signs them. What cannot be recorded is not done. The entry says what
// is done in its tool, action, effect and arguments, which hold no secret.
func recorded(ctx context.Context, st *store.Store, entry audit.Entry, args map[string]any, work func() error) (err error) {
	entry.Surface, entry.User, entry.Arguments = "command", osUser(), audit.Redact(args, nil)
	journal := audit.NewJournal(st)
	defer journal.Close()
	intent, err := journal.Begin(ctx, entry)
	if err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	out := audit.Outcome{Status: audit.Unknown, Code: "interrupted", Message: "the command was interrupted"} // unless it is set below
	defer func() { err = errors.Join(err, intent.End(ctx, out)) }()
	if err = work(); err != nil {
		out = audit.Outcome{Status: audit.Failed, Code: "failed", Message: err.Error()}
		return err
	}
	out = audit.Outcome{Status: audit.OK}
	return nil
}

// osUser is the user of the operating system who runs the command.
func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

package tools

import (
	"context"
	"time"

	"salesforce-mcp/allowlist"
)

// A Session is a conversation with an agent of Salesforce's. Nobody but its caller
// can speak in it, whose context does not matter.
type Session struct {
	Key      string // ours, a UUID
	ID       string // Salesforce's, a UUID; "" until it is known
	Caller   allowlist.Caller
	AgentID  string // 18 characters
	Endpoint string // the org's My Domain; "" until it is known
	Sequence int64  // of the message that was sent last; 0 is none
}

// Turn is what came of asking for a turn in a session.
type Turn int

// The turns. Only with TurnTaken may the caller send: one message, with the session's
// Sequence.
const (
	_         Turn = iota
	TurnTaken      // the next sequence id is given, and nobody else has a turn
	TurnBusy       // a message is under way
	TurnNone       // there is no such session of the caller's
	TurnEnded      // it has ended
	TurnSpent      // it has had all its messages
)

// SessionLimits bound the sessions of a workspace, and so of its org.
type SessionLimits struct {
	Hourly   int64 // sessions begun in an hour
	Open     int64 // sessions open at once
	Messages int64 // messages of a session
}

// DefaultSessionLimits are those of "Agent API - Headless Communication". No other
// document has them, so they may be set otherwise.
var DefaultSessionLimits = SessionLimits{Hourly: 1000, Open: 50, Messages: 100}

// Sessions keeps the sessions with agents, so that they go on after a restart, and in
// any process. What it returns of sessions that are somebody else's is TurnNone.
type Sessions interface {
	// OpenSession notes that a session is about to begin, unless a limit is reached:
	// then wait is how long until it is not, or less than zero when that depends on
	// others ending theirs. Of callers at the very same moment more than the limit may
	// come through.
	OpenSession(ctx context.Context, s Session, limits SessionLimits) (wait time.Duration, err error)
	// SessionBegan notes what Salesforce calls it, and where.
	SessionBegan(ctx context.Context, s Session) error
	// TakeTurn gives the next sequence id to one message, and marks it as under way, in
	// one step: it is never given again. The turn is over when it is given back, the
	// lease is over, or the process is gone.
	TakeTurn(ctx context.Context, caller allowlist.Caller, id string, limits SessionLimits, lease time.Duration) (Session, Turn, error)
	// EndTurn gives a turn back.
	EndTurn(ctx context.Context, s Session) error
	// FindSession returns a session of the caller's, also one that has ended.
	FindSession(ctx context.Context, caller allowlist.Caller, id string) (s Session, ended bool, ok bool, err error)
	// SessionEnded notes that a session is over, by its key, and why.
	SessionEnded(ctx context.Context, key, reason string) error
	// IdleSession takes the turn of a session of a workspace that was not used for so
	// long, to end it; ok is false when there is none. Nobody else gets it while the
	// lease lasts.
	IdleSession(ctx context.Context, workspace string, idle, lease time.Duration) (s Session, ok bool, err error)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

var _ tools.Sessions = (*Store)(nil)

// sessionLife is how long a session is remembered after it began. The platform ends
// them far earlier.
const sessionLife = 7 * 24 * time.Hour

// free selects sessions in which no message is under way: who had the turn has it no
// more when its lease is over, or its process is gone.
const free = `(owner = '' OR lease_until <= NOW() OR NOT EXISTS (SELECT 1 FROM process p WHERE p.id = agent_session.owner AND p.expires >= NOW()))`

// mine selects a session of a caller.
const mine = `workspace = ? AND session_id = ? AND session_id <> '' AND host = ? AND agent = ? AND user_id = ?`

func mineArgs(c allowlist.Caller, id string) []any {
	return []any{c.Workspace, id, c.Host, c.Agent, c.User}
}

// OpenSession implements [tools.Sessions], and forgets sessions that are too old.
func (s *Store) OpenSession(ctx context.Context, a tools.Session, limits tools.SessionLimits) (time.Duration, error) {
	if err := s.forget(ctx, "agent_session", "started", time.Now().Add(-sessionLife).UnixMilli()); err != nil {
		return 0, fmt.Errorf("forget old sessions: %w", err)
	}
	process := s.process.current()
	done, err := s.writer.ExecContext(ctx, `INSERT INTO agent_session (session_key, session_id, workspace, host, agent, user_id, agent_id, endpoint, sequence, owner, lease_until, started, used, ended, reason)
		SELECT CAST(? AS TEXT), '', CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), '', 0, CAST(? AS TEXT), NOW() + 300000, NOW(), NOW(), 0, ''
		WHERE (SELECT count(*) FROM agent_session WHERE workspace = ? AND started > NOW() - 3600000) < CAST(? AS BIGINT)
		AND (SELECT count(*) FROM agent_session WHERE workspace = ? AND ended = 0) < CAST(? AS BIGINT)`,
		a.Key, a.Caller.Workspace, a.Caller.Host, a.Caller.Agent, a.Caller.User, a.AgentID, process,
		a.Caller.Workspace, limits.Hourly, a.Caller.Workspace, limits.Open)
	if err != nil {
		return 0, fmt.Errorf("open a session: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return 0, err
	}
	var open, oldest int64
	err = s.reader.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM agent_session WHERE workspace = ? AND ended = 0),
		coalesce((SELECT min(started) FROM agent_session WHERE workspace = ? AND started > NOW() - 3600000), NOW()) + 3600000 - NOW()`,
		a.Caller.Workspace, a.Caller.Workspace).Scan(&open, &oldest)
	if err != nil {
		return 0, fmt.Errorf("open a session: %w", err)
	}
	if open >= limits.Open {
		return -1, nil
	}
	return max(time.Duration(oldest)*time.Millisecond, time.Second), nil
}

// SessionBegan implements [tools.Sessions].
func (s *Store) SessionBegan(ctx context.Context, a tools.Session) error {
	return s.note(ctx, "note a session", `UPDATE agent_session SET session_id = ?, endpoint = ?, owner = '', used = NOW() WHERE session_key = ?`, a.ID, a.Endpoint, a.Key)
}

// note makes a change of one row.
func (s *Store) note(ctx context.Context, what, statement string, args ...any) error {
	if _, err := s.writer.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// TakeTurn implements [tools.Sessions].
func (s *Store) TakeTurn(ctx context.Context, caller allowlist.Caller, id string, limits tools.SessionLimits, lease time.Duration) (tools.Session, tools.Turn, error) {
	process := s.process.current()
	if process == "" {
		return tools.Session{}, 0, errors.New("take a turn: this process records no calls, so it can have none")
	}
	args := append([]any{process, lease.Milliseconds()}, mineArgs(caller, id)...)
	a, ok, err := s.session(ctx, s.writer, `UPDATE agent_session SET sequence = sequence + 1, owner = ?, lease_until = NOW() + CAST(? AS BIGINT), used = NOW()
		WHERE `+mine+` AND ended = 0 AND sequence < ? AND `+free+` RETURNING `+sessionColumns, append(args, limits.Messages)...)
	if err != nil {
		return tools.Session{}, 0, fmt.Errorf("take a turn: %w", err)
	}
	if ok {
		return a, tools.TurnTaken, nil
	}
	a, ended, ok, err := s.FindSession(ctx, caller, id)
	switch {
	case err != nil:
		return tools.Session{}, 0, err
	case !ok:
		return tools.Session{}, tools.TurnNone, nil
	case ended:
		return a, tools.TurnEnded, nil
	case a.Sequence >= limits.Messages:
		return a, tools.TurnSpent, nil
	}
	return a, tools.TurnBusy, nil
}

// EndTurn implements [tools.Sessions]. A turn that another has by now stays its own.
func (s *Store) EndTurn(ctx context.Context, a tools.Session) error {
	return s.note(ctx, "end a turn", `UPDATE agent_session SET owner = '', used = NOW() WHERE session_key = ? AND sequence = ?`, a.Key, a.Sequence)
}

// FindSession implements [tools.Sessions].
func (s *Store) FindSession(ctx context.Context, caller allowlist.Caller, id string) (a tools.Session, ended, ok bool, err error) {
	a, ok, err = s.session(ctx, s.reader, `SELECT `+sessionColumns+` FROM agent_session WHERE `+mine, mineArgs(caller, id)...)
	if !ok || err != nil {
		return a, false, false, err
	}
	err = s.reader.QueryRowContext(ctx, `SELECT ended <> 0 FROM agent_session WHERE session_key = ?`, a.Key).Scan(&ended)
	return a, ended, err == nil, err
}

// SessionEnded implements [tools.Sessions].
func (s *Store) SessionEnded(ctx context.Context, key, reason string) error {
	return s.note(ctx, "end a session", `UPDATE agent_session SET ended = NOW(), owner = '', reason = ? WHERE session_key = ? AND ended = 0`, reason, key)
}

// IdleSession implements [tools.Sessions]. One that never got an ID ends here: nobody
// can speak in it.
func (s *Store) IdleSession(ctx context.Context, workspace string, idle, lease time.Duration) (tools.Session, bool, error) {
	if err := s.note(ctx, "end sessions that did not begin", `UPDATE agent_session SET ended = NOW(), owner = '', reason = 'Error' WHERE ended = 0 AND session_id = '' AND `+free); err != nil {
		return tools.Session{}, false, err
	}
	a, ok, err := s.session(ctx, s.writer, `UPDATE agent_session SET owner = ?, lease_until = NOW() + CAST(? AS BIGINT)
		WHERE session_key = (SELECT session_key FROM agent_session WHERE workspace = ? AND ended = 0 AND session_id <> '' AND used <= NOW() - CAST(? AS BIGINT) AND `+free+` ORDER BY used LIMIT 1)
		AND ended = 0 AND used <= NOW() - CAST(? AS BIGINT) AND `+free+` RETURNING `+sessionColumns,
		s.process.current(), lease.Milliseconds(), workspace, idle.Milliseconds(), idle.Milliseconds())
	if err != nil {
		return a, false, fmt.Errorf("find an idle session: %w", err)
	}
	return a, ok, nil
}

// sessionColumns are those of session.
const sessionColumns = `session_key, session_id, workspace, host, agent, user_id, agent_id, endpoint, sequence`

func (s *Store) session(ctx context.Context, from *pool, statement string, args ...any) (a tools.Session, ok bool, err error) {
	c := &a.Caller
	err = from.QueryRowContext(ctx, statement, args...).Scan(&a.Key, &a.ID, &c.Workspace, &c.Host, &c.Agent, &c.User, &a.AgentID, &a.Endpoint, &a.Sequence)
	if errors.Is(err, sql.ErrNoRows) {
		return tools.Session{}, false, nil
	}
	return a, err == nil, err
}

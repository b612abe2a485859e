package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

var _ tools.Handles = (*Store)(nil)

// handleLife is how long a handle is remembered: Salesforce keeps the results of a
// job for seven days.
const handleLife = 7 * 24 * time.Hour

// GiveHandles implements [tools.Handles], and forgets handles that are too old.
func (s *Store) GiveHandles(ctx context.Context, to allowlist.Caller, handles []string, touches []allowlist.Touch) (err error) {
	var touched *string
	if touches != nil {
		text, err := json.Marshal(touches)
		if err != nil {
			return fmt.Errorf("note handles: %w", err)
		}
		line := string(text)
		touched = &line
	}
	now := time.Now()
	if err := s.forget(ctx, "handle", "given", now.Add(-handleLife).UnixMilli()); err != nil {
		return fmt.Errorf("forget old handles: %w", err)
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("note handles: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("note handles: %w", errors.Join(err, tx.Rollback()))
		}
	}()
	for _, handle := range slices.Sorted(slices.Values(handles)) { // in one order, so that no two wait for each other
		if _, err := tx.ExecContext(ctx, `INSERT INTO handle (workspace, handle, host, agent, user_id, given, touches) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (workspace, handle, host, agent, user_id) DO UPDATE SET given = excluded.given, touches = excluded.touches`, to.Workspace, handle, to.Host, to.Agent, to.User, now.UnixMilli(), touched); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// HasHandle implements [tools.Handles].
func (s *Store) HasHandle(ctx context.Context, caller allowlist.Caller, handle string) (has bool, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM handle WHERE workspace = ? AND handle = ? AND host = ? AND agent = ? AND user_id = ? AND given >= ?)`,
		caller.Workspace, handle, caller.Host, caller.Agent, caller.User, time.Now().Add(-handleLife).UnixMilli()).Scan(&has)
	return has, err
}

// Touches implements [tools.Handles].
func (s *Store) Touches(ctx context.Context, caller allowlist.Caller, handle string) (touches []allowlist.Touch, known bool, err error) {
	var text sql.NullString
	err = s.reader.QueryRowContext(ctx, `SELECT touches FROM handle WHERE workspace = ? AND handle = ? AND host = ? AND agent = ? AND user_id = ? AND given >= ?`,
		caller.Workspace, handle, caller.Host, caller.Agent, caller.User, time.Now().Add(-handleLife).UnixMilli()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !text.Valid {
		return nil, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text.String), &touches)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read what a handle touches: %w", err)
	}
	return touches, true, nil
}

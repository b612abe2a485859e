package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

var _ tools.Results = (*Store)(nil)

// resultLife is how long a result is remembered.
const resultLife = 25 * time.Hour

// Keep implements [tools.Results], and forgets results that are too old.
func (s *Store) Keep(ctx context.Context, k tools.Kept) error {
	if err := s.forget(ctx, "result", "made", k.Made.Add(-resultLife).UnixMilli()); err != nil {
		return fmt.Errorf("forget old results: %w", err)
	}
	_, err := s.writer.ExecContext(ctx, `INSERT INTO result (id, made, workspace, host, agent, user_id, instruction, arguments) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		k.ID, k.Made.UnixMilli(), k.Owner.Workspace, k.Owner.Host, k.Owner.Agent, k.Owner.User, k.Instruction, string(k.Arguments))
	if err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	return nil
}

// Kept implements [tools.Results].
func (s *Store) Kept(ctx context.Context, id string) (k tools.Kept, ok bool, err error) {
	var made int64
	var arguments string
	var owner allowlist.Caller
	err = s.reader.QueryRowContext(ctx, `SELECT id, made, workspace, host, agent, user_id, instruction, arguments FROM result WHERE id = ? AND made >= ?`,
		id, time.Now().Add(-resultLife).UnixMilli()).Scan(&k.ID, &made, &owner.Workspace, &owner.Host, &owner.Agent, &owner.User, &k.Instruction, &arguments)
	if errors.Is(err, sql.ErrNoRows) {
		return tools.Kept{}, false, nil
	}
	if err != nil {
		return tools.Kept{}, false, fmt.Errorf("find a result: %w", err)
	}
	k.Owner, k.Arguments, k.Made = owner, json.RawMessage(arguments), time.UnixMilli(made).UTC()
	return k, true, nil
}

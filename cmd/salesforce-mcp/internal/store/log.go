package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

var _ proof.Log = (*Store)(nil)

// Heads implements [proof.Log]. It goes from workspace to workspace through the
// index, whose other entries it does not read.
func (s *Store) Heads(ctx context.Context) ([]proof.Head, error) {
	rows, err := s.reader.QueryContext(ctx, `
		WITH RECURSIVE each(name) AS (
			SELECT min(workspace) FROM audit_entry
			UNION ALL
			SELECT (SELECT min(workspace) FROM audit_entry WHERE workspace > each.name) FROM each WHERE each.name IS NOT NULL
		), names AS (SELECT name FROM each WHERE name IS NOT NULL UNION SELECT workspace FROM audit_log)
		SELECT names.name, (SELECT coalesce(max(leaf) + 1, 0) FROM audit_entry WHERE workspace = names.name), audit_log.checkpoint
		FROM names LEFT JOIN audit_log ON audit_log.workspace = names.name ORDER BY names.name`)
	if err != nil {
		return nil, fmt.Errorf("read the audit logs: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var heads []proof.Head
	for rows.Next() {
		var h proof.Head
		var checkpoint sql.NullString
		if err := rows.Scan(&h.Workspace, &h.Entries, &checkpoint); err != nil {
			return nil, fmt.Errorf("read the audit logs: %w", err)
		}
		if checkpoint.Valid {
			h.Checkpoint = []byte(checkpoint.String)
		}
		heads = append(heads, h)
	}
	return heads, rows.Err()
}

// Leaves implements [proof.Log].
func (s *Store) Leaves(ctx context.Context, workspace string, from int64, limit int) ([]proof.Leaf, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT leaf, entry FROM audit_entry WHERE workspace = ? AND leaf >= ? ORDER BY leaf LIMIT ?`, workspace, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit entries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var leaves []proof.Leaf
	for rows.Next() {
		var l proof.Leaf
		if err := rows.Scan(&l.N, &l.Entry); err != nil {
			return nil, fmt.Errorf("read audit entries: %w", err)
		}
		leaves = append(leaves, l)
	}
	return leaves, rows.Err()
}

// Leaf returns the number of an entry in the log of its workspace, and the
// entry; ok is false when there is none.
func (s *Store) Leaf(ctx context.Context, workspace, id string) (l proof.Leaf, ok bool, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT leaf, entry FROM audit_entry WHERE id = ? AND workspace = ?`, id, workspace).Scan(&l.N, &l.Entry)
	if errors.Is(err, sql.ErrNoRows) {
		return l, false, nil
	}
	return l, err == nil, err
}

// Call returns the ids of the entries of the call that an entry belongs to:
// intent and outcome, as far as they are there.
func (s *Store) Call(ctx context.Context, workspace, id string) (ids []string, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id FROM audit_entry WHERE workspace = ? AND (id = ? OR intent = ?
		OR id = (SELECT intent FROM audit_entry WHERE id = ?)) ORDER BY leaf`, workspace, id, id, id)
	if err != nil {
		return nil, fmt.Errorf("find the entries of a call: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Tile implements [proof.Log].
func (s *Store) Tile(ctx context.Context, workspace string, level int, n int64) (hashes []byte, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT hashes FROM audit_tile WHERE workspace = ? AND level = ? AND n = ?`, workspace, level, n).Scan(&hashes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return hashes, err
}

// Advance implements [proof.Log].
func (s *Store) Advance(ctx context.Context, workspace string, old, size int64, checkpoint []byte, tiles []proof.Tile) (bool, error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("advance the audit log: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	done, err := tx.ExecContext(ctx, `INSERT INTO audit_log (workspace, size, checkpoint, signed) VALUES (?, ?, ?, NOW())
		ON CONFLICT (workspace) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint, signed = excluded.signed WHERE audit_log.size = ?`,
		workspace, size, string(checkpoint), old)
	if err != nil {
		return false, fmt.Errorf("advance the audit log: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	for _, t := range tiles {
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit_tile (workspace, level, n, hashes) VALUES (?, ?, ?, ?)
			ON CONFLICT (workspace, level, n) DO UPDATE SET hashes = excluded.hashes`, workspace, t.Level, t.N, t.Hashes); err != nil {
			return false, fmt.Errorf("advance the audit log: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("advance the audit log: %w", err)
	}
	return true, nil
}

// Misfiled returns the entries of a workspace whose columns, by which they are
// found, say something else than they do, and what; at most limit of them.
func (s *Store) Misfiled(ctx context.Context, workspace string, limit int) ([]proof.Problem, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT leaf, id, at, phase, intent, workspace, agent, tool, outcome, run, entry FROM audit_entry WHERE workspace = ? ORDER BY leaf`, workspace)
	if err != nil {
		return nil, fmt.Errorf("read audit entries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var problems []proof.Problem
	for rows.Next() && len(problems) < limit {
		var leaf sql.NullInt64
		var at int64
		var column audit.Entry
		var intent, run sql.NullString
		var line []byte
		if err := rows.Scan(&leaf, &column.ID, &at, &column.Phase, &intent, &column.Workspace, &column.Agent, &column.Tool, &column.Outcome, &run, &line); err != nil {
			return nil, fmt.Errorf("read audit entries: %w", err)
		}
		var e audit.Entry
		problem := proof.Problem{Leaf: leaf.Int64, ID: column.ID}
		switch unreadable := json.Unmarshal(line, &e); {
		case !leaf.Valid || leaf.Int64 < 0:
			problem.Leaf, problem.What = -1, "the entry "+column.ID+" has no number in the log: it was added"
		case unreadable != nil:
			problem.What = "is no entry"
		case e.ID != column.ID || e.Time.UnixMilli() != at || e.Phase != column.Phase || e.Intent != intent.String || e.Workspace != column.Workspace ||
			e.Agent != column.Agent || e.Tool != column.Tool || e.Outcome != column.Outcome || e.Run != run.String:
			problem.What = "is filed as something else than it is: the columns of its row were changed"
		default:
			continue
		}
		problems = append(problems, problem)
	}
	return problems, rows.Err()
}

// Exported returns the number before which a sink has written all entries of a
// workspace.
func (s *Store) Exported(ctx context.Context, sink, workspace string) (next int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT next FROM audit_sink WHERE sink = ? AND workspace = ?`, sink, workspace).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return next, err
}

// SetExported remembers it.
func (s *Store) SetExported(ctx context.Context, sink, workspace string, next int64) error {
	_, err := s.writer.ExecContext(ctx, `INSERT INTO audit_sink (sink, workspace, next) VALUES (?, ?, ?)
		ON CONFLICT (sink, workspace) DO UPDATE SET next = excluded.next`, sink, workspace, next)
	return err
}

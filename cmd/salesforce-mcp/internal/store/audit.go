package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/audit"
)

// The store is what the journal writes to and what reads it back.
var (
	_ audit.Store      = (*Store)(nil)
	_ audit.Unfinished = (*Store)(nil)
	_ audit.Reader     = (*Store)(nil)
)

// defaultLimit is how many entries a query without a limit returns.
const defaultLimit = 100

// inserts are the statements of Append, prepared once.
type inserts struct {
	entry, open, end *sql.Stmt
}

// prepare prepares the statements. They are closed with the database.
func (i *inserts) prepare(ctx context.Context, db *sql.DB) error {
	for statement, text := range map[**sql.Stmt]string{
		&i.entry: `INSERT INTO audit_entry (id, at, phase, intent, workspace, agent, tool, outcome, entry)
		           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&i.open: `INSERT INTO audit_open (intent) VALUES (?)`,
		&i.end:  `DELETE FROM audit_open WHERE intent = ?`,
	} {
		prepared, err := db.PrepareContext(ctx, text) // kept for the life of the store, closed with its database
		if err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
		*statement = prepared
	}
	return nil
}

// Append implements [audit.Store]: all of the entries are on disk when it
// returns nil, and none when it returns an error.
func (s *Store) Append(ctx context.Context, entries []audit.Entry) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("append audit entries: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if entries, err = s.claim(ctx, tx, entries); err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.appendOne(ctx, tx, e); err != nil {
			return fmt.Errorf("append audit entry %s: %w", e.ID, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("append audit entries: %w", err)
	}
	return nil
}

// appendOne adds the entry and keeps the list of open intents in step.
func (s *Store) appendOne(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	intent := sql.NullString{String: e.Intent, Valid: e.Intent != ""}
	_, err := tx.StmtContext(ctx, s.insert.entry).ExecContext(ctx,
		e.ID, e.Time.UnixMilli(), string(e.Phase), intent,
		e.Workspace, e.Agent, e.Tool, string(e.Outcome), string(e.Line()))
	if err != nil {
		return err
	}
	switch e.Phase {
	case audit.PhaseIntent:
		_, err = tx.StmtContext(ctx, s.insert.open).ExecContext(ctx, e.ID)
	case audit.PhaseOutcome:
		_, err = tx.StmtContext(ctx, s.insert.end).ExecContext(ctx, e.Intent)
	}
	return err
}

// List implements [audit.Reader].
func (s *Store) List(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	where := []string{"1 = 1"}
	var args []any
	for _, filter := range []struct {
		column, value string
	}{
		{"workspace", q.Workspace}, {"agent", q.Agent}, {"tool", q.Tool}, {"outcome", string(q.Outcome)},
	} {
		if filter.value != "" {
			where = append(where, filter.column+" = ?")
			args = append(args, filter.value)
		}
	}
	if !q.Since.IsZero() {
		where = append(where, "at >= ?")
		args = append(args, q.Since.UnixMilli())
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	entries, err := s.read(ctx, `SELECT entry FROM audit_entry WHERE `+strings.Join(where, " AND ")+
		` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	slices.Reverse(entries)
	return entries, nil
}

// OpenIntents implements [audit.Unfinished].
func (s *Store) OpenIntents(ctx context.Context, limit int) ([]audit.Entry, error) {
	entries, err := s.read(ctx, `SELECT e.entry FROM audit_open o JOIN audit_entry e ON e.id = o.intent
		ORDER BY o.intent LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("list open intents: %w", err)
	}
	return entries, nil
}

// read runs a query for entries.
func (s *Store) read(ctx context.Context, query string, args ...any) ([]audit.Entry, error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []audit.Entry
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("an entry is not readable: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

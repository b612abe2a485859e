package store

import (
	"bytes"
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
		&i.entry: `INSERT INTO audit_entry (id, at, phase, intent, workspace, agent, tool, outcome, entry, leaf)
		           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, (SELECT coalesce(max(leaf) + 1, 0) FROM audit_entry WHERE workspace = ?5))`,
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
	if entries, err = s.charge(ctx, tx, entries); err != nil {
		return err
	}
	if entries, err = s.decide(ctx, tx, entries); err != nil {
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
func (s *Store) List(ctx context.Context, q audit.Query) (entries []audit.Entry, err error) {
	where := []string{"1 = 1"}
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	for column, value := range map[string]string{"workspace": q.Workspace, "agent": q.Agent, "tool": q.Tool, "outcome": string(q.Outcome)} {
		if value != "" {
			add(column+" = ?", value)
		}
	}
	for _, value := range []string{q.User, q.Action, q.Record} { // these have no column: this finds them and perhaps others
		if value != "" {
			add(`entry LIKE ? ESCAPE '\'`, "%"+like.Replace(string(encode(value)))+"%")
		}
	}
	if !q.Since.IsZero() {
		add("at >= ?", q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		add("at < ?", q.Until.UnixMilli())
	}
	if q.Calls {
		add("(phase <> 'intent' OR id IN (SELECT intent FROM audit_open))")
	}
	order := "id"
	if q.Workspace != "" {
		order = "leaf" // through the index of the workspace
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	err = s.read(ctx, func(e audit.Entry) bool {
		if (q.User == "" || q.User == e.User) && (q.Action == "" || q.Action == e.Action) && (q.Record == "" || slices.Contains(e.Records, q.Record)) {
			entries = append(entries, e)
		}
		return len(entries) < limit
	}, `SELECT entry FROM audit_entry WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order+` DESC`, args...)
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	slices.Reverse(entries)
	return entries, nil
}

// like quotes what LIKE would read as a pattern.
var like = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// encode is the value as it stands in an entry.
func encode(value string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // text can be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// OpenIntents implements [audit.Unfinished].
func (s *Store) OpenIntents(ctx context.Context, limit int) (entries []audit.Entry, err error) {
	err = s.read(ctx, func(e audit.Entry) bool {
		entries = append(entries, e)
		return true
	}, `SELECT e.entry FROM audit_open o JOIN audit_entry e ON e.id = o.intent ORDER BY o.intent LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("list open intents: %w", err)
	}
	return entries, nil
}

// read runs a query for entries until more returns false.
func (s *Store) read(ctx context.Context, more func(audit.Entry) bool, query string, args ...any) error {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return fmt.Errorf("an entry is not readable: %w", err)
		}
		if !more(e) {
			return nil
		}
	}
	return rows.Err()
}

package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

// Append implements [audit.Store]: all of the entries are on disk when it
// returns nil, and none when it returns an error. Appends to one workspace take
// turns, in all processes, so that its entries are numbered in the order of
// commit.
func (s *Store) Append(ctx context.Context, entries []audit.Entry) error {
	if err := s.forgetClaims(ctx, entries); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("append audit entries: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := s.append(ctx, tx, entries); err != nil {
		var ended *audit.EndedError
		if errors.As(err, &ended) {
			return ended
		}
		return fmt.Errorf("append audit entries: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("append audit entries: %w", err)
	}
	return nil
}

func (s *Store) append(ctx context.Context, tx *tx, entries []audit.Entry) error {
	next := map[string]int64{} // by workspace
	for _, e := range entries {
		next[e.Workspace] = 0
	}
	workspaces := slices.Sorted(maps.Keys(next))
	var locks []string
	for _, name := range workspaces {
		locks = append(locks, "log "+name)
	}
	if err := tx.alone(ctx, locks...); err != nil {
		return err
	}
	entries, err := s.claim(ctx, tx, entries)
	if err != nil {
		return err
	}
	if entries, err = s.charge(ctx, tx, entries); err != nil {
		return err
	}
	if entries, err = s.decide(ctx, tx, entries); err != nil {
		return err
	}
	if entries, err = s.move(ctx, tx, entries); err != nil {
		return err
	}
	if err := s.refused(ctx, tx, entries); err != nil {
		return err
	}
	for _, name := range workspaces {
		var n int64
		if err := tx.QueryRowContext(ctx, nextLeaf, name).Scan(&n); err != nil {
			return fmt.Errorf("number them: %w", err)
		}
		next[name] = n
	}
	for some := range slices.Chunk(entries, s.engine.rows) {
		if err := s.appendSome(ctx, tx, some, next); err != nil {
			return err
		}
	}
	return nil
}

// The statements of every append, with the values of one row.
const (
	nextLeaf  = `SELECT coalesce(max(leaf) + 1, 0) FROM audit_entry WHERE workspace = ?`
	addEntry  = `INSERT INTO audit_entry (id, at, phase, intent, workspace, agent, tool, outcome, entry, leaf, run) VALUES ` + entryRow
	entryRow  = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	addOpen   = `INSERT INTO audit_open (intent, process) VALUES ` + openRow
	openRow   = `(?, ?)`
	closeOpen = `DELETE FROM audit_open WHERE intent IN (?`
)

// appendSome adds entries, and keeps the list of open intents in step. An outcome
// closes its intent; that of one which is closed is refused.
func (s *Store) appendSome(ctx context.Context, tx *tx, entries []audit.Entry, next map[string]int64) error {
	var rows, opened, closed []any
	process := s.process.current()
	for _, e := range entries {
		intent, run := sql.NullString{String: e.Intent, Valid: e.Intent != ""}, sql.NullString{String: e.Run, Valid: e.Run != ""}
		rows = append(rows, e.ID, e.Time.UnixMilli(), string(e.Phase), intent,
			e.Workspace, e.Agent, e.Tool, string(e.Outcome), string(e.Line()), next[e.Workspace], run)
		next[e.Workspace]++
		switch e.Phase {
		case audit.PhaseIntent:
			opened = append(opened, e.ID, process)
		case audit.PhaseOutcome:
			closed = append(closed, e.Intent)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := s.closeIntents(ctx, tx, closed); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, addEntry+more(entryRow, len(entries)), rows...); err != nil || len(opened) == 0 {
		return err
	}
	if err := s.lives(ctx, tx, process); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, addOpen+more(openRow, len(opened)/2), opened...)
	return err
}

// closeIntents takes intents off the list of open ones. The error is an
// [*audit.EndedError] if some of them have an outcome already.
func (s *Store) closeIntents(ctx context.Context, tx *tx, intents []any) error {
	if len(intents) == 0 {
		return nil
	}
	done, err := tx.ExecContext(ctx, closeOpen+more("?", len(intents))+`)`, intents...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == int64(len(intents)) {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT intent FROM audit_entry WHERE intent IN (?`+more("?", len(intents))+`)`, intents...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var ended audit.EndedError
	for rows.Next() {
		var intent string
		if err := rows.Scan(&intent); err != nil {
			return err
		}
		ended.Intents = append(ended.Intents, intent)
	}
	if err := rows.Err(); err != nil || len(ended.Intents) == 0 {
		return err
	}
	return &ended
}

// List implements [audit.Reader].
func (s *Store) List(ctx context.Context, q audit.Query) (entries []audit.Entry, err error) {
	where := []string{"1 = 1"}
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	for column, value := range map[string]string{"workspace": q.Workspace, "agent": q.Agent, "tool": q.Tool, "run": q.Run, "outcome": string(q.Outcome)} {
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

// longestCall is more than a call can last. An intent that is open for longer was
// recorded although its process was told that it was not.
const longestCall = time.Hour

// OpenIntents implements [audit.Unfinished].
func (s *Store) OpenIntents(ctx context.Context, limit int) (entries []audit.Entry, err error) {
	err = s.read(ctx, func(e audit.Entry) bool {
		entries = append(entries, e)
		return true
	}, `SELECT e.entry FROM audit_open o JOIN audit_entry e ON e.id = o.intent
		WHERE NOT EXISTS (SELECT 1 FROM process p WHERE p.id = o.process AND p.expires >= NOW()) OR e.at < ?
		ORDER BY o.intent LIMIT ?`, time.Now().Add(-longestCall).UnixMilli(), limit)
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

package store

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// An engine is what SQLite and Postgres say differently. Statements are written
// for SQLite, with ? for their values, each of which is used once.
type engine struct {
	name string
	// numbered says that values are $1, $2, ….
	numbered bool
	// now is the database's clock: milliseconds since 1970.
	now string
	// rows is how many rows one statement adds at most: Postgres is asked over the
	// network, SQLite has the statement for one row prepared.
	rows int
	// forget removes the rows of a table (%[1]s) whose column (%[2]s) is below a
	// value.
	forget string
}

var (
	sqlite = &engine{
		name:   "sqlite",
		now:    `CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
		rows:   1,
		forget: `DELETE FROM %[1]s WHERE %[2]s < ?`,
	}
	postgres = &engine{
		name:     "postgres",
		numbered: true,
		now:      `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
		rows:     500, // 65,535 values
		// A row that another transaction has is left to the next time: waiting for
		// it, while that one waits for this one, would end both.
		forget: `DELETE FROM %[1]s WHERE ctid IN (SELECT ctid FROM %[1]s WHERE %[2]s < ? FOR UPDATE SKIP LOCKED)`,
	}
)

// bind returns a statement as the engine reads it: NOW() is the database's clock.
func (e *engine) bind(statement string) string {
	statement = strings.ReplaceAll(statement, "NOW()", e.now)
	if !e.numbered {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, more := strings.Cut(statement, "?")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		statement = after
	}
}

// A pool is some connections to the database.
type pool struct {
	*sql.DB
	engine *engine
	// prepared are statements of transactions. Postgres' driver keeps what it has
	// prepared by itself.
	prepared map[string]*sql.Stmt
}

// prepare prepares statements of transactions, before there is one. They are closed
// with the database.
func (p *pool) prepare(ctx context.Context, statements ...string) error {
	p.prepared = map[string]*sql.Stmt{}
	for _, statement := range statements {
		prepared, err := p.DB.PrepareContext(ctx, p.engine.bind(statement))
		if err != nil {
			return fmt.Errorf("prepare %q: %w", statement, err)
		}
		p.prepared[statement] = prepared
	}
	return nil
}

func (p *pool) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return p.DB.ExecContext(ctx, p.engine.bind(statement), args...)
}

func (p *pool) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return p.DB.QueryContext(ctx, p.engine.bind(statement), args...)
}

func (p *pool) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	return p.DB.QueryRowContext(ctx, p.engine.bind(statement), args...)
}

func (p *pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (*tx, error) {
	t, err := p.DB.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{t, p.engine, p.prepared}, nil
}

// A tx is a transaction. On SQLite it has the only write lock from its beginning;
// on Postgres each statement sees what others have committed before it.
type tx struct {
	*sql.Tx
	engine   *engine
	prepared map[string]*sql.Stmt
}

func (t *tx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	if s := t.prepared[statement]; s != nil {
		return t.Tx.StmtContext(ctx, s).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, t.engine.bind(statement), args...)
}

func (t *tx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return t.Tx.QueryContext(ctx, t.engine.bind(statement), args...)
}

func (t *tx) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	if s := t.prepared[statement]; s != nil {
		return t.Tx.StmtContext(ctx, s).QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, t.engine.bind(statement), args...)
}

// alone makes the transaction wait until it is the only one that has any of these
// names, in all processes, and keeps them until it ends. A transaction calls it
// once, before it changes anything, so that no two wait for each other.
func (t *tx) alone(ctx context.Context, names ...string) error {
	if t.engine == sqlite {
		return nil
	}
	keys := make([]int64, len(names))
	for i, name := range names {
		h := fnv.New64a()
		h.Write([]byte("salesforce-mcp " + name))
		keys[i] = int64(h.Sum64()) //nolint:gosec // G115: any number will do
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if _, err := t.Tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, key); err != nil {
			return fmt.Errorf("wait for its turn: %w", err)
		}
	}
	return nil
}

// forget removes the rows of a table whose column is below a value. It is never
// part of a transaction that changes rows of that table.
func (s *Store) forget(ctx context.Context, table, column string, below int64) error {
	_, err := s.writer.ExecContext(ctx, fmt.Sprintf(s.engine.forget, table, column), below)
	return err
}

// more is the placeholders of the second row to the nth.
func more(row string, n int) string { return strings.Repeat(", "+row, n-1) }

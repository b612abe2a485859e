package store

import (
	"context"
	"sync"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/salesforce"
)

// A database is an empty one, of either engine, for one test.
type database struct {
	dir string // of SQLite; "" is Postgres
	url string
}

// engines runs a test on each engine.
func engines(t *testing.T, test func(*testing.T, database)) {
	t.Run("sqlite", func(t *testing.T) { test(t, database{dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { test(t, onPostgres(t)) })
}

// onPostgres is a database on Postgres that has its tables.
func onPostgres(t testing.TB) database {
	t.Helper()
	migrated.Do(func() {
		of := database{url: pgtest.URL(t)}
		s, err := of.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		template = of.url
	})
	if template == "" {
		return database{url: pgtest.URL(t)} // says why there is none
	}
	return database{url: pgtest.Copy(t, template)}
}

var (
	migrated sync.Once
	template string
)

// enginesBench runs a benchmark on each engine.
func enginesBench(b *testing.B, bench func(*testing.B, database)) {
	b.Run("sqlite", func(b *testing.B) { bench(b, database{dir: b.TempDir()}) })
	b.Run("postgres", func(b *testing.B) { bench(b, database{url: pgtest.New(b).URL()}) })
}

// start opens the database as a server does.
func (d database) start(ctx context.Context) (*Store, error) {
	if d.dir != "" {
		return Open(ctx, d.dir)
	}
	return OpenPostgres(ctx, salesforce.Secret(d.url))
}

// open is start, for the length of the test.
func (d database) open(t testing.TB) *Store { t.Helper(); return closed(t)(d.start(t.Context())) }

// join opens the database beside a server.
func (d database) join(t testing.TB) *Store {
	t.Helper()
	if d.dir != "" {
		return closed(t)(Join(t.Context(), d.dir))
	}
	return d.open(t)
}

// look opens the database to read it.
func (d database) look(ctx context.Context) (*Store, error) {
	if d.dir != "" {
		return Look(ctx, d.dir)
	}
	return LookPostgres(ctx, salesforce.Secret(d.url))
}

// closed closes a store at the end of the test.
func closed(t testing.TB) func(*Store, error) *Store {
	return func(s *Store, err error) *Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close the store: %v", err)
			}
		})
		return s
	}
}

// crash closes the store as a killed process leaves it: the others are not told.
func crash(t testing.TB, s *Store) {
	t.Helper()
	s.process.mu.Lock()
	id := s.process.id
	s.process.id = ""
	s.process.mu.Unlock()
	if s.engine == postgres { // its lease ends, sooner than it would
		if _, err := s.writer.ExecContext(t.Context(), `UPDATE process SET expires = 0 WHERE id = ?`, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// unended reports how many intents are open and whose process is gone.
func unended(t testing.TB, s *Store) int {
	t.Helper()
	open, err := s.OpenIntents(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

var _ = audit.Unfinished((*Store)(nil))

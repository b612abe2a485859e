package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
)

// open opens a store for the length of the test.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
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

// journal returns a journal over the store for the length of the test.
func journal(t testing.TB, s *Store) *audit.Journal {
	t.Helper()
	j := audit.NewJournal(s)
	t.Cleanup(j.Close)
	return j
}

// call is the entry of an ordinary call.
func call() audit.Entry {
	return audit.Entry{
		Workspace: "demo", Host: "factory", Agent: "desk", User: "ada", Context: "c-1", Surface: "mcp",
		Tool: "records", Action: "get", Instruction: "getRecord", Effect: "read",
		Decision: audit.DecisionAllowed, Rule: "agent desk: read",
		Arguments: audit.Redact(map[string]any{"sObjectName": "Account", "where": "A < 1 & B > 'é\u2028'"}, nil),
	}
}

// list returns the latest entries that match, or fails the test.
func list(t testing.TB, s *Store, q audit.Query) []audit.Entry {
	t.Helper()
	entries, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestOpenReadsBackWhatWasAppended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%41&e=é") // a name that a DSN must not read as settings
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	j := audit.NewJournal(s)
	intent, err := j.Begin(t.Context(), call())
	if err != nil {
		t.Fatal(err)
	}
	outcome := audit.Outcome{
		Status: audit.Failed, Code: "NOT_FOUND", Message: "no such record\n{\"forged\":true}",
		Exchanges: []audit.Exchange{{Method: "GET", Path: "/sobjects/Account/001", Status: 404, RequestID: "r1", Duration: 1500}},
		Records:   []string{"001000000000001AAA"},
	}
	if err := intent.End(t.Context(), outcome); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*")); len(files) != 1 {
		t.Errorf("files beside the data folder: %v", files)
	}

	got := list(t, open(t, dir), audit.Query{})
	if len(got) != 2 {
		t.Fatalf("%d entries, want intent and outcome: %+v", len(got), got)
	}
	begun, ended := call(), call()
	begun.Version, ended.Version = audit.Version, audit.Version
	begun.ID, begun.Phase, begun.Time = intent.ID(), audit.PhaseIntent, got[0].Time
	ended.ID, ended.Phase, ended.Time = got[1].ID, audit.PhaseOutcome, got[1].Time
	ended.Intent, ended.Arguments, ended.Duration = intent.ID(), nil, got[1].Duration
	ended.Outcome, ended.Code, ended.Message = outcome.Status, outcome.Code, outcome.Message
	ended.Exchanges, ended.Records = outcome.Exchanges, outcome.Records
	if diff := cmp.Diff([]audit.Entry{begun, ended}, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, e := range got {
		if age := time.Since(e.Time); age < 0 || age > time.Minute {
			t.Errorf("entry made at %v, %v ago", e.Time, age)
		}
	}
	if got[1].Duration <= 0 {
		t.Errorf("duration %v", got[1].Duration)
	}
}

func TestListFilters(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		var ids []string
		for _, who := range []struct{ workspace, agent, tool string }{
			{"demo", "desk", "records"}, {"demo", "desk", "query"}, {"demo", "lab", "records"}, {"other", "desk", "records"},
		} {
			e := call()
			e.Workspace, e.Agent, e.Tool = who.workspace, who.agent, who.tool
			intent, err := j.Begin(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, intent.ID())
		}
		refused := call()
		refused.Code = "not_permitted"
		if _, err := j.Refuse(t.Context(), refused); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, list(t, s, audit.Query{Limit: 1})[0].ID)

		for name, test := range map[string]struct {
			query audit.Query
			want  []string
		}{
			"all":       {audit.Query{}, ids},
			"limit":     {audit.Query{Limit: 2}, ids[3:]},
			"workspace": {audit.Query{Workspace: "other"}, ids[3:4]},
			"agent":     {audit.Query{Agent: "lab"}, ids[2:3]},
			"tool":      {audit.Query{Tool: "query"}, ids[1:2]},
			"outcome":   {audit.Query{Outcome: audit.Refused}, ids[4:]},
			"together":  {audit.Query{Workspace: "demo", Agent: "desk", Tool: "records", Limit: 1}, ids[4:]},
			"since":     {audit.Query{Since: time.Now().Add(-time.Hour)}, ids},
			"future":    {audit.Query{Since: time.Now().Add(time.Hour)}, nil},
			"quoted":    {audit.Query{Agent: "' OR 1=1 --"}, nil},
		} {
			var got []string
			for _, e := range list(t, s, test.query) {
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

func TestOpenFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(t.Context(), dir)
	if err == nil {
		second.Close()
		t.Fatal("a second store on the same folder")
	}
	if !strings.Contains(err.Error(), "is in use by another salesforce-mcp (process ") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %q", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir) // free again
}

func TestOpenKeepsFilesPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows has no file modes")
	}
	dir := filepath.Join(t.TempDir(), "parent", "data")
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, databaseName), 0o644); err != nil { // as a careless copy leaves it
		t.Fatal(err)
	}
	s = open(t, dir)
	if _, err := journal(t, s).Begin(t.Context(), call()); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Stat(dir)
	if err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, error %v of the folder", folder.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 { // database, -wal, -shm, lock
		t.Errorf("files %v, error %v", files, err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, error %v of %s", info.Mode(), err, file.Name())
		}
	}
}

func TestConnectionsHaveTheirSettings(t *testing.T) {
	s := open(t, t.TempDir())
	for name, pool := range map[string]*pool{"writer": s.writer, "reader": s.reader} {
		queryOnly := map[string]string{"writer": "0", "reader": "1"}[name]
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "query_only": queryOnly,
		} {
			var got string
			if err := pool.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, error %v; want %q", name, pragma, got, err, want)
			}
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), "DELETE FROM audit_open"); err == nil {
		t.Error("the reader can write")
	}
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = d.start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "schema 9999") {
			t.Errorf("error %v", err)
		}
	})
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseName), []byte(strings.Repeat("not a database. ", 512)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "file", "data")); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("error %v", err)
	}
}

func TestOpenHonoursContext(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s, err := d.start(ctx); err == nil {
			s.Close()
			t.Fatal("opened under a context that had ended")
		}
		d.open(t) // and left nothing behind
	})
}

// TestJoin: a command keeps a secret while the server runs, and is the only one
// there when it does not.
func TestJoin(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	alone, err := Join(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir); err == nil {
		t.Error("a server started beside a command that had the folder to itself")
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	server, err := Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	beside, err := Join(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := beside.PutSecret(ctx, "sales", "x", []byte("sealed"), 0, 1); err != nil {
		t.Error(err)
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	if got, _, err := server.Secret(ctx, "sales", "x"); string(got) != "sealed" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestLook: a look needs a database and changes nothing, whoever has the folder.
func TestLook(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		ctx := t.Context()
		if d.url != "" {
			d.url = pgtest.URL(t) // one without tables
		}
		if _, err := d.look(ctx); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a database: %v", err)
		}
		if left, err := os.ReadDir(d.dir); d.dir != "" && (len(left) != 0 || err != nil) {
			t.Errorf("a look made %v, %v", left, err)
		}
		server, err := d.start(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.PutSecret(ctx, "sales", "x", []byte("sealed"), 0, 1); err != nil {
			t.Fatal(err)
		}
		look := func(who string) {
			t.Helper()
			s, err := d.look(ctx)
			if err != nil {
				t.Fatalf("%s: %v", who, err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}()
			if got, _, err := s.Secret(ctx, "sales", "x"); string(got) != "sealed" || err != nil {
				t.Errorf("%s: %q, %v", who, got, err)
			}
			if err := s.PutSecret(ctx, "sales", "y", []byte("sealed"), 0, 1); err == nil {
				t.Errorf("%s: a look has written", who)
			}
			if who == "alone" {
				next, err := d.start(ctx)
				if err != nil {
					t.Errorf("a look keeps a server from starting: %v", err)
				} else if err := next.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		look("beside a server")
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		look("alone")
		if server, err = d.start(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := server.writer.ExecContext(ctx, `DELETE FROM goose_db_version WHERE version_id > 3`); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.look(ctx); err == nil || !strings.Contains(err.Error(), "has schema 3, this version of salesforce-mcp knows schema") {
			t.Errorf("an older schema: %v", err)
		}
	})
}

// sqlOpen opens a database as another program does.
func sqlOpen(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

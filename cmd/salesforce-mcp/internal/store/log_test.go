package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// testKey signs the logs of all tests. It was made for that.
func testKey(context.Context, bool) (proof.Key, error) {
	return proof.ParseKey("PRIVATE+KEY+salesforce-mcp-test+7a9fdbd0+AQFkhMtKifBYc93sU/VX3wMubuEAbUmLB7Ii89+cj1G8")
}

func testPublic(t testing.TB) proof.PublicKey {
	t.Helper()
	key, err := testKey(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	public, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// signLog signs what is recorded.
func signLog(t testing.TB, s *Store) {
	t.Helper()
	if err := (&proof.Sequencer{Log: s, Key: testKey}).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// signEvery signs what is recorded until ctx ends.
func signEvery(ctx context.Context, s *Store, pause time.Duration) error {
	sequencer := proof.Sequencer{Log: s, Key: testKey}
	for ctx.Err() == nil {
		if err := sequencer.Once(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// check verifies a log as it is stored.
func check(t testing.TB, s *Store, workspace string) *proof.Report {
	t.Helper()
	r, err := proof.Check{Key: testPublic(t)}.Log(t.Context(), s, workspace)
	if err != nil {
		t.Fatal(err)
	}
	misfiled, err := s.Misfiled(t.Context(), workspace, 100)
	if err != nil {
		t.Fatal(err)
	}
	r.Problems = append(r.Problems, misfiled...)
	return r
}

// record records calls of a workspace, two entries each.
func record(t testing.TB, j *audit.Journal, workspace string, calls int) {
	t.Helper()
	for range calls {
		e := call()
		e.Workspace = workspace
		intent, err := j.Begin(t.Context(), e)
		if err == nil {
			err = intent.End(t.Context(), audit.Outcome{Status: audit.OK})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestLogOfEachWorkspace: several workspaces record at once while two processes
// sign; each has its own log, numbered from 0, of what it recorded and nothing
// else.
func TestLogOfEachWorkspace(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		other := d.join(t)
		ctx, stop := context.WithCancel(t.Context())
		var signing, recording sync.WaitGroup
		for _, s := range []*Store{s, other} {
			signing.Go(func() {
				if err := signEvery(ctx, s, time.Millisecond); err != nil {
					t.Error(err)
				}
			})
		}
		names := []string{"a", "b", "c"}
		for i, name := range names {
			recording.Go(func() { record(t, j, name, 100*(i+1)) })
		}
		recording.Wait()
		stop()
		signing.Wait()
		signLog(t, s)
		for i, name := range names {
			if r := check(t, s, name); !r.OK() || r.Entries != int64(200*(i+1)) || r.Waiting != 0 {
				t.Errorf("workspace %s: %+v", name, r)
			}
			x, err := proof.NewExporter(t.Context(), s, name, testPublic(t))
			if err != nil {
				t.Fatal(err)
			}
			var export bytes.Buffer
			if err := x.All(t.Context(), &export); err != nil {
				t.Fatal(err)
			}
			r, err := proof.Check{Key: testPublic(t)}.Export(bytes.NewReader(export.Bytes()))
			if err != nil || !r.OK() || r.Workspace != name || strings.Count(export.String(), `"workspace":"`+name+`"`) != 200*(i+1) {
				t.Errorf("export of workspace %s: %+v, %v", name, r, err)
			}
		}
	})
}

// TestTamperedDatabase (attack 39): who owns the file can take the triggers away and change
// it; verification says where.
func TestTamperedDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		leaf      int64
		what      string
	}{
		"text":          {`UPDATE audit_entry SET entry = replace(entry, '"desk"', '"lab"') WHERE leaf = 3 AND workspace = 'a'`, 3, "changed"},
		"column":        {`UPDATE audit_entry SET agent = 'lab' WHERE leaf = 3 AND workspace = 'a'`, 3, "filed as something else"},
		"run":           {`UPDATE audit_entry SET run = 'x' WHERE leaf = 3 AND workspace = 'a'`, 3, "filed as something else"},
		"workspace":     {`UPDATE audit_entry SET workspace = 'c' WHERE leaf = 3 AND workspace = 'a'`, 3, "missing"},
		"removed":       {`DELETE FROM audit_entry WHERE leaf = 3 AND workspace = 'a'`, 3, "missing"},
		"end removed":   {`DELETE FROM audit_entry WHERE leaf >= 6 AND workspace = 'a'`, 6, "missing"},
		"order":         {`UPDATE audit_entry SET leaf = CASE leaf WHEN 3 THEN -1 WHEN 4 THEN 3 END WHERE leaf IN (3, 4) AND workspace = 'a'; UPDATE audit_entry SET leaf = 4 WHERE leaf = -1`, 3, "changed"},
		"added":         {`INSERT INTO audit_entry SELECT 'new', at, phase, NULL, workspace, agent, tool, outcome, entry, NULL, NULL FROM audit_entry WHERE leaf = 4 AND workspace = 'a'`, -1, "has no number"},
		"workspaces":    {`UPDATE audit_entry SET workspace = CASE workspace WHEN 'a' THEN 'x' ELSE 'a' END; UPDATE audit_entry SET workspace = 'b' WHERE workspace = 'x'`, 0, "changed"},
		"checkpoint":    {`UPDATE audit_log SET checkpoint = replace(checkpoint, char(10) || '10' || char(10), char(10) || '09' || char(10)) WHERE workspace = 'a'`, -1, "signature is not valid"},
		"signed away":   {`DELETE FROM audit_log`, -1, ""},
		"stored hashes": {`UPDATE audit_tile SET hashes = zeroblob(320) WHERE workspace = 'a'`, 0, "not the entry"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			j := journal(t, s)
			record(t, j, "a", 5)
			record(t, j, "b", 5)
			signLog(t, s)
			if r := check(t, s, "a"); !r.OK() || r.Size != 10 {
				t.Fatalf("untouched: %+v", r)
			}
			var triggers []string
			rows, err := s.reader.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'trigger'`)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var name string
				rows.Scan(&name)
				triggers = append(triggers, name)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if rows.Close(); len(triggers) < 6 {
				t.Fatalf("triggers %v", triggers)
			}
			statements := []string{`PRAGMA foreign_keys = 0`, `PRAGMA ignore_check_constraints = 1`}
			for _, name := range triggers {
				statements = append(statements, `DROP TRIGGER `+name)
			}
			if name == "order" || name == "workspaces" {
				statements = append(statements, `DROP INDEX audit_entry_leaf`)
			}
			for _, statement := range append(statements, c.statement) {
				if _, err := s.writer.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			r := check(t, s, "a")
			if c.what == "" { // that nothing was ever signed is seen by the second place, and by the sequencer's key
				if r.Size != 0 || r.Waiting != 10 {
					t.Errorf("report %+v", r)
				}
				return
			}
			if !slices.ContainsFunc(r.Problems, func(p proof.Problem) bool { return p.Leaf == c.leaf && strings.Contains(p.What, c.what) }) {
				t.Errorf("problems %v, want entry %d: %s", r.Problems, c.leaf, c.what)
			}
		})
	}
}

// TestMigrateNumbersEntries: entries of before the log are numbered in the order
// in which they were recorded, for each workspace, and can be signed.
func TestMigrateNumbersEntries(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, databaseName)
	db := sqlOpen(t, dsn(path, "_txlock", "immediate"))
	provider, err := migrator(db, sqlite)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		e := call()
		e.ID, e.Workspace, e.Phase, e.Outcome = fmt.Sprintf("id-%d", 100-i), []string{"a", "b"}[i%2], audit.PhaseRefusal, audit.Refused // a clock that went back
		if _, err := db.ExecContext(t.Context(), `INSERT INTO audit_entry (id, at, phase, workspace, agent, tool, outcome, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.Time.UnixMilli(), e.Phase, e.Workspace, e.Agent, e.Tool, e.Outcome, string(e.Line())); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	record(t, journal(t, s), "a", 1)
	signLog(t, s)
	for name, want := range map[string]string{"a": "id-100 id-98 id-96 id-94 id-92", "b": "id-99 id-97 id-95 id-93"} {
		if r := check(t, s, name); !r.OK() || r.Waiting != 0 {
			t.Errorf("workspace %s: %+v", name, r)
		}
		leaves, err := s.Leaves(t.Context(), name, 0, 5)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, l := range leaves {
			_, id, _ := strings.Cut(string(l.Entry), `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			if got = append(got, id); l.N != int64(i) {
				t.Errorf("entry %s has number %d, want %d", id, l.N, i)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("workspace %s: %v, want %s", name, got, want)
		}
	}
	if _, err := s.writer.ExecContext(t.Context(), `UPDATE audit_entry SET leaf = 7`); err == nil {
		t.Error("after the migration entries can be changed")
	}
}

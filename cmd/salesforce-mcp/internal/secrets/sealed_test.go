package secrets_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// rows opens a database.
func rows(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// engines runs a test on an empty database of each engine, which open opens as
// another process does.
func engines(t *testing.T, test func(t *testing.T, open func(testing.TB) *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteDatabase(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresDatabase(t)) })
}

func sqliteDatabase(t testing.TB) func(testing.TB) *store.Store {
	dir := t.TempDir()
	return func(t testing.TB) *store.Store { return closed(t)(store.Join(t.Context(), dir)) }
}

func postgresDatabase(t testing.TB) func(testing.TB) *store.Store {
	address := salesforce.Secret(pgtest.URL(t))
	return func(t testing.TB) *store.Store { return closed(t)(store.OpenPostgres(t.Context(), address)) }
}

func closed(t testing.TB) func(*store.Store, error) *store.Store {
	return func(s *store.Store, err error) *store.Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

func TestSealedConformance(t *testing.T) {
	for name, database := range map[string]func(testing.TB) func(testing.TB) *store.Store{"sqlite": sqliteDatabase, "postgres": postgresDatabase} {
		t.Run(name, func(t *testing.T) {
			masters := []secrets.Master{secrets.NewMaster()}
			open := map[string]func(testing.TB) *store.Store{} // by subtest
			conformance(t, func(t *testing.T) secrets.Store {
				if open[t.Name()] == nil {
					open[t.Name()] = database(t)
				}
				return secrets.NewSealed(open[t.Name()](t), secrets.FixedKeys(masters...)) // with a cache of its own, as another process has
			})
		})
	}
}

// TestSealedOnDisk: what is on disk does not show a secret, and opens with the
// master key alone.
func TestSealedOnDisk(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	master := secrets.NewMaster()
	s := rows(t, dir)
	if _, err := secrets.NewSealed(s, secrets.FixedKeys(master)).Put(ctx, "sales", "clientSecret", "canary-in-the-mine", 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || bytes.Contains(text, []byte("canary")) {
			t.Errorf("%s: %v", file, err)
		}
	}
	s = rows(t, dir)
	if got, _, err := secrets.NewSealed(s, secrets.FixedKeys(secrets.NewMaster(), master)).Get(ctx, "sales", "clientSecret"); got != "canary-in-the-mine" || err != nil {
		t.Error(err)
	}
	var unavailable *secrets.Unavailable
	_, _, err = secrets.NewSealed(s, secrets.FixedKeys(secrets.NewMaster())).Get(ctx, "sales", "clientSecret")
	if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "master key "+master.ID()+", which is not given") {
		t.Errorf("with another master key: %v", err)
	}
}

// TestSealedRowsCannotBeMoved (attack 37): a row of another workspace, name or
// version, a flipped bit, a data key of another workspace: nothing of it opens.
func TestSealedRowsCannotBeMoved(t *testing.T) {
	masters := []secrets.Master{secrets.NewMaster()}
	for name, change := range map[string]string{
		"to another workspace":   `UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE workspace = 'b') WHERE workspace = 'a' AND name = 'x'`,
		"to another name":        `UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name = 'y'), version = (SELECT version FROM secret WHERE name = 'y') WHERE workspace = 'a' AND name = 'x'`,
		"an older version":       `UPDATE secret SET sealed = (SELECT sealed FROM old) WHERE workspace = 'a' AND name = 'x'`,
		"a version":              `UPDATE secret SET version = version + 1 WHERE workspace = 'a' AND name = 'x'`,
		"a flipped bit":          `UPDATE secret SET sealed = substr(sealed, 1, length(sealed) - 1) || x'00' WHERE workspace = 'a' AND name = 'x'`,
		"cut short":              `UPDATE secret SET sealed = x'0102' WHERE workspace = 'a' AND name = 'x'`,
		"another's data key":     `UPDATE data_key SET sealed = (SELECT sealed FROM data_key WHERE workspace = 'b') WHERE workspace = 'a'`,
		"no data key":            `DELETE FROM data_key WHERE workspace = 'a'`,
		"an unknown master key":  `UPDATE data_key SET key_id = '0000000000000000' WHERE workspace = 'a'`,
		"the row of a whole one": `DELETE FROM secret WHERE workspace = 'a' AND name = 'x'; UPDATE secret SET workspace = 'a', name = 'x' WHERE workspace = 'b'`,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			kept := rows(t, dir)
			s := secrets.NewSealed(kept, secrets.FixedKeys(masters...))
			put := func(workspace, name string, value salesforce.Secret) {
				if _, err := s.Put(ctx, workspace, name, value, secrets.Any); err != nil {
					t.Fatal(err)
				}
			}
			db, err := sql.Open("sqlite", filepath.Join(dir, "salesforce-mcp.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			put("a", "x", "old value")
			if _, err := db.ExecContext(ctx, `CREATE TABLE old AS SELECT * FROM secret`); err != nil {
				t.Fatal(err)
			}
			put("a", "x", "mine")
			put("a", "y", "other")
			put("b", "x", "theirs")
			if _, err := db.ExecContext(ctx, change); err != nil {
				t.Fatal(err)
			}
			var unavailable *secrets.Unavailable
			got, _, err := secrets.NewSealed(kept, secrets.FixedKeys(masters...)).Get(ctx, "a", "x")
			if got != "" || !errors.As(err, &unavailable) || errors.Is(err, secrets.ErrNone) {
				t.Errorf("%q, %v", got.Reveal(), err)
			}
		})
	}
}

// TestRotate: after it the new master key opens everything alone, and a crash in
// between leaves what one of the two opens.
func TestRotate(t *testing.T) {
	ctx := t.Context()
	db := rows(t, t.TempDir())
	first, second := secrets.NewMaster(), secrets.NewMaster()
	s := secrets.NewSealed(db, secrets.FixedKeys(first))
	for i := range 5 {
		if _, err := s.Put(ctx, fmt.Sprint("w", i), "x", salesforce.Secret(fmt.Sprint("value ", i)), 0); err != nil {
			t.Fatal(err)
		}
	}
	both := secrets.NewSealed(db, secrets.FixedKeys(second, first))
	if n, err := both.Rotate(ctx); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := both.Rotate(ctx); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	after := secrets.NewSealed(db, secrets.FixedKeys(second))
	for i := range 5 {
		if got, _, err := after.Get(ctx, fmt.Sprint("w", i), "x"); got.Reveal() != fmt.Sprint("value ", i) || err != nil {
			t.Error(err)
		}
	}
	if err := after.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := secrets.NewSealed(db, secrets.FixedKeys(first)).Check(ctx); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("the old key: %v", err)
	}
	if n, err := secrets.NewSealed(db, secrets.FixedKeys(secrets.NewMaster())).Rotate(ctx); n != 0 || err == nil {
		t.Errorf("with a third key: %d, %v", n, err)
	}
}

func TestMasterFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "master.key")
	made := 0
	keys := secrets.FileKeys(file, func(string) { made++ })
	if _, err := keys(false); err == nil || !strings.Contains(err.Error(), "bring the file back") {
		t.Errorf("a file that is gone: %v", err)
	}
	masters, err := keys(true)
	if err != nil || made != 1 || len(masters) != 1 {
		t.Fatal(made, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := keys(true)
	if err != nil || made != 1 || again[0] != masters[0] {
		t.Errorf("again: %v %v", made, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %x", masters[0], masters, masters[0], masters[0], masters[0]); text != "••• [•••] ••• ••• •••" {
		t.Errorf("a master key prints as %s", text)
	}
	two := append([]secrets.Master{secrets.NewMaster()}, masters...)
	if err := secrets.WriteMasters(file, two); err != nil {
		t.Fatal(err)
	}
	if got, err := secrets.ReadMasters(file); err != nil || len(got) != 2 || got[0] != two[0] || got[1] != two[1] {
		t.Errorf("%d keys, %v", len(got), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || err != nil {
		t.Errorf("files left: %v", left)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.ReadMasters(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v", err)
	}
	for text, want := range map[string]string{"": "there is no master key", "short": "master key 1 must be", "AAAA": "master key 1 must be", string(secrets.FormatMasters(two)) + "x": "master key 3 must be"} {
		if _, err := secrets.ParseMasters(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestMasterFileOnce: processes that make the file at once end up with the same
// key.
func TestMasterFileOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master.key")
	got := make(chan secrets.Master, 20)
	var running sync.WaitGroup
	for range cap(got) {
		running.Go(func() {
			masters, err := secrets.FileKeys(file, func(string) {})(true)
			if err != nil {
				t.Error(err)
				return
			}
			got <- masters[0]
		})
	}
	running.Wait()
	close(got)
	first := <-got
	for m := range got {
		if m != first {
			t.Fatal("two processes made two keys")
		}
	}
}

package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// crashing are rows of a process that ends in its nth change of data keys: before
// it, or when it has changed the file of master keys and not the database.
type crashing struct {
	secrets.Rows
	n      int
	before bool
}

var errCrash = errors.New("the process was killed")

func (c *crashing) ChangeDataKeys(ctx context.Context, change func([]secrets.DataKey) ([]secrets.DataKey, error)) error {
	c.n--
	if c.n != 0 {
		return c.Rows.ChangeDataKeys(ctx, change)
	}
	if c.before {
		return errCrash
	}
	return c.Rows.ChangeDataKeys(ctx, func(all []secrets.DataKey) ([]secrets.DataKey, error) {
		if _, err := change(all); err != nil {
			return nil, err
		}
		return nil, errCrash
	})
}

// TestRotateFileCrashes: wherever a rotation is killed, the file opens
// everything, and the next rotation leaves one master key.
func TestRotateFileCrashes(t *testing.T) {
	for _, at := range []*crashing{{n: 1, before: true}, {n: 1}, {n: 2, before: true}, {n: 2}} {
		t.Run(fmt.Sprintf("%d %v", at.n, at.before), func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			file := filepath.Join(dir, "master.key")
			db := rows(t, dir)
			at.Rows = db
			s := secrets.NewSealed(db, secrets.FileKeys(file, func(string) {}))
			for _, workspace := range []string{"a", "b", "c"} {
				if _, err := s.Put(ctx, workspace, "x", salesforce.Secret("of "+workspace), 0); err != nil {
					t.Fatal(err)
				}
			}
			first, err := secrets.ReadMasters(file)
			if err != nil {
				t.Fatal(err)
			}
			opens := func() {
				t.Helper()
				fresh := secrets.NewSealed(db, secrets.FileKeys(file, func(string) { t.Error("made another master key") }))
				if err := fresh.Check(ctx); err != nil {
					t.Error(err)
				}
				for _, workspace := range []string{"a", "b", "c"} {
					if got, _, err := fresh.Get(ctx, workspace, "x"); got.Reveal() != "of "+workspace || err != nil {
						t.Errorf("%s: %v", workspace, err)
					}
				}
			}
			if _, err := secrets.RotateFile(ctx, at, file); err == nil {
				t.Fatal("it was not killed")
			}
			opens()
			if n, err := secrets.RotateFile(ctx, db, file); n != 3 || err != nil {
				t.Error(n, err)
			}
			opens()
			if last, err := secrets.ReadMasters(file); err != nil || len(last) != 1 || last[0] == first[0] {
				t.Errorf("%d master keys left, %v", len(last), err)
			}
		})
	}
}

// TestRotateFileRefuses: what the master keys do not open is not made worse.
func TestRotateFileRefuses(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	file := filepath.Join(dir, "master.key")
	db := rows(t, dir)
	if _, err := secrets.RotateFile(ctx, db, file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := secrets.NewSealed(db, secrets.FixedKeys(secrets.NewMaster())).Put(ctx, "a", "x", "y", 0); err != nil {
		t.Fatal(err)
	}
	other := []secrets.Master{secrets.NewMaster()}
	if err := secrets.WriteMasters(file, other); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.RotateFile(ctx, db, file); err == nil {
		t.Error("rotated what it cannot open")
	}
	if got, err := secrets.ReadMasters(file); err != nil || len(got) != 1 || got[0] != other[0] {
		t.Errorf("the file was changed: %d keys, %v", len(got), err)
	}
}

// TestRotateFileWhileOthersWrite: processes that make new data keys and open old
// ones while the master key is rotated lose nothing.
func TestRotateFileWhileOthersWrite(t *testing.T) {
	engines(t, func(t *testing.T, open func(testing.TB) *store.Store) {
		ctx := t.Context()
		file := filepath.Join(t.TempDir(), "master.key")
		db := open(t)
		keys := secrets.FileKeys(file, func(string) {})
		if _, err := secrets.NewSealed(db, keys).Put(ctx, "first", "x", "of first", 0); err != nil {
			t.Fatal(err)
		}
		const writers, each = 4, 8
		progress := make(chan struct{}) // one rotation for each write, so that none waits for the database too long
		var running sync.WaitGroup
		for w := range writers {
			beside := open(t)
			running.Go(func() {
				for i := range each {
					s := secrets.NewSealed(beside, keys) // knows no data key yet
					workspace := fmt.Sprint("w", w, "-", i)
					if _, err := s.Put(ctx, workspace, "x", salesforce.Secret("of "+workspace), 0); err != nil {
						t.Error(err)
					}
					if got, _, err := secrets.NewSealed(beside, keys).Get(ctx, "first", "x"); got != "of first" || err != nil {
						t.Error(err)
					}
					progress <- struct{}{}
				}
			})
		}
		go func() { running.Wait(); close(progress) }()
		for range progress {
			if _, err := secrets.RotateFile(ctx, db, file); err != nil {
				t.Error(err)
			}
		}
		last, err := secrets.ReadMasters(file)
		if err != nil || len(last) != 1 {
			t.Errorf("%d master keys left, %v", len(last), err)
		}
		after := secrets.NewSealed(db, secrets.FixedKeys(last...))
		if err := after.Check(ctx); err != nil {
			t.Error(err)
		}
		for w := range writers {
			for i := range each {
				workspace := fmt.Sprint("w", w, "-", i)
				if got, _, err := after.Get(ctx, workspace, "x"); got.Reveal() != "of "+workspace || err != nil {
					t.Errorf("%s: %v", workspace, err)
				}
			}
		}
	})
}

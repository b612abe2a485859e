package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	databaseName = "salesforce-mcp.db"
	lockName     = "lock"

	// readers is how many connections read at the same time. SQLite reads run
	// on the caller's processor: more of them than processors do not help.
	readers = 4
)

// Open opens the data folder, makes it and its database when they are missing,
// and brings the database to the present schema. The folder belongs to one
// process at a time; a second one gets an error that says so. A folder it makes
// has mode 0700, its files have mode 0600.
func Open(ctx context.Context, dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, cause(err))
	}
	lock, err := own(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	s := &Store{engine: sqlite, lock: lock}
	if err := s.open(ctx, filepath.Join(dir, databaseName)); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", filepath.Join(dir, databaseName), err), s.Close())
	}
	return s, nil
}

// Join opens the data folder as Open does or, while a server of this version has
// it, beside that: for commands that keep secrets or decide about calls, and record
// that, and do not close what the server has open.
func Join(ctx context.Context, dir string) (*Store, error) {
	s, err := Open(ctx, dir)
	if !errors.Is(err, errLocked) {
		return s, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	s = &Store{engine: sqlite}
	if err := s.open(ctx, filepath.Join(dir, databaseName)); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", filepath.Join(dir, databaseName), err), s.Close())
	}
	return s, nil
}

// Look opens the database to read it, whoever has the data folder, and changes
// nothing: writes fail. The error is fs.ErrNotExist when there is no database,
// and says so when it has another schema than this version's.
func Look(ctx context.Context, dir string) (*Store, error) {
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, cause(err))
	}
	db, err := sql.Open("sqlite", dsn(path, "_pragma", "query_only(1)"))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	reader := &pool{DB: db, engine: sqlite}
	s := &Store{engine: sqlite, reader: reader, writer: reader}
	if err := present(ctx, reader); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	return s, nil
}

// open fills in the store. What it has opened when it fails is closed by Close.
func (s *Store) open(ctx context.Context, path string) error {
	if err := private(path); err != nil {
		return err
	}
	writer, err := sql.Open("sqlite", dsn(path, "_txlock", "immediate"))
	if err != nil {
		return err
	}
	writer.SetMaxOpenConns(1)
	s.writer = &pool{DB: writer, engine: sqlite}
	reader, err := sql.Open("sqlite", dsn(path, "_pragma", "query_only(1)"))
	if err != nil {
		return err
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s.reader = &pool{DB: reader, engine: sqlite}
	ours := s.lock != nil
	if err := migrate(ctx, s.writer, ours); err != nil || !ours {
		return err
	}
	if _, err := s.writer.ExecContext(ctx, `DELETE FROM process`); err != nil { // whose the folder was
		return err
	}
	if err := s.writer.prepare(ctx, nextLeaf, addEntry, addOpen, closeOpen+`)`); err != nil {
		return err
	}
	return s.enter(ctx)
}

// dsn returns the name of the database with the settings of every connection,
// and one more. They stand in the name because a pool opens connections when
// it likes: a PRAGMA statement would reach only one of them.
func dsn(path, key, value string) string {
	settings := url.Values{"_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"trusted_schema(0)",
		"journal_size_limit(67108864)",
	}}
	settings.Add(key, value)
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	return name.String()
}

// private makes sure that the file is there and that only its owner can read
// it. SQLite gives the files beside it the same mode.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return cause(err)
	}
	return errors.Join(cause(file.Chmod(0o600)), file.Close())
}

// cause returns the reason in a file system error, without the operation and
// the path, which the message around it names already.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	databaseName = "salesforce-mcp.db"
	lockName     = "lock"

	// readers is how many connections read at the same time. SQLite reads run
	// on the caller's processor: more of them than processors do not help.
	readers = 4
)

// Store is the state of one server. It is safe for concurrent use.
type Store struct {
	lock   *os.File
	writer *sql.DB // one connection
	reader *sql.DB // connections that cannot write
	insert inserts
}

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
	s := &Store{lock: lock}
	if err := s.open(ctx, filepath.Join(dir, databaseName)); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", filepath.Join(dir, databaseName), err), s.Close())
	}
	return s, nil
}

// Join opens the data folder as Open does or, while a server of this version has
// it, beside that: for commands that keep secrets and leave the journal alone.
func Join(ctx context.Context, dir string) (*Store, error) {
	s, err := Open(ctx, dir)
	if !errors.Is(err, errLocked) {
		return s, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	s = &Store{}
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
	reader, err := sql.Open("sqlite", dsn(path, "_pragma", "query_only(1)"))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s := &Store{reader: reader, writer: reader}
	have, newest, err := versions(ctx, reader)
	if err == nil && have != newest {
		err = fmt.Errorf("has schema %d, this version of salesforce-mcp knows schema %d: look at it with the version that wrote it, or start this one, which brings it up to date", have, newest)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	return s, nil
}

// versions are those of the database's schema and of ours.
func versions(ctx context.Context, db *sql.DB) (have, newest int64, err error) {
	provider, err := migrator(db)
	if err != nil {
		return 0, 0, err
	}
	if have, err = provider.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	sources := provider.ListSources()
	return have, sources[len(sources)-1].Version, nil
}

func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

// open fills in the store. What it has opened when it fails is closed by Close.
func (s *Store) open(ctx context.Context, path string) (err error) {
	if err := private(path); err != nil {
		return err
	}
	if s.writer, err = sql.Open("sqlite", dsn(path, "_txlock", "immediate")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite", dsn(path, "_pragma", "query_only(1)")); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	if err := migrate(ctx, s.writer, s.lock != nil); err != nil {
		return err
	}
	return s.insert.prepare(ctx, s.writer)
}

// Close closes the database and gives the data folder up.
func (s *Store) Close() error {
	var problems []error
	for _, db := range []*sql.DB{s.reader, s.writer} { // the last one folds the WAL in
		if db != nil {
			problems = append(problems, db.Close())
		}
	}
	if s.lock != nil {
		problems = append(problems, s.lock.Close())
	}
	return errors.Join(problems...)
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

// migrate brings the database to the present schema, if it is ours to change. A
// database that a newer version has written is refused.
func migrate(ctx context.Context, db *sql.DB, ours bool) error {
	have, newest, err := versions(ctx, db)
	if err != nil {
		return err
	}
	if have > newest {
		return fmt.Errorf("has schema %d, this version of salesforce-mcp knows schema %d: start the version that wrote it, or a newer one", have, newest)
	}
	if !ours && have < newest {
		return errors.New("is in use by an older version of salesforce-mcp: use the commands of that one, or stop it")
	}
	provider, err := migrator(db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
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

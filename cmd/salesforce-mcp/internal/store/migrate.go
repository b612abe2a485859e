package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A migration is NNNNN_name.sql, for both engines. What one engine alone
// understands, such as a trigger, stands in NNNNN_name.sqlite.sql and
// NNNNN_name.postgres.sql, which is run after it, in the same transaction.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	migrationsDir = "migrations"
	gooseUp       = "-- +goose Up\n"
)

var (
	migrationRE = regexp.MustCompile(`^(\d{5}_\w+)(?:\.(sqlite|postgres))?\.sql$`)
	blobRE      = regexp.MustCompile(`\bBLOB\b`)
)

// migrationsFor returns the migrations as an engine runs them.
func migrationsFor(e *engine) (fs.FS, error) {
	files, err := migrations.ReadDir(migrationsDir)
	if err != nil {
		return nil, err
	}
	all := fstest.MapFS{}
	for _, file := range files {
		name := migrationRE.FindStringSubmatch(file.Name())
		if name == nil {
			return nil, fmt.Errorf("migration %s is named wrongly", file.Name())
		}
		if name[2] != "" && name[2] != e.name {
			continue
		}
		text, err := migrations.ReadFile(migrationsDir + "/" + file.Name())
		if err != nil {
			return nil, err
		}
		_, up, ok := strings.Cut(string(text), gooseUp)
		if !ok {
			return nil, fmt.Errorf("migration %s has no line %q", file.Name(), gooseUp)
		}
		if e == postgres {
			up = strings.ReplaceAll(blobRE.ReplaceAllString(up, "BYTEA"), ") WITHOUT ROWID;", ");")
		}
		whole := all[name[1]+".sql"]
		if whole == nil {
			whole = &fstest.MapFile{Data: []byte(gooseUp), Mode: 0o400}
			all[name[1]+".sql"] = whole
		}
		if name[2] == "" {
			whole.Data = append([]byte(gooseUp+up), whole.Data[len(gooseUp):]...)
		} else {
			whole.Data = append(whole.Data, up...)
		}
	}
	return all, nil
}

func migrator(db *sql.DB, e *engine) (*goose.Provider, error) {
	files, err := migrationsFor(e)
	if err != nil {
		return nil, err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if e == postgres {
		dialect = goose.DialectPostgres
		// Of several processes that start at once one migrates; the others ask every
		// second whether it is done, for five minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

// versions are those of the database's schema and of ours.
func versions(ctx context.Context, db *pool) (have, newest int64, err error) {
	provider, err := migrator(db.DB, db.engine)
	if err != nil {
		return 0, 0, err
	}
	if have, err = provider.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	sources := provider.ListSources()
	return have, sources[len(sources)-1].Version, nil
}

// present returns an error unless the database has the schema of this version.
func present(ctx context.Context, db *pool) error {
	have, newest, err := versions(ctx, db)
	if err == nil && have != newest {
		err = fmt.Errorf("has schema %d, this version of salesforce-mcp knows schema %d: look at it with the version that wrote it, or start this one, which brings it up to date", have, newest)
	}
	return err
}

// migrate brings the database to the present schema, if it is ours to change. A
// database that a newer version has written is refused.
func migrate(ctx context.Context, db *pool, ours bool) error {
	have, newest, err := versions(ctx, db)
	if err != nil {
		return err
	}
	if have > newest {
		return fmt.Errorf("has schema %d, this version of salesforce-mcp knows schema %d: start the version that wrote it, or a newer one", have, newest)
	}
	provider, err := migrator(db.DB, db.engine)
	if err != nil {
		return err
	}
	if pending, err := provider.HasPending(ctx); err != nil || !pending {
		return err
	}
	if !ours {
		return errors.New("is in use by an older version of salesforce-mcp: use the commands of that one, or stop it")
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

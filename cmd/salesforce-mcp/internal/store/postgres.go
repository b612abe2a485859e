package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"salesforce-mcp/salesforce"
)

const (
	// pgWriters and pgReaders are how many connections a process has at most.
	// Calls share commits, so that more writers do not help.
	pgWriters = 4
	pgReaders = 8

	// pgStill is how long a transaction may be open and say nothing, in
	// milliseconds. A process that is stopped in one would keep the others from
	// recording.
	pgStill = "5000"

	// pgOldest is the oldest version of Postgres, as it numbers them.
	pgOldest = 130000
)

// ParsePostgres reads the address of a Postgres database. Where the address does
// not say how the connection is protected (sslmode), a server on another machine
// must have a certificate that can be verified. Errors do not have the address,
// nor its password.
func ParsePostgres(address salesforce.Secret) (*pgx.ConnConfig, error) {
	wrong := errors.New("is no address of a Postgres database; write postgres://USER:PASSWORD@HOST:5432/NAME")
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || strings.Trim(u.Path, "/") == "" {
		return nil, wrong
	}
	q := u.Query()
	if !q.Has("sslmode") && distant(u.Hostname()) && distant(q.Get("host")) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
	}
	c, err := pgx.ParseConfig(u.String())
	var file *fs.PathError // of a certificate
	if errors.As(err, &file) {
		return nil, fmt.Errorf("names a file that cannot be read: %w", file)
	}
	if err != nil {
		return nil, wrong
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "salesforce-mcp"
	}
	return c, nil
}

// distant reports whether a host is on another machine. An absolute path is the
// folder of a socket.
func distant(host string) bool {
	ip := net.ParseIP(host)
	return host != "localhost" && !strings.HasPrefix(host, "/") && (ip == nil || !ip.IsLoopback())
}

// OpenPostgres opens a Postgres database and brings it to the present schema. Any
// number of processes may have it.
func OpenPostgres(ctx context.Context, address salesforce.Secret) (*Store, error) {
	c, err := ParsePostgres(address)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	s := &Store{engine: postgres, process: process{life: processLife}}
	s.writer = connect(c, pgWriters, map[string]string{"idle_in_transaction_session_timeout": pgStill})
	s.reader = connect(c, pgReaders, readOnly)
	err = fit(ctx, s.writer)
	if err == nil {
		err = migrate(ctx, s.writer, true)
	}
	if err == nil {
		err = s.enter(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", place(c), err), s.Close())
	}
	return s, nil
}

// LookPostgres opens a Postgres database to read it, and changes nothing: writes
// fail. The error is fs.ErrNotExist when it has no tables yet, and says so when it
// has another schema than this version's.
func LookPostgres(ctx context.Context, address salesforce.Secret) (*Store, error) {
	c, err := ParsePostgres(address)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	reader := connect(c, pgReaders, readOnly)
	s := &Store{engine: postgres, reader: reader, writer: reader}
	var empty bool
	err = reader.QueryRowContext(ctx, `SELECT to_regclass('goose_db_version') IS NULL`).Scan(&empty)
	if err == nil && empty {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = present(ctx, reader)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", place(c), err), s.Close())
	}
	return s, nil
}

// readOnly makes connections that cannot write.
var readOnly = map[string]string{"default_transaction_read_only": "on"}

func connect(c *pgx.ConnConfig, most int, settings map[string]string) *pool {
	c = c.Copy()
	for name, value := range settings {
		c.RuntimeParams[name] = value
	}
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that connections follow a server that has moved
	return &pool{DB: db, engine: postgres}
}

// fit returns an error unless the database keeps what it has acknowledged, and all
// of it.
func fit(ctx context.Context, db *pool) error {
	var version int
	var encoding, commit string
	if err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'), current_setting('synchronous_commit')`).
		Scan(&version, &encoding, &commit); err != nil {
		return err
	}
	switch {
	case version < pgOldest:
		return fmt.Errorf("is Postgres %d: version %d or later is needed", version/10000, pgOldest/10000)
	case encoding != "UTF8":
		return fmt.Errorf("has the encoding %s: make one with the encoding UTF8", encoding)
	case commit == "off":
		return errors.New("has synchronous_commit off: a crash would lose calls that were recorded; set it on")
	}
	return nil
}

// PostgresPlace says which database an address is of, without user and password.
func PostgresPlace(address salesforce.Secret) string {
	c, err := ParsePostgres(address)
	if err != nil {
		return "Postgres"
	}
	return place(c)
}

// place says which database it is, without user and password.
func place(c *pgx.ConnConfig) string {
	return fmt.Sprintf("%s at %s:%d", c.Database, c.Host, c.Port)
}

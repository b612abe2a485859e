// Package sqltrace tells which columns of a simulated org's tables a request
// reads. It is for tests that hold what a gate says of a statement against what
// the statement does, and asks neither our parser nor the simulated org: SQLite
// itself tells, through the callback by which it asks for leave to read a column
// (https://www.sqlite.org/c3ref/set_authorizer.html) when it compiles a statement.
//
// The driver for database/sql has no such callback, so that the statements are
// compiled a second time, on a connection of their own to the same database, by
// the C interface below the driver.
package sqltrace

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"salesforce-mcp/salesforce/fakeorg"
)

// A Column is a column that SQL reads. Name is empty when only the rows of
// Table count.
type Column struct{ Table, Name string }

// Always lists the columns that the simulated org reads of every row whatever was
// asked, with the reason. They are named the same in all tables.
var Always = map[string]string{
	"Id":        "it joins parents and children, orders equal rows, and stands in the attributes of every record",
	"IsDeleted": "deleted rows are left out",
	"ViewerId":  "rows of RecentlyViewed belong to the user who asks; it is no field",
}

// A Recorder keeps the statements of an org. It is safe for concurrent use.
type Recorder struct {
	org *fakeorg.Org
	mu  sync.Mutex
	sql []string
	db  *connection // opened by the first Columns
}

// New makes an org whose statements are recorded: those of requests for which
// wanted is true; of all when it is nil. Close closes both.
func New(options fakeorg.Options, wanted func(*http.Request) bool) (*Recorder, error) {
	r := &Recorder{}
	options.Statement = func(request *http.Request, sql string) {
		if wanted == nil || wanted(request) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sql = append(r.sql, sql)
		}
	}
	var err error
	r.org, err = fakeorg.New(options)
	return r, err
}

// Org is the org.
func (r *Recorder) Org() *fakeorg.Org { return r.org }

// Statements lists the statements since the last call of it or of Columns.
func (r *Recorder) Statements() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	statements := r.sql
	r.sql = nil
	return statements
}

// Columns lists the columns that the statements since the last call read, each once, in order of table and name.
// Views count as tables; what is behind them is left out, as are the tables of SQLite. A statement that SQLite does not
// take is an error. No request may be writing meanwhile.
func (r *Recorder) Columns() ([]Column, error) {
	statements := r.Statements()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		db, err := open(r.org.DataSource())
		if err != nil {
			return nil, err
		}
		r.db = db
	}
	var all []Column
	for _, statement := range statements {
		columns, err := r.db.columns(statement)
		if err != nil {
			return nil, err
		}
		all = append(all, columns...)
	}
	slices.SortFunc(all, func(a, b Column) int {
		return strings.Compare(a.Table+"."+a.Name, b.Table+"."+b.Name)
	})
	return slices.Compact(all), nil
}

// Close gives up the org and the connection.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.db != nil {
		err = r.db.close()
	}
	return errors.Join(err, r.org.Close())
}

// connection is one of SQLite's C interface.
type connection struct {
	tls *libc.TLS
	db  uintptr
}

// open opens a database. The callback finds its list of columns by the number of the connection.
func open(source string) (*connection, error) {
	c := &connection{tls: libc.NewTLS()}
	name, err := libc.CString(source)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	handle := c.tls.Alloc(8)
	defer c.tls.Free(8)
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_URI
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, handle, flags, 0)
	c.db = libc.AtomicLoadNUintptr(handle, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, errors.Join(c.fail(), c.close())
	}
	callback := *(*uintptr)(unsafe.Pointer(&struct { //nolint:gosec // as the driver makes C pointers of functions
		f func(*libc.TLS, uintptr, int32, uintptr, uintptr, uintptr, uintptr) int32
	}{asked}))
	if rc := sqlite3.Xsqlite3_set_authorizer(c.tls, c.db, callback, c.db); rc != sqlite3.SQLITE_OK {
		return nil, errors.Join(c.fail(), c.close())
	}
	return c, nil
}

func (c *connection) fail() error {
	return errors.New("sqlite: " + libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)))
}

func (c *connection) close() error {
	defer c.tls.Close()
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("sqlite: close: %d", rc)
	}
	return nil
}

// reading holds the columns of the statement that each connection compiles.
var reading = struct {
	mu sync.Mutex
	by map[uintptr][]Column
}{by: map[uintptr][]Column{}}

// columns compiles a statement, which runs nothing.
func (c *connection) columns(statement string) ([]Column, error) {
	text, err := libc.CString(statement)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	handle := c.tls.Alloc(8)
	defer c.tls.Free(8)
	rc := sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, text, -1, handle, 0)
	reading.mu.Lock()
	columns := reading.by[c.db]
	delete(reading.by, c.db)
	reading.mu.Unlock()
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("%w: %s", c.fail(), statement)
	}
	prepared := libc.AtomicLoadNUintptr(handle, 0)
	if rc := sqlite3.Xsqlite3_finalize(c.tls, prepared); rc != sqlite3.SQLITE_OK {
		return nil, c.fail()
	}
	return columns, nil
}

// asked is the callback. Its texts are the table, the column, the database, and the view or trigger the column is read for.
func asked(_ *libc.TLS, connection uintptr, action int32, table, column, _, within uintptr) int32 {
	name := libc.GoString(table)
	if action == sqlite3.SQLITE_READ && within == 0 && !strings.HasPrefix(name, "sqlite_") && !strings.HasPrefix(name, "json_") {
		reading.mu.Lock()
		reading.by[connection] = append(reading.by[connection], Column{Table: name, Name: libc.GoString(column)})
		reading.mu.Unlock()
	}
	return sqlite3.SQLITE_OK
}

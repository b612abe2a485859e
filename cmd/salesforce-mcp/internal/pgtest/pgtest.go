//go:build unix

// Package pgtest gives tests a real Postgres: a server for the test binary, and a
// database for each test. It is used by tests only.
//
// The server is that of the machine (Debian's package postgresql). Where there is
// none the test is skipped, and fails where the environment variable
// SALESFORCE_MCP_TEST_POSTGRES is "required", as it is in CI.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// errAbsent is why there is no server.
var errAbsent = errors.New("no /usr/lib/postgresql/*/bin/postgres on this machine; install the package postgresql")

var databases atomic.Int64

// URL returns the address of a new and empty database.
func URL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if errors.Is(err, errAbsent) && os.Getenv("SALESFORCE_MCP_TEST_POSTGRES") != "required" {
		t.Skipf("!!! SKIPPED: THE POSTGRES HALF OF THIS TEST WAS NOT RUN: %v", err)
	}
	if err != nil {
		t.Fatalf("postgres for tests: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	s.Exec(t, `CREATE DATABASE `+name)
	return s.url(name)
}

// Copy returns the address of a new database that is as the one of the address is,
// to which nobody may be connected.
func Copy(t testing.TB, address string) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("postgres for tests: %v", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	s.Exec(t, `CREATE DATABASE `+name+` TEMPLATE `+strings.Trim(u.Path, "/"))
	return s.url(name)
}

// At runs statements in a database.
func At(t testing.TB, address string, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// Exec runs statements as the server's superuser, outside of any test's database.
func Exec(t testing.TB, statements ...string) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("postgres for tests: %v", err)
	}
	s.Exec(t, statements...)
}

// shared is the server of this test binary. Tests kill processes, but not the
// machine: it need not wait for the disk.
var shared = sync.OnceValues(func() (*Server, error) { return launch("off") })

// A Server is a Postgres that runs as long as the test binary, or until it is
// stopped.
type Server struct {
	dir     string // its data, and its socket
	fsync   string
	bin     string   // its programs
	guarded *os.File // the server ends when this is closed, however that happens
	admin   sync.Mutex
	system  *syscall.SysProcAttr
}

// New returns a server of the test's own, to be stopped and started, which waits
// for the disk as one in production does.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := launch("on")
	if errors.Is(err, errAbsent) && os.Getenv("SALESFORCE_MCP_TEST_POSTGRES") != "required" {
		t.Skipf("!!! SKIPPED: THE POSTGRES HALF OF THIS TEST WAS NOT RUN: %v", err)
	}
	if err != nil {
		t.Fatalf("postgres for tests: %v", err)
	}
	t.Cleanup(func() { s.guarded.Close() })
	return s
}

// URL returns the address of the server's own database.
func (s *Server) URL() string { return s.url("postgres") }

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", "password-of-tests"), Host: "", Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Exec runs statements as superuser.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	s.admin.Lock() // CREATE DATABASE wants its template for itself
	defer s.admin.Unlock()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Stop ends the server as a crash does: nobody is told. Start starts it again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if out, err := s.command("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop").CombinedOutput(); err != nil {
		t.Fatalf("stop postgres: %v\n%s", err, out)
	}
}

// Start starts the server again.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, s.system
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	return cmd
}

// launch makes a cluster and starts a server for it.
func launch(fsync string) (s *Server, err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, errAbsent
	}
	s = &Server{fsync: fsync, bin: filepath.Dir(found[len(found)-1]), system: &syscall.SysProcAttr{Setpgid: true}}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil { // a short name: sockets have at most 107 characters
		return nil, err
	}
	if os.Getuid() == 0 { // Postgres refuses to be run by root
		who, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return nil, err
		}
		s.system.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if out, err := s.command("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := s.guard(); err != nil {
		return nil, err
	}
	return s, s.start()
}

// guard starts a shell that waits for its input to end, which it does with this
// process at the latest, however that ends. Then it stops the server and removes
// all.
func (s *Server) guard() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := s.command("sh", "-c", `read -r _; kill -QUIT "$(head -n 1 data/postmaster.pid)"; sleep 1; rm -rf "$PWD"`)
	cmd.Path, cmd.Stdin = "/bin/sh", read
	if err := cmd.Start(); err != nil {
		return err
	}
	s.guarded = write
	return read.Close()
}

func (s *Server) start() error {
	settings := "-c listen_addresses= -c unix_socket_directories=" + s.dir + " -c fsync=" + s.fsync + " -c max_connections=300 -c shared_buffers=64MB"
	if out, err := s.command("pg_ctl", "-D", "data", "-l", "log", "-o", settings, "-w", "start").CombinedOutput(); err != nil {
		text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		return fmt.Errorf("pg_ctl start: %w\n%s\n%s", err, out, text)
	}
	return nil
}

//go:build unix

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// attempts is how many calls a test makes: n, or as many as NORECORD_CALLS says,
// for a run by hand.
func attempts(t *testing.T, n int) int {
	if text := os.Getenv("NORECORD_CALLS"); text != "" {
		more, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	return n
}

// many makes calls of several kinds, 16 at a time, and checks each answer.
func (w *world) many(t *testing.T, n int, check func(answer string)) {
	work := make(chan int)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for i := range work {
				message := query(i, i%50+1)
				switch i % 3 {
				case 1:
					message = call(i, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": fmt.Sprint("L", i), "Company": "Acme"}})
				case 2:
					message = call(i, "records", map[string]any{"action": "create", "sObjectName": "Lead", "idempotencyKey": fmt.Sprint("k", i), "body": map[string]any{"LastName": fmt.Sprint("L", i), "Company": "Acme"}})
				}
				_, answer := w.post(message)
				check(answer)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
}

// TestFullDisk (attack 38, promise P2): while the disk is full, or the database
// locked by somebody else, no call reaches Salesforce, and each is told why; when
// that is over, the server goes on.
func TestFullDisk(t *testing.T) {
	w := newWorld(t)
	works := func() {
		t.Helper()
		if _, answer := w.post(query(1, 1)); strings.Contains(answer, `"isError":true`) {
			t.Fatal(answer)
		}
	}
	works()
	data := filepath.Join(w.app.config.Data, "salesforce-mcp.db")
	info, err := os.Stat(data + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	before := w.sent()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	full := was
	full.Cur = uint64(info.Size()) // no byte more, as on a disk that is full
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	var unrecorded atomic.Int64
	w.many(t, attempts(t, 300), func(answer string) {
		if strings.Contains(answer, string(tools.NotRecorded)) {
			unrecorded.Add(1)
		}
	})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if n := int(unrecorded.Load()); n != attempts(t, 300) || w.sent() != before {
		t.Errorf("%d calls were told, %d requests reached the org", n, w.sent()-before)
	}
	works()

	// Somebody else has the database.
	db, err := sql.Open("sqlite", "file:"+data+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	before = w.sent()
	if _, answer := w.post(query(1, 1)); !strings.Contains(answer, string(tools.NotRecorded)) || w.sent() != before {
		t.Errorf("%d requests reached the org: %s", w.sent()-before, answer)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	works()

	// The disk can be read only, as a trigger of somebody else makes it seem.
	if _, err := conn.ExecContext(t.Context(), "CREATE TRIGGER readonly BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"); err != nil {
		t.Fatal(err)
	}
	before = w.sent()
	if _, answer := w.post(query(1, 1)); !strings.Contains(answer, string(tools.NotRecorded)) || w.sent() != before {
		t.Errorf("%d requests reached the org: %s", w.sent()-before, answer)
	}
	if _, err := conn.ExecContext(t.Context(), "DROP TRIGGER readonly"); err != nil {
		t.Fatal(err)
	}
	works()
}

// TestIntentBeforeRequest (promise P2): whenever a request reaches the org, the
// intent of its call is on disk, and as many are open as there are requests.
func TestIntentBeforeRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := orgReady{Org: "http://" + l.Addr().String(), ClientID: "3MVG9client", Username: fakeorg.IntegrationUser}
	org, err := fakeorg.New(fakeorg.Options{BaseURL: ready.Org, DailyCalls: 5_000_000, Clients: []fakeorg.Client{{Key: ready.ClientID, Name: "x", PublicKey: &testKey().PublicKey, RunAs: ready.Username}}})
	if err != nil {
		t.Fatal(err)
	}
	var look *sql.DB
	openIntents := func(ctx context.Context) (n int64) {
		if err := look.QueryRowContext(ctx, `SELECT count(*) FROM audit_open`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	var under, seen, missing atomic.Int64
	var serving sync.RWMutex
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/services/data/") {
			under.Add(1)
			seen.Add(1)
			// None of those that are under way is answered while this looks.
			serving.Lock()
			want := under.Load()
			open := openIntents(r.Context())
			serving.Unlock()
			if open < want {
				missing.Add(1)
			}
			serving.RLock()
			defer serving.RUnlock()
			defer under.Add(-1)
		}
		org.Handler().ServeHTTP(rw, r)
	})}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	w := startWorld(t, ready)
	if look, err = sql.Open("sqlite", "file:"+filepath.Join(w.app.config.Data, "salesforce-mcp.db")+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	n := attempts(t, 400)
	w.many(t, n, func(answer string) {
		if strings.Contains(answer, `"isError":true`) {
			t.Error(answer)
		}
	})
	if seen.Load() < int64(n) || missing.Load() != 0 {
		t.Errorf("%d requests, %d of them without an intent", seen.Load(), missing.Load())
	}
	if open := openIntents(t.Context()); open != 0 {
		t.Errorf("%d intents have no outcome", open)
	}
}

// TestLinesStayLines (attack 41): whatever a caller puts into a call, each line of
// the log and of the audit trail is one JSON object, and each call of audit show
// one line.
func TestLinesStayLines(t *testing.T) {
	a := newAuditWorld(t)
	hostile := "x\n{\"level\":\"info\",\"message\":\"call\"}\r\u2028\u2029\x00\x1b[2J\"}\n\"\\"
	n := 0
	for i, args := range []map[string]any{
		{"action": hostile}, {"action": "soql", "q": hostile}, {"action": "soql", "q": "SELECT Id FROM Account LIMIT 1", hostile: hostile},
		{"action": "soql", "q": "SELECT Id FROM Account LIMIT 1", "context_id": hostile}, {"action": "soql", "q": "SELECT Id FROM Account LIMIT 1", "user_id": hostile, "agent_id": hostile, "context_id": hostile},
	} {
		a.post(call(i, "query", args))
		a.post(call(i, hostile, args))
		n += 2
	}
	a.post(call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "reasoning": hostile, "confidence": 1, "body": map[string]any{"LastName": hostile, "Company": hostile}}))
	eventually(t, "the file of the trail", func() bool { _, err := os.Stat(a.lines); return err == nil })
	a.signed()
	entries := a.entries("a")
	if len(entries) < n/2 {
		t.Errorf("%d entries", len(entries))
	}
	lines := 0
	for _, text := range []string{a.log.String(), readFile(t, a.lines), a.must("audit", "show", "--config", a.file, "--json")} {
		for line := range strings.Lines(text) {
			lines++
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Errorf("%v: %q", err, line)
			}
		}
	}
	calls := 0
	for _, e := range entries {
		if e.Phase != audit.PhaseIntent {
			calls++
		}
	}
	if shown := a.must("audit", "show", "--config", a.file); strings.Count(shown, "\n") != calls+1 || strings.ContainsAny(shown, "\x1b\x00\u2028") {
		t.Errorf("%d calls shown as %q", calls, shown)
	}
	if strings.Count(a.log.String(), `"message":"call"`) != calls {
		t.Errorf("%d calls in the log:\n%s", calls, a.log.String())
	}
}

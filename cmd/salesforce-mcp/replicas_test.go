package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// A balancer passes TCP connections on to servers in turn, and knows nothing of
// what goes over them. A server that cannot be reached is left out.
type balancer struct {
	net.Listener
	mu   sync.Mutex
	to   []string
	next int
}

func newBalancer(t testing.TB) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: l}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { b.pass(from) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Wait()
	})
	return b
}

func (b *balancer) origin() string { return "http://" + b.Addr().String() }

// servers says which servers there are.
func (b *balancer) servers(to ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
}

// turn returns the servers, beginning with the one whose turn it is.
func (b *balancer) turn() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	var all []string
	for i := range b.to {
		all = append(all, b.to[(b.next+i)%len(b.to)])
	}
	return all
}

func (b *balancer) pass(from net.Conn) {
	defer from.Close()
	for _, address := range b.turn() {
		to, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		defer to.Close()
		go func() {
			_, _ = io.Copy(to, from)
			to.Close()
		}()
		_, _ = io.Copy(from, to)
		return
	}
}

// shared makes the configuration one of several servers behind a balancer.
func shared(t testing.TB, b *balancer) func(*config.Config) {
	address := pgtest.URL(t)
	return func(c *config.Config) {
		c.Database, c.PublicURL = salesforce.Secret(address), b.origin()
		c.Secrets.KeyFile = t.TempDir() + "/master.key"
	}
}

// replicate starts two servers more, and has all requests of the test go to the
// three in turn.
func (w *world) replicate(b *balancer) {
	w.t.Helper()
	servers := []string{strings.TrimPrefix(w.origin, "http://")}
	for range 2 {
		ctx, stop := context.WithCancel(context.Background())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		c := *w.app.config
		a, err := build(ctx, &c, zerolog.New(w.log))
		if err != nil {
			w.t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- a.serveUntil(ctx, l) }()
		w.t.Cleanup(func() {
			stop()
			for _, err := range []error{<-served, a.close()} {
				if err != nil {
					w.t.Error(err)
				}
			}
		})
		servers = append(servers, l.Addr().String())
	}
	b.servers(servers...)
	w.origin = b.origin()
	keeping := http.DefaultTransport
	http.DefaultTransport = &http.Transport{DisableKeepAlives: true}
	w.t.Cleanup(func() { http.DefaultTransport = keeping })
}

// TestReplicas: three servers over one database, behind a balancer that passes each
// request to another one, are one server: what one of them has begun, given or
// promised, the others go on with.
func TestReplicas(t *testing.T) {
	b := newBalancer(t)
	w := newWorld(t, shared(t, b))
	w.replicate(b)
	t.Run("pages", func(t *testing.T) {
		for i := range 11 { // more rows than one page of the simulated org has
			records := make([]map[string]any, 200)
			for j := range records {
				records[j] = map[string]any{"LastName": fmt.Sprint("L", i, "-", j)}
			}
			w.post(call(1, "compositeRecords", map[string]any{"action": "createManyForType", "sObjectName": "Contact", "body": map[string]any{"records": records}}))
		}
		var page struct {
			Result struct {
				StructuredContent struct {
					NextRecordsURL string
					Records        []json.RawMessage
				}
			}
		}
		rows, next := 0, map[string]any{"action": "soql", "q": "SELECT Id FROM Contact"}
		for pages := 0; next != nil; pages++ {
			next["outputFormat"] = "structured"
			_, body := w.post(call(1, "query", next))
			page.Result.StructuredContent.NextRecordsURL = ""
			if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Result.StructuredContent.Records) == 0 {
				t.Fatalf("%v %.500s", err, body)
			}
			rows += len(page.Result.StructuredContent.Records)
			page.Result.StructuredContent.Records = nil
			next = nil
			if url := page.Result.StructuredContent.NextRecordsURL; url != "" {
				next = map[string]any{"action": "next", "queryLocator": url}
			}
		}
		if rows < 2200 {
			t.Errorf("%d rows", rows)
		}
	})
	t.Run("once", func(t *testing.T) { w.t = t; onceForAHundred(t, w) })
	t.Run("large result", func(t *testing.T) { w.t = t; download(t, w) })
	w.t = t
	eventually(t, "the signature of all entries", func() bool { return w.verified("a").Waiting == 0 })
	if r := w.verified("a"); !r.OK() || r.Entries < 1000 {
		t.Errorf("%+v", r)
	}
	t.Run("commands", func(t *testing.T) { commandsBeside(t, w) })
}

// commandsBeside runs commands beside servers that share a database.
func commandsBeside(t *testing.T, w *world) {
	t.Helper()
	c := w.app.config
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("secrets: {keyFile: %s}\nworkspaces:\n", c.Secrets.KeyFile)
	for _, name := range []string{"a", "b"} {
		text += fmt.Sprintf("  - {name: %s, auth: {mode: clientCredentials, loginURL: \"https://acme.my.salesforce.com\", clientID: x}, profiles: [{name: local, local: true, agent: [\"static:x\"]}], rules: [{agent: x, preset: read}]}\n", name)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		return map[string]string{"SALESFORCE_MCP_DATABASE": c.Database.Reveal()}[name]
	}
	for _, command := range []struct {
		args, stdin, want string
	}{
		{"check", "", "ok   database: can be read in test_"},
		{"audit verify --workspace a", "", "entries"},
		{"secret set a clientSecret", "s3cret", ""},
		{"keys rotate", "", "has a new master key, which seals "},
		{"audit show --workspace a --limit 1", "", "a"},
	} {
		var out, log syncBuffer
		err := run(t.Context(), append(strings.Fields(command.args), "--config", file), env, strings.NewReader(command.stdin), &out, &log)
		if err != nil && command.args != "check" || !strings.Contains(out.String(), command.want) || strings.Contains(out.String()+log.String(), "password-of-tests") {
			t.Errorf("%s: %v %s %s", command.args, err, out.String(), log.String())
		}
	}
	if got, _, err := w.app.secrets.Get(t.Context(), "a", "clientSecret"); got != "s3cret" || err != nil {
		t.Errorf("what the command stored, by a server: %v", err)
	}
	if _, body := w.post(query(1, 1)); strings.Contains(body, "isError") {
		t.Errorf("after the rotation: %s", body)
	}
}

// verified checks the audit log of a workspace.
func (w *world) verified(workspace string) *proof.Report {
	w.t.Helper()
	key, err := trail.Key(w.t.Context(), w.app.secrets)
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := proof.Check{Key: public}.Log(w.t.Context(), w.app.store, workspace)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// TestReplicasConnect: a person begins to connect at one server and ends at
// another, works through all of them, and their token is renewed once for all.
func TestReplicasConnect(t *testing.T) {
	b := newBalancer(t)
	w := connectWorld(t, shared(t, b))
	w.replicate(b)
	err := w.org.org.SetClient(fakeorg.Client{Key: w.org.ready.ClientID, Name: "salesforce-mcp", Secret: w.org.ready.ClientSecret,
		RedirectURIs: []string{b.origin() + "/oauth/callback"}, RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	for round := range 2 {
		failed, exchanges := w.storm(func(int) error { return w.call("ann") })
		if failed > 0 || exchanges > 2 {
			t.Errorf("round %d: %d of 200 calls failed; %d token requests", round, failed, exchanges)
		}
	}
	if !w.status("ann").Connected {
		t.Error("the grant is lost")
	}
}

// TestPostgresAway (attack 38): while the database may only be read, or is away, no
// call reaches Salesforce and the server is not ready; when it is back, so is the
// server.
func TestPostgresAway(t *testing.T) {
	database := pgtest.New(t)
	w := newWorld(t, func(c *config.Config) { c.Database = salesforce.Secret(database.URL()) })
	ready := func() int {
		resp, err := http.Get(w.origin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	create := call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": "Away", "Company": "c"}})
	works := func(when string) {
		t.Helper()
		eventually(t, when+": ready", func() bool { return ready() == http.StatusOK })
		if _, body := w.post(create); strings.Contains(body, "isError") {
			t.Errorf("%s: %s", when, body)
		}
	}
	refused := func(when string) {
		t.Helper()
		eventually(t, when+": not ready", func() bool { return ready() == http.StatusServiceUnavailable })
		sent := len(w.org.org.Requests())
		for _, message := range []string{create, query(1, 1), call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "idempotencyKey": when, "body": map[string]any{"LastName": "Away", "Company": "c"}})} {
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					if _, body := w.post(message); !strings.Contains(body, "audit_unavailable") && !strings.Contains(body, "not_recorded") || strings.Contains(body, "password") {
						t.Errorf("%s: %s", when, body)
					}
				})
			}
			group.Wait()
		}
		if n := len(w.org.org.Requests()); n != sent {
			t.Errorf("%s: %d requests reached Salesforce", when, n-sent)
		}
	}
	works("at first")
	database.Exec(t, `ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	refused("read only")
	database.Exec(t, `SET default_transaction_read_only = off`, `ALTER SYSTEM RESET default_transaction_read_only`, `SELECT pg_reload_conf()`)
	works("writable again")
	database.Stop(t)
	refused("away")
	database.Start(t)
	works("back")
	if log := w.log.String(); strings.Contains(log, "password-of-tests") {
		t.Error("the log has the password of the database")
	}
}

// TestDrain: a server that is told to stop says so first, and still takes calls,
// each of which is the last on its connection; then it ends.
func TestDrain(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	w := newWorld(t, func(c *config.Config) { c.Drain = 300 * time.Millisecond })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.app.serveUntil(ctx, l) }()
	w.origin = "http://" + l.Addr().String()
	get := func(path string) (int, bool) {
		resp, err := http.Get(w.origin + path)
		if err != nil {
			return 0, false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Close
	}
	if status, last := get("/readyz"); status != http.StatusOK || last {
		t.Errorf("before: %d, last %v", status, last)
	}
	stop()
	eventually(t, "not ready", func() bool { status, _ := get("/readyz"); return status == http.StatusServiceUnavailable })
	if status, last := get("/healthz"); status != http.StatusOK || !last {
		t.Errorf("while it waits: %d, last %v", status, last)
	}
	if _, body := w.post(query(1, 1)); !strings.Contains(body, "totalSize") {
		t.Errorf("a call while it waits: %s", body)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if status, _ := get("/healthz"); status != 0 {
		t.Errorf("it still answers: %d", status)
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// world is a server with two workspaces, a and b, and a simulated org, all over
// real HTTP.
type world struct {
	t      testing.TB
	app    *app
	origin string // of the server
	org    *runningOrg
	log    *syncBuffer
}

// testKey signs the logins of all tests; making one takes its time.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newWorld starts a world. The host token of workspace a is "token-a". What is
// given changes the configuration first.
func newWorld(t testing.TB, change ...func(*config.Config)) *world {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the server, which ends its sessions with agents
		stop()
		if err := org.wait(); err != nil {
			t.Error(err)
		}
	})
	w := startWorld(t, org.ready, change...)
	w.org = org
	return w
}

// startWorld starts a server whose workspaces have the org that is given.
func startWorld(t testing.TB, org orgReady, change ...func(*config.Config)) *world {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := demoConfig(l.Addr().String(), t.TempDir(), org, testKey(), "token-a")
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Workspaces[0], c.Workspaces[0]
	a.Name, b.Name = "a", "b"
	other := *b.Profiles[0]
	other.Tokens = []string{allowlist.HashToken("token-b")}
	b.Profiles = []*allowlist.Profile{&other}
	c.Workspaces = []config.Workspace{a, b}
	for _, change := range change {
		change(c)
	}
	w := &world{t: t, origin: "http://" + l.Addr().String(), log: new(syncBuffer)}
	w.app, err = build(ctx, c, zerolog.New(w.log))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serveUntil(ctx, l, w.app.handler(), w.app.log) }()
	t.Cleanup(func() {
		stop()
		for _, err := range []error{<-served, w.app.close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

// request is a POST of one message to workspace a, as the admin agent.
func (w *world) request(body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, w.origin+"/w/a/mcp", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token-a")
	r.Header.Set("Agent-Id", demoAgent)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	return r
}

// do sends a request and returns status and body.
func (w *world) do(r *http.Request) (int, string) {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// post sends one message and returns status and body.
func (w *world) post(body string) (int, string) {
	w.t.Helper()
	return w.do(w.request(body))
}

// gives notes a handle as given to agents of workspace a.
func (w *world) gives(handle string, agents ...string) {
	w.t.Helper()
	for _, agent := range agents {
		if err := w.app.store.GiveHandles(context.Background(), allowlist.Caller{Workspace: "a", Host: "agent-factory", Agent: agent}, []string{handle}, nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

// call is a tools/call message.
func call(id any, tool string, args map[string]any) string {
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": args}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// query is a call that reads one value which nobody else asks for.
func query(id any, limit int) string {
	return call(id, "query", map[string]any{"action": "soql", "q": fmt.Sprintf("SELECT Id FROM Account LIMIT %d", limit)})
}

// entries are the audit entries of a workspace.
func (w *world) entries(workspace string) []audit.Entry {
	w.t.Helper()
	all, err := w.app.store.List(w.t.Context(), audit.Query{Workspace: workspace, Limit: 10000})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// sent counts the data requests that the simulated org has seen.
func (w *world) sent() (n int) {
	for _, r := range w.org.org.Requests() {
		if strings.HasPrefix(r.Path, "/services/data/") {
			n++
		}
	}
	return n
}

// syncBuffer is a log that tests read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come about", what)
}

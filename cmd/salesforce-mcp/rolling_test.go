package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
)

// rolling is how many restarts TestRollingRestarts makes at least. It goes on for
// as long as the environment's SALESFORCE_MCP_TEST_ROLLING says.
const rolling = 6

// TestRollingRestarts (promise P15): three servers, of which one is restarted every
// 300 ms, most of them asked to stop and some killed. No caller fails who repeats a
// call up to three times with its key; one that is told that the outcome is unknown
// looks. Every record is there once, every call has one outcome, and the trail
// verifies.
func TestRollingRestarts(t *testing.T) {
	length, _ := time.ParseDuration(os.Getenv("SALESFORCE_MCP_TEST_ROLLING"))
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = org.wait() }()
	b := newBalancer(t)
	dir, database := t.TempDir(), pgtest.URL(t)
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
publicURL: %s
database: %q
drain: 200ms
allowLoopbackOrg: true
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [{agent: desk, preset: all}]
`, b.origin(), database, org.ready.Org, org.ready.ClientID, org.ready.ClientSecret, allowlist.HashToken("token-a"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, []string{"keys", "new", "--out", filepath.Join(dir, "master.key")}, os.Getenv, nil, new(syncBuffer), new(syncBuffer)); err != nil {
		t.Fatal(err)
	}
	keeping := http.DefaultTransport
	http.DefaultTransport = &http.Transport{DisableKeepAlives: true}
	defer func() { http.DefaultTransport = keeping }()
	r := &replicas{t: t, file: file, balancer: b}
	for range 3 {
		r.add()
	}

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var calling, impatient sync.WaitGroup
	var ended atomic.Bool
	clients := make([]rollingClient, 6)
	for i := range clients {
		calling.Go(func() {
			for n := 0; !ended.Load(); n++ {
				clients[i].write(t, b.origin()+"/w/a", fmt.Sprintf("R%d-%d", i, n))
			}
		})
	}
	over := make(chan struct{})
	impatient.Go(func() { buryQuickly(t, database, over) })
	asked, killed := 0, 0
	for started := time.Now(); asked+killed < rolling || time.Since(started) < length; time.Sleep(300 * time.Millisecond) {
		signal := os.Signal(syscall.SIGTERM)
		if (asked+killed)%4 == 2 {
			signal = os.Kill
		}
		if !r.restart(random, signal) {
			continue // two others are not there yet
		}
		if signal == os.Kill {
			killed++
		} else {
			asked++
		}
	}
	ended.Store(true)
	calling.Wait()
	close(over)
	impatient.Wait()
	r.stop()

	var all rollingClient
	for _, c := range clients {
		all.names = append(all.names, c.names...)
		all.failed = append(all.failed, c.failed...)
		all.unknown += c.unknown
		for i, n := range c.retries {
			all.retries[i] += n
		}
	}
	for _, failed := range all.failed {
		t.Errorf("failed: %s", failed)
	}
	there := map[string]int{}
	for _, name := range org.names(t) {
		there[name]++
	}
	for _, name := range all.names {
		if there[name] != 1 {
			t.Errorf("%s is there %d times", name, there[name])
		}
	}
	if len(all.names) == 0 || asked == 0 {
		t.Errorf("%d calls, %d restarts", len(all.names), asked)
	}

	c, err := config.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(ctx, c, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, app: a}
	for {
		if _, err := a.journal.Recover(ctx, a.store); err != nil {
			t.Fatal(err)
		}
		if w.verified("a").Waiting == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if report := w.verified("a"); !report.OK() {
		t.Errorf("the trail: %+v", report)
	}
	intents, outcomes := 0, map[string]int{}
	entries, err := a.store.List(ctx, audit.Query{Workspace: "a", Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Phase {
		case audit.PhaseIntent:
			intents++
		case audit.PhaseOutcome:
			if outcomes[e.Intent]++; outcomes[e.Intent] > 1 {
				t.Errorf("%d outcomes of %s", outcomes[e.Intent], e.Intent)
			}
		}
	}
	if intents != len(outcomes) {
		t.Errorf("%d intents, %d outcomes", intents, len(outcomes))
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
	t.Logf("%v: %d asked to stop, %d killed; %d writes, retries %v, %d told that the outcome is unknown; %d entries verified", length, asked, killed, len(all.names), all.retries, all.unknown, len(entries))
}

// replicas are servers as processes of their own.
type replicas struct {
	t        *testing.T
	file     string
	balancer *balancer
	mu       sync.Mutex
	up       map[string]func(os.Signal) // by address
	starting sync.WaitGroup
}

func (r *replicas) add() {
	address, end := startChild(r.t, r.file)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.up == nil {
		r.up = map[string]func(os.Signal){}
	}
	r.up[address] = end
	r.tell()
}

// tell tells the balancer who is there.
func (r *replicas) tell() {
	var all []string
	for address := range r.up {
		all = append(all, address)
	}
	r.balancer.servers(all...)
}

// restart ends one of the servers and starts another, unless only two are there.
func (r *replicas) restart(random *rand.Rand, signal os.Signal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.up) < 3 {
		return false
	}
	n := random.IntN(len(r.up))
	for address, end := range r.up {
		if n--; n >= 0 {
			continue
		}
		delete(r.up, address)
		r.starting.Go(func() {
			if signal != os.Kill {
				time.Sleep(50 * time.Millisecond) // the balancer looks at /readyz so often
			}
			r.mu.Lock()
			r.tell()
			r.mu.Unlock()
		})
		r.starting.Go(func() {
			end(signal)
			r.add()
		})
		return true
	}
	return false
}

func (r *replicas) stop() {
	r.starting.Wait()
	for _, end := range r.up {
		end(syscall.SIGTERM)
	}
}

// buryQuickly ends the lease of a process that has said nothing for three seconds,
// which the servers would do after ten, so that the test is over sooner.
func buryQuickly(t *testing.T, database string, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(200 * time.Millisecond):
		}
		pgtest.At(t, database, `UPDATE process SET expires = 0 WHERE expires < extract(epoch FROM clock_timestamp()) * 1000 + 7000`)
	}
}

// A rollingClient makes one write after the other.
type rollingClient struct {
	names, failed []string
	retries       [4]int // writes by how often they were repeated
	unknown       int
}

// write makes a record, and repeats the call up to three times with its key.
func (c *rollingClient) write(t *testing.T, origin, name string) {
	key, last := "key-"+name, ""
	for retry := range c.retries {
		if retry > 0 {
			time.Sleep(100 * time.Millisecond << retry)
		}
		got, err := onceReply(t, origin, "desk", key, name)
		switch {
		case err != nil:
			last = err.Error()
			continue
		case got.status == http.StatusCreated:
			c.names = append(c.names, name)
			c.retries[retry]++
			return
		case strings.Contains(got.body, "outcome_unknown"):
			c.unknown++
			if lookFor(t, origin, name) {
				c.names = append(c.names, name)
				c.retries[retry]++
				return
			}
			key += "'"
		}
		last = fmt.Sprintf("%d %s", got.status, got.body)
	}
	c.failed = append(c.failed, name+": "+last)
}

// lookFor looks whether a record is there.
func lookFor(t *testing.T, origin, name string) bool {
	for {
		r, err := http.NewRequest(http.MethodPost, origin+"/instructions/runQuery", strings.NewReader(`{"q":"SELECT Id FROM Lead WHERE LastName = '`+name+`'"}`))
		if err != nil {
			t.Error(err)
			return false
		}
		for name, value := range map[string]string{"Authorization": "Bearer token-a", "Agent-Id": "desk", "Content-Type": "application/json"} {
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			var body []byte
			if body, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusOK {
				_ = resp.Body.Close()
				return strings.Contains(string(body), `"totalSize":1`)
			}
			_ = resp.Body.Close()
		}
		time.Sleep(50 * time.Millisecond) // reading may be repeated
	}
}

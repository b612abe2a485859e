//go:build faults

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/salesforce/fakeorg"
)

var (
	faultsFor  = flag.Duration("for", 15*time.Second, "how long TestFaults disturbs the server")
	faultsSeed = flag.Uint64("seed", 0, "seed of TestFaults; 0 is a new one")
)

// TestFaults is the fault harness. Several agents do random operations through
// one server over SQLite, and then through three over Postgres, that are killed at any moment and started again, against a simulated org
// with its faults on. Afterwards what each write came to is compared with what the
// org has, what the org was asked with what the audit trail says, and the trail is
// verified. What the dice do follows from the seed; when a process gets its turn
// does not, so that a seed gives the same operations, faults and kills but not the
// same race between them.
//
//	go test -tags faults ./cmd/salesforce-mcp -run TestFaults -v -args -for 10m
func TestFaults(t *testing.T) {
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Run("sqlite", func(t *testing.T) { newHarness(t, seed, 1, "").run(t) })
	t.Run("postgres", func(t *testing.T) { newHarness(t, seed, 3, pgtest.URL(t)).run(t) })
}

func (h *harness) run(t *testing.T) {
	t.Logf("seed %d, servers %d", h.seed, len(h.cluster.members))
	ctx, stop := context.WithTimeout(t.Context(), *faultsFor)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { h.disturb(ctx) })
	work.Go(func() { h.kill(ctx) })
	for agent := range harnessAgents {
		work.Go(func() { h.work(ctx, agent) })
	}
	work.Wait()
	h.calm()
	h.settle()
	h.check()
}

const (
	harnessAgents = 6
	harnessClient = "3MVG9harness"
	harnessSecret = "simulated"
)

// harness is one run.
type harness struct {
	t       *testing.T
	seed    uint64
	org     *fakeorg.Org
	url     string // of the org
	cluster *cluster

	mu       sync.Mutex
	arrivals map[string][]arrival // writes the org was asked for, by their marks
	doubts   []*attempt           // what is compared in the end
	deleted  map[string]bool      // marks of records that somebody tried to delete
	faults   map[string]int       // given to the org, by kind
	requests int                  // that reached the org
	calls    atomic.Int64         // answers and lost connections that callers saw
}

// An arrival is a write that reaches the org.
type arrival struct {
	at   time.Time
	path string
}

// markRE finds the marks of writes: they stand in what is written.
var markRE = regexp.MustCompile(`mark-\d+-\d+`)

// newHarness starts an org, and servers over one database: a Postgres where an
// address is given.
func newHarness(t *testing.T, seed uint64, servers int, database string) *harness {
	h := &harness{t: t, seed: seed, arrivals: map[string][]arrival{}, deleted: map[string]bool{}, faults: map[string]int{}}
	org, err := fakeorg.New(fakeorg.Options{DailyCalls: 5_000_000, Clients: []fakeorg.Client{{Key: harnessClient, Secret: harnessSecret, RunAs: fakeorg.IntegrationUser}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	h.org = org
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.witness(r)
		org.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(served.Close)
	h.url = served.URL
	h.cluster = newCluster(t, served.URL, servers, database)
	return h
}

// witness notes the marks in a request to the org, before the org has it.
func (h *harness) witness(r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the server was killed
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	if r.Method == http.MethodGet || !strings.HasPrefix(r.URL.Path, "/services/data/") {
		return
	}
	seen := map[string]bool{}
	for _, mark := range markRE.FindAllString(r.URL.Path+string(body), -1) {
		if !seen[mark] {
			h.arrivals[mark] = append(h.arrivals[mark], arrival{at, r.URL.Path})
		}
		seen[mark] = true
	}
}

// disturb lets things go wrong at the org.
func (h *harness) disturb(ctx context.Context) {
	random := rand.New(rand.NewPCG(h.seed, 1))
	kinds := []struct {
		name  string
		fault fakeorg.Fault
	}{
		{"cut before the work", fakeorg.Fault{Cut: "before"}},
		{"cut after the work", fakeorg.Fault{Cut: "after"}},
		{"page of the edge", fakeorg.Fault{Status: 503, HTML: "<html>down</html>"}},
		{"server error", fakeorg.Fault{Status: 500, ErrorCode: "UNKNOWN_EXCEPTION"}},
		{"unavailable", fakeorg.Fault{Status: 503, ErrorCode: "SERVER_UNAVAILABLE"}},
		{"locked row", fakeorg.Fault{Status: 400, ErrorCode: "UNABLE_TO_LOCK_ROW"}},
		{"concurrency limit", fakeorg.Fault{Status: 403, ErrorCode: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}},
		{"expired tokens", fakeorg.Fault{ExpireTokens: true}},
		{"slow", fakeorg.Fault{DelayMS: 300}},
		{"not valid", fakeorg.Fault{Status: 400, ErrorCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "no"}},
	}
	for ctx.Err() == nil {
		kind := kinds[random.IntN(len(kinds))]
		kind.fault.Path = "/services/data/"
		if random.IntN(3) > 0 {
			kind.fault.Method = []string{http.MethodPost, http.MethodPatch, http.MethodDelete}[random.IntN(3)]
		}
		h.org.Inject(kind.fault)
		h.mu.Lock()
		h.faults[kind.name]++
		h.mu.Unlock()
		pause(ctx, time.Duration(random.IntN(40))*time.Millisecond)
	}
}

// kill kills a server now and then, and starts it again.
func (h *harness) kill(ctx context.Context) {
	random := rand.New(rand.NewPCG(h.seed, 2))
	for pause(ctx, time.Duration(300+random.IntN(1200))*time.Millisecond); ctx.Err() == nil; pause(ctx, time.Duration(300+random.IntN(1200))*time.Millisecond) {
		h.cluster.restart(random.IntN(len(h.cluster.members)))
	}
}

// calm ends all that goes wrong.
func (h *harness) calm() {
	r, err := http.NewRequest(http.MethodDelete, h.url+"/_faults", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// settle repeats every call once more, with its key: nothing is in the way now.
func (h *harness) settle() {
	queue := make(chan *attempt, len(h.doubts))
	for _, a := range h.doubts {
		queue <- a
	}
	close(queue)
	var work sync.WaitGroup
	for range harnessAgents {
		work.Go(func() {
			for a := range queue {
				if verdict := h.try(context.Background(), a, time.Minute); verdict == lost {
					h.t.Errorf("%s %s has no outcome with nothing in the way: %s", a.mark, a.instruction, a.answer)
				}
			}
		})
	}
	work.Wait()
}

// check compares what callers were told, what the org has and what the trail says.
func (h *harness) check() {
	there := h.marks()
	told := map[verdict]int{}
	for _, a := range h.doubts {
		told[a.verdict]++
		n := there[a.mark]
		switch {
		case a.instruction == "deleteRecord":
			if a.verdict == done && there[a.victim] != 0 {
				h.t.Errorf("%s was deleted by %s and is there", a.victim, a.mark)
			}
		case h.deleted[a.mark]:
			if n > a.records {
				h.t.Errorf("%s is there %d times", a.mark, n)
			}
		case a.verdict == done && n != a.records:
			h.t.Errorf("%s %s was done, and there are %d records of %d: %s", a.mark, a.instruction, n, a.records, a.answer)
		case a.verdict == failed && n != 0:
			h.t.Errorf("%s %s has failed, and there are %d records: %s", a.mark, a.instruction, n, a.answer)
		case n != 0 && n != a.records:
			h.t.Errorf("%s %s is there %d times, not %d", a.mark, a.instruction, n, a.records)
		}
	}
	entries := h.cluster.trail(h.t)
	h.join(entries)
	h.t.Logf("%d writes with a key: %d done, %d failed, %d unknown to their callers; %d calls seen by callers, %d requests to the org, %d kills, %d entries; faults %v",
		len(h.doubts), told[done], told[failed], told[unknown], h.calls.Load(), h.requests, h.cluster.kills, len(entries), h.faults)
	if told[done] == 0 {
		h.t.Error("nothing was done")
	}
}

// join holds the requests that the org has seen against the trail (promises P2 and
// P3): an intent comes before each, and every intent has one outcome.
func (h *harness) join(entries []audit.Entry) {
	first := map[string]time.Time{} // by mark: when the first intent that sends was recorded
	intents, outcomes := map[string]bool{}, map[string]int{}
	for _, e := range entries {
		switch e.Phase {
		case audit.PhaseIntent:
			intents[e.ID] = true
			for _, mark := range markRE.FindAllString(string(e.Arguments), -1) {
				if _, ok := first[mark]; !ok && e.Replay == "" {
					first[mark] = e.Time
				}
			}
		case audit.PhaseOutcome:
			outcomes[e.Intent]++
		}
	}
	for id := range intents {
		if outcomes[id] != 1 {
			h.t.Errorf("intent %s has %d outcomes", id, outcomes[id])
		}
	}
	for mark, seen := range h.arrivals {
		for _, a := range seen {
			if at, ok := first[mark]; !ok || at.After(a.at) {
				h.t.Errorf("%s of %s reached the org at %s, and its intent was recorded at %s", a.path, mark, a.at, at)
			}
		}
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// marks counts the records of each mark that the org has.
func (h *harness) marks() map[string]int {
	found := map[string]int{}
	for sObject, field := range map[string]string{"Lead": "LastName", "Account": "Name", "Contact": "LastName"} {
		for _, value := range h.values(field, sObject) {
			if mark := markRE.FindString(value); mark != "" {
				found[mark]++
			}
		}
	}
	return found
}

// name is the mark of the nth write of an agent.
func name(agent, n int) string { return fmt.Sprintf("mark-%d-%d", agent, n) }

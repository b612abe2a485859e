//go:build faults

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/tools/returns"
)

var (
	returnsCases   = flag.Int("returns", 60, "returns of TestReturnsFaults on each engine")
	returnsKills   = flag.Int64("kills", 10, "kills of TestReturnsFaults on each engine")
	returnsStills  = flag.Int64("freezes", 3, "times that TestReturnsFaults stops a server for longer than its lease, on each engine")
	returnsLease   = flag.Duration("lease", 500*time.Millisecond, "lease of runs in TestReturnsFaults")
	returnsFate    = flag.String("fate", "", "what all cases of TestReturnsFaults come to; without it there are all kinds")
	returnsFigures = flag.Bool("figures", false, "run TestReturnsFigures")
	returnsServers = flag.Int("servers", 2, "servers of TestReturnsFaults over Postgres")
)

// TestReturnsFaults is the crash harness of returns. Agents process returns through
// one server over SQLite, and then through several over Postgres, that are killed and
// are stopped for longer than their leases: at random moments, at each point between
// and inside of the steps of a run, and while the org or the gateway has a request of
// theirs. Both answer with faults, lose answers, and get requests when their sender is
// long dead. Persons decide, and agents change their minds. Afterwards what the books
// of orgs and gateways say is held against what each case may come to, against what
// the agents were told, and against the audit trail.
//
// What the dice do follows from the seed; what runs at the same moment does not.
//
//	go test -tags faults ./cmd/salesforce-mcp -run 'TestReturnsFaults/sqlite' -v -timeout 0 -args -returns 2000 -kills 200 -freezes 50
func TestReturnsFaults(t *testing.T) {
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		newReturnsHarness(t, seed, 1, "").run()
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		newReturnsHarness(t, seed, *returnsServers, pgtest.URL(t)).run()
	})
}

const returnsAgents = 8

// returnsHarness is one run of the harness.
type returnsHarness struct {
	t        *testing.T
	seed     uint64
	database string // of Postgres
	shops    []*shop
	fleet    *fleet

	calls    atomic.Int64
	accepted atomic.Int64 // calls of process that were answered with a run
	decided  atomic.Int64
}

func newReturnsHarness(t *testing.T, seed uint64, servers int, database string) *returnsHarness {
	h := &returnsHarness{t: t, seed: seed, database: database}
	random := rand.New(rand.NewPCG(seed, 1))
	h.shops = []*shop{
		newShop(t, "cards", config.GatewayStripe, (*returnsCases+1)/2, random),
		newShop(t, "pays", config.GatewaySalesforcePayments, *returnsCases/2, rand.New(rand.NewPCG(seed, 2))),
	}
	h.fleet = newFleet(t, seed, servers, database, h.shops, orders{Lease: *returnsLease, Poll: 50 * time.Millisecond,
		Turn: 200 * time.Millisecond, First: 50 * time.Millisecond, Most: time.Second, Tries: 6})
	h.fleet.kills, h.fleet.stills = *returnsKills, *returnsStills
	h.fleet.perLife = 26*int64(*returnsCases)/max(*returnsKills, 1) + 1 // so many points does a run have, roughly
	return h
}

func (h *returnsHarness) run() {
	ctx, stop := context.WithCancel(h.t.Context())
	defer stop()
	begun := time.Now()
	var lives, others sync.WaitGroup
	for i, m := range h.fleet.members {
		lives.Go(func() { m.live(ctx, i) })
	}
	others.Go(func() { h.persons(ctx) })
	h.each(func(agent int, s *shop, a *sale) { h.process(agent, s, a) })
	processed := time.Since(begun)
	h.each(func(agent int, s *shop, a *sale) { h.await(agent, s, a, 5*time.Second) })
	h.t.Logf("all were processed after %v, and at rest after %v", processed.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	stop()
	lives.Wait()
	others.Wait()
	disturbed := time.Since(begun)

	// Nothing goes wrong any more: what is not at its end comes to it.
	for _, s := range h.shops {
		s.calm()
	}
	for _, m := range h.fleet.members {
		m.kill()
		m.mu.Lock()
		m.after = nil
		m.mu.Unlock()
		m.start(h.fleet.orders)
	}
	ctx, stop = context.WithCancel(h.t.Context())
	others.Go(func() { h.persons(ctx) })
	h.each(func(agent int, s *shop, a *sale) { h.await(agent, s, a, time.Minute) })
	stop()
	others.Wait()
	h.check(disturbed)
}

// each does something for each case, by as many agents at once as there are.
func (h *returnsHarness) each(do func(agent int, s *shop, a *sale)) {
	type job struct {
		s *shop
		a *sale
	}
	queue := make(chan job)
	var work sync.WaitGroup
	for agent := range returnsAgents {
		work.Go(func() {
			for j := range queue {
				do(agent, j.s, j.a)
			}
		})
	}
	for i := range slices.Max([]int{len(h.shops[0].cases), len(h.shops[1].cases)}) {
		for _, s := range h.shops {
			if i < len(s.cases) {
				queue <- job{s, s.cases[i]}
			}
		}
	}
	close(queue)
	work.Wait()
}

// A told is what the server says of a run.
type told struct {
	RunID     string
	CaseID    string
	Status    string
	Step      string
	Amount    int64
	Waits     string
	Escalated bool
	Problem   *returns.Fault

	code, text string // of an error
}

// call makes a call of the tool returns through some server.
func (h *returnsHarness) call(agent int, s *shop, args map[string]any) (t told, err error) {
	args["outputFormat"] = "structured"
	r, err := http.NewRequest(http.MethodPost, h.fleet.some()+"/w/"+s.name+"/mcp", strings.NewReader(call(1, "returns", args)))
	if err != nil {
		return t, err
	}
	for name, value := range map[string]string{"Authorization": "Bearer token-" + s.name, "Agent-Id": fmt.Sprint("agent-", agent), "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream"} {
		r.Header.Set(name, value)
	}
	h.calls.Add(1)
	resp, err := caller.Do(r)
	if err != nil {
		return t, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return t, err
	}
	if at := bytes.Index(body, []byte("data: ")); at >= 0 && bytes.HasPrefix(body, []byte("event:")) {
		body = body[at+len("data: "):]
	}
	var answer struct {
		Result struct {
			IsError           bool
			StructuredContent json.RawMessage
			Content           []struct{ Text string }
		}
		Error *struct{ Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return t, fmt.Errorf("%d %.300s", resp.StatusCode, body)
	}
	if answer.Error != nil {
		return t, fmt.Errorf("%d %s", resp.StatusCode, answer.Error.Message)
	}
	if len(answer.Result.Content) > 0 {
		t.text = answer.Result.Content[0].Text
	}
	if answer.Result.IsError {
		var failure struct{ Error struct{ Code string } }
		_ = json.Unmarshal(answer.Result.StructuredContent, &failure)
		t.code = failure.Error.Code
		if t.code == "" {
			t.code = "error"
		}
		return t, nil
	}
	return t, json.Unmarshal(answer.Result.StructuredContent, &t)
}

var caller = &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: returnsAgents}}

// process starts the return of a case, again until it is told of a run, and perhaps
// takes it back.
func (h *returnsHarness) process(agent int, s *shop, a *sale) {
	args := map[string]any{"action": "process", "caseId": a.id, "reasoning": "the customer asks for it", "confidence": 0.95}
	switch a.fate {
	case shy:
		args["confidence"] = 0.3
	case exchange:
		args["outcome"] = "replace"
	}
	var undo sync.WaitGroup
	if a.fate == fickle {
		undo.Go(func() { h.cancel(agent, s, a) })
	}
	if a.id[len(a.id)-4]%5 == 0 && a.fate != fickle { // another agent does the same at the same time
		undo.Go(func() {
			_, _ = h.call(agent+returnsAgents, s, maps.Clone(args))
		})
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		t, err := h.call(agent, s, args)
		if err != nil { // perhaps it was accepted all the same
			t, err = h.call(agent, s, map[string]any{"action": "status", "caseId": a.id})
		}
		if err == nil && t.RunID != "" {
			h.accepted.Add(1)
			a.accept(t)
			break
		}
		a.mu.Lock()
		cancelled := a.cancelled != ""
		a.mu.Unlock()
		if cancelled {
			break
		}
		if time.Now().After(end) {
			h.t.Errorf("case %s (%s) was not accepted: %s %s %v", a.id, a.fate, t.code, t.text, err)
			break
		}
	}
	undo.Wait()
}

// accept notes that the server has told of a run.
func (a *sale) accept(t told) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.told, t.RunID) {
		a.told = append(a.told, t.RunID)
	}
	a.last = t
}

// cancel takes the run of a case back some time after it was asked for.
func (h *returnsHarness) cancel(agent int, s *shop, a *sale) {
	for range 40 {
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		t, err := h.call(agent, s, map[string]any{"action": "cancel", "caseId": a.id, "reason": "I have changed my mind"})
		if err != nil || t.code == "no_return" || t.code == "" && t.RunID == "" {
			continue
		}
		if t.code == "" {
			a.accept(t)
		}
		if t.code == "" {
			a.mu.Lock()
			a.cancelled = t.RunID
			a.mu.Unlock()
		}
		return
	}
}

// await asks how far the run of a case is until it is at an end, or waits for somebody
// who does not come.
func (h *returnsHarness) await(agent int, s *shop, a *sale, most time.Duration) {
	var t told
	var err error
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if t, err = h.call(agent, s, map[string]any{"action": "status", "caseId": a.id}); err != nil || t.code != "" {
			continue
		}
		a.accept(t)
		if a.atRest() {
			return
		}
	}
	a.mu.Lock()
	a.last.text = fmt.Sprint(t, err)
	a.mu.Unlock()
}

// persons decides about what waits, as the cases say, and does so twice now and then.
func (h *returnsHarness) persons(ctx context.Context) {
	for ctx.Err() == nil {
		for _, s := range h.shops {
			h.decide(s)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func (h *returnsHarness) decide(s *shop) {
	ask := func(method, path string) []byte {
		r, err := http.NewRequest(method, h.fleet.some()+"/w/"+s.name+"/approvals"+path, nil)
		if err != nil {
			return nil
		}
		r.Header.Set("Authorization", "Bearer token-maria")
		resp, err := caller.Do(r)
		if err != nil {
			return nil
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return body
	}
	var page struct {
		Approvals []json.RawMessage
	}
	_ = json.Unmarshal(ask(http.MethodGet, "?state=waiting&limit=200"), &page)
	for _, text := range page.Approvals {
		var approval struct{ ID string }
		_ = json.Unmarshal(text, &approval)
		a := s.byID(caseRE.FindString(string(text)))
		if a == nil {
			h.t.Errorf("an approval is of no case: %.300s", text)
			continue
		}
		verdict := "/deny"
		if a.approve {
			verdict = "/approve"
		}
		for range 1 + rand.IntN(2) {
			ask(http.MethodPost, "/"+approval.ID+verdict)
			h.decided.Add(1)
		}
	}
}

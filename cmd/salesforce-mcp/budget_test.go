package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// TestExcessiveAgency (attack 34): an agent that loops writes what its rule allows
// a day and not a record more, on either surface. From then on each try is 429 and
// says when to come again, is in the audit trail, and reaches nobody; who has a
// budget of their own is not kept from it.
func TestExcessiveAgency(t *testing.T) {
	const limit, tries, callers = 25, 256, 16
	w := newWorld(t, func(c *config.Config) {
		c.Workspaces[0].Rules = []allowlist.Rule{
			{Agent: demoAgent, Preset: allowlist.PresetAll, Limits: allowlist.Limits{WritesPerDay: limit}},
			{Agent: "*", Preset: allowlist.PresetAll, Limits: allowlist.Limits{CallsPerMinute: 100}},
		}
	})
	day := time.Now().UTC().Day()
	var made, refused atomic.Int64
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range tries / callers {
				if (c+i)%2 == 0 {
					_, answer := w.post(call(1, "records", map[string]any{"action": "create", "sObjectName": "Account", "body": map[string]any{"Name": "Loop"}}))
					switch {
					case strings.Contains(answer, `"isError":true`) && strings.Contains(answer, "budget_exceeded") && strings.Contains(answer, "retryAfter"):
						refused.Add(1)
					case strings.Contains(answer, "success"):
						made.Add(1)
					default:
						t.Errorf("%.300s", answer)
					}
					continue
				}
				switch got := w.send(demoAgent, http.MethodPost, "instructions/createRecord", "application/json", strings.NewReader(`{"sObjectName":"Account","body":{"Name":"Loop"}}`)); {
				case got.status == http.StatusTooManyRequests && strings.Contains(got.body, "writesPerDay"):
					if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || wait < 1 || wait > 24*60*60 {
						t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
					}
					refused.Add(1)
				case got.status == http.StatusCreated:
					made.Add(1)
				default:
					t.Errorf("%+v", got)
				}
			}
		})
	}
	group.Wait()
	if time.Now().UTC().Day() != day {
		t.Skip("midnight")
	}
	intents, refusals := 0, 0
	for _, e := range w.entries("a") {
		switch {
		case e.Phase == audit.PhaseIntent:
			intents++
		case e.Phase == audit.PhaseRefusal && e.Code == string(tools.BudgetExceeded):
			refusals++
		}
	}
	if n := w.created(); made.Load() != limit || n != limit || intents != limit || int64(refusals) != refused.Load() || refusals != tries-limit {
		t.Errorf("%d writes answered, %d in the org, %d intents, %d refusals; want %d", made.Load(), n, intents, refusals, limit)
	}
	r := w.request(query(1, 1)) // it reads all the same
	if _, answer := w.do(r); !strings.Contains(answer, "totalSize") {
		t.Errorf("a read: %.300s", answer)
	}
	if got := w.send("another", http.MethodPost, "instructions/createRecord", "application/json", strings.NewReader(`{"sObjectName":"Account","body":{"Name":"Other"}}`)); got.status != http.StatusCreated {
		t.Errorf("another agent: %+v", got)
	}
}

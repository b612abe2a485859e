//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
)

// TestReturnsFigures measures, with nothing going wrong: returns per second, and the
// times from the call of process to the refund and to the end of a return that no
// person has to approve, with as many callers as workers. It is of no use beside
// anything else that keeps the machine busy, and judges nothing.
//
//	go test -tags faults ./cmd/salesforce-mcp -run TestReturnsFigures -v -args -figures -returns 300
func TestReturnsFigures(t *testing.T) {
	if !*returnsFigures {
		t.Skip("wants -figures")
	}
	*returnsFate = string(plain)
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, gateway := range []string{config.GatewayStripe, config.GatewaySalesforcePayments} {
			for _, n := range []int{1, 4, 16} {
				t.Run(fmt.Sprintf("%s/%s/%d", engine, gateway, n), func(t *testing.T) {
					database := ""
					if engine == "postgres" {
						database = pgtest.URL(t)
					}
					figures(t, database, gateway, n)
				})
			}
		}
	}
}

// figures measures with so many callers and workers.
func figures(t *testing.T, database, gateway string, n int) {
	s := newShop(t, "shop", gateway, *returnsCases, rand.New(rand.NewPCG(1, 1)))
	s.calm()
	h := &returnsHarness{t: t, shops: []*shop{s}, database: database}
	h.fleet = newFleet(t, 1, 1, database, h.shops, orders{Workers: n})
	m := h.fleet.members[0]
	m.start(h.fleet.orders)
	queue := make(chan *sale, len(s.cases))
	for _, a := range s.cases {
		queue <- a
	}
	close(queue)
	var mu sync.Mutex
	var toRefund, toEnd []time.Duration
	var callers sync.WaitGroup
	begun := time.Now()
	for caller := range n {
		callers.Go(func() {
			for a := range queue {
				at := time.Now()
				got, err := h.call(caller, s, map[string]any{"action": "process", "caseId": a.id, "confidence": 0.95})
				end := time.Since(at)
				if err != nil || got.Status != "done" {
					t.Errorf("%+v %v", got, err)
					continue
				}
				mu.Lock()
				toEnd = append(toEnd, end)
				toRefund = append(toRefund, s.refunded(a.id).Sub(at))
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	took := time.Since(begun)
	_ = m.cmd.Process.Signal(os.Interrupt)
	<-m.died
	cpu := m.cmd.ProcessState.UserTime() + m.cmd.ProcessState.SystemTime()
	t.Logf("%.1f returns/s; to the refund %s; to the end %s; CPU of the server %s a return", float64(len(s.cases))/took.Seconds(), spread(toRefund), spread(toEnd),
		(cpu / time.Duration(len(s.cases))).Round(100*time.Microsecond))
}

// refunded is when the gateway was asked for the refund of a case.
func (s *shop) refunded(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.seen {
		if seen.caseID == id && seen.step == "refund" {
			return seen.at
		}
	}
	return time.Time{}
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// BenchmarkQuery asks for 50 Accounts through the server (identified, gated, within
// limits, audited on disk) and, in the same run, straight from the simulated org, by
// one and by 64 callers. The difference is what the server costs. Besides ns/op it
// reports the median and 99th percentile of one call.
func BenchmarkQuery(b *testing.B) {
	const soql = "SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue FROM Account LIMIT 50"
	w := newWorld(b, func(c *config.Config) {
		c.Workspaces[0].Rules = []allowlist.Rule{{Agent: demoAgent, Preset: allowlist.PresetAll, Limits: allowlist.Limits{CallsPerMinute: 1 << 40, WritesPerDay: 1 << 40}}}
	})
	direct := func() *http.Request {
		r, _ := http.NewRequest(http.MethodGet, w.org.ready.Org+"/services/data/v62.0/query?q="+url.QueryEscape(soql), nil)
		r.Header.Set("Authorization", "Bearer "+w.org.ready.OrgToken)
		return r
	}
	through := func() *http.Request { return w.request(call(1, "query", map[string]any{"action": "soql", "q": soql})) }
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	for _, target := range []struct {
		name    string
		request func() *http.Request
		want    string
	}{{"direct", direct, `"totalSize":50`}, {"mcp", through, `totalSize: 50\n`}} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", target.name, callers), func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				times := make([][]time.Duration, callers)
				var group sync.WaitGroup
				b.ResetTimer()
				for c := range callers {
					group.Go(func() {
						for left.Add(-1) >= 0 {
							start := time.Now()
							resp, err := client.Do(target.request())
							if err != nil {
								b.Error(err)
								return
							}
							body, err := io.ReadAll(resp.Body)
							_ = resp.Body.Close()
							if err != nil || !bytes.Contains(body, []byte(target.want)) {
								b.Errorf("%v %.200s", err, body)
								return
							}
							times[c] = append(times[c], time.Since(start))
						}
					})
				}
				group.Wait()
				all := slices.Concat(times...)
				slices.Sort(all)
				if len(all) > 0 {
					b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
					b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
					b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "calls/s")
				}
			})
		}
	}
}

// BenchmarkStart is the time from nothing to a demo that answers.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		startDemo(b)
	}
}

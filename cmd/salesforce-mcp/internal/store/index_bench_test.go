package store

import (
	"flag"
	"fmt"
	"io"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

var benchEntries = flag.Int("bench-entries", 20_000, "how many audit entries BenchmarkIndex has; 1000000 takes some minutes")

// BenchmarkIndex is what the pages of the trail cost with many entries: to take an entry
// into the index, to list and search, to draw charts, and to export.
//
//	go test ./cmd/salesforce-mcp/internal/store -run - -bench Index -benchtime 20x -args -bench-entries 1000000
func BenchmarkIndex(b *testing.B) {
	enginesBench(b, func(b *testing.B, d database) {
		s := d.open(b)
		end := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		fillTrail(b, s, *benchEntries, end)
		began := time.Now()
		indexAll(b, s, "a")
		b.Logf("%d entries are in the index after %v: %.0f a second", *benchEntries, time.Since(began).Round(time.Millisecond), float64(*benchEntries)/time.Since(began).Seconds())

		for name, q := range map[string]CallQuery{
			"newest":          {},
			"one-agent-of-50": {Agent: "agent-7"},
			"last-day":        {Since: end.Add(-24 * time.Hour), Outcome: audit.Failed},
			"record":          {Record: "001000000000777AAA"},
			"conversation":    {Context: "c-500"},
			"nobody":          {Agent: "nobody"},
			"code-of-nobody":  {Code: "nothing"},
			"a-day-long-ago":  {Since: end.Add(-20 * 24 * time.Hour), Until: end.Add(-19 * 24 * time.Hour), User: "user-3"},
		} {
			q.Workspace = "a"
			b.Run("list/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Calls(b.Context(), q, 0, 50); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("list/page-in-the-middle", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Calls(b.Context(), CallQuery{Workspace: "a"}, int64(*benchEntries/2), 50); err != nil {
					b.Fatal(err)
				}
			}
		})
		for name, c := range map[string][2]int{"day": {1, 24}, "week": {6, 28}, "30-days": {24, 30}} {
			b.Run("charts/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Tallies(b.Context(), "a", end.Add(-time.Duration(c[0]*c[1])*time.Hour), c[0], c[1]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("index/one-call-more", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				e := benchCall(*benchEntries+i, end)
				e.ID = fmt.Sprintf("more-%d-%d", b.N, time.Now().UnixNano())
				if err := s.Append(b.Context(), []audit.Entry{e}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := s.Index(b.Context(), "a"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("export/agent", func(b *testing.B) {
			n := 0
			for b.Loop() {
				if err := s.Entries(b.Context(), CallQuery{Workspace: "a", Agent: "agent-7"}, 1<<40, func(l proof.Leaf) error {
					n++
					_, err := io.Discard.Write(l.Entry)
					return err
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	})
}

// benchCall is the intent of the nth call of a month that ends.
func benchCall(n int, end time.Time) audit.Entry {
	return audit.Entry{ID: fmt.Sprintf("i-%09d", n), Workspace: "a", Phase: audit.PhaseIntent, Time: end.Add(-30*24*time.Hour + time.Duration(n)*(60*24*time.Hour/time.Duration(*benchEntries))),
		Host: "factory", Agent: fmt.Sprintf("agent-%d", n%50), User: fmt.Sprintf("user-%d", n%997), Context: fmt.Sprintf("c-%d", n/8), Surface: "mcp",
		Tool: "records", Action: "get", Instruction: "getRecord", Effect: "read", Decision: "allowed", Rule: "helpdesk",
		Arguments: []byte(`{"recordId":"001000000000001AAA","sObjectName":"Account","fields":["Id","Name","Site","Phone","Industry"]}`)}
}

// fillTrail makes a month of calls, two entries each.
func fillTrail(b *testing.B, s *Store, entries int, end time.Time) {
	b.Helper()
	var batch []audit.Entry
	for n := range entries / 2 {
		e := benchCall(n, end)
		done := e
		done.ID, done.Phase, done.Intent, done.Arguments = fmt.Sprintf("o-%09d", n), audit.PhaseOutcome, e.ID, nil
		done.Outcome, done.Duration, done.Records = audit.OK, time.Duration(20+n%400)*time.Millisecond, []string{fmt.Sprintf("001%012dAAA", n%5000)}
		if n%97 == 0 {
			done.Outcome, done.Code, done.Message = audit.Failed, "NOT_FOUND", "the requested resource does not exist"
		}
		done.Exchanges = []audit.Exchange{{Method: "GET", Path: "/services/data/v66.0/sobjects/Account/001000000000001AAA", Status: 200, RequestID: "0123456789abcdef", Duration: done.Duration}}
		if batch = append(batch, e, done); len(batch) >= 2000 || n == entries/2-1 {
			if err := s.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = nil
		}
	}
}

package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// indexAll takes all entries of a workspace into the index.
func indexAll(t rapid.TB, s *Store, workspace string) {
	t.Helper()
	for {
		left, err := s.Index(context.Background(), workspace)
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			return
		}
	}
}

// TestCallsLikeEntries (law): whatever was recorded, and however the index was made,
// calls are found as by looking at every entry, page by page, and entries given out
// likewise. Those of other workspaces never appear.
func TestCallsLikeEntries(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			workspace, other := fmt.Sprintf("w%d", round), fmt.Sprintf("o%d", round)
			few := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
			start := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
			type call struct {
				intent, end *audit.Entry
				leaf        int64
			}
			var calls []*call
			leaf, n := int64(0), 0
			var waiting []audit.Entry // to be appended together
			keep := func() {
				if err := s.Append(context.Background(), waiting); err != nil {
					t.Fatal(err)
				}
				waiting = nil
			}
			add := func(e audit.Entry) *audit.Entry {
				n++
				e.ID = fmt.Sprintf("%s-%04d", workspace, n)
				e.Time = start.Add(time.Duration(n) * 7 * time.Minute)
				waiting = append(waiting, e)
				if e.Workspace == workspace {
					leaf++
				}
				return &e
			}
			for range rapid.IntRange(1, 40).Draw(t, "steps") {
				switch kind := few("kind", "begin", "begin", "end", "refuse", "other", "index"); kind {
				case "begin", "refuse", "other":
					e := audit.Entry{Workspace: workspace, Phase: audit.PhaseIntent, Host: few("host", "h", "H%"), Agent: few("agent", "desk", "desk2", "d_sk"), User: few("user", "ada", "bob"),
						Tool: few("tool", "records", "query"), Action: few("action", "get", "soql"), Effect: few("effect", "read", "set"), Decision: "allowed",
						Surface: few("surface", "mcp", "admin"), Run: few("run", "", "r1"), Context: few("context", "", "c1")}
					if kind == "other" {
						e.Workspace = other
						add(e)
						continue
					}
					if kind == "refuse" {
						e.Phase, e.Outcome, e.Code, e.Decision = audit.PhaseRefusal, audit.Refused, few("code", "not_allowed", "Rate_limited"), "refused"
					}
					c := &call{leaf: leaf}
					made := add(e)
					if kind == "refuse" {
						c.end = made
					} else {
						c.intent = made
					}
					calls = append(calls, c)
				case "end":
					for _, c := range calls {
						if c.end == nil {
							e := *c.intent
							e.Phase, e.Intent = audit.PhaseOutcome, c.intent.ID
							e.Outcome = audit.Status(few("outcome", "ok", "error", "unknown"))
							e.Records = slices.Compact(slices.Sorted(slices.Values([]string{few("record", "001A", "001B"), few("record", "001A", "001B")})))
							e.Duration = time.Second
							c.end = add(e)
							break
						}
					}
				case "index":
					keep()
					if _, err := s.Index(context.Background(), workspace); err != nil {
						t.Fatal(err)
					}
				}
			}
			keep()
			indexAll(t, s, workspace)

			q := CallQuery{Workspace: workspace, Agent: few("q agent", "", "", "desk", "desk*", "D_*"), User: few("q user", "", "", "ada"), Host: few("q host", "", "", "h%*"), Tool: few("q tool", "", "", "query"),
				Effect: few("q effect", "", "", "set"), Decision: few("q decision", "", "", "refused"), Outcome: audit.Status(few("q outcome", "", "", "ok", "refused")), Code: few("q code", "", "", "RATE_l"),
				Record: few("q record", "", "", "001A"), Run: few("q run", "", "", "r1"), Context: few("q context", "", "", "c1"), UnderWay: few("q open", "", "", "x") != ""}
			if rapid.Bool().Draw(t, "since") {
				q.Since = start.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "since minutes")) * time.Minute)
			}
			if rapid.Bool().Draw(t, "until") {
				q.Until = start.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "until minutes")) * time.Minute)
			}
			var want, lines []string
			if q.Record != "" { // those come in the order in which they ended
				slices.SortStableFunc(calls, func(a, b *call) int { return cmp.Compare(cmp.Or(a.end, a.intent).ID, cmp.Or(b.end, b.intent).ID) })
			}
			for _, c := range slices.Backward(calls) {
				first, last := cmp.Or(c.intent, c.end), cmp.Or(c.end, c.intent)
				wild := func(pattern, value string) bool {
					if start, ok := strings.CutSuffix(pattern, "*"); ok {
						return strings.HasPrefix(strings.ToLower(value), strings.ToLower(start))
					}
					return pattern == "" || pattern == value
				}
				if wild(q.Agent, first.Agent) && wild(q.User, first.User) && wild(q.Host, first.Host) && wild(q.Tool, first.Tool) && wild(q.Effect, first.Effect) && wild(q.Decision, first.Decision) &&
					(q.Outcome == "" || q.Outcome == last.Outcome) && strings.Contains(strings.ToLower(last.Code), strings.ToLower(q.Code)) &&
					(q.Record == "" || slices.Contains(last.Records, q.Record)) && (q.Run == "" || q.Run == first.Run) && (q.Context == "" || q.Context == first.Context) && (!q.UnderWay || c.end == nil) &&
					(q.Since.IsZero() || !first.Time.Before(q.Since)) && (q.Until.IsZero() || first.Time.Before(q.Until)) {
					want = append(want, last.ID)
					for _, e := range []*audit.Entry{c.intent, c.end} {
						if e != nil {
							lines = append(lines, e.ID)
						}
					}
				}
			}
			slices.Sort(lines)
			var got []string
			for before, page := int64(0), 0; ; page++ {
				some, err := s.Calls(context.Background(), q, before, 3)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range some.Calls {
					got = append(got, c.Entry.ID)
				}
				if before = some.Before; before == 0 {
					break
				}
				if page > 100 {
					t.Fatal("it does not end")
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v\nfound %v\nwant  %v", q, got, want)
			}
			var given []string
			if err := s.Entries(context.Background(), q, math.MaxInt64, func(l proof.Leaf) error {
				_, rest, _ := strings.Cut(string(l.Entry), `"id":"`)
				id, _, _ := strings.Cut(rest, `"`)
				given = append(given, id)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(given, lines) {
				t.Fatalf("%+v\ngave %v\nwant %v", q, given, lines)
			}
			var calls0, ended int64
			tallies, err := s.Tallies(context.Background(), workspace, start, 6, 8)
			if err != nil {
				t.Fatal(err)
			}
			for _, tally := range tallies {
				ended += tally.Calls()
			}
			for _, c := range calls {
				if c.end != nil && c.end.Surface == "mcp" {
					calls0++
				}
			}
			if ended != calls0 {
				t.Fatalf("counted %d calls of %d", ended, calls0)
			}
		})
	})
}

// TestIndexOfStrangers: what is no entry of the workspace keeps the others from nothing,
// and a search that is long ends and says where.
func TestIndexOfStrangers(t *testing.T) {
	s := open(t, t.TempDir())
	for i, line := range []string{`{"id":"1","workspace":"a","phase":"refusal","time":"2026-11-24T10:00:00Z","agent":"x"}`, `nonsense`, `{"id":"3","workspace":"b","phase":"refusal"}`,
		`{"id":"4","workspace":"a","phase":"outcome","intent":"gone","outcome":"ok","time":"2026-11-24T11:00:00Z","agent":"x","surface":"mcp"}`} {
		if _, err := s.writer.ExecContext(t.Context(), `INSERT INTO audit_entry (id, at, phase, workspace, agent, tool, outcome, entry, leaf) VALUES (?, 0, 'refusal', 'a', '', '', '', ?, ?)`, fmt.Sprint(i), line, i); err != nil {
			t.Fatal(err)
		}
	}
	indexAll(t, s, "a")
	found, err := s.Calls(t.Context(), CallQuery{Workspace: "a"}, 0, 10)
	if err != nil || len(found.Calls) != 2 || found.Calls[0].Entry.ID != "4" || found.Calls[1].Entry.ID != "1" || found.Before != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	if ok, _, _, err := s.LastCalls(t.Context(), "a"); err != nil || ok.Hour() != 11 {
		t.Errorf("the last call %v, %v", ok, err)
	}

	// As if there were millions between them.
	if _, err := s.writer.ExecContext(t.Context(), `UPDATE audit_hour SET last = 5000000 WHERE hour = (SELECT max(hour) FROM audit_hour)`); err != nil {
		t.Fatal(err)
	}
	found, err = s.Calls(t.Context(), CallQuery{Workspace: "a", Agent: "x"}, 0, 10)
	if err != nil || len(found.Calls) != 0 || found.Before != 5000001-mostSearched {
		t.Errorf("found %+v, %v", found, err)
	}
	pages := 1
	for ; found.Before > 0; pages++ {
		if found, err = s.Calls(t.Context(), CallQuery{Workspace: "a", Agent: "x"}, found.Before, 10); err != nil {
			t.Fatal(err)
		}
	}
	if pages != 5 || len(found.Calls) != 2 {
		t.Errorf("after %d pages: %+v", pages, found)
	}
}

// TestTallies: what a day was, by the hour.
func TestTallies(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		start := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		for i := range 100 {
			e := audit.Entry{ID: fmt.Sprintf("i%03d", i), Workspace: "a", Phase: audit.PhaseIntent, Time: start, Surface: "mcp", Agent: "x"}
			end := e
			end.ID, end.Phase, end.Intent, end.Outcome, end.Duration = fmt.Sprintf("o%03d", i), audit.PhaseOutcome, e.ID, audit.OK, time.Duration(i+1)*10*time.Millisecond
			end.Exchanges = []audit.Exchange{{Method: "GET"}, {Method: "GET"}}
			if i >= 98 {
				end.Outcome, end.Code = audit.Unknown, "interrupted"
			}
			if err := s.Append(t.Context(), []audit.Entry{e, end}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Append(t.Context(), []audit.Entry{{ID: "r", Workspace: "a", Phase: audit.PhaseRefusal, Time: start.Add(2 * time.Hour), Surface: "mcp", Outcome: audit.Refused, Code: "not_allowed"}}); err != nil {
			t.Fatal(err)
		}
		indexAll(t, s, "a")
		for _, used := range []int64{10, 30, 20} {
			if err := s.NoteUsage(t.Context(), "a", start, used, 5000); err != nil {
				t.Fatal(err)
			}
		}
		tallies, err := s.Tallies(t.Context(), "a", start.Add(-time.Hour), 1, 4)
		if err != nil {
			t.Fatal(err)
		}
		one := tallies[1]
		within := func(got, want time.Duration) bool {
			return math.Abs(float64(got-want)) < .05*float64(want)
		}
		if one.Outcomes[audit.OK] != 98 || one.Outcomes[audit.Unknown] != 2 || one.Requests != 200 || !within(one.P50, 500*time.Millisecond) || !within(one.P95, 950*time.Millisecond) || one.Used != 30 || one.Allowed != 5000 {
			t.Errorf("ten o'clock: %+v", one)
		}
		if tallies[0].Calls() != 0 || tallies[2].Calls() != 0 || tallies[3].Refusals["not_allowed"] != 1 || !tallies[3].From.Equal(start.Add(2*time.Hour)) {
			t.Errorf("%+v", tallies)
		}
		if n, err := s.Recovered(t.Context(), start); n != 2 || err != nil {
			t.Errorf("recovered %d, %v", n, err)
		}
		if used, allowed, hour, err := s.LastUsage(t.Context(), "a"); used != 30 || allowed != 5000 || !hour.Equal(start) || err != nil {
			t.Errorf("usage %d of %d at %v, %v", used, allowed, hour, err)
		}
		if n, err := s.Replicas(t.Context()); n != 1 || err != nil {
			t.Errorf("%d replicas, %v", n, err)
		}
	})
}

// TestVerifications: one goes on at a time, and one that has died is in nobody's way.
func TestVerifications(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		start := func(id string) bool {
			t.Helper()
			ok, err := s.StartVerification(t.Context(), "a", id, "maria")
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		at := func(id string) bool {
			t.Helper()
			ok, err := s.VerificationAt(t.Context(), "a", id, 7)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		last := func() Verification {
			t.Helper()
			v, ok, err := s.LastVerification(t.Context(), "a")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			return v
		}
		if _, ok, err := s.LastVerification(t.Context(), "a"); ok || err != nil {
			t.Error(ok, err)
		}
		if !start("1") || start("2") || !at("1") || at("2") {
			t.Error("two go on at a time")
		}
		if v := last(); v.ID != "1" || v.Person != "maria" || v.LookedAt != 7 || v.Stopped || !v.Finished.IsZero() || time.Since(v.Started).Abs() > time.Hour {
			t.Errorf("%+v", v)
		}
		if _, err := s.writer.ExecContext(t.Context(), `UPDATE audit_verification SET beat = 1`); err != nil {
			t.Fatal(err)
		}
		if v := last(); !v.Stopped || !start("2") || at("1") {
			t.Errorf("one that died: %+v", v)
		}
		if err := s.EndVerification(t.Context(), "a", "1", []byte("late")); err != nil {
			t.Fatal(err)
		}
		if err := s.EndVerification(t.Context(), "a", "2", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if v := last(); !bytes.Equal(v.Report, []byte("{}")) || v.Finished.IsZero() || v.Stopped || !start("3") {
			t.Errorf("the end: %+v", v)
		}
	})
}

// TestBloom (law): what is in a filter is found, and little else.
func TestBloom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := map[string]bool{}
		for _, text := range rapid.SliceOfN(rapid.String(), 1, 200).Draw(t, "texts") {
			texts[text] = true
		}
		bits := bloomOf(texts)
		for text := range texts {
			if !mayHold(bits, text) {
				t.Fatalf("%q is lost", text)
			}
		}
	})
	texts := map[string]bool{}
	for i := range 1000 {
		texts[fmt.Sprintf("001%012dAAA", i)] = true
	}
	bits, wrong := bloomOf(texts), 0
	for i := range 100_000 {
		if mayHold(bits, fmt.Sprintf("001%012dAAA", 1000+i)) {
			wrong++
		}
	}
	if wrong > 500 {
		t.Errorf("%d of 100,000 that are not in it", wrong)
	}
}

// TestCallsOfRecord: what was done to a record comes page by page in the order in which it
// ended, each call once, wherever blocks begin; and exports have the whole calls.
func TestCallsOfRecord(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		entry := func(id string, phase audit.Phase, intent string, records ...string) audit.Entry {
			e := audit.Entry{ID: id, Workspace: "a", Phase: phase, Intent: intent, Time: at, Agent: "x", Records: records}
			if phase == audit.PhaseOutcome {
				e.Outcome = audit.OK
			}
			return e
		}
		var want, lines []string
		for round := range 8 { // of each, the second ends first, and one is about another record
			id := func(name string) string { return fmt.Sprintf("%02d-%s", round, name) }
			if err := s.Append(t.Context(), []audit.Entry{entry(id("a"), audit.PhaseIntent, ""), entry(id("b"), audit.PhaseIntent, ""), entry(id("c"), audit.PhaseIntent, ""),
				entry(id("B"), audit.PhaseOutcome, id("b"), "001X", "001Y"), entry(id("A"), audit.PhaseOutcome, id("a"), "001X"), entry(id("C"), audit.PhaseOutcome, id("c"), "001Z")}); err != nil {
				t.Fatal(err)
			}
			want = append(want, id("B"), id("A"))
			lines = append(lines, id("a"), id("b"), id("B"), id("A"))
			if round%3 == 0 {
				indexAll(t, s, "a")
			}
		}
		indexAll(t, s, "a")
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 3, 5, 16, 50} {
			var got []string
			for before := int64(0); ; {
				found, err := s.Calls(t.Context(), CallQuery{Workspace: "a", Record: "001X"}, before, limit)
				if err != nil || len(found.Calls) > limit || len(got) > len(want) {
					t.Fatal(found, err)
				}
				for _, c := range found.Calls {
					got = append(got, c.Entry.ID)
				}
				if before = found.Before; before == 0 {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d at a time: %v, want %v", limit, got, want)
			}
		}
		var given []string
		if err := s.Entries(t.Context(), CallQuery{Workspace: "a", Record: "001X"}, math.MaxInt64, func(l proof.Leaf) error {
			var e audit.Entry
			err := json.Unmarshal(l.Entry, &e)
			given = append(given, e.ID)
			return err
		}); err != nil || !slices.Equal(given, lines) {
			t.Errorf("given %v, want %v, %v", given, lines, err)
		}
	})
}

// TestIndexTogether: however many processes take entries into the index, each is counted
// once.
func TestIndexTogether(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
		const refusals = 5 * IndexBatch
		var entries []audit.Entry
		for i := range refusals {
			entries = append(entries, audit.Entry{ID: fmt.Sprint(i), Workspace: "a", Phase: audit.PhaseRefusal, Outcome: audit.Refused, Surface: "mcp", Time: at})
		}
		if err := s.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		other := s
		if d.dir == "" {
			other = d.join(t)
		}
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				one := []*Store{s, other}[i%2]
				for left := int64(1); left > 0; {
					var err error
					if left, err = one.Index(t.Context(), "a"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		tallies, err := s.Tallies(t.Context(), "a", at, 1, 1)
		if err != nil || tallies[0].Outcomes[audit.Refused] != refusals {
			t.Errorf("counted %d of %d, %v", tallies[0].Outcomes[audit.Refused], refusals, err)
		}
	})
}

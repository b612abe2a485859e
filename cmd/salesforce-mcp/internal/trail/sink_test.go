package trail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"salesforce-mcp/audit/proof"
)

// memory is a store of entries and progress, in memory.
type memory struct {
	proof.Log
	entries  map[string]int64
	exported map[string]int64
}

func (m *memory) Heads(context.Context) (heads []proof.Head, err error) {
	for _, w := range slices.Sorted(maps.Keys(m.entries)) {
		heads = append(heads, proof.Head{Workspace: w, Entries: m.entries[w]})
	}
	return heads, nil
}

func (m *memory) Leaves(_ context.Context, workspace string, from int64, limit int) (leaves []proof.Leaf, err error) {
	for n := from; n < m.entries[workspace] && len(leaves) < limit; n++ {
		leaves = append(leaves, proof.Leaf{N: n, Entry: []byte("{}")})
	}
	return leaves, nil
}

func (m *memory) Exported(_ context.Context, sink, workspace string) (int64, error) {
	return m.exported[sink+workspace], nil
}

func (m *memory) SetExported(_ context.Context, sink, workspace string, next int64) error {
	m.exported[sink+workspace] = next
	return nil
}

func (m *memory) Index(context.Context, string) (int64, error) { return 0, nil }

func (m *memory) Lease(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}
func (m *memory) Release(context.Context, string, string) error { return nil }

// forgetful is a store that, like a process that is killed, at times does not
// remember what has arrived.
type forgetful struct {
	Store
	forget func() bool
}

func (f forgetful) SetExported(ctx context.Context, sink, workspace string, next int64) error {
	if f.forget() {
		return errors.New("killed")
	}
	return f.Store.SetExported(ctx, sink, workspace, next)
}

// TestAtLeastOnce is a law: whatever a place does with what it is sent, and
// however often the server is killed between a batch and remembering it, every
// entry arrives, and those of a workspace for the first time in order.
func TestAtLeastOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const name = "law"
		store := &memory{entries: map[string]int64{}, exported: map[string]int64{}}
		got := map[string][]int64{}
		twice := 0
		take := func(workspace string, entries []proof.Leaf) {
			for _, e := range entries {
				switch want := int64(len(got[workspace])); {
				case e.N > want:
					r.Fatalf("workspace %s: entry %d arrived before entry %d", workspace, e.N, want)
				case e.N < want:
					twice++
				default:
					got[workspace] = append(got[workspace], e.N)
				}
			}
		}
		calm := false
		send := func(_ context.Context, workspace string, entries []proof.Leaf) (int, error) {
			kind := 4
			if !calm {
				kind = rapid.IntRange(0, 4).Draw(r, "place")
			}
			some := rapid.IntRange(0, len(entries)).Draw(r, "some")
			switch kind {
			case 0: // it is down
				return 0, errors.New("down")
			case 1: // it has taken some, which nobody learns
				take(workspace, entries[:some])
				return 0, errors.New("no answer")
			case 2: // it has taken some, and says which
				take(workspace, entries[:some])
				return some, errors.New("no more")
			case 3: // as 2, and is glad of it
				take(workspace, entries[:max(some, 1)])
				return max(some, 1), nil
			}
			take(workspace, entries)
			return len(entries), nil
		}
		start := func() (*Trail, *Sink) {
			forget := func() bool { return !calm && rapid.IntRange(0, 3).Draw(r, "forgets") == 0 }
			return &Trail{Store: forgetful{store, forget}, Log: zerolog.Nop(), owner: "one"}, &Sink{Name: name, Batch: rapid.IntRange(1, 7).Draw(r, "batch"), Send: send}
		}
		trail, sink := start()
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 2).Draw(r, "step") {
			case 0:
				store.entries[rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "workspace")] += rapid.Int64Range(1, 9).Draw(r, "entries")
			case 1:
				trail, sink = start()
			default:
				_ = trail.sendNew(t.Context(), sink)
			}
		}
		calm = true
		trail, sink = start()
		if err := trail.sendNew(t.Context(), sink); err != nil {
			r.Fatal(err)
		}
		heads, err := store.Heads(t.Context())
		if err != nil {
			r.Fatal(err)
		}
		for _, head := range heads {
			if n := int64(len(got[head.Workspace])); n != head.Entries {
				r.Fatalf("workspace %s: %d of %d entries arrived", head.Workspace, n, head.Entries)
			}
		}
		lags, err := Lags(t.Context(), store, []*Sink{sink})
		if err != nil || len(lags) != len(heads) {
			r.Fatal(lags, err)
		}
		for _, l := range lags {
			if l.Waiting != 0 || l.Arrived == 0 {
				r.Fatalf("%+v", l)
			}
		}
	})
}

// TestPoison: entries of one workspace that a place does not take do not keep
// those of others waiting.
func TestPoison(t *testing.T) {
	h := newHouse(t)
	for _, w := range []string{"a", "b", "c"} {
		h.record(w, 2)
	}
	got := ""
	sink := &Sink{Name: "x", Batch: 10, Send: func(_ context.Context, workspace string, entries []proof.Leaf) (int, error) {
		if workspace == "a" {
			return 0, errors.New("not those")
		}
		got += fmt.Sprint(workspace, len(entries), " ")
		return len(entries), nil
	}}
	trail := &Trail{Store: h.store, Log: zerolog.Nop(), owner: "one"}
	for range 2 {
		if err := trail.sendNew(t.Context(), sink); err == nil || !strings.Contains(err.Error(), "workspace a: not those") {
			t.Error(err)
		}
	}
	if got != "b2 c2 " {
		t.Errorf("arrived %s", got)
	}
}

// TestSameBatch: what did not arrive is sent again as it was, though there is more
// by then.
func TestSameBatch(t *testing.T) {
	h := newHouse(t)
	h.record("a", 2)
	var sizes []int
	sink := &Sink{Name: "x", Batch: 10, Send: func(_ context.Context, _ string, entries []proof.Leaf) (int, error) {
		sizes = append(sizes, len(entries))
		if len(sizes) == 1 {
			return 0, errors.New("down")
		}
		return len(entries), nil
	}}
	trail := &Trail{Store: h.store, Log: zerolog.Nop(), owner: "one"}
	if err := trail.sendNew(t.Context(), sink); err == nil {
		t.Error("no error")
	}
	h.record("a", 3)
	if err := trail.sendNew(t.Context(), sink); err != nil || fmt.Sprint(sizes) != "[2 2 3]" {
		t.Errorf("%v, batches %v", err, sizes)
	}
}

// TestOneWriter: of two processes one writes a sink, until it is gone.
func TestOneWriter(t *testing.T) {
	h := newHouse(t)
	h.record("a", 1)
	got := ""
	process := func(owner string) (*Trail, *Sink) {
		return &Trail{Store: h.store, Log: zerolog.Nop(), owner: owner}, &Sink{Name: "x", Batch: 10, Send: func(_ context.Context, _ string, entries []proof.Leaf) (int, error) {
			got += fmt.Sprint(owner, len(entries), " ")
			return len(entries), nil
		}}
	}
	one, sinkOne := process("one")
	two, sinkTwo := process("two")
	pass := func(trail *Trail, s *Sink) {
		t.Helper()
		if err := trail.sendNew(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	pass(one, sinkOne)
	h.record("a", 1)
	pass(two, sinkTwo) // one has the lease
	pass(one, sinkOne)
	h.record("a", 1)
	if err := h.store.Release(t.Context(), sinkOne.lease(), "one"); err != nil {
		t.Fatal(err)
	}
	sinkOne.leased = time.Time{}
	pass(two, sinkTwo)
	pass(one, sinkOne)
	if got != "one1 one1 two1 " {
		t.Errorf("sent %s", got)
	}
}

// TestFailing: the log says when a sink begins to fail and that it works again,
// once each; waits grow, and are as long as the place asks for.
func TestFailing(t *testing.T) {
	h := newHouse(t)
	trail := &Trail{Log: zerolog.New(&h.log)}
	s := &Sink{Name: "x", What: "do it"}
	var before time.Duration
	for i := range 14 {
		wait := s.report(trail, errors.New("down"), time.Second)
		if most := min(time.Second<<i, 5*time.Minute); wait < most/2 || wait > most {
			t.Errorf("wait %d: %v", i, wait)
		}
		before = wait
	}
	if before < 2*time.Minute {
		t.Errorf("last wait %v", before)
	}
	if wait := s.report(trail, fmt.Errorf("workspace a: %w", &Later{Err: errors.New("full"), After: time.Hour}), time.Second); wait != time.Hour {
		t.Errorf("told to wait: %v", wait)
	}
	if wait := s.report(trail, &Later{Err: errors.New("gone"), Never: true}, time.Second); wait < 24*365*time.Hour {
		t.Errorf("told never: %v", wait)
	}
	s.report(trail, nil, time.Second)
	if wait := s.report(trail, nil, time.Second); wait != time.Second {
		t.Errorf("at rest: %v", wait)
	}
	log := h.log.String()
	for text, n := range map[string]int{"cannot do it; it is tried again": 2, "not tried again before the next start": 1, "can do it again": 1, `"error":"down"`: 1} {
		if strings.Count(log, text) != n {
			t.Errorf("%q is not there %d times:\n%s", text, n, log)
		}
	}
}

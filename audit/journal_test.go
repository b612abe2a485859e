package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Store for tests that need to hold, break or look into one. The
// tests of package store run the journal over SQLite.
type memory struct {
	mu      sync.Mutex
	batches [][]Entry
	err     error         // what Append answers instead of keeping the entries
	hold    chan struct{} // when set, each Append waits for a value from it
}

func (m *memory) Append(ctx context.Context, entries []Entry) error {
	if m.hold != nil {
		select {
		case <-m.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.batches = append(m.batches, slices.Clone(entries))
	return nil
}

// entries returns everything that was appended.
func (m *memory) entries() []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Concat(m.batches...)
}

// newJournal returns a journal over the store for the length of the test.
func newJournal(t *testing.T, store Store) *Journal {
	t.Helper()
	j := NewJournal(store)
	t.Cleanup(j.Close)
	return j
}

func TestCallIsIntentAndOutcome(t *testing.T) {
	store := &memory{}
	j := newJournal(t, store)
	intent, err := j.Begin(t.Context(), Entry{
		Workspace: "demo", Agent: "desk", Tool: "records", Decision: DecisionAllowed, Arguments: []byte(`{"a":1}`),
		ID: "mine", Phase: PhaseOutcome, Intent: "other", Outcome: OK, // not the caller's to say
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := store.entries(); len(got) != 1 || got[0].ID != intent.ID() || got[0].ID == "mine" || got[0].Phase != PhaseIntent || got[0].Intent != "" || got[0].Outcome != "" {
		t.Fatalf("when Begin returns the store has %+v", got)
	}
	if err := intent.End(t.Context(), Outcome{Status: OK, Records: []string{"001"}}); err != nil {
		t.Fatal(err)
	}
	if err := intent.End(t.Context(), Outcome{Status: OK}); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a second end: %v", err)
	}
	got := store.entries()
	if len(got) != 2 {
		t.Fatalf("entries %+v", got)
	}
	end := got[1]
	if end.Phase != PhaseOutcome || end.Intent != intent.ID() || end.ID <= intent.ID() || end.Outcome != OK || end.Duration <= 0 ||
		end.Workspace != "demo" || end.Agent != "desk" || end.Tool != "records" || end.Arguments != nil || end.Records[0] != "001" {
		t.Errorf("outcome %+v", end)
	}
}

func TestRefusalIsOneEntry(t *testing.T) {
	store := &memory{}
	j := newJournal(t, store)
	if _, err := j.Refuse(t.Context(), Entry{Workspace: "demo", Agent: "lab", Code: "not_permitted", Outcome: OK}); err != nil {
		t.Fatal(err)
	}
	got := store.entries()
	if len(got) != 1 || got[0].Phase != PhaseRefusal || got[0].Decision != DecisionRefused || got[0].Outcome != Refused || got[0].Code != "not_permitted" {
		t.Errorf("entries %+v", got)
	}
	// What the gate allowed was refused for another reason.
	if _, err := j.Refuse(t.Context(), Entry{Workspace: "demo", Code: "invalid_argument", Decision: DecisionAllowed}); err != nil {
		t.Fatal(err)
	}
	if got := store.entries()[1]; got.Decision != DecisionAllowed || got.Outcome != Refused {
		t.Errorf("entry %+v", got)
	}
}

func TestWhatCannotBeRecordedIsUnavailable(t *testing.T) {
	full := errors.New("the disk is full")
	store := &memory{}
	j := newJournal(t, store)
	intent, err := j.Begin(t.Context(), Entry{})
	if err != nil {
		t.Fatal(err)
	}
	store.err = full
	if second, err := j.Begin(t.Context(), Entry{}); second != nil || !errors.Is(err, ErrUnavailable) || !errors.Is(err, full) {
		t.Errorf("Begin: %v, %v", second, err)
	}
	if _, err := j.Refuse(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, full) {
		t.Errorf("Refuse: %v", err)
	}
	if err := intent.End(t.Context(), Outcome{Status: OK}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, full) {
		t.Errorf("End: %v", err)
	}
	store.err = nil
	if _, err := j.Begin(t.Context(), Entry{}); err != nil {
		t.Errorf("after the store works again: %v", err)
	}
	j.Close()
	j.Close() // twice does no harm
	if _, err := j.Begin(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Begin on a closed journal: %v", err)
	}
}

func TestCallersShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hold: make(chan struct{})}
		j := newJournal(t, store)
		const callers = maxBatch + 10
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				if _, err := j.Begin(t.Context(), Entry{}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the first is being committed, the others wait for it
		}
		started := time.Now()
		for range 3 {
			store.hold <- struct{}{}
		}
		group.Wait()
		if waited := time.Since(started); waited != 0 {
			t.Errorf("the journal itself waited %v", waited)
		}
		var sizes []int
		for _, batch := range store.batches {
			sizes = append(sizes, len(batch))
		}
		if !slices.Equal(sizes, []int{1, maxBatch, callers - maxBatch - 1}) {
			t.Errorf("commits of %v entries", sizes)
		}
		ids := map[string]bool{}
		last := ""
		for _, e := range store.entries() {
			if ids[e.ID] = true; e.ID <= last {
				t.Errorf("ID %s after %s", e.ID, last)
			}
			last = e.ID
		}
		if len(ids) != callers {
			t.Errorf("%d IDs of %d callers", len(ids), callers)
		}
	})
}

func TestBeginUnderAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hold: make(chan struct{})}
		j := newJournal(t, store)
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		results := make([]error, 2)
		var group sync.WaitGroup
		group.Go(func() { _, results[0] = j.Begin(first, Entry{Agent: "first"}) })
		synctest.Wait()
		group.Go(func() { _, results[1] = j.Begin(second, Entry{Agent: "second"}) })
		synctest.Wait()
		cancelFirst()  // its entry is on its way: the intent will stand
		cancelSecond() // its entry waits: it is taken back
		synctest.Wait()
		store.hold <- struct{}{}
		group.Wait()
		if results[0] != nil {
			t.Errorf("recorded, and Begin says %v", results[0])
		}
		if !errors.Is(results[1], ErrUnavailable) || !errors.Is(results[1], context.Canceled) {
			t.Errorf("not recorded, and Begin says %v", results[1])
		}
		if got := store.entries(); len(got) != 1 || got[0].Agent != "first" {
			t.Errorf("entries %+v", got)
		}
	})
}

func TestEndRecordsUnderAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hold: make(chan struct{})}
		j := newJournal(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		var intent *Intent
		var begun, ended error
		var group sync.WaitGroup
		group.Go(func() { intent, begun = j.Begin(ctx, Entry{}) })
		store.hold <- struct{}{}
		group.Wait()
		if begun != nil {
			t.Fatal(begun)
		}
		group.Go(func() { j.Begin(t.Context(), Entry{}) }) // keeps the writer busy
		synctest.Wait()
		cancel()
		group.Go(func() { ended = intent.End(ctx, Outcome{Status: Unknown, Code: "cancelled"}) })
		synctest.Wait()
		store.hold <- struct{}{}
		store.hold <- struct{}{}
		group.Wait()
		if got := store.entries(); ended != nil || len(got) != 3 || got[2].Intent != intent.ID() || got[2].Outcome != Unknown || got[2].Code != "cancelled" {
			t.Errorf("error %v, entries %+v", ended, got)
		}
	})
}

func TestStuckStoreIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t, &memory{hold: make(chan struct{})})
		started := time.Now()
		if _, err := j.Begin(t.Context(), Entry{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if waited := time.Since(started); waited != commitTimeout {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestCloseWaitsForWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hold: make(chan struct{})}
		j := NewJournal(store)
		var begun error
		var group sync.WaitGroup
		group.Go(func() { _, begun = j.Begin(t.Context(), Entry{}) })
		synctest.Wait()
		closed := false
		group.Go(func() { j.Close(); closed = true })
		synctest.Wait()
		if closed {
			t.Error("closed before the entry was durable")
		}
		store.hold <- struct{}{}
		group.Wait()
		if begun != nil || len(store.entries()) != 1 {
			t.Errorf("error %v, entries %+v", begun, store.entries())
		}
	})
}

// unfinished answers with one list after the other.
type unfinished struct {
	lists [][]Entry
	err   error
}

func (u *unfinished) OpenIntents(context.Context, int) ([]Entry, error) {
	if u.err != nil || len(u.lists) == 0 {
		return nil, u.err
	}
	list := u.lists[0]
	u.lists = u.lists[1:]
	return list, nil
}

func TestRecoverReportsWhatItCannotDo(t *testing.T) {
	broken := errors.New("no such table")
	store := &memory{}
	j := newJournal(t, store)
	if _, err := j.Recover(t.Context(), &unfinished{err: broken}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	open := &unfinished{lists: [][]Entry{{{ID: "1"}}, {{ID: "2"}}}}
	if n, err := j.Recover(t.Context(), open); n != 2 || err != nil {
		t.Errorf("closed %d, error %v", n, err)
	}
	for _, e := range store.entries() {
		if e.Phase != PhaseOutcome || e.Outcome != Unknown || e.Duration != 0 {
			t.Errorf("closed with %+v", e)
		}
	}
	store.err = broken
	open = &unfinished{lists: [][]Entry{{{ID: "3"}}}}
	if n, err := j.Recover(t.Context(), open); n != 0 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("closed %d, error %v", n, err)
	}
}

// The JSON names of an entry are a contract with exports, sinks and proofs.
func TestEntryLineIsAContract(t *testing.T) {
	e := Entry{
		ID: "i", Time: time.UnixMilli(1790000000123).UTC(), Phase: PhaseOutcome, Intent: "j",
		Workspace: "w", Host: "h", Agent: "a", User: "u", Context: "c", Surface: "mcp",
		Tool: "t", Action: "b", Instruction: "n", Effect: "read", Decision: DecisionAllowed, Rule: "r",
		Arguments: []byte(`{"q":"a < b"}`), Exchanges: []Exchange{{"GET", "/p", 200, "x", 5, "e"}}, Records: []string{"001"},
		Run: "y", Detail: []byte(`{"verdict":"approve"}`), Outcome: Failed, Code: "d", Message: "m & n", Duration: 1500,
	}
	want := `{"id":"i","time":"2026-09-21T14:13:20.123Z","phase":"outcome","intent":"j","run":"y",` +
		`"workspace":"w","host":"h","agent":"a","user":"u","context":"c","surface":"mcp",` +
		`"tool":"t","action":"b","instruction":"n","effect":"read","decision":"allowed","rule":"r",` +
		`"arguments":{"q":"a < b"},"exchanges":[{"method":"GET","path":"/p","status":200,"requestId":"x","durationNs":5,"error":"e"}],"records":["001"],"detail":{"verdict":"approve"},` +
		`"outcome":"error","code":"d","message":"m & n","durationNs":1500}`
	if diff := cmp.Diff(want, string(e.Line())); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	var back Entry
	if err := json.Unmarshal(e.Line(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if got := string(Entry{Phase: PhaseIntent}.Line()); got != `{"id":"","time":"0001-01-01T00:00:00Z","phase":"intent","workspace":""}` {
		t.Errorf("empty fields are not left out: %s", got)
	}
}

func TestEntryIsOneBoundedLine(t *testing.T) {
	e := Entry{
		Agent: "a\nb\x00c\xff\u2028", Message: strings.Repeat("é", maxText), Arguments: []byte("{not json\n"), Detail: []byte("{\n}"),
		Exchanges: make([]Exchange, maxExchanges+1), Records: make([]string, maxRecords+1),
	}
	sent := e
	sent.Exchanges[0].Err = strings.Repeat("x", 1<<20)
	store := &memory{}
	if _, err := newJournal(t, store).Refuse(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	got := store.entries()[0]
	line := string(got.Line())
	if strings.ContainsAny(line, "\n\x00\u2028") || !utf8.ValidString(line) || len(line) > 100_000 {
		t.Errorf("a line of %d bytes: %.200q", len(line), line)
	}
	if got.Agent != "a\nb\uFFFDc\uFFFD\u2028" || len(got.Exchanges) != maxExchanges || len(got.Records) != maxRecords {
		t.Errorf("agent %q, %d exchanges, %d records", got.Agent, len(got.Exchanges), len(got.Records))
	}
	for _, words := range []string{"first 500 HTTP requests", "first 2000 record ids"} {
		if !strings.Contains(got.Message, words) {
			t.Errorf("the message does not say %q", words)
		}
	}
	if len(sent.Exchanges[0].Err) != 1<<20 {
		t.Error("the caller's exchanges were changed")
	}
	if !strings.Contains(line, `"detail":{}`) {
		t.Errorf("detail %s", got.Detail)
	}
	if want := fmt.Sprintf(`{"truncated":true,"sha256":"%s","bytes":10}`, digest([]byte("{not json\n"))); string(got.Arguments) != want {
		t.Errorf("arguments %s", got.Arguments)
	}
}

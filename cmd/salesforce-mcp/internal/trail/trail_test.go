package trail

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a store with its journal and secrets.
type house struct {
	t       *testing.T
	store   *store.Store
	journal *audit.Journal
	secrets secrets.Store
	log     bytes.Buffer
}

func newHouse(t *testing.T) *house {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: st, journal: audit.NewJournal(st),
		secrets: secrets.NewSealed(st, secrets.FileKeys(filepath.Join(dir, "master.key"), func(string) {}))}
	t.Cleanup(func() {
		h.journal.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// record records entries, each of which is a refusal.
func (h *house) record(workspace string, n int) {
	h.t.Helper()
	for i := range n {
		if _, err := h.journal.Refuse(h.t.Context(), audit.Entry{Workspace: workspace, Agent: fmt.Sprint("agent-", i)}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// work starts and stops the work, which then has done all there is.
func (h *house) work(t *Trail) string {
	h.log.Reset()
	t.Store, t.Secrets, t.Log = h.store, h.secrets, zerolog.New(&h.log)
	t.Start(h.t.Context())()
	return h.log.String()
}

// TestKey: the key is made once, with the first entry, and kept as a secret; when
// it is gone the log is not continued with another.
func TestKey(t *testing.T) {
	h := newHouse(t)
	h.work(&Trail{})
	if _, err := Key(t.Context(), h.secrets); !errors.Is(err, ErrNoKey) {
		t.Errorf("before the first entry: %v", err)
	}
	h.record("a", 1)
	var group sync.WaitGroup
	for range 4 { // several processes start at once
		group.Go(func() {
			(&Trail{Store: h.store, Secrets: h.secrets, Log: zerolog.Nop()}).Start(t.Context())()
		})
	}
	group.Wait()
	key, err := Key(t.Context(), h.secrets)
	if err != nil {
		t.Fatal(err)
	}
	public, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (proof.Check{Key: public}).Log(t.Context(), h.store, "a"); err != nil || !r.OK() || r.Entries != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := h.secrets.Delete(t.Context(), keyOwner, keyName); err != nil {
		t.Fatal(err)
	}
	h.record("a", 1)
	if log := h.work(&Trail{}); !strings.Contains(log, "signing key is gone") {
		t.Errorf("log %s", log)
	}
	if r, err := (proof.Check{Key: public}).Log(t.Context(), h.store, "a"); err != nil || !r.OK() || r.Entries != 1 || r.Waiting != 1 {
		t.Errorf("without a key: %+v, %v", r, err)
	}
}

// TestSecondPlace: each start keeps the newest checkpoint, also after a crash cut
// a line off, and a place that cannot be written is tried again.
func TestSecondPlace(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(t.TempDir(), "there", "checkpoints")
	h.record("a", 3)
	h.record("b", 3)
	if log := h.work(&Trail{Checkpoints: file}); !strings.Contains(log, "second place") {
		t.Errorf("without the folder: %s", log)
	}
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	h.work(&Trail{Checkpoints: file})
	half, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.WriteString(`{"time":"2026`); err != nil {
		t.Fatal(err)
	}
	half.Close()
	h.record("a", 1)
	h.work(&Trail{Checkpoints: file})
	key, err := Key(t.Context(), h.secrets)
	if err != nil {
		t.Fatal(err)
	}
	public, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	kept, problems, err := proof.ReadCheckpoints(text, public)
	var got []string
	for _, c := range kept {
		got = append(got, fmt.Sprint(c.Workspace(), c.Size))
	}
	if want := "a3 b3 a4 b3"; err != nil || problems != nil || strings.Join(got, " ") != want {
		t.Errorf("kept %v, want %s; %v, %v", got, want, problems, err)
	}
}

// TestFile: the file has every entry, in order, at least once: those of before a
// crash that forgot how far it was again.
func TestFile(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	count := func(name string) int {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("\n"))
	}
	h.record("a", 3)
	h.work(&Trail{Sinks: []*Sink{(&File{Path: file}).Sink()}})
	h.record("a", 2)
	h.record("b", 2)
	h.work(&Trail{Sinks: []*Sink{(&File{Path: file}).Sink()}})
	if n := count(file); n != 7 {
		t.Errorf("%d lines, want 7", n)
	}
	if err := h.store.SetExported(t.Context(), "file", "a", 4); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	half, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.WriteString(`{"v":1`); err != nil {
		t.Fatal(err)
	}
	half.Close()
	h.work(&Trail{Sinks: []*Sink{(&File{Path: file}).Sink()}})
	if n := count(file); n != 9 {
		t.Errorf("%d lines, want 9", n)
	}
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	// A file that cannot be written is made up for later; calls do not notice.
	h.record("a", 1)
	if log := h.work(&Trail{Sinks: []*Sink{(&File{Path: filepath.Join(file, "no folder")}).Sink()}}); !strings.Contains(log, "cannot write the audit file") {
		t.Errorf("log %s", log)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	h.work(&Trail{Sinks: []*Sink{(&File{Path: file}).Sink()}})
	if n := count(file); n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
}

// TestFileRotates: a file that is large is put aside, so many are kept, and other
// files are left alone.
func TestFileRotates(t *testing.T) {
	h := newHouse(t)
	dir := filepath.Join(t.TempDir(), "a[b]*?") // a name that a pattern must not read as one
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := &File{Path: filepath.Join(dir, "audit.jsonl"), MaxBytes: 1, Keep: 3}
	stranger := filepath.Join(dir, "audit-notes.jsonl")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		h.record("a", 1)
		h.work(&Trail{Sinks: []*Sink{f.Sink()}})
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		lines += string(text)
	}
	if len(files) != 5 || strings.Count(lines, "\n") != 4 { // the stranger, three and the present one
		t.Errorf("files %v with %s", files, lines)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}

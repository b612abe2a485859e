package trail

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"salesforce-mcp/audit/proof"
)

// TestVerifier: a verification compares with the second place, of many checkpoints with
// some and the last, says how far it is, and ends when nobody wants it any more.
func TestVerifier(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(t.TempDir(), "checkpoints")
	v := &Verifier{Log: h.store, Secrets: h.secrets, Checkpoints: file, most: 8}
	if _, err := v.Verify(t.Context(), "a", func(int64) error { return nil }); !errors.Is(err, ErrNoKey) {
		t.Errorf("before the first entry: %v", err)
	}
	for range 21 {
		h.record("a", 1)
		h.record("b", 1)
		h.work(&Trail{Checkpoints: file})
	}
	if n, err := h.store.Unindexed(t.Context(), "a"); n != 0 || err != nil {
		t.Errorf("%d entries are not in the index, %v", n, err)
	}
	verify := func() *Finding {
		t.Helper()
		looked := int64(math.MinInt64)
		f, err := v.Verify(t.Context(), "a", func(n int64) error { looked = n; return nil })
		if err != nil || looked != 21 {
			t.Fatalf("looked at %d, %v", looked, err)
		}
		return f
	}
	f := verify()
	if !f.OK() || f.SecondHas < 21 || f.SecondRead >= 8 || f.SecondRead < 4 || f.Report.Compared != f.SecondRead || f.Report.Entries != 21 {
		t.Errorf("%+v\n%+v", f, f.Report)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	last := strings.LastIndex(strings.TrimSuffix(string(text), "\n"), "/a\\n")
	for what, changed := range map[string]string{
		"is not valid":        string(text[:last]) + strings.Replace(string(text[last:]), "/a\\n21\\n", "/a\\n22\\n", 1),
		"of another trail":    strings.ReplaceAll(string(text), "salesforce-mcp-", "elsewhere-"),
		"has none":            "{\n",
		"are not those of a ": forked(t, h, string(text)),
	} {
		write(changed)
		f := verify()
		found := ""
		for _, p := range append(f.Problems, f.Report.Problems...) {
			found += p.String()
		}
		if f.OK() || !strings.Contains(found, what) {
			t.Errorf("want %q: %+v %+v", what, f, f.Report)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if f := verify(); f.OK() || len(f.Problems) != 1 || !strings.Contains(f.Problems[0].What, "is not there") {
		t.Errorf("without the file: %+v", f)
	}
	if v.Checkpoints = ""; !verify().OK() {
		t.Error("without a second place")
	}
	stop := errors.New("stop")
	if _, err := v.Verify(t.Context(), "a", func(int64) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// forked adds a checkpoint of another history to the second place.
func forked(t *testing.T, h *house, text string) string {
	t.Helper()
	key, err := Key(context.Background(), h.secrets)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign(proof.Checkpoint{Origin: key.Origin("a"), Size: 20})
	if err != nil {
		t.Fatal(err)
	}
	return text + string(proof.KeptLine("2026-11-24T10:00:00Z", signed))
}

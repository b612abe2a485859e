package proof

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// TestGrowth: however a log grows, its root is that of RFC 6962 as tlog computes
// it, each entry is proven, and all that was signed on the way still agrees.
func TestGrowth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(t)
		steps := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 300)), 1, 4).Draw(t, "steps")
		for _, n := range steps {
			f.grow(t, "a", n)
		}
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
			for _, i := range indexes {
				hashes = append(hashes, stored[i])
			}
			return hashes, nil
		})
		var front frontier
		for i, e := range f.entries["a"] {
			hashes, err := tlog.StoredHashes(int64(i), e, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
			front.add(tlog.RecordHash(e))
		}
		want, err := tlog.TreeHash(int64(len(f.entries["a"])), reader)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := f.public.Open(f.heads["a"])
		if err != nil || signed.Root != want || front.root() != want || signed.Size != front.size {
			t.Fatalf("signed %v, frontier %v, want %v, error %v", signed, front.root(), want, err)
		}
		if r := f.verify(t, f.export(t, "a"), f.kept...); !r.OK() || r.Compared != len(steps) || r.Entries != signed.Size {
			t.Fatalf("an untouched export: %+v", r)
		}
		if r, err := (Check{f.public, f.kept}).Log(context.Background(), f.memory, "a"); err != nil || !r.OK() || r.Compared != len(steps) || r.Entries != signed.Size || r.Waiting != 0 {
			t.Fatalf("the log itself: %+v, %v", r, err)
		}
	})
}

// TestMutations: whatever is done to an export, verification says so, and where.
func TestMutations(t *testing.T) {
	other := newFixture(t)
	other.grow(t, "a", 40)
	var fixtures []*fixture
	for _, sizes := range [][2]int{{1, 1}, {2, 5}, {100, 156}, {250, 7}, {300, 400}} {
		f := newFixture(t)
		f.grow(t, "a", sizes[0])
		f.grow(t, "a", sizes[1])
		f.grow(t, "b", 800)
		fixtures = append(fixtures, f)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(fixtures).Draw(t, "log")
		lines := f.export(t, "a")
		n := len(lines) - 1
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		changed := slices.Clone(lines)
		want := fmt.Sprintf("entry %d", at) // stands in the report
		switch what := rapid.SampledFrom([]string{"change", "renumber", "remove", "swap", "swap content", "truncate", "duplicate", "append", "insert", "other workspace", "other log", "proof", "byte", "after", "cut", "checkpoint", "blank", "carriage return"}).Draw(t, "what"); what {
		case "change":
			changed[at] = strings.Replace(changed[at], `"message":"`, `"message":"not `, 1)
		case "renumber":
			changed[at] = strings.Replace(changed[at], fmt.Sprintf(`{"leaf":%d,`, at), fmt.Sprintf(`{"leaf":%d,`, n+3), 1)
		case "remove":
			changed = slices.Delete(changed, at, at+1)
		case "swap":
			to := rapid.IntRange(0, n-1).Filter(func(i int) bool { return i != at }).Draw(t, "to")
			changed[at], changed[to] = changed[to], changed[at]
			want = "the order was changed"
		case "swap content":
			to := rapid.IntRange(0, n-1).Filter(func(i int) bool { return i != at }).Draw(t, "to")
			entry := func(i int) string { return string(f.entries["a"][i]) }
			changed[at] = strings.Replace(lines[at], entry(at), entry(to), 1)
			changed[to] = strings.Replace(lines[to], entry(to), entry(at), 1)
		case "truncate":
			changed = slices.Delete(changed, at, n)
		case "duplicate":
			to := rapid.IntRange(at+1, n).Draw(t, "to")
			changed = slices.Insert(changed, to, lines[at])
			want = "found a second time"
		case "append":
			forged := Line{int64(n), f.entries["a"][at], nil}
			changed = slices.Insert(changed, n, string(forged.append(nil))+"\n")
			want = fmt.Sprintf("line %d: added: %d entries are signed", n+1, n)
		case "insert":
			changed = slices.Insert(changed, at, strings.Replace(lines[at], `"message":"`, `"message":"also `, 1))
		case "other workspace":
			changed[at] = f.export(t, "b")[at]
			want += " (id-b-"
		case "other log":
			changed = other.export(t, "a")
			want = "is not signed with the key"
		case "proof":
			if n == 1 {
				t.Skip("one entry needs no proof")
			}
			changed[at] = Line{int64(at), f.entries["a"][at], slices.Repeat([]tlog.Hash{{1}}, 3)}.text()
			want += " (id-a-"
		case "byte":
			line := []byte(changed[at])
			i := rapid.IntRange(0, len(line)-2).Draw(t, "i")
			line[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			changed[at] = string(line)
			want = "" // its number may be what was changed
		case "blank":
			changed[at] = strings.Replace(changed[at], `,"proof"`, ` ,"proof"`, 1)
		case "carriage return":
			changed[at] = strings.Replace(changed[at], "\n", "\r\n", 1)
		case "after":
			changed = append(changed, lines[at])
			want = ""
		case "cut":
			text := strings.Join(changed, "")
			text = text[:rapid.IntRange(0, len(text)-1).Draw(t, "to")]
			changed, want = []string{text}, "cut off"
		case "checkpoint":
			line := []byte(changed[n])
			line[rapid.IntRange(0, len(line)-1).Draw(t, "i")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			changed[n], want = string(line), ""
		}
		if slices.Equal(changed, lines) {
			t.Skip("nothing was changed")
		}
		for _, kept := range [][]Checkpoint{nil, f.kept} {
			r := f.verify(t, changed, kept...)
			if r.OK() {
				t.Fatalf("not seen: %+v", r)
			}
			found := false
			for _, p := range r.Problems {
				among := strings.HasPrefix(want, "entry ") && p.To > 0 && p.Leaf <= int64(at) && int64(at) <= p.To
				found = found || among || strings.Contains(p.String(), want)
			}
			if !found {
				t.Fatalf("not at %q: %v", want, r.Problems)
			}
			if len(r.Problems) > 4 && len(changed) > 1 {
				t.Fatalf("one change, and %d problems: %v", len(r.Problems), r.Problems[:5])
			}
		}
	})
}

func (l Line) text() string { return string(l.append(nil)) + "\n" }

// TestRollback: an older export, or a log that was signed anew with the stolen
// key, verifies alone and does not beside the second place.
func TestRollback(t *testing.T) {
	secret, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	f := keyed(t, secret)
	f.grow(t, "a", 300)
	old := f.export(t, "a")
	f.grow(t, "a", 20)
	if r := f.verify(t, old); !r.OK() {
		t.Errorf("the old export alone: %v", r.Problems)
	}
	if r := f.verify(t, old, f.kept...); len(r.Problems) != 1 || r.Problems[0].Leaf != 300 || !strings.Contains(r.Problems[0].What, "320 entries") || r.Compared != 1 {
		t.Errorf("the old export beside the second place: %+v", r)
	}
	thief := keyed(t, secret)
	thief.add("a", 320)
	thief.entries["a"][310] = []byte(`{"id":"nothing-happened","workspace":"a"}`)
	if err := thief.seq.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	forged := thief.export(t, "a")
	if r := f.verify(t, forged); !r.OK() {
		t.Errorf("a log signed anew, alone: %v", r.Problems)
	}
	if r := f.verify(t, forged, f.kept...); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "from entry 300 on") {
		t.Errorf("a log signed anew, beside the second place: %v", r.Problems)
	}
}

// TestStoredLog (attack 40): what is done to the log as it is stored is seen, and where; and
// the sequencer does not sign over it.
func TestStoredLog(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture)
		leaf   int64
		what   string
		stops  bool // the sequencer signs no more
	}{
		"changed":               {func(f *fixture) { f.entries["a"][7] = []byte(`{"id":"x","workspace":"a"}`) }, 7, "changed", false},
		"removed":               {func(f *fixture) { f.entries["a"][7] = nil }, 7, "missing", false},
		"cut":                   {func(f *fixture) { f.entries["a"] = f.entries["a"][:590] }, 590, "missing, of 600", true},
		"exchanged":             {func(f *fixture) { e := f.entries["a"]; e[300], e[301] = e[301], e[300] }, 300, "exchanged", false},
		"hashes of entries":     {func(f *fixture) { f.tiles["a0 1"] = slices.Repeat([]byte{7}, 8192) }, 256, "were changed, not the entry", false},
		"hashes at the edge":    {func(f *fixture) { f.tiles["a0 2"] = slices.Repeat([]byte{7}, len(f.tiles["a0 2"])) }, 0, "were changed, not the entry", true},
		"no hashes":             {func(f *fixture) { clear(f.tiles) }, 0, "were changed, not the entry", true},
		"checkpoints exchanged": {func(f *fixture) { f.heads["a"], f.heads["b"] = f.heads["b"], f.heads["a"] }, -1, "exchanged", true},
		"all gone": {func(f *fixture) {
			f.memory.entries, f.memory.heads = map[string][][]byte{"b": nil}, map[string][]byte{}
		}, 0, "checkpoint in the second place is of 600 entries", false},
		"another's signature": {func(f *fixture) {
			text, _ := NewKey()
			thief, _ := ParseKey(text)
			c, _ := f.public.Open(f.heads["a"])
			f.heads["a"], _ = thief.Sign(c)
		}, -1, "not signed with the key", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.grow(t, "a", 600)
			f.grow(t, "b", 3)
			c.change(f)
			r, err := Check{f.public, f.kept}.Log(t.Context(), f.memory, "a")
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() || r.Problems[0].Leaf != c.leaf || !strings.Contains(r.Problems[0].What, c.what) {
				t.Errorf("problems %v, want entry %d: %s", r.Problems, c.leaf, c.what)
			}
			if name == "all gone" {
				return
			}
			head := string(f.heads["a"])
			f.add("a", 3)
			err = f.seq.Once(t.Context())
			if c.stops != (err != nil) || c.stops && string(f.heads["a"]) != head {
				t.Errorf("afterwards the sequencer said %v", err)
			}
		})
	}
}

// TestWaiting: what is not signed yet is counted, and a hole in it is seen.
func TestWaiting(t *testing.T) {
	f := newFixture(t)
	f.grow(t, "a", 5)
	f.add("a", 5)
	if r, err := (Check{Key: f.public}).Log(t.Context(), f.memory, "a"); err != nil || !r.OK() || r.Waiting != 5 || r.Entries != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	f.entries["a"][7] = nil
	if r, err := (Check{Key: f.public}).Log(t.Context(), f.memory, "a"); err != nil || len(r.Problems) != 1 || r.Problems[0].Leaf != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := f.seq.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "entry 7 is not there") {
		t.Errorf("the sequencer said %v", err)
	}
}

// TestBundle: a bundle is some entries, each of which is proven.
func TestBundle(t *testing.T) {
	f := newFixture(t)
	f.grow(t, "a", 300)
	lines := f.export(t, "a")
	verify := func(lines []string) *Report {
		r, err := Check{f.public, f.kept}.Bundle(strings.NewReader(strings.Join(lines, "")))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	bundle := []string{lines[3], lines[256], lines[300]}
	if r := verify(bundle); !r.OK() || r.Entries != 2 || r.Size != 300 || r.Compared != 1 {
		t.Errorf("a bundle: %+v", r)
	}
	if r := f.verify(t, bundle); r.OK() {
		t.Error("a bundle passes as an export")
	}
	bundle[1] = strings.Replace(bundle[1], "id-a", "id-b", 1)
	if r := verify(bundle); len(r.Problems) != 1 || r.Problems[0].Leaf != 256 {
		t.Errorf("a changed bundle: %+v", r)
	}
}

// TestSignatureOtherwise: the same signature in other words of base64, and a
// second one beside it, are not what was signed.
func TestSignatureOtherwise(t *testing.T) {
	f := newFixture(t)
	f.grow(t, "a", 3)
	signed := strings.TrimSuffix(string(f.heads["a"]), "=\n")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := strings.IndexByte(alphabet, signed[len(signed)-1])
	thief := newFixture(t)
	thief.grow(t, "a", 1)
	_, second, _ := strings.Cut(string(thief.heads["a"]), "\n\n")
	for _, text := range []string{signed[:len(signed)-1] + alphabet[last+1:last+2] + "=\n", signed + "=\n" + second} {
		if c, err := f.public.Open([]byte(text)); err == nil {
			t.Errorf("opens as %v: %s", c, text)
		}
	}
}

// TestStrangeEntries: what was written into a log that it does not belong to is
// signed like all else, and seen.
func TestStrangeEntries(t *testing.T) {
	f := newFixture(t)
	f.entries["a"] = [][]byte{[]byte(`{"id":"x","workspace":"b"}`), []byte(`{}`)}
	f.grow(t, "a", 1)
	if r := f.verify(t, f.export(t, "a")); len(r.Problems) != 1 || r.Problems[0].Leaf != 0 || r.Problems[0].To != 1 || !strings.Contains(r.Problems[0].What, "no entry of workspace a") {
		t.Errorf("problems %v", r.Problems)
	}
}

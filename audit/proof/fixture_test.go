package proof

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

// memory is a log in memory.
type memory struct {
	entries map[string][][]byte
	heads   map[string][]byte
	sizes   map[string]int64
	tiles   map[string][]byte
}

func newMemory() *memory {
	return &memory{map[string][][]byte{}, map[string][]byte{}, map[string]int64{}, map[string][]byte{}}
}

func (m *memory) add(workspace string, n int) {
	for range n {
		i := len(m.entries[workspace])
		m.entries[workspace] = append(m.entries[workspace], fmt.Appendf(nil, `{"v":1,"id":"id-%s-%d","workspace":"%s","message":"<&\u2028 %d"}`, workspace, i, workspace, i*i))
	}
}

func (m *memory) Heads(context.Context) (heads []Head, _ error) {
	for name, entries := range m.entries {
		heads = append(heads, Head{name, int64(len(entries)), m.heads[name]})
	}
	slices.SortFunc(heads, func(a, b Head) int { return strings.Compare(a.Workspace, b.Workspace) })
	return heads, nil
}

func (m *memory) Leaves(_ context.Context, workspace string, from int64, limit int) (leaves []Leaf, _ error) {
	for i := from; i < int64(len(m.entries[workspace])) && len(leaves) < limit; i++ {
		if e := m.entries[workspace][i]; e != nil { // nil was removed
			leaves = append(leaves, Leaf{i, e})
		}
	}
	return leaves, nil
}

func (m *memory) Tile(_ context.Context, workspace string, level int, n int64) ([]byte, error) {
	return m.tiles[fmt.Sprint(workspace, level, n)], nil
}

func (m *memory) Advance(_ context.Context, workspace string, old, size int64, checkpoint []byte, tiles []Tile) (bool, error) {
	if m.sizes[workspace] != old {
		return false, nil
	}
	m.sizes[workspace], m.heads[workspace] = size, checkpoint
	for _, t := range tiles {
		m.tiles[fmt.Sprint(workspace, t.Level, t.N)] = t.Hashes
	}
	return true, nil
}

// fixture is a log with its keys and what the second place has of it.
type fixture struct {
	*memory
	key    Key
	public PublicKey
	kept   []Checkpoint
	seq    *Sequencer
}

func newFixture(t fataler) *fixture {
	text, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return keyed(t, text)
}

type fataler interface {
	Fatal(...any)
}

func keyed(t fataler, text string) *fixture {
	key, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{memory: newMemory(), key: key, public: public}
	f.seq = &Sequencer{Log: f.memory, Key: func(context.Context, bool) (Key, error) { return key, nil }, Signed: func(signed []byte) error {
		c, err := public.Open(signed)
		f.kept = append(f.kept, c)
		return err
	}}
	return f
}

// grow adds entries and signs.
func (f *fixture) grow(t fataler, workspace string, n int) {
	f.add(workspace, n)
	if err := f.seq.Once(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// export returns the export of a workspace as lines with their newlines.
func (f *fixture) export(t fataler, workspace string) []string {
	x, err := NewExporter(context.Background(), f.memory, workspace, f.public)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := x.All(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(b.String()))
}

// verify verifies lines, compared with the second place.
func (f *fixture) verify(t fataler, lines []string, kept ...Checkpoint) *Report {
	r, err := Check{f.public, kept}.Export(strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

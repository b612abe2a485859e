package proof

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// An export is lines of JSON. Each but the last is an entry with its number in
// the log and the hashes that prove it under the checkpoint (RFC 6962, 2.1.1):
//
//	{"leaf":17,"entry":{…},"proof":["…"]}
//	{"checkpoint":"…"}
//
// The bytes of an entry stand as they were hashed. An export of some entries is
// written alike; that is a bundle.

// A Line is one entry of an export.
type Line struct {
	Leaf  int64
	Entry []byte
	Proof tlog.RecordProof
}

// append appends the line as it is written.
func (l Line) append(b []byte) []byte {
	b = append(b, `{"leaf":`...)
	b = strconv.AppendInt(b, l.Leaf, 10)
	b = append(b, `,"entry":`...)
	b = append(b, l.Entry...)
	b = append(b, `,"proof":[`...)
	for i, h := range l.Proof {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '"')
	}
	return append(b, ']', '}')
}

// appendCheckpoint appends the last line as it is written.
func appendCheckpoint(b, signed []byte) []byte {
	text, _ := marshal(string(signed)) // text can be written
	return append(append(append(b, `{"checkpoint":`...), text...), '}')
}

// marshal is json.Marshal without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// errLine is what is wrong with a line that this package did not write.
var errLine = errors.New("is not as an export writes it: it was changed")

// parseLine reads a line of an export, without its newline: an entry, or the
// signed checkpoint. It takes nothing but what append writes.
func parseLine(text []byte) (l Line, signed []byte, err error) {
	var raw struct {
		Leaf       *int64           `json:"leaf"`
		Entry      json.RawMessage  `json:"entry"`
		Proof      tlog.RecordProof `json:"proof"`
		Checkpoint *string          `json:"checkpoint"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return Line{}, nil, errLine
	}
	var again []byte
	switch {
	case raw.Checkpoint != nil:
		signed = []byte(*raw.Checkpoint)
		again = appendCheckpoint(nil, signed)
	case raw.Leaf != nil && len(raw.Proof) <= 64:
		l = Line{Leaf: *raw.Leaf, Entry: raw.Entry, Proof: raw.Proof}
		again = l.append(make([]byte, 0, len(text)))
	}
	if !bytes.Equal(again, text) {
		return Line{}, nil, errLine
	}
	return l, signed, nil
}

// An Exporter reads entries of one workspace with their proofs.
type Exporter struct {
	log       Log
	workspace string
	signed    []byte
	size      int64
	hashes    *nodes
}

// errNotSigned is for a workspace that has no log yet.
var errNotSigned = errors.New("has no signed entries yet; those of the last second are about to be signed, if the server runs")

// NewExporter returns an exporter of what is signed now.
func NewExporter(ctx context.Context, log Log, workspace string, key PublicKey) (*Exporter, error) {
	heads, err := log.Heads(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(heads, func(h Head) bool { return h.Workspace == workspace })
	if at < 0 || heads[at].Checkpoint == nil {
		return nil, fmt.Errorf("workspace %s %w", workspace, errNotSigned)
	}
	c, err := key.Open(heads[at].Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", workspace, err)
	}
	return &Exporter{log, workspace, heads[at].Checkpoint, c.Size,
		newNodes(func(level int, n int64) ([]byte, error) { return log.Tile(ctx, workspace, level, n) })}, nil
}

// Size is how many entries are signed.
func (x *Exporter) Size() int64 { return x.size }

// Line returns an entry with its proof.
func (x *Exporter) Line(e Leaf) (Line, error) {
	p, err := tlog.ProveRecord(x.size, e.N, x.hashes)
	if err != nil {
		return Line{}, fmt.Errorf("prove entry %d: %w", e.N, err)
	}
	return Line{e.N, e.Entry, p}, nil
}

// All writes an export of all entries that are signed.
func (x *Exporter) All(ctx context.Context, w io.Writer) error {
	for next := int64(0); next < x.size; {
		entries, err := x.log.Leaves(ctx, x.workspace, next, int(min(1000, x.size-next)))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.N != next {
				break
			}
			if err := x.Write(w, e); err != nil {
				return err
			}
			next++
		}
		if len(entries) == 0 || entries[len(entries)-1].N >= next {
			return fmt.Errorf("entry %d of workspace %s is not in the database; salesforce-mcp audit verify says more", next, x.workspace)
		}
	}
	return x.End(w)
}

// Write writes an entry.
func (x *Exporter) Write(w io.Writer, e Leaf) error {
	l, err := x.Line(e)
	if err != nil {
		return err
	}
	_, err = w.Write(append(l.append(nil), '\n'))
	return err
}

// End writes the checkpoint.
func (x *Exporter) End(w io.Writer) error {
	_, err := w.Write(append(appendCheckpoint(nil, x.signed), '\n'))
	return err
}

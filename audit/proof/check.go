package proof

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Check is what a log is verified against.
type Check struct {
	Key  PublicKey
	Kept []Checkpoint // those of the second place, of this log and others
}

// maxLine bounds a line of an export. The largest entry is a few MiB.
const maxLine = 32 << 20

// Export verifies an export of all entries of a workspace. The error says what
// cannot be read; what is wrong with the log is in the report.
func (c Check) Export(r io.ReadSeeker) (*Report, error) { return c.lines(r, false) }

// Bundle verifies an export of some entries: that each of them is in the log, and
// not which others are.
func (c Check) Bundle(r io.ReadSeeker) (*Report, error) { return c.lines(r, true) }

func (c Check) lines(r io.ReadSeeker, some bool) (*Report, error) {
	report := &Report{Key: c.Key.String()}
	tail, err := last(r)
	if err != nil {
		return nil, err
	}
	l, signed, err := parseLine(bytes.TrimSuffix(tail, []byte("\n")))
	if err != nil || signed == nil || !bytes.HasSuffix(tail, []byte("\n")) {
		p := Problem{Leaf: -1, What: "there is no checkpoint at the end: it was cut off, or the last line changed"}
		if err == nil && signed == nil {
			p.Leaf, p.What = l.Leaf+1, fmt.Sprintf("the export ends after entry %d, without a checkpoint: it was cut off", l.Leaf)
		}
		report.add(p)
		return report, nil
	}
	checkpoint, err := c.Key.Open(signed)
	if err != nil {
		report.add(Problem{Leaf: -1, What: err.Error()})
		return report, nil
	}
	v := newVerifier(report, checkpoint, c.Kept)
	v.some = some
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	s.Split(wholeLines)
	ended := 0
	for n := 1; s.Scan(); n++ {
		l, signed, err := parseLine(s.Bytes())
		switch {
		case err != nil:
			report.add(Problem{Line: n, Leaf: v.next, What: err.Error()})
		case signed == nil:
			v.entry(n, l)
		default:
			if ended++; ended > 1 || !bytes.Equal(appendCheckpoint(nil, signed), bytes.TrimSuffix(tail, []byte("\n"))) {
				report.add(Problem{Line: n, Leaf: -1, What: "there is another checkpoint than the one at the end: lines were added"})
			}
		}
	}
	if err := s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			report.add(Problem{Leaf: v.next, What: "the line is longer than any entry: it was changed"})
			return report, nil
		}
		return nil, err
	}
	v.end()
	return report, nil
}

// wholeLines splits into lines, and keeps a carriage return: no line of ours has
// one.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// last returns the last line, and goes back to the beginning. Of a line that is
// longer than a checkpoint it returns the end only.
func last(r io.ReadSeeker) ([]byte, error) {
	const most = 1 << 20
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	from := max(0, end-most)
	if _, err := r.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	tail, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return tail[1+bytes.LastIndexByte(bytes.TrimSuffix(tail, []byte("\n")), '\n'):], nil
}

// Log verifies the log of a workspace as it is stored.
func (c Check) Log(ctx context.Context, log Log, workspace string) (*Report, error) {
	report := &Report{Key: c.Key.String()}
	heads, err := log.Heads(ctx)
	if err != nil {
		return nil, err
	}
	signed := Checkpoint{Origin: c.Key.Origin(workspace), Root: (&frontier{}).root()}
	x := &Exporter{hashes: newNodes(func(level int, n int64) ([]byte, error) { return log.Tile(ctx, workspace, level, n) })}
	if at := slices.IndexFunc(heads, func(h Head) bool { return h.Workspace == workspace }); at >= 0 && heads[at].Checkpoint != nil {
		opened, err := c.Key.Open(heads[at].Checkpoint)
		switch {
		case err != nil:
			report.add(Problem{Leaf: -1, What: err.Error()})
		case opened.Origin != signed.Origin:
			report.add(Problem{Leaf: -1, What: fmt.Sprintf("the checkpoint is of the log %s: those of two workspaces were exchanged", opened.Origin)})
		default:
			signed = opened
		}
		if !report.OK() {
			report.Workspace = workspace
			return report, nil
		}
	}
	x.size = signed.Size
	v := newVerifier(report, signed, c.Kept)
	waiting := signed.Size // the entry that waits next
	for next := int64(0); ; {
		leaves, err := log.Leaves(ctx, workspace, next, 1000)
		if err != nil {
			return nil, err
		}
		if len(leaves) == 0 {
			break
		}
		for _, e := range leaves {
			next = e.N + 1
			if e.N < signed.Size {
				l, err := x.Line(e)
				if err != nil {
					l = Line{Leaf: e.N, Entry: e.Entry} // the stored hashes are damaged, which the report says
				}
				v.entry(0, l)
				continue
			}
			if e.N > waiting {
				report.add(span{waiting, e.N}.missing("missing, of the entries that are not signed yet"))
			}
			waiting = e.N + 1
			report.Waiting++
		}
	}
	v.end()
	return report, nil
}

// A kept checkpoint is a line of the second place.
type kept struct {
	Time       string `json:"time"` // when it was written
	Checkpoint string `json:"checkpoint"`
}

// ReadCheckpoints reads what was kept in a second place: lines that
// [KeptLine] made, or one signed note. What is not signed with the key is a
// problem; a line that a crash cut short is left out.
func ReadCheckpoints(r io.Reader, key PublicKey) (all []Checkpoint, problems []Problem, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(text, []byte("{")) && len(bytes.TrimSpace(text)) > 0 {
		c, err := key.OpenKept(text)
		if err != nil {
			return nil, []Problem{{Leaf: -1, What: "the second place: " + err.Error()}}, nil
		}
		return []Checkpoint{c}, nil, nil
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		var k kept
		if json.Unmarshal(line, &k) != nil {
			continue
		}
		c, err := key.OpenKept([]byte(k.Checkpoint))
		if err != nil {
			problems = append(problems, Problem{Line: n, Leaf: -1, What: "the second place: " + err.Error()})
			continue
		}
		all = append(all, c)
	}
	return all, problems, nil
}

// KeptLine is a checkpoint as a line of the second place, with its newline.
func KeptLine(at string, signed []byte) []byte {
	b, _ := marshal(kept{at, string(signed)}) // strings can be written
	return append(b, '\n')
}

package trail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
)

// A Verifier verifies logs as they are stored, in bounded memory.
type Verifier struct {
	Log interface {
		proof.Log
		Misfiled(ctx context.Context, workspace string, limit int) ([]proof.Problem, error)
	}
	Secrets     secrets.Store
	Checkpoints string // file of the second place; "" is none

	most int // of its checkpoints, those that are compared; 0 is mostCheckpoints
}

// A Finding is what came of a verification.
type Finding struct {
	Report     *proof.Report   `json:"report"`
	SecondHas  int             `json:"secondHas"`          // checkpoints of this log in the second place
	SecondRead int             `json:"secondRead"`         // of them, those that were compared
	Problems   []proof.Problem `json:"problems,omitempty"` // of the second place
	More       int             `json:"more,omitempty"`     // of them that are not listed
	Failed     string          `json:"failed,omitempty"`   // why nothing came of it
}

// OK reports whether nothing is wrong.
func (f *Finding) OK() bool {
	return f.Failed == "" && len(f.Problems) == 0 && f.Report != nil && f.Report.OK()
}

// Verify verifies the log of a workspace. It tells how many entries it has looked at, from
// time to time, and ends when that returns an error.
func (v *Verifier) Verify(ctx context.Context, workspace string, looked func(entries int64) error) (*Finding, error) {
	key, err := Key(ctx, v.Secrets)
	if err != nil {
		return nil, err
	}
	public, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	f := &Finding{}
	check := proof.Check{Key: public}
	if v.Checkpoints != "" {
		if err := v.second(workspace, public, f, &check); err != nil {
			return nil, err
		}
	}
	if f.Report, err = check.Log(ctx, watched{v.Log, looked}, workspace); err != nil {
		return nil, err
	}
	misfiled, err := v.Log.Misfiled(ctx, workspace, 100)
	if err != nil {
		return nil, err
	}
	f.Report.Problems = append(f.Report.Problems, misfiled...)
	return f, nil
}

// watched is a log that tells how far it was read.
type watched struct {
	proof.Log
	looked func(int64) error
}

// Leaves implements [proof.Log].
func (w watched) Leaves(ctx context.Context, workspace string, from int64, limit int) ([]proof.Leaf, error) {
	if err := w.looked(from); err != nil {
		return nil, err
	}
	return w.Log.Leaves(ctx, workspace, from, limit)
}

// mostCheckpoints bounds the checkpoints of a second place that are compared, and
// mostProblems the problems of it that are listed. There may be 170,000 a day.
const (
	mostCheckpoints = 20_000
	mostProblems    = 20
)

// second reads the second place: of a log with more checkpoints than are compared, every
// nth and the last.
func (v *Verifier) second(workspace string, key proof.PublicKey, f *Finding, check *proof.Check) error {
	problem := func(p proof.Problem) {
		if len(f.Problems) >= mostProblems {
			f.More++
			return
		}
		f.Problems = append(f.Problems, p)
	}
	file, err := os.Open(v.Checkpoints)
	if errors.Is(err, fs.ErrNotExist) {
		problem(proof.Problem{Leaf: -1, What: "the file of checkpoints " + v.Checkpoints + " is not there"})
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	origin := []byte(key.Origin(workspace) + "\n")
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	most := cmp.Or(v.most, mostCheckpoints)
	ours := []byte(key.Origin(""))
	every, any, n := 1, false, 0
	open := func(note []byte, n int) {
		c, err := key.OpenKept(note)
		if err != nil {
			problem(proof.Problem{Line: n, Leaf: -1, What: "the second place: " + err.Error()})
			return
		}
		check.Kept = append(check.Kept, c)
	}
	var passed []byte // the last one, if it was left out
	for lines.Scan() {
		n++
		var line struct{ Checkpoint string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // a crash has cut it short
		}
		any = true
		note := []byte(line.Checkpoint)
		if !bytes.HasPrefix(note, ours) {
			problem(proof.Problem{Line: n, Leaf: -1, What: "the second place: it is a checkpoint of another trail"})
		}
		if !bytes.HasPrefix(note, origin) {
			continue // of another workspace
		}
		if f.SecondHas++; f.SecondHas%every != 0 {
			passed = note
			continue
		}
		passed = nil
		open(note, n)
		if len(check.Kept) >= most {
			every *= 2
			kept := check.Kept[:0]
			for i := 1; i < most; i += 2 {
				kept = append(kept, check.Kept[i])
			}
			check.Kept = kept
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", v.Checkpoints, err)
	}
	if passed != nil { // the last one says the most
		open(passed, n)
	}
	if f.SecondRead = len(check.Kept); !any {
		problem(proof.Problem{Leaf: -1, What: "the file of checkpoints " + v.Checkpoints + " has none"})
	}
	return nil
}

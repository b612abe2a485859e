package trail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/audit/proof"
)

// A File is where entries are written as lines of JSON, for programs that collect
// them. It is written at least once: after a crash the last entries may stand
// there twice, with the same id.
type File struct {
	Path string
	// MaxBytes is the size from which on the file is put aside, under its name
	// and the time, and a new one begun. 0 is 100 MB.
	MaxBytes int64
	// Keep is how many of those put aside are kept; the oldest are removed. 0 is
	// 10.
	Keep int
}

// Sink is the sink that writes the file. Entries have arrived when they are on
// disk.
func (f *File) Sink() *Sink {
	return &Sink{Name: "file", What: "write the audit file", Batch: 500, Send: func(_ context.Context, _ string, entries []proof.Leaf) (int, error) {
		var lines []byte
		for _, e := range entries {
			lines = append(append(lines, e.Entry...), '\n')
		}
		if err := f.write(lines); err != nil {
			return 0, err
		}
		return len(entries), nil
	}}
}

// Check looks whether the folder of the file is there.
func (f *File) Check(context.Context) error {
	info, err := os.Stat(filepath.Dir(f.Path))
	if err == nil && !info.IsDir() {
		err = fs.ErrInvalid
	}
	return err
}

// write adds whole lines to the file, on disk when it returns.
func (f *File) write(lines []byte) error {
	if err := f.rotate(); err != nil {
		return err
	}
	return appendLines(f.Path, lines)
}

// rotate puts the file aside if it is large enough.
func (f *File) rotate() error {
	most, keep := f.MaxBytes, f.Keep
	if most == 0 {
		most = 100_000_000
	}
	if keep == 0 {
		keep = 10
	}
	info, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() < most {
		return err
	}
	ext := filepath.Ext(f.Path)
	base := strings.TrimSuffix(f.Path, ext) + "-"
	if err := os.Rename(f.Path, base+time.Now().UTC().Format("20060102T150405.000000000Z")+ext); err != nil {
		return err
	}
	old, err := filepath.Glob(quoteGlob.Replace(base) + "????????T??????.?????????Z" + ext)
	if err != nil {
		return err
	}
	slices.Sort(old) // by time
	for len(old) > keep {
		if err := os.Remove(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	return nil
}

// quoteGlob quotes what a pattern reads as one.
var quoteGlob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

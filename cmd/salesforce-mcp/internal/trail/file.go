package trail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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

const (
	sinkName  = "file"
	fileBatch = 500 // entries that are written at a time
)

// once writes what is new. Entries count as written when they are on disk.
func (f *File) once(ctx context.Context, store Store) error {
	heads, err := store.Heads(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, h := range heads {
		if err := f.workspace(ctx, store, h.Workspace, h.Entries); err != nil {
			problems = append(problems, fmt.Errorf("entries of workspace %s: %w", h.Workspace, err))
		}
	}
	return errors.Join(problems...)
}

func (f *File) workspace(ctx context.Context, store Store, workspace string, entries int64) error {
	next, err := store.Exported(ctx, sinkName, workspace)
	if err != nil {
		return err
	}
	for next < entries {
		leaves, err := store.Leaves(ctx, workspace, next, fileBatch)
		if err != nil || len(leaves) == 0 {
			return err
		}
		var lines []byte
		for _, l := range leaves {
			lines = append(append(lines, l.Entry...), '\n')
			next = l.N + 1
		}
		if err := f.write(lines); err != nil {
			return err
		}
		if err := store.SetExported(ctx, sinkName, workspace, next); err != nil {
			return err
		}
	}
	return nil
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

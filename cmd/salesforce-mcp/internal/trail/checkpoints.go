package trail

import (
	"errors"
	"fmt"
	"os"
	"time"

	"salesforce-mcp/audit/proof"
)

// keep adds a checkpoint to the file of the second place.
func (t *Trail) keep(signed []byte) error { return KeepCheckpoint(t.Checkpoints, signed) }

// KeepCheckpoint adds a checkpoint to a file.
func KeepCheckpoint(file string, signed []byte) error {
	if err := appendLines(file, proof.KeptLine(time.Now().UTC().Format(time.RFC3339), signed)); err != nil {
		return fmt.Errorf("keep the checkpoint in the second place: %w", err)
	}
	return nil
}

// appendLines adds whole lines to a file, on disk when it returns. The file is
// opened anew each time, so that it may be moved away. What a crash or a full disk
// left of a line is ended first, and stays a line that readers leave out.
func appendLines(name string, lines []byte) (err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte("\n"), lines...)
		}
	}
	if _, err := file.Write(lines); err != nil {
		return err
	}
	return file.Sync()
}

package trail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"salesforce-mcp/audit/proof"
)

// keep adds a checkpoint to the file of the second place, on disk when it
// returns. The file is opened anew each time, so that it may be moved away. What
// a crash left of a line is cut off first.
func (t *Trail) keep(signed []byte) (err error) {
	file, err := os.OpenFile(t.Checkpoints, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep the checkpoint in the second place: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := endOfLines(file)
	if err != nil {
		return fmt.Errorf("keep the checkpoint in the second place: %w", err)
	}
	if _, err := file.WriteAt(proof.KeptLine(time.Now().UTC().Format(time.RFC3339), signed), end); err != nil {
		return fmt.Errorf("keep the checkpoint in the second place: %w", err)
	}
	return file.Sync()
}

// endOfLines cuts off what follows the last newline and returns the size.
func endOfLines(file *os.File) (int64, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return 0, err
	}
	const most = 64 << 10
	from := max(0, end-most)
	tail := make([]byte, end-from)
	if _, err := file.ReadAt(tail, from); err != nil {
		return 0, err
	}
	whole := from + int64(bytes.LastIndexByte(tail, '\n')) + 1
	if whole == end {
		return end, nil
	}
	if whole == from && from > 0 {
		return 0, errors.New("the file does not consist of lines")
	}
	return whole, file.Truncate(whole)
}

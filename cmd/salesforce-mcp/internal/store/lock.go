package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// errLocked is what lockFile returns when another process holds the lock.
var errLocked = errors.New("is locked")

// own takes the lock file for this process and writes the process's id into
// it. The lock is the operating system's: it goes with the process, however
// that ends, and a file left behind locks nobody out.
func own(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock file %s: %w", lockName, cause(err))
	}
	if err := lockFile(file); err != nil {
		defer file.Close()
		if errors.Is(err, errLocked) {
			return nil, &inUse{owner(file)}
		}
		return nil, fmt.Errorf("lock file %s: %w", lockName, err)
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock file %s: %w", lockName, cause(err)), file.Close())
	}
	return file, nil
}

// inUse is errLocked for the person who starts a second server.
type inUse struct{ owner string }

func (e *inUse) Error() string {
	return fmt.Sprintf("is in use by another salesforce-mcp%s: stop that one, or give this one a data folder of its own (data, or SALESFORCE_MCP_DATA)", e.owner)
}

func (e *inUse) Unwrap() error { return errLocked }

// sign writes this process's id into the lock file.
func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// owner names the process that holds the lock, as far as the file tells.
func owner(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 20))
	pid, notNumber := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || notNumber != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

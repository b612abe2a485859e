package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// masterSize is how many bytes a master key has: AES-256.
const masterSize = 32

// A Master is a key that seals data keys. It prints as dots.
type Master struct{ key [masterSize]byte }

// NewMaster makes a master key.
func NewMaster() Master {
	var m Master
	_, _ = rand.Read(m.key[:]) // never fails
	return m
}

// ID tells the key from others and shows nothing of it.
func (m Master) ID() string {
	sum := sha256.Sum256(append([]byte("salesforce-mcp master key "), m.key[:]...))
	return hex.EncodeToString(sum[:8])
}

// Format prints dots, since fmt would print the key.
func (Master) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "•••") }

func (m Master) newDataKey(workspace string) DataKey {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return m.sealDataKey(workspace, raw[:])
}

func (m Master) sealDataKey(workspace string, raw []byte) DataKey {
	sealed := aead(m.key[:]).Seal(nil, nil, raw, place("data key", workspace, "", 0)) //nolint:gosec // G407: the nonce is made inside
	return DataKey{Workspace: workspace, KeyID: m.ID(), Sealed: sealed}
}

// open opens a data key with the master that sealed it.
func open(masters []Master, k DataKey) ([]byte, error) {
	for _, m := range masters {
		if m.ID() != k.KeyID {
			continue
		}
		raw, err := aead(m.key[:]).Open(nil, nil, k.Sealed, place("data key", k.Workspace, "", 0))
		if err != nil {
			return nil, &Unavailable{Why: fmt.Sprintf("the data key of workspace %s cannot be opened: the database was changed", k.Workspace)}
		}
		return raw, nil
	}
	return nil, &Unavailable{Why: fmt.Sprintf("the secrets of workspace %s were sealed with the master key %s, which is not given; give the file or the variable it was in", k.Workspace, k.KeyID)}
}

// ParseMasters reads master keys as a file or the environment has them: 32 bytes
// each in base64, with blanks, commas or lines between, the one that seals
// first.
func ParseMasters(text string) ([]Master, error) {
	var masters []Master
	for i, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) }) {
		raw, err := base64.StdEncoding.DecodeString(word)
		if err != nil || len(raw) != masterSize {
			return nil, fmt.Errorf("master key %d must be %d bytes in base64; make one with: salesforce-mcp keys new", i+1, masterSize)
		}
		masters = append(masters, Master{[masterSize]byte(raw)})
	}
	if masters == nil {
		return nil, errors.New("there is no master key; make one with: salesforce-mcp keys new")
	}
	return masters, nil
}

// FormatMasters writes master keys, a line each, as ParseMasters reads them.
func FormatMasters(masters []Master) []byte {
	var b bytes.Buffer
	for _, m := range masters {
		b.WriteString(base64.StdEncoding.EncodeToString(m.key[:]) + "\n")
	}
	return b.Bytes()
}

// ReadMasters reads the file of master keys. A file that others than its owner
// can read is refused. The error is fs.ErrNotExist when there is no file.
func ReadMasters(file string) ([]Master, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("master key file %s: others can read it (mode %04o); make it readable for its owner only: chmod 600 %[1]s", file, info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	masters, err := ParseMasters(string(text))
	if err != nil {
		return nil, fmt.Errorf("master key file %s: %w", file, err)
	}
	return masters, nil
}

// WriteMasters replaces the file of master keys, which only its owner can read.
// Whoever reads it meanwhile, or after a crash, reads the old one or the new one.
func WriteMasters(file string, masters []Master) error { return write(file, masters, os.Rename) }

// write writes the file beside its place, and then puts it there.
func write(file string, masters []Master, put func(from, to string) error) (err error) {
	next, err := os.CreateTemp(filepath.Dir(file), ".master-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("master key file: %w", err)
	}
	defer func() {
		if gone := os.Remove(next.Name()); err != nil || !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		if err != nil {
			err = fmt.Errorf("master key file: %w", err)
		}
	}()
	if _, err := next.Write(FormatMasters(masters)); err != nil {
		return errors.Join(err, next.Close())
	}
	if err := errors.Join(next.Sync(), next.Close()); err != nil {
		return err
	}
	if err := put(next.Name(), file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// syncFolder makes sure that a new name in a folder outlives a power failure:
// what the key seals must never be on the disk before the key.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such thing
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// RotateFile puts a new master key in front of those in a file, seals all data
// keys with it, and takes the other ones out of the file. It returns how many
// data keys there are. Servers that run meanwhile read the file again when they
// need a master key.
//
// At every moment, and so after every crash, the keys in the file open all data
// keys: each change of the file is made while nobody can change data keys, the
// new master key is on the disk before anything that it seals, and an old one
// goes when it seals nothing any more. Whoever comes after a crash takes out
// what that has left.
func RotateFile(ctx context.Context, rows Rows, file string) (int, error) {
	n := 0
	err := changeDataKeys(ctx, rows, func(all []DataKey) ([]DataKey, error) {
		masters, err := ReadMasters(file)
		if err != nil {
			return nil, err
		}
		if err := openable(masters, all); err != nil {
			return nil, err
		}
		n, masters = len(all), append([]Master{NewMaster()}, masters...)
		if err := WriteMasters(file, masters); err != nil {
			return nil, err
		}
		return sealAnew(masters, all)
	})
	if err != nil {
		return 0, err
	}
	return n, dropUnused(ctx, rows, file)
}

// dropUnused takes the master keys out of a file that seal nothing any more and
// are not the first.
func dropUnused(ctx context.Context, rows Rows, file string) error {
	return changeDataKeys(ctx, rows, func(all []DataKey) ([]DataKey, error) {
		masters, err := ReadMasters(file)
		if err != nil {
			return nil, err
		}
		used := masters[:1]
		for _, m := range masters[1:] {
			if slices.ContainsFunc(all, func(k DataKey) bool { return k.KeyID == m.ID() }) {
				used = append(used, m)
			}
		}
		return nil, WriteMasters(file, used)
	})
}

// Keys gives the master keys. The first of them seals, the others only open what
// they have sealed before. First says that nothing has been sealed yet, so that
// the first master key may be made now.
type Keys func(first bool) ([]Master, error)

// FixedKeys are master keys that do not change while the process lives.
func FixedKeys(masters ...Master) Keys {
	return func(bool) ([]Master, error) { return masters, nil }
}

// FileKeys reads the master keys from a file each time. It makes the file when
// there is none and nothing has been sealed yet; made is told of that.
func FileKeys(file string, made func(file string)) Keys {
	return func(first bool) ([]Master, error) {
		masters, err := ReadMasters(file)
		switch {
		case err == nil || !errors.Is(err, fs.ErrNotExist):
			return masters, err
		case !first:
			return nil, fmt.Errorf("master key file %s is not there, and the database has secrets that it opens; bring the file back", file)
		}
		masters = []Master{NewMaster()}
		err = write(file, masters, os.Link) // which leaves the file of a process that was faster
		if errors.Is(err, fs.ErrExist) {
			return ReadMasters(file)
		}
		if err != nil {
			return nil, err
		}
		made(file)
		return masters, nil
	}
}

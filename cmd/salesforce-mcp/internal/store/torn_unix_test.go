//go:build unix

package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// rounds is how often a test does something at random: n times, or as often as
// TORN_ROUNDS says, for a run by hand.
func rounds(t *testing.T, n int) int {
	if text := os.Getenv("TORN_ROUNDS"); text != "" {
		more, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	return n
}

// A moment is the state after something was acknowledged: how long the WAL was,
// and how many entries there were.
type moment struct {
	wal     int64
	entries int
}

// tornDisk is a database as a disk had it: with all that was written still in the
// WAL, and what was acknowledged when.
type tornDisk struct {
	db, wal  []byte
	lines    []string
	recorded []moment
	signed   []moment
	kept     []proof.Checkpoint
}

func newTornDisk(t *testing.T) *tornDisk {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0"); err != nil {
		t.Fatal(err)
	}
	j := journal(t, s)
	d := &tornDisk{}
	walName := filepath.Join(dir, databaseName+"-wal")
	now := func() moment {
		info, err := os.Stat(walName)
		if err != nil {
			t.Fatal(err)
		}
		return moment{info.Size(), len(d.lines)}
	}
	for i := range 60 {
		intent, err := j.Begin(t.Context(), call())
		if err != nil {
			t.Fatal(err)
		}
		d.lines = append(d.lines, "")
		d.recorded = append(d.recorded, now())
		if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
			t.Fatal(err)
		}
		d.lines = append(d.lines, "")
		d.recorded = append(d.recorded, now())
		if i%10 == 5 {
			signLog(t, s)
			heads, err := s.Heads(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c, err := testPublic(t).Open(heads[0].Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			d.kept, d.signed = append(d.kept, c), append(d.signed, now())
		}
	}
	leaves, err := s.Leaves(t.Context(), "demo", 0, 1000)
	if err != nil || len(leaves) != len(d.lines) {
		t.Fatal(len(leaves), err)
	}
	for i, l := range leaves {
		d.lines[i] = string(l.Entry)
	}
	for name, to := range map[string]*[]byte{databaseName: &d.db, databaseName + "-wal": &d.wal} {
		if *to, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// open opens a database from what a disk has of it. Opened is false when the store
// says that it cannot; then nothing is wrong. Otherwise it returns how many of the
// entries are there, the first ones and each as it was, and what verification says.
func (d *tornDisk) open(t *testing.T, db, wal []byte) (opened bool, entries int, others bool, r *proof.Report) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{databaseName: db, databaseName + "-wal": wal} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		return false, 0, false, nil
	}
	defer s.Close()
	leaves, err := s.Leaves(t.Context(), "demo", 0, 1000)
	if err != nil {
		return false, 0, false, nil
	}
	r, err = proof.Check{Key: testPublic(t), Kept: d.kept}.Log(t.Context(), s, "demo")
	if err != nil {
		return false, 0, false, nil
	}
	misfiled, err := s.Misfiled(t.Context(), "demo", 100)
	if err != nil {
		return false, 0, false, nil
	}
	r.Problems = append(r.Problems, misfiled...)
	for i, l := range leaves {
		if i >= len(d.lines) || l.N != int64(i) || string(l.Entry) != d.lines[i] {
			return true, i, true, r
		}
	}
	return true, len(leaves), false, r
}

// before returns how many entries were acknowledged when the WAL had at most that
// length.
func before(moments []moment, wal int64) (n int) {
	for _, m := range moments {
		if m.wal <= wal {
			n = m.entries
		}
	}
	return n
}

// TestTornWAL (promise P11): wherever the WAL ends, all that was acknowledged before
// is there, and nothing else; that something signed is missing is seen.
func TestTornWAL(t *testing.T) {
	d := newTornDisk(t)
	const header, frame = 32, 24 + 4096
	var cuts []int64
	frames := (int64(len(d.wal)) - header) / frame
	n := rounds(t, 20)
	for i := range frames {
		if n > 20 || i%max(frames/20, 1) == 0 {
			cuts = append(cuts, header+i*frame)
		}
	}
	for range n {
		cuts = append(cuts, rand.Int64N(int64(len(d.wal)+1)))
	}
	reported := 0
	for _, cut := range cuts {
		opened, entries, others, r := d.open(t, d.db, d.wal[:cut])
		switch want := before(d.recorded, cut); {
		case !opened:
			reported++
		case entries < want || others:
			t.Errorf("cut at %d: %d entries, %d were acknowledged", cut, entries, want)
		case r.OK() != (int64(entries) >= d.kept[len(d.kept)-1].Size && before(d.signed, cut) == d.signed[len(d.signed)-1].entries):
			t.Errorf("cut at %d: %d entries, verified %v: %v", cut, entries, r.OK(), r.Problems)
		}
	}
	t.Logf("%d places of %d frames, %d databases did not open", len(cuts), frames, reported)
	if reported == len(cuts) {
		t.Error("none opened")
	}
}

// TestRottenDisk (promise P11): bytes that change in the WAL lose what comes after
// them, as a cut does; bytes that change in the database are seen, where they are
// not in what nobody reads. Verification never says that all is well when it is
// not, for what is signed.
func TestRottenDisk(t *testing.T) {
	d := newTornDisk(t)
	whole := bytes.Clone(d.db) // with everything in it
	func() {
		dir := t.TempDir()
		for name, text := range map[string][]byte{databaseName: d.db, databaseName + "-wal": d.wal} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(t.Context(), dir)
		if err == nil {
			err = s.Close() // folds the WAL in
		}
		if err != nil {
			t.Fatal(err)
		}
		if whole, err = os.ReadFile(filepath.Join(dir, databaseName)); err != nil {
			t.Fatal(err)
		}
	}()
	reported, found, unread := 0, 0, 0
	for i := range rounds(t, 40) {
		db, wal := bytes.Clone(d.db), bytes.Clone(d.wal)
		inWAL := i%2 == 0
		at := 0
		if inWAL {
			at = rand.IntN(len(wal))
			wal[at] ^= byte(1 + rand.IntN(255))
		} else {
			db, wal = bytes.Clone(whole), nil
			at = rand.IntN(len(db))
			db[at] ^= byte(1 + rand.IntN(255))
		}
		opened, entries, _, r := d.open(t, db, wal)
		switch {
		case !opened:
			reported++
		case !r.OK():
			found++
		case entries < int(d.kept[len(d.kept)-1].Size):
			t.Errorf("byte %d (in the WAL: %v): %d entries, and all is said to be well: %+v", at, inWAL, entries, r)
		default:
			unread++
		}
	}
	t.Logf("%d databases did not open, %d did not verify, %d had all that is signed", reported, found, unread)
}

// fileLimit bounds the size of files that this process writes, as a disk that is
// full does, until the test ends or 0 lifts it.
func fileLimit(t *testing.T) (set func(bytes uint64)) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	set = func(bytes uint64) {
		limit := was
		if bytes > 0 {
			limit.Cur = bytes
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(0) })
	return set
}

// TestFullDiskAtAnyByte (promises P2 and P11): a write that fails after any number of
// bytes is a call that is not let through; nothing acknowledged is lost, and when
// there is room again the journal goes on.
func TestFullDiskAtAnyByte(t *testing.T) {
	set := fileLimit(t)
	dir := t.TempDir()
	s := open(t, dir)
	j := journal(t, s)
	begun, ended := map[string]bool{}, map[string]bool{}
	failures := 0
	for range rounds(t, 30) {
		info, err := os.Stat(filepath.Join(dir, databaseName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		set(uint64(info.Size()) + 1 + rand.Uint64N(30_000))
		for range 100 {
			intent, err := j.Begin(t.Context(), call())
			if err != nil {
				if !errors.Is(err, audit.ErrUnavailable) {
					t.Fatal(err)
				}
				failures++
				break
			}
			begun[intent.ID()] = true
			if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err == nil {
				ended[intent.ID()] = true
			} else if failures++; !errors.Is(err, audit.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		set(0)
		signLog(t, s)
	}
	if failures == 0 {
		t.Error("no write failed")
	}
	var integrity string
	if err := s.reader.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity %q, %v", integrity, err)
	}
	for _, e := range list(t, s, audit.Query{Limit: 1 << 30}) {
		delete(begun, e.ID)
		delete(ended, e.Intent)
	}
	if len(begun)+len(ended) > 0 {
		t.Errorf("acknowledged and lost: %d intents, %d outcomes", len(begun), len(ended))
	}
	if r := check(t, s, "demo"); !r.OK() || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
	t.Logf("%d writes failed", failures)
}

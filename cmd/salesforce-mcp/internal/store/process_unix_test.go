//go:build unix

package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("STORE_TEST_CHILD"); mode != "" {
		os.Exit(child(mode, os.Getenv("STORE_TEST_DIR")))
	}
	goleak.VerifyTestMain(m)
}

// child is what the test binary does when a test starts it as another process.
func child(mode, dir string) int {
	switch mode {
	case "open unprivileged": // the same without root's powers, which modes do not bind
		if os.Getuid() == 0 {
			if err := syscall.Setuid(65534); err != nil { // nobody
				fmt.Println(err)
				return 1
			}
		}
		return child("open", dir)
	case "open": // says how opening the folder ended
		s, err := Open(context.Background(), dir)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		s.Close()
	case "calls": // makes calls until it is killed, and says what was acknowledged
		s, err := Open(context.Background(), dir)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		j := audit.NewJournal(s)
		if _, err := j.Recover(context.Background(), s); err != nil {
			fmt.Println(err)
			return 1
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { callForever(j) })
		}
		group.Go(func() { signForever(s, dir) })
		group.Wait()
	case "runs": // drives runs until all have ended
		return drive()
	case "verdicts": // decides on what waits, until nothing does
		return decideAll()
	}
	return 0
}

// callForever makes one call after the other, and prints "begun ID" and "ended
// ID" after each acknowledgement, each in one write.
func callForever(j *audit.Journal) {
	for {
		intent, err := j.Begin(context.Background(), call())
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(os.Stdout, "begun %s\n", intent.ID())
		if err := intent.End(context.Background(), audit.Outcome{Status: audit.OK}); err != nil {
			panic(err)
		}
		fmt.Fprintf(os.Stdout, "ended %s\n", intent.ID())
	}
}

// signForever signs what is recorded, again and again, and keeps the checkpoints
// in a file.
func signForever(s *Store, dir string) {
	file, err := os.OpenFile(filepath.Join(dir, "kept"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	sequencer := proof.Sequencer{Log: s, Key: testKey, Signed: func(signed []byte) error {
		_, err := file.Write(proof.KeptLine("now", signed))
		return err
	}}
	for {
		if err := sequencer.Once(context.Background()); err != nil {
			panic(err)
		}
	}
}

// childCommand returns the command that runs this test binary as a child.
func childCommand(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+mode, "STORE_TEST_DIR="+dir)
	return cmd
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	begun, ended := map[string]bool{}, map[string]bool{}
	const kills = 6
	for range kills {
		cmd := childCommand(t, "calls", dir)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		output := bufio.NewReader(stdout)
		if line, err := output.ReadString('\n'); err != nil || !strings.HasPrefix(line, "begun ") {
			t.Fatalf("child said %q, error %v", line, err)
		} else {
			begun[strings.Fields(line)[1]] = true
		}
		kill := time.AfterFunc(time.Duration(random.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
		for {
			line, err := output.ReadString('\n')
			if err == io.EOF {
				break // what stands after the last newline was not said
			}
			if err != nil {
				t.Fatal(err)
			}
			switch word, id, _ := strings.Cut(strings.TrimSpace(line), " "); word {
			case "begun":
				begun[id] = true
			case "ended":
				ended[id] = true
			default:
				t.Fatalf("child said %q", line)
			}
		}
		kill.Stop()
		cmd.Wait()
	}
	if wal, err := os.Stat(filepath.Join(dir, databaseName+"-wal")); err != nil || wal.Size() == 0 {
		t.Errorf("the killed process left no WAL to recover: %v", err)
	}

	s := open(t, dir)
	if _, err := journal(t, s).Recover(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var integrity string
	if err := s.reader.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity %q, error %v", integrity, err)
	}
	intents, outcomes, unknown := map[string]bool{}, map[string]bool{}, 0
	for _, e := range list(t, s, audit.Query{Limit: 1 << 30}) {
		switch {
		case e.Phase == audit.PhaseIntent:
			intents[e.ID] = true
		case outcomes[e.Intent]:
			t.Errorf("two outcomes of %s", e.Intent)
		default:
			outcomes[e.Intent] = true
			if e.Outcome == audit.Unknown {
				unknown++
				if ended[e.Intent] {
					t.Errorf("the outcome of %s was acknowledged and is lost", e.Intent)
				}
			}
		}
	}
	for id := range begun {
		if !intents[id] {
			t.Errorf("the intent %s was acknowledged and is lost", id)
		}
	}
	if len(intents) != len(outcomes) {
		t.Errorf("%d intents, %d outcomes", len(intents), len(outcomes))
	}

	// All of it is signed, and so is what was signed before each kill.
	text, err := os.ReadFile(filepath.Join(dir, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	kept, problems, err := proof.ReadCheckpoints(bytes.NewReader(text), testPublic(t))
	if err != nil || problems != nil || len(kept) < kills/2 {
		t.Errorf("%d checkpoints kept, %v, %v", len(kept), problems, err)
	}
	signLog(t, s)
	r, err := proof.Check{Key: testPublic(t), Kept: kept}.Log(t.Context(), s, "demo")
	if err != nil || !r.OK() || r.Compared != len(kept) || r.Entries != int64(len(intents)+len(outcomes)) || r.Waiting != 0 {
		t.Errorf("report %+v, error %v", r, err)
	}
	t.Logf("%d checkpoints kept", len(kept))
	t.Logf("%d kills, %d intents and %d outcomes acknowledged, %d outcomes unknown", kills, len(begun), len(ended), unknown)
}

func TestOpenSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	output, err := childCommand(t, "open", dir).CombinedOutput()
	want := fmt.Sprintf("is in use by another salesforce-mcp (process %d)", os.Getpid())
	if err == nil || !strings.Contains(string(output), want) {
		t.Errorf("the second process said %q, error %v; want %q", output, err, want)
	}
}

func TestOpenReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	output, err := childCommand(t, "open unprivileged", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "permission denied") || !strings.Contains(string(output), dir) {
		t.Errorf("said %q, error %v", output, err)
	}
}

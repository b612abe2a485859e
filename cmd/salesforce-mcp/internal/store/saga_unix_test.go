//go:build unix

package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns"
)

// at is the database of a child: a folder, or an address.
func at(place string) database {
	if strings.HasPrefix(place, "postgres") {
		return database{url: place}
	}
	return database{dir: place}
}

// gateway does once what has a key: it keeps a file for each in a folder.
type gateway string

func (g gateway) file(key string) string {
	return filepath.Join(string(g), fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
}

// step is a step at the gateway. Now and then its process dies or is still, before or
// after the step takes effect, or the answer is lost.
func (g gateway) step(name string, pivot bool) returns.Step {
	return returns.Step{
		Name: name, Kind: returns.Keyed, Pivot: pivot,
		Do: func(_ context.Context, a returns.Attempt) (returns.Result, error) {
			befall := rand.IntN(50)
			suffer(befall)
			err := os.WriteFile(g.file(a.Key), []byte(a.Run.ID), 0o600)
			suffer(befall - 4)
			if befall > 45 {
				return returns.Result{}, errors.New("the answer is lost")
			}
			return returns.Result{Data: []byte(name)}, err
		},
		Find: func(_ context.Context, a returns.Attempt) (returns.Result, bool, error) {
			_, err := os.Stat(g.file(a.Key))
			return returns.Result{Data: []byte(name)}, err == nil, nil
		},
	}
}

// suffer kills or stops this process, or does nothing. Whoever started it lets it go on.
func suffer(befall int) {
	switch befall {
	case 0, 1:
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case 2, 3:
		fmt.Fprintln(os.Stdout, "still")
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

func flow(world string) returns.Flow {
	g := gateway(world)
	return returns.Flow{Kind: "return", Steps: []returns.Step{
		{Name: "facts", Do: func(context.Context, returns.Attempt) (returns.Result, error) {
			return returns.Result{Data: []byte("facts")}, nil
		}},
		g.step("refund", true),
		g.step("records", false),
	}}
}

// drive drives the runs of a database until all have ended. It reads from standard
// input which database that is, and the folder of the gateway.
func drive() int {
	var place, world string
	if _, err := fmt.Scanln(&place, &world); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := at(place).start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	j := audit.NewJournal(s)
	defer j.Close()
	e := &returns.Engine{Flow: flow(world), Ledger: s, Journal: j, Lease: 300 * time.Millisecond, Poll: 10 * time.Millisecond,
		Patience: returns.Patience{First: time.Millisecond, Most: 20 * time.Millisecond}}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { e.Work(ctx) })
	}
	for left := 1; left > 0; {
		if err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM saga WHERE status <> 'done'`).Scan(&left); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	group.Wait()
	return 0
}

// TestRunsSurvive: processes that drive runs are killed and stopped, before a step
// takes effect and after it, for longer than their lease. Every run ends as done, with
// each step done under one key, and the audit trail has all of it.
func TestRunsSurvive(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		const runs = 30
		place, processes, world := d.dir, 1, t.TempDir()
		if d.dir == "" {
			place, processes = d.url, 2
		}
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := audit.NewJournal(s)
		e := &returns.Engine{Flow: flow(world), Ledger: s, Journal: j}
		for i := range runs {
			for range 2 { // two agents ask for the same
				if r, fresh, err := e.Start(t.Context(), audit.Run{ID: fmt.Sprint("run ", i), Workspace: "demo", Subject: fmt.Sprint("case ", i)}); err != nil || r.ID != fmt.Sprint("run ", i) {
					t.Fatal(fresh, err)
				}
			}
		}
		j.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}

		var kills, stops atomic.Int64
		var group sync.WaitGroup
		for range processes {
			group.Go(func() {
				for {
					cmd := childCommand(t, "runs", "")
					cmd.Stdin = strings.NewReader(place + " " + world + "\n")
					cmd.Stderr = os.Stderr
					out, err := cmd.StdoutPipe()
					if err == nil {
						err = cmd.Start()
					}
					if err != nil {
						t.Error(err)
						return
					}
					for lines := bufio.NewScanner(out); lines.Scan(); {
						stops.Add(1)
						time.Sleep(400 * time.Millisecond) // longer than its lease, mostly
						cmd.Process.Signal(syscall.SIGCONT)
					}
					err = cmd.Wait()
					if err == nil {
						return
					}
					if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
						t.Error(err)
						return
					}
					kills.Add(1)
				}
			})
		}
		group.Wait()
		t.Logf("%d kills, %d stops", kills.Load(), stops.Load())

		s = d.open(t)
		j = journal(t, s)
		if d.dir == "" {
			if _, err := s.writer.ExecContext(t.Context(), `UPDATE process SET expires = 0 WHERE id <> ?`, s.process.current()); err != nil { // sooner than they would
				t.Fatal(err)
			}
		}
		if _, err := j.Recover(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for i := range runs {
			r, _, err := s.Run(t.Context(), "demo", fmt.Sprint("run ", i))
			if err != nil || r.Status != returns.Done || r.Pivot != "passed" {
				t.Errorf("%+v %v", r, err)
			}
			steps, err := s.Steps(t.Context(), r.ID)
			if err != nil || len(steps) != 3 {
				t.Errorf("%+v %v", steps, err)
			}
			for _, step := range steps {
				if step.State != "done" || string(step.Result) != step.Name {
					t.Errorf("%s: %+v", r.ID, step)
				}
			}
		}
		if files, err := os.ReadDir(world); err != nil || len(files) != 2*runs {
			t.Errorf("%d effects of %d, %v", len(files), 2*runs, err)
		}
		open, done := map[string]bool{}, map[string]int{}
		for _, e := range list(t, s, audit.Query{Limit: 1 << 20}) {
			switch e.Phase {
			case audit.PhaseIntent:
				open[e.ID] = true
			case audit.PhaseOutcome:
				delete(open, e.Intent)
				if e.Outcome == audit.OK && e.Action == "step" {
					done[e.Run+" "+e.Instruction]++
				}
			}
		}
		if len(open) > 0 || len(done) != 3*runs {
			t.Errorf("%d intents have no outcome, %d steps of %d are in the trail", len(open), len(done), 3*runs)
		}
		signLog(t, s)
		if r := check(t, s, "demo"); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

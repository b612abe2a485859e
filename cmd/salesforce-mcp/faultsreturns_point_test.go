//go:build faults

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

// harnessEnv is the variable with the [orders] of a server.
const harnessEnv = "SALESFORCE_MCP_HARNESS"

// Orders are what a server of the harness is told: how it drives runs, and at which
// of the points between and inside of steps, counted from its start, it dies or is
// still.
type orders struct {
	Lease   time.Duration
	Poll    time.Duration
	Workers int           // 0 is the default
	Turn    time.Duration // how long a return waits for its turn at the order
	Tries   int64         // before a person is told; 0 is the default
	First   time.Duration
	Most    time.Duration
	Points  []point
}

// A point is where something befalls a server: the so-manieth one that it passes.
type point struct {
	Number int64
	Kill   bool // or else it is stopped
}

// A server of the harness is this very program (see TestMain), and so has its orders
// here. No other build of the server knows them.
func init() {
	text := os.Getenv(harnessEnv)
	if text == "" {
		return
	}
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if o.Workers > 0 {
		harnessed.workers = o.Workers
	}
	passed := new(atomic.Int64)
	harnessed.loop = func(l *loop.Loop) {
		l.Lease, l.Poll, l.Turn, l.Patience = o.Lease, o.Poll, o.Turn, returns.Patience{Tries: o.Tries, First: o.First, Most: o.Most}
	}
	harnessed.engine = func(e *returns.Engine) {
		at := func(run, name string) {
			number := passed.Add(1)
			if i := slices.IndexFunc(o.Points, func(p point) bool { return p.Number == number }); i >= 0 {
				suffer(o.Points[i].Kill, run, name)
			}
		}
		e.Flow = perilous(e.Flow, at)
		e.Ledger = perilousLedger{e.Ledger, at}
	}
}

// suffer kills or stops this process. Whoever started it reads which and where.
func suffer(kill bool, run, name string) {
	signal, word := syscall.SIGSTOP, "still"
	if kill {
		signal, word = syscall.SIGKILL, "kill"
	}
	fmt.Fprintf(os.Stdout, "%s\t%s\t%s\n", word, run, name)
	_ = syscall.Kill(os.Getpid(), signal)
	if kill {
		select {}
	}
}

// perilous has a point before and after each thing that a step does: before is after
// the commit of its intent, after is before the commit of its outcome.
func perilous(f returns.Flow, at func(run, name string)) returns.Flow {
	wrap := func(s returns.Step) returns.Step {
		around := func(what string, do func(context.Context, returns.Attempt) (returns.Result, error)) func(context.Context, returns.Attempt) (returns.Result, error) {
			if do == nil {
				return nil
			}
			return func(ctx context.Context, a returns.Attempt) (returns.Result, error) {
				at(a.Run.ID, "before "+what)
				res, err := do(ctx, a)
				at(a.Run.ID, "after "+what)
				return res, err
			}
		}
		if find := s.Find; find != nil {
			s.Find = func(ctx context.Context, a returns.Attempt) (returns.Result, bool, error) {
				res, found, err := find(ctx, a)
				at(a.Run.ID, "after looking for "+s.Name)
				return res, found, err
			}
		}
		s.Do, s.Undo = around(s.Name, s.Do), around("undo "+s.Name, s.Undo)
		return s
	}
	f.Steps = slices.Clone(f.Steps)
	for i := range f.Steps {
		f.Steps[i] = wrap(f.Steps[i])
	}
	if f.Escalate != nil {
		s := wrap(*f.Escalate)
		f.Escalate = &s
	}
	return f
}

// perilousLedger has a point after a run is taken, and one after each commit of an
// outcome, where the engine looks how far the run is.
type perilousLedger struct {
	returns.Ledger
	at func(run, name string)
}

func (l perilousLedger) ClaimRun(ctx context.Context, kind string, lease time.Duration) (audit.Run, bool, error) {
	r, ok, err := l.Ledger.ClaimRun(ctx, kind, lease)
	if ok {
		l.at(r.ID, "taken")
	}
	return r, ok, err
}

func (l perilousLedger) Steps(ctx context.Context, run string) (map[string]audit.Step, error) {
	l.at(run, "between steps")
	return l.Ledger.Steps(ctx, run)
}

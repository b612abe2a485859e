// Package trail keeps the audit trail's log going while the server runs: it signs
// new entries, keeps checkpoints in a second place and writes entries to a file
// for other programs. No call waits for any of it, and what a crash cuts short is
// made up for at the next start.
package trail

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
)

// A Store is where the log and the sinks' progress are kept.
type Store interface {
	proof.Log
	// Exported returns the number before which a sink has written all entries of
	// a workspace. SetExported remembers it.
	Exported(ctx context.Context, sink, workspace string) (int64, error)
	SetExported(ctx context.Context, sink, workspace string, next int64) error
}

// pause is how long the work rests.
const pause = 500 * time.Millisecond

// A Trail is the background work on the audit trail.
type Trail struct {
	Store       Store
	Secrets     secrets.Store
	Checkpoints string // file of the second place; "" is none
	File        *File  // for other programs; nil is none
	Log         zerolog.Logger

	mu  sync.Mutex
	key *proof.Key // once it is known
}

// Start begins the work. Stop it when the last entry is recorded: it signs and
// writes what is there, and returns.
func (t *Trail) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	sequencer := proof.Sequencer{Log: t.Store, Key: t.signingKey}
	if t.Checkpoints != "" {
		sequencer.Signed = t.keep
	}
	work.Go(func() { every(ctx, pause, sequencer.Once, t.failed("sign the audit trail")) })
	if t.File != nil {
		work.Go(func() {
			every(ctx, pause, func(ctx context.Context) error { return t.File.once(ctx, t.Store) }, t.failed("write the audit file"))
		})
	}
	return func() {
		cancel()
		work.Wait()
	}
}

// failed logs what goes wrong, and that it is over.
func (t *Trail) failed(what string) func(error) {
	return func(err error) {
		if err != nil {
			t.Log.Error().Err(err).Msg("cannot " + what + "; it is tried again")
			return
		}
		t.Log.Info().Msg("can " + what + " again")
	}
}

// every runs work at once, again and again until ctx ends, and then once more. It
// says when what goes wrong changes.
func every(ctx context.Context, pause time.Duration, work func(context.Context) error, failed func(error)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	problem := ""
	for {
		ended := ctx.Err() != nil
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err := work(once)
		cancel()
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != problem {
			failed(err)
		}
		problem = now
		if ended {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

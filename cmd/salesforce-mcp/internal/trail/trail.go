// Package trail keeps the audit trail's log going while the server runs: it signs
// new entries, keeps checkpoints in a second place and takes entries to places
// beside the database, a file, syslog, a webhook and the org itself. No call waits
// for any of it, and what a crash cuts short is made up for at the next start.
package trail

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
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
	// Index takes some entries more of a workspace into what they are found by, and
	// returns how many are left.
	Index(ctx context.Context, workspace string) (left int64, err error)
	leases
}

// restPause is how long the work rests.
const restPause = 500 * time.Millisecond

// A Trail is the background work on the audit trail.
type Trail struct {
	Store       Store
	Secrets     secrets.Store
	Checkpoints string // file of the second place; "" is none
	Sinks       []*Sink
	Log         zerolog.Logger

	owner string // of leases: this process

	mu  sync.Mutex
	key *proof.Key // once it is known
}

// Start begins the work. Stop it when the last entry is recorded: it signs and
// sends what is there, as far as that is quick, and returns.
func (t *Trail) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	hurry, cut := context.WithCancel(context.WithoutCancel(ctx))
	t.owner = uuid.NewString()
	var work sync.WaitGroup
	sequencer := proof.Sequencer{Log: t.Store, Key: t.signingKey}
	if t.Checkpoints != "" {
		sequencer.Signed = t.keep
	}
	work.Go(func() {
		every(ctx, restPause, func(ctx context.Context) error { return t.sign(ctx, &sequencer) }, t.failed("sign the audit trail"))
	})
	work.Go(func() { every(ctx, restPause, t.index, t.failed("index the audit trail")) })
	for _, s := range t.Sinks {
		work.Go(func() { t.follow(ctx, hurry, s) })
	}
	return func() {
		cancel()
		defer time.AfterFunc(lastTimeout, cut).Stop()
		work.Wait()
		cut()
	}
}

// index takes new entries into what they are found by. After some seconds it rests, so
// that many do not keep the writer to themselves.
func (t *Trail) index(ctx context.Context) error {
	heads, err := t.Store.Heads(ctx)
	if err != nil {
		return err
	}
	end := time.Now().Add(3 * time.Second)
	for _, h := range heads {
		for left := int64(1); left > 0 && time.Now().Before(end); {
			if left, err = t.Store.Index(ctx, h.Workspace); err != nil {
				return err
			}
		}
	}
	return nil
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

// jitter is a random part of a time, so that what failed together is not tried
// again together.
func jitter(d time.Duration) time.Duration { return rand.N(max(d, 1)) }

package returns

import (
	"context"
	"sync"
	"time"

	"salesforce-mcp/audit"
)

// A hold is a worker's lease of a run, which is kept until it is released. It ends the
// context of the run's steps when the run is another's, or may be.
type hold struct {
	mu     sync.Mutex
	turn   int64
	until  time.Time // the lease is ours at least until then
	cancel context.CancelCauseFunc
	beat   sync.WaitGroup
}

// hold keeps the lease of a run that was taken at this time or later.
func (e *Engine) hold(ctx context.Context, r audit.Run, taken time.Time) (context.Context, *hold) {
	ctx, cancel := context.WithCancelCause(ctx)
	h := &hold{turn: r.Turn, until: taken.Add(e.lease()), cancel: cancel}
	h.beat.Go(func() {
		tick := time.NewTicker(e.lease() / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				h.keep(ctx, e, r.ID)
			}
		}
	})
	return ctx, h
}

// keep extends the lease. A ledger that does not answer leaves it as it is.
func (h *hold) keep(ctx context.Context, e *Engine, id string) {
	h.mu.Lock()
	turn := h.turn
	h.mu.Unlock()
	asked := time.Now()
	ours, err := e.Ledger.KeepRun(ctx, id, turn, e.lease())
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case turn != h.turn: // it was moved by this worker meanwhile, and with it the lease
	case err == nil && ours:
		h.until = asked.Add(e.lease())
	case err == nil || asked.After(h.until):
		h.cancel(audit.ErrMoved)
	}
}

// moved says that the worker has moved the run itself, at this time or later.
func (h *hold) moved(at time.Time, lease time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn++
	h.until = at.Add(lease)
}

// ours returns an error when the run may be another's.
func (h *hold) ours(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().After(h.until) {
		h.cancel(audit.ErrMoved)
	}
	return context.Cause(ctx)
}

func (h *hold) release() {
	h.cancel(nil)
	h.beat.Wait()
}

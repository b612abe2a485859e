package returns

import (
	"context"
	"sync"
	"time"

	"salesforce-mcp/audit"
)

// A hold is a worker's lease of a run, which is kept until it is released. It ends the
// context of the run's steps when the run is another's, or may be, and when a worker
// that is to stop has had its grace.
type hold struct {
	stop   <-chan struct{} // closed when the worker is to stop
	mu     sync.Mutex
	turn   int64
	until  time.Time // the lease is ours at least until then
	cancel context.CancelCauseFunc
	beat   sync.WaitGroup
}

// hold keeps the lease of a run that was taken at this time or later. The context that
// it returns outlives the worker's by its grace.
func (e *Engine) hold(worker context.Context, r audit.Run, taken time.Time) (context.Context, *hold) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(worker))
	h := &hold{stop: worker.Done(), turn: r.Turn, until: taken.Add(e.lease()), cancel: cancel}
	h.beat.Go(func() {
		tick := time.NewTicker(e.lease() / 3)
		defer tick.Stop()
		stop := h.stop
		var over <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-stop:
				stop, over = nil, time.After(e.grace())
			case <-over:
				cancel(context.Cause(worker))
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

// stopping reports whether the worker is to stop: it begins no other attempt.
func (h *hold) stopping() bool {
	select {
	case <-h.stop:
		return true
	default:
		return false
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

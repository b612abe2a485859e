package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// interrupted is what is said of calls that had no end.
const interrupted = "calls that were under way when a server stopped are closed as unknown"

const (
	recoverPause = 2 * time.Second
	recoverLease = 10 * time.Second
)

// recoverOthers closes what other servers of the database left open when they
// died, until the returned function is called. One server at a time does so.
func (a *app) recoverOthers(ctx context.Context) (stop func()) {
	if a.config.Database == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	owner, problem := uuid.NewString(), ""
	once := func() error {
		mine, err := a.store.Lease(ctx, "recover", owner, recoverLease)
		if err != nil || !mine {
			return err
		}
		n, err := a.journal.Recover(ctx, a.store)
		if n > 0 {
			a.log.Warn().Int("calls", n).Msg(interrupted)
		}
		return err
	}
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(recoverPause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := ""
			if err := once(); err != nil && ctx.Err() == nil {
				if now = err.Error(); now != problem {
					a.log.Error().Err(err).Msg("cannot close the calls of servers that stopped; it is tried again")
				}
			}
			problem = now
		}
	})
	return func() {
		cancel()
		work.Wait()
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = a.store.Release(free, "recover", owner) // if not, its time ends
	}
}

// serveUntil serves HTTP until ctx ends and then, for as long as the configuration
// says, still takes calls, says that it is not ready and lets each connection have
// one answer more: so that a balancer notices, and no client finds a door closed.
// Then it lets what is under way finish.
func (a *app) serveUntil(ctx context.Context, l net.Listener) error {
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-stop.Done():
			return
		case <-ctx.Done():
		}
		a.draining.Store(true)
		if a.config.Drain > 0 {
			a.log.Info().Stringer("drain", a.config.Drain).Msg("told to stop: not ready for more")
		}
		select {
		case <-stop.Done():
		case <-time.After(a.config.Drain):
			cancel()
		}
	}()
	handler := a.handler()
	return serveUntil(stop, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	}), a.log)
}

package store

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// Store is the state of one server, or of several that share a database. It is
// safe for concurrent use.
type Store struct {
	engine  *engine
	writer  *pool    // on SQLite one connection
	reader  *pool    // connections that cannot write
	lock    *os.File // of the data folder; nil on Postgres
	process process

	background context.CancelFunc // ends what runs beside the calls
	running    sync.WaitGroup
}

// enter makes the store one that records calls: the process is known to the
// others.
func (s *Store) enter(ctx context.Context) error {
	if err := s.live(ctx); err != nil || s.process.life == 0 {
		return err
	}
	ctx, s.background = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() { s.beat(ctx, processBeat) })
	return nil
}

// Close closes the database and gives the data folder up. Calls that were not
// ended are open for others to close.
func (s *Store) Close() error {
	var problems []error
	if s.background != nil {
		s.background()
		s.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = s.end(ctx) // if the database is away, the lease ends by itself
	}
	for _, db := range []*pool{s.reader, s.writer} { // the last one folds the WAL in
		if db != nil {
			problems = append(problems, db.Close())
		}
	}
	if s.lock != nil {
		problems = append(problems, s.lock.Close())
	}
	return errors.Join(problems...)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
)

// How long a process is taken to be alive after it last said so, and how often it
// says so. A process that was still for longer is taken for dead: others close its
// open intents as unknown, and outcomes that it records later are refused.
const (
	processLife = 10 * time.Second
	processBeat = 2 * time.Second
)

// A process is one program that has the database, as the others know it. A store
// that records no calls has none.
type process struct {
	life time.Duration // 0: until it ends; nobody else has the database

	mu   sync.Mutex
	id   string // "" when it is none
	last error  // of the last time that it said so
}

func (p *process) current() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// Ready returns an error unless calls can be recorded, as far as was seen in the
// last seconds.
func (s *Store) Ready(ctx context.Context) error {
	s.process.mu.Lock()
	last := s.process.last
	s.process.mu.Unlock()
	if last != nil {
		return last
	}
	var n int
	return s.reader.QueryRowContext(ctx, `SELECT count(*) FROM process`).Scan(&n)
}

// live says that the process is alive. One that was taken for dead goes on as
// another.
func (s *Store) live(ctx context.Context) error {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	s.process.last = s.say(ctx)
	return s.process.last
}

func (s *Store) say(ctx context.Context) error {
	life := int64(math.MaxInt64 / 2)
	if s.process.life > 0 {
		life = s.process.life.Milliseconds()
	}
	done, err := s.writer.ExecContext(ctx, `UPDATE process SET expires = NOW() + CAST(? AS BIGINT) WHERE id = ? AND expires >= NOW()`, life, s.process.id)
	if err != nil {
		return fmt.Errorf("say that this process lives: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	if err := s.forget(ctx, "process", "expires", time.Now().Add(-24*time.Hour).UnixMilli()); err != nil {
		return err
	}
	id := uuid.NewString()
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO process (id, expires) VALUES (?, NOW() + CAST(? AS BIGINT))`, id, life); err != nil {
		return fmt.Errorf("say that this process lives: %w", err)
	}
	s.process.id = id
	return nil
}

// errLost is why a call is not recorded.
var errLost = errors.New("this process was still for so long that others take it for dead; it goes on as another in a moment")

// lives returns an error if the process was taken for dead: others may already
// have looked for what it left open.
func (s *Store) lives(ctx context.Context, tx *tx, process string) error {
	if s.process.life == 0 {
		return nil
	}
	var lives bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM process WHERE id = ? AND expires >= NOW())`, process).Scan(&lives); err != nil {
		return err
	}
	if !lives {
		return errLost
	}
	return nil
}

// beat says so again and again until ctx ends. What fails is tried again; meanwhile
// nothing can be recorded anyway.
func (s *Store) beat(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		once, cancel := context.WithTimeout(ctx, s.process.life/2)
		_ = s.live(once)
		cancel()
	}
}

// end says that the process is no more, so that what it left open need not wait.
func (s *Store) end(ctx context.Context) error {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	if s.process.id == "" {
		return nil
	}
	_, err := s.writer.ExecContext(ctx, `DELETE FROM process WHERE id = ?`, s.process.id)
	return err
}

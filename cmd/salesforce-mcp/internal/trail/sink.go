package trail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/audit/proof"
)

// A Sink is a place beside the database to which entries are taken. Each has its
// own progress in the store, and works by itself: what one waits for keeps no call
// and no other sink waiting. Entries arrive at least once, those of a workspace in
// order: what is not known to have arrived is sent again.
type Sink struct {
	// Name is that of its progress and of its lease.
	Name string
	// What says what it does, for the log: "write the audit file".
	What string
	// Workspace is the only one whose entries it takes; "" is all.
	Workspace string
	// Batch is how many entries Send is given at most.
	Batch int
	// Pause is how long it rests between two looks for new entries. 0 is half a
	// second.
	Pause time.Duration
	// Send takes entries of a workspace, in order, and returns how many of the
	// first of them have arrived. It is given the same ones again, and none after
	// them, until they have. An error that is a [Later] says how long to wait.
	Send func(ctx context.Context, workspace string, entries []proof.Leaf) (arrived int, err error)

	first   int             // of the workspaces, the one to begin with
	pending map[string]int  // by workspace: how many entries were sent that have not arrived
	failed  int             // looks in a row that failed
	leased  time.Time       // until when this process has the lease
	told    map[string]bool // problems that the log has
}

// A Later is the error of a place that says when to try again.
type Later struct {
	Err   error
	After time.Duration // at least so long
	Never bool          // not before the server starts anew
}

// Error implements error.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap returns the cause.
func (l *Later) Unwrap() error { return l.Err }

const (
	// leaseLife is how long a process that is gone keeps the others from going on
	// with its sinks.
	leaseLife = 30 * time.Second
	// sendTimeout bounds one batch. It is shorter than the lease, so that nobody
	// else sends meanwhile.
	sendTimeout = 20 * time.Second
	// lastTimeout bounds what is tried when the server stops.
	lastTimeout = 5 * time.Second
	// A sink that fails waits, longer each time.
	firstWait, longestWait = time.Second, 5 * time.Minute
)

// leases are what of a [Store] lets processes take turns.
type leases interface {
	Lease(ctx context.Context, name, owner string, life time.Duration) (bool, error)
	Release(ctx context.Context, name, owner string) error
}

// follow sends what is new until ctx ends, and then once more unless that fails
// anyway. Work that is under way then is cut short when hurry ends.
func (t *Trail) follow(ctx, hurry context.Context, s *Sink) {
	pause := s.Pause
	if pause == 0 {
		pause = restPause
	}
	for {
		ended := ctx.Err() != nil
		err := t.sendNew(hurry, s)
		wait := s.report(t, err, pause)
		if ended {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			if s.failed > 0 {
				ended = true
			}
		}
		if ended {
			break
		}
	}
	if time.Now().Before(s.leased) {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := t.Store.Release(release, s.lease(), t.owner); err != nil {
			t.Log.Warn().Err(err).Str("sink", s.Name).Msg("a lease could not be given up; it expires")
		}
	}
}

// report logs that a sink begins to fail, for what other reason it does, and that
// it works again. It returns how long to wait.
func (s *Sink) report(t *Trail, err error, pause time.Duration) time.Duration {
	if err == nil {
		if s.failed > 0 {
			t.Log.Info().Str("sink", s.Name).Int("attempts", s.failed).Msg("can " + s.What + " again")
		}
		s.failed, s.told = 0, nil
		return pause
	}
	var later *Later
	if !errors.As(err, &later) {
		later = &Later{}
	}
	if text := err.Error(); !s.told[text] && len(s.told) < 10 {
		if s.told == nil {
			s.told = map[string]bool{}
		}
		s.told[text] = true
		again := "it is tried again"
		if later.Never {
			again = "it is not tried again before the next start"
		}
		t.Log.Error().Err(err).Str("sink", s.Name).Msg("cannot " + s.What + "; " + again)
	}
	wait := min(firstWait<<min(s.failed, 20), longestWait)
	s.failed++
	if later.Never {
		return 1<<63 - 1
	}
	return max(later.After, wait/2+jitter(wait/2))
}

// sendNew sends what is new of each workspace. It ends with the first that fails,
// and begins with the next one the next time, so that entries which a place does
// not take keep those of other workspaces waiting for a while only.
func (t *Trail) sendNew(ctx context.Context, s *Sink) error {
	heads, err := t.Store.Heads(ctx)
	if err != nil {
		return err
	}
	heads = slices.DeleteFunc(heads, func(h proof.Head) bool { return s.Workspace != "" && h.Workspace != s.Workspace })
	for i := range heads {
		at := (s.first + i) % len(heads)
		if err := t.sendOf(ctx, s, heads[at]); err != nil {
			s.first = (at + 1) % len(heads)
			return fmt.Errorf("entries of workspace %s: %w", heads[at].Workspace, err)
		}
	}
	return nil
}

// sendOf sends what is new of one workspace.
func (t *Trail) sendOf(ctx context.Context, s *Sink, h proof.Head) error {
	for {
		next, err := t.Store.Exported(ctx, s.Name, h.Workspace)
		if err != nil || next >= h.Entries {
			return err
		}
		held, err := t.hold(ctx, s)
		if err != nil || !held.now {
			return err
		}
		if held.taken {
			continue // somebody else may have gone on meanwhile
		}
		limit := s.Batch
		if n := s.pending[h.Workspace]; n > 0 {
			limit = n
		}
		entries, err := t.Store.Leaves(ctx, h.Workspace, next, limit)
		if err != nil {
			return err
		}
		if len(entries) == 0 || entries[0].N != next {
			return fmt.Errorf("entry %d is not in the database; salesforce-mcp audit verify says more", next)
		}
		sending, cancel := context.WithTimeout(ctx, sendTimeout)
		arrived, failed := s.Send(sending, h.Workspace, entries)
		cancel()
		if arrived > 0 {
			if err := t.Store.SetExported(context.WithoutCancel(ctx), s.Name, h.Workspace, next+int64(arrived)); err != nil {
				return errors.Join(failed, err)
			}
			delete(s.pending, h.Workspace)
		} else if failed != nil {
			if s.pending == nil {
				s.pending = map[string]int{}
			}
			s.pending[h.Workspace] = len(entries)
		}
		if failed != nil || arrived == 0 {
			return failed
		}
	}
}

// A turn says whether this process has the lease of a sink, and whether it took
// it just now.
type turn struct{ now, taken bool }

// hold makes sure that nobody else writes the sink for as long as a batch takes.
func (t *Trail) hold(ctx context.Context, s *Sink) (turn, error) {
	now := time.Now()
	if now.Add(sendTimeout).Before(s.leased) {
		return turn{now: true}, nil
	}
	ok, err := t.Store.Lease(ctx, s.lease(), t.owner, leaseLife)
	if err != nil || !ok {
		return turn{}, err
	}
	taken := now.After(s.leased)
	s.leased = now.Add(leaseLife)
	return turn{now: true, taken: taken}, nil
}

func (s *Sink) lease() string { return "sink/" + s.Name + "/" + s.Workspace }

// A Lag is how far a sink is behind.
type Lag struct {
	Sink      string `json:"sink"`
	Workspace string `json:"workspace"`
	Arrived   int64  `json:"arrived"` // entries that have arrived
	Waiting   int64  `json:"waiting"` // entries that have not
}

// Lags returns how far each of the sinks is with each workspace.
func Lags(ctx context.Context, store Progress, sinks []*Sink) ([]Lag, error) {
	heads, err := store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var lags []Lag
	for _, s := range sinks {
		for _, h := range heads {
			if s.Workspace != "" && s.Workspace != h.Workspace {
				continue
			}
			next, err := store.Exported(ctx, s.Name, h.Workspace)
			if err != nil {
				return nil, err
			}
			lags = append(lags, Lag{s.Name, h.Workspace, next, max(h.Entries-next, 0)})
		}
	}
	return lags, nil
}

// Progress is what of a [Store] tells how far sinks are.
type Progress interface {
	Heads(ctx context.Context) ([]proof.Head, error)
	Exported(ctx context.Context, sink, workspace string) (int64, error)
}

package secrets

import (
	"context"
	"errors"
	"sync"

	"salesforce-mcp/salesforce"
)

// LastKnown is a [Store] whose Get gives what it gave last while the store is
// away: a connection whose secret is known stays the same connection, and its
// token is used until the org refuses it. It is for secrets that an administrator
// sets. People's tokens must not be read through it: a refreshed one could not be
// put, and would be lost.
//
// A secret that was changed or deleted meanwhile is noticed as soon as the store
// is back. LastKnown is safe for concurrent use.
type LastKnown struct {
	Store

	mu    sync.Mutex
	known map[[2]string]known
}

type known struct {
	value   salesforce.Secret
	version int64
	err     error // ErrNone, or nil
}

// NewLastKnown returns a LastKnown that knows nothing yet.
func NewLastKnown(s Store) *LastKnown {
	return &LastKnown{Store: s, known: map[[2]string]known{}}
}

// Get implements [Store].
func (s *LastKnown) Get(ctx context.Context, workspace, name string) (salesforce.Secret, int64, error) {
	value, version, err := s.Store.Get(ctx, workspace, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{workspace, name}
	var unavailable *Unavailable
	switch {
	case err == nil || errors.Is(err, ErrNone):
		s.known[key] = known{value, version, err}
	case errors.As(err, &unavailable) && unavailable.Away:
		if last, ok := s.known[key]; ok {
			return last.value, last.version, last.err
		}
	default:
		delete(s.known, key)
	}
	return value, version, err
}

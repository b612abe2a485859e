package tools_test

import (
	"context"
	"sync"
	"time"

	"salesforce-mcp/audit"
)

// memory keeps entries for a test to look at, with their claims, and can be told
// to fail.
type memory struct {
	mu      sync.Mutex
	entries []audit.Entry
	claims  map[string]audit.Claim
	counts  map[audit.Account]*audit.Counts
	broken  error
}

func (m *memory) Append(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	for _, e := range entries {
		if e.Claim != nil && !m.claim(e) {
			continue
		}
		if e.Charge != nil && !m.charge(e.Charge, e.Time) {
			delete(m.claims, scopeOf(e))
			continue
		}
		m.entries = append(m.entries, e)
	}
	return nil
}

func scopeOf(e audit.Entry) string {
	if e.Claim == nil {
		return ""
	}
	return e.Claim.Scope
}

// charge counts a charge, unless it is too much.
func (m *memory) charge(c *audit.Charge, at time.Time) bool {
	if m.counts == nil {
		m.counts = map[audit.Account]*audit.Counts{}
	}
	if m.counts[c.Account] == nil {
		m.counts[c.Account] = new(audit.Counts)
	}
	m.counts[c.Account].Take(c, at)
	return c.Spent == nil
}

// claim notes the claim of an entry, unless it is another's.
func (m *memory) claim(e audit.Entry) bool {
	if m.claims == nil {
		m.claims = map[string]audit.Claim{}
	}
	there, taken := m.claims[e.Claim.Scope]
	switch {
	case e.Phase == audit.PhaseIntent:
		if e.Claim.Taken = taken; taken {
			return false
		}
		m.claims[e.Claim.Scope] = audit.Claim{Intent: e.ID, Digest: e.Claim.Digest, Live: true}
	case e.Claim.Released():
		delete(m.claims, e.Claim.Scope)
	default:
		there.Outcome, there.Live = e.Claim.Outcome, false
		m.claims[e.Claim.Scope] = there
	}
	return true
}

// Claim implements tools.Claims.
func (m *memory) Claim(_ context.Context, scope string) (audit.Claim, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.claims[scope]
	return c, ok, m.broken
}

func (m *memory) all() []audit.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]audit.Entry(nil), m.entries...)
}

// unsealed seals nothing; what seals is tested in package secrets.
type unsealed struct{}

func (unsealed) Seal(_ context.Context, _, _ string, plain []byte) ([]byte, error) { return plain, nil }
func (unsealed) Open(_ context.Context, _, _ string, sealed []byte) ([]byte, error) {
	return sealed, nil
}

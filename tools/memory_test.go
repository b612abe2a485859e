package tools_test

import (
	"context"
	"sync"

	"salesforce-mcp/audit"
)

// memory keeps entries for a test to look at, with their claims, and can be told
// to fail.
type memory struct {
	mu      sync.Mutex
	entries []audit.Entry
	claims  map[string]audit.Claim
	broken  error
}

func (m *memory) Append(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	for _, e := range entries {
		if e.Claim == nil || m.claim(e) {
			m.entries = append(m.entries, e)
		}
	}
	return nil
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

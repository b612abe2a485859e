package tools_test

import (
	"context"
	"sync"

	"salesforce-mcp/audit"
)

// memory keeps entries for a test to look at, and can be told to fail.
type memory struct {
	mu      sync.Mutex
	entries []audit.Entry
	broken  error
}

func (m *memory) Append(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.entries = append(m.entries, entries...)
	return nil
}

func (m *memory) all() []audit.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]audit.Entry(nil), m.entries...)
}

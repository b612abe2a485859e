package returns

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"salesforce-mcp/audit"
)

// memory is a ledger and an audit store without a database, whose commits can be
// made to fail, before or after they have taken effect.
type memory struct {
	mu      sync.Mutex
	runs    map[string]audit.Run
	steps   map[string]map[string]audit.Step
	wakes   map[string]bool // false: waits without end
	entries []audit.Entry
	crash   func() (before, after bool)
	check   func(before, after audit.Run)
}

func newMemory() *memory {
	return &memory{runs: map[string]audit.Run{}, steps: map[string]map[string]audit.Step{}, wakes: map[string]bool{},
		crash: func() (bool, bool) { return false, false }, check: func(audit.Run, audit.Run) {}}
}

var errCrash = errors.New("crash")

func (m *memory) Append(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, after := m.crash()
	if before {
		return errCrash
	}
	for _, e := range entries {
		if v := e.Move; v != nil {
			was := m.runs[v.To.ID]
			if v.Stale = was.Turn != v.To.Turn || Ended(was.Status); v.Stale {
				continue
			}
			to := v.To
			to.Turn++
			m.check(was, to)
			m.runs[to.ID], m.wakes[to.ID] = to, v.Wake >= 0
			if v.Step != nil {
				steps := maps.Clone(m.steps[to.ID])
				if steps == nil {
					steps = map[string]audit.Step{}
				}
				steps[v.Step.Name] = *v.Step
				m.steps[to.ID] = steps
			}
		}
		m.entries = append(m.entries, e)
	}
	if after {
		return errCrash
	}
	return nil
}

// ClaimRun takes any run that has not ended and does not wait without end: leases are
// over, and it is as late as it has to be.
func (m *memory) ClaimRun(context.Context, string, time.Duration) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.runs {
		if !Ended(r.Status) && m.wakes[id] {
			r.Turn++
			m.runs[id] = r
			return r, true, nil
		}
	}
	return audit.Run{}, false, nil
}

func (m *memory) KeepRun(_ context.Context, id string, turn int64, _ time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id].Turn == turn, nil
}

func (m *memory) Run(_ context.Context, _, id string) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.runs[id]
	return r, ok, nil
}

func (m *memory) FindRun(_ context.Context, workspace, _, subject string, generation int64) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runs {
		if r.Workspace == workspace && r.Subject == subject && r.Generation == generation {
			return r, true, nil
		}
	}
	return audit.Run{}, false, nil
}

func (m *memory) Steps(_ context.Context, run string) (map[string]audit.Step, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps[run], nil
}

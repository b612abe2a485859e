package loop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// memory is all that a loop keeps, without a database: ledger, audit store, approvals
// and locks, with a clock of its own.
type memory struct {
	mu      sync.Mutex
	now     time.Time
	runs    map[string]audit.Run
	steps   map[string]map[string]audit.Step
	entries []audit.Entry
	asked   []tools.Approval
	locks   map[string]string
	commits int  // so far
	crash   int  // the commit that fails; 0 is none
	kept    bool // it fails after it has taken effect
}

func newMemory() *memory {
	return &memory{now: now, runs: map[string]audit.Run{}, steps: map[string]map[string]audit.Step{}, locks: map[string]string{}}
}

func (m *memory) Append(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	if m.commits == m.crash && !m.kept {
		return errCrash
	}
	for _, e := range entries {
		if e.Verdict != nil && !m.decide(e) {
			e.Verdict.Void = true
			continue
		}
		if v := e.Move; v != nil && !m.move(v) {
			v.Stale = true
			continue
		}
		m.entries = append(m.entries, e)
	}
	if m.commits == m.crash {
		return errCrash
	}
	return nil
}

var errCrash = errors.New("crash")

func (m *memory) decide(e audit.Entry) bool {
	i := slices.IndexFunc(m.asked, func(a tools.Approval) bool { return a.ID == e.Approval && a.State == tools.Waiting })
	if i < 0 {
		return false
	}
	a := &m.asked[i]
	a.By, a.Note, a.State = e.By, e.Verdict.Note, tools.Denied
	if e.Verdict.Approved {
		a.State = tools.Approved
	}
	return true
}

func (m *memory) move(v *audit.Move) bool {
	was, to := m.runs[v.To.ID], v.To
	if was.Turn != to.Turn || returns.Ended(was.Status) {
		return false
	}
	if to.Turn++; was.Turn == 0 {
		to.Started = m.now
	}
	to.Moved, to.WakeTime = m.now, m.now.Add(v.Wake)
	if v.Wake < 0 {
		to.WakeTime = m.now.AddDate(1000, 0, 0)
	}
	m.runs[to.ID] = to
	if v.Step != nil {
		steps := maps.Clone(m.steps[to.ID])
		if steps == nil {
			steps = map[string]audit.Step{}
		}
		steps[v.Step.Name] = *v.Step
		m.steps[to.ID] = steps
	}
	return true
}

func (m *memory) ClaimRun(context.Context, string, time.Duration) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.runs)) {
		if r := m.runs[id]; !returns.Ended(r.Status) && !r.WakeTime.After(m.now) {
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

func (m *memory) Run(_ context.Context, workspace, id string) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.runs[id]
	return r, ok && r.Workspace == workspace, nil
}

func (m *memory) FindRun(_ context.Context, workspace, kind, subject string, generation int64) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runs {
		if r.Workspace == workspace && r.Kind == kind && r.Subject == subject && r.Generation == generation {
			return r, true, nil
		}
	}
	return audit.Run{}, false, nil
}

func (m *memory) LatestRun(ctx context.Context, workspace, kind, subject string) (last audit.Run, ok bool, err error) {
	for generation := int64(0); ; generation++ {
		r, there, err := m.FindRun(ctx, workspace, kind, subject, generation)
		if !there || err != nil {
			return last, ok, err
		}
		last, ok = r, true
	}
}

func (m *memory) Steps(_ context.Context, run string) (map[string]audit.Step, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.steps[run]), nil
}

// OpenApproval and those that follow implement tools.Approvals, without time: expire
// is when an approval's is over.
func (m *memory) OpenApproval(_ context.Context, call tools.AskedCall) (tools.Approval, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		if a.AskedCall == call && slices.Contains([]tools.State{tools.Waiting, tools.Approved, tools.Denied}, a.State) {
			return a, true, nil
		}
	}
	return tools.Approval{}, false, nil
}

func (m *memory) AskApproval(_ context.Context, a tools.Approval) (tools.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, a)
	return a, nil
}

func (m *memory) Approval(_ context.Context, workspace, id string) (tools.Approval, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.asked, func(a tools.Approval) bool { return a.ID == id && a.Workspace == workspace })
	if i < 0 {
		return tools.Approval{}, false, nil
	}
	return m.asked[i], true, nil
}

func (m *memory) ListApprovals(context.Context, tools.ApprovalQuery) ([]tools.Approval, error) {
	return nil, nil
}

func (m *memory) GiveBack(context.Context, string, string) error { return nil }

// expire is the end of the time of all approvals that wait.
func (m *memory) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.asked {
		if a := &m.asked[i]; a.State == tools.Waiting {
			a.State = tools.Expired
		}
	}
	m.now = m.now.Add(100 * time.Hour)
}

func (m *memory) Lock(_ context.Context, name, run string, turn int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if has, taken := m.locks[name]; taken && has != run || m.runs[run].Turn != turn {
		return false, nil
	}
	m.locks[name] = run
	return true, nil
}

func (m *memory) Unlock(_ context.Context, name, run string, turn int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] == run && m.runs[run].Turn == turn {
		delete(m.locks, name)
	}
	return nil
}

// sealing marks what is sealed, and for whom: another name does not open it.
type sealing struct{}

func (sealing) Seal(_ context.Context, workspace, name string, plain []byte) ([]byte, error) {
	return append([]byte(workspace+"|"+name+"|"), plain...), nil
}

func (sealing) Open(_ context.Context, workspace, name string, sealed []byte) ([]byte, error) {
	head := workspace + "|" + name + "|"
	if len(sealed) < len(head) || string(sealed[:len(head)]) != head {
		return nil, fmt.Errorf("it is not sealed for %s", head)
	}
	return sealed[len(head):], nil
}

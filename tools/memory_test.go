package tools_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// memory keeps entries for a test to look at, with their claims, and can be told
// to fail.
type memory struct {
	mu      sync.Mutex
	entries []audit.Entry
	claims  map[string]audit.Claim
	asked   []tools.Approval // in the order of asking
	runs    map[string]audit.Run
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
		if !m.decide(e) {
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

// decide uses an approval or lets a verdict take effect, if it is there to be.
func (m *memory) decide(e audit.Entry) bool {
	for i := range m.asked {
		a := &m.asked[i]
		switch {
		case a.ID != e.Approval:
		case e.Consent != nil && a.State == tools.Approved:
			a.State, a.Call = tools.Used, e.ID
			return true
		case e.Verdict != nil && a.State == tools.Waiting:
			if a.State = tools.Denied; e.Verdict.Approved {
				a.State = tools.Approved
			}
			a.By, a.Note = e.By, e.Verdict.Note
			return true
		}
	}
	if e.Consent != nil {
		e.Consent.Taken = true
	}
	if e.Verdict != nil {
		e.Verdict.Void = true
	}
	return e.Consent == nil && e.Verdict == nil
}

// OpenApproval and those that follow implement tools.Approvals, without time.
func (m *memory) OpenApproval(_ context.Context, call tools.AskedCall) (tools.Approval, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		if a.AskedCall == call && slices.Contains([]tools.State{tools.Waiting, tools.Approved, tools.Denied}, a.State) {
			return a, true, m.broken
		}
	}
	return tools.Approval{}, false, m.broken
}

func (m *memory) AskApproval(_ context.Context, a tools.Approval) (tools.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asked) >= tools.MaxWaiting {
		return a, tools.ErrManyWait
	}
	m.asked = append(m.asked, a)
	return a, m.broken
}

func (m *memory) Approval(_ context.Context, workspace, id string) (tools.Approval, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.asked, func(a tools.Approval) bool { return a.ID == id && a.Workspace == workspace })
	if i < 0 {
		return tools.Approval{}, false, m.broken
	}
	return m.asked[i], true, m.broken
}

func (m *memory) ListApprovals(_ context.Context, q tools.ApprovalQuery) ([]tools.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.asked)
	slices.Reverse(list)
	return list, m.broken
}

func (m *memory) GiveBack(_ context.Context, id, intent string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.asked {
		if m.asked[i].ID == id && m.asked[i].Call == intent {
			m.asked[i].State = tools.Approved
		}
	}
	return m.broken
}

// Run implements tools.Approvals.
func (m *memory) Run(_ context.Context, _, id string) (audit.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.runs[id]
	return r, ok, m.broken
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

package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// RefusedAgent is an agent that calls of a host have named, and that was refused
// because no rule covered it.
type RefusedAgent struct {
	Host, Agent string
	First, Last time.Time // in milliseconds
	Times       int64     // since First
}

// refusedLife is for how long an agent that was refused is remembered after the last
// time. The refusals themselves are in the audit trail for good.
const refusedLife = 30 * 24 * time.Hour

// account is whose refusals are counted together.
func account(e audit.Entry) audit.Account {
	return audit.Account{Workspace: e.Workspace, Host: e.Host, Agent: e.Agent}
}

// uncovered reports whether an entry refuses an agent whom no rule covers.
func uncovered(e audit.Entry) bool {
	return e.Phase == audit.PhaseRefusal && e.Decision == audit.DecisionRefused && e.Rule == "" && e.Code == string(tools.NotAuthorized)
}

const (
	addRefused = `INSERT INTO refused_agent (workspace, host, agent, first_at, last_at, times) VALUES ` + refusedRow
	refusedRow = `(?, ?, ?, ?, ?, ?)`
	// countRefused follows the rows. A server whose clock is behind does not take time back.
	countRefused = ` ON CONFLICT (workspace, host, agent) DO UPDATE SET times = refused_agent.times + excluded.times,
		last_at = CASE WHEN excluded.last_at > refused_agent.last_at THEN excluded.last_at ELSE refused_agent.last_at END`
)

// refused counts the refusals among the entries of agents that no rule covers, and
// forgets what is too old of their workspaces. Its transaction has these workspaces alone.
func (s *Store) refused(ctx context.Context, tx *tx, entries []audit.Entry) error {
	agents := map[audit.Account]RefusedAgent{}
	newest := map[string]time.Time{} // by workspace
	for _, e := range entries {
		if !uncovered(e) {
			continue
		}
		a := agents[account(e)]
		if a.Times == 0 {
			a.First = e.Time
		}
		a.Last, a.Times, newest[e.Workspace] = e.Time, a.Times+1, e.Time
		agents[account(e)] = a
	}
	if len(agents) == 0 {
		return nil
	}
	accounts := slices.SortedFunc(maps.Keys(agents), func(a, b audit.Account) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Agent, b.Agent))
	})
	for some := range slices.Chunk(accounts, s.engine.rows) {
		var rows []any
		for _, account := range some {
			a := agents[account]
			rows = append(rows, account.Workspace, account.Host, account.Agent, a.First.UnixMilli(), a.Last.UnixMilli(), a.Times)
		}
		if _, err := tx.ExecContext(ctx, addRefused+more(refusedRow, len(some))+countRefused, rows...); err != nil {
			return fmt.Errorf("count refused agents: %w", err)
		}
	}
	for _, workspace := range slices.Sorted(maps.Keys(newest)) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM refused_agent WHERE workspace = ? AND last_at < ?`, workspace, newest[workspace].Add(-refusedLife).UnixMilli()); err != nil {
			return fmt.Errorf("forget refused agents: %w", err)
		}
	}
	return nil
}

// lastRefused finds them through the index: it reads as many rows as it returns.
const lastRefused = `SELECT host, agent, first_at, last_at, times FROM refused_agent WHERE workspace = ? AND last_at >= NOW() - CAST(? AS BIGINT)
	ORDER BY last_at DESC LIMIT ?`

// RefusedAgents returns the agents of a workspace that were refused in the last 30 days
// because no rule covered them, the last one first, at most limit. Some may be covered by
// now.
func (s *Store) RefusedAgents(ctx context.Context, workspace string, limit int) (agents []RefusedAgent, err error) {
	rows, err := s.reader.QueryContext(ctx, lastRefused, workspace, refusedLife.Milliseconds(), limit)
	if err != nil {
		return nil, fmt.Errorf("list refused agents: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a RefusedAgent
		var first, last int64
		if err := rows.Scan(&a.Host, &a.Agent, &first, &last, &a.Times); err != nil {
			return nil, fmt.Errorf("list refused agents: %w", err)
		}
		a.First, a.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		agents = append(agents, a)
	}
	return agents, rows.Err()
}

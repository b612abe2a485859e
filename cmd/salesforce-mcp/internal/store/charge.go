package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/audit"
)

// charge counts the charges of the intents among the entries, and returns the
// entries that are left: those that exceed no limit. However many calls of an
// agent are in a batch, they cost two statements; agents without limits cost
// nothing. An account is of one workspace, and its transaction has that workspace
// alone.
func (s *Store) charge(ctx context.Context, tx *tx, entries []audit.Entry) ([]audit.Entry, error) {
	charged := map[audit.Account][]audit.Entry{}
	var accounts []audit.Account
	for _, e := range entries {
		if e.Charge == nil || e.Phase != audit.PhaseIntent {
			continue
		}
		if charged[e.Charge.Account] == nil {
			accounts = append(accounts, e.Charge.Account)
		}
		charged[e.Charge.Account] = append(charged[e.Charge.Account], e)
	}
	if accounts == nil {
		return entries, nil
	}
	slices.SortFunc(accounts, func(a, b audit.Account) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Agent, b.Agent))
	})
	spent := map[string]bool{}
	for _, a := range accounts {
		counts, err := lockCounts(ctx, tx, a, charged[a][0].Time)
		if err != nil {
			return nil, fmt.Errorf("count the calls of agent %q: %w", a.Agent, err)
		}
		for _, e := range charged[a] {
			counts.Take(e.Charge, e.Time)
			if e.Charge.Spent == nil {
				continue
			}
			spent[e.ID] = true
			if e.Claim != nil { // it came first, and is not to be had by a call that is not made
				if _, err := tx.ExecContext(ctx, `DELETE FROM claim WHERE scope = ? AND intent = ?`, e.Claim.Scope, e.ID); err != nil {
					return nil, fmt.Errorf("release the claim of %s: %w", e.ID, err)
				}
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE budget SET minute = ?, minute_calls = ?, day = ?, day_calls = ?, day_writes = ? WHERE workspace = ? AND host = ? AND agent = ?`,
			counts.Minute, counts.MinuteCalls, counts.Day, counts.DayCalls, counts.DayWrites, a.Workspace, a.Host, a.Agent)
		if err != nil {
			return nil, fmt.Errorf("count the calls of agent %q: %w", a.Agent, err)
		}
	}
	if len(spent) == 0 {
		return entries, nil
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e audit.Entry) bool { return spent[e.ID] }), nil
}

// idleDays is after how many days without a call an account is forgotten. It is
// more than one so that the accounts that are in use are not in the way.
const idleDays = 7

// lockCounts returns what an account has taken, and keeps other transactions from
// it. When a new one is added, those of its workspace that have been idle are
// forgotten.
func lockCounts(ctx context.Context, tx *tx, a audit.Account, now time.Time) (c audit.Counts, err error) {
	lock := func() error {
		return tx.QueryRowContext(ctx, `UPDATE budget SET minute = minute WHERE workspace = ? AND host = ? AND agent = ?
			RETURNING minute, minute_calls, day, day_calls, day_writes`, a.Workspace, a.Host, a.Agent).
			Scan(&c.Minute, &c.MinuteCalls, &c.Day, &c.DayCalls, &c.DayWrites)
	}
	if err = lock(); !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM budget WHERE workspace = ? AND day < ?`, a.Workspace, now.Unix()/int64(24*60*60)-idleDays); err != nil {
		return c, err
	}
	if _, err = tx.ExecContext(ctx, `INSERT INTO budget (workspace, host, agent, minute, minute_calls, day, day_calls, day_writes)
		VALUES (?, ?, ?, 0, 0, 0, 0, 0) ON CONFLICT (workspace, host, agent) DO NOTHING`, a.Workspace, a.Host, a.Agent); err != nil {
		return c, err
	}
	return c, lock()
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

var _ tools.Claims = (*Store)(nil)

// forgetClaims forgets the claims that are too old, if the entries have claims.
func (s *Store) forgetClaims(ctx context.Context, entries []audit.Entry) error {
	for _, e := range entries {
		if e.Claim == nil {
			continue
		}
		if err := s.forget(ctx, "claim", "made", e.Time.Add(-audit.ClaimWindow).UnixMilli()); err != nil {
			return fmt.Errorf("forget old claims: %w", err)
		}
		return nil
	}
	return nil
}

// claim keeps the claims of the entries, and returns the entries that are left:
// those whose claims are not another's. A scope is of one workspace, and its
// transaction has that workspace alone.
func (s *Store) claim(ctx context.Context, tx *tx, entries []audit.Entry) ([]audit.Entry, error) {
	taken := false
	for _, e := range entries {
		if e.Claim == nil {
			continue
		}
		if err := claimOne(ctx, tx, e); err != nil {
			return nil, fmt.Errorf("keep the claim of %s: %w", e.ID, err)
		}
		taken = taken || e.Claim.Taken
	}
	if !taken {
		return entries, nil
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e audit.Entry) bool { return e.Claim != nil && e.Claim.Taken }), nil
}

func claimOne(ctx context.Context, tx *tx, e audit.Entry) error {
	c := e.Claim
	if e.Phase != audit.PhaseIntent {
		var err error
		switch {
		case c.Released():
			_, err = tx.ExecContext(ctx, `DELETE FROM claim WHERE scope = ? AND intent = ? AND outcome IS NULL`, c.Scope, e.Intent)
		case c.Outcome != nil:
			_, err = tx.ExecContext(ctx, `UPDATE claim SET outcome = ? WHERE scope = ? AND intent = ? AND outcome IS NULL`, c.Outcome, c.Scope, e.Intent)
		}
		return err
	}
	done, err := tx.ExecContext(ctx, `INSERT INTO claim (scope, intent, made, expires, digest) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (scope) DO UPDATE SET intent = excluded.intent, made = excluded.made, expires = excluded.expires, digest = excluded.digest, outcome = NULL
		WHERE claim.made < ?`,
		c.Scope, e.ID, e.Time.UnixMilli(), e.Time.Add(c.Life).UnixMilli(), c.Digest, e.Time.Add(-audit.ClaimWindow).UnixMilli())
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	c.Taken = n == 0
	return err
}

// Claim implements [tools.Claims].
func (s *Store) Claim(ctx context.Context, scope string) (c audit.Claim, ok bool, err error) {
	now := time.Now()
	c.Scope = scope
	err = s.reader.QueryRowContext(ctx, `SELECT intent, digest, outcome, outcome IS NULL AND expires >= ? AND EXISTS (SELECT 1 FROM audit_open o WHERE o.intent = claim.intent)
		FROM claim WHERE scope = ? AND made >= ?`, now.UnixMilli(), scope, now.Add(-audit.ClaimWindow).UnixMilli()).
		Scan(&c.Intent, &c.Digest, &c.Outcome, &c.Live)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Claim{}, false, nil
	}
	if err != nil {
		return audit.Claim{}, false, fmt.Errorf("find a claim: %w", err)
	}
	return c, true, nil
}

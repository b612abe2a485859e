package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/audit"
)

// move makes the moves of entries that have no verdict, and returns the entries that
// are left: those whose run was where they have seen it. Runs are taken in the order of their IDs, so
// that two processes do not wait for each other.
func (s *Store) move(ctx context.Context, tx *tx, entries []audit.Entry) ([]audit.Entry, error) {
	var moving []audit.Entry
	for _, e := range entries {
		if e.Move != nil && e.Verdict == nil {
			moving = append(moving, e)
		}
	}
	if moving == nil {
		return entries, nil
	}
	slices.SortStableFunc(moving, func(a, b audit.Entry) int { return cmp.Compare(a.Move.To.ID, b.Move.To.ID) })
	process := s.process.current()
	for _, e := range moving {
		if err := moveOne(ctx, tx, e, process); err != nil {
			return nil, fmt.Errorf("move run %s: %w", e.Move.To.ID, err)
		}
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e audit.Entry) bool { return e.Move != nil && e.Move.Stale }), nil
}

// never is when a run wakes that waits for a person without end.
const never = math.MaxInt64 / 2

func moveOne(ctx context.Context, tx *tx, e audit.Entry, process string) error {
	m, r := e.Move, e.Move.To
	wake := m.Wake.Milliseconds()
	if m.Wake < 0 {
		wake = never / 2 // beside the clock
	}
	state := []any{r.Status, r.At, r.Goal, r.Pivot, bit(r.Escalated), r.Tries, blob(r.Reason), blob(r.Answer), process, m.Lease.Milliseconds(), wake}
	const changed = `UPDATE saga SET status = ?, at_step = ?, goal = ?, pivot = ?, escalated = ?, tries = ?, reason = ?, answer = ?, owner = ?,
		lease_until = NOW() + CAST(? AS BIGINT), wake_at = NOW() + CAST(? AS BIGINT), turn = turn + 1, moved = NOW()
		WHERE id = ? AND workspace = ? AND turn = ? AND status IN ('running', 'waiting', 'undoing') AND (pivot <> 'passed' OR ? = 'passed')`
	const started = `INSERT INTO saga (status, at_step, goal, pivot, escalated, tries, reason, answer, owner, lease_until, wake_at, id, workspace, kind, subject, generation, input, turn, started, moved)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NOW() + CAST(? AS BIGINT), NOW() + CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, 1, NOW(), NOW())
		ON CONFLICT (workspace, kind, subject, generation) DO NOTHING`
	statement, args := changed, append(state, r.ID, e.Workspace, r.Turn, r.Pivot)
	if r.Turn == 0 {
		statement, args = started, append(state, r.ID, e.Workspace, r.Kind, r.Subject, r.Generation, blob(r.Input))
	}
	done, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if m.Stale = n == 0; m.Stale || err != nil {
		return err
	}
	if r.Status != "running" && r.Status != "waiting" { // nobody is asked any more
		if _, err := tx.ExecContext(ctx, `UPDATE approval SET state = 'expired' WHERE run_id <> '' AND run_id = ? AND workspace = ? AND state = 'waiting'`, r.ID, e.Workspace); err != nil {
			return err
		}
	}
	if m.Step == nil {
		return nil
	}
	t := m.Step
	_, err = tx.ExecContext(ctx, `INSERT INTO saga_step (saga_id, step, attempt, idem_key, request_digest, state, result, started, finished)
		VALUES (?, ?, ?, ?, ?, ?, ?, NOW(), CASE WHEN ? = 'intent' THEN 0 ELSE NOW() END)
		ON CONFLICT (saga_id, step) DO UPDATE SET attempt = excluded.attempt, request_digest = excluded.request_digest, state = excluded.state,
		result = excluded.result, finished = excluded.finished`,
		r.ID, t.Name, t.Attempt, t.Key, t.Digest, t.State, blob(t.Result), t.State)
	return err
}

// bit is a truth as a column keeps it.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// blob is a value that is never NULL.
func blob(b []byte) []byte { return append([]byte{}, b...) }

// due selects runs that nobody has and that are to go on. Whoever had one has it no
// more when its lease is over, or its process is gone.
const due = `status IN ('running', 'waiting', 'undoing') AND wake_at <= NOW()
	AND (lease_until <= NOW() OR NOT EXISTS (SELECT 1 FROM process p WHERE p.id = saga.owner AND p.expires >= NOW()))`

// ClaimRun takes a run of a kind that is to go on and that nobody has, for the length
// of a lease; ok is false when there is none. Of all who ask, in all processes, one
// has it: whoever had it before finds that it has moved.
func (s *Store) ClaimRun(ctx context.Context, kind string, lease time.Duration) (r audit.Run, ok bool, err error) {
	process := s.process.current()
	if process == "" {
		return r, false, errors.New("claim a run: this process records no calls, so it can have none")
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT id, turn FROM saga WHERE kind = ? AND `+due+` ORDER BY wake_at LIMIT 20`, kind)
	if err != nil {
		return r, false, fmt.Errorf("find a run: %w", err)
	}
	defer func() { _ = rows.Close() }()
	type candidate struct {
		id   string
		turn int64
	}
	var candidates []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.id, &c.turn); err != nil {
			return r, false, fmt.Errorf("find a run: %w", err)
		}
		candidates = append(candidates, c)
	}
	if err := rows.Err(); err != nil {
		return r, false, fmt.Errorf("find a run: %w", err)
	}
	for _, c := range candidates {
		done, err := s.writer.ExecContext(ctx, `UPDATE saga SET owner = ?, turn = turn + 1, lease_until = NOW() + CAST(? AS BIGINT) WHERE id = ? AND turn = ? AND `+due,
			process, lease.Milliseconds(), c.id, c.turn)
		if err != nil {
			return r, false, fmt.Errorf("claim a run: %w", err)
		}
		if n, err := done.RowsAffected(); err != nil {
			return r, false, fmt.Errorf("claim a run: %w", err)
		} else if n == 0 {
			continue // another was faster
		}
		r, ok, err := s.oneRun(ctx, `id = ? AND turn = ?`, c.id, c.turn+1)
		if ok || err != nil {
			return r, ok, err
		}
	}
	return audit.Run{}, false, nil
}

// KeepRun extends a lease. It is false when the run has moved since that turn.
func (s *Store) KeepRun(ctx context.Context, id string, turn int64, lease time.Duration) (bool, error) {
	done, err := s.writer.ExecContext(ctx, `UPDATE saga SET lease_until = NOW() + CAST(? AS BIGINT) WHERE id = ? AND turn = ?`, lease.Milliseconds(), id, turn)
	if err != nil {
		return false, fmt.Errorf("keep a run: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// FindRun returns the run of a subject and generation.
func (s *Store) FindRun(ctx context.Context, workspace, kind, subject string, generation int64) (audit.Run, bool, error) {
	return s.oneRun(ctx, `workspace = ? AND kind = ? AND subject = ? AND generation = ?`, workspace, kind, subject, generation)
}

// Run returns a run of a workspace.
func (s *Store) Run(ctx context.Context, workspace, id string) (audit.Run, bool, error) {
	return s.oneRun(ctx, `workspace = ? AND id = ?`, workspace, id)
}

// LatestRun returns the run of a subject that has the highest generation.
func (s *Store) LatestRun(ctx context.Context, workspace, kind, subject string) (audit.Run, bool, error) {
	return s.oneRun(ctx, `workspace = ? AND kind = ? AND subject = ? ORDER BY generation DESC LIMIT 1`, workspace, kind, subject)
}

// Runs returns runs, the one first that was started last.
func (s *Store) Runs(ctx context.Context, q audit.RunQuery) (runs []audit.Run, err error) {
	where := []string{"1 = 1"}
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	for column, value := range map[string]string{"workspace": q.Workspace, "status": q.Status, "subject": q.Subject} {
		if value != "" {
			add(column+" = ?", value)
		}
	}
	if q.Escalated {
		add("escalated = 1")
	}
	if q.Person {
		add("(escalated = 1 OR status = 'waiting')")
	}
	if q.Before != "" {
		add("(started, id) < (SELECT b.started, b.id FROM saga b WHERE b.id = ?)", q.Before)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+runColumns+` FROM saga WHERE `+strings.Join(where, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`,
		append(args, cmp.Or(q.Limit, 50))...)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		r, err := scanRun(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// CountRuns counts the runs that wait, and those that are escalated, which may be the
// same.
func (s *Store) CountRuns(ctx context.Context) (waiting, escalated int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN status = 'waiting' THEN 1 ELSE 0 END), 0), coalesce(sum(escalated), 0)
		FROM saga WHERE status IN ('running', 'waiting', 'undoing')`).Scan(&waiting, &escalated)
	if err != nil {
		return 0, 0, fmt.Errorf("count runs: %w", err)
	}
	return waiting, escalated, nil
}

// runColumns are those of scanRun.
const runColumns = `id, workspace, kind, subject, generation, input, status, at_step, goal, pivot, escalated = 1, tries, reason, answer, turn, started, moved, wake_at`

func scanRun(scan func(...any) error) (r audit.Run, err error) {
	var started, moved, wake int64
	err = scan(&r.ID, &r.Workspace, &r.Kind, &r.Subject, &r.Generation, &r.Input, &r.Status, &r.At, &r.Goal, &r.Pivot,
		&r.Escalated, &r.Tries, &r.Reason, &r.Answer, &r.Turn, &started, &moved, &wake)
	r.Started, r.Moved, r.WakeTime = time.UnixMilli(started).UTC(), time.UnixMilli(moved).UTC(), time.UnixMilli(wake).UTC()
	return r, err
}

func (s *Store) oneRun(ctx context.Context, where string, args ...any) (audit.Run, bool, error) {
	r, err := scanRun(s.reader.QueryRowContext(ctx, `SELECT `+runColumns+` FROM saga WHERE `+where, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Run{}, false, nil
	}
	if err != nil {
		return audit.Run{}, false, fmt.Errorf("read a run: %w", err)
	}
	return r, true, nil
}

// Steps returns the steps that a run has begun, by name.
func (s *Store) Steps(ctx context.Context, run string) (steps map[string]audit.Step, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT step, attempt, idem_key, request_digest, state, result, started, finished FROM saga_step WHERE saga_id = ?`, run)
	if err != nil {
		return nil, fmt.Errorf("read the steps of a run: %w", err)
	}
	defer func() { _ = rows.Close() }()
	steps = map[string]audit.Step{}
	for rows.Next() {
		var t audit.Step
		var started, finished int64
		if err := rows.Scan(&t.Name, &t.Attempt, &t.Key, &t.Digest, &t.State, &t.Result, &started, &finished); err != nil {
			return nil, fmt.Errorf("read the steps of a run: %w", err)
		}
		t.Started = time.UnixMilli(started).UTC()
		if finished != 0 {
			t.Finished = time.UnixMilli(finished).UTC()
		}
		steps[t.Name] = t
	}
	return steps, rows.Err()
}

// forever is for how long a run's lock is its own: a lock does not end with the worker
// or the process that took it.
const forever = 100 * 365 * 24 * time.Hour

// Lock takes a name for a run, which may have it already, unless another run has it.
// It is false, and nothing is taken, when the run has moved since that turn.
func (s *Store) Lock(ctx context.Context, name, run string, turn int64) (bool, error) {
	done, err := s.writer.ExecContext(ctx, `INSERT INTO lease (name, owner, expires)
		SELECT ?, ?, NOW() + CAST(? AS BIGINT) FROM saga WHERE id = ? AND turn = ?
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires WHERE lease.owner = excluded.owner OR lease.expires < NOW()`,
		name, run, forever.Milliseconds(), run, turn)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Unlock gives up a name that a run has, if the run has not moved since that turn.
func (s *Store) Unlock(ctx context.Context, name, run string, turn int64) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM lease WHERE name = ? AND owner = ? AND EXISTS (SELECT 1 FROM saga WHERE id = ? AND turn = ?)`, name, run, run, turn)
	if err != nil {
		return fmt.Errorf("unlock %s: %w", name, err)
	}
	return nil
}

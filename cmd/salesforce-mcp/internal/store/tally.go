package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"salesforce-mcp/audit"
)

// A Tally is what a workspace did in some hours.
type Tally struct {
	From     time.Time
	Outcomes map[audit.Status]int64 // calls of agents that ended
	Refusals map[string]int64       // those that were refused, by code
	Requests int64                  // HTTP requests to the org, also of people and returns
	P50, P95 time.Duration          // of calls that were made, within 5 %; 0 when there are none
	Used     int64                  // API calls in 24 hours, the most that the org has said; 0 when it has said nothing
	Allowed  int64
}

// Calls is how many calls ended.
func (t Tally) Calls() (n int64) {
	for _, some := range t.Outcomes {
		n += some
	}
	return n
}

// Tallies returns what a workspace did, from the beginning of an hour on and in steps of
// so many hours, a tally for each step also where there was nothing. It reads counts that
// are kept, a few for each hour.
func (s *Store) Tallies(ctx context.Context, workspace string, from time.Time, hours, steps int) ([]Tally, error) {
	first := hourOf(from)
	tallies, latency := make([]Tally, steps), make([]map[int]int64, steps)
	for i := range tallies {
		tallies[i] = Tally{From: time.Unix((first+int64(i*hours))*3600, 0).UTC(), Outcomes: map[audit.Status]int64{}, Refusals: map[string]int64{}}
		latency[i] = map[int]int64{}
	}
	end := first + int64(hours*steps)
	rows, err := s.reader.QueryContext(ctx, `SELECT (hour - CAST(? AS BIGINT)) / CAST(? AS BIGINT) AS step, what, name, CAST(sum(n) AS BIGINT) FROM audit_tally
		WHERE workspace = ? AND hour >= ? AND hour < ? GROUP BY step, what, name`, first, hours, workspace, first, end)
	if err != nil {
		return nil, fmt.Errorf("read counts of calls: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var step, n int64
		var what, name string
		if err := rows.Scan(&step, &what, &name, &n); err != nil {
			return nil, fmt.Errorf("read counts of calls: %w", err)
		}
		t := &tallies[step]
		switch what {
		case tallyRequests:
			t.Requests += n
		case tallyLatency:
			if class, err := strconv.Atoi(name); err == nil {
				latency[step][class] += n
			}
		default:
			t.Outcomes[audit.Status(what)] += n
			if audit.Status(what) == audit.Refused {
				t.Refusals[name] += n
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read counts of calls: %w", err)
	}
	for i := range tallies {
		tallies[i].P50, tallies[i].P95 = quantile(latency[i], .5), quantile(latency[i], .95)
	}
	return tallies, s.usages(ctx, workspace, first, end, hours, tallies)
}

// quantile is the duration that a part of the calls took at most.
func quantile(classes map[int]int64, part float64) time.Duration {
	var all []int
	var total int64
	for class, n := range classes {
		all, total = append(all, class), total+n
	}
	slices.Sort(all)
	rank, seen := part*float64(total), 0.0
	for _, class := range all {
		n := float64(classes[class])
		if seen+n >= rank {
			return classBound(float64(class) + (rank-seen)/n)
		}
		seen += n
	}
	return 0
}

// usages fills in what orgs have said of their API calls.
func (s *Store) usages(ctx context.Context, workspace string, first, end int64, hours int, tallies []Tally) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT hour, used, allowed FROM org_usage WHERE workspace = ? AND hour >= ? AND hour < ? ORDER BY hour`, workspace, first, end)
	if err != nil {
		return fmt.Errorf("read the use of the API: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var hour, used, allowed int64
		if err := rows.Scan(&hour, &used, &allowed); err != nil {
			return fmt.Errorf("read the use of the API: %w", err)
		}
		t := &tallies[(hour-first)/int64(hours)]
		t.Used, t.Allowed = max(t.Used, used), allowed
	}
	return rows.Err()
}

// NoteUsage keeps how many API calls the org of a workspace has said to be used and
// allowed: the most in an hour.
func (s *Store) NoteUsage(ctx context.Context, workspace string, at time.Time, used, allowed int64) error {
	_, err := s.writer.ExecContext(ctx, `INSERT INTO org_usage (workspace, hour, used, allowed) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace, hour) DO UPDATE SET used = excluded.used, allowed = excluded.allowed WHERE excluded.used > org_usage.used OR excluded.allowed <> org_usage.allowed`,
		workspace, hourOf(at), used, allowed)
	if err != nil {
		return fmt.Errorf("keep the use of the API: %w", err)
	}
	return nil
}

// LastUsage returns what the org of a workspace has said last, and in which hour; zero
// when it has said nothing yet.
func (s *Store) LastUsage(ctx context.Context, workspace string) (used, allowed int64, hour time.Time, err error) {
	var h int64
	err = s.reader.QueryRowContext(ctx, `SELECT hour, used, allowed FROM org_usage WHERE workspace = ? ORDER BY hour DESC LIMIT 1`, workspace).Scan(&h, &used, &allowed)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, time.Time{}, nil
	}
	return used, allowed, time.Unix(h*3600, 0).UTC(), err
}

// LastCalls returns when the last call of a workspace went well, and when the last one
// did not and with what code, as far as the index says. A zero time is never.
func (s *Store) LastCalls(ctx context.Context, workspace string) (ok, failed time.Time, code string, err error) {
	var a, b int64
	err = s.reader.QueryRowContext(ctx, `SELECT ok_at, failed_at, failed_code FROM audit_index WHERE workspace = ?`, workspace).Scan(&a, &b, &code)
	if errors.Is(err, sql.ErrNoRows) {
		return ok, failed, "", nil
	}
	return fromMilliseconds(a), fromMilliseconds(b), code, err
}

func fromMilliseconds(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Recovered returns how many calls have been closed as unknown since a time, because the
// server that made them stopped: of all workspaces.
func (s *Store) Recovered(ctx context.Context, since time.Time) (calls int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM audit_tally WHERE what = ? AND name = ? AND hour >= ?`,
		string(audit.Unknown), "interrupted", hourOf(since)).Scan(&calls)
	return calls, err
}

// Replicas returns how many processes that record calls are alive.
func (s *Store) Replicas(ctx context.Context) (n int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM process WHERE expires >= NOW()`).Scan(&n)
	return n, err
}

// Engine is the kind of database: sqlite or postgres.
func (s *Store) Engine() string { return s.engine.name }

// EngineVersion is that of the database.
func (s *Store) EngineVersion(ctx context.Context) (version string, err error) {
	query := `SELECT sqlite_version()`
	if s.engine == postgres {
		query = `SELECT current_setting('server_version')`
	}
	err = s.reader.QueryRowContext(ctx, query).Scan(&version)
	return version, err
}

// A Signature is the newest checkpoint of a workspace.
type Signature struct {
	Workspace  string
	Size       int64     // entries under it
	Checkpoint []byte    // the signed note
	At         time.Time // when it was signed, by the database's clock, which is no part of it; zero when that was not kept
	Unsigned   int64     // entries after it
}

// Signatures returns the newest checkpoints of all workspaces that have entries, signed
// or not.
func (s *Store) Signatures(ctx context.Context) ([]Signature, error) {
	heads, err := s.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var all []Signature
	for _, h := range heads {
		signature := Signature{Workspace: h.Workspace, Unsigned: h.Entries}
		var at int64
		var checkpoint string
		err := s.reader.QueryRowContext(ctx, `SELECT size, checkpoint, signed FROM audit_log WHERE workspace = ?`, h.Workspace).Scan(&signature.Size, &checkpoint, &at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("read the audit logs: %w", err)
		}
		signature.Checkpoint, signature.At, signature.Unsigned = []byte(checkpoint), fromMilliseconds(at), max(0, h.Entries-signature.Size)
		all = append(all, signature)
	}
	return all, nil
}

// A Verification is the last one of a log that somebody asked for.
type Verification struct {
	ID       string
	Person   string
	Started  time.Time
	Finished time.Time // zero while it goes on
	LookedAt int64     // entries so far
	Report   []byte    // JSON, when it has finished
	Stopped  bool      // it has not finished, and whoever made it says nothing any more
}

// verificationLife is how long a verification that says nothing is taken to go on.
const verificationLife = 30 * time.Second

// StartVerification begins the verification of a log, and returns false when one goes
// on.
func (s *Store) StartVerification(ctx context.Context, workspace, id, person string) (bool, error) {
	done, err := s.writer.ExecContext(ctx, `INSERT INTO audit_verification (workspace, id, person, started, beat, finished, looked_at, report) VALUES (?, ?, ?, NOW(), NOW(), 0, 0, '')
		ON CONFLICT (workspace) DO UPDATE SET id = excluded.id, person = excluded.person, started = excluded.started, beat = excluded.beat, finished = 0, looked_at = 0, report = ''
		WHERE audit_verification.finished > 0 OR audit_verification.beat < NOW() - CAST(? AS BIGINT)`, workspace, id, person, verificationLife.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("start a verification: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// VerificationAt says how far a verification is, and returns false when another has
// taken its place.
func (s *Store) VerificationAt(ctx context.Context, workspace, id string, lookedAt int64) (bool, error) {
	done, err := s.writer.ExecContext(ctx, `UPDATE audit_verification SET beat = NOW(), looked_at = ? WHERE workspace = ? AND id = ? AND finished = 0`, lookedAt, workspace, id)
	if err != nil {
		return false, fmt.Errorf("note a verification: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// EndVerification keeps what came of it.
func (s *Store) EndVerification(ctx context.Context, workspace, id string, report []byte) error {
	if _, err := s.writer.ExecContext(ctx, `UPDATE audit_verification SET finished = NOW(), report = ? WHERE workspace = ? AND id = ? AND finished = 0`, string(report), workspace, id); err != nil {
		return fmt.Errorf("keep a verification: %w", err)
	}
	return nil
}

// LastVerification returns the last one of a log; false when there is none.
func (s *Store) LastVerification(ctx context.Context, workspace string) (v Verification, ok bool, err error) {
	var started, finished int64
	err = s.reader.QueryRowContext(ctx, `SELECT id, person, started, finished, looked_at, report, finished = 0 AND beat < NOW() - CAST(? AS BIGINT) FROM audit_verification WHERE workspace = ?`,
		verificationLife.Milliseconds(), workspace).Scan(&v.ID, &v.Person, &started, &finished, &v.LookedAt, &v.Report, &v.Stopped)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	v.Started, v.Finished = fromMilliseconds(started), fromMilliseconds(finished)
	return v, err == nil, err
}

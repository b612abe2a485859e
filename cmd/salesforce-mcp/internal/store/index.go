package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// IndexBatch is how many entries [Store.Index] takes at a time: what it holds the
// writer for keeps calls waiting.
const IndexBatch = 128

// Index takes up to [IndexBatch] entries of a workspace into what calls are found by
// and counted in, and returns how many are there that it has not taken. Any number of
// processes may do so; each entry is taken once.
func (s *Store) Index(ctx context.Context, workspace string) (left int64, err error) {
	next, err := s.indexed(ctx, workspace)
	if err != nil {
		return 0, err
	}
	leaves, err := s.Leaves(ctx, workspace, next, IndexBatch)
	if err != nil || len(leaves) == 0 {
		return 0, err
	}
	b, err := s.digest(ctx, workspace, leaves)
	if err != nil {
		return 0, fmt.Errorf("index the audit trail: %w", err)
	}
	if err := s.keepDigest(ctx, workspace, next, leaves[len(leaves)-1].N+1, b); err != nil {
		return 0, fmt.Errorf("index the audit trail: %w", err)
	}
	return s.Unindexed(ctx, workspace)
}

// Unindexed returns how many entries of a workspace are not in the index yet.
func (s *Store) Unindexed(ctx context.Context, workspace string) (entries int64, err error) {
	next, err := s.indexed(ctx, workspace)
	if err != nil {
		return 0, err
	}
	var head int64
	if err := s.reader.QueryRowContext(ctx, nextLeaf, workspace).Scan(&head); err != nil {
		return 0, fmt.Errorf("read how far the audit trail is: %w", err)
	}
	return max(0, head-next), nil
}

// indexed returns the number before which all entries are in the index.
func (s *Store) indexed(ctx context.Context, workspace string) (next int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT next FROM audit_index WHERE workspace = ?`, workspace).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read how far the index of the audit trail is: %w", err)
	}
	return next, nil
}

// A callRow is a row of audit_call, or what an outcome makes of one.
type callRow struct {
	leaf  int64
	ended sql.NullInt64
	entry audit.Entry
}

// tallyKey names a count.
type tallyKey struct {
	hour int64
	what string
	name string
}

// digest is what some entries add to the index.
type digest struct {
	calls    map[int64]*callRow // by leaf
	keys     map[callKey]bool
	records  map[string]bool
	tally    map[tallyKey]int64
	hours    map[int64][2]int64 // first and last call
	ok, bad  time.Time
	badCode  string
	intentAt map[string]int64 // leaves of the intents of outcomes
}

// A callKey is what a call has in common with few others.
type callKey struct {
	kind, value string
	leaf        int64
}

// digest reads entries. One that is no entry, which only somebody else can have
// written, is left out: verification says more.
func (s *Store) digest(ctx context.Context, workspace string, leaves []proof.Leaf) (*digest, error) {
	b := &digest{calls: map[int64]*callRow{}, keys: map[callKey]bool{}, records: map[string]bool{}, tally: map[tallyKey]int64{}, hours: map[int64][2]int64{}, intentAt: map[string]int64{}}
	entries := make([]audit.Entry, len(leaves))
	var elsewhere []any // intents that were taken before
	for i, l := range leaves {
		e := &entries[i]
		if json.Unmarshal(l.Entry, e) != nil || e.Workspace != workspace {
			e.Phase = ""
			continue
		}
		if e.Phase == audit.PhaseIntent {
			b.intentAt[e.ID] = l.N
		} else if _, here := b.intentAt[e.Intent]; e.Phase == audit.PhaseOutcome && !here {
			elsewhere = append(elsewhere, e.Intent)
		}
	}
	if err := s.leavesOf(ctx, workspace, elsewhere, b.intentAt); err != nil {
		return nil, err
	}
	for i, l := range leaves {
		b.add(l.N, entries[i])
	}
	return b, nil
}

// leavesOf finds the numbers of entries by their ids.
func (s *Store) leavesOf(ctx context.Context, workspace string, ids []any, found map[string]int64) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT id, leaf FROM audit_entry WHERE workspace = ? AND id IN (?`+more("?", len(ids))+`)`, append([]any{workspace}, ids...)...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var leaf sql.NullInt64
		if err := rows.Scan(&id, &leaf); err != nil {
			return err
		}
		if leaf.Valid {
			found[id] = leaf.Int64
		}
	}
	return rows.Err()
}

func hourOf(at time.Time) int64 { return at.Unix() / 3600 }

// add takes one entry.
func (b *digest) add(leaf int64, e audit.Entry) {
	if e.Phase == "" {
		return
	}
	hour, call := hourOf(e.Time), leaf
	if e.Phase == audit.PhaseOutcome {
		if at, ok := b.intentAt[e.Intent]; ok {
			call = at
		}
	}
	row := b.calls[call]
	if row == nil {
		row = &callRow{leaf: call, entry: e}
		b.calls[call] = row
	}
	for _, record := range e.Records {
		b.records[record] = true
	}
	for _, k := range []callKey{{"run", e.Run, call}, {"context", e.Context, call}, {"approval", e.Approval, call}} {
		if k.value != "" {
			b.keys[k] = true
		}
	}
	if call == leaf {
		h, ok := b.hours[hour]
		if !ok {
			h[0] = leaf
		}
		b.hours[hour] = [2]int64{h[0], leaf}
	}
	if e.Phase == audit.PhaseIntent {
		return
	}
	row.ended = sql.NullInt64{Int64: leaf, Valid: true}
	row.entry.Outcome, row.entry.Code = e.Outcome, e.Code
	b.count(hour, e)
}

// ofAgent reports whether an entry is of what an agent asked for, and not of a person,
// a command or a step of a return.
func ofAgent(e audit.Entry) bool {
	switch e.Surface {
	case "mcp", "stdio", "instructions", "results":
		return e.By == "" && e.Action != "step"
	}
	return false
}

// What is counted, beside outcomes.
const (
	tallyRequests = "requests" // HTTP requests to the org
	tallyLatency  = "latency"  // by class of duration
)

// count counts an entry that ends a call.
func (b *digest) count(hour int64, e audit.Entry) {
	b.tally[tallyKey{hour, tallyRequests, ""}] += int64(len(e.Exchanges))
	if !ofAgent(e) {
		return
	}
	code := ""
	switch e.Outcome {
	case audit.OK:
		b.ok = later(b.ok, e.Time)
	case audit.Failed, audit.Unknown:
		if later(b.bad, e.Time).Equal(e.Time) {
			b.bad, b.badCode = e.Time, e.Code
		}
	}
	if e.Outcome == audit.Refused || e.Outcome == audit.Unknown { // whose codes are ours, and few
		code = e.Code
	}
	b.tally[tallyKey{hour, string(e.Outcome), code}]++
	if e.Duration > 0 && e.Replay == "" {
		b.tally[tallyKey{hour, tallyLatency, strconv.Itoa(durationClass(e.Duration))}]++
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// classes is how many classes of durations there are between one and its double: the
// bounds of a class are 9 % apart.
const classes = 8

// durationClass is the class of a duration of a microsecond or more.
func durationClass(d time.Duration) int {
	return int(math.Floor(classes * math.Log2(float64(max(d.Microseconds(), 1)))))
}

// classBound is the lower bound of a class.
func classBound(class float64) time.Duration {
	return time.Duration(math.Exp2(class/classes) * float64(time.Microsecond))
}

// keepDigest adds to the index what entries from next to before after say, unless
// somebody else has.
func (s *Store) keepDigest(ctx context.Context, workspace string, next, after int64, b *digest) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	done, err := tx.ExecContext(ctx, `INSERT INTO audit_index (workspace, next, ok_at, failed_at, failed_code) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (workspace) DO UPDATE SET next = excluded.next,
			ok_at = CASE WHEN excluded.ok_at > audit_index.ok_at THEN excluded.ok_at ELSE audit_index.ok_at END,
			failed_code = CASE WHEN excluded.failed_at >= audit_index.failed_at AND excluded.failed_at > 0 THEN excluded.failed_code ELSE audit_index.failed_code END,
			failed_at = CASE WHEN excluded.failed_at > audit_index.failed_at THEN excluded.failed_at ELSE audit_index.failed_at END
		WHERE audit_index.next = ?`, workspace, after, milliseconds(b.ok), milliseconds(b.bad), b.badCode, next)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	const columns = `INSERT INTO audit_call (workspace, leaf, ended, at, host, agent, user_id, decider, surface, tool, action, effect, decision, outcome, code) VALUES `
	const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	var calls [][]any
	for _, leaf := range slices.Sorted(maps.Keys(b.calls)) {
		c := b.calls[leaf]
		e := c.entry
		calls = append(calls, []any{workspace, leaf, c.ended, e.Time.UnixMilli(), e.Host, e.Agent, e.User, e.By, e.Surface, e.Tool, e.Action, e.Effect, e.Decision,
			string(e.Outcome), e.Code})
	}
	if err := insert(ctx, tx, columns, row, ` ON CONFLICT (workspace, leaf) DO UPDATE SET ended = excluded.ended, outcome = excluded.outcome, code = excluded.code`, calls); err != nil {
		return err
	}
	var keys [][]any
	for _, k := range slices.SortedFunc(maps.Keys(b.keys), func(a, b callKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value), cmp.Compare(a.leaf, b.leaf))
	}) {
		keys = append(keys, []any{workspace, k.kind, k.value, k.leaf})
	}
	if err := insert(ctx, tx, `INSERT INTO audit_key (workspace, kind, value, leaf) VALUES `, `(?, ?, ?, ?)`, ` ON CONFLICT (workspace, kind, value, leaf) DO NOTHING`, keys); err != nil {
		return err
	}
	if len(b.records) > 0 {
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit_block (workspace, first, last, bits) VALUES (?, ?, ?, ?)`, workspace, next, after-1, bloomOf(b.records)); err != nil {
			return err
		}
	}
	var hours, counts [][]any
	for hour, h := range b.hours {
		hours = append(hours, []any{workspace, hour, h[0], h[1]})
	}
	if err := insert(ctx, tx, `INSERT INTO audit_hour (workspace, hour, first, last) VALUES `, `(?, ?, ?, ?)`, ` ON CONFLICT (workspace, hour) DO UPDATE SET last = excluded.last`, hours); err != nil {
		return err
	}
	for k, n := range b.tally {
		if n > 0 {
			counts = append(counts, []any{workspace, k.hour, k.what, k.name, n})
		}
	}
	if err := insert(ctx, tx, `INSERT INTO audit_tally (workspace, hour, what, name, n) VALUES `, `(?, ?, ?, ?, ?)`,
		` ON CONFLICT (workspace, hour, what, name) DO UPDATE SET n = audit_tally.n + excluded.n`, counts); err != nil {
		return err
	}
	return tx.Commit()
}

// milliseconds is a time as it is stored: 0 for none.
func milliseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

// insertRows is how many rows one statement has.
const insertRows = 64

// insert adds rows, some with each statement.
func insert(ctx context.Context, tx *tx, into, row, conflict string, rows [][]any) error {
	for some := range slices.Chunk(rows, insertRows) {
		if _, err := tx.ExecContext(ctx, into+row+more(row, len(some))+conflict, slices.Concat(some...)...); err != nil {
			return err
		}
	}
	return nil
}

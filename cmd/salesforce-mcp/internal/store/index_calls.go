package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// CallQuery selects calls of a workspace. A zero field selects everything. Host,
// Agent and User may have * for any text.
type CallQuery struct {
	Workspace string
	Host      string
	Agent     string
	User      string // for whom, or who decided
	Tool      string
	Action    string
	Effect    string
	Decision  string
	Outcome   audit.Status
	UnderWay  bool   // only those that have not ended
	Code      string // a part of it, in any case
	Record    string
	Run       string
	Context   string
	Approval  string
	Since     time.Time // begun at this time or later
	Until     time.Time // begun before
}

// A Call is one of those that were found.
type Call struct {
	Leaf  int64       // number of its first entry
	Began time.Time   // when that was made
	Entry audit.Entry // its outcome or refusal; its intent while it is under way
}

// Calls are some of those that a query selects.
type Calls struct {
	Calls []Call
	// Before is where those that follow begin, for the next query; 0 when there are
	// none.
	Before int64
	// Searched is when the last of the calls began that were looked at, if there may
	// be more: with few that match, the search ends after [mostSearched].
	Searched time.Time
}

// A search looks at so many numbers at a time, and at most at so many until it
// returns what it has.
const (
	searchWindow = 1 << 16
	mostSearched = 1 << 20
)

// Calls returns the latest calls that match and whose first entry has a number below
// before, the newest first, at most limit of them; 0 is from the newest on. Those of a
// record come in the order in which they ended, and before is of their last entries. What
// it costs is bounded, however long the trail is.
func (s *Store) Calls(ctx context.Context, q CallQuery, before int64, limit int) (found Calls, err error) {
	if q.Record != "" {
		return s.callsOfRecord(ctx, q, before, limit)
	}
	low, high, err := s.span(ctx, q)
	if err != nil {
		return found, fmt.Errorf("find calls: %w", err)
	}
	if before > 0 {
		high = min(high, before)
	}
	from, where, args := q.conditions()
	window, most := int64(searchWindow), int64(mostSearched)
	if q.indexed() {
		window, most = math.MaxInt64/4, math.MaxInt64/2
	}
	order := `c.leaf`
	if q.indexed() {
		order = `k.leaf`
	}
	var leaves, ends []int64
	began := map[int64]time.Time{}
	floor := max(low, high-most)
	for top := high; top > floor && len(leaves) <= limit; top -= window {
		bottom := max(floor, top-window)
		rows, err := s.reader.QueryContext(ctx, `SELECT c.leaf, coalesce(c.ended, c.leaf), c.at FROM `+from+` WHERE `+where+` AND `+order+` < ? AND `+order+` >= ? ORDER BY `+order+` DESC LIMIT ?`,
			slices.Concat(args, []any{top, bottom, limit + 1 - len(leaves)})...)
		if err != nil {
			return found, fmt.Errorf("find calls: %w", err)
		}
		for rows.Next() {
			var leaf, end, at int64
			if err := rows.Scan(&leaf, &end, &at); err != nil {
				_ = rows.Close()
				return found, fmt.Errorf("find calls: %w", err)
			}
			leaves, ends = append(leaves, leaf), append(ends, end)
			began[leaf] = time.UnixMilli(at).UTC()
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return found, fmt.Errorf("find calls: %w", err)
		}
	}
	switch {
	case len(leaves) > limit:
		leaves, ends = leaves[:limit], ends[:limit]
		found.Before = leaves[limit-1]
	case floor > low:
		found.Before = floor
		if found.Searched, err = s.begunAt(ctx, q.Workspace, floor); err != nil {
			return found, fmt.Errorf("find calls: %w", err)
		}
	}
	return found, s.show(ctx, q.Workspace, &found, leaves, ends, began)
}

// show adds calls to those that were found.
func (s *Store) show(ctx context.Context, workspace string, found *Calls, leaves, ends []int64, began map[int64]time.Time) error {
	entries, err := s.entriesAt(ctx, workspace, ends)
	if err != nil {
		return fmt.Errorf("find calls: %w", err)
	}
	for i, leaf := range leaves {
		if e, ok := entries[ends[i]]; ok {
			found.Calls = append(found.Calls, Call{leaf, began[leaf], e})
		}
	}
	return nil
}

// begunAt is when the first call from a number on began.
func (s *Store) begunAt(ctx context.Context, workspace string, leaf int64) (time.Time, error) {
	var at int64
	err := s.reader.QueryRowContext(ctx, `SELECT at FROM audit_call WHERE workspace = ? AND leaf >= ? ORDER BY leaf LIMIT 1`, workspace, leaf).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMilli(at).UTC(), err
}

// indexed reports whether calls that match are found without looking at others.
func (q CallQuery) indexed() bool {
	return q.Run != "" || q.Approval != "" || q.Context != ""
}

// conditions are the query but for its times.
func (q CallQuery) conditions() (from, where string, args []any) {
	from = `audit_call c`
	conditions := []string{`c.workspace = ?`}
	args = []any{q.Workspace}
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	for _, k := range []struct{ kind, value string }{{"run", q.Run}, {"approval", q.Approval}, {"context", q.Context}} {
		switch {
		case k.value == "":
		case from == `audit_call c`:
			from = `audit_key k CROSS JOIN audit_call c` // in this order, says that to SQLite
			add(`c.workspace = k.workspace AND c.leaf = k.leaf AND k.workspace = ?`, q.Workspace)
			add(`k.kind = ? AND k.value = ?`, k.kind, k.value)
		default:
			add(`EXISTS (SELECT 1 FROM audit_key o WHERE o.workspace = c.workspace AND o.leaf = c.leaf AND o.kind = ? AND o.value = ?)`, k.kind, k.value)
		}
	}
	exact := func(column, value string) {
		if value != "" {
			add(`c.`+column+` = ?`, value)
		}
	}
	exact("tool", q.Tool)
	exact("action", q.Action)
	exact("effect", q.Effect)
	exact("decision", q.Decision)
	exact("outcome", string(q.Outcome))
	wild := func(value string, columns ...string) {
		if value == "" {
			return
		}
		var any []string
		for _, column := range columns {
			if strings.Contains(value, "*") {
				any, args = append(any, `lower(c.`+column+`) LIKE ? ESCAPE '\'`), append(args, strings.ReplaceAll(like.Replace(strings.ToLower(value)), "*", "%"))
			} else {
				any, args = append(any, `c.`+column+` = ?`), append(args, value)
			}
		}
		conditions = append(conditions, `(`+strings.Join(any, ` OR `)+`)`)
	}
	wild(q.Host, "host")
	wild(q.Agent, "agent")
	wild(q.User, "user_id", "decider")
	if q.Code != "" {
		add(`lower(c.code) LIKE ? ESCAPE '\'`, "%"+like.Replace(strings.ToLower(q.Code))+"%")
	}
	if q.UnderWay {
		add(`c.ended IS NULL`)
	}
	if !q.Since.IsZero() {
		add(`c.at >= ?`, q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		add(`c.at < ?`, q.Until.UnixMilli())
	}
	return from, strings.Join(conditions, ` AND `), args
}

// span returns the numbers from low to before high outside of which no call matches
// the times of a query.
func (s *Store) span(ctx context.Context, q CallQuery) (low, high int64, err error) {
	first, last := `SELECT min(first) FROM audit_hour WHERE workspace = ?`, `SELECT max(last) FROM audit_hour WHERE workspace = ?`
	a, b := []any{q.Workspace}, []any{q.Workspace}
	if !q.Since.IsZero() {
		first, a = first+` AND hour >= ?`, append(a, hourOf(q.Since))
	}
	if !q.Until.IsZero() {
		last, b = last+` AND hour <= ?`, append(b, hourOf(q.Until))
	}
	var from, to sql.NullInt64
	if err := s.reader.QueryRowContext(ctx, first, a...).Scan(&from); err != nil {
		return 0, 0, err
	}
	if err := s.reader.QueryRowContext(ctx, last, b...).Scan(&to); err != nil {
		return 0, 0, err
	}
	if !from.Valid || !to.Valid {
		return 0, 0, nil
	}
	return from.Int64, to.Int64 + 1, nil
}

// entriesAt returns entries by their numbers. One that cannot be read is left out.
func (s *Store) entriesAt(ctx context.Context, workspace string, leaves []int64) (map[int64]audit.Entry, error) {
	entries := make(map[int64]audit.Entry, len(leaves))
	for some := range slices.Chunk(leaves, 500) {
		args := []any{workspace}
		for _, leaf := range some {
			args = append(args, leaf)
		}
		rows, err := s.reader.QueryContext(ctx, `SELECT leaf, entry FROM audit_entry WHERE workspace = ? AND leaf IN (?`+more("?", len(some))+`)`, args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var leaf int64
			var line []byte
			if err := rows.Scan(&leaf, &line); err != nil {
				_ = rows.Close()
				return nil, err
			}
			var e audit.Entry
			if json.Unmarshal(line, &e) == nil {
				entries[leaf] = e
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Entries gives each entry of the calls that a query selects, in the order of their
// numbers, those below before, to a function, with its number and as it was encoded. It
// holds some hundred in memory (of a record, the numbers of all), and nothing of the
// database while the function works.
func (s *Store) Entries(ctx context.Context, q CallQuery, before int64, each func(proof.Leaf) error) error {
	if q.Record != "" {
		leaves, err := s.leavesOfRecord(ctx, q)
		if err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		at, _ := slices.BinarySearch(leaves, before)
		return s.give(ctx, q.Workspace, leaves[:at], each)
	}
	low, high, err := s.span(ctx, q)
	if err != nil {
		return fmt.Errorf("read calls: %w", err)
	}
	if high == 0 {
		return nil
	}
	from, where, args := q.conditions()
	// Calls end after they began: the entries are from low on to the last one.
	for next := low; next < before; {
		leaves, err := s.matching(ctx, from, where, args, next, before, 400)
		if err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		if len(leaves) == 0 {
			return nil
		}
		if err := s.give(ctx, q.Workspace, leaves, each); err != nil {
			return err
		}
		next = leaves[len(leaves)-1] + 1
	}
	return nil
}

// give gives entries to a function, some of them read at a time: one may be large.
func (s *Store) give(ctx context.Context, workspace string, leaves []int64, each func(proof.Leaf) error) error {
	for some := range slices.Chunk(leaves, 50) {
		lines, err := s.linesAt(ctx, workspace, some)
		if err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		for _, l := range lines {
			if err := each(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// matching returns numbers of entries of calls that match, from one on and before
// another, in order and at most limit of them.
func (s *Store) matching(ctx context.Context, from, where string, args []any, next, before int64, limit int) ([]int64, error) {
	var all []int64
	for _, column := range []string{"leaf", "ended"} { // each through its index
		rows, err := s.reader.QueryContext(ctx, `SELECT c.`+column+` FROM `+from+` WHERE `+where+` AND c.`+column+` >= ? AND c.`+column+` < ? ORDER BY c.`+column+` LIMIT ?`,
			slices.Concat(args, []any{next, before, limit})...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var leaf int64
			if err := rows.Scan(&leaf); err != nil {
				_ = rows.Close()
				return nil, err
			}
			all = append(all, leaf)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	all = slices.Compact(all) // a refusal is both
	return all[:min(limit, len(all))], nil
}

// linesAt returns entries as they were encoded, in order.
func (s *Store) linesAt(ctx context.Context, workspace string, leaves []int64) (lines []proof.Leaf, err error) {
	args := []any{workspace}
	for _, leaf := range leaves {
		args = append(args, leaf)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT leaf, entry FROM audit_entry WHERE workspace = ? AND leaf IN (?`+more("?", len(leaves))+`) ORDER BY leaf`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var l proof.Leaf
		if err := rows.Scan(&l.N, &l.Entry); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}

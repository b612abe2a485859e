package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"time"

	"salesforce-mcp/audit"
)

// A Bloom filter has so many bits for each text that is in it, of which each text sets
// so many: of 400 texts that are not in it, it takes one for being.
const (
	bloomBits   = 16
	bloomProbes = 4
)

// bloomOf makes the filter of some texts.
func bloomOf(texts map[string]bool) []byte {
	bits := make([]byte, max(8, (len(texts)*bloomBits+7)/8))
	for text := range texts {
		for _, at := range probes(text, len(bits)) {
			bits[at/8] |= 1 << (at % 8)
		}
	}
	return bits
}

// mayHold reports whether a text may be in a filter. If it is, it is true.
func mayHold(bits []byte, text string) bool {
	if len(bits) == 0 {
		return true
	}
	for _, at := range probes(text, len(bits)) {
		if bits[at/8]&(1<<(at%8)) == 0 {
			return false
		}
	}
	return true
}

// probes are the bits of a text in a filter of so many bytes, by two hashes (Kirsch and
// Mitzenmacher, "Less Hashing, Same Performance").
func probes(text string, size int) (at [bloomProbes]uint64) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	sum := h.Sum64()
	sum ^= sum >> 33 // fnv's upper bits hardly differ for texts that end differently
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	for i := range at {
		at[i] = (sum + uint64(i)*(sum>>32|1)) % uint64(size*8) //nolint:gosec // G115: neither is negative
	}
	return at
}

// A block is some entries of which a filter knows the records.
type block struct {
	first, last int64
	bits        []byte
}

const (
	blocksAtOnce = 1024
	// mostBlocks bounds the blocks that a search looks at until it returns what it has.
	mostBlocks = 1 << 18
)

// blocks returns those that begin below a number, the newest first.
func (s *Store) blocks(ctx context.Context, workspace string, below int64) (all []block, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT first, last, bits FROM audit_block WHERE workspace = ? AND first < ? ORDER BY first DESC LIMIT ?`, workspace, below, blocksAtOnce)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var b block
		if err := rows.Scan(&b.first, &b.last, &b.bits); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
}

// A hit is a call that matches a query for a record.
type hit struct{ leaf, ended, at int64 }

// hits returns the calls that ended in a block, before a number, and match, the newest
// first.
func (s *Store) hits(ctx context.Context, q CallQuery, b block, before int64) (found []hit, err error) {
	leaves, err := s.Leaves(ctx, q.Workspace, b.first, int(b.last-b.first+1))
	if err != nil {
		return nil, err
	}
	calls := map[int64]string{} // entries about the record: the id of the intent of each, or ""
	var intents []any
	for _, l := range leaves {
		var e audit.Entry
		if l.N <= b.last && l.N < before && json.Unmarshal(l.Entry, &e) == nil && slices.Contains(e.Records, q.Record) {
			if calls[l.N] = e.Intent; e.Intent != "" {
				intents = append(intents, e.Intent)
			}
		}
	}
	if len(calls) == 0 {
		return nil, nil
	}
	began := map[string]int64{}
	if err := s.leavesOf(ctx, q.Workspace, intents, began); err != nil {
		return nil, err
	}
	from, where, args := q.conditions()
	n := len(args)
	for leaf, intent := range calls {
		if at, ok := began[intent]; ok {
			leaf = at
		}
		args = append(args, leaf) // the primary key, which SQLite does not fail to use
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT c.leaf, c.ended, c.at FROM `+from+` WHERE `+where+` AND c.ended IS NOT NULL AND c.leaf IN (?`+more("?", len(args)-n)+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.leaf, &h.ended, &h.at); err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	slices.SortFunc(found, func(a, b hit) int { return cmp.Compare(b.ended, a.ended) })
	return found, rows.Err()
}

// recordSearch gives each call that matches a query for a record to a function, the
// latest to end first, until it returns false. It looks at no more than so many blocks,
// and returns where it has stopped; 0 is at the end.
func (s *Store) recordSearch(ctx context.Context, q CallQuery, before int64, most int, each func(hit) bool) (stopped int64, err error) {
	low, _, err := s.span(ctx, q)
	if err != nil {
		return 0, err
	}
	for below, looked := before, 0; ; {
		blocks, err := s.blocks(ctx, q.Workspace, below)
		if err != nil {
			return 0, err
		}
		for _, b := range blocks {
			if b.last < low {
				return 0, nil
			}
			if looked++; looked > most {
				return b.last + 1, nil
			}
			below = b.first
			if !mayHold(b.bits, q.Record) {
				continue
			}
			hits, err := s.hits(ctx, q, b, before)
			if err != nil {
				return 0, err
			}
			for _, h := range hits {
				if !each(h) {
					return h.ended + 1, nil
				}
			}
		}
		if len(blocks) < blocksAtOnce {
			return 0, nil
		}
	}
}

// callsOfRecord is [Store.Calls] for a query with a record.
func (s *Store) callsOfRecord(ctx context.Context, q CallQuery, before int64, limit int) (found Calls, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	var leaves, ends []int64
	began := map[int64]time.Time{}
	stopped, err := s.recordSearch(ctx, q, before, mostBlocks, func(h hit) bool {
		if len(leaves) == limit {
			return false
		}
		leaves, ends = append(leaves, h.leaf), append(ends, h.ended)
		began[h.leaf] = time.UnixMilli(h.at).UTC()
		return true
	})
	if err != nil {
		return found, fmt.Errorf("find calls: %w", err)
	}
	if found.Before = stopped; stopped > 0 && len(leaves) < limit {
		if found.Searched, err = s.begunAt(ctx, q.Workspace, stopped); err != nil {
			return found, fmt.Errorf("find calls: %w", err)
		}
	}
	return found, s.show(ctx, q.Workspace, &found, leaves, ends, began)
}

// leavesOfRecord returns the numbers of all entries of the calls that match a query with
// a record, in order.
func (s *Store) leavesOfRecord(ctx context.Context, q CallQuery) ([]int64, error) {
	leaves := map[int64]bool{}
	stopped, err := s.recordSearch(ctx, q, math.MaxInt64, math.MaxInt, func(h hit) bool {
		leaves[h.leaf], leaves[h.ended] = true, true
		return true
	})
	if err == nil && stopped != 0 {
		err = errors.New("the search for a record has not come to the end")
	}
	return slices.Sorted(maps.Keys(leaves)), err
}

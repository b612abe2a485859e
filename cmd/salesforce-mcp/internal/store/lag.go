package store

import (
	"context"
	"fmt"
)

// Unsigned returns how many audit entries no signed checkpoint covers yet.
func (s *Store) Unsigned(ctx context.Context) (entries int64, err error) {
	return s.behind(ctx, "", `SELECT workspace, size FROM audit_log`)
}

// Unexported returns how many audit entries of a workspace, or of all when it is
// "", a sink has not written yet.
func (s *Store) Unexported(ctx context.Context, sink, workspace string) (entries int64, err error) {
	return s.behind(ctx, workspace, `SELECT workspace, next FROM audit_sink WHERE sink = ?`, sink)
}

// behind adds up how many entries a workspace, or each one, has beyond those that a
// query says are done.
func (s *Store) behind(ctx context.Context, workspace, query string, args ...any) (entries int64, err error) {
	heads, err := s.Heads(ctx)
	if err != nil {
		return 0, err
	}
	done := map[string]int64{}
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("read how far the audit trail is done: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var workspace string
		var n int64
		if err := rows.Scan(&workspace, &n); err != nil {
			return 0, fmt.Errorf("read how far the audit trail is done: %w", err)
		}
		done[workspace] = n
	}
	for _, h := range heads {
		if workspace == "" || workspace == h.Workspace {
			entries += max(0, h.Entries-done[h.Workspace])
		}
	}
	return entries, rows.Err()
}

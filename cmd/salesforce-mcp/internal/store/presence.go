package store

import (
	"context"
	"fmt"
	"time"
)

// agentServer is how the names of the leases of servers begin that speak with agents.
const agentServer = "agents "

// SayPresent says that a server goes on with sessions with agents, for as long.
func (s *Store) SayPresent(ctx context.Context, server string, life time.Duration) error {
	_, err := s.Lease(ctx, agentServer+server, server, life)
	return err
}

// SayGone takes that back, and reports whether there are others. Of servers that go at
// the same time one at least is told that there are none.
func (s *Store) SayGone(ctx context.Context, server string) (others bool, err error) {
	if _, err := s.writer.ExecContext(ctx, `DELETE FROM lease WHERE name LIKE ? AND (owner = ? OR expires < NOW())`, agentServer+"%", server); err != nil {
		return false, fmt.Errorf("say that this server goes: %w", err)
	}
	if s.process.life == 0 { // nobody else has the database
		return false, nil
	}
	var n int
	if err := s.writer.QueryRowContext(ctx, `SELECT count(*) FROM lease WHERE name LIKE ? AND expires >= NOW()`, agentServer+"%").Scan(&n); err != nil {
		return false, fmt.Errorf("look for other servers: %w", err)
	}
	return n > 0, nil
}

// TalkingWorkspaces are those with open sessions with agents.
func (s *Store) TalkingWorkspaces(ctx context.Context) (names []string, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT DISTINCT workspace FROM agent_session WHERE ended = 0 ORDER BY workspace`)
	if err != nil {
		return nil, fmt.Errorf("look for sessions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

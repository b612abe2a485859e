package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

var _ users.Attempts = (*Store)(nil)

// AppSession returns the content of a session of the configuration app, by the hash of
// its token; ok is false when there is none, or none any more.
func (s *Store) AppSession(ctx context.Context, hash string) (content []byte, ok bool, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT content FROM app_session WHERE hash = ? AND ended = 0 AND expires >= ?`, hash, time.Now().UnixMilli()).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read a session: %w", err)
	}
	return content, true, nil
}

// leastLonger is by how much a session must last longer for that alone to be written.
const leastLonger = time.Minute

// PutAppSession keeps a session. One that has ended stays so, whoever was still busy
// in it.
func (s *Store) PutAppSession(ctx context.Context, hash string, content []byte, expires time.Time) error {
	if err := s.forget(ctx, "app_session", "expires", time.Now().UnixMilli()); err != nil {
		return fmt.Errorf("forget sessions: %w", err)
	}
	_, err := s.writer.ExecContext(ctx, `INSERT INTO app_session (hash, ended, expires, content) VALUES (?, 0, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET content = excluded.content, expires = excluded.expires
		WHERE app_session.ended = 0 AND (app_session.content <> excluded.content OR app_session.expires < excluded.expires - CAST(? AS BIGINT))`,
		hash, expires.UnixMilli(), content, leastLonger.Milliseconds())
	if err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	return nil
}

// EndAppSession ends a session.
func (s *Store) EndAppSession(ctx context.Context, hash string) error {
	_, err := s.writer.ExecContext(ctx, `UPDATE app_session SET ended = 1, content = ? WHERE hash = ?`, []byte{}, hash)
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// Try implements [users.Attempts].
func (s *Store) Try(ctx context.Context, ways []users.Attempt) (wait time.Duration, way users.Attempt, failures int, err error) {
	if err := s.forget(ctx, "app_attempt", "expires", time.Now().UnixMilli()); err != nil {
		return 0, way, 0, fmt.Errorf("forget attempts: %w", err)
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return 0, way, 0, err
	}
	defer func() {
		if err != nil || wait > 0 {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	names := make([]string, len(ways))
	for i, w := range ways {
		names[i] = attemptName(w)
	}
	if err := tx.alone(ctx, names...); err != nil {
		return 0, way, 0, err
	}
	var now int64
	if err := tx.QueryRowContext(ctx, `SELECT NOW()`).Scan(&now); err != nil {
		return 0, way, 0, err
	}
	failed := make([]int, len(ways))
	for i := range ways {
		var until int64
		err := tx.QueryRowContext(ctx, `SELECT failures, until FROM app_attempt WHERE name = ?`, names[i]).Scan(&failed[i], &until)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, way, 0, fmt.Errorf("read attempts: %w", err)
		}
		if w := time.Duration(until-now) * time.Millisecond; w > wait {
			wait, way, failures = w, ways[i], failed[i]
		}
	}
	if wait > 0 {
		return wait, way, failures, nil
	}
	for i, w := range ways {
		failed[i]++
		pause := w.Wait(failed[i])
		if _, err := tx.ExecContext(ctx, `INSERT INTO app_attempt (name, failures, until, expires) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, until = excluded.until, expires = excluded.expires`,
			names[i], failed[i], now+pause.Milliseconds(), now+users.Forgotten.Milliseconds()); err != nil {
			return 0, way, 0, fmt.Errorf("count an attempt: %w", err)
		}
		if pause > way.Wait(failures) || way.Name == "" {
			way, failures = w, failed[i]
		}
	}
	return 0, way, failures, tx.Commit()
}

// Succeeded implements [users.Attempts].
func (s *Store) Succeeded(ctx context.Context, forget, back []users.Attempt) (err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var names []string
	for _, w := range slices.Concat(forget, back) {
		names = append(names, attemptName(w))
	}
	if err := tx.alone(ctx, names...); err != nil {
		return err
	}
	for _, w := range forget {
		if _, err := tx.ExecContext(ctx, `DELETE FROM app_attempt WHERE name = ?`, attemptName(w)); err != nil {
			return err
		}
	}
	for _, w := range back {
		if _, err := tx.ExecContext(ctx, `UPDATE app_attempt SET failures = failures - 1, until = CASE WHEN failures - 1 < CAST(? AS BIGINT) THEN 0 ELSE until END WHERE name = ? AND failures > 0`,
			w.Free, attemptName(w)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// attemptName is what is kept of the name of what is counted: somebody who reads the
// database sees nobody's address.
func attemptName(a users.Attempt) string {
	sum := sha256.Sum256([]byte("attempt " + a.Name))
	return hex.EncodeToString(sum[:])
}

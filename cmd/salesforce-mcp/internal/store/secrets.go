package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
)

var _ secrets.Rows = (*Store)(nil)

// Secret implements [secrets.Rows].
func (s *Store) Secret(ctx context.Context, workspace, name string) (sealed []byte, version int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT sealed, version FROM secret WHERE workspace = ? AND name = ?`, workspace, name).Scan(&sealed, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, secrets.ErrNone
	}
	return sealed, version, err
}

// PutSecret implements [secrets.Rows].
func (s *Store) PutSecret(ctx context.Context, workspace, name string, sealed []byte, from, to int64) error {
	var done sql.Result
	var err error
	switch from {
	case 0:
		done, err = s.writer.ExecContext(ctx, `INSERT INTO secret (workspace, name, version, sealed) VALUES (?, ?, ?, ?) ON CONFLICT (workspace, name) DO NOTHING`,
			workspace, name, to, sealed)
	case secrets.Any:
		done, err = s.writer.ExecContext(ctx, `INSERT INTO secret (workspace, name, version, sealed) VALUES (?, ?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET version = excluded.version, sealed = excluded.sealed`, workspace, name, to, sealed)
	default:
		done, err = s.writer.ExecContext(ctx, `UPDATE secret SET version = ?, sealed = ? WHERE workspace = ? AND name = ? AND version = ?`, to, sealed, workspace, name, from)
	}
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return secrets.ErrChanged
	}
	return err
}

// DeleteSecret implements [secrets.Rows].
func (s *Store) DeleteSecret(ctx context.Context, workspace, name string) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM secret WHERE workspace = ? AND name = ?`, workspace, name)
	return err
}

// DataKey implements [secrets.Rows].
func (s *Store) DataKey(ctx context.Context, workspace string) (k secrets.DataKey, err error) {
	k.Workspace = workspace
	err = s.reader.QueryRowContext(ctx, `SELECT key_id, sealed FROM data_key WHERE workspace = ?`, workspace).Scan(&k.KeyID, &k.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return secrets.DataKey{}, secrets.ErrNone
	}
	return k, err
}

// DataKeys implements [secrets.Rows].
func (s *Store) DataKeys(ctx context.Context) ([]secrets.DataKey, error) {
	return dataKeys(ctx, s.reader)
}

func dataKeys(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) (keys []secrets.DataKey, err error) {
	rows, err := db.QueryContext(ctx, `SELECT workspace, key_id, sealed FROM data_key ORDER BY workspace`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k secrets.DataKey
		if err := rows.Scan(&k.Workspace, &k.KeyID, &k.Sealed); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// ChangeDataKeys implements [secrets.Rows].
func (s *Store) ChangeDataKeys(ctx context.Context, change func([]secrets.DataKey) ([]secrets.DataKey, error)) (err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if err := tx.alone(ctx, "data keys"); err != nil {
		return err
	}
	all, err := dataKeys(ctx, tx)
	if err != nil {
		return err
	}
	changed, err := change(all)
	if err != nil {
		return err
	}
	for _, k := range changed {
		if _, err := tx.ExecContext(ctx, `INSERT INTO data_key (workspace, key_id, sealed) VALUES (?, ?, ?)
			ON CONFLICT (workspace) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed`, k.Workspace, k.KeyID, k.Sealed); err != nil {
			return fmt.Errorf("keep the data key of %s: %w", k.Workspace, err)
		}
	}
	return tx.Commit()
}

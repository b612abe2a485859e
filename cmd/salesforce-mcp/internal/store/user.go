package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

var _ users.Rows = (*Store)(nil)

const userColumns = `id, email, name, issuer, subject, given, claimed, password, generation, suspended, created, created_by, signed_in`

// querying is a pool or a transaction.
type querying interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Users implements [users.Rows].
func (s *Store) Users(ctx context.Context) ([]users.User, error) {
	return usersOf(ctx, s.reader, "TRUE")
}

func usersOf(ctx context.Context, db querying, where string, args ...any) (all []users.User, err error) {
	rows, err := db.QueryContext(ctx, `SELECT `+userColumns+` FROM app_user WHERE `+where+` ORDER BY email, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u users.User
		var given, claimed string
		var suspended, created, signedIn int64
		if err := rows.Scan(&u.ID, &u.Email, &u.Name, &u.Issuer, &u.Subject, &given, &claimed, &u.Password, &u.Generation, &suspended, &created, &u.CreatedBy, &signedIn); err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		if err := errors.Join(json.Unmarshal([]byte(given), &u.Given), json.Unmarshal([]byte(claimed), &u.Claimed)); err != nil {
			return nil, fmt.Errorf("read the roles of user %s: %w", u.ID, err)
		}
		u.Suspended, u.Created = suspended != 0, time.UnixMilli(created).UTC()
		if signedIn != 0 {
			u.SignedIn = time.UnixMilli(signedIn).UTC()
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

func (s *Store) oneUser(ctx context.Context, where string, args ...any) (users.User, bool, error) {
	all, err := usersOf(ctx, s.reader, where, args...)
	if err != nil || len(all) == 0 {
		return users.User{}, false, err
	}
	return all[0], true, nil
}

// UserByID implements [users.Rows].
func (s *Store) UserByID(ctx context.Context, id string) (users.User, bool, error) {
	return s.oneUser(ctx, `id = ?`, id)
}

// UserByEmail implements [users.Rows].
func (s *Store) UserByEmail(ctx context.Context, email string) (users.User, bool, error) {
	return s.oneUser(ctx, `email = ? AND email <> ''`, email)
}

// UserBySubject implements [users.Rows].
func (s *Store) UserBySubject(ctx context.Context, issuer, subject string) (users.User, bool, error) {
	return s.oneUser(ctx, `issuer = ? AND subject = ? AND subject <> ''`, issuer, subject)
}

// ChangeUsers implements [users.Rows].
func (s *Store) ChangeUsers(ctx context.Context, change func([]users.User) ([]users.User, []string, error)) (err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if err := tx.alone(ctx, "users"); err != nil {
		return err
	}
	all, err := usersOf(ctx, tx, "TRUE")
	if err != nil {
		return err
	}
	changed, removed, err := change(all)
	if err != nil {
		return err
	}
	for _, id := range removed {
		if _, err := tx.ExecContext(ctx, `DELETE FROM app_user WHERE id = ?`, id); err != nil {
			return fmt.Errorf("remove a user: %w", err)
		}
	}
	for _, u := range changed {
		if err := putUser(ctx, tx, u); err != nil {
			return fmt.Errorf("keep a user: %w", err)
		}
	}
	return tx.Commit()
}

func putUser(ctx context.Context, tx *tx, u users.User) error {
	given, err := json.Marshal(u.Given)
	if err != nil {
		return err
	}
	claimed, err := json.Marshal(u.Claimed)
	if err != nil {
		return err
	}
	var suspended, signedIn int64
	if u.Suspended {
		suspended = 1
	}
	if !u.SignedIn.IsZero() {
		signedIn = u.SignedIn.UnixMilli()
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO app_user (`+userColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, issuer = excluded.issuer, subject = excluded.subject, given = excluded.given, claimed = excluded.claimed,
		password = excluded.password, generation = excluded.generation, suspended = excluded.suspended, signed_in = excluded.signed_in`,
		u.ID, u.Email, u.Name, u.Issuer, u.Subject, string(given), string(claimed), u.Password, u.Generation, suspended, u.Created.UnixMilli(), u.CreatedBy, signedIn)
	return err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// An Author is who has changed something.
type Author struct {
	ID   string // of the person, as the audit trail names them
	Name string // for people to read
}

// A Revision is the settings of a workspace as they were from one change to the next.
type Revision struct {
	Workspace string
	Number    int64 // 1, 2, …
	At        time.Time
	By        Author
	What      string // was changed, in few words
	Document  []byte // YAML; empty in lists of revisions
}

// A StoredWorkspace is one whose settings stand in the database, as they are now.
type StoredWorkspace struct {
	Revision
	Suspended time.Time // since when; zero when it is not
}

// Errors of changes of workspaces.
var (
	ErrChanged    = errors.New("the settings were changed in the meantime")
	ErrUnderWay   = errors.New("returns are under way in the workspace: finish or cancel them first")
	ErrNoneSuch   = errors.New("there is no such workspace")
	ErrNameIsUsed = errors.New("the name is taken by a workspace that exists or has existed, whose audit trail stays under it")
)

// SettingsVersion is a number that every change of workspaces raises, in whatever
// process.
func (s *Store) SettingsVersion(ctx context.Context) (version int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT version FROM settings_version`).Scan(&version)
	return version, err
}

const storedWorkspace = `SELECT w.name, w.revision, r.at, r.by_id, r.by_name, r.what, r.document, w.suspended
	FROM workspace w JOIN workspace_revision r ON r.workspace = w.name AND r.revision = w.revision WHERE w.deleted = 0`

// StoredWorkspaces are all workspaces of the database, by name, with the version of
// the settings that they are at least of.
func (s *Store) StoredWorkspaces(ctx context.Context) (all []StoredWorkspace, version int64, err error) {
	if version, err = s.SettingsVersion(ctx); err != nil { // before: a change in between is seen again
		return nil, 0, err
	}
	rows, err := s.reader.QueryContext(ctx, storedWorkspace+` ORDER BY w.name`)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		w, err := scanWorkspace(rows.Scan)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, w)
	}
	return all, version, rows.Err()
}

// StoredWorkspace is one of them. The error is ErrNoneSuch.
func (s *Store) StoredWorkspace(ctx context.Context, name string) (StoredWorkspace, error) {
	w, err := scanWorkspace(s.reader.QueryRowContext(ctx, storedWorkspace+` AND w.name = ?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return w, ErrNoneSuch
	}
	return w, err
}

func scanWorkspace(scan func(...any) error) (w StoredWorkspace, err error) {
	var at, suspended int64
	err = scan(&w.Workspace, &w.Number, &at, &w.By.ID, &w.By.Name, &w.What, &w.Document, &suspended)
	w.At, w.Suspended = date(at), date(suspended)
	return w, err
}

// date is a time of a column, in which 0 is none.
func date(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// PutWorkspace keeps another document of a workspace as its next revision, whose
// number it returns, if the present one has the number of r; 0 means that there must
// never have been a workspace of that name. The error is ErrChanged, ErrNameIsUsed or
// ErrNoneSuch.
func (s *Store) PutWorkspace(ctx context.Context, r Revision) (number int64, err error) {
	number = r.Number + 1
	return number, s.changeSettings(ctx, func(tx *tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE workspace SET revision = ? WHERE name = ? AND revision = ? AND deleted = 0`, number, r.Workspace, r.Number)
		if r.Number == 0 {
			done, err = tx.ExecContext(ctx, `INSERT INTO workspace (name, revision, suspended, deleted) VALUES (?, 1, 0, 0) ON CONFLICT (name) DO NOTHING`, r.Workspace)
		}
		if err := changedOne(done, err); errors.Is(err, ErrNoneSuch) {
			return s.whyNot(ctx, tx, r)
		} else if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO workspace_revision (workspace, revision, at, by_id, by_name, what, document) VALUES (?, ?, NOW(), ?, ?, ?, ?)`,
			r.Workspace, number, r.By.ID, r.By.Name, r.What, string(r.Document))
		return err
	})
}

// whyNot is why a document was not kept.
func (s *Store) whyNot(ctx context.Context, tx *tx, r Revision) error {
	if r.Number == 0 {
		return ErrNameIsUsed
	}
	var deleted int64
	err := tx.QueryRowContext(ctx, `SELECT deleted FROM workspace WHERE name = ?`, r.Workspace).Scan(&deleted)
	if errors.Is(err, sql.ErrNoRows) || err == nil && deleted != 0 {
		return ErrNoneSuch
	}
	if err != nil {
		return err
	}
	return ErrChanged
}

// NameIsUsed reports whether the database has, or has had, a workspace of a name.
func (s *Store) NameIsUsed(ctx context.Context, name string) (used bool, err error) {
	var n int
	err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM workspace WHERE name = ?`, name).Scan(&n)
	return n > 0, err
}

// SuspendWorkspace suspends a workspace, or resumes it. The error is ErrNoneSuch.
func (s *Store) SuspendWorkspace(ctx context.Context, name string, suspend bool) error {
	return s.changeSettings(ctx, func(tx *tx) error {
		return changedOne(tx.ExecContext(ctx, `UPDATE workspace SET suspended = CASE WHEN ? = 1 THEN NOW() ELSE 0 END WHERE name = ? AND deleted = 0`, bit(suspend), name))
	})
}

// DeleteWorkspace forgets the settings of a workspace, all revisions of them, and what
// is kept for its people and agents; the audit trail stays. Its name is never used
// again. The error is ErrNoneSuch, or ErrUnderWay when a return is under way in it.
func (s *Store) DeleteWorkspace(ctx context.Context, name string) error {
	return s.changeSettings(ctx, func(tx *tx) error {
		if err := changedOne(tx.ExecContext(ctx, `UPDATE workspace SET deleted = NOW() WHERE name = ? AND deleted = 0`, name)); err != nil {
			return err
		}
		var running int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM saga WHERE workspace = ? AND status IN ('running', 'waiting', 'undoing')`, name).Scan(&running); err != nil {
			return err
		}
		if running > 0 {
			return ErrUnderWay
		}
		// Without its data key nothing of a workspace that was sealed can be opened any
		// more, wherever there is a copy.
		for _, statement := range []string{
			`DELETE FROM workspace_revision WHERE workspace = ?`,
			`DELETE FROM secret_note WHERE workspace = ?`,
			`DELETE FROM secret WHERE workspace = ?`,
			`DELETE FROM data_key WHERE workspace = ?`,
			`DELETE FROM result WHERE workspace = ?`,
			`DELETE FROM handle WHERE workspace = ?`,
			`DELETE FROM approval WHERE workspace = ?`,
			`DELETE FROM budget WHERE workspace = ?`,
			`DELETE FROM agent_session WHERE workspace = ?`,
		} {
			if _, err := tx.ExecContext(ctx, statement, name); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}

// changeSettings changes workspaces in a transaction that raises the version. Changes
// take turns.
func (s *Store) changeSettings(ctx context.Context, change func(*tx) error) (err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := tx.alone(ctx, "settings"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE settings_version SET version = version + 1`); err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// changedOne is ErrNoneSuch when a statement has changed nothing.
func changedOne(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return ErrNoneSuch
	}
	return err
}

// Revisions are those of a workspace without their documents, the newest first, below
// a number (0 for the newest) and so many at most.
func (s *Store) Revisions(ctx context.Context, workspace string, below int64, limit int) (all []Revision, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT r.workspace, r.revision, r.at, r.by_id, r.by_name, r.what FROM workspace_revision r
		JOIN workspace w ON w.name = r.workspace WHERE w.deleted = 0 AND r.workspace = ? AND (CAST(? AS BIGINT) = 0 OR r.revision < ?) ORDER BY r.revision DESC LIMIT ?`, workspace, below, below, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r Revision
		var at int64
		if err := rows.Scan(&r.Workspace, &r.Number, &at, &r.By.ID, &r.By.Name, &r.What); err != nil {
			return nil, err
		}
		r.At = date(at)
		all = append(all, r)
	}
	return all, rows.Err()
}

// Revision is one of a workspace, with its document; ok is false when there is none.
func (s *Store) Revision(ctx context.Context, workspace string, number int64) (r Revision, ok bool, err error) {
	r.Workspace, r.Number = workspace, number
	var at int64
	err = s.reader.QueryRowContext(ctx, `SELECT at, by_id, by_name, what, document FROM workspace_revision WHERE workspace = ? AND revision = ?`, workspace, number).
		Scan(&at, &r.By.ID, &r.By.Name, &r.What, &r.Document)
	if errors.Is(err, sql.ErrNoRows) {
		return Revision{}, false, nil
	}
	r.At = date(at)
	return r, err == nil, err
}

// NoteSecret keeps who stored a secret now.
func (s *Store) NoteSecret(ctx context.Context, workspace, name string, by Author) error {
	_, err := s.writer.ExecContext(ctx, `INSERT INTO secret_note (workspace, name, at, by_id, by_name) VALUES (?, ?, NOW(), ?, ?)
		ON CONFLICT (workspace, name) DO UPDATE SET at = excluded.at, by_id = excluded.by_id, by_name = excluded.by_name`, workspace, name, by.ID, by.Name)
	return err
}

// ForgetNote forgets who stored a secret.
func (s *Store) ForgetNote(ctx context.Context, workspace, name string) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM secret_note WHERE workspace = ? AND name = ?`, workspace, name)
	return err
}

// SecretNote says who stored a secret, and when; ok is false when nobody did here.
func (s *Store) SecretNote(ctx context.Context, workspace, name string) (by Author, at time.Time, ok bool, err error) {
	var ms int64
	err = s.reader.QueryRowContext(ctx, `SELECT at, by_id, by_name FROM secret_note WHERE workspace = ? AND name = ?`, workspace, name).Scan(&ms, &by.ID, &by.Name)
	if errors.Is(err, sql.ErrNoRows) {
		return Author{}, time.Time{}, false, nil
	}
	return by, date(ms), err == nil, err
}

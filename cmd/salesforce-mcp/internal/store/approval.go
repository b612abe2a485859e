package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

var _ tools.Approvals = (*Store)(nil)

const (
	// approvalLife is how long an approval is kept after its time is over. What was decided is in the audit
	// trail for good.
	approvalLife = 30 * 24 * time.Hour
	// useTime is how long an approval can be used at least, however late it comes.
	useTime = time.Hour
)

const (
	// sameCall selects the approvals of one call, or of one proposal of a run.
	sameCall = `workspace = ? AND host = ? AND agent = ? AND user_id = ? AND instruction = ? AND digest = ? AND run_id = ?`
	// ends selects approvals that come to an end: what was decided on a run's does not.
	ends = `(run_id = '' AND state IN ('waiting', 'approved', 'denied') OR state = 'waiting')`
)

func callArgs(c tools.AskedCall, more ...any) []any {
	return append([]any{c.Workspace, c.Host, c.Agent, c.User, c.Instruction, c.Digest, c.Run}, more...)
}

// approvalColumns are those of scanApproval.
const approvalColumns = `id, workspace, host, agent, user_id, context, tool, action, instruction, effect, digest, redacted, reasoning, confidence, rule,
	requested, expires, state, decided, decided_by, note, intent, run_id`

// OpenApproval implements [tools.Approvals].
func (s *Store) OpenApproval(ctx context.Context, call tools.AskedCall) (tools.Approval, bool, error) {
	return openApproval(ctx, s.reader, call, time.Now())
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func openApproval(ctx context.Context, db querier, call tools.AskedCall, now time.Time) (a tools.Approval, ok bool, err error) {
	row := db.QueryRowContext(ctx, `SELECT `+approvalColumns+` FROM approval WHERE `+sameCall+` AND state IN ('waiting', 'approved', 'denied') AND (expires >= ? OR NOT `+ends+`)
		ORDER BY id DESC LIMIT 1`, callArgs(call, now.UnixMilli())...)
	return oneApproval(row, now)
}

// oneApproval reads the approval of a row; ok is false when there is none.
func oneApproval(row *sql.Row, now time.Time, more ...any) (a tools.Approval, ok bool, err error) {
	a, err = scanApproval(row.Scan, now, more...)
	if errors.Is(err, sql.ErrNoRows) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("read an approval: %w", err)
	}
	return a, true, nil
}

// scanApproval reads approvalColumns and what follows them. One whose time is over
// has expired, whatever the table says.
func scanApproval(scan func(...any) error, now time.Time, more ...any) (a tools.Approval, err error) {
	var arguments, confidence string
	var requested, expires, decided int64
	err = scan(append([]any{&a.ID, &a.Workspace, &a.Host, &a.Agent, &a.User, &a.Context, &a.Tool, &a.Action, &a.Instruction, &a.Effect, &a.Digest, &arguments,
		&a.Reasoning, &confidence, &a.Rule, &requested, &expires, &a.State, &decided, &a.By, &a.Note, &a.Call, &a.Run}, more...)...)
	if err != nil {
		return a, err
	}
	a.Arguments = json.RawMessage(arguments)
	if sure, err := strconv.ParseFloat(confidence, 64); err == nil {
		a.Confidence = &sure
	}
	a.Requested, a.Expires = time.UnixMilli(requested).UTC(), time.UnixMilli(expires).UTC()
	if decided != 0 {
		at := time.UnixMilli(decided).UTC()
		a.Decided = &at
	}
	if (a.State == tools.Waiting || a.State == tools.Approved && a.Run == "") && a.Expires.Before(now) {
		a.State = tools.Expired
	}
	return a, nil
}

// AskApproval implements [tools.Approvals], and forgets approvals that are too old.
// Those who ask in one workspace take turns, in all processes.
func (s *Store) AskApproval(ctx context.Context, a tools.Approval) (_ tools.Approval, err error) {
	now := time.Now()
	if err := s.forget(ctx, "approval", "expires", now.Add(-approvalLife).UnixMilli()); err != nil {
		return a, fmt.Errorf("forget approvals: %w", err)
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return a, fmt.Errorf("ask for an approval: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := tx.alone(ctx, "approvals "+a.Workspace); err != nil {
		return a, fmt.Errorf("ask for an approval: %w", err)
	}
	over, args := sameCall+` AND state IN ('waiting', 'approved') AND expires < ?`, callArgs(a.AskedCall, now.UnixMilli())
	if a.Run != "" { // which waits for one at a time
		over, args = `run_id <> '' AND run_id = ? AND workspace = ? AND state = 'waiting' AND (digest <> ? OR expires < ?)`, []any{a.Run, a.Workspace, a.Digest, now.UnixMilli()}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE approval SET state = 'expired' WHERE `+over, args...); err != nil {
		return a, fmt.Errorf("forget an approval: %w", err)
	}
	there, found, err := openApproval(ctx, tx, a.AskedCall, now)
	if err != nil {
		return a, err
	}
	if found {
		return there, tx.Commit()
	}
	var waiting int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM approval WHERE workspace = ? AND state = 'waiting' AND host = ? AND agent = ? AND run_id = '' AND expires >= ?`,
		a.Workspace, a.Host, a.Agent, now.UnixMilli()).Scan(&waiting); err != nil {
		return a, fmt.Errorf("count approvals: %w", err)
	}
	if waiting >= tools.MaxWaiting && a.Run == "" {
		return a, tools.ErrManyWait
	}
	confidence := ""
	if a.Confidence != nil {
		confidence = strconv.FormatFloat(*a.Confidence, 'g', -1, 64)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO approval (`+approvalColumns+`, sealed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, '', '', '', ?, ?)`,
		a.ID, a.Workspace, a.Host, a.Agent, a.User, a.Context, a.Tool, a.Action, a.Instruction, a.Effect, a.Digest, string(a.Arguments), a.Reasoning, confidence, a.Rule,
		a.Requested.UnixMilli(), a.Expires.UnixMilli(), a.Run, a.Sealed)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return a, fmt.Errorf("keep an approval: %w", err)
	}
	return a, nil
}

// Approval implements [tools.Approvals].
func (s *Store) Approval(ctx context.Context, workspace, id string) (tools.Approval, bool, error) {
	var sealed []byte
	a, ok, err := oneApproval(s.reader.QueryRowContext(ctx, `SELECT `+approvalColumns+`, sealed FROM approval WHERE id = ? AND workspace = ?`, id, workspace), time.Now(), &sealed)
	a.Sealed = sealed
	return a, ok, err
}

// ListApprovals implements [tools.Approvals].
func (s *Store) ListApprovals(ctx context.Context, q tools.ApprovalQuery) (list []tools.Approval, err error) {
	now := time.Now()
	where := []string{"1 = 1"}
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	if q.Workspace != "" {
		add("workspace = ?", q.Workspace)
	}
	if q.Of != nil {
		add("host = ? AND agent = ? AND user_id = ?", q.Of.Host, q.Of.Agent, q.Of.User)
	}
	if q.Before != "" {
		add("id < ?", q.Before)
	}
	if q.Run != "" {
		add("run_id <> '' AND run_id = ?", q.Run)
	}
	switch q.State {
	case "":
	case tools.Waiting, tools.Approved:
		add("state = ? AND (expires >= ? OR NOT "+ends+")", string(q.State), now.UnixMilli())
	case tools.Expired:
		add("(state = 'expired' OR state IN ('waiting', 'approved') AND expires < ? AND "+ends+")", now.UnixMilli())
	default:
		add("state = ?", string(q.State))
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+approvalColumns+` FROM approval WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT ?`,
		append(args, cmp.Or(q.Limit, 50))...)
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		a, err := scanApproval(rows.Scan, now)
		if err != nil {
			return nil, fmt.Errorf("list approvals: %w", err)
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// GiveBack implements [tools.Approvals].
func (s *Store) GiveBack(ctx context.Context, id, intent string) error {
	_, err := s.writer.ExecContext(ctx, `UPDATE approval SET state = 'approved', intent = '' WHERE id = ? AND intent = ? AND state = 'used'`, id, intent)
	if err != nil {
		return fmt.Errorf("give an approval back: %w", err)
	}
	return nil
}

// WaitingApprovals counts the calls that wait for a person, by workspace.
func (s *Store) WaitingApprovals(ctx context.Context) (counts map[string]int64, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT workspace, count(*) FROM approval WHERE state = 'waiting' AND expires >= ? GROUP BY workspace`, time.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count approvals: %w", err)
	}
	defer func() { _ = rows.Close() }()
	counts = map[string]int64{}
	for rows.Next() {
		var workspace string
		var n int64
		if err := rows.Scan(&workspace, &n); err != nil {
			return nil, fmt.Errorf("count approvals: %w", err)
		}
		counts[workspace] = n
	}
	return counts, rows.Err()
}

// decide uses up the approvals of intents and lets verdicts take effect, and returns
// the entries that are left: those whose approval is theirs to use, or waited. They
// are taken in the order of their IDs, so that two processes do not wait for each
// other. Calls that nobody approves cost nothing here. A verdict moves the run that
// has asked for it here, before all other moves.
func (s *Store) decide(ctx context.Context, tx *tx, entries []audit.Entry) ([]audit.Entry, error) {
	var about []audit.Entry
	for _, e := range entries {
		if e.Consent != nil || e.Verdict != nil {
			about = append(about, e)
		}
	}
	if about == nil {
		return entries, nil
	}
	slices.SortStableFunc(about, func(a, b audit.Entry) int { return cmp.Compare(a.Approval, b.Approval) })
	for _, e := range about {
		decideOne := useApproval
		switch {
		case e.Verdict != nil && e.Move != nil:
			decideOne = s.judgeRun
		case e.Verdict != nil:
			decideOne = judge
		}
		if err := decideOne(ctx, tx, e); err != nil {
			return nil, fmt.Errorf("approval %s: %w", e.Approval, err)
		}
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e audit.Entry) bool {
		return e.Consent != nil && e.Consent.Taken || e.Verdict != nil && (e.Verdict.Void || e.Move != nil && e.Move.Stale)
	}), nil
}

// useApproval uses the approval of an intent up. An intent that cannot has no claim
// either, which came first.
func useApproval(ctx context.Context, tx *tx, e audit.Entry) error {
	done, err := tx.ExecContext(ctx, `UPDATE approval SET state = 'used', intent = ? WHERE id = ? AND workspace = ? AND run_id = '' AND state = 'approved' AND expires >= ?`,
		e.ID, e.Consent.ID, e.Workspace, e.Time.UnixMilli())
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if e.Consent.Taken = n == 0; n > 0 || err != nil || e.Claim == nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM claim WHERE scope = ? AND intent = ?`, e.Claim.Scope, e.ID)
	return err
}

// judge lets a verdict take effect, on the approval of a call or, with a move, of that
// run. An approval that comes late can be used for a while all the same.
func judge(ctx context.Context, tx *tx, e audit.Entry) error {
	state := tools.Denied
	if e.Verdict.Approved {
		state = tools.Approved
	}
	run := ""
	if e.Move != nil {
		run = e.Move.To.ID
	}
	at := e.Time.UnixMilli()
	done, err := tx.ExecContext(ctx, `UPDATE approval SET state = ?, decided = ?, decided_by = ?, note = ?, expires = CASE WHEN expires < ? THEN ? ELSE expires END
		WHERE id = ? AND workspace = ? AND run_id = ? AND state = 'waiting' AND expires >= ?`,
		string(state), at, e.By, e.Verdict.Note, at+useTime.Milliseconds(), at+useTime.Milliseconds(), e.Approval, e.Workspace, run, at)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	e.Verdict.Void = n == 0
	return err
}

// judgeRun lets a verdict take effect and moves its run, or does neither. The run comes
// first, as everywhere, and is kept from others until the commit.
func (s *Store) judgeRun(ctx context.Context, tx *tx, e audit.Entry) error {
	m := e.Move
	done, err := tx.ExecContext(ctx, `UPDATE saga SET turn = turn WHERE id = ? AND workspace = ? AND turn = ? AND status = 'waiting'`, m.To.ID, e.Workspace, m.To.Turn)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if m.Stale = n == 0; m.Stale || err != nil {
		return err
	}
	if err := judge(ctx, tx, e); err != nil || e.Verdict.Void {
		return err
	}
	if err := moveOne(ctx, tx, e, s.process.current()); err != nil {
		return err
	}
	if m.Stale {
		return errors.New("a verdict cannot take back that money has moved")
	}
	return nil
}

-- SQLite's part of 00012_audit_log.sql. leaf is an entry's number in its log, from 0
-- and without gaps, in the order of commit; entries that were there before are
-- numbered in the order in which they were inserted.

-- +goose Up
DROP TRIGGER audit_entry_no_update;
ALTER TABLE audit_entry ADD COLUMN leaf BIGINT;
UPDATE audit_entry SET leaf = numbered.leaf
FROM (SELECT rowid AS entry, row_number() OVER (PARTITION BY workspace ORDER BY rowid) - 1 AS leaf FROM audit_entry) AS numbered
WHERE audit_entry.rowid = numbered.entry;
-- +goose StatementBegin
CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never changed');
END;
-- +goose StatementEnd
DROP INDEX audit_entry_workspace;
CREATE UNIQUE INDEX audit_entry_leaf ON audit_entry (workspace, leaf);
-- +goose StatementBegin
CREATE TRIGGER audit_entry_in_order BEFORE INSERT ON audit_entry
WHEN NEW.leaf IS NOT (SELECT coalesce(max(leaf) + 1, 0) FROM audit_entry WHERE workspace = NEW.workspace)
BEGIN
    SELECT RAISE(ABORT, 'audit entries are numbered without gaps');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_log_grows BEFORE UPDATE ON audit_log
WHEN NEW.workspace <> OLD.workspace OR NEW.size <= OLD.size
BEGIN
    SELECT RAISE(ABORT, 'audit checkpoints only advance');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit checkpoints are never removed');
END;
-- +goose StatementEnd

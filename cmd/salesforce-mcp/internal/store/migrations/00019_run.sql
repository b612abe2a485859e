-- Runs, as people look at them: the entries of a run (column run, which is NULL in
-- all others, and in those that were there before), the latest runs, and the
-- approvals that runs wait for (run_id, '' for that of a call).

-- +goose Up
ALTER TABLE audit_entry ADD COLUMN run TEXT;
CREATE INDEX audit_entry_run ON audit_entry (run) WHERE run IS NOT NULL;
CREATE INDEX saga_latest ON saga (workspace, started, id);
ALTER TABLE approval ADD COLUMN run_id TEXT NOT NULL DEFAULT '';
CREATE INDEX approval_run ON approval (run_id) WHERE run_id <> '';
DROP INDEX approval_open;
CREATE UNIQUE INDEX approval_open ON approval (workspace, host, agent, user_id, instruction, digest, run_id) WHERE state IN ('waiting', 'approved');

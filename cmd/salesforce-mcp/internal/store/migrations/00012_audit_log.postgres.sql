-- Postgres' part of 00012_audit_log.sql. leaf is an entry's number in its log, from 0
-- and without gaps, in the order of commit. Transactions that add entries of one
-- workspace take turns (Store.Append).

-- +goose Up
ALTER TABLE audit_entry ADD COLUMN leaf BIGINT;
DROP INDEX audit_entry_workspace;
CREATE UNIQUE INDEX audit_entry_leaf ON audit_entry (workspace, leaf);
-- +goose StatementBegin
CREATE FUNCTION audit_entry_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.leaf IS DISTINCT FROM (SELECT coalesce(max(leaf) + 1, 0) FROM audit_entry WHERE workspace = NEW.workspace) THEN
        RAISE EXCEPTION 'audit entries are numbered without gaps';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_entry_in_order BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_in_order();
CREATE TRIGGER audit_log_grows BEFORE UPDATE ON audit_log FOR EACH ROW
WHEN (NEW.workspace <> OLD.workspace OR NEW.size <= OLD.size) EXECUTE FUNCTION refuse('audit checkpoints only advance');
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse('audit checkpoints are never removed');
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse('audit checkpoints are never removed');

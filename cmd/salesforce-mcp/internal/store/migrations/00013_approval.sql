-- Calls that wait for a person (tools.Approval). digest is of the arguments without
-- what does not say what is done; redacted are those of the journal, JSON; sealed has
-- all of them. Times are milliseconds since 1970. An approval whose time is over may
-- still stand here as waiting or approved.

-- +goose Up
CREATE TABLE approval (
    id          TEXT   NOT NULL PRIMARY KEY, -- UUIDv7: ascends in the order of asking
    workspace   TEXT   NOT NULL,
    host        TEXT   NOT NULL,
    agent       TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    context     TEXT   NOT NULL,
    tool        TEXT   NOT NULL,
    action      TEXT   NOT NULL,
    instruction TEXT   NOT NULL,
    effect      TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    redacted    TEXT   NOT NULL,
    sealed      BLOB   NOT NULL,
    reasoning   TEXT   NOT NULL,
    confidence  TEXT   NOT NULL, -- a number, or nothing
    rule        TEXT   NOT NULL,
    requested   BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'used', 'expired')),
    decided     BIGINT NOT NULL, -- 0 while nobody has
    decided_by  TEXT   NOT NULL,
    note        TEXT   NOT NULL,
    intent      TEXT   NOT NULL  -- of the call that has used it
);
-- A call waits once, however often it is repeated.
CREATE UNIQUE INDEX approval_open ON approval (workspace, host, agent, user_id, instruction, digest) WHERE state IN ('waiting', 'approved');
CREATE INDEX approval_state ON approval (workspace, state, id);
CREATE INDEX approval_expires ON approval (state, expires);

-- What people find calls by, and what charts count. All of it follows from
-- audit_entry, is made from it within a second (Store.Index), and proves nothing:
-- without it the trail is as complete as with it. Times are milliseconds since 1970,
-- hours are hours since then.

-- +goose Up

-- A call: leaf is the number of its first entry, ended that of its outcome or
-- refusal, NULL while it is under way. user_id is for whom, decider who decided.
CREATE TABLE audit_call (
    workspace TEXT   NOT NULL,
    leaf      BIGINT NOT NULL,
    ended     BIGINT,
    at        BIGINT NOT NULL,
    host      TEXT   NOT NULL,
    agent     TEXT   NOT NULL,
    user_id   TEXT   NOT NULL,
    decider   TEXT   NOT NULL,
    surface   TEXT   NOT NULL,
    tool      TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    effect    TEXT   NOT NULL,
    decision  TEXT   NOT NULL,
    outcome   TEXT   NOT NULL,
    code      TEXT   NOT NULL,
    PRIMARY KEY (workspace, leaf)
) WITHOUT ROWID;
CREATE INDEX audit_call_ended ON audit_call (workspace, ended);

-- What few calls have in common: a run, a context or an approval. leaf is the call's.
CREATE TABLE audit_key (
    workspace TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    leaf      BIGINT NOT NULL,
    PRIMARY KEY (workspace, kind, value, leaf)
) WITHOUT ROWID;

-- Which records the entries from first to last have, as a Bloom filter: a call may have
-- read thousands, and a row for each would cost more than the call.
CREATE TABLE audit_block (
    workspace TEXT   NOT NULL,
    first     BIGINT NOT NULL,
    last      BIGINT NOT NULL,
    bits      BLOB   NOT NULL,
    PRIMARY KEY (workspace, first)
) WITHOUT ROWID;

-- The first and the last call (leaf) that began in an hour.
CREATE TABLE audit_hour (
    workspace TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    first     BIGINT NOT NULL,
    last      BIGINT NOT NULL,
    PRIMARY KEY (workspace, hour)
) WITHOUT ROWID;

-- What ended in an hour, counted: of what (an outcome, requests, latency), by name (a
-- code, a class of durations).
CREATE TABLE audit_tally (
    workspace TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    what      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (workspace, hour, what, name)
) WITHOUT ROWID;

-- How far that is: entries before next are in it. The last call that went well, and
-- the last that did not.
CREATE TABLE audit_index (
    workspace   TEXT   NOT NULL PRIMARY KEY,
    next        BIGINT NOT NULL,
    ok_at       BIGINT NOT NULL,
    failed_at   BIGINT NOT NULL,
    failed_code TEXT   NOT NULL
);

-- API calls that the org of a workspace has said are used and allowed: the most in
-- an hour.
CREATE TABLE org_usage (
    workspace TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    allowed   BIGINT NOT NULL,
    PRIMARY KEY (workspace, hour)
);

-- The last verification of each log. finished is 0 while it goes on, and beat is when
-- its process last said so.
CREATE TABLE audit_verification (
    workspace TEXT   NOT NULL PRIMARY KEY,
    id        TEXT   NOT NULL,
    person    TEXT   NOT NULL,
    started   BIGINT NOT NULL,
    beat      BIGINT NOT NULL,
    finished  BIGINT NOT NULL,
    looked_at BIGINT NOT NULL, -- entries so far
    report    TEXT   NOT NULL  -- JSON
);

-- When the newest checkpoint was signed, by the database's clock. It is no part of
-- what is signed; 0 is before this was kept.
ALTER TABLE audit_log ADD COLUMN signed BIGINT NOT NULL DEFAULT 0;

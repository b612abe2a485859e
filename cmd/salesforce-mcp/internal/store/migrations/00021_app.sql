-- Who may use the configuration app (package users), their sessions, and how often
-- somebody failed to prove who they are. given and claimed are roles, as JSON; name in
-- app_attempt is the hash of what is counted. A session that has ended stands there
-- without content until its time is over, so that no request that was under way brings
-- it back. Times are milliseconds since 1970; signed_in is 0 for never.

-- +goose Up
CREATE TABLE app_user (
    id         TEXT   NOT NULL PRIMARY KEY,
    email      TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    issuer     TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    given      TEXT   NOT NULL,
    claimed    TEXT   NOT NULL,
    password   TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    suspended  BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    signed_in  BIGINT NOT NULL
);
CREATE UNIQUE INDEX app_user_email ON app_user (email) WHERE email <> '';
CREATE UNIQUE INDEX app_user_subject ON app_user (issuer, subject) WHERE subject <> '';
CREATE TABLE app_session (
    hash    TEXT   NOT NULL PRIMARY KEY,
    ended   BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    content BLOB   NOT NULL
);
CREATE INDEX app_session_expires ON app_session (expires);
CREATE TABLE app_attempt (
    name     TEXT   NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    until    BIGINT NOT NULL, -- nothing is tried before
    expires  BIGINT NOT NULL
);
CREATE INDEX app_attempt_expires ON app_attempt (expires);

-- Sessions with Salesforce's agents (tools.Session): whose they are, and how many
-- messages were sent. session_key is ours, session_id the platform's, '' until it is
-- known. owner is the process that waits
-- for its answer until lease_until, '' when none does. Times are milliseconds since
-- 1970, by the database's clock; ended is 0 while the session is open.

-- +goose Up
CREATE TABLE agent_session (
    session_key TEXT   NOT NULL PRIMARY KEY,
    session_id  TEXT   NOT NULL,
    workspace   TEXT   NOT NULL,
    host        TEXT   NOT NULL,
    agent       TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    agent_id    TEXT   NOT NULL,
    endpoint    TEXT   NOT NULL,
    sequence    BIGINT NOT NULL,
    owner       TEXT   NOT NULL,
    lease_until BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);
CREATE UNIQUE INDEX agent_session_id ON agent_session (workspace, session_id) WHERE session_id <> '';
CREATE INDEX agent_session_open ON agent_session (used) WHERE ended = 0;
CREATE INDEX agent_session_started ON agent_session (workspace, started);

-- Agents that were refused because no rule of their workspace covers them: how often
-- since when, and when last. It follows from audit_entry, so that nobody has to read
-- through the journal to know; refusals of before this table are not in it.

-- +goose Up
CREATE TABLE refused_agent (
    workspace TEXT   NOT NULL,
    host      TEXT   NOT NULL,
    agent     TEXT   NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    times     BIGINT NOT NULL,
    PRIMARY KEY (workspace, host, agent)
);
CREATE INDEX refused_agent_last ON refused_agent (workspace, last_at);

-- Who was given what may be gone on with: the locators of queries, jobs, runs of
-- reports, deploys (tools.Handles). Times are milliseconds since 1970.

-- +goose Up
CREATE TABLE handle (
    workspace TEXT   NOT NULL,
    handle    TEXT   NOT NULL,
    host      TEXT   NOT NULL,
    agent     TEXT   NOT NULL,
    user_id   TEXT   NOT NULL,
    given     BIGINT NOT NULL,
    PRIMARY KEY (workspace, handle, host, agent, user_id)
);
CREATE INDEX handle_given ON handle (given);

-- Large results: not their data, but whose they are and the call that makes them
-- again (package tools, type Kept). Arguments are JSON, times milliseconds since
-- 1970.

-- +goose Up
CREATE TABLE result (
    id          TEXT   NOT NULL PRIMARY KEY,
    made        BIGINT NOT NULL,
    workspace   TEXT   NOT NULL,
    host        TEXT   NOT NULL,
    agent       TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    instruction TEXT   NOT NULL,
    arguments   TEXT   NOT NULL
);
CREATE INDEX result_made ON result (made);

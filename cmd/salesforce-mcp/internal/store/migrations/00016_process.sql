-- The processes that have the database now, and until when they are taken to be
-- alive unless they say so again: milliseconds since 1970, by the database's clock.
-- An open intent names its process, so that those of a dead one can be closed.

-- +goose Up
CREATE TABLE process (
    id      TEXT   NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
ALTER TABLE audit_open ADD COLUMN process TEXT NOT NULL DEFAULT '';

-- The journal. Columns other than entry repeat parts of it, to be searched by;
-- entry is the line of JSON itself (package audit, type Entry). Times are
-- milliseconds since 1970. TEXT and BIGINT only, so that the same statements
-- run on Postgres.

-- +goose Up
CREATE TABLE audit_entry (
    id        TEXT   NOT NULL PRIMARY KEY, -- UUIDv7: ascends in the order of recording
    at        BIGINT NOT NULL,
    phase     TEXT   NOT NULL CHECK (phase IN ('intent', 'outcome', 'refusal')),
    intent    TEXT   UNIQUE REFERENCES audit_entry (id), -- of an outcome, and of it only
    workspace TEXT   NOT NULL,
    agent     TEXT   NOT NULL,
    tool      TEXT   NOT NULL,
    outcome   TEXT   NOT NULL,
    entry     TEXT   NOT NULL,
    CHECK ((phase = 'outcome') = (intent IS NOT NULL))
);
CREATE INDEX audit_entry_workspace ON audit_entry (workspace, id);

-- Intents without an outcome, so that a start finds them without reading the
-- journal. It follows from audit_entry and can be made anew from it.
CREATE TABLE audit_open (
    intent TEXT NOT NULL PRIMARY KEY REFERENCES audit_entry (id)
);

-- What people's connections need while they are made: leases let processes take
-- turns, pending holds what a secret that was handed out stands for (package
-- connect). Only the hash of that secret is kept, and the content is sealed with
-- it. Times are milliseconds since 1970.

-- +goose Up
CREATE TABLE lease (
    name    TEXT   NOT NULL PRIMARY KEY,
    owner   TEXT   NOT NULL,
    expires BIGINT NOT NULL
);
CREATE TABLE pending (
    hash    TEXT   NOT NULL PRIMARY KEY,
    kind    TEXT   NOT NULL,
    expires BIGINT NOT NULL,
    content BLOB   NOT NULL
);
CREATE INDEX pending_expires ON pending (expires);

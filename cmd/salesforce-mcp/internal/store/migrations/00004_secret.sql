-- Sealed secrets (package secrets): what is stored is ciphertext. A data key
-- seals the secrets of one workspace, and is sealed itself by a master key that
-- is not in the database; key_id says by which. A version is a random number, so
-- that none comes again.

-- +goose Up
CREATE TABLE data_key (
    workspace TEXT NOT NULL PRIMARY KEY,
    key_id    TEXT NOT NULL,
    sealed    BLOB NOT NULL
);
CREATE TABLE secret (
    workspace TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    version   BIGINT NOT NULL,
    sealed    BLOB   NOT NULL,
    PRIMARY KEY (workspace, name)
);

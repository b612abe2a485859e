-- The Merkle log over the journal (package proof), one for each workspace: its
-- newest signed checkpoint, and the hashes under it: the tile n of a level, at most
-- 256 hashes. The entries' numbers are in the files beside this one.

-- +goose Up
CREATE TABLE audit_log (
    workspace  TEXT   NOT NULL PRIMARY KEY,
    size       BIGINT NOT NULL, -- entries under the checkpoint
    checkpoint TEXT   NOT NULL
);
CREATE TABLE audit_tile (
    workspace TEXT   NOT NULL,
    level     BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    hashes    BLOB   NOT NULL,
    PRIMARY KEY (workspace, level, n)
);

-- What a sink has written: the entries of a workspace before next.
CREATE TABLE audit_sink (
    sink      TEXT   NOT NULL,
    workspace TEXT   NOT NULL,
    next      BIGINT NOT NULL,
    PRIMARY KEY (sink, workspace)
);

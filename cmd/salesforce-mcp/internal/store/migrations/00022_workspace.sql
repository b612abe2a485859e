-- Workspaces whose settings stand here and not in the configuration file (package
-- settings). workspace has the present revision, workspace_revision all documents, YAML
-- without secrets. A workspace that was deleted keeps its row, so that nobody gets its
-- name and with that its audit trail. secret_note says who stored a secret and when;
-- settings_version is raised with every change, for servers to see that there was one.
-- Times are milliseconds since 1970, by the database's clock.

-- +goose Up
CREATE TABLE workspace (
    name      TEXT   NOT NULL PRIMARY KEY,
    revision  BIGINT NOT NULL,
    suspended BIGINT NOT NULL, -- since when, or 0
    deleted   BIGINT NOT NULL  -- since when, or 0
);
CREATE TABLE workspace_revision (
    workspace TEXT   NOT NULL,
    revision  BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    by_id     TEXT   NOT NULL,
    by_name   TEXT   NOT NULL,
    what      TEXT   NOT NULL, -- in few words
    document  TEXT   NOT NULL,
    PRIMARY KEY (workspace, revision)
);
CREATE TABLE secret_note (
    workspace TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    by_id     TEXT   NOT NULL,
    by_name   TEXT   NOT NULL,
    PRIMARY KEY (workspace, name)
);
CREATE TABLE settings_version (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO settings_version (id, version) VALUES (1, 0);

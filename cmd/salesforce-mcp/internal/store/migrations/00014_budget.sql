-- What agents have taken of their limits (audit.Charge), in the windows of their
-- last call: whole minutes and days of UTC, numbered from 1970. host is '' where
-- the hosts of a workspace share.

-- +goose Up
CREATE TABLE budget (
    workspace    TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    agent        TEXT   NOT NULL,
    minute       BIGINT NOT NULL,
    minute_calls BIGINT NOT NULL,
    day          BIGINT NOT NULL,
    day_calls    BIGINT NOT NULL,
    day_writes   BIGINT NOT NULL,
    PRIMARY KEY (workspace, host, agent)
);
CREATE INDEX budget_day ON budget (day);

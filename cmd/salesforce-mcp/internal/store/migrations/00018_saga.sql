-- Runs that go on across calls (audit.Run), and their steps: one row each, however
-- often it is tried. turn counts up whenever a run moves or is taken; owner is the
-- process that has it until lease_until. input, reason, answer and result are the
-- engine's. Times are milliseconds since 1970, by the database's clock.

-- +goose Up
CREATE TABLE saga (
    id          TEXT   NOT NULL PRIMARY KEY,
    workspace   TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    generation  BIGINT NOT NULL,
    input       BLOB   NOT NULL,
    status      TEXT   NOT NULL CHECK (status IN ('running', 'waiting', 'undoing', 'done', 'denied', 'cancelled', 'failed')),
    at_step     TEXT   NOT NULL,
    goal        TEXT   NOT NULL,
    pivot       TEXT   NOT NULL CHECK (pivot IN ('', 'begun', 'passed')),
    escalated   BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    reason      BLOB   NOT NULL,
    answer      BLOB   NOT NULL,
    turn        BIGINT NOT NULL,
    owner       TEXT   NOT NULL,
    lease_until BIGINT NOT NULL,
    wake_at     BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    moved       BIGINT NOT NULL,
    -- Money that moved, or may have, never ends as if it had not.
    CHECK (pivot = '' OR status NOT IN ('undoing', 'denied', 'cancelled', 'failed')),
    UNIQUE (workspace, kind, subject, generation)
);
CREATE INDEX saga_due ON saga (wake_at) WHERE status IN ('running', 'waiting', 'undoing');
CREATE TABLE saga_step (
    saga_id        TEXT   NOT NULL REFERENCES saga (id),
    step           TEXT   NOT NULL,
    attempt        BIGINT NOT NULL,
    idem_key       TEXT   NOT NULL,
    request_digest TEXT   NOT NULL,
    state          TEXT   NOT NULL CHECK (state IN ('intent', 'done', 'unknown', 'failed', 'waiting')),
    result         BLOB   NOT NULL,
    started        BIGINT NOT NULL,
    finished       BIGINT NOT NULL, -- 0 while there is no result
    PRIMARY KEY (saga_id, step)
);

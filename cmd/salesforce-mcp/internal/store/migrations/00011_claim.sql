-- Idempotency keys (audit.Claim): which call has one, and what that came to. The
-- scope is a digest of whose key it is; digest and outcome are sealed. Whether the
-- call has ended says audit_open. Times are milliseconds since 1970.

-- +goose Up
CREATE TABLE claim (
    scope   TEXT   NOT NULL PRIMARY KEY,
    intent  TEXT   NOT NULL,
    made    BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    digest  BLOB   NOT NULL,
    outcome BLOB
);
CREATE INDEX claim_made ON claim (made);

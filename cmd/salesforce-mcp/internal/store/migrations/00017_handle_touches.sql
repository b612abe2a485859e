-- What was touched by the call that gave a handle, as JSON (allowlist.Touch): who goes
-- on with it is gated against that. NULL where the rule did not ask.

-- +goose Up
ALTER TABLE handle ADD COLUMN touches TEXT;

-- What a person is shown of their sessions, and when each ends. Columns are added and no table is made anew:
-- `accounts` and `sessions` are referenced with ON DELETE CASCADE, so that a copy would take rows along.
-- Times are milliseconds since 1970-01-01 UTC.

-- Where a session was begun, and with what; capped and escaped.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN agent TEXT;
-- Whether the person asked to stay signed in.
ALTER TABLE sessions ADD COLUMN remember INTEGER NOT NULL DEFAULT 0;
-- When it ends if it is not used: it moves with each use, and never beyond ends_at.
ALTER TABLE sessions ADD COLUMN idle_ends_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET idle_ends_at = min(last_used_at + 3600000, ends_at);
CREATE INDEX sessions_by_idle_end ON sessions (idle_ends_at);
CREATE INDEX sessions_by_end ON sessions (ends_at);

-- Grows with each new password (not with a new hash of the same): a sign-in that was checked against the
-- password before is refused when it comes to write its session.
ALTER TABLE accounts ADD COLUMN password_version INTEGER NOT NULL DEFAULT 0;

-- Every API key has an end; those made without one end a year after they were made.
UPDATE api_keys SET expires_at = created_at + 31536000000 WHERE expires_at IS NULL;

-- What is removed by its age is found by it.
CREATE INDEX login_delays_by_time ON login_delays (last_failure_at);
CREATE INDEX known_addresses_by_time ON known_addresses (last_at);
CREATE INDEX revocations_by_time ON revocations (at);

-- The tries that a network has left, by a hash of what is tried and the network: when all are back. Rows whose
-- time is over say nothing and are removed.
CREATE TABLE address_delays (
    key     BLOB    NOT NULL PRIMARY KEY,
    full_at INTEGER NOT NULL
) STRICT;
CREATE INDEX address_delays_by_time ON address_delays (full_at);

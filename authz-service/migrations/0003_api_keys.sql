-- API keys. Stored as SHA-256, like every secret of 256 random bits. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE api_keys (
    -- The public id; the key that proves it is another value.
    key_id       TEXT    NOT NULL PRIMARY KEY,
    secret_hash  BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    -- Space separated.
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    -- Never where absent.
    expires_at   INTEGER,
    -- Written at most once a minute.
    last_used_at INTEGER,
    -- Kept for a while, so that revoking twice is no error.
    revoked_at   INTEGER
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user_id);

-- Another kind of revocation. A CHECK cannot be changed in place, so the table is made anew; the numbers must go
-- on where they were, also when the newest rows are gone, because the router asks for what comes after one.
ALTER TABLE revocations RENAME TO revocations_before;
CREATE TABLE revocations (
    seq  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT    NOT NULL CHECK (kind IN ('session', 'user', 'instance', 'api_key')),
    id   TEXT    NOT NULL,
    at   INTEGER NOT NULL
) STRICT;
INSERT INTO revocations (seq, kind, id, at) SELECT seq, kind, id, at FROM revocations_before;
DELETE FROM sqlite_sequence WHERE name = 'revocations';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'revocations', seq FROM sqlite_sequence WHERE name = 'revocations_before';
DROP TABLE revocations_before;

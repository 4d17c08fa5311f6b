-- The second factor: one-time passwords, recovery codes, and sign-ins that wait for it. Times are milliseconds
-- since 1970-01-01 UTC.

CREATE TABLE totp (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- Nonce, secret under AES-256-GCM, tag; bound to the account, the key is in master.key.
    secret_sealed BLOB    NOT NULL,
    confirmed_at  INTEGER NOT NULL,
    -- The last step (30 s each since 1970) whose password was used: it and those before are spent.
    last_step     INTEGER NOT NULL
) STRICT;

-- A secret that an authenticator app was shown and no code has confirmed yet. Only the session that began sees it.
CREATE TABLE totp_setups (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (user_id) ON DELETE CASCADE,
    sid           TEXT    NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    secret_sealed BLOB    NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX totp_setups_by_sid ON totp_setups (sid);
CREATE INDEX totp_setups_by_end ON totp_setups (expires_at);

-- Unused codes alone: using one deletes it. 80 random bits, as HMAC under a key from master.key.
CREATE TABLE recovery_codes (
    code_mac BLOB NOT NULL PRIMARY KEY,
    user_id  TEXT NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_id);

-- The password was right; nobody is signed in.
CREATE TABLE pending_logins (
    token_hash       BLOB    NOT NULL PRIMARY KEY,
    user_id          TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- Of the password that was checked.
    password_version INTEGER NOT NULL,
    remember         INTEGER NOT NULL,
    tries            INTEGER NOT NULL DEFAULT 0,
    expires_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX pending_logins_by_user ON pending_logins (user_id);
CREATE INDEX pending_logins_by_end ON pending_logins (expires_at);

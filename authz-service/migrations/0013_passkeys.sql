-- Passkeys (WebAuthn) as a second factor. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE passkeys (
    -- The id that people and the log see; the credential's own is another value.
    passkey_id    TEXT    NOT NULL PRIMARY KEY,
    user_id       TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    credential_id BLOB    NOT NULL UNIQUE,
    -- COSE, as the authenticator gave it. It verifies and proves nothing, so it is not sealed.
    public_key    BLOB    NOT NULL,
    name          TEXT    NOT NULL,
    -- Of signatures; 0 where the authenticator does not count.
    sign_count    INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER
) STRICT;
CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- Challenges that were given out: each is answered once, for the session or the sign-in that it was given to.
CREATE TABLE passkey_challenges (
    challenge_hash BLOB    NOT NULL PRIMARY KEY,
    user_id        TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- To add a passkey. One of the two is there.
    sid            TEXT    REFERENCES sessions (sid) ON DELETE CASCADE,
    -- To sign in.
    pending_hash   BLOB    REFERENCES pending_logins (token_hash) ON DELETE CASCADE,
    expires_at     INTEGER NOT NULL,
    CHECK ((sid IS NULL) <> (pending_hash IS NULL))
) STRICT;
CREATE UNIQUE INDEX passkey_challenges_by_sid ON passkey_challenges (sid);
CREATE UNIQUE INDEX passkey_challenges_by_pending ON passkey_challenges (pending_hash);
CREATE INDEX passkey_challenges_by_user ON passkey_challenges (user_id);
CREATE INDEX passkey_challenges_by_end ON passkey_challenges (expires_at);

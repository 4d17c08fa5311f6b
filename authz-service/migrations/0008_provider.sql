-- The OAuth provider: keys that rotate, and what people let clients have.

-- When a key began to sign, and when it ceased to.
ALTER TABLE signing_keys ADD COLUMN activated_at INTEGER;
ALTER TABLE signing_keys ADD COLUMN retired_at INTEGER;
UPDATE signing_keys SET activated_at = created_at WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (state) WHERE state = 'next';

-- Which grants a client may use, space separated.
ALTER TABLE clients ADD COLUMN grants TEXT NOT NULL DEFAULT 'client_credentials';

-- One yes of a person to a client. Codes and tokens hang on it, and whatever ends it ends them all. `sid` is no
-- foreign key: a refresh token outlives the idle end of the session that it came from, but not its sign-out.
CREATE TABLE grants (
    grant_id   TEXT    NOT NULL PRIMARY KEY,
    client_id  TEXT    NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    user_id    TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    sid        TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    -- When the person proved who they are.
    auth_time  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Nothing that hangs on it is alive after this.
    ends_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_user ON grants (user_id);
CREATE INDEX grants_by_sid ON grants (sid);
CREATE INDEX grants_by_end ON grants (ends_at);

-- Used codes stay as long as their grant: that one comes twice must be seen.
CREATE TABLE authorization_codes (
    code_hash    BLOB    NOT NULL PRIMARY KEY,
    grant_id     TEXT    NOT NULL REFERENCES grants (grant_id) ON DELETE CASCADE,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    nonce        TEXT,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT;
CREATE INDEX authorization_codes_by_grant ON authorization_codes (grant_id);

-- Used tokens stay as long as their grant, for the same reason.
CREATE TABLE refresh_tokens (
    token_hash BLOB    NOT NULL PRIMARY KEY,
    grant_id   TEXT    NOT NULL REFERENCES grants (grant_id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);

-- Access tokens that a client gave back before their time.
CREATE TABLE revoked_tokens (
    jti        TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;

-- Whoever publishes that a session or a person is out has ended what hung on them, in the same transaction.
CREATE TRIGGER grants_end_with_session AFTER INSERT ON revocations WHEN NEW.kind = 'session'
BEGIN
    DELETE FROM grants WHERE sid = NEW.id;
END;
CREATE TRIGGER grants_end_with_user AFTER INSERT ON revocations WHEN NEW.kind = 'user'
BEGIN
    DELETE FROM grants WHERE user_id = NEW.id;
END;

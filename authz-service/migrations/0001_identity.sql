-- Accounts, sessions and everything that hangs on them. Times are milliseconds since 1970-01-01 UTC. Secrets
-- are stored as SHA-256 (they have 256 random bits), passwords as argon2id.

CREATE TABLE accounts (
    user_id       TEXT    NOT NULL PRIMARY KEY,
    username      TEXT    NOT NULL UNIQUE,
    email         TEXT    NOT NULL,
    -- The address in lower case: what must be unique.
    email_key     TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'pending_approval')),
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    -- The public id; the secret that proves it is another value.
    sid          TEXT    NOT NULL PRIMARY KEY,
    secret_hash  BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    -- However much it is used, it ends here.
    ends_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- The outbox: one order of an instance per account, written in the transaction that makes the account.
CREATE TABLE orders (
    user_id      TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- Grows when the order is renewed, so that the answer to an older call cannot settle a newer order.
    version      INTEGER NOT NULL,
    slug         TEXT,
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'accepted', 'refused')),
    attempts     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    instance_id  TEXT,
    operation_id TEXT,
    -- Why it waits or was refused, in words for people.
    reason       TEXT
) STRICT;
CREATE INDEX orders_due ON orders (due_at) WHERE state = 'queued';

-- Who owns which instance, as deploy-control said. An owner need not have an account here.
CREATE TABLE instances (
    instance_id TEXT    NOT NULL PRIMARY KEY,
    owner_id    TEXT    NOT NULL,
    slug        TEXT    NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX instances_by_owner ON instances (owner_id);

-- Hand-off codes: the row is deleted by the one redemption that wins.
CREATE TABLE handoffs (
    code_hash   BLOB    NOT NULL PRIMARY KEY,
    sid         TEXT    NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    instance_id TEXT    NOT NULL REFERENCES instances (instance_id) ON DELETE CASCADE,
    slug        TEXT    NOT NULL,
    challenge   TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX handoffs_by_sid ON handoffs (sid);
CREATE INDEX handoffs_by_instance ON handoffs (instance_id);

-- At most one living registration token per instance.
CREATE TABLE registration_tokens (
    instance_id TEXT    NOT NULL PRIMARY KEY REFERENCES instances (instance_id) ON DELETE CASCADE,
    token_hash  BLOB    NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL
) STRICT;

-- OAuth clients. An instance that registers anew replaces its client.
CREATE TABLE clients (
    client_id     TEXT    NOT NULL PRIMARY KEY,
    instance_id   TEXT    NOT NULL UNIQUE REFERENCES instances (instance_id) ON DELETE CASCADE,
    secret_hash   BLOB    NOT NULL,
    name          TEXT    NOT NULL,
    app_version   TEXT    NOT NULL,
    -- Space separated; computed here, never taken from the client.
    redirect_uris TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

-- AUTOINCREMENT: a number is never given twice, also when old rows are gone.
CREATE TABLE revocations (
    seq  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT    NOT NULL CHECK (kind IN ('session', 'user', 'instance')),
    id   TEXT    NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

-- Several keys may be published; one signs.
CREATE TABLE signing_keys (
    kid            TEXT    NOT NULL PRIMARY KEY,
    algorithm      TEXT    NOT NULL CHECK (algorithm IN ('EdDSA')),
    state          TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    public_key     BLOB    NOT NULL,
    -- Nonce, PKCS#8 under AES-256-GCM, tag; the key is in master.key.
    private_sealed BLOB    NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (state) WHERE state = 'active';

CREATE TABLE invites (
    code_hash  BLOB    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    used_by    TEXT
) STRICT;

-- Failed sign-ins by a hash of what was typed as the name (and of the address, where the account knows it):
-- unknown accounts have rows too, so that nothing tells them from known ones.
CREATE TABLE login_delays (
    key             BLOB    NOT NULL PRIMARY KEY,
    failures        INTEGER NOT NULL,
    last_failure_at INTEGER NOT NULL
) STRICT;

-- Where an account signed in with success: a stranger's failures do not slow its owner down there.
CREATE TABLE known_addresses (
    user_id TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    network TEXT    NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT;

CREATE TABLE audit (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    address    TEXT,
    request_id TEXT
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

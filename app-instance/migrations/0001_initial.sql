-- Times are milliseconds since 1970-01-01 UTC.

-- One row once the owner is registered: the owner and the client at the issuer, in one go.
CREATE TABLE registration (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    user_id        TEXT    NOT NULL,
    username       TEXT    NOT NULL,
    email          TEXT    NOT NULL,
    client_id      TEXT    NOT NULL,
    client_secret  TEXT    NOT NULL,
    token_endpoint TEXT    NOT NULL,
    registered_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE conversations (
    id         TEXT    NOT NULL PRIMARY KEY,
    -- Empty until the first message gives it one.
    title      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX conversations_by_use ON conversations (updated_at DESC, id DESC);

CREATE TABLE messages (
    id              TEXT    NOT NULL PRIMARY KEY,
    conversation_id TEXT    NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq             INTEGER NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('user', 'assistant')),
    content         TEXT    NOT NULL,
    -- streaming: being written. complete: whole. stopped: the owner stopped it. broken: it broke off, the
    -- part that came is kept. failed: nothing came.
    state           TEXT    NOT NULL
        CHECK (state IN ('streaming', 'complete', 'stopped', 'broken', 'failed')),
    -- What the owner is told about the state.
    note            TEXT,
    model           TEXT,
    -- The answer that this one is to replace; it is hidden until the new one has text, then deleted.
    replaces        TEXT,
    hidden          INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)),
    created_at      INTEGER NOT NULL,
    UNIQUE (conversation_id, seq)
) STRICT;

CREATE INDEX messages_being_written ON messages (state) WHERE state = 'streaming';

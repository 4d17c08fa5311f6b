-- E-mail: what is to be sent, the links that prove an address or replace a password, and sign-ups that wait for
-- theirs. Columns are added and no table is made anew. Times are milliseconds since 1970-01-01 UTC.

-- When the account's address was proved; never for the addresses of accounts from before.
ALTER TABLE accounts ADD COLUMN email_verified_at INTEGER;
-- What mails that no request causes are written in.
ALTER TABLE accounts ADD COLUMN language TEXT NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'zh-Hans'));

-- When the owner was told that the key will end.
ALTER TABLE api_keys ADD COLUMN warned_at INTEGER;
CREATE INDEX api_keys_by_end ON api_keys (expires_at);

-- The outbox of mails, each written in the transaction that it is about. A row stays until its mail was taken, was
-- refused for good, or would come too late.
CREATE TABLE mails (
    mail_id  TEXT    NOT NULL PRIMARY KEY,
    -- Recipient, language and what it says: nonce, JSON under AES-256-GCM, tag; the key is in master.key. There are
    -- living links in it.
    sealed   BLOB    NOT NULL,
    attempts INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX mails_by_due ON mails (due_at);

-- Links to an account that is there. The row is deleted by the one use that wins.
CREATE TABLE mail_links (
    token_hash BLOB    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL CHECK (kind IN ('verify', 'reset')),
    user_id    TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- The address that it proves.
    email      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX mail_links_by_user ON mail_links (user_id);
CREATE INDEX mail_links_by_end ON mail_links (expires_at);

-- Sign-ups whose address is not proved yet: no account, and no name that is taken. Those for an address that has an
-- account are here too, so that nothing tells them from others; their link is never sent.
CREATE TABLE registrations (
    token_hash    BLOB    NOT NULL PRIMARY KEY,
    username      TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    email_key     TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    invite_hash   BLOB,
    language      TEXT    NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX registrations_by_email ON registrations (email_key);
CREATE INDEX registrations_by_end ON registrations (expires_at);

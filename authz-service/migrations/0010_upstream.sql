-- Sign-in at another OpenID Connect issuer, the upstream.

-- Sign-ins that are under way: the row is deleted by the one callback that wins.
CREATE TABLE upstream_tries (
    state_hash   BLOB    NOT NULL PRIMARY KEY,
    -- Of the secret in the cookie of the browser that began.
    browser_hash BLOB    NOT NULL,
    issuer       TEXT    NOT NULL,
    nonce        TEXT    NOT NULL,
    -- Of PKCE; worth nothing without the code and the client's secret.
    verifier     TEXT    NOT NULL,
    next         TEXT,
    -- Whose account gets the identity, where the sign-in is to link one.
    link_sid     TEXT REFERENCES sessions (sid) ON DELETE CASCADE,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX upstream_tries_by_end ON upstream_tries (expires_at);
CREATE INDEX upstream_tries_by_sid ON upstream_tries (link_sid);

-- Who signed in there and has no account here yet; one a browser.
CREATE TABLE upstream_arrivals (
    browser_hash BLOB    NOT NULL PRIMARY KEY,
    issuer       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    label        TEXT,
    -- For the form alone.
    username     TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX upstream_arrivals_by_end ON upstream_arrivals (expires_at);

-- Which identity opens which account: found by issuer and subject, and by nothing else.
CREATE TABLE upstream_identities (
    issuer       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    user_id      TEXT    NOT NULL REFERENCES accounts (user_id) ON DELETE CASCADE,
    -- What the issuer called the person; shown to the owner, never compared.
    label        TEXT,
    linked_at    INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE UNIQUE INDEX upstream_identities_one_an_account ON upstream_identities (user_id, issuer);

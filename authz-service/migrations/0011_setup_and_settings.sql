-- The first administrator: made at a page with a one-time code, until there is one; then never again.
CREATE TABLE setup (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- 1 for good, from the first administrator on.
    closed     INTEGER NOT NULL CHECK (closed IN (0, 1)),
    -- SHA-256 of the code; at most one lives.
    code_hash  BLOB,
    expires_at INTEGER
) STRICT;
INSERT INTO setup (id, closed) VALUES (1, EXISTS (SELECT 1 FROM accounts WHERE role = 'admin'));

-- Whatever makes an administrator closes it.
CREATE TRIGGER setup_closes_with_a_role AFTER UPDATE OF role ON accounts
WHEN NEW.role = 'admin' AND (SELECT closed FROM setup) = 0
BEGIN
    UPDATE setup SET closed = 1, code_hash = NULL, expires_at = NULL;
END;
CREATE TRIGGER setup_closes_with_an_account AFTER INSERT ON accounts
WHEN NEW.role = 'admin' AND (SELECT closed FROM setup) = 0
BEGIN
    UPDATE setup SET closed = 1, code_hash = NULL, expires_at = NULL;
END;
CREATE TRIGGER setup_stays_closed BEFORE UPDATE ON setup
WHEN OLD.closed = 1
BEGIN
    SELECT RAISE(ABORT, 'the set-up is closed');
END;
CREATE TRIGGER setup_no_delete BEFORE DELETE ON setup
BEGIN
    SELECT RAISE(ABORT, 'the set-up is not forgotten');
END;

-- What administrators set while the service runs.
CREATE TABLE settings (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Grows with each change, so that of two who change it at once the later is told.
    version      INTEGER NOT NULL,
    -- In place of BEAVER_REGISTRATION; NULL: what that says.
    registration TEXT    CHECK (registration IN ('open', 'invite', 'approval', 'closed')),
    -- Plain text over every page; empty for none.
    banner       TEXT    NOT NULL,
    changed_at   INTEGER,
    changed_by   TEXT
) STRICT;
INSERT INTO settings (id, version, banner) VALUES (1, 0, '');

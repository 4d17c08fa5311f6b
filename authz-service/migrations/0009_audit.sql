-- Reading the audit log by time, and letting go of what is older than it is kept.
CREATE INDEX audit_by_time ON audit (at);

-- Entries from before this time may be removed; nothing else may, and nothing may be changed.
CREATE TABLE audit_retention (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    before INTEGER NOT NULL
) STRICT;
INSERT INTO audit_retention (id, before) VALUES (1, 0);

DROP TRIGGER audit_no_delete;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN OLD.at >= (SELECT before FROM audit_retention)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

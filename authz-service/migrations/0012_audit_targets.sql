-- Where the audit log is sent to. The log itself is the outbox: it is append-only and its ids grow, so that all that
-- must be remembered of a target is the last entry that it has. Times are milliseconds since 1970-01-01 UTC.
CREATE TABLE audit_targets (
    name              TEXT    NOT NULL PRIMARY KEY CHECK (name IN ('syslog', 'webhook')),
    -- The last entry that it has; those before the target was first set are not sent.
    cursor            INTEGER NOT NULL,
    delivered         INTEGER NOT NULL DEFAULT 0,
    -- Deliveries that failed, in all and since the last that did not.
    failures          INTEGER NOT NULL DEFAULT 0,
    attempts          INTEGER NOT NULL DEFAULT 0,
    -- Not tried before this.
    due_at            INTEGER NOT NULL DEFAULT 0,
    last_delivered_at INTEGER,
    last_failed_at    INTEGER,
    last_error        TEXT
) STRICT;

-- Pulls of images: operations that belong to no instance. Times are milliseconds since 1970-01-01 UTC. A pull is
-- started anew after a restart; Docker keeps the layers that had come.

CREATE TABLE image_pulls (
    id            TEXT    NOT NULL PRIMARY KEY,
    image         TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    percent       INTEGER NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    cancel        INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
    -- What it waits for, and why it ended as failed.
    waiting       TEXT,
    verdict       TEXT,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    deadline      INTEGER NOT NULL,
    finished_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX one_active_pull ON image_pulls (image) WHERE state IN ('queued', 'running');

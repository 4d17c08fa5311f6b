-- Snapshots of data/ and rollouts. Times are milliseconds since 1970-01-01 UTC.

-- What lies in runtime/snapshots/<instance>/<generation>: taken before the generation's image was replaced. A row
-- is written once its files are whole, and goes before they do.
CREATE TABLE snapshots (
    instance_id   TEXT    NOT NULL REFERENCES instances (id),
    generation    INTEGER NOT NULL,
    -- What ran until then.
    image_id      TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    taken_at      INTEGER NOT NULL,
    PRIMARY KEY (instance_id, generation)
) STRICT;

CREATE TABLE rollouts (
    id            TEXT    NOT NULL PRIMARY KEY,
    image_id      TEXT    NOT NULL,
    -- So many instances may fail and it still goes on.
    failure_limit INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    cancel        INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
    reason        TEXT,
    created_at    INTEGER NOT NULL,
    finished_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX one_rollout_at_a_time ON rollouts (state) WHERE state = 'running';

CREATE TABLE rollout_members (
    rollout_id    TEXT    NOT NULL REFERENCES rollouts (id),
    instance_id   TEXT    NOT NULL REFERENCES instances (id),
    -- Counts from 0; a ring begins once the one before has ended.
    ring          INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('waiting', 'upgrading', 'returning', 'done', 'failed', 'skipped')),
    -- The operation under way or the last one; its id is written down before it is asked for.
    operation_id  TEXT,
    -- Where it rested before and is put back to: asleep or stopped.
    rest          TEXT,
    -- What becomes of it once it rests again.
    outcome       TEXT,
    reason        TEXT,
    started_at    INTEGER,
    finished_at   INTEGER,
    PRIMARY KEY (rollout_id, instance_id)
) STRICT;

-- Times are milliseconds since 1970-01-01 UTC. Ids are ULIDs as text. One row an instance, for ever: a deleted
-- one keeps its ledger, and its data may be revived.

CREATE TABLE instances (
    id                  TEXT    NOT NULL PRIMARY KEY,
    slug                TEXT    NOT NULL,
    owner_id            TEXT    NOT NULL,
    username            TEXT    NOT NULL,
    email               TEXT    NOT NULL,
    display_name        TEXT,
    -- What is wanted, and the change that is under way.
    desired             TEXT    NOT NULL CHECK (desired IN ('awake', 'asleep', 'stopped', 'deleted', 'purged')),
    change              TEXT    NOT NULL DEFAULT 'none',
    -- What is so, as it was last published.
    state               TEXT    NOT NULL,
    reason              TEXT,
    generation          INTEGER NOT NULL DEFAULT 1,
    container_made      INTEGER NOT NULL DEFAULT 0 CHECK (container_made IN (0, 1)),
    image_id            TEXT,
    previous_image_id   TEXT,
    target_image_id     TEXT,
    spec_hash           TEXT,
    shard               INTEGER,
    address             TEXT,
    uid                 INTEGER NOT NULL UNIQUE,
    memory_bytes        INTEGER NOT NULL,
    milli_cpus          INTEGER NOT NULL,
    pids                INTEGER NOT NULL,
    disk_bytes          INTEGER NOT NULL,
    -- The provider without its key, which is in the instance's config.json alone.
    provider_kind       TEXT,
    provider_model      TEXT,
    provider_base_url   TEXT,
    owner_registered    INTEGER NOT NULL DEFAULT 0 CHECK (owner_registered IN (0, 1)),
    ever_ready          INTEGER NOT NULL DEFAULT 0 CHECK (ever_ready IN (0, 1)),
    -- authz-service has yet to be told that the instance is gone.
    forget_pending      INTEGER NOT NULL DEFAULT 0 CHECK (forget_pending IN (0, 1)),
    created_at          INTEGER NOT NULL,
    ready_at            INTEGER,
    last_activity_at    INTEGER,
    deleted_at          INTEGER
) STRICT;

CREATE UNIQUE INDEX live_slug ON instances (slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX one_instance_an_owner ON instances (owner_id) WHERE desired <> 'purged';
CREATE INDEX instance_by_name ON instances (username) WHERE deleted_at IS NULL;
CREATE INDEX to_forget ON instances (id) WHERE forget_pending = 1;

CREATE TABLE operations (
    id            TEXT    NOT NULL PRIMARY KEY,
    instance_id   TEXT    NOT NULL REFERENCES instances (id),
    kind          TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    step          TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    -- What was desired before, for a cancel.
    undo          TEXT,
    cancel        INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
    -- What it waits for, and why it will end as failed once what it had begun is undone.
    waiting       TEXT,
    verdict       TEXT,
    -- How long it may take; time in which Docker cannot be reached does not count.
    allowance     INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    deadline      INTEGER NOT NULL,
    finished_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX one_active_operation ON operations (instance_id) WHERE state IN ('queued', 'running');
CREATE INDEX operation_by_instance ON operations (instance_id, id);

CREATE TABLE events (
    seq           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance_id   TEXT    NOT NULL REFERENCES instances (id),
    at            INTEGER NOT NULL,
    what          TEXT    NOT NULL,
    cause         TEXT    NOT NULL,
    evidence      TEXT,
    actor         TEXT    NOT NULL
) STRICT;

CREATE INDEX event_by_instance ON events (instance_id, seq);

-- Every address that was ever given out. `free_at` is set once it was given back: not before then may
-- another instance have it.
CREATE TABLE addresses (
    address       TEXT    NOT NULL PRIMARY KEY,
    shard         INTEGER NOT NULL,
    instance_id   TEXT    REFERENCES instances (id),
    free_at       INTEGER
) STRICT;

CREATE INDEX free_address ON addresses (free_at) WHERE instance_id IS NULL;

-- Slugs of deleted instances: until `free_at` for their last owner alone.
CREATE TABLE slugs (
    slug          TEXT    NOT NULL PRIMARY KEY,
    last_owner    TEXT    NOT NULL,
    free_at       INTEGER NOT NULL
) STRICT;

-- Times at which an instance that should be awake fell over, for the back-off and the breaker.
CREATE TABLE failures (
    instance_id   TEXT    NOT NULL REFERENCES instances (id),
    at            INTEGER NOT NULL
) STRICT;

CREATE INDEX failure_by_instance ON failures (instance_id, at);

CREATE TABLE settings (
    name          TEXT    NOT NULL PRIMARY KEY,
    value         TEXT    NOT NULL
) STRICT;

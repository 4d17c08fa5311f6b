-- What administrators set while the service runs: each change is a row, the newest holds. NULL: what the environment
-- says. 0 stands for never in the idle times.
CREATE TABLE chosen_settings (
    version         INTEGER NOT NULL PRIMARY KEY,
    idle_sleep_s    INTEGER,
    idle_pause_s    INTEGER,
    memory_bytes    INTEGER,
    milli_cpus      INTEGER,
    pids            INTEGER,
    disk_bytes      INTEGER,
    changed_at      INTEGER NOT NULL,
    -- An administrator's id and name at that time.
    changed_by      TEXT    NOT NULL,
    changed_by_name TEXT    NOT NULL
) STRICT;
CREATE TRIGGER chosen_settings_no_update BEFORE UPDATE ON chosen_settings
BEGIN
    SELECT RAISE(ABORT, 'a change of the settings is not rewritten');
END;

-- The limits of the container before, while an upgrade is tried that may go back to it.
CREATE TABLE limits_before (
    instance_id  TEXT    NOT NULL PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
    memory_bytes INTEGER NOT NULL,
    milli_cpus   INTEGER NOT NULL,
    pids         INTEGER NOT NULL,
    disk_bytes   INTEGER NOT NULL
) STRICT;

-- What it takes to judge an instance over time: how it uses its processor and its disk, whether it is kept awake
-- or frozen, and which image was at fault. Times are milliseconds since 1970-01-01 UTC.

-- Frozen by us: the first rung of the sleep ladder, or on its way there.
ALTER TABLE instances ADD COLUMN nap INTEGER NOT NULL DEFAULT 0 CHECK (nap IN (0, 1));
-- Until then it is not put to sleep for want of use.
ALTER TABLE instances ADD COLUMN keep_awake_until INTEGER;
-- Nanoseconds of processor time that the container had used when it was last measured, when that was, and when
-- it was last seen to use more than an idle one does.
ALTER TABLE instances ADD COLUMN cpu_total_ns INTEGER;
ALTER TABLE instances ADD COLUMN cpu_sampled_at INTEGER;
ALTER TABLE instances ADD COLUMN cpu_busy_at INTEGER;
-- Bytes below data/ when they were last counted, and when that was.
ALTER TABLE instances ADD COLUMN disk_used_bytes INTEGER;
ALTER TABLE instances ADD COLUMN disk_measured_at INTEGER;
-- The snapshot whose data a rollback under way brings back; none keeps the data as it is.
ALTER TABLE instances ADD COLUMN restore_generation INTEGER;

-- The image that a failure is counted against.
ALTER TABLE failures ADD COLUMN image_id TEXT;
CREATE INDEX failure_by_image ON failures (image_id, at);

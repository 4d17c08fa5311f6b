//! When an instance is idle: one pure judgment over what is on record. Whatever is not known counts as use, and
//! all times are those of the database, so that a restart gives nobody a fresh clock and takes nobody for idle.

use std::time::Duration;

use crate::model::{CpuSample, Instance};
use crate::settings::InForce;

/// The router reports every 10 s; after this long without a word it is not believed to watch.
pub const ROUTER_SILENCE_MS: i64 = 60_000;
/// An idle instance uses less than one part in so many of a core.
const BUSY_PART: i64 = 100;
/// The window is looked at in so many parts.
const PARTS: i64 = 10;
/// A part is no longer than this: what is used within it is taken for used at its end.
const LONGEST_PART_MS: i64 = 3 * 60_000;

/// The idle times in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Until it is frozen; `None` for never.
    pub pause_ms: Option<i64>,
    /// Until it is stopped.
    pub sleep_ms: i64,
}

/// What is to be done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// It is in use, or may be.
    Stay,
    /// Frozen.
    Freeze,
    /// Stopped.
    Sleep,
}

/// What is known of the watch over the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The time.
    pub now: i64,
    /// When the router last reported; reports from before this process was started do not count, because the
    /// router may since have seen what it could not tell.
    pub reported_at: Option<i64>,
}

impl Ladder {
    /// As it is in force; `None` where nobody is put to sleep.
    pub fn of(force: &InForce) -> Option<Self> {
        let pause_ms = force.idle_pause.map(millis);
        force.idle_sleep.map(|sleep| Self { pause_ms, sleep_ms: millis(sleep) })
    }

    /// How often the processor's use is measured.
    pub fn sampling_ms(&self) -> i64 {
        (self.pause_ms.unwrap_or(self.sleep_ms).min(self.sleep_ms) / PARTS).min(LONGEST_PART_MS)
    }
}

/// What is to be done with an instance that is awake or frozen.
pub fn judge(instance: &Instance, ladder: &Ladder, watch: Watch) -> Rung {
    let Some(idle_ms) = idle_ms(instance, ladder, watch) else { return Rung::Stay };
    if idle_ms >= ladder.sleep_ms {
        Rung::Sleep
    } else if !instance.nap && ladder.pause_ms.is_some_and(|pause_ms| idle_ms >= pause_ms) {
        Rung::Freeze
    } else {
        Rung::Stay
    }
}

/// How long the instance has been idle for certain; `None` where that cannot be told.
fn idle_ms(instance: &Instance, ladder: &Ladder, watch: Watch) -> Option<i64> {
    let reported_at = watch.reported_at?;
    if watch.now.saturating_sub(reported_at) > ROUTER_SILENCE_MS {
        return None;
    }
    if instance.keep_awake_until.is_some_and(|until| watch.now < until) {
        return None;
    }
    let came_up = instance.ready_at?;
    let cpu = instance.cpu.filter(|cpu| cpu.at >= came_up)?;
    let used = came_up.max(instance.cpu_busy_at?).max(instance.last_activity_at.unwrap_or(came_up));
    // What happened after the last report and the last measurement is not known. A frozen one does nothing.
    let measured_until = if instance.nap { watch.now } else { cpu.at };
    let known_until = reported_at.min(measured_until.saturating_add(ladder.sampling_ms()));
    Some(known_until.min(watch.now).saturating_sub(used))
}

/// When the instance was last seen at work, after a new measurement.
pub fn busy_at(instance: &Instance, ladder: &Ladder, sample: CpuSample) -> i64 {
    let came_up = instance.ready_at.unwrap_or(instance.created_at);
    // A container that was started since counts anew; of what it did before nothing is known.
    let before = instance.cpu.filter(|before| before.at >= came_up && before.total_ns <= sample.total_ns);
    let Some(before) = before else { return sample.at };
    let used_ns = sample.total_ns - before.total_ns;
    // After a long gap all of it may have been used just now.
    let elapsed_ms = sample.at.saturating_sub(before.at).min(ladder.sleep_ms);
    let idle_ns = u64::try_from(elapsed_ms.saturating_mul(1_000_000) / BUSY_PART).unwrap_or(0);
    match instance.cpu_busy_at {
        Some(busy_at) if used_ns < idle_ns => busy_at,
        _ => sample.at,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "idleness_tests.rs"]
mod tests;

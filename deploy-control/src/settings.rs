//! What administrators set while the service runs, in place of what the environment says: how long an instance may be
//! idle, and the limits. Pure: what may be set, and what holds.
//!
//! Idle times and a larger disk hold at once for every instance. The other limits are part of a container: new instances
//! get them, and the others with their next container, which an upgrade or a rollback makes.

use std::time::Duration;

use control_api::deploy_settings::{Administrator, InstanceSettings};

use crate::config::Config;
use crate::engine::Limits;
use crate::quantity::{Bytes, Cpus, IdleTime};

const MIB: u64 = 1024 * 1024;
/// An app needs this much to start.
const MEMORY_MIN: u64 = 16 * MIB;
const DISK_MIN: u64 = 16 * MIB;
/// 16 TiB: the largest file system of ext4 with its usual blocks.
const DISK_MAX: u64 = 16 * 1024 * 1024 * MIB;
const PIDS_MIN: u32 = 8;
/// The kernel's own limit for all of a machine, by default (`proc_sys_kernel(5)`, `pid_max`).
const PIDS_MAX: u32 = 32_768;
const IDLE_MIN: Duration = Duration::from_mins(1);
/// 30 days.
const IDLE_MAX: Duration = Duration::from_hours(720);

/// What was set; what is absent is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Until an instance is put to sleep.
    pub idle_sleep: Option<IdleTime>,
    /// Until it is frozen.
    pub idle_pause: Option<IdleTime>,
    /// Bytes of memory.
    pub memory: Option<Bytes>,
    /// Cores.
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Bytes below `data/`.
    pub disk: Option<Bytes>,
}

/// The newest change, as it is stored; the default where there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of the change.
    pub version: i64,
    /// What was set.
    pub chosen: Chosen,
    /// When and by whom.
    pub changed: Option<(i64, Administrator)>,
}

/// What the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory; `None` where it does not tell.
    pub memory_bytes: Option<u64>,
    /// Processors; Docker refuses a container with more.
    pub cpus: u32,
}

/// What holds for instances now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Limits of a new container.
    pub limits: Limits,
    /// Until an instance is put to sleep; `None` for never.
    pub idle_sleep: Option<Duration>,
    /// Until it is frozen, the step before; `None` for never.
    pub idle_pause: Option<Duration>,
}

impl InForce {
    /// What was set, and the environment's for the rest.
    pub fn of(config: &Config, chosen: &Chosen) -> Self {
        let given = config.limits;
        Self {
            limits: Limits {
                memory_bytes: chosen.memory.map_or(given.memory_bytes, |memory| memory.0),
                milli_cpus: chosen.cpus.map_or(given.milli_cpus, |cpus| cpus.0),
                pids: chosen.pids.unwrap_or(given.pids),
                disk_bytes: chosen.disk.map_or(given.disk_bytes, |disk| disk.0),
            },
            idle_sleep: chosen.idle_sleep.map_or(config.idle_sleep, |time| time.0),
            idle_pause: chosen.idle_pause.map_or(config.idle_pause, |time| time.0),
        }
    }
}

/// What the environment says, as people write it.
pub fn configured(config: &Config) -> InstanceSettings {
    let limits = config.limits;
    InstanceSettings {
        idle_sleep: Some(IdleTime(config.idle_sleep).to_string()),
        idle_pause: Some(IdleTime(config.idle_pause).to_string()),
        memory: Some(Bytes(limits.memory_bytes).to_string()),
        cpus: Some(Cpus(limits.milli_cpus).to_string()),
        pids: Some(limits.pids.to_string()),
        disk: Some(Bytes(limits.disk_bytes).to_string()),
    }
}

impl Chosen {
    /// As people write it.
    pub fn written(&self) -> InstanceSettings {
        InstanceSettings {
            idle_sleep: self.idle_sleep.map(|time| time.to_string()),
            idle_pause: self.idle_pause.map(|time| time.to_string()),
            memory: self.memory.map(|size| size.to_string()),
            cpus: self.cpus.map(|cores| cores.to_string()),
            pids: self.pids.map(|number| number.to_string()),
            disk: self.disk.map(|size| size.to_string()),
        }
    }

    /// Reads what an administrator wrote; every field at fault with what it must be.
    pub fn parse(
        written: &InstanceSettings,
        config: &Config,
        machine: Machine,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut faults = Vec::new();
        let chosen = Self {
            idle_sleep: field(&mut faults, "idle_sleep", written.idle_sleep.as_deref(), idle_time),
            idle_pause: field(&mut faults, "idle_pause", written.idle_pause.as_deref(), idle_time),
            memory: field(&mut faults, "memory", written.memory.as_deref(), |text| memory(text, machine)),
            cpus: field(&mut faults, "cpus", written.cpus.as_deref(), |text| cpus(text, machine)),
            pids: field(&mut faults, "pids", written.pids.as_deref(), pids),
            disk: field(&mut faults, "disk", written.disk.as_deref(), disk),
        };
        let force = InForce::of(config, &chosen);
        let is_misplaced =
            force.idle_pause.is_some_and(|pause| force.idle_sleep.is_none_or(|sleep| pause >= sleep));
        if faults.is_empty() && is_misplaced {
            let pause = IdleTime(force.idle_pause);
            let message =
                format!("is {pause}, which must be shorter than the time until sleep: it is the step before");
            faults.push(("idle_pause", message));
        }
        if faults.is_empty() { Ok(chosen) } else { Err(faults) }
    }
}

fn field<T>(
    faults: &mut Vec<(&'static str, String)>,
    name: &'static str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    parse(text).map_err(|fault| faults.push((name, fault))).ok()
}

fn idle_time(text: &str) -> Result<IdleTime, String> {
    let time: IdleTime = text.parse().map_err(str::to_owned)?;
    match time.0 {
        Some(time) if !(IDLE_MIN..=IDLE_MAX).contains(&time) => {
            Err("must be from 1m to 720h, or off".to_owned())
        }
        _ => Ok(time),
    }
}

fn memory(text: &str, machine: Machine) -> Result<Bytes, String> {
    let size: Bytes = text.parse().map_err(str::to_owned)?;
    let most = machine.memory_bytes.unwrap_or(u64::MAX);
    if (MEMORY_MIN..=most).contains(&size.0) {
        return Ok(size);
    }
    Err(match machine.memory_bytes {
        Some(most) => format!("must be from 16m to {}m, which is what the machine has", most / MIB),
        None => "must be 16m or more".to_owned(),
    })
}

fn cpus(text: &str, machine: Machine) -> Result<Cpus, String> {
    let cores: Cpus = text.parse().map_err(str::to_owned)?;
    if cores.0 <= machine.cpus.saturating_mul(1_000) {
        return Ok(cores);
    }
    Err(format!("must be from 0.01 to {}, which is what the machine has", machine.cpus))
}

fn pids(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (PIDS_MIN..=PIDS_MAX).contains(number));
    number.ok_or_else(|| format!("must be a number from {PIDS_MIN} to {PIDS_MAX}"))
}

fn disk(text: &str) -> Result<Bytes, String> {
    let size: Bytes = text.parse().map_err(str::to_owned)?;
    let holds = (DISK_MIN..=DISK_MAX).contains(&size.0);
    if holds { Ok(size) } else { Err("must be from 16m to 16384g".to_owned()) }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

//! The judgment by table: each fact alone keeps an instance awake, and so does each that is missing.

use super::*;
use crate::engine::Limits;
use crate::model::{Change, Goal};
use control_api::deploy::InstanceState;
use control_api::ids::{InstanceId, UserId};

const MINUTE: i64 = 60_000;
const NOW: i64 = 1_000 * MINUTE;
const LADDER: Ladder = Ladder { pause_ms: Some(10 * MINUTE), sleep_ms: 30 * MINUTE };
const WATCH: Watch = Watch { now: NOW, reported_at: Some(NOW) };

/// Ready, used and busy so many minutes ago, and measured just now.
fn idle_for(minutes: i64) -> Instance {
    let then = Some(NOW - minutes * MINUTE);
    Instance {
        id: InstanceId::generate(),
        slug: "alice".parse().expect("a slug"),
        owner_id: UserId::generate(),
        username: "alice".parse().expect("a name"),
        email: String::new(),
        goal: Goal::Awake,
        change: Change::None,
        state: InstanceState::Ready,
        reason: None,
        generation: 1,
        container_made: true,
        image_id: None,
        previous_image_id: None,
        target_image_id: None,
        place: None,
        uid: 200_000,
        limits: Limits { memory_bytes: 1, milli_cpus: 1, pids: 1, disk_bytes: 1 },
        provider: None,
        owner_registered: true,
        ever_ready: true,
        created_at: 0,
        ready_at: then,
        last_activity_at: then,
        deleted_at: None,
        nap: false,
        keep_awake_until: None,
        cpu: Some(CpuSample { total_ns: 7, at: NOW }),
        cpu_busy_at: then,
        disk: None,
        restore_generation: None,
    }
}

#[test]
fn the_rungs_by_table() {
    type Twist = fn(&mut Instance);
    let same: Twist = |_| {};
    let rows: &[(&str, i64, Twist, Rung)] = &[
        ("just used", 0, same, Rung::Stay),
        ("nearly long enough", 9, same, Rung::Stay),
        ("the first rung", 10, same, Rung::Freeze),
        ("the first rung still", 29, same, Rung::Freeze),
        ("frozen already", 29, |i| i.nap = true, Rung::Stay),
        ("the second rung", 30, same, Rung::Sleep),
        ("frozen long enough", 30, |i| i.nap = true, Rung::Sleep),
        ("used since", 99, |i| i.last_activity_at = Some(NOW - MINUTE), Rung::Stay),
        ("started since", 99, |i| i.ready_at = Some(NOW - MINUTE), Rung::Stay),
        ("at work since", 99, |i| i.cpu_busy_at = Some(NOW - MINUTE), Rung::Stay),
        ("never used, but started long ago", 30, |i| i.last_activity_at = None, Rung::Sleep),
        ("kept awake", 99, |i| i.keep_awake_until = Some(NOW + 1), Rung::Stay),
        ("kept awake until now", 99, |i| i.keep_awake_until = Some(NOW), Rung::Sleep),
        ("never measured", 99, |i| i.cpu = None, Rung::Stay),
        ("busy is not known", 99, |i| i.cpu_busy_at = None, Rung::Stay),
        ("never ready", 99, |i| i.ready_at = None, Rung::Stay),
        (
            "measured before it was started",
            99,
            |i| {
                i.ready_at = Some(NOW - 50 * MINUTE);
                i.cpu = Some(CpuSample { total_ns: 7, at: NOW - 51 * MINUTE });
            },
            Rung::Stay,
        ),
        (
            "not measured for long",
            40,
            |i| i.cpu = Some(CpuSample { total_ns: 7, at: NOW - 20 * MINUTE }),
            Rung::Freeze,
        ),
        (
            "used in the future: the clock was set back",
            99,
            |i| i.last_activity_at = Some(NOW + 5),
            Rung::Stay,
        ),
    ];
    for (name, minutes, twist, expected) in rows {
        let mut instance = idle_for(*minutes);
        twist(&mut instance);
        assert_eq!(judge(&instance, &LADDER, WATCH), *expected, "{name}");
    }
}

#[test]
fn without_the_first_rung_there_is_only_the_second() {
    let ladder = Ladder { pause_ms: None, ..LADDER };
    assert_eq!(judge(&idle_for(29), &ladder, WATCH), Rung::Stay);
    assert_eq!(judge(&idle_for(30), &ladder, WATCH), Rung::Sleep);
}

#[test]
fn a_silent_router_is_not_believed_to_watch() {
    let at = |reported_at| judge(&idle_for(99), &LADDER, Watch { now: NOW, reported_at });
    assert_eq!(at(None), Rung::Stay);
    assert_eq!(at(Some(NOW - ROUTER_SILENCE_MS)), Rung::Sleep);
    assert_eq!(at(Some(NOW - ROUTER_SILENCE_MS - 1)), Rung::Stay);
    // Idle time is counted up to the last report alone.
    let at = |reported_at| judge(&idle_for(30), &LADDER, Watch { now: NOW, reported_at: Some(reported_at) });
    assert_eq!(at(NOW - 1), Rung::Freeze);
}

#[test]
fn work_is_more_than_one_per_cent_of_a_core() {
    let second = 1_000_000_000;
    let measured = |total_ns, at| Some(CpuSample { total_ns, at });
    let after = |instance: &Instance, total_ns| busy_at(instance, &LADDER, CpuSample { total_ns, at: NOW });
    let long_ago = NOW - 99 * MINUTE;
    let mut instance = idle_for(99);
    instance.cpu = measured(100 * second, NOW - MINUTE);
    // Of a minute that is 0.6 s.
    assert_eq!(after(&instance, 100 * second + 599_999_999), long_ago);
    assert_eq!(after(&instance, 100 * second + 600_000_000), NOW);
    // A container that counts from zero was started since.
    assert_eq!(after(&instance, 99 * second), NOW);
    instance.ready_at = Some(NOW - 30_000);
    assert_eq!(after(&instance, 100 * second), NOW, "measured before it was started");
    // After a gap that is longer than the window: 1 % of the window, wherever in the gap it was.
    instance.ready_at = Some(long_ago);
    instance.cpu = measured(100 * second, NOW - 90 * MINUTE);
    assert_eq!(after(&instance, 117 * second), long_ago);
    assert_eq!(after(&instance, 118 * second), NOW);
    // The first measurement tells nothing yet.
    instance.cpu = None;
    assert_eq!(after(&instance, 0), NOW);
    instance.cpu = measured(0, NOW - MINUTE);
    instance.cpu_busy_at = None;
    assert_eq!(after(&instance, 0), NOW);
}

#[test]
fn it_is_measured_ten_times_in_a_window_and_at_least_every_three_minutes() {
    let every = |pause_ms, sleep_ms| Ladder { pause_ms, sleep_ms }.sampling_ms();
    assert_eq!(every(None, 30 * MINUTE), 3 * MINUTE);
    assert_eq!(every(None, 600 * MINUTE), 3 * MINUTE);
    assert_eq!(every(Some(5 * MINUTE), 30 * MINUTE), 30_000);
}

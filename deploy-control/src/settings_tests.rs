//! What may be set, by table.

use super::*;
use service_kit::env::EnvReader;

const MACHINE: Machine = Machine { memory_bytes: Some(4 << 30), cpus: 4 };

fn config(pairs: &[(&str, &str)]) -> Config {
    let tokens = [
        ("DEPLOY_CONTROL_API_TOKEN", "d".repeat(32)),
        ("BEAVER_ROUTER_TOKEN", "r".repeat(32)),
        ("AUTHZ_INTERNAL_TOKEN", "i".repeat(32)),
        ("PROJECT_ROOT", "/srv/beaver".to_owned()),
    ];
    let pairs = pairs.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Config::from_env(EnvReader::from_pairs(tokens.into_iter().chain(pairs))).expect("a configuration")
}

/// One field of the form.
fn with(name: &str, value: &str) -> InstanceSettings {
    let mut written = InstanceSettings::default();
    let value = Some(value.to_owned());
    match name {
        "idle_sleep" => written.idle_sleep = value,
        "idle_pause" => written.idle_pause = value,
        "memory" => written.memory = value,
        "cpus" => written.cpus = value,
        "pids" => written.pids = value,
        "disk" => written.disk = value,
        other => panic!("no field {other}"),
    }
    written
}

#[test]
fn each_field_has_its_range() {
    let config = config(&[]);
    for (name, good, bad) in [
        ("idle_sleep", ["1m", "720h", "off"], ["59s", "721h", "30"]),
        ("idle_pause", ["1m", "29m", "off"], ["30m", "59s", "soon"]),
        ("memory", ["16m", "4g", "4096m"], ["15m", "4097m", "lots"]),
        ("cpus", ["0.01", "4", "1.125"], ["0.001", "4.001", "-1"]),
        ("pids", ["8", "256", "32768"], ["7", "32769", "many"]),
        ("disk", ["16m", "1g", "16384g"], ["15m", "16385g", "0"]),
    ] {
        for value in good {
            let chosen = Chosen::parse(&with(name, value), &config, MACHINE);
            assert!(chosen.is_ok(), "{name} {value}: {chosen:?}");
        }
        for value in bad {
            let faults = Chosen::parse(&with(name, value), &config, MACHINE).expect_err(value);
            assert_eq!(faults.len(), 1, "{name} {value}");
            assert_eq!(faults[0].0, name);
            assert!(!faults[0].1.is_empty());
        }
        assert_eq!(Chosen::parse(&with(name, " "), &config, MACHINE), Ok(Chosen::default()), "{name}");
    }
    let unknown = Machine { memory_bytes: None, cpus: 1 };
    assert!(Chosen::parse(&with("memory", "900g"), &config, unknown).is_ok());
}

#[test]
fn all_faults_come_at_once() {
    let written = InstanceSettings { pids: Some("1".to_owned()), ..with("memory", "x") };
    let faults = Chosen::parse(&written, &config(&[]), MACHINE).expect_err("two faults");
    assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), ["memory", "pids"]);
}

#[test]
fn what_is_set_stands_in_place_of_the_environment_and_nothing_else_does() {
    let config = config(&[("BEAVER_INSTANCE_MEMORY", "128m"), ("BEAVER_IDLE_SLEEP", "off")]);
    let nothing = InForce::of(&config, &Chosen::default());
    assert_eq!((nothing.limits, nothing.idle_sleep), (config.limits, None));
    let written = InstanceSettings { idle_sleep: Some("2h".to_owned()), ..with("memory", "1536m") };
    let chosen = Chosen::parse(&written, &config, MACHINE).expect("it holds");
    assert_eq!(chosen.written(), written, "read back as it was written");
    let force = InForce::of(&config, &chosen);
    assert_eq!(force.limits, Limits { memory_bytes: 1536 << 20, ..config.limits });
    assert_eq!(force.idle_sleep, Some(Duration::from_hours(2)));
    // Off is a choice too, against what the environment says.
    let written = with("idle_sleep", "off");
    let chosen = Chosen::parse(&written, &self::config(&[]), MACHINE).expect("it holds");
    assert_eq!(InForce::of(&self::config(&[]), &chosen).idle_sleep, None);
}

#[test]
fn the_step_before_is_held_against_what_is_in_force() {
    let config = config(&[("BEAVER_IDLE_PAUSE", "10m")]);
    let faults = Chosen::parse(&with("idle_sleep", "5m"), &config, MACHINE).expect_err("sleep comes first");
    assert_eq!(faults[0].0, "idle_pause");
    let both = InstanceSettings { idle_pause: Some("off".to_owned()), ..with("idle_sleep", "5m") };
    assert!(Chosen::parse(&both, &config, MACHINE).is_ok());
    assert!(Chosen::parse(&with("idle_sleep", "off"), &config, MACHINE).is_err(), "nothing comes after it");
}

#[test]
fn what_the_environment_says_is_told_as_people_write_it() {
    let written = configured(&config(&[]));
    assert_eq!(written.memory.as_deref(), Some("256m"));
    assert_eq!(written.cpus.as_deref(), Some("1.0"));
    assert_eq!(written.pids.as_deref(), Some("256"));
    assert_eq!(written.disk.as_deref(), Some("1g"));
    assert_eq!((written.idle_sleep.as_deref(), written.idle_pause.as_deref()), (Some("30m"), Some("off")));
}

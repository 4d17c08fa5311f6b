//! A container's life through the guard: as the golden file says, hardened in fact, seen in lists, events, logs
//! and usage, and gone without a trace.

use std::time::Duration;

use bytes::Bytes;
use deploy_control::engine::{ContainerSpec, ContainerState, Engine as _, EngineError, OwnLabels};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::rig::{Rig, get};

/// The golden body with this instance's own values in place of the example's.
fn golden(spec: &ContainerSpec) -> Value {
    let mut body: Value =
        serde_json::from_str(include_str!("../../src/docker/golden/instance.json")).expect("json");
    body["Image"] = json!(spec.image_id);
    body["Hostname"] = json!(spec.slug.to_string());
    body["Env"] = json!([format!("BEAVER_SLUG={}", spec.slug)]);
    let labels = body["Labels"].as_object_mut().expect("labels");
    for (key, value) in [
        ("beaver.installation", spec.installation.clone()),
        ("beaver.instance-id", spec.instance_id.to_string()),
        ("beaver.owner-id", spec.owner_id.to_string()),
        ("beaver.slug", spec.slug.to_string()),
        ("beaver.generation", spec.generation.to_string()),
        ("beaver.spec-hash", spec.spec_hash()),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
    let host = &mut body["HostConfig"];
    host["NetworkMode"] = json!(spec.network);
    host["Binds"] = json!([
        format!("{}:/config:ro", spec.config_dir.display()),
        format!("{}:/data:rw", spec.data_dir.display()),
    ]);
    host["ExtraHosts"] = json!([format!("{}:{}", spec.issuer_host.0, spec.issuer_host.1)]);
    body["NetworkingConfig"] =
        json!({"EndpointsConfig": {&spec.network: {"IPAMConfig": {"IPv4Address": spec.address}}}});
    body
}

/// What Docker says about the container, brought into the body's form.
fn assert_inspected(inspected: &Value, spec: &ContainerSpec) {
    let golden = golden(spec);
    for (key, expected) in golden.as_object().expect("an object") {
        match key.as_str() {
            "HostConfig" => {}
            "NetworkingConfig" => {
                let networks = inspected["NetworkSettings"]["Networks"].as_object().expect("networks");
                assert_eq!(networks.len(), 1);
                let expected = &expected["EndpointsConfig"][&spec.network]["IPAMConfig"];
                assert_eq!(&networks[&spec.network]["IPAMConfig"], expected);
            }
            key => assert_eq!(&inspected["Config"][key], expected, "{key}"),
        }
    }
    let host = &inspected["HostConfig"];
    // Docker drops the swap limit where the kernel does not account for swap.
    let no_swap_accounting = host["MemorySwap"] == json!(-1) && !swap_is_accounted();
    for (key, expected) in golden["HostConfig"].as_object().expect("an object") {
        match key.as_str() {
            "MemorySwap" if no_swap_accounting => {}
            "RestartPolicy" => assert_eq!(host[key]["Name"], expected["Name"]),
            key => assert_eq!(&host[key], expected, "HostConfig.{key}"),
        }
    }
    for key in ["Privileged", "PublishAllPorts", "AutoRemove"] {
        assert_eq!(host[key], json!(false), "{key}");
    }
    for key in ["PidMode", "UTSMode", "UsernsMode", "CgroupParent", "Cgroup", "VolumeDriver"] {
        assert_eq!(host[key], json!(""), "{key}");
    }
    let nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    };
    for key in [
        "CapAdd",
        "Devices",
        "DeviceRequests",
        "DeviceCgroupRules",
        "VolumesFrom",
        "PortBindings",
        "GroupAdd",
    ] {
        assert!(nothing(&host[key]), "{key}: {}", host[key]);
    }
    assert_eq!(inspected["Mounts"].as_array().expect("mounts").len(), 2);
}

fn swap_is_accounted() -> bool {
    // cgroup v2 always does, v1 where this file is.
    ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"]
        .iter()
        .any(|file| std::path::Path::new(file).exists())
}

/// What the app found about itself.
fn assert_hardened(report: &str, spec: &ContainerSpec) {
    let value = |name: &str| {
        let line = report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {report}")).trim().to_owned()
    };
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value(capabilities), "0".repeat(16), "{capabilities}");
    }
    assert_eq!(value("NoNewPrivs"), "1");
    // 2 is a filter.
    assert_eq!(value("Seccomp"), "2");
    let uid = spec.uid.to_string();
    assert!(value("Uid").split_whitespace().all(|id| id == uid));
    assert!(value("Gid").split_whitespace().all(|id| id == uid));
    for (folder, written) in
        [("", false), ("/config", false), ("/proc/sys/kernel", false), ("/data", true), ("/tmp", true)]
    {
        assert_eq!(value(&format!("write {folder}/")), written.to_string(), "{folder}");
    }
    assert!(value("hosts").contains(&format!("{}\t{}", spec.issuer_host.1, spec.issuer_host.0)));
    assert!(
        value("limits").split("Max open files").nth(1).is_some_and(|l| l.trim_start().starts_with("8192"))
    );
    assert_ne!(value("pid"), "1", "an init process is the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_the_golden_one_from_birth_to_death() {
    let rig = Rig::new().await;
    let engine = &rig.engine;
    assert_eq!(engine.resolve_image(&rig.image).await.as_deref(), Ok(rig.image_id.as_str()));
    engine.ensure_network(&rig.network()).await.expect("a network");
    let spec = rig.spec("alice", 10);
    let mut events = rig.follow(&rig.socket()).await;

    let id = engine.create(&spec).await.expect("created");
    let created = engine.inspect(&id).await.expect("an answer").expect("there");
    assert_eq!(created.state, ContainerState::Created);
    assert_eq!(created.address, Some(spec.address));
    let again = engine.create(&spec).await;
    assert_eq!(again, Err(EngineError::Conflict(format!("container {}", spec.container_name()))));

    engine.start(&id).await.expect("started");
    engine.start(&id).await.expect("started already");
    let report = get(spec.address).await;
    assert_hardened(&report, &spec);
    let inspected = rig.docker.inspect_container(&id, None).await.expect("an answer");
    assert_inspected(&serde_json::to_value(inspected).expect("json"), &spec);

    let list = engine.list().await.expect("a list");
    let [listed] = list.as_slice() else { panic!("{list:?}") };
    let labels = OwnLabels {
        instance_id: spec.instance_id,
        slug: spec.slug.clone(),
        owner_id: spec.owner_id,
        generation: 1,
        spec_hash: spec.spec_hash(),
    };
    assert_eq!(listed.labels, Some(labels));
    let seen = (&listed.id, &listed.name, listed.state, &listed.image_id, listed.address);
    let name = spec.container_name();
    assert_eq!(seen, (&id, &name, ContainerState::Running, &rig.image_id, Some(spec.address)));
    let looked_at = engine.inspect(&name).await.expect("an answer").expect("there");
    assert_eq!(&looked_at, listed);

    engine.stop(&id, Duration::from_secs(5)).await.expect("stopped");
    engine.stop(&id, Duration::from_secs(5)).await.expect("stopped already");
    let stopped = engine.inspect(&id).await.expect("an answer").expect("there");
    // 143: ended by SIGTERM, at once, because an init process passes it on.
    assert_eq!(stopped.state, ContainerState::Exited { code: 143, oom_killed: false });
    assert_eq!(stopped.address, Some(spec.address));
    assert_eq!(engine.list().await.expect("a list"), [stopped]);

    engine.start(&name).await.expect("started again");
    get(spec.address).await;
    engine.remove(&id).await.expect("removed while it runs");
    engine.remove(&id).await.expect("removed already");
    assert_eq!(engine.inspect(&id).await, Ok(None));
    assert!(matches!(engine.start(&id).await, Err(EngineError::NotFound(_))));
    assert_eq!(engine.list().await, Ok(vec![]));

    let mut actions = Vec::new();
    while actions.last().map(String::as_str) != Some("destroy") {
        let next = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
        let event = next.expect("in time").expect("an event").expect("no error");
        assert_eq!(event.exit_code.is_some(), event.action == "die", "{event:?}");
        if event.instance_id == spec.instance_id {
            actions.push(event.action);
        }
    }
    for action in ["create", "start", "die", "stop", "destroy"] {
        assert!(actions.iter().any(|seen| seen == action), "{action} in {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_usage_are_read() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let spec = rig.spec("bob", 11);
    let id = rig.run(&spec).await;

    let collect = async |tail: u32| {
        let chunks: Vec<Bytes> =
            rig.engine.logs(&id, tail, false).map(|chunk| chunk.expect("no error")).collect().await;
        let mut lines: Vec<_> =
            String::from_utf8_lossy(&chunks.concat()).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(collect(100).await, ["err: up", "out: up"]);
    assert_eq!(collect(1).await.len(), 1);

    let usage = rig.engine.usage(&id).await.expect("usage");
    assert!(usage.memory_bytes > 10_000 && usage.memory_bytes < spec.limits.memory_bytes, "{usage:?}");
    // The init process and the app.
    assert!((1..10).contains(&usage.pids) && usage.cpu_percent < 100.0, "{usage:?}");

    let mut follow = rig.engine.logs(&id, 100, true);
    follow.next().await.expect("a line").expect("no error");
    rig.engine.stop(&id, Duration::from_secs(5)).await.expect("stopped");
    let rest = tokio::time::timeout(Duration::from_secs(10), follow.collect::<Vec<_>>()).await;
    assert!(rest.is_ok(), "the stream ends with the container");
    let usage = rig.engine.usage(&id).await.expect("usage");
    assert_eq!((usage.memory_bytes, usage.pids), (0, 0));
}

/// Waits until the container is in a state other than running.
async fn ended(rig: &Rig, id: &str) -> ContainerState {
    for _ in 0..400 {
        let state = rig.engine.inspect(id).await.expect("an answer").expect("there").state;
        if !matches!(state, ContainerState::Running | ContainerState::Changing) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{id} goes on running");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_memory_is_seen_and_ends_the_container_alone() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let mut spec = rig.spec("hungry", 13);
    spec.env.push(("EAT_MB".to_owned(), "100".to_owned()));
    spec.limits.memory_bytes = 32 * 1024 * 1024;
    let id = rig.engine.create(&spec).await.expect("created");
    rig.engine.start(&id).await.expect("started");
    assert_eq!(ended(&rig, &id).await, ContainerState::Exited { code: 137, oom_killed: true });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_a_conflict_and_a_missing_network_is_named() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let first = rig.spec("alice", 14);
    rig.run(&first).await;
    let second = rig.spec("bob", 14);
    let id = rig.engine.create(&second).await.expect("created");
    let answer = rig.engine.start(&id).await;
    assert_eq!(answer, Err(EngineError::Conflict(format!("the address of container {id}"))));

    let mut third = rig.spec("carol", 15);
    third.network = third.network.replace("-edge-0", "-edge-1");
    let id = rig.engine.create(&third).await.expect("created");
    let answer = rig.engine.start(&id).await;
    assert_eq!(answer, Err(EngineError::NotFound(format!("network {}", third.network))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_is_seen_in_the_list() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let mut spec = rig.spec("carol", 12);
    spec.env.push(("EXIT_CODE".to_owned(), "3".to_owned()));
    let id = rig.engine.create(&spec).await.expect("created");
    rig.engine.start(&id).await.expect("started");
    let expected = ContainerState::Exited { code: 3, oom_killed: false };
    assert_eq!(ended(&rig, &id).await, expected);
    assert_eq!(rig.engine.list().await.expect("a list")[0].state, expected);
}

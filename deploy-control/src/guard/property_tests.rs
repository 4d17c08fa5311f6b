//! Bodies and request lines at random: whatever the guard lets through must pass an oracle that knows nothing of
//! it. `fuzz/` holds the same against what a coverage-guided fuzzer finds.

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::body::{ContainerBody, parse};
use super::policy_tests::{GOLDEN, NAME, policy};
use super::request;

#[path = "../../fuzz/src/lines.rs"]
mod lines;
#[path = "../../fuzz/src/oracle.rs"]
mod oracle;

/// Keys that Docker knows and the guard must not.
const KEYS: [&str; 24] = [
    "Privileged",
    "privileged",
    "CapAdd",
    "CAPADD",
    "Devices",
    "PidMode",
    "UTSMode",
    "UsernsMode",
    "Mounts",
    "VolumesFrom",
    "PortBindings",
    "Binds",
    "binds",
    "User",
    "Cmd",
    "Entrypoint",
    "Volumes",
    "HostConfig",
    "hostconfig",
    "Runtime",
    "Sysctls",
    "NetworkMode",
    "beaver.probe",
    "EndpointsConfig",
];

fn attack_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!("host"),
        json!("private"),
        json!("0:0"),
        json!("200001:200001"),
        json!("65534:65534"),
        json!("true"),
        json!("ALL"),
        json!([]),
        json!(["ALL"]),
        json!(["SYS_ADMIN"]),
        json!(["/:/data:rw"]),
        json!(["probe"]),
        json!({}),
        json!({"Name": "always"}),
        json!("container:x"),
        json!("beaver-control"),
        json!("beaver-instance-edge-1"),
        json!("10.89.0.99"),
        json!("10.0.0.1"),
        json!(["/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB/../x:/data:rw"]),
        json!(["a:host-gateway"]),
        json!("8"),
        json!("bob"),
        json!({"/": "rw"}),
    ]
}

/// One change of a body, by numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
enum Change {
    Replace(usize, usize),
    Add(usize, usize, usize),
    Remove(usize),
    Recase(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let n = || any::<usize>();
    prop_oneof![
        (n(), n()).prop_map(|(at, value)| Change::Replace(at, value)),
        (n(), n(), n()).prop_map(|(at, key, value)| Change::Add(at, key, value)),
        n().prop_map(Change::Remove),
        n().prop_map(Change::Recase),
    ]
}

/// Pointers to everything within.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, child)| (escape(key), child)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(n, child)| (n.to_string(), child)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

fn apply(body: &mut Value, change: &Change) {
    let values = attack_values();
    let mut all = Vec::new();
    pointers(body, "", &mut all);
    let Some(pointer) = (match change {
        Change::Replace(at, _) | Change::Add(at, ..) | Change::Remove(at) | Change::Recase(at) => {
            (!all.is_empty()).then(|| all[at % all.len()].clone())
        }
    }) else {
        return;
    };
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/").replace("~0", "~");
    match change {
        Change::Replace(_, value) => {
            *body.pointer_mut(&pointer).expect("there") = values[value % values.len()].clone();
        }
        Change::Add(_, new, value) => {
            if let Some(object) = body.pointer_mut(parent).expect("there").as_object_mut() {
                object.insert(KEYS[new % KEYS.len()].to_owned(), values[value % values.len()].clone());
            }
        }
        Change::Remove(_) => match body.pointer_mut(parent).expect("there") {
            Value::Object(object) => drop(object.remove(&key)),
            Value::Array(list) => drop(list.pop()),
            _ => {}
        },
        Change::Recase(_) => {
            if let Some(object) = body.pointer_mut(parent).expect("there").as_object_mut() {
                let value = object.remove(&key).unwrap_or_default();
                object.insert(key.to_lowercase(), value);
            }
        }
    }
}

/// Whether the guard lets it through; then the oracle must too.
fn accepted(name: &str, bytes: &[u8]) -> bool {
    let Ok(body) = parse::<ContainerBody>(bytes) else { return false };
    if policy().check_container(name, &body).is_err() {
        return false;
    }
    let sent = serde_json::to_value(&body).expect("json");
    assert_eq!(oracle::container(name, &sent), Ok(()), "{sent}");
    true
}

#[test]
fn the_oracle_takes_the_golden_body_and_sees_each_attack() {
    assert!(accepted(NAME, GOLDEN.as_bytes()));
    let golden: Value = serde_json::from_str(GOLDEN).expect("json");
    let mut all = Vec::new();
    pointers(&golden, "", &mut all);
    for pointer in all.iter().filter(|p| p.starts_with("/HostConfig/") && p.matches('/').count() == 2) {
        if pointer.ends_with("ExtraHosts") {
            continue;
        }
        for value in [json!(null), json!(-1), json!("host"), json!(["/:/data:rw"])] {
            let mut body = golden.clone();
            *body.pointer_mut(pointer).expect("there") = value;
            assert!(oracle::container(NAME, &body).is_err(), "{pointer}");
        }
    }
    for key in ["Privileged", "CapAdd", "Devices", "PidMode", "Mounts", "capDrop"] {
        let mut body = golden.clone();
        body["HostConfig"][key] = json!(true);
        assert!(oracle::container(NAME, &body).is_err(), "{key}");
    }
    assert!(oracle::container("beaver-bob-7", &golden).is_err());
    for bad in
        ["/containers/x/exec", "/build", "/v1.12/containers/x/start", "/containers/create", "/images/create"]
    {
        assert!(oracle::line("POST", bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_changed_body_that_passes_satisfies_the_oracle(changes in prop::collection::vec(change(), 0..4)) {
        let mut body: Value = serde_json::from_str(GOLDEN).expect("json");
        for change in &changes {
            apply(&mut body, change);
        }
        let untouched = changes.is_empty();
        prop_assert!(accepted(NAME, body.to_string().as_bytes()) || !untouched);
    }

    #[test]
    fn changed_bytes_that_pass_satisfy_the_oracle(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), 0_u8..4), 1..6),
        name in prop_oneof![Just(NAME.to_owned()), "[a-z0-9_/.-]{1,20}"],
    ) {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        for (at, byte, kind) in changes {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes[at] ^= 0x20,
            }
        }
        accepted(&name, &bytes);
    }

    #[test]
    fn a_line_that_is_understood_is_on_the_list(
        method in prop_oneof![Just("GET"), Just("POST"), Just("DELETE"), Just("HEAD"), Just("PUT")],
        path in path(),
        query in query(),
    ) {
        let method: Method = method.parse().expect("a method");
        if let Ok(request) = request::parse(&method, &path, &query) {
            for (method, target) in lines::lines(&request) {
                prop_assert_eq!(oracle::line(method, &target), Ok(()));
            }
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "containers",
        "create",
        "json",
        "images",
        "networks",
        "_ping",
        "version",
        "events",
        "logs",
        "stats",
        "start",
        "stop",
        "wait",
        "exec",
        "archive",
        "v1.41",
        "v1.12",
        "v2",
        "abc",
        "..",
        ".",
        "",
        "%2e",
        "a%2fb",
        "build",
        "commit",
        "app:latest",
        "sha256:00",
        "x y",
        "update",
        "session",
    ]);
    let segment = prop_oneof![8 => words.prop_map(str::to_owned), 1 => "[ -~]{0,6}"];
    prop::collection::vec(segment, 1..5).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn query() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "name",
        "fromImage",
        "tag",
        "fromSrc",
        "repo",
        "platform",
        "all",
        "filters",
        "force",
        "v",
        "link",
        "t",
        "signal",
        "since",
        "tail",
        "follow",
        "stdout",
        "stream",
        "condition",
        "NAME",
        "changes",
    ]);
    let value = prop::sample::select(vec![
        "", "1", "0", "true", "false", "app", "latest", "a%26b", "..%2Fx", "-", "removed", "all", "%00",
        "1.5",
    ]);
    let pair = (key, value).prop_map(|(key, value)| format!("{key}={value}"));
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

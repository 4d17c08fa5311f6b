//! What docker-guard may let through, said a second time and independently of it: over plain JSON and text, with
//! no type, parser or constant of its own. Shared by the property tests and the fuzz targets. The facts are those
//! of the installation in the golden body (`docker/golden/instance.json`).

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

const ROOT: &str = "/srv/beaver/runtime/instances";
const UID_BASE: u64 = 200_000;
const NOBODY: u64 = 65_534;

type Verdict = Result<(), String>;

fn insist(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

fn object<'a>(value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) => Err(format!("the key {key} is not known")),
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A container's body, as it is sent to Docker under `name`.
pub(crate) fn container(name: &str, body: &Value) -> Verdict {
    let known = [
        "Hostname",
        "User",
        "Cmd",
        "Env",
        "Image",
        "Labels",
        "StopTimeout",
        "HostConfig",
        "NetworkingConfig",
    ];
    let top = object(body, &known)?;
    let labels = top.get("Labels").and_then(Value::as_object).ok_or("there are no labels")?;
    let is = |key: &str, value: &str| labels.get(key).and_then(Value::as_str) == Some(value);
    insist(is("beaver.managed", "true") && is("beaver.installation", "beaver"), || {
        "not our labels".to_owned()
    })?;
    let probe = labels.contains_key("beaver.probe");
    let own = if probe { None } else { Some(text(labels, "beaver.instance-id")) };
    let (uid, gid) = text(top, "User").split_once(':').ok_or("User is not uid:gid")?;
    let number: u64 = uid.parse().map_err(|_| "User is no number")?;
    insist(uid == gid && (number >= UID_BASE || (probe && number == NOBODY)), || {
        format!("User is {uid}:{gid}")
    })?;
    if probe {
        insist(name.starts_with("beaver-probe_"), || format!("a probe is named {name}"))?;
        insist(top["Cmd"][0] == "probe", || format!("a probe runs {}", top["Cmd"]))?;
    } else {
        let expected =
            format!("beaver-{}-{}", text(labels, "beaver.slug"), text(labels, "beaver.generation"));
        insist(name == expected, || format!("{expected} is named {name}"))?;
        insist(!top.contains_key("Cmd"), || "an instance has a Cmd".to_owned())?;
        insist(labels.len() == 7, || format!("{} labels", labels.len()))?;
    }
    let grace = top.get("StopTimeout").and_then(Value::as_i64).unwrap_or_default();
    insist((1..=60).contains(&grace), || format!("StopTimeout is {grace}"))?;
    host_config(&top["HostConfig"], own)?;
    endpoint(&top["NetworkingConfig"], &top["HostConfig"]["NetworkMode"])
}

fn host_config(value: &Value, own: Option<&str>) -> Verdict {
    let pinned = json!({
        "CapDrop": ["ALL"],
        "CgroupnsMode": "private",
        "Init": true,
        "IpcMode": "private",
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
        "OomScoreAdj": 500,
        "ReadonlyRootfs": true,
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m"},
        "Ulimits": [{"Name": "nofile", "Soft": 8192, "Hard": 8192}],
    });
    let free = ["Binds", "ExtraHosts", "Memory", "MemorySwap", "NanoCpus", "NetworkMode", "PidsLimit"];
    let pinned = pinned.as_object().ok_or("never")?;
    let known: Vec<&str> = pinned.keys().map(String::as_str).chain(free).collect();
    let host = object(value, &known)?;
    for (key, wanted) in pinned {
        insist(host.get(key) == Some(wanted), || format!("{key} is {:?}", host.get(key)))?;
    }
    for key in ["Memory", "NanoCpus", "PidsLimit"] {
        insist(host.get(key).and_then(Value::as_i64).is_some_and(|n| n > 0), || {
            format!("{key} has no limit")
        })?;
    }
    insist(host["Memory"] == host["MemorySwap"], || "there is swap".to_owned())?;
    for entry in host.get("ExtraHosts").and_then(Value::as_array).into_iter().flatten() {
        let address = entry.as_str().and_then(|entry| entry.rsplit_once(':')).map(|(_, address)| address);
        insist(address.is_some_and(|a| a.parse::<Ipv4Addr>().is_ok()), || format!("ExtraHosts has {entry}"))?;
    }
    binds(host.get("Binds"), own)
}

/// None for a probe; for an instance exactly its two, below the root and its own id.
fn binds(value: Option<&Value>, own: Option<&str>) -> Verdict {
    let binds: Vec<&str> =
        value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(own) = own else {
        return insist(value.is_none(), || "a probe mounts something".to_owned());
    };
    insist(own.len() == 26 && own.bytes().all(|b| b.is_ascii_alphanumeric()), || format!("the id is {own}"))?;
    let own = format!("{ROOT}/{own}");
    let mut targets: Vec<String> = Vec::new();
    for bind in &binds {
        let parts: Vec<&str> = bind.split(':').collect();
        let [source, target, mode] = parts[..] else { return Err(format!("the bind {bind}")) };
        let inside = source == own || source.starts_with(&format!("{own}/"));
        let climbs = source[1..].split('/').any(|part| part.is_empty() || part.starts_with('.'));
        insist(inside && !climbs, || format!("the bind {bind} is not below {own}"))?;
        insist(target != "/data" || source != own, || {
            format!("the bind {bind} gives away the whole folder")
        })?;
        targets.push(format!("{target}:{mode}"));
    }
    targets.sort();
    insist(targets == ["/config:ro", "/data:rw"], || format!("the binds are {binds:?}"))
}

fn endpoint(value: &Value, mode: &Value) -> Verdict {
    let network = mode.as_str().unwrap_or_default();
    let number = network.strip_prefix("beaver-instance-edge-").unwrap_or_default();
    insist(!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()), || {
        format!("NetworkMode {network}")
    })?;
    let endpoints = object(value, &["EndpointsConfig"])?.get("EndpointsConfig").unwrap_or(&Value::Null);
    let endpoint = object(endpoints, &[network])?.get(network).ok_or("there is no endpoint")?;
    let ipam = object(endpoint, &["IPAMConfig"])?.get("IPAMConfig").ok_or("there is no address")?;
    let address = text(object(ipam, &["IPv4Address"])?, "IPv4Address");
    let inside = address.parse::<Ipv4Addr>().is_ok_and(|address| address.octets()[..2] == [10, 89]);
    insist(inside, || format!("the address is {address}"))
}

/// A request line, as it is sent to Docker: method, path and names of the query's parameters.
pub(crate) fn line(method: &str, target: &str) -> Verdict {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let refused = || format!("{method} {target} is not on the list");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.:@-".contains(&b);
    insist(path.starts_with('/') && path.bytes().all(plain), refused)?;
    let mut parts: Vec<&str> = path[1..].split('/').collect();
    insist(!parts.iter().any(|part| part.is_empty() || part.starts_with('.')), refused)?;
    if let Some(version) = parts[0].strip_prefix("v1.") {
        insist(version.parse::<u32>().is_ok_and(|minor| minor >= 40), refused)?;
        parts.remove(0);
    }
    let allowed: &[&str] = match (method, &parts[..]) {
        ("GET" | "HEAD", ["_ping"])
        | ("GET", ["version" | "networks"] | ["images", .., _, "json"] | ["containers", _, "json"])
        | ("POST", ["containers", _, "start"] | ["networks", "create"])
        | ("GET" | "DELETE", ["networks", _]) => &[],
        ("GET", ["events"]) => &["since", "until", "filters"],
        ("GET", ["containers", "json"]) => &["all", "filters"],
        ("GET", ["containers", _, "logs"]) => {
            &["follow", "stdout", "stderr", "timestamps", "since", "until", "tail"]
        }
        ("GET", ["containers", _, "stats"]) => &["stream", "one-shot"],
        ("POST", ["containers", "create"]) => &["name"],
        ("POST", ["containers", _, "stop"]) => &["t"],
        ("POST", ["containers", _, "wait"]) => &["condition"],
        ("DELETE", ["containers", _]) => &["force", "v"],
        ("POST", ["images", "create"]) => &["fromImage", "tag"],
        _ => return Err(refused()),
    };
    let names: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty()).map(|p| p.split('=').next().unwrap_or(p)).collect();
    insist(names.iter().all(|name| allowed.contains(name)), refused)?;
    let required: &[&str] = match &parts[..] {
        ["containers", "create"] => &["name"],
        ["images", "create"] => &["fromImage", "tag"],
        _ => &[],
    };
    insist(required.iter().all(|name| query.contains(&format!("{name}="))), refused)
}

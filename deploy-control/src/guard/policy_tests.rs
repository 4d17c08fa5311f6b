//! Attacks on the policy, each a change to a body that passes: what a deploy-control in strange hands might try.

use serde_json::{Value, json};

use super::body::{ContainerBody, NetworkBody, parse};
use super::policy::{Policy, Refusal};

pub(super) const GOLDEN: &str = include_str!("../docker/golden/instance.json");
pub(super) const NAME: &str = "beaver-alice-7";
const OWN: &str = "/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB";

pub(super) fn policy() -> Policy {
    Policy {
        installation: "beaver".to_owned(),
        net_prefix: "beaver-instance-edge".to_owned(),
        bridge_prefix: "br-bvr-".to_owned(),
        instance_subnet: "10.89.0.0/16".parse().expect("a net"),
        control_subnet: "10.88.0.0/24".parse().expect("a net"),
        instances_root: "/srv/beaver/runtime/instances".to_owned(),
        uid_base: 200_000,
    }
}

fn golden() -> Value {
    serde_json::from_str(GOLDEN).expect("json")
}

fn container(name: &str, body: &Value) -> Result<(), Refusal> {
    let body: ContainerBody = parse(body.to_string().as_bytes())?;
    policy().check_container(name, &body)
}

/// The golden body with the value at a JSON pointer set (or added).
fn with(pointer: &str, value: Value) -> Value {
    let mut body = golden();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    body.pointer_mut(parent).expect("the parent").as_object_mut().expect("an object").insert(key, value);
    body
}

#[test]
fn an_instance_as_beaver_makes_it_passes() {
    assert_eq!(container(NAME, &golden()), Ok(()));
}

fn refuse_each(attacks: Vec<(&str, Value)>) {
    for (pointer, value) in attacks {
        let body = with(pointer, value.clone());
        assert!(container(NAME, &body).is_err(), "{pointer} = {value}");
    }
}

#[test]
fn more_power_over_the_host_is_refused() {
    refuse_each(vec![
        ("/HostConfig/Privileged", json!(true)),
        ("/HostConfig/Privileged", json!(false)),
        ("/HostConfig/privileged", json!(true)),
        ("/HostConfig/CapAdd", json!(["SYS_ADMIN"])),
        ("/HostConfig/CapDrop", json!([])),
        ("/HostConfig/CapDrop", json!(["NET_RAW"])),
        ("/HostConfig/CAPDROP", json!([])),
        ("/HostConfig/SecurityOpt", json!([])),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges", "seccomp=unconfined"])),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges", "apparmor=unconfined"])),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges=false"])),
        ("/HostConfig/SecurityOpt", json!(["label=disable"])),
        ("/HostConfig/ReadonlyRootfs", json!(false)),
        ("/HostConfig/Init", json!(false)),
        ("/HostConfig/Devices", json!([{"PathOnHost": "/dev/sda"}])),
        ("/HostConfig/DeviceRequests", json!([{"Count": -1}])),
        ("/HostConfig/DeviceCgroupRules", json!(["a *:* rwm"])),
        ("/HostConfig/Sysctls", json!({"net.ipv4.ip_forward": "1"})),
        ("/HostConfig/Runtime", json!("evil")),
        ("/HostConfig/CgroupParent", json!("/")),
        ("/HostConfig/MaskedPaths", json!([])),
        ("/HostConfig/ReadonlyPaths", json!([])),
        ("/HostConfig/GroupAdd", json!(["docker"])),
        ("/HostConfig/OomKillDisable", json!(true)),
        ("/HostConfig/OomScoreAdj", json!(-1000)),
        ("/HostConfig/StorageOpt", json!({"size": "1T"})),
        ("/User", json!("0:0")),
        ("/User", json!("root")),
        ("/User", json!("")),
        ("/User", json!("200001")),
        ("/User", json!("200001:0")),
        ("/User", json!("200001:200002")),
        ("/User", json!("+200001:+200001")),
        ("/User", json!("1000:1000")),
    ]);
}

#[test]
fn the_hosts_namespaces_are_refused() {
    refuse_each(vec![
        ("/HostConfig/NetworkMode", json!("host")),
        ("/HostConfig/NetworkMode", json!("bridge")),
        ("/HostConfig/NetworkMode", json!("none")),
        ("/HostConfig/NetworkMode", json!("container:beaver-bob-1")),
        ("/HostConfig/NetworkMode", json!("beaver-control")),
        ("/HostConfig/NetworkMode", json!("beaver-instance-edge-01")),
        ("/HostConfig/NetworkMode", json!("beaver-instance-edge-+0")),
        ("/HostConfig/NetworkMode", json!("beaver-instance-edge-1")),
        ("/HostConfig/PidMode", json!("host")),
        ("/HostConfig/IpcMode", json!("host")),
        ("/HostConfig/IpcMode", json!("shareable")),
        ("/HostConfig/UTSMode", json!("host")),
        ("/HostConfig/UsernsMode", json!("host")),
        ("/HostConfig/CgroupnsMode", json!("host")),
        ("/HostConfig/Cgroup", json!("container:x")),
    ]);
}

#[test]
fn the_hosts_files_are_refused() {
    let bind = |source: &str| json!([format!("{OWN}/config:/config:ro"), format!("{source}:/data:rw")]);
    refuse_each(vec![
        ("/HostConfig/Binds", bind("/")),
        ("/HostConfig/Binds", bind("/var/run/docker.sock")),
        ("/HostConfig/Binds", bind("/srv/beaver/runtime/guard")),
        ("/HostConfig/Binds", bind("/srv/beaver/runtime/instances")),
        ("/HostConfig/Binds", bind("/srv/beaver/runtime/instances/")),
        ("/HostConfig/Binds", bind("/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAC/data")),
        ("/HostConfig/Binds", bind(&format!("{OWN}/../01JDF3X5S8Q4M7R2V6T9W0YZAC/data"))),
        ("/HostConfig/Binds", bind(&format!("{OWN}/data/../../x"))),
        ("/HostConfig/Binds", bind(&format!("{OWN}/data/."))),
        ("/HostConfig/Binds", bind(&format!("{OWN}//data"))),
        ("/HostConfig/Binds", bind(&format!("{OWN}x/data"))),
        ("/HostConfig/Binds", bind(OWN)),
        ("/HostConfig/Binds", bind("volume")),
        ("/HostConfig/Binds", json!([format!("{OWN}/data:/data:rw")])),
        ("/HostConfig/Binds", json!([])),
        ("/HostConfig/Binds", json!([format!("{OWN}/config:/config:rw"), format!("{OWN}/data:/data:rw")])),
        ("/HostConfig/Binds", json!([format!("{OWN}/config:/config"), format!("{OWN}/data:/data:rw")])),
        (
            "/HostConfig/Binds",
            json!([format!("{OWN}/config:/config:ro"), format!("{OWN}/data:/data:rw,shared")]),
        ),
        ("/HostConfig/Binds", json!([format!("{OWN}/config:/config:ro"), format!("{OWN}/data:/etc:rw")])),
        (
            "/HostConfig/Binds",
            json!([format!("{OWN}/config:/config:ro"), format!("{OWN}/data:/data:rw"), "/:/host:rw"]),
        ),
        ("/HostConfig/Mounts", json!([{"Type": "bind", "Source": "/", "Target": "/host"}])),
        ("/HostConfig/VolumesFrom", json!(["beaver-bob-1"])),
        ("/HostConfig/VolumeDriver", json!("local")),
        ("/HostConfig/Tmpfs", json!({"/tmp": "rw,exec,suid"})),
        ("/HostConfig/Tmpfs/~1etc", json!("rw,noexec,nosuid,nodev,size=64m")),
        ("/HostConfig/ContainerIDFile", json!("/etc/cron.d/x")),
        ("/HostConfig/LogConfig", json!({"Type": "syslog", "Config": {"syslog-address": "tcp://10.0.0.1"}})),
        ("/HostConfig/LogConfig/Config", json!({"max-file": "3", "max-size": "10g"})),
        ("/Volumes", json!({"/host": {}})),
    ]);
}

#[test]
fn the_hosts_ports_and_other_networks_are_refused() {
    refuse_each(vec![
        ("/HostConfig/PortBindings", json!({"8080/tcp": [{"HostPort": "80"}]})),
        ("/HostConfig/PublishAllPorts", json!(true)),
        ("/ExposedPorts", json!({"22/tcp": {}})),
        ("/HostConfig/ExtraHosts", json!(["host:host-gateway"])),
        ("/HostConfig/ExtraHosts", json!(["nonsense"])),
        ("/HostConfig/Links", json!(["x:y"])),
        ("/HostConfig/Dns", json!(["10.0.0.1"])),
        ("/NetworkingConfig/EndpointsConfig", json!({})),
        ("/NetworkingConfig/EndpointsConfig/host", json!({"IPAMConfig": {"IPv4Address": "10.89.0.11"}})),
        (
            "/NetworkingConfig/EndpointsConfig/beaver-instance-edge-0",
            json!({"IPAMConfig": {"IPv4Address": "192.168.1.1"}}),
        ),
        (
            "/NetworkingConfig/EndpointsConfig/beaver-instance-edge-0",
            json!({"IPAMConfig": {"IPv4Address": "10.89.0.10", "LinkLocalIPs": ["169.254.169.254"]}}),
        ),
        (
            "/NetworkingConfig/EndpointsConfig/beaver-instance-edge-0",
            json!({"IPAMConfig": {"IPv4Address": "10.89.0.10"}, "DriverOpts": {"a": "b"}}),
        ),
    ]);
}

#[test]
fn a_body_without_limits_is_refused() {
    refuse_each(vec![
        ("/HostConfig/Memory", json!(0)),
        ("/HostConfig/Memory", json!(-1)),
        ("/HostConfig/MemorySwap", json!(-1)),
        ("/HostConfig/NanoCpus", json!(0)),
        ("/HostConfig/PidsLimit", json!(-1)),
        ("/HostConfig/PidsLimit", json!(null)),
        ("/HostConfig/Ulimits", json!([])),
        ("/HostConfig/Ulimits", json!([{"Name": "memlock", "Soft": -1, "Hard": -1}])),
        ("/HostConfig/RestartPolicy", json!({"Name": "always"})),
        ("/HostConfig/AutoRemove", json!(true)),
        ("/StopTimeout", json!(100_000)),
    ]);
}

#[test]
fn another_command_and_other_labels_are_refused() {
    refuse_each(vec![
        ("/Cmd", json!(["probe"])),
        ("/Entrypoint", json!(["/bin/sh"])),
        ("/Healthcheck", json!({"Test": ["CMD", "x"]})),
        ("/Hostname", json!("bob")),
        ("/OnBuild", json!(["x"])),
        ("/Labels/beaver.managed", json!("false")),
        ("/Labels/beaver.installation", json!("other")),
        ("/Labels/beaver.instance-id", json!("../../..")),
        ("/Labels/beaver.instance-id", json!("01jdf3x5s8q4m7r2v6t9w0yzab")),
        ("/Labels/beaver.slug", json!("bob")),
        ("/Labels/beaver.generation", json!("07")),
        ("/Labels/beaver.spec-hash", json!("short")),
        ("/Labels/beaver.probe", json!("true")),
        ("/Labels/com.docker.compose.project", json!("x")),
        ("/Labels", json!({})),
        ("/Anything", json!(null)),
        ("/HostConfig/Anything", json!(null)),
        ("/hostconfig", json!({"Privileged": true})),
    ]);
}

#[test]
fn nothing_that_is_pinned_may_be_left_out() {
    let body = golden();
    let optional = ["Env", "ExtraHosts"];
    for (parent, keys) in [("", body.as_object()), ("/HostConfig", body["HostConfig"].as_object())] {
        for key in keys.expect("an object").keys().filter(|key| !optional.contains(&key.as_str())) {
            let mut body = golden();
            body.pointer_mut(parent).expect("there").as_object_mut().expect("an object").remove(key);
            assert!(container(NAME, &body).is_err(), "without {parent}/{key}");
        }
    }
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    let twice = GOLDEN.replacen("\"HostConfig\":", "\"HostConfig\": {}, \"HostConfig\":", 1);
    assert!(parse::<ContainerBody>(twice.as_bytes()).is_err());
}

#[test]
fn a_containers_name_is_that_of_its_labels() {
    for name in ["", "alice", "beaver-bob-7", "beaver-alice-8", "other-alice-7", "beaver-alice-7/../x"] {
        assert!(container(name, &golden()).is_err(), "{name}");
    }
}

#[test]
fn a_probe_has_its_labels_no_folders_and_one_command() {
    let mut probe = golden();
    probe["Labels"] =
        json!({"beaver.managed": "true", "beaver.installation": "beaver", "beaver.probe": "true"});
    probe["User"] = json!("65534:65534");
    probe["Hostname"] = json!("probe");
    probe["Cmd"] = json!(["probe", "--listen", "8080"]);
    probe["HostConfig"].as_object_mut().expect("an object").remove("Binds");
    let name = "beaver-probe_01jdf";
    assert_eq!(container(name, &probe), Ok(()));
    for bad in ["beaver-probe_", "beaver-probe-1", "beaver-alice-7", "other-probe_1", "beaver-probe_a-b"] {
        assert!(container(bad, &probe).is_err(), "{bad}");
    }
    for (key, value) in [
        ("Cmd", json!(["sh"])),
        ("Cmd", json!([])),
        ("User", json!("0:0")),
        ("User", json!("200001:200001")),
        ("Hostname", json!("x")),
        ("Labels", json!({"beaver.probe": "true"})),
    ] {
        let mut body = probe.clone();
        body[key] = value;
        assert!(container(name, &body).is_err(), "{key} = {}", body[key]);
    }
    probe["HostConfig"]["Binds"] = golden()["HostConfig"]["Binds"].clone();
    assert!(container(name, &probe).is_err());
}

fn network() -> Value {
    json!({
        "Name": "beaver-instance-edge-0",
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": "10.89.0.0/22", "Gateway": "10.89.0.1"}]},
        "Options": {
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.name": "br-bvr-0",
        },
        "Labels": {"beaver.managed": "true", "beaver.installation": "beaver"},
    })
}

fn network_verdict(body: &Value) -> Result<(), Refusal> {
    policy().check_network(&parse::<NetworkBody>(body.to_string().as_bytes())?)
}

#[test]
fn networks_of_the_plan_pass_and_no_others() {
    assert_eq!(network_verdict(&network()), Ok(()));
    let mut control = network();
    control["Name"] = json!("beaver-control");
    control["IPAM"] = json!({"Config": [{"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1"}]});
    control["Options"]["com.docker.network.bridge.name"] = json!("br-bvr-ctl");
    assert_eq!(network_verdict(&control), Ok(()));

    let attacks = [
        ("/Name", json!("other")),
        ("/Name", json!("beaver-instance-edge-1")),
        ("/Name", json!("beaver-instance-edge-00")),
        ("/Name", json!("beaver-control")),
        ("/Driver", json!("macvlan")),
        ("/Driver", json!("host")),
        ("/Internal", json!(true)),
        ("/Attachable", json!(true)),
        ("/EnableIPv6", json!(true)),
        ("/IPAM/Driver", json!("evil")),
        ("/IPAM/Config", json!([])),
        ("/IPAM/Config", json!([{"Subnet": "192.168.0.0/24", "Gateway": "192.168.0.1"}])),
        ("/IPAM/Config", json!([{"Subnet": "10.0.0.0/8", "Gateway": "10.89.0.1"}])),
        ("/IPAM/Config", json!([{"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1"}])),
        ("/IPAM/Config", json!([{"Subnet": "10.89.0.1/22", "Gateway": "10.89.0.1"}])),
        ("/IPAM/Config", json!([{"Subnet": "10.89.0.0/22", "Gateway": "10.0.0.1"}])),
        ("/Options/com.docker.network.bridge.enable_icc", json!("true")),
        ("/Options/com.docker.network.bridge.name", json!("docker0")),
        ("/Options/com.docker.network.bridge.name", json!("br-bvr-1")),
        ("/Options/com.docker.network.bridge.host_binding_ipv4", json!("0.0.0.0")),
        ("/Labels", json!({})),
        ("/Labels/beaver.installation", json!("other")),
        ("/Labels/more", json!("x")),
    ];
    for (pointer, value) in attacks {
        let mut body = network();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        body.pointer_mut(parent)
            .expect("there")
            .as_object_mut()
            .expect("an object")
            .insert(key.into(), value);
        assert!(network_verdict(&body).is_err(), "{body}");
    }
}

#[test]
fn docker_is_told_to_refuse_a_second_network_of_one_name() {
    let body: NetworkBody = parse(network().to_string().as_bytes()).expect("a body");
    assert_eq!(serde_json::to_value(&body).expect("json")["CheckDuplicate"], json!(true));
}

#[test]
fn only_labels_of_this_installation_are_owned() {
    let labels = |managed: &str, installation: &str| {
        [("beaver.managed", managed), ("beaver.installation", installation)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    };
    assert!(policy().owns(&labels("true", "beaver")));
    assert!(!policy().owns(&labels("false", "beaver")));
    assert!(!policy().owns(&labels("true", "beaver2")));
    assert!(!policy().owns(&std::collections::HashMap::new()));
}

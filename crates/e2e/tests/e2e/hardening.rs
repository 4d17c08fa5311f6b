//! The container that an instance really runs in.

use e2e::fixture::World;
use e2e::shell::docker as run_docker;
use e2e::{Outcome, docker, ensure, ensure_eq};
use serde_json::{Value, json};

/// Largest image, and most memory of an idle instance: the figures that the default app promises.
const MAX_IMAGE_BYTES: u64 = 25_000_000;
const MAX_IDLE_BYTES: u64 = 25 << 20;

pub(crate) async fn docker_inspect_equals_the_golden_spec(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let info = docker::inspect(&docker::instance_container(&world.site.name, "alice").await?).await?;
    let golden: Value =
        serde_json::from_str(include_str!("../../../../deploy-control/src/docker/golden/instance.json"))?;
    // What names this very instance differs by its nature; its form is checked below.
    let own = ["Binds", "ExtraHosts", "NetworkMode"];
    for (name, wanted) in golden["HostConfig"].as_object().into_iter().flatten() {
        if !own.contains(&name.as_str()) {
            let found = &info["HostConfig"][name];
            ensure!(contains(found, wanted), "HostConfig.{name} is {found}, not {wanted}");
        }
    }
    let view = world.instance("alice").await?;
    let folder = world.site.root.join("runtime/instances").join(view.instance_id.to_string());
    let folder = folder.display();
    ensure_eq!(
        info["HostConfig"]["Binds"],
        json!([format!("{folder}:/config:ro"), format!("{folder}/data:/data:rw")])
    );
    ensure_eq!(
        info["HostConfig"]["ExtraHosts"],
        json!([format!("beaver-authz-service:{}", world.site.control_ip)])
    );
    ensure_eq!(info["HostConfig"]["NetworkMode"], json!(format!("{}-edge-0", world.site.name)));
    no_secret_is_in(&info, world)
}

/// Whether `found` has all that `wanted` has: Docker adds fields that were left at their defaults.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|own| contains(own, value)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| contains(a, b))
        }
        _ => found == wanted,
    }
}

fn no_secret_is_in(info: &Value, world: &World) -> Outcome {
    let text = info.to_string();
    for secret in [&world.site.deploy_token, &world.site.authz_token] {
        ensure!(!text.contains(secret.as_str()), "a token is in docker inspect");
    }
    let user = info["Config"]["User"].as_str().unwrap_or_default();
    ensure!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id >= 1000)), "it runs as {user:?}");
    Ok(())
}

pub(crate) async fn the_default_app_is_small(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let container = docker::instance_container(&world.site.name, "alice").await?;
    let info = docker::inspect(&container).await?;
    let image = info["Image"].as_str().unwrap_or_default().to_owned();
    let size = run_docker(&["image", "inspect", "--format", "{{.Size}}", &image]).await?.success()?;
    let size: u64 = size.stdout.trim().parse()?;
    ensure!(size < MAX_IMAGE_BYTES, "the image has {size} bytes");
    let pid = info["State"]["Pid"].as_i64().unwrap_or_default();
    let resident = resident_bytes(pid)?;
    ensure!(resident < MAX_IDLE_BYTES, "the instance has {resident} bytes of memory");
    Ok(())
}

/// Resident memory of a container's processes: its init and the app.
fn resident_bytes(pid: i64) -> Outcome<u64> {
    let mut pids = vec![pid];
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i64>().ok()));
    let mut total = 0;
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
        total += kib.unwrap_or_default() * 1024;
    }
    Ok(total)
}

/// Where Docker's socket may be, and what it really is.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"];

pub(crate) async fn docker_guard_alone_has_dockers_socket(world: &World) -> Outcome {
    let services = ["docker-guard", "authz-service", "deploy-control", "router-proxy", "auth-portal"];
    for service in services {
        let info = docker::inspect(&format!("{}-{service}", world.site.name)).await?;
        let mounts = info["Mounts"].as_array().cloned().unwrap_or_default();
        let has = |at: &str| {
            mounts.iter().any(|mount| {
                let source = mount[at].as_str().unwrap_or_default();
                // The socket, or a folder that it is in.
                SOCKETS.iter().any(|socket| std::path::Path::new(socket).starts_with(source))
                    && !source.is_empty()
            })
        };
        let pid = info["State"]["Pid"].as_i64().filter(|pid| *pid > 1);
        let pid = pid.ok_or_else(|| e2e::Failure(format!("{service} has no process")))?;
        let inside = sockets_inside(pid)?;
        if service == "docker-guard" {
            ensure!(has("Source") && !inside.is_empty(), "docker-guard has no socket: {mounts:?}");
        } else {
            ensure!(!has("Source") && !has("Destination"), "{service} has Docker's socket: {mounts:?}");
            ensure!(inside.is_empty(), "within {service} there is {inside:?}");
        }
        // Nor a way to get at another's.
        ensure_eq!(info["HostConfig"]["Privileged"], json!(false));
        ensure_eq!(info["HostConfig"]["PidMode"], json!(""));
    }
    Ok(())
}

/// Sockets named as Docker's below the root that the process sees.
fn sockets_inside(pid: i64) -> Outcome<Vec<String>> {
    let root = format!("/proc/{pid}/root");
    std::fs::read_dir(&root)?;
    let there = |path: &str| std::fs::symlink_metadata(format!("{root}{path}")).is_ok();
    Ok(SOCKETS.into_iter().filter(|path| there(path)).map(str::to_owned).collect())
}

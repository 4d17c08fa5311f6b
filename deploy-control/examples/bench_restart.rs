//! How long deploy-control takes after its start until everything is reconciled, and what it uses then, with many
//! instances on record: all but ten asleep, each with a container of its own in Docker. Prints
//! figures; by hand: `scripts/bench-provision.sh restart`.
//!
//! Works in an installation and a folder of its own and removes both. Needs root, a Docker Engine with the image
//! of the default app, and the folder with the binaries of deploy-control and docker-guard as its first argument.

#![expect(clippy::print_stdout, reason = "the figures are printed")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
};
use control_api::deploy::{ActivityReport, InstanceState, OperationState, RouteActivity};
use control_api::deploy_client::DeployClient;
use control_api::ids::{InstanceId, UserId};
use deploy_control::blueprint::container_spec;
use deploy_control::config::Config;
use deploy_control::docker::DockerEngine;
use deploy_control::engine::Engine as _;
use deploy_control::instance_files::InstanceFiles;
use deploy_control::model::{Goal, Instance};
use deploy_control::route_files::RouteFiles;
use deploy_control::store::{Order, Store, Update};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::secret::{Secret, random_bytes, random_token};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Instances that run; the others sleep.
const AWAKE: usize = 10;
/// Containers that are made or removed at once.
const AT_ONCE: usize = 4;
/// Two full lists and a bit.
const STEADY: Duration = Duration::from_secs(65);
const IMAGE: &str = "beaver/app-instance:latest";

#[tokio::main]
async fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let binaries = PathBuf::from(args.next().ok_or("which folder has the binaries?")?);
    let count: usize = args.next().unwrap_or_else(|| "1000".to_owned()).parse()?;
    let image = args.next().unwrap_or_else(|| IMAGE.to_owned());
    let docker = Docker::connect_with_unix_defaults()?.negotiate_version().await?;
    let site = Site::plan(binaries, &image)?;
    let outcome = measure(&site, count).await;
    println!("removing what was made");
    clean(&docker, &site.installation).await?;
    outcome
}

/// An installation of its own.
struct Site {
    binaries: PathBuf,
    installation: String,
    /// Goes with this.
    _folder: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    deploy_token: String,
    router_token: String,
    port: u16,
}

impl Site {
    fn plan(binaries: PathBuf, image: &str) -> Outcome<Self> {
        let [a, b] = random_bytes::<2>();
        let installation = format!("bvb{a:02x}{b:02x}");
        let folder = tempfile::tempdir()?;
        let octet = free_octet()?;
        let ports = [free_port()?, free_port()?];
        let token = || random_token().expose().clone();
        let (deploy_token, router_token) = (token(), token());
        let env = vec![
            ("PROJECT_ROOT", folder.path().display().to_string()),
            ("BEAVER_INSTALLATION", installation.clone()),
            ("BEAVER_NET", format!("{installation}-edge")),
            ("BEAVER_BRIDGE_PREFIX", format!("{installation}-")),
            ("BEAVER_INSTANCE_SUBNET", format!("10.{octet}.0.0/16")),
            ("BEAVER_CONTROL_SUBNET", format!("10.{}.0.0/24", octet + 1)),
            ("BEAVER_INSTANCE_IMAGE", image.to_owned()),
            ("BEAVER_GUARD_IMAGES", image.to_owned()),
            ("BEAVER_PROBE_IMAGE", image.to_owned()),
            // Nobody but Docker is there: neither an issuer that a probe could reach, nor firewall rules.
            ("BEAVER_ALLOW_UNISOLATED", "yes".to_owned()),
            ("BEAVER_IDLE_SLEEP", "off".to_owned()),
            ("DEPLOY_CONTROL_API_TOKEN", deploy_token.clone()),
            ("BEAVER_ROUTER_TOKEN", router_token.clone()),
            ("AUTHZ_INTERNAL_TOKEN", token()),
            ("DEPLOY_LISTEN", format!("127.0.0.1:{}", ports[0])),
            ("DEPLOY_ADMIN_LISTEN", format!("127.0.0.1:{}", ports[1])),
            ("BEAVER_LOG_FORMAT", "json".to_owned()),
            ("RUST_LOG", "info".to_owned()),
        ];
        std::fs::create_dir_all(folder.path().join("runtime/guard"))?;
        Ok(Self { binaries, installation, _folder: folder, env, deploy_token, router_token, port: ports[0] })
    }

    fn config(&self) -> Outcome<Config> {
        Ok(Config::from_env(EnvReader::from_pairs(self.env.clone()))?)
    }

    /// One of the binaries; it ends with its handle.
    fn start(&self, name: &str) -> Outcome<Child> {
        let program = self.binaries.join(name);
        let mut command = Command::new(&program);
        command.env_clear().envs(self.env.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command.spawn().map_err(|error| format!("{}: {error}", program.display()).into())
    }
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// `n` such that neither `10.n.0.0/16` nor the one after it is routed yet.
fn free_octet() -> Outcome<u8> {
    let routes = std::fs::read_to_string("/proc/net/route")?;
    let destinations = routes.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    let used: Vec<[u8; 4]> =
        destinations.filter_map(|hex| u32::from_str_radix(hex, 16).ok()).map(u32::to_ne_bytes).collect();
    let is_free = |n: u8| !used.iter().any(|address| address[0] == 10 && address[1] == n);
    (192..250).step_by(2).find(|n| is_free(*n) && is_free(n + 1)).ok_or_else(|| "no subnet is free".into())
}

async fn measure(site: &Site, count: usize) -> Outcome {
    let mut guard = site.start("docker-guard")?;
    let guard_log = guard.stderr.take();
    tokio::spawn(drain(guard_log));
    println!("making {count} instances, {AWAKE} of them awake");
    let awake = seed(site, count).await?;
    println!("starting deploy-control");
    let started = Instant::now();
    let mut service = site.start("deploy-control")?;
    let pid = service.id().ok_or("it has ended")?;
    let mut lines = BufReader::new(service.stderr.take().ok_or("no output")?).lines();
    let told = loop {
        let line = lines.next_line().await?.ok_or("deploy-control has ended")?;
        if line.contains("reconciled:") {
            break line;
        }
    };
    let took = started.elapsed();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let looked_at: serde_json::Value = serde_json::from_str(&told)?;
    println!(
        "reconciled after the start: {:>8.0} ms ({} needed a look)",
        millis(took),
        looked_at["looked_at"]
    );
    let cpu = steady_cpu(site, pid, &awake).await?;
    println!("steady processor use:       {cpu:>8.2} % of a core (over {} s)", STEADY.as_secs());
    println!(
        "resident memory:            {:>8.1} MiB (most: {:.1})",
        memory(pid, "VmRSS")?,
        memory(pid, "VmHWM")?
    );
    Ok(())
}

async fn drain(log: Option<tokio::process::ChildStderr>) {
    let Some(log) = log else { return };
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(_)) = lines.next_line().await {}
}

/// Rows, folders, routes and containers, as deploy-control itself would have made them.
async fn seed(site: &Site, count: usize) -> Outcome<Vec<Instance>> {
    let config = site.config()?;
    let engine = DockerEngine::new(&config.guard_socket, &config.installation);
    while engine.ping().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let image = engine.resolve_image(&config.image).await?;
    std::fs::create_dir_all(config.runtime().join("deploy"))?;
    let store = Store::open(&config.runtime().join("deploy/deploy.sqlite"), Clock::system()).await?;
    store.set_setting("instance_subnet", &config.plan.instances.to_string()).await?;
    let files = InstanceFiles::open(&config.runtime())?;
    let routes = RouteFiles::open(&config.runtime())?;
    let mut rows = Vec::new();
    for number in 0..count {
        let id = record(&store, &config, &image, number).await?;
        let row = store.instance(id).await?.ok_or("the row is gone")?;
        files.prepare(id, row.uid, None)?;
        rows.push(row);
    }
    let shards = rows.iter().filter_map(|row| row.place).map(|place| place.shard).max().unwrap_or(0);
    for shard in 0..=shards {
        engine.ensure_network(&config.plan.network(shard)).await?;
    }
    let (config, engine, files) = (&config, &engine, &files);
    stream::iter(rows.iter())
        .map(|row| async move {
            let spec = container_spec(config, files, row).ok_or("no spec")?;
            engine.create(&spec).await?;
            if row.goal == Goal::Awake {
                engine.start(&spec.container_name()).await?;
            }
            Ok::<(), Box<dyn Error + Send + Sync>>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    for row in &rows {
        routes.sync(row)?;
    }
    store.close().await;
    rows.retain(|row| row.goal == Goal::Awake);
    Ok(rows)
}

/// An instance that has been ready, and sleeps where it is none of the first.
async fn record(store: &Store, config: &Config, image: &str, number: usize) -> Outcome<InstanceId> {
    let username = format!("user-{number}").parse()?;
    let ordered = store
        .order(&Order {
            owner: UserId::generate(),
            username: &username,
            slug: None,
            email: "",
            display_name: None,
            image_id: Some(image),
            limits: config.limits,
            uid_base: config.uid_base,
            plan: &config.plan,
            allowance_ms: 60_000,
        })
        .await?;
    let (goal, state) = match number {
        n if n < AWAKE => (Goal::Awake, InstanceState::Ready),
        _ => (Goal::Asleep, InstanceState::Asleep),
    };
    let update = Update {
        goal: Some((Goal::Awake, goal)),
        state: Some((state, None)),
        made: Some(true),
        registered: true,
        ready: true,
        ..Update::default()
    };
    store.apply(ordered.instance, &update).await?;
    let operation = store.operation(ordered.operation).await?.ok_or("the operation is gone")?;
    store.finish(&operation, OperationState::Succeeded, None).await?;
    Ok(ordered.instance)
}

/// Percent of one core, while the router reports as it does every ten seconds.
async fn steady_cpu(site: &Site, pid: u32, awake: &[Instance]) -> Outcome<f64> {
    let base = format!("http://127.0.0.1:{}", site.port).parse()?;
    let http = service_kit::http_client::build(service_kit::http_client::internal())?;
    let router = DeployClient::new(http, base, Secret::new(site.router_token.clone()));
    debug_assert_ne!(site.router_token, site.deploy_token);
    let before = cpu_ticks(pid)?;
    let started = Instant::now();
    while started.elapsed() < STEADY {
        let used = awake.iter().map(|row| RouteActivity {
            slug: row.slug.clone(),
            instance_id: row.id,
            requests: 1,
            active_connections: 0,
            last_activity_at: Clock::system().now(),
        });
        router.report_activity(&ActivityReport { routes: used.collect() }).await?;
        tokio::time::sleep(Duration::from_secs(10).min(STEADY.saturating_sub(started.elapsed()))).await;
    }
    let ticks = cpu_ticks(pid)? - before;
    // A hundred ticks a second on every Linux that Docker runs on.
    Ok(ticks / started.elapsed().as_secs_f64())
}

/// User and system time of a process, in ticks: fields 14 and 15 of `/proc/<pid>/stat`, counted after the name.
fn cpu_ticks(pid: u32) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<f64>().ok()).ok_or("no such field");
    Ok(field(14)? + field(15)?)
}

/// A line of `/proc/<pid>/status`, in MiB.
fn memory(pid: u32, name: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
    Ok(kib.ok_or("no such line")? / 1024.0)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Removes all that carries the installation's label.
async fn clean(docker: &Docker, installation: &str) -> Outcome {
    let filter = [("label".to_owned(), vec![format!("beaver.installation={installation}")])].into();
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let containers = docker.list_containers(Some(options)).await?;
    stream::iter(containers.into_iter().filter_map(|container| container.id))
        .for_each_concurrent(AT_ONCE, |id| async move {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let _ = docker.remove_container(&id, Some(options)).await;
        })
        .await;
    let options = ListNetworksOptionsBuilder::new().filters(&filter).build();
    for network in docker.list_networks(Some(options)).await? {
        docker.remove_network(&network.id.unwrap_or_default()).await?;
    }
    Ok(())
}

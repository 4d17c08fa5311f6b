//! What the Docker tests stand on: a real Docker Engine, a docker-guard in this process before it, and an image
//! built here. Each rig has an installation, a subnet and an image name of its own, so that tests and people
//! on one machine do not meet; dropping it removes all of them, also after a panic.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use control_api::ids::{InstanceId, UserId};
use deploy_control::docker::DockerEngine;
use deploy_control::engine::{ContainerEvent, ContainerSpec, Engine as _, EngineResult, Limits, NetworkSpec};
use deploy_control::guard::policy::Policy;
use deploy_control::guard::{self, GuardConfig};
use futures_util::{StreamExt as _, TryStreamExt as _};
use service_kit::lifecycle::Lifecycle;
use service_kit::secret::random_bytes;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(crate) const DOCKER_SOCKET: &str = "/var/run/docker.sock";

pub(crate) struct Rig {
    pub(crate) installation: String,
    pub(crate) image: String,
    pub(crate) image_id: String,
    /// Past the guard: to see what is true, and to be a stranger.
    pub(crate) docker: Docker,
    pub(crate) docker_socket: PathBuf,
    pub(crate) guard: Lifecycle,
    pub(crate) engine: DockerEngine,
    pub(crate) folder: tempfile::TempDir,
    /// Third octet of 10.191.x.0: the first half for instances, the last 16 addresses for control.
    octet: u8,
    tag: String,
    /// Every image that was made: one that lost its name to another is found by its id alone.
    imported: Mutex<Vec<String>>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(Path::new(DOCKER_SOCKET)).await
    }

    /// Before the Docker Engine at `socket`.
    pub(crate) async fn on(socket: &Path) -> Self {
        let path = socket.to_str().expect("text");
        let docker = Docker::connect_with_unix(path, 60, API_DEFAULT_VERSION);
        let docker = docker.expect("these tests need a Docker Engine");
        let docker = docker.negotiate_version().await.expect("these tests need a running Docker Engine");
        let octet = unused_octet();
        let [a, b] = random_bytes::<2>();
        let tag = format!("{octet:02x}{a:02x}{b:02x}");
        let installation = format!("bvd{tag}");
        let image = format!("beaver-test/{installation}:latest");
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Self {
            guard: Lifecycle::new(),
            engine: DockerEngine::new(&folder.path().join("docker.sock"), &installation),
            image_id: String::new(),
            installation,
            image,
            docker,
            docker_socket: socket.to_owned(),
            folder,
            octet,
            tag,
            imported: Mutex::default(),
        };
        rig.image_id = rig.import(&rig.image, "").await;
        guard::start(&rig.guard, rig.guard_config()).await.expect("a guard");
        rig
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub(crate) fn guard_config(&self) -> GuardConfig {
        GuardConfig {
            socket: self.socket(),
            gid: None,
            docker_socket: self.docker_socket.clone(),
            images: vec![self.image.clone()],
            policy: Policy {
                installation: self.installation.clone(),
                net_prefix: format!("{}-edge", self.installation),
                bridge_prefix: format!("br-bvd-{}", &self.tag[..4]),
                instance_subnet: self.subnet(0, 25),
                control_subnet: self.subnet(240, 28),
                instances_root: self.folder.path().join("instances").display().to_string(),
                uid_base: 200_000,
            },
        }
    }

    fn subnet(&self, last: u8, bits: u8) -> ipnet::Ipv4Net {
        ipnet::Ipv4Net::new(self.address(last), bits).expect("a subnet")
    }

    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 191, self.octet, last)
    }

    /// The instance network; its bridge's name ends in 0, as its own does.
    pub(crate) fn network(&self) -> NetworkSpec {
        NetworkSpec {
            name: format!("{}-edge-0", self.installation),
            bridge: format!("br-bvd-{}0", &self.tag[..4]),
            subnet: self.subnet(0, 26),
            gateway: self.address(1),
        }
    }

    /// An instance with folders, at the address that ends in `last`.
    pub(crate) fn spec(&self, slug: &str, last: u8) -> ContainerSpec {
        let instance_id = InstanceId::generate();
        let own = self.folder.path().join("instances").join(instance_id.to_string());
        for folder in ["config", "data"] {
            std::fs::create_dir_all(own.join(folder)).expect("a folder");
        }
        open_to_all(&own.join("data"));
        ContainerSpec {
            installation: self.installation.clone(),
            instance_id,
            slug: slug.parse().expect("a slug"),
            owner_id: UserId::generate(),
            generation: 1,
            image_id: self.image_id.clone(),
            env: vec![("BEAVER_SLUG".to_owned(), slug.to_owned())],
            uid: 200_001,
            network: self.network().name,
            address: self.address(last),
            issuer_host: ("beaver-authz-service".to_owned(), self.address(241)),
            config_dir: own.join("config"),
            data_dir: own.join("data"),
            limits: Limits {
                memory_bytes: 256 * 1024 * 1024,
                milli_cpus: 1000,
                pids: 256,
                disk_bytes: 1 << 30,
            },
        }
    }

    /// Creates and starts an instance and waits until it answers.
    pub(crate) async fn run(&self, spec: &ContainerSpec) -> String {
        let id = self.engine.create(spec).await.expect("created");
        self.engine.start(&id).await.expect("started");
        get(spec.address).await;
        id
    }

    /// Makes an image of the test app under `name`; `comment` makes its id differ.
    pub(crate) async fn import(&self, name: &str, comment: &str) -> String {
        self.import_with(name, comment, &[]).await
    }

    /// The same, with more lines as in a Dockerfile.
    pub(crate) async fn import_with(&self, name: &str, comment: &str, changes: &[&str]) -> String {
        let (repo, tag) = name.rsplit_once(':').expect("a tag");
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(repo).tag(tag).message(comment);
        let mut options = options.build();
        options.changes = vec!["ENTRYPOINT [\"/app\"]".to_owned()];
        options.changes.extend(changes.iter().map(|line| (*line).to_owned()));
        let body = bollard::body_full(tar("app", app()).into());
        let made: Result<Vec<_>, _> =
            self.docker.create_image(Some(options), Some(body), None).try_collect().await;
        made.expect("imported");
        let id = self.docker.inspect_image(name).await.expect("an image").id.expect("an id");
        self.imported.lock().expect("not poisoned").push(id.clone());
        id
    }

    /// Follows events through the guard at `socket`, from a task of its own. Answers once the first event has
    /// come: of a container that is made and removed for that until the subscription is seen to stand. The
    /// channel ends with the stream.
    pub(crate) async fn follow(&self, socket: &Path) -> UnboundedReceiver<EngineResult<ContainerEvent>> {
        let engine = DockerEngine::new(socket, &self.installation);
        let (sender, mut receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut events = engine.events();
            while let Some(event) = events.next().await {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let spec = self.spec("first", 60);
        for _ in 0..100 {
            let id = self.engine.create(&spec).await.expect("created");
            self.engine.remove(&id).await.expect("removed");
            if !receiver.is_empty() {
                receiver.recv().await.expect("an event").expect("no error");
                return receiver;
            }
        }
        panic!("no event came");
    }

    /// Nothing of this rig may be left, beside its image and networks.
    pub(crate) async fn assert_no_containers(&self) {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filter(&self.installation));
        let left = self.docker.list_containers(Some(options.build())).await.expect("a list");
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.guard.stop();
        let (docker, installation) = (self.docker.clone(), self.installation.clone());
        let imported = self.imported.lock().map(|mut ids| std::mem::take(&mut *ids)).unwrap_or_default();
        // Of its own: a drop has no runtime to wait on.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let left = clean(&docker, &installation).await;
                for id in &imported {
                    forget_image(&docker, id).await;
                }
                left
            })
        });
        let left = cleaning.join().unwrap_or_else(|_| vec!["the clean-up panicked".to_owned()]);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// Another one for each rig of this process, from a random one on for the sake of other processes.
fn unused_octet() -> u8 {
    static NEXT: OnceLock<AtomicU8> = OnceLock::new();
    NEXT.get_or_init(|| AtomicU8::new(random_bytes::<1>()[0])).fetch_add(1, Ordering::SeqCst)
}

fn filter(installation: &str) -> std::collections::HashMap<String, Vec<String>> {
    [("label".to_owned(), vec![format!("beaver.installation={installation}")])].into()
}

/// Removes an image; a container of it that is still on its way out holds it for a moment.
async fn forget_image(docker: &Docker, id: &str) {
    for _ in 0..100 {
        let options = RemoveImageOptionsBuilder::new().force(true).build();
        let removed = docker.remove_image(id, Some(options), None).await;
        let is_held = matches!(
            removed,
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. })
        );
        if !is_held {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Removes all that carries the installation's label or its image names; answers what is left after that.
async fn clean(docker: &Docker, installation: &str) -> Vec<String> {
    let filter = filter(installation);
    let containers = || ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let networks = || ListNetworksOptionsBuilder::new().filters(&filter).build();
    for container in docker.list_containers(Some(containers())).await.unwrap_or_default() {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = docker.remove_container(&container.id.unwrap_or_default(), Some(options)).await;
    }
    for network in docker.list_networks(Some(networks())).await.unwrap_or_default() {
        let _ = docker.remove_network(&network.id.unwrap_or_default()).await;
    }
    for image in docker.list_images(None::<ListImagesOptions>).await.unwrap_or_default() {
        for tag in image.repo_tags.iter().filter(|tag| tag.contains(installation)) {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let _ = docker.remove_image(tag, Some(options), None).await;
        }
    }
    let containers = docker.list_containers(Some(containers())).await.unwrap_or_default();
    let networks = docker.list_networks(Some(networks())).await.unwrap_or_default();
    let images = docker.list_images(None::<ListImagesOptions>).await.unwrap_or_default();
    let images = images.into_iter().flat_map(|image| image.repo_tags);
    let names =
        containers.into_iter().filter_map(|c| c.id).chain(networks.into_iter().filter_map(|n| n.name));
    names.chain(images.filter(|tag| tag.contains(installation))).collect()
}

/// Asks the app for its report, trying until it answers.
pub(crate) async fn get(address: Ipv4Addr) -> String {
    let url = format!("http://{address}:8080/");
    let client =
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().expect("a client");
    for _ in 0..200 {
        if let Ok(answer) = client.get(&url).send().await {
            return answer.text().await.expect("text");
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{url} does not answer");
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("permissions");
}

/// The test app, compiled once a run.
pub(crate) fn app() -> &'static [u8] {
    static APP: OnceLock<Vec<u8>> = OnceLock::new();
    APP.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let binary = folder.path().join("app");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--edition=2024", "-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"])
            .args(["-Ctarget-feature=+crt-static", "--crate-name=app", "-o"])
            .arg(&binary)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/app.rs"))
            .output()
            .expect("rustc runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(binary).expect("the binary")
    })
}

/// A tar archive (POSIX ustar) with one executable file.
pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The sum counts its own field as spaces.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

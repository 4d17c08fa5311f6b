//! A container engine in memory. A running container is a real HTTP server on a port of its own, so that
//! readiness and registration are spoken for real; what goes wrong is set by the test.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use control_api::ids::InstanceId;
use control_api::instance::RegisterOwner;
use deploy_control::engine::{
    ContainerEvent, ContainerInfo, ContainerSpec, ContainerState, Engine, EngineError, EngineResult,
    LayerProgress, NetworkSpec, OwnLabels, ProbeFinding, ProbeTarget, Usage,
};
use deploy_control::image_name::ImageName;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use crate::fake_app::{App, Behaviour, Registered};
use crate::hold::Hold;

/// What happens while an image is pulled.
#[derive(Clone, Debug)]
pub(crate) enum PullStep {
    /// A layer is this far.
    Layer(&'static str, u8),
    /// The pull ends with an error.
    Fails(EngineError),
    /// Nothing comes any more.
    Hangs,
}

#[derive(Default)]
struct World {
    down: bool,
    images: HashMap<String, (String, Behaviour)>,
    containers: BTreeMap<String, Container>,
    networks: HashSet<String>,
    /// The next measurement waits.
    held: Option<Hold>,
    ports: HashMap<Ipv4Addr, u16>,
    leaks: Option<EngineError>,
    reaches: bool,
    /// Processor time that every container has used since it was started.
    cpu: Duration,
    cannot_freeze: bool,
    pulls: Vec<PullStep>,
    made: u64,
    calls: Vec<String>,
}

struct Container {
    info: ContainerInfo,
    behaviour: Behaviour,
    config: PathBuf,
    server: Option<AbortHandle>,
}

/// The engine. Clones share it; it outlives the service that uses it.
#[derive(Clone)]
pub(crate) struct FakeEngine {
    world: Arc<Mutex<World>>,
    registered: Registered,
    events: broadcast::Sender<ContainerEvent>,
}

impl FakeEngine {
    /// An engine with one good image named `app`.
    pub(crate) fn new() -> Self {
        let this =
            Self { world: Arc::default(), registered: Arc::default(), events: broadcast::Sender::new(64) };
        this.image("app", "sha256:one", Behaviour::Good);
        this.image("probe", "sha256:probe", Behaviour::Good);
        this
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    /// Names an image.
    pub(crate) fn image(&self, name: &str, id: &str, behaviour: Behaviour) {
        self.world().images.insert(name.to_owned(), (id.to_owned(), behaviour));
    }

    pub(crate) fn remove_image(&self, name: &str) {
        self.world().images.remove(name);
    }

    /// What happens at the next pulls.
    pub(crate) fn set_pull(&self, steps: &[PullStep]) {
        self.world().pulls = steps.to_vec();
    }

    /// Whether it answers.
    pub(crate) fn set_down(&self, down: bool) {
        self.world().down = down;
    }

    /// Whether the probe gets through to what it must not reach.
    pub(crate) fn set_leaky(&self, leaky: bool) {
        self.world().reaches = leaky;
    }

    pub(crate) fn fail_probe(&self, error: Option<EngineError>) {
        self.world().leaks = error;
    }

    /// The next measurement of a container's processor time waits for the answer's release.
    pub(crate) fn hold_measurement(&self) -> Hold {
        let hold = Hold::default();
        self.world().held = Some(hold.clone());
        hold
    }

    /// Every container works for so long.
    pub(crate) fn work(&self, time: Duration) {
        self.world().cpu += time;
    }

    /// The kernel cannot freeze containers.
    pub(crate) fn cannot_freeze(&self) {
        self.world().cannot_freeze = true;
    }

    /// Somebody freezes a container by hand.
    pub(crate) fn freeze(&self, name: &str) {
        let mut world = self.world();
        let container = world.containers.get_mut(name).expect("a container");
        container.info.state = ContainerState::Paused;
        let id = container.info.labels.as_ref().map(|labels| labels.instance_id);
        drop(world);
        self.tell(id, "pause", None);
    }

    /// The kernel ends a process in a container for want of memory; the container goes on.
    pub(crate) fn out_of_memory(&self, id: InstanceId) {
        self.tell(Some(id), "oom", None);
    }

    /// Names and states of all containers.
    pub(crate) fn containers(&self) -> Vec<ContainerInfo> {
        self.world().containers.values().map(|container| container.info.clone()).collect()
    }

    /// Names of the networks.
    pub(crate) fn networks(&self) -> HashSet<String> {
        self.world().networks.clone()
    }

    /// Calls that changed something, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.world().calls.clone()
    }

    /// Who the app was told owns it.
    pub(crate) fn owner_told(&self, id: InstanceId) -> Option<RegisterOwner> {
        self.registered.lock().expect("not poisoned").get(&id).cloned()
    }

    /// A container of somebody else.
    pub(crate) fn foreign(&self, name: &str) {
        let info = ContainerInfo {
            id: format!("foreign-{name}"),
            name: name.to_owned(),
            labels: None,
            state: ContainerState::Running,
            image_id: "sha256:other".to_owned(),
            address: None,
        };
        let container = Container { info, behaviour: Behaviour::Good, config: PathBuf::new(), server: None };
        self.world().containers.insert(name.to_owned(), container);
    }

    /// Somebody stops (or kills) a container by hand.
    pub(crate) fn kill(&self, name: &str, code: i64, oom_killed: bool) {
        let mut world = self.world();
        let id = stop(&mut world, name, ContainerState::Exited { code, oom_killed });
        drop(world);
        self.tell(id, "die", Some(code));
    }

    /// Somebody removes a container by hand.
    pub(crate) fn vanish(&self, name: &str) {
        let mut world = self.world();
        let id = stop(&mut world, name, ContainerState::Changing);
        world.containers.remove(name);
        drop(world);
        self.tell(id, "destroy", None);
    }

    /// Where a test finds the app at an address.
    pub(crate) fn dial(&self, address: Ipv4Addr) -> SocketAddr {
        let port = self.world().ports.get(&address).copied();
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(1)))
    }

    fn tell(&self, id: Option<InstanceId>, action: &str, exit_code: Option<i64>) {
        if let Some(instance_id) = id {
            let _ = self.events.send(ContainerEvent { instance_id, action: action.to_owned(), exit_code });
        }
    }

    fn check(&self) -> EngineResult<()> {
        if self.world().down { Err(EngineError::Unreachable("no such socket".to_owned())) } else { Ok(()) }
    }

    fn name_of(&self, container: &str) -> Option<String> {
        let world = self.world();
        world
            .containers
            .values()
            .find(|c| c.info.name == container || c.info.id == container)
            .map(|c| c.info.name.clone())
    }

    async fn run(&self, name: &str) -> EngineResult<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut world = self.world();
        let Some(container) = world.containers.get_mut(name) else {
            return Err(EngineError::NotFound(name.to_owned()));
        };
        if container.info.state == ContainerState::Running {
            return Ok(());
        }
        if container.behaviour == Behaviour::Exits {
            container.info.state = ContainerState::Exited { code: 7, oom_killed: false };
            return Ok(());
        }
        let id = container.info.labels.as_ref().map(|labels| labels.instance_id);
        let app = App::new(container.behaviour, &container.config, id, Arc::clone(&self.registered));
        container.server = Some(app.serve(listener));
        container.info.state = ContainerState::Running;
        let address = container.info.address;
        if let Some(address) = address {
            world.ports.insert(address, port);
        }
        Ok(())
    }
}

fn stop(world: &mut World, name: &str, state: ContainerState) -> Option<InstanceId> {
    let container = world.containers.get_mut(name)?;
    container.info.state = state;
    if let Some(server) = container.server.take() {
        server.abort();
        // One that does not run may share its address with the one that replaced it.
        if let Some(address) = container.info.address {
            world.ports.remove(&address);
        }
    }
    container.info.labels.as_ref().map(|labels| labels.instance_id)
}

impl Engine for FakeEngine {
    fn ping(&self) -> BoxFuture<'_, EngineResult<String>> {
        async { self.check().map(|()| "29.0".to_owned()) }.boxed()
    }

    fn resolve_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<String>> {
        async move {
            self.check()?;
            let world = self.world();
            let by_id = || world.images.values().find(|(id, _)| id == name);
            let found = world.images.get(name).or_else(by_id).map(|(id, _)| id.clone());
            found.ok_or_else(|| EngineError::NotFound(format!("image {name}")))
        }
        .boxed()
    }

    fn pull<'a>(&'a self, image: &'a ImageName) -> BoxStream<'a, EngineResult<LayerProgress>> {
        let script = self.world().pulls.clone();
        self.world().calls.push(format!("pull {image}"));
        let first = stream::iter(self.check().err().map(Err));
        let steps = stream::iter(script).then(async move |step| match step {
            PullStep::Layer(layer, percent) => Ok(LayerProgress { layer: layer.to_owned(), percent }),
            PullStep::Fails(error) => Err(error),
            PullStep::Hangs => std::future::pending().await,
        });
        first.chain(steps).boxed()
    }

    fn ensure_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            self.world().networks.insert(spec.name.clone());
            Ok(())
        }
        .boxed()
    }

    fn has_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<bool>> {
        async move { self.check().map(|()| self.world().networks.contains(&spec.name)) }.boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        async move {
            self.check()?;
            let mut world = self.world();
            let name = spec.container_name();
            if world.containers.contains_key(&name) {
                return Err(EngineError::Conflict(name));
            }
            assert!(world.networks.contains(&spec.network), "the network is made first");
            assert!(spec.data_dir.is_dir(), "the folders are made first");
            let behaviour = world.images.values().find(|(id, _)| *id == spec.image_id).map(|(_, b)| *b);
            let behaviour = behaviour.ok_or_else(|| EngineError::NotFound("image".to_owned()))?;
            world.made += 1;
            let id = format!("container-{}", world.made);
            world.calls.push(format!("create {name}"));
            let info = ContainerInfo {
                id: id.clone(),
                name: name.clone(),
                labels: Some(OwnLabels {
                    instance_id: spec.instance_id,
                    slug: spec.slug.clone(),
                    owner_id: spec.owner_id,
                    generation: spec.generation,
                    spec_hash: spec.spec_hash(),
                }),
                state: ContainerState::Created,
                image_id: spec.image_id.clone(),
                address: Some(spec.address),
            };
            let config = spec.config_dir.clone();
            world.containers.insert(name, Container { info, behaviour, config, server: None });
            Ok(id)
        }
        .boxed()
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            let name = self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            self.world().calls.push(format!("start {name}"));
            self.run(&name).await
        }
        .boxed()
    }

    fn stop<'a>(&'a self, container: &'a str, _grace: Duration) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            let name = self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            let mut world = self.world();
            world.calls.push(format!("stop {name}"));
            let running = world
                .containers
                .get(&name)
                .is_some_and(|c| matches!(c.info.state, ContainerState::Running | ContainerState::Paused));
            if running {
                stop(&mut world, &name, ContainerState::Exited { code: 0, oom_killed: false });
            }
            Ok(())
        }
        .boxed()
    }

    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            let name = self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            let mut world = self.world();
            if world.cannot_freeze {
                return Err(EngineError::Other("cannot freeze".to_owned()));
            }
            world.calls.push(format!("pause {name}"));
            let container = world.containers.get_mut(&name).expect("a container");
            if container.info.state != ContainerState::Running {
                return Err(EngineError::Conflict(name));
            }
            container.info.state = ContainerState::Paused;
            Ok(())
        }
        .boxed()
    }

    fn unpause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            let name = self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            let mut world = self.world();
            world.calls.push(format!("unpause {name}"));
            let container = world.containers.get_mut(&name).expect("a container");
            if container.info.state != ContainerState::Paused {
                return Err(EngineError::Conflict(name));
            }
            container.info.state = ContainerState::Running;
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.check()?;
            let Some(name) = self.name_of(container) else { return Ok(()) };
            let mut world = self.world();
            let ours = world.containers.get(&name).is_some_and(|c| c.info.labels.is_some());
            assert!(ours, "{name} is not ours to remove");
            world.calls.push(format!("remove {name}"));
            stop(&mut world, &name, ContainerState::Changing);
            world.containers.remove(&name);
            Ok(())
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Option<ContainerInfo>>> {
        async move {
            self.check()?;
            let name = self.name_of(container);
            Ok(name.and_then(|name| self.world().containers.get(&name).map(|c| c.info.clone())))
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ContainerInfo>>> {
        async {
            self.check()?;
            let mut all = self.containers();
            all.retain(|info| info.labels.is_some());
            Ok(all)
        }
        .boxed()
    }

    fn events(&self) -> BoxStream<'_, EngineResult<ContainerEvent>> {
        let stream = tokio_stream::wrappers::BroadcastStream::new(self.events.subscribe());
        stream.filter_map(|event| async move { event.ok().map(Ok) }).boxed()
    }

    fn logs<'a>(
        &'a self,
        container: &'a str,
        _tail: u32,
        _follow: bool,
    ) -> BoxStream<'a, EngineResult<Bytes>> {
        let found = match (self.check(), self.name_of(container)) {
            (Err(error), _) => vec![Err(error)],
            (_, None) => vec![Err(EngineError::NotFound(container.to_owned()))],
            (_, Some(_)) => vec![Ok(Bytes::from("one\r\ntw")), Ok(Bytes::from("o\nthree"))],
        };
        futures_util::stream::iter(found).boxed()
    }

    fn cpu_time<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<u64>> {
        async move {
            self.check()?;
            self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            let held = self.world().held.take();
            if let Some(hold) = held {
                hold.wait().await;
            }
            Ok(u64::try_from(self.world().cpu.as_nanos()).expect("not for centuries"))
        }
        .boxed()
    }

    fn usage<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Usage>> {
        async move {
            self.check()?;
            self.name_of(container).ok_or_else(|| EngineError::NotFound(container.to_owned()))?;
            Ok(Usage { cpu_percent: 0.5, memory_bytes: 12 << 20, pids: 3 })
        }
        .boxed()
    }

    fn probe<'a>(
        &'a self,
        _image_id: &'a str,
        network: &'a str,
        _from: Ipv4Addr,
        _peer: Ipv4Addr,
        targets: &'a [ProbeTarget],
    ) -> BoxFuture<'a, EngineResult<Vec<ProbeFinding>>> {
        async move {
            self.check()?;
            let world = self.world();
            assert!(world.networks.contains(network), "the network is made first");
            if let Some(error) = &world.leaks {
                return Err(error.clone());
            }
            let reached = |target: &ProbeTarget| target.must_reach || world.reaches;
            Ok(targets
                .iter()
                .map(|target| ProbeFinding { target: target.clone(), reached: reached(target) })
                .collect())
        }
        .boxed()
    }
}

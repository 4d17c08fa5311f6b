//! `Engine` for Docker: each method is a look at whose the container is, one call, and the reading of its answer.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::client::{CHANGE, DockerEngine, LOOK, check_name};
use super::{error, read, spec};
use crate::engine::{
    ContainerEvent, ContainerInfo, ContainerSpec, ContainerState, Engine, EngineError, EngineResult,
    LayerProgress, NetworkSpec, ProbeFinding, ProbeTarget, Usage,
};
use crate::guard::hardening as fixed;
use crate::image_name::ImageName;

/// A ping asks whether Docker answers now.
const PING: Duration = Duration::from_secs(3);
/// A list of a thousand containers takes Docker a while.
const LIST: Duration = Duration::from_secs(30);
/// On top of the grace of a stop.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// Between two looks at a container that is being removed by somebody else.
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

impl DockerEngine {
    /// The filter that shows this installation's alone.
    pub(super) fn filters(&self) -> HashMap<String, Vec<String>> {
        let labels = vec![
            format!("{}=true", fixed::LABEL_MANAGED),
            format!("{}={}", fixed::LABEL_INSTALLATION, self.installation),
        ];
        HashMap::from([("label".to_owned(), labels)])
    }

    async fn version(&self) -> EngineResult<String> {
        // A client that was negotiated before would not notice that Docker went and came back.
        let ask = |docker: Docker| async move { docker.version().await };
        let version = self.call("ping", "Docker", PING, ask).await?;
        Ok(version.version.unwrap_or_else(|| "unknown".to_owned()))
    }

    async fn image_id(&self, name: &str) -> EngineResult<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-:/@".contains(&b);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.bytes().all(plain)
            || name.contains("..")
            || name.contains("//")
        {
            return Err(EngineError::Refused(format!("{name:?} is no image's name")));
        }
        let subject = format!("image {name}");
        let ask = |docker: Docker| async move { docker.inspect_image(name).await };
        let image = self.call("inspect image", &subject, LOOK, ask).await;
        // Docker's words for a missing one differ by version; the name is what helps.
        let image = image.map_err(|e| match e {
            EngineError::NotFound(_) => EngineError::NotFound(subject.clone()),
            other => other,
        })?;
        image.id.ok_or_else(|| EngineError::Other(format!("Docker told no id of {subject}")))
    }

    /// Creates a container and answers its id.
    pub(super) async fn create_named(
        &self,
        name: &str,
        body: bollard::models::ContainerCreateBody,
    ) -> EngineResult<String> {
        check_name(name)?;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let ask = |docker: Docker| async move { docker.create_container(Some(options), body).await };
        Ok(self.call("create", &format!("container {name}"), CHANGE, ask).await?.id)
    }

    pub(super) async fn start_own(&self, container: &str) -> EngineResult<()> {
        let id = self.existing_id(container).await?;
        self.start_id(&id).await
    }

    async fn start_id(&self, id: &str) -> EngineResult<()> {
        check_name(id)?;
        let ask = |docker: Docker| async move { docker.start_container(id, None).await };
        self.call("start", &format!("container {id}"), CHANGE, ask).await
    }

    async fn stop_own(&self, container: &str, grace: Duration) -> EngineResult<()> {
        let id = self.existing_id(container).await?;
        // Rounded up: half a second must not become none.
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(3600).min(3600);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let ask = |docker: Docker| async move { docker.stop_container(&id, Some(options)).await };
        self.call("stop", &format!("container {container}"), grace + STOP_MARGIN, ask).await
    }

    async fn pause_own(&self, container: &str) -> EngineResult<()> {
        let id = self.existing_id(container).await?;
        let asked = id.clone();
        let ask = |docker: Docker| async move { docker.pause_container(&asked).await };
        let answer = self.call("pause", &format!("container {container}"), CHANGE, ask).await;
        self.unless_it_is(&id, ContainerState::Paused, answer).await
    }

    async fn unpause_own(&self, container: &str) -> EngineResult<()> {
        let id = self.existing_id(container).await?;
        let asked = id.clone();
        let ask = |docker: Docker| async move { docker.unpause_container(&asked).await };
        let answer = self.call("unpause", &format!("container {container}"), CHANGE, ask).await;
        self.unless_it_is(&id, ContainerState::Running, answer).await
    }

    /// Docker answers with an error (409 or 500, by version) where nothing is to be done: then a look decides.
    async fn unless_it_is(
        &self,
        id: &str,
        wanted: ContainerState,
        answer: EngineResult<()>,
    ) -> EngineResult<()> {
        match answer {
            Err(error @ (EngineError::Conflict(_) | EngineError::Other(_))) => {
                let found = self.look(id).await?.map(|found| read::inspected(found, &self.installation));
                if found.is_some_and(|found| found.state == wanted) { Ok(()) } else { Err(error) }
            }
            answer => answer,
        }
    }

    pub(super) async fn remove_own(&self, container: &str) -> EngineResult<()> {
        let Some(id) = self.own_id(container).await? else { return Ok(()) };
        // With the volumes that the image may have declared: nobody else can have them.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let asked = id.clone();
        let ask = |docker: Docker| async move { docker.remove_container(&asked, Some(options)).await };
        match self.call("remove", &format!("container {container}"), CHANGE, ask).await {
            Err(EngineError::NotFound(_)) => Ok(()),
            // Somebody else is removing it.
            Err(EngineError::Conflict(_)) => tokio::time::timeout(CHANGE, self.until_gone(&id))
                .await
                .unwrap_or(Err(EngineError::TimedOut("remove"))),
            answer => answer,
        }
    }

    async fn until_gone(&self, id: &str) -> EngineResult<()> {
        while self.look(id).await?.is_some() {
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        Ok(())
    }

    /// All containers with our labels, probes too.
    pub(super) async fn summaries(&self) -> EngineResult<Vec<bollard::models::ContainerSummary>> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&self.filters()).build();
        let ask = |docker: Docker| async move { docker.list_containers(Some(options)).await };
        self.call("list", "containers", LIST, ask).await
    }

    async fn cpu_total(&self, container: &str) -> EngineResult<u64> {
        let id = self.existing_id(container).await?;
        let subject = format!("container {container}");
        // One-shot: Docker answers with a single sample at once.
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let ask = |docker: Docker| async move {
            let mut samples = std::pin::pin!(docker.stats(&id, Some(options)));
            samples.next().await.unwrap_or_else(|| Ok(ContainerStatsResponse::default()))
        };
        self.call("stats", &subject, LOOK, ask).await.map(|stats| read::cpu_time(&stats))
    }

    async fn measured(&self, container: &str) -> EngineResult<Usage> {
        let id = self.existing_id(container).await?;
        let subject = format!("container {container}");
        // Not streamed and not one-shot: Docker takes both samples itself and answers after the second.
        let options = StatsOptionsBuilder::new().stream(false).one_shot(false).build();
        let ask = |docker: Docker| async move {
            let mut samples = std::pin::pin!(docker.stats(&id, Some(options)));
            samples.next().await.unwrap_or_else(|| Ok(ContainerStatsResponse::default()))
        };
        self.call("stats", &subject, LOOK, ask).await.map(|stats| read::usage(&stats))
    }
}

impl Engine for DockerEngine {
    fn ping(&self) -> BoxFuture<'_, EngineResult<String>> {
        self.version().boxed()
    }

    fn resolve_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<String>> {
        self.image_id(name).boxed()
    }

    fn pull<'a>(&'a self, image: &'a ImageName) -> BoxStream<'a, EngineResult<LayerProgress>> {
        self.pulled(image)
    }

    fn ensure_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<()>> {
        self.network(spec).boxed()
    }

    fn has_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<bool>> {
        self.planned_network(spec).boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        async { self.create_named(&spec.container_name(), spec::container_body(spec)).await }.boxed()
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.start_own(container).boxed()
    }

    fn start_known<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.start_id(id).boxed()
    }

    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, EngineResult<()>> {
        self.stop_own(container, grace).boxed()
    }

    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.pause_own(container).boxed()
    }

    fn unpause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.unpause_own(container).boxed()
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.remove_own(container).boxed()
    }

    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Option<ContainerInfo>>> {
        let look = self.look(container);
        async { Ok(look.await?.map(|found| read::inspected(found, &self.installation))) }.boxed()
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ContainerInfo>>> {
        async {
            let all = self.summaries().await?;
            let instances = all.into_iter().filter(|found| !read::is_probe(found.labels.as_ref()));
            Ok(instances.map(|found| read::summary(found, &self.installation)).collect())
        }
        .boxed()
    }

    fn events(&self) -> BoxStream<'_, EngineResult<ContainerEvent>> {
        let connect = async {
            let docker = self.docker().await?;
            let mut filters = self.filters();
            filters.insert("type".to_owned(), vec!["container".to_owned()]);
            let options = EventsOptionsBuilder::new().filters(&filters).build();
            Ok(docker.events(Some(options)).map_err(|e| error::map("events", "events", e)))
        };
        let events = stream::once(connect).try_flatten();
        let own = events.try_filter_map(|message| async { Ok(read::event(message, &self.installation)) });
        // However the stream ends, the engine at its other end may be another one afterwards.
        own.chain(stream::once(async { self.forget() }).filter_map(|()| async { None })).boxed()
    }

    fn logs<'a>(&'a self, container: &'a str, tail: u32, follow: bool) -> BoxStream<'a, EngineResult<Bytes>> {
        let connect = async move {
            let id = self.existing_id(container).await?;
            let docker = self.docker().await?;
            let options = LogsOptionsBuilder::new()
                .follow(follow)
                .stdout(true)
                .stderr(true)
                .tail(&tail.to_string())
                .build();
            let lines = docker.logs(&id, Some(options));
            Ok(lines
                .map_ok(bollard::container::LogOutput::into_bytes)
                .map_err(|e| error::map("logs", "logs", e)))
        };
        stream::once(connect).try_flatten().boxed()
    }

    fn cpu_time<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<u64>> {
        self.cpu_total(container).boxed()
    }

    fn usage<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Usage>> {
        self.measured(container).boxed()
    }

    fn probe<'a>(
        &'a self,
        image_id: &'a str,
        network: &'a str,
        from: Ipv4Addr,
        peer: Ipv4Addr,
        targets: &'a [ProbeTarget],
    ) -> BoxFuture<'a, EngineResult<Vec<ProbeFinding>>> {
        self.run_probe(super::probe::Probe { image_id, network, from, peer, targets }).boxed()
    }
}

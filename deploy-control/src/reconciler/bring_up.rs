//! The steps that bring an instance up and let it rest. Each is idempotent: a crash after the doing and
//! before the writing-down does it again, and finds it done.

use std::sync::Arc;

use control_api::authz::RegistrationTokenRequest;
use control_api::client::ApiError;
use control_api::deploy::InstanceState;
use control_api::instance::{Owner, RegisterOwner};
use control_api::wire::WireSecret;
use tokio::time::Instant;

use super::context::{Trouble, blocking};
use super::flight::{Flight, View, container, evidence};
use super::memory;
use crate::blueprint::container_spec;
use crate::engine::{ContainerInfo, ContainerSpec, EngineError};
use crate::instance_app::Registered;
use crate::isolation::Verdict;
use crate::lifecycle::Container;
use crate::manifest::Manifest;
use crate::model::{Actor, Change, Entry, Goal, Instance, Place, Stage};
use crate::store::{Blame, LimitsNews, Update};

/// Between two looks at a container that is being waited for.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(250);

impl Flight {
    /// Network, folders, route and row at once; then the container.
    pub(super) async fn make(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let mut instance = view.instance.clone();
        if !instance.ever_ready
            && let Verdict::Pending(reason) | Verdict::Closed(reason) = context.isolation.verdict()
        {
            return Err(context.later(reason));
        }
        if let Some(reason) = context.disk_full() {
            return Err(context.later(reason));
        }
        if instance.image_id.is_none() {
            instance.image_id = Some(self.resolve_image().await?);
        }
        let Some((place, spec)) = self.spec(&instance) else {
            return Err(Trouble::Failed("it has no address; register it again".to_owned()));
        };
        instance.state = InstanceState::Creating;
        instance.reason = None;
        let update = Update {
            state: Some((InstanceState::Creating, None)),
            image: instance.image_id.as_deref(),
            stage: view.stage(Stage::Container),
            ..Update::default()
        };
        let (files, mcp) = (context.files.clone(), context.config.outlook.clone());
        let (id, uid, manifest) = (instance.id, instance.uid, Manifest::from(&instance));
        let (network, folders, route, row) = tokio::join!(
            context.ensure_network(place.shard),
            blocking(move || {
                files.prepare(id, uid, mcp.as_ref()).and_then(|()| files.write_manifest(&manifest))
            }),
            context.sync_route(&instance),
            context.store.apply(self.id, &update),
        );
        row?;
        network?;
        route?;
        folders.map_err(|error| context.disk_trouble("the instance's folder cannot be made", &error))?;
        context.faults.hit("make.prepared").await;
        self.own = Some(self.create(&spec).await?);
        context.faults.hit("make.created").await;
        let hash = spec.spec_hash();
        let update = Update {
            state: Some((InstanceState::Starting, None)),
            made: Some(true),
            spec_hash: Some(&hash),
            stage: view.stage(Stage::Ready),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("make.recorded").await;
        self.known = Some(Container::Stopped);
        Ok(())
    }

    fn spec(&self, instance: &Instance) -> Option<(Place, ContainerSpec)> {
        let spec = container_spec(&self.context.config, &self.context.files, instance)?;
        Some((instance.place?, spec))
    }

    async fn resolve_image(&self) -> Result<String, Trouble> {
        let name = &self.context.config.image;
        match self.context.engine.resolve_image(name).await {
            Err(EngineError::NotFound(_)) => Err(Trouble::Failed(missing_image(name))),
            outcome => Ok(outcome?),
        }
    }

    /// Creates the container, or adopts the very one that a crash left; answers its id.
    async fn create(&self, spec: &ContainerSpec) -> Result<String, Trouble> {
        let engine = &self.context.engine;
        match engine.create(spec).await {
            Ok(id) => return Ok(id),
            Err(EngineError::Conflict(_)) => {}
            Err(EngineError::NotFound(_)) => return Err(Trouble::Failed(missing_image(&spec.image_id))),
            Err(error) => return Err(error.into()),
        }
        let name = spec.container_name();
        let Some(found) = engine.inspect(&name).await? else {
            return Err(self.context.later(format!("the name {name} was in use; trying again")));
        };
        if is_same(&found, spec) {
            return Ok(found.id);
        }
        if !self.is_stale(&found, spec).await? {
            let reason =
                format!("a container named {name} exists and is not this instance's; remove or rename it");
            return Err(Trouble::Failed(reason));
        }
        engine.remove(&found.id).await?;
        Ok(engine.create(spec).await?)
    }

    /// Whether a container with our name is left from before: of this instance with another spec, or of one
    /// that is deleted.
    async fn is_stale(&self, found: &ContainerInfo, spec: &ContainerSpec) -> Result<bool, Trouble> {
        let Some(labels) = &found.labels else { return Ok(false) };
        if labels.instance_id == spec.instance_id {
            return Ok(true);
        }
        let other = self.context.store.instance(labels.instance_id).await?;
        Ok(other.is_some_and(|other| other.deleted_at.is_some()))
    }

    /// The next container is another: no pooled connection may be shared with the one that is gone.
    pub(super) async fn new_generation(&mut self, view: &View) -> Result<(), Trouble> {
        self.remove_renamed(view).await?;
        let generation = view.instance.generation + 1;
        let limits = Some(LimitsNews::Taken(self.context.in_force().limits));
        let update = Update { generation: Some(generation), made: Some(false), limits, ..Update::default() };
        self.context.store.apply(self.id, &update).await?;
        self.answered = false;
        Ok(())
    }

    /// Starts the container.
    pub(super) async fn start(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let mut instance = view.instance.clone();
        if instance.state != InstanceState::Starting {
            let update = Update {
                state: Some((InstanceState::Starting, None)),
                stage: view.stage(Stage::Ready),
                ..Update::default()
            };
            context.store.apply(self.id, &update).await?;
            instance.state = InstanceState::Starting;
            instance.reason = None;
        }
        let name = instance.container_name(&context.config.installation);
        self.answered = false;
        self.started = Some(Instant::now());
        let own = self.own.take();
        let start = match own.as_deref() {
            Some(id) => context.engine.start_known(id),
            None => context.engine.start(&name),
        };
        let (started, route) = tokio::join!(start, context.sync_route(&instance));
        match started {
            // It vanished meanwhile: look again.
            Err(EngineError::NotFound(_)) => return Ok(()),
            outcome => outcome?,
        }
        route?;
        context.faults.hit("start.started").await;
        self.known = Some(Container::Running);
        Ok(())
    }

    /// Asks until the app serves, and meanwhile fetches the token that tells it its owner.
    pub(super) async fn await_ready(&mut self, view: &View) -> Result<(), Trouble> {
        let instance = &view.instance;
        let Some(place) = instance.place else {
            return Err(Trouble::Failed("it has no address; register it again".to_owned()));
        };
        if instance.state != InstanceState::Starting && instance.state != InstanceState::Creating {
            let update = Update {
                state: Some((InstanceState::Starting, None)),
                stage: view.stage(Stage::Ready),
                ..Update::default()
            };
            self.context.store.apply(self.id, &update).await?;
        }
        let until = *self.started.get_or_insert_with(Instant::now) + self.context.timings.ready;
        let wants_token = !instance.owner_registered && self.token.is_none();
        let token =
            async { if wants_token { self.fetch_token(instance).await.ok() } else { self.token.clone() } };
        let (ready, token) = tokio::join!(self.until_ready(instance, place, until), token);
        self.token = token;
        self.evidence = None;
        ready?;
        self.answered = true;
        self.known = Some(Container::Running);
        Ok(())
    }

    async fn until_ready(&self, instance: &Instance, place: Place, until: Instant) -> Result<(), Trouble> {
        let name = instance.container_name(&self.context.config.installation);
        let ready = self.context.app.until_ready(place.address);
        tokio::pin!(ready);
        loop {
            let look = (Instant::now() + LOOK_AGAIN).min(until);
            tokio::select! {
                () = &mut ready => return Ok(()),
                () = self.interrupt.cancelled() => return Err(Trouble::Interrupted),
                () = tokio::time::sleep_until(look) => {}
            }
            let info = self.context.engine.inspect(&name).await?;
            let Some(info) = info else {
                return Err(Trouble::Failed("the container was removed while it started".to_owned()));
            };
            if container(info.state) == Container::Stopped {
                // A Docker that shuts down stops everything: that is no fault of the app.
                self.context.engine.ping().await?;
                let evidence = evidence(info.state).unwrap_or_else(|| "no exit code".to_owned());
                let evidence = memory::in_words(&evidence, instance.limits);
                return Err(Trouble::Broken(format!("the app ended while it started: {evidence}")));
            }
            if Instant::now() >= until {
                let seconds = self.context.timings.ready.as_secs();
                let reason = format!("the app did not answer GET /api/health within {seconds} s");
                return Err(Trouble::Broken(reason));
            }
        }
    }

    async fn fetch_token(&self, instance: &Instance) -> Result<WireSecret, ApiError> {
        let body = RegistrationTokenRequest {
            instance_id: instance.id,
            owner_id: instance.owner_id,
            slug: instance.slug.clone(),
        };
        Ok(self.context.authz.registration_token(&body).await?.registration_token)
    }

    /// Tells the app who owns it.
    pub(super) async fn register_owner(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let Some(place) = instance.place else {
            return Err(Trouble::Failed("it has no address; register it again".to_owned()));
        };
        let token = match self.token.take() {
            Some(token) => token,
            None => self.fetch_token(instance).await.map_err(|error| match error {
                error if error.is_transient() => context.later(error.to_string()),
                error => Trouble::Failed(format!("authz-service gives no registration token: {error}")),
            })?,
        };
        let body = RegisterOwner {
            owner: Owner {
                user_id: instance.owner_id,
                username: instance.username.clone(),
                email: instance.email.clone(),
            },
            issuer: context.config.issuer.url.clone(),
            registration_token: token,
        };
        let at = Update { stage: view.stage(Stage::Register), ..Update::default() };
        let (written, answer) =
            tokio::join!(context.store.apply(self.id, &at), context.app.register(place.address, &body));
        written?;
        match answer {
            Registered::Yes | Registered::Already | Registered::NotWanted => {}
            Registered::Later(reason) => return Err(context.later(reason)),
            Registered::Refused(reason) => return Err(Trouble::Failed(reason)),
        }
        context.faults.hit("register.answered").await;
        let update = Update { registered: true, ..Update::default() };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("register.recorded").await;
        self.known = Some(Container::Running);
        Ok(())
    }

    /// It serves: published, and the change that led here is done.
    pub(super) async fn commit(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let configured = matches!(instance.change, Change::ConfigureTry | Change::PutBackTry);
        let provider = if configured {
            let (files, id) = (context.files.clone(), self.id);
            let read = blocking(move || files.provider_summary(id)).await;
            Some(read.map_err(|error| context.disk_trouble("config.json cannot be read", &error))?)
        } else {
            None
        };
        if instance.change == Change::UpgradeTry {
            self.remove_previous_container(instance).await?;
        }
        if matches!(instance.change, Change::UpgradeTry | Change::UpgradeReturn) {
            self.tidy_snapshots().await?;
        }
        let update = Update {
            state: Some((InstanceState::Ready, None)),
            change: Some((instance.change, Change::None)),
            // It serves, so it was made: a crash between the two may have kept that from the record.
            made: Some(true),
            ready: true,
            nap: Some(false),
            provider: provider.as_ref().map(Option::as_ref),
            previous_image: match instance.change {
                // While it was tried, the target's place held the image before.
                Change::UpgradeTry => instance.target_image_id.as_deref(),
                _ => None,
            },
            stage: view.stage(Stage::Route),
            event: Some(view.actor().entry("ready", view.cause())),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("commit.recorded").await;
        self.known = Some(Container::Running);
        Ok(())
    }

    /// It fell over or vanished while it should serve.
    pub(super) async fn note_loss(&mut self, view: &View) -> Result<(), Trouble> {
        let evidence = self.evidence.clone();
        let used_up = memory::used_up(view.instance.limits);
        let with_docker =
            view.instance.ready_at.is_some_and(|at| self.context.availability.went_with_docker(at));
        let cause = match evidence.as_deref() {
            // Shown until it serves again, and kept in the ledger: its owner can do something about it.
            Some(memory::USED_UP) => used_up.as_str(),
            Some(_) if with_docker => "it ended when Docker went away or was restarted",
            Some(_) => "the container ended by itself or was stopped by hand",
            None => "the container was removed behind our back",
        };
        let update = Update {
            state: Some((InstanceState::Starting, Some(cause))),
            failure: (!with_docker).then_some(Blame::Instance),
            event: Some(Entry { what: "lost", cause, evidence: evidence.as_deref(), actor: Actor::Docker }),
            ..Update::default()
        };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }

    /// Publishes where it goes, so that the router sends nothing more, then stops the container.
    pub(super) async fn halt(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let mut instance = view.instance.clone();
        let full = context.full_disk(&instance);
        let (state, reason) = match instance.goal {
            Goal::Asleep => (InstanceState::Asleep, full.as_deref()),
            Goal::Stopped => (InstanceState::Stopped, Some("stopped on request")),
            _ => (InstanceState::Starting, Some(view.cause())),
        };
        let shown = if instance.change == Change::PutBack { Stage::PutBack } else { Stage::Stop };
        let update = Update { state: Some((state, reason)), stage: view.stage(shown), ..Update::default() };
        context.store.apply(self.id, &update).await?;
        instance.state = state;
        instance.reason = reason.map(str::to_owned);
        context.sync_route(&instance).await?;
        context.faults.hit("halt.published").await;
        let name = instance.container_name(&context.config.installation);
        match context.engine.stop(&name, context.timings.stop_grace).await {
            Err(EngineError::NotFound(_)) => {}
            outcome => outcome?,
        }
        context.faults.hit("halt.stopped").await;
        let what = if instance.goal == Goal::Asleep { "put to sleep" } else { "stopped" };
        context.store.record(self.id, &view.actor().entry(what, view.cause())).await?;
        context.faults.hit("rest.recorded").await;
        self.answered = false;
        Ok(())
    }

    /// It rests already: that is published.
    pub(super) async fn rest(&mut self, view: &View) -> Result<(), Trouble> {
        let full = self.context.full_disk(&view.instance);
        let state = match view.instance.goal {
            Goal::Asleep => (InstanceState::Asleep, full.as_deref()),
            _ => (InstanceState::Stopped, Some("stopped on request")),
        };
        let update = Update { state: Some(state), stage: view.stage(Stage::Route), ..Update::default() };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }

    /// One stage of a change is done; the container goes on from its start.
    pub(super) async fn change(
        &mut self,
        view: &View,
        from: Change,
        to: Change,
        stage: Stage,
    ) -> Result<(), Trouble> {
        let update = Update {
            state: Some((InstanceState::Starting, None)),
            change: Some((from, to)),
            stage: view.stage(stage),
            ..Update::default()
        };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }
}

fn is_same(found: &ContainerInfo, spec: &ContainerSpec) -> bool {
    found.labels.as_ref().is_some_and(|labels| {
        labels.instance_id == spec.instance_id
            && labels.owner_id == spec.owner_id
            && labels.generation == spec.generation
            && labels.spec_hash == spec.spec_hash()
    })
}

/// One clear sentence for a missing image.
pub(crate) fn missing_image(name: &str) -> String {
    format!(
        "the image {name} is not on this machine; fetch it with scripts/pull-image.sh, build or load it, or set \
         BEAVER_INSTANCE_IMAGE"
    )
}

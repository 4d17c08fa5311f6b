//! What a handler may ask for: each function checks what can be checked at once, writes down what is wanted,
//! wakes the reconciler and, where asked to, waits for the outcome. Nothing here touches a container.

use std::sync::Arc;
use std::time::Duration;

use control_api::deploy::{InstanceState, OperationKind, OperationState, RegisterRequest, RouteActivity};
use control_api::ids::{InstanceId, OperationId};
use control_api::instance::Provider;
use control_api::names::Slug;
use service_kit::clock::from_millis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineError;
use crate::error::Error;
use crate::idleness::Rung;
use crate::image_pulls::ImagePulls;
use crate::isolation::Verdict;
use crate::model::{Actor, Change, Goal, Instance, Operation};
use crate::reconciler::{Context, Reconciler};
use crate::store::{Intent, Order, Ordered, StoreError};

/// How long Docker may be away before a request that waits for it says so.
const DOCKER_PATIENCE: Duration = Duration::from_secs(3);
/// How long an instance may be kept awake at most: a week.
const LONGEST_LEASE_HOURS: u8 = 168;
/// Archives made at once: each takes a core while somebody reads it fast enough.
pub const ARCHIVES_AT_ONCE: usize = 2;

/// What requests work with. Clones share it.
#[derive(Clone)]
pub struct Requests {
    /// What the reconciler works with.
    pub context: Arc<Context>,
    /// The reconciler.
    pub reconciler: Reconciler,
    /// What pulls images.
    pub pulls: ImagePulls,
    /// Cancelled when the process stops.
    pub stopping: CancellationToken,
    /// Places of archives that are being made, of [`ARCHIVES_AT_ONCE`].
    pub archives: Arc<Semaphore>,
}

/// What an action asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve, also after a stop or a failure.
    Start,
    /// Stop until started.
    Stop,
    /// Stop and start.
    Restart,
    /// Stop until the next request.
    Sleep,
    /// Serve, because of a request.
    Wake,
    /// To the image that the configuration names now.
    Upgrade,
    /// Away; with its data where set.
    Delete {
        /// The data too.
        purge: bool,
    },
}

impl Requests {
    /// Orders an instance for a user; the same user again gets the same.
    pub async fn register(&self, body: &RegisterRequest) -> Result<Ordered, Error> {
        let context = &self.context;
        let email = body.email.as_deref().unwrap_or_default();
        if email.len() > 320 || email.chars().any(char::is_control) {
            return Err(Error::Fields(vec![("email", "is too long or has control characters".to_owned())]));
        }
        let known = context.store.by_owner(body.user_id).await?;
        let image_id = match known {
            Some(known) if known.state != InstanceState::Failed => None,
            _ => self.check_room().await?,
        };
        let slug = body.slug.clone().unwrap_or_else(|| body.username.clone().into());
        let order = Order {
            owner: body.user_id,
            username: &body.username,
            slug: body.slug.as_ref(),
            email,
            display_name: body.display_name.as_deref(),
            image_id: image_id.as_deref(),
            limits: context.in_force().limits,
            uid_base: context.config.uid_base,
            plan: &context.config.plan,
            allowance_ms: self.allowance_ms(),
        };
        let ordered = context.store.order(&order).await.map_err(|error| match error {
            StoreError::SlugTaken => Error::SlugTaken(slug.to_string()),
            error => error.into(),
        })?;
        context.faults.hit("register.accepted").await;
        if ordered.fresh {
            self.reconciler.changed(ordered.instance);
        }
        Ok(ordered)
    }

    /// Whether a new instance can be made at all; its image, where Docker can tell.
    async fn check_room(&self) -> Result<Option<String>, Error> {
        let context = &self.context;
        if let Verdict::Closed(reason) = context.isolation.verdict() {
            return Err(Error::NotIsolated(reason));
        }
        if let Some(reason) = context.disk_full() {
            return Err(Error::DiskFull(reason));
        }
        if context.availability.reason().is_some() {
            return Ok(None);
        }
        match context.engine.resolve_image(&context.config.image).await {
            Ok(id) => Ok(Some(id)),
            Err(EngineError::NotFound(_)) => {
                Err(Error::ImageMissing(crate::reconciler::missing_image(&context.config.image)))
            }
            Err(error @ EngineError::Refused(_)) => Err(Error::ImageMissing(error.to_string())),
            // The order is taken all the same, and waits for Docker.
            Err(error) => {
                context.availability.down(&error.to_string());
                Ok(None)
            }
        }
    }

    /// Does something to an instance.
    pub async fn act(&self, id: InstanceId, action: Action, actor: Actor) -> Result<OperationId, Error> {
        let instance = self.live(id).await?;
        let (kind, goal, change) = plan(action);
        let target = match action {
            Action::Upgrade => Some(self.upgrade_target().await?),
            _ => None,
        };
        let delete = matches!(action, Action::Delete { .. });
        if !delete && !instance.ever_ready && instance.state == InstanceState::Failed {
            return Err(Error::Conflict("the instance was never ready; register it again".to_owned()));
        }
        // The very image that it runs: that there is nothing to do is success.
        let change =
            if change == Change::Upgrade && target == instance.image_id { Change::None } else { change };
        let intent = Intent { target_image: target.as_deref(), ..self.intent(kind, goal, change, actor) };
        self.intend(&instance, &intent).await
    }

    pub(crate) async fn upgrade_target(&self) -> Result<String, Error> {
        let image = &self.context.config.image;
        self.context.engine.resolve_image(image).await.map_err(|error| match error {
            EngineError::NotFound(_) => Error::ImageMissing(crate::reconciler::missing_image(image)),
            error => Error::DockerAway(error.to_string()),
        })
    }

    /// Wakes an instance that sleeps; any other is left as it is, and so is one whose disk is full: only an explicit
    /// start brings it up. Answers the instance as it is now.
    pub async fn wake(&self, instance: Instance, actor: Actor) -> Result<Instance, Error> {
        if instance.goal != Goal::Asleep {
            return Ok(instance);
        }
        if let Some(reason) = self.context.full_disk(&instance) {
            return Ok(Instance { reason: Some(reason), ..instance });
        }
        let intent = self.intent(OperationKind::Wake, Goal::Awake, Change::None, actor);
        match self.intend(&instance, &intent).await {
            // Or somebody else was faster.
            Ok(_) | Err(Error::InProgress(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(self.context.store.instance(instance.id).await?.unwrap_or(instance))
    }

    /// Sets the provider: stages the new configuration, waits its turn and follows the operation to its end.
    pub async fn configure(&self, id: InstanceId, provider: &Provider) -> Result<Instance, Error> {
        let faults = provider.validate();
        if !faults.is_empty() {
            return Err(Error::Fields(faults));
        }
        let until = Instant::now() + self.context.timings.request;
        loop {
            let instance = self.live(id).await?;
            if let Some(active) = self.context.store.active_operation(id).await? {
                // A register or a wake that is under way: after it.
                self.follow(active.id, until).await?;
                continue;
            }
            if !instance.ever_ready {
                let reason = instance.reason.unwrap_or_else(|| "it was never ready".to_owned());
                return Err(Error::NotReady(format!("the instance is not there to be configured: {reason}")));
            }
            let Some(operation) = self.stage(&instance, provider).await? else { continue };
            let operation = self.follow(operation, until).await?;
            if operation.state == OperationState::Succeeded {
                return self.live(id).await;
            }
            let reason = operation.verdict.unwrap_or_else(|| "it was cancelled".to_owned());
            return Err(Error::NotReady(format!("{reason}; the configuration before is in force")));
        }
    }

    /// Writes the new configuration beside the old one and asks for the swap. `None`: another operation was
    /// faster.
    async fn stage(&self, instance: &Instance, provider: &Provider) -> Result<Option<OperationId>, Error> {
        let context = &self.context;
        let intent =
            self.intent(OperationKind::ConfigureProvider, Goal::Awake, Change::Configure, Actor::User);
        let (files, id, uid, operation) =
            (context.files.clone(), instance.id, instance.uid, intent.operation);
        let provider = provider.clone();
        let staged =
            tokio::task::spawn_blocking(move || files.stage_provider(id, uid, operation, &provider)).await;
        match staged {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::StorageFull => {
                return Err(Error::DiskFull(
                    "the configuration could not be written: the disk is full".into(),
                ));
            }
            Ok(Err(error)) => return Err(Error::Internal(format!("config.json: {error}"))),
            Err(error) => return Err(Error::Internal(error.to_string())),
        }
        context.faults.hit("configure.file-written").await;
        match self.intend(instance, &intent).await {
            Ok(operation) => {
                context.faults.hit("configure.accepted").await;
                Ok(Some(operation))
            }
            Err(error) => {
                let files = context.files.clone();
                let _ = tokio::task::spawn_blocking(move || files.unstage(id, operation)).await;
                match error {
                    Error::InProgress(_) => Ok(None),
                    error => Err(error),
                }
            }
        }
    }

    /// Asks for an operation to be cancelled.
    pub async fn cancel(&self, id: OperationId) -> Result<Operation, Error> {
        let store = &self.context.store;
        let operation = store.operation(id).await?.ok_or(Error::NotFound("There is no such operation."))?;
        if operation.kind == OperationKind::Delete && !operation.state.is_final() {
            return Err(Error::Conflict("a delete cannot be called off; register again instead".to_owned()));
        }
        if store.cancel(id).await? {
            self.reconciler.changed(operation.instance_id);
        }
        store.operation(id).await?.ok_or(Error::NotFound("There is no such operation."))
    }

    /// Waits until an operation has ended, at most until `until`.
    pub async fn follow(&self, id: OperationId, until: Instant) -> Result<Operation, Error> {
        let mut changes = self.context.store.changes();
        let away = self.docker_stays_away();
        tokio::pin!(away);
        loop {
            changes.mark_unchanged();
            let operation = self.context.store.operation(id).await?;
            let operation = operation.ok_or(Error::NotFound("There is no such operation."))?;
            if operation.state.is_final() {
                return Ok(operation);
            }
            tokio::select! {
                _ = changes.changed() => {}
                reason = &mut away => {
                    return Err(Error::DockerAway(format!("{reason}; operation {id} goes on by itself when it is back")));
                }
                () = tokio::time::sleep_until(until) => {
                    return Err(Error::Busy(format!("operation {id} is still at work; follow it")));
                }
                () = self.stopping.cancelled() => {
                    return Err(Error::Busy(format!("deploy-control restarts; operation {id} goes on afterwards")));
                }
            }
        }
    }

    async fn docker_stays_away(&self) -> String {
        loop {
            self.context.availability.until_down().await;
            tokio::time::sleep(DOCKER_PATIENCE).await;
            if let Some(reason) = self.context.availability.reason() {
                return reason;
            }
        }
    }

    /// Writes down what the router saw.
    pub async fn record_activity(&self, routes: &[RouteActivity]) -> Result<(), Error> {
        let uses: Vec<_> =
            routes.iter().map(|route| (route.instance_id, route.last_activity_at.as_millisecond())).collect();
        Ok(self.context.store.record_activity(&uses).await?)
    }

    /// The instance, unless it is deleted.
    pub async fn live(&self, id: InstanceId) -> Result<Instance, Error> {
        let found = self.context.store.instance(id).await?.filter(|instance| instance.deleted_at.is_none());
        found.ok_or(Error::NotFound("There is no such instance."))
    }

    /// A place for an archive of data, given back when dropped.
    pub fn archive_place(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.archives).try_acquire_owned().map_err(|_| {
            Error::Busy("other people's data is being archived just now; try again in a minute".to_owned())
        })
    }

    /// The instance that has the slug.
    pub async fn by_slug(&self, slug: &Slug) -> Result<Instance, Error> {
        self.context.store.by_slug(slug).await?.ok_or(Error::NotFound("There is no such instance."))
    }

    /// Puts an instance that nobody uses on a rung of the sleep ladder.
    pub async fn go_down(&self, instance: &Instance, rung: Rung) -> Result<(), Error> {
        self.put_to_sleep(instance, "nobody has used it for a while", rung == Rung::Freeze).await
    }

    /// Puts an instance to sleep whose disk is full.
    pub async fn stop_writing(&self, instance: &Instance, cause: &str) -> Result<(), Error> {
        self.put_to_sleep(instance, cause, false).await
    }

    async fn put_to_sleep(&self, instance: &Instance, cause: &str, nap: bool) -> Result<(), Error> {
        let intent = Intent {
            nap,
            cause,
            ..self.intent(OperationKind::Sleep, Goal::Asleep, Change::None, Actor::Reconciler)
        };
        match self.intend(instance, &intent).await {
            // Somebody wants something else of it meanwhile.
            Ok(_) | Err(Error::InProgress(_) | Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps an instance awake for so many hours, or no longer.
    pub async fn keep_awake(
        &self,
        id: InstanceId,
        hours: Option<u8>,
        actor: Actor,
    ) -> Result<Instance, Error> {
        if hours.is_some_and(|hours| !(1..=LONGEST_LEASE_HOURS).contains(&hours)) {
            return Err(Error::Fields(vec![("hours", "must be 1 to 168".to_owned())]));
        }
        let lease = hours.map(|hours| i64::from(hours) * 3_600_000);
        let until = lease.map(|lease| self.context.clock.now_ms().saturating_add(lease));
        let cause = match until {
            Some(until) => format!("until {}, on request", from_millis(until).strftime("%Y-%m-%d %H:%M UTC")),
            None => "on request".to_owned(),
        };
        let what = if until.is_some() { "kept awake" } else { "no longer kept awake" };
        Ok(self.context.store.keep_awake(id, until, &actor.entry(what, &cause)).await?)
    }

    pub(crate) async fn intend(
        &self,
        instance: &Instance,
        intent: &Intent<'_>,
    ) -> Result<OperationId, Error> {
        self.intend_for(instance.id, intent).await
    }

    pub(crate) async fn intend_for(&self, id: InstanceId, intent: &Intent<'_>) -> Result<OperationId, Error> {
        let operation = self.context.store.intend(id, intent).await?;
        if intent.kind == OperationKind::Delete {
            self.context.faults.hit("delete.accepted").await;
        }
        self.reconciler.changed(id);
        Ok(operation)
    }

    pub(crate) fn intent(
        &self,
        kind: OperationKind,
        goal: Goal,
        change: Change,
        actor: Actor,
    ) -> Intent<'static> {
        Intent {
            operation: OperationId::generate(),
            kind,
            goal,
            change,
            nap: false,
            target_image: None,
            restore: None,
            actor,
            cause: "on request",
            allowance_ms: self.allowance_ms(),
        }
    }

    fn allowance_ms(&self) -> i64 {
        i64::try_from(self.context.timings.operation.as_millis()).unwrap_or(i64::MAX)
    }
}

/// What an action means for the row.
fn plan(action: Action) -> (OperationKind, Goal, Change) {
    match action {
        Action::Start => (OperationKind::Start, Goal::Awake, Change::None),
        Action::Stop => (OperationKind::Stop, Goal::Stopped, Change::None),
        Action::Restart => (OperationKind::Restart, Goal::Awake, Change::Restart),
        Action::Sleep => (OperationKind::Sleep, Goal::Asleep, Change::None),
        Action::Wake => (OperationKind::Wake, Goal::Awake, Change::None),
        Action::Upgrade => (OperationKind::Upgrade, Goal::Awake, Change::Upgrade),
        Action::Delete { purge: false } => (OperationKind::Delete, Goal::Deleted, Change::None),
        Action::Delete { purge: true } => (OperationKind::Delete, Goal::Purged, Change::None),
    }
}

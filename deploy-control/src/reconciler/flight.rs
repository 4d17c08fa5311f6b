//! One flight: works on one instance, step by step, until it is settled or has to wait. Before each step the
//! row is read afresh, so that whatever was wanted meanwhile counts; after each step its outcome is on disk.

use std::sync::Arc;
use std::time::Duration;

use control_api::deploy::{OperationKind, OperationState};
use control_api::ids::InstanceId;
use control_api::wire::WireSecret;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Trouble, blocking};
use super::memory;
use crate::engine::ContainerState;
use crate::lifecycle::{Container, Desired, Observed, Policy, Step, next_step};
use crate::model::{Actor, Change, Goal, Instance, Operation, Stage, kind_str};
use crate::store::{Blame, Failures, Update};

/// How a flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is to be done.
    Settled,
    /// Come back after this time.
    Again(Duration),
    /// Come back when Docker is back.
    Blocked,
}

/// Work on one instance.
pub(super) struct Flight {
    pub(super) context: Arc<Context>,
    pub(super) id: InstanceId,
    pub(super) interrupt: CancellationToken,
    /// What the last step left, where it is known without asking Docker.
    pub(super) known: Option<Container>,
    /// Id of its own container, as it was just made or looked at.
    pub(super) own: Option<String>,
    /// Exit code or the like, with `known` or the last look.
    pub(super) evidence: Option<String>,
    /// Whether the app answered since it was started.
    pub(super) answered: bool,
    /// When the container was started.
    pub(super) started: Option<Instant>,
    /// For telling the app its owner; fetched while the app starts.
    pub(super) token: Option<WireSecret>,
}

/// The instance and the operation on it, as read before a step.
pub(super) struct View {
    pub(super) instance: Instance,
    pub(super) operation: Option<Operation>,
}

impl View {
    /// The stage, for [`Update::stage`].
    pub(super) fn stage(&self, stage: Stage) -> Option<(control_api::ids::OperationId, Stage)> {
        self.operation.as_ref().map(|operation| (operation.id, stage))
    }

    /// Who is behind what goes on.
    pub(super) fn actor(&self) -> Actor {
        self.operation.as_ref().map_or(Actor::Reconciler, |operation| operation.actor)
    }

    /// Why it goes on, for the ledger.
    pub(super) fn cause(&self) -> &'static str {
        self.operation.as_ref().map_or("it should be awake", |operation| kind_str(operation.kind))
    }
}

impl Flight {
    /// A flight that has not begun.
    pub(super) fn new(context: Arc<Context>, id: InstanceId, interrupt: CancellationToken) -> Self {
        Self {
            context,
            id,
            interrupt,
            known: None,
            own: None,
            evidence: None,
            answered: false,
            started: None,
            token: None,
        }
    }

    /// Works until the instance is settled or has to wait.
    pub(super) async fn run(mut self) -> Outcome {
        loop {
            if self.interrupt.is_cancelled() {
                return Outcome::Again(Duration::ZERO);
            }
            let view = match self.view().await {
                Ok(Some(view)) => view,
                Ok(None) => return Outcome::Settled,
                Err(trouble) => return self.store_trouble(&trouble),
            };
            let trouble = match self.advance(&view).await {
                Ok(None) => continue,
                Ok(Some(outcome)) => return outcome,
                Err(trouble) => trouble,
            };
            self.known = None;
            let outcome = match trouble {
                Trouble::Interrupted => return Outcome::Again(Duration::ZERO),
                Trouble::Docker(reason) => self.docker_away(&view, &reason).await,
                Trouble::Later(reason, pause) => self.wait(&view, &reason, pause).await,
                Trouble::Failed(reason) => self.failed(&view, &reason, "failed", Blame::Instance).await,
                Trouble::Broken(reason) => self.failed(&view, &reason, "failed", Blame::Image).await,
                trouble @ Trouble::Store(_) => Err(trouble),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome,
                Err(Trouble::Docker(reason)) => {
                    self.context.availability.down(&reason);
                    return Outcome::Blocked;
                }
                Err(trouble) => return self.store_trouble(&trouble),
            }
        }
    }

    async fn view(&self) -> Result<Option<View>, Trouble> {
        let view = self.context.store.view(self.id).await?;
        Ok(view.map(|(instance, operation)| View { instance, operation }))
    }

    fn store_trouble(&self, trouble: &Trouble) -> Outcome {
        if let Trouble::Store(error) = trouble {
            tracing::error!(instance = %self.id, %error, "a step could not be written down; it is tried again");
        }
        Outcome::Again(self.context.timings.retry)
    }

    /// One step. `None`: go on.
    async fn advance(&mut self, view: &View) -> Result<Option<Outcome>, Trouble> {
        if let Some(outcome) = self.heed_operation(view).await? {
            return Ok(outcome);
        }
        let container = self.observe(&view.instance).await?;
        // Somebody who asks is served whatever happened before, so nothing need be looked up.
        let failures = match view.operation {
            Some(_) => Failures::default(),
            None => self.context.store.failures(self.id).await?,
        };
        let instance = &view.instance;
        let policy = Policy {
            asked: view.operation.is_some(),
            recent_failures: failures.recent,
            last_failure: failures.last,
            image_failures: failures.image,
            back_off_ms: i64::try_from(self.context.timings.back_off.as_millis()).unwrap_or(i64::MAX),
        };
        let observed = Observed {
            container,
            state: instance.state,
            container_made: instance.container_made,
            answered: self.answered,
            registered: instance.owner_registered,
            erased: instance.deleted_at.is_some(),
        };
        let desired = Desired { goal: instance.goal, change: instance.change, nap: instance.nap };
        let step = next_step(desired, observed, &policy, self.context.clock.now_ms());
        tracing::debug!(instance = %self.id, ?desired, ?observed, ?step, "next step");
        self.known = None;
        self.perform(step, view).await
    }

    async fn perform(&mut self, step: Step, view: &View) -> Result<Option<Outcome>, Trouble> {
        match step {
            Step::Settled => return self.settle(view).await.map(Some),
            Step::Hold(hold) => return self.hold(hold, view).await.map(Some),
            Step::Make => self.make(view).await?,
            Step::NewGeneration => self.new_generation(view).await?,
            Step::Start => self.start(view).await?,
            Step::AwaitReady => self.await_ready(view).await?,
            Step::RegisterOwner => self.register_owner(view).await?,
            Step::Commit => self.commit(view).await?,
            Step::NoteLoss => self.note_loss(view).await?,
            Step::Halt => self.halt(view).await?,
            Step::Rest => self.rest(view).await?,
            Step::Freeze => self.freeze(view).await?,
            Step::Thaw => self.thaw(view).await?,
            Step::EndNap => self.end_nap(view).await?,
            Step::EndRestart => self.change(view, Change::Restart, Change::None, Stage::Ready).await?,
            Step::SwapConfig => self.swap_config(view).await?,
            Step::TryConfig => {
                self.change(view, Change::ConfigureHalt, Change::ConfigureTry, Stage::Ready).await?;
            }
            Step::RestoreConfig => self.restore_config(view).await?,
            Step::Snapshot => self.snapshot(view).await?,
            Step::ReplaceData => self.replace_data(view).await?,
            Step::RemoveContainer => self.remove_container(view).await?,
            Step::RestoreData => self.restore_data(view).await?,
            Step::TakeBack => self.take_back(view).await?,
            Step::Erase => self.erase(view).await?,
            Step::GiveUp(breaker) => self.give_up(view, breaker).await?,
        }
        Ok(None)
    }

    /// Cancels, deadlines and operations whose undoing is done. `Some`: the step was this.
    async fn heed_operation(&mut self, view: &View) -> Result<Option<Option<Outcome>>, Trouble> {
        let Some(operation) = &view.operation else { return Ok(None) };
        let instance = &view.instance;
        let undone = operation.verdict.is_some() && instance.change == Change::None;
        if undone && instance.goal == Goal::Awake {
            return self.settle(view).await.map(Some).map(Some);
        }
        if operation.verdict.is_some() {
            return Ok(None);
        }
        if operation.cancel {
            self.cancel(view, operation).await?;
            return Ok(Some(None));
        }
        if self.context.clock.now_ms() > operation.deadline {
            let waited = operation.waiting.as_deref().unwrap_or("it took too long");
            let reason = format!("the time for it ran out: {waited}");
            return self.failed(view, &reason, "failed", Blame::Instance).await.map(Some);
        }
        Ok(None)
    }

    async fn cancel(&mut self, view: &View, operation: &Operation) -> Result<(), Trouble> {
        let store = &self.context.store;
        let instance = &view.instance;
        let goal = match operation.kind {
            OperationKind::Stop | OperationKind::Sleep => operation.undo.unwrap_or(Goal::Awake),
            OperationKind::Start | OperationKind::Wake => operation.undo.unwrap_or(Goal::Stopped),
            OperationKind::Register if instance.ever_ready => operation.undo.unwrap_or(Goal::Stopped),
            OperationKind::Restart => instance.goal,
            _ => {
                let reason = "cancelled on request";
                return self.failed(view, reason, "cancelled", Blame::Instance).await.map(drop);
            }
        };
        let update = Update {
            goal: Some((instance.goal, goal)),
            change: Some((Change::Restart, Change::None)),
            ..Update::default()
        };
        store.apply(self.id, &update).await?;
        store.finish(operation, OperationState::Cancelled, Some("cancelled on request")).await?;
        Ok(())
    }

    /// What the container does.
    async fn observe(&mut self, instance: &Instance) -> Result<Container, Trouble> {
        if let Some(known) = self.known {
            return Ok(known);
        }
        let fresh = instance.goal == Goal::Awake && instance.change == Change::None;
        if instance.deleted_at.is_some() || (fresh && !instance.container_made) {
            return Ok(Container::Gone);
        }
        if matches!(instance.goal, Goal::Deleted | Goal::Purged) {
            let any = !self.own_containers().await?.is_empty();
            return Ok(if any { Container::Stopped } else { Container::Gone });
        }
        let name = instance.container_name(&self.context.config.installation);
        let info = self.context.engine.inspect(&name).await?;
        // Another's container under our name is no container of ours.
        let own = info.filter(|info| info.labels.as_ref().is_some_and(|l| l.instance_id == self.id));
        let Some(info) = own else { return Ok(Container::Gone) };
        self.own = Some(info.id);
        self.evidence = evidence(info.state);
        Ok(container(info.state))
    }

    /// All is as desired: the route says so, and the operation ends.
    async fn settle(&mut self, view: &View) -> Result<Outcome, Trouble> {
        let context = Arc::clone(&self.context);
        context.sync_route(&view.instance).await?;
        context.faults.hit("commit.routed").await;
        let Some(operation) = &view.operation else { return Ok(Outcome::Settled) };
        if operation.kind == OperationKind::ConfigureProvider {
            let (files, id, operation) = (context.files.clone(), self.id, operation.id);
            blocking(move || files.commit_config(id).and_then(|()| files.unstage(id, operation)))
                .await
                .map_err(|error| context.disk_trouble("the old configuration cannot be removed", &error))?;
        }
        let state = match (&operation.verdict, operation.cancel) {
            (None, _) => OperationState::Succeeded,
            (Some(_), true) => OperationState::Cancelled,
            (Some(_), false) => OperationState::Failed,
        };
        context.store.finish(operation, state, operation.verdict.as_deref()).await?;
        Ok(Outcome::Settled)
    }
}

/// What a container's state means for the lifecycle.
pub(super) fn container(state: ContainerState) -> Container {
    match state {
        ContainerState::Created | ContainerState::Exited { .. } => Container::Stopped,
        ContainerState::Running => Container::Running,
        ContainerState::Paused => Container::Paused,
        ContainerState::Changing => Container::Changing,
    }
}

/// What shows why it does not run.
pub(super) fn evidence(state: ContainerState) -> Option<String> {
    match state {
        ContainerState::Exited { oom_killed: true, .. } => Some(memory::USED_UP.to_owned()),
        ContainerState::Exited { code, .. } => Some(format!("exit code {code}")),
        _ => None,
    }
}

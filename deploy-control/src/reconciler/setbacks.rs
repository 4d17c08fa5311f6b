//! What a flight does when it cannot go on: wait and say for what, undo, count, or publish the failure.

use std::time::Duration;

use control_api::deploy::{InstanceState, OperationState};

use super::context::Trouble;
use super::flight::{Flight, Outcome, View};
use crate::lifecycle::{Aftermath, Breaker, Hold, after_failure};
use crate::model::{Actor, Change, Entry, Goal, Instance, Stage};
use crate::store::{Blame, Update};

impl Flight {
    pub(super) async fn hold(&mut self, hold: Hold, view: &View) -> Result<Outcome, Trouble> {
        let pause = match hold {
            Hold::Unknown | Hold::Changing => self.context.timings.retry,
            Hold::BackOff(until) => {
                self.context.sync_route(&view.instance).await?;
                let left = until.saturating_sub(self.context.clock.now_ms()).max(1);
                Duration::from_millis(left.unsigned_abs())
            }
            Hold::Paused => {
                let reason = "somebody paused the container; unpause, restart or stop it";
                if view.instance.state != InstanceState::Unknown {
                    let update = Update {
                        state: Some((InstanceState::Unknown, Some(reason))),
                        event: Some(Actor::Docker.entry("paused", "somebody paused the container")),
                        ..Update::default()
                    };
                    self.context.store.apply(self.id, &update).await?;
                    return Ok(Outcome::Again(Duration::ZERO));
                }
                self.context.sync_route(&view.instance).await?;
                return self
                    .wait(view, reason, self.context.timings.sweep)
                    .await
                    .map(|o| o.unwrap_or(Outcome::Again(self.context.timings.sweep)));
            }
        };
        Ok(Outcome::Again(pause))
    }

    pub(super) async fn docker_away(&self, view: &View, reason: &str) -> Result<Option<Outcome>, Trouble> {
        self.context.availability.down(reason);
        if let Some(operation) = &view.operation {
            self.context.store.wait(operation.id, reason, true).await?;
        }
        Ok(Some(Outcome::Blocked))
    }

    pub(super) async fn wait(
        &self,
        view: &View,
        reason: &str,
        pause: Duration,
    ) -> Result<Option<Outcome>, Trouble> {
        tracing::warn!(instance = %self.id, reason, "a step has to wait");
        if let Some(operation) = &view.operation
            && operation.waiting.as_deref() != Some(reason)
        {
            self.context.store.wait(operation.id, reason, false).await?;
        }
        Ok(Some(Outcome::Again(pause)))
    }

    /// A step has failed for good: undo, publish or count, as the lifecycle says.
    pub(super) async fn failed(
        &mut self,
        view: &View,
        reason: &str,
        what: &str,
        blame: Blame,
    ) -> Result<Option<Outcome>, Trouble> {
        tracing::warn!(instance = %self.id, reason, "a step failed");
        let instance = &view.instance;
        // A configuration that does not work is no fault of the image.
        let tried = matches!(instance.change, Change::None | Change::Restart | Change::UpgradeTry);
        let blame = if tried { blame } else { Blame::Instance };
        let of_image = Some(blame).filter(|blame| *blame == Blame::Image);
        if instance.goal != Goal::Awake {
            // It is still wanted; the operation need not be held open for it.
            if let Some(operation) = &view.operation {
                self.context.store.finish(operation, OperationState::Failed, Some(reason)).await?;
            }
            return Ok(Some(Outcome::Again(self.context.timings.sweep)));
        }
        match after_failure(instance.change, view.operation.is_some(), instance.ever_ready) {
            Aftermath::Undo(to) => {
                let update = Update {
                    state: Some((InstanceState::Starting, Some(reason))),
                    change: Some((instance.change, to)),
                    verdict: view.operation.as_ref().map(|operation| (operation.id, reason)),
                    stage: view.stage(Stage::PutBack),
                    failure: of_image,
                    event: Some(view.actor().entry(what, reason)),
                    ..Update::default()
                };
                self.context.store.apply(self.id, &update).await?;
            }
            Aftermath::Fail => self.publish_failed(view, reason, of_image).await?,
            Aftermath::Retry => {
                let update = Update {
                    state: Some((InstanceState::Starting, Some(reason))),
                    failure: Some(blame),
                    event: Some(Actor::Reconciler.entry("start failed", reason)),
                    ..Update::default()
                };
                self.context.store.apply(self.id, &update).await?;
                self.stop_quietly(instance).await?;
            }
        }
        self.answered = false;
        Ok(None)
    }

    /// A breaker is open: it is left as it is until somebody starts it.
    pub(super) async fn give_up(&mut self, view: &View, breaker: Breaker) -> Result<(), Trouble> {
        let reason = match breaker {
            Breaker::Instance => {
                let last = self.evidence.as_ref().map(|evidence| format!(" (the last time: {evidence})"));
                format!(
                    "it fell over 5 times within 10 minutes{} and is left stopped; start it to try again",
                    last.unwrap_or_default()
                )
            }
            Breaker::Image => format!(
                "its image {} failed to come up 5 times within 10 minutes, here and in other instances, and no \
                 instance of it is started by itself; start it to try again, or upgrade it to another image",
                view.instance.image_id.as_deref().unwrap_or("(unknown)")
            ),
        };
        self.publish_failed(view, &reason, None).await
    }

    async fn publish_failed(
        &mut self,
        view: &View,
        reason: &str,
        failure: Option<Blame>,
    ) -> Result<(), Trouble> {
        let instance = &view.instance;
        self.stop_quietly(instance).await?;
        let evidence = self.evidence.clone();
        let update = Update {
            state: Some((InstanceState::Failed, Some(reason))),
            change: Some((instance.change, Change::None)),
            verdict: view.operation.as_ref().map(|operation| (operation.id, reason)),
            failure,
            event: Some(Entry {
                what: "given up",
                cause: reason,
                evidence: evidence.as_deref(),
                actor: Actor::Reconciler,
            }),
            ..Update::default()
        };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }

    /// Stops a container that did not come up; that it does not exist is no matter.
    async fn stop_quietly(&mut self, instance: &Instance) -> Result<(), Trouble> {
        let name = instance.container_name(&self.context.config.installation);
        self.known = None;
        match self.context.engine.stop(&name, self.context.timings.stop_grace).await {
            Err(error) if error.is_transient() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

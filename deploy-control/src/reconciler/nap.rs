//! The first rung of the sleep ladder: a frozen container keeps its memory and goes on where it stood. The row
//! says that it is ours before it is frozen, so that a crash at any time leaves none that nobody would thaw.

use std::sync::Arc;

use control_api::deploy::InstanceState;

use super::context::Trouble;
use super::flight::{Flight, View};
use crate::engine::EngineError;
use crate::lifecycle::Container;
use crate::model::{Actor, Stage};
use crate::store::Update;

/// What is published of a frozen one.
const FROZEN: &str = "frozen; the next request thaws it";

impl Flight {
    /// Publishes that it sleeps, so that the router sends nothing more, then freezes the container.
    pub(super) async fn freeze(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let mut instance = view.instance.clone();
        let update = Update {
            state: Some((InstanceState::Asleep, Some(FROZEN))),
            stage: view.stage(Stage::Stop),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        instance.state = InstanceState::Asleep;
        instance.reason = Some(FROZEN.to_owned());
        context.sync_route(&instance).await?;
        context.faults.hit("freeze.published").await;
        let name = instance.container_name(&context.config.installation);
        match context.engine.pause(&name).await {
            Ok(()) => {}
            // It vanished meanwhile: look again.
            Err(EngineError::NotFound(_)) => return Ok(()),
            Err(error @ EngineError::Conflict(_)) => return Err(context.later(error.to_string())),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => return self.stop_instead(&error).await,
        }
        context.faults.hit("freeze.frozen").await;
        context.store.record(self.id, &view.actor().entry("frozen", view.cause())).await?;
        context.faults.hit("freeze.recorded").await;
        self.known = Some(Container::Paused);
        Ok(())
    }

    /// This machine cannot freeze containers: it is stopped, as without the first rung.
    async fn stop_instead(&self, error: &EngineError) -> Result<(), Trouble> {
        let cause = format!("it cannot be frozen and is stopped instead: {error}");
        tracing::warn!(instance = %self.id, %error, "a container cannot be frozen; it is stopped");
        let update = Update {
            nap: Some(false),
            event: Some(Actor::Docker.entry("not frozen", &cause)),
            ..Update::default()
        };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }

    /// Lets the container go on; that it serves is seen by the next step.
    pub(super) async fn thaw(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let name = view.instance.container_name(&context.config.installation);
        match context.engine.unpause(&name).await {
            // It vanished meanwhile: look again.
            Err(EngineError::NotFound(_)) => return Ok(()),
            Err(error @ EngineError::Conflict(_)) => return Err(context.later(error.to_string())),
            outcome => outcome?,
        }
        context.faults.hit("thaw.thawed").await;
        self.answered = false;
        self.started = None;
        self.known = Some(Container::Running);
        Ok(())
    }

    /// What was frozen does not run any more: it sleeps like one that was stopped.
    pub(super) async fn end_nap(&mut self, view: &View) -> Result<(), Trouble> {
        let update = Update {
            state: Some((InstanceState::Asleep, None)),
            nap: Some(false),
            stage: view.stage(Stage::Route),
            event: Some(
                Actor::Docker
                    .entry("stopped while frozen", "the container ended by itself or was stopped by hand"),
            ),
            ..Update::default()
        };
        self.context.store.apply(self.id, &update).await?;
        Ok(())
    }
}

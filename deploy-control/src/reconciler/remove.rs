//! The steps that take things away. Only containers that carry this instance's label are touched, and the row
//! is the last to go, so that a crash is followed by another try.

use std::sync::Arc;

use control_api::deploy::InstanceState;

use super::context::{Trouble, blocking};
use super::flight::{Flight, View};
use crate::engine::ContainerInfo;
use crate::model::{Actor, Change, Entry, Goal, Stage};
use crate::store::Update;

impl Flight {
    /// Every container that carries this instance's label, of whatever generation.
    pub(super) async fn own_containers(&self) -> Result<Vec<ContainerInfo>, Trouble> {
        let mut all = self.context.engine.list().await?;
        all.retain(|info| info.labels.as_ref().is_some_and(|labels| labels.instance_id == self.id));
        Ok(all)
    }

    /// The container of the row's name is gone. One that carries this instance's labels under another name was
    /// renamed by hand: it holds the address that the next one needs.
    pub(super) async fn remove_renamed(&self, view: &View) -> Result<(), Trouble> {
        if matches!(view.instance.change, Change::Upgrade | Change::UpgradeTry | Change::UpgradeBack) {
            // The container of the other generation is there by right.
            return Ok(());
        }
        for container in self.own_containers().await? {
            tracing::warn!(instance = %self.id, container = container.name, "it has another name than is planned");
            let cause = "a container of this instance had a name that was not given to it";
            let entry =
                Entry { what: "removed", cause, evidence: Some(&container.name), actor: Actor::Reconciler };
            self.context.engine.remove(&container.id).await?;
            self.context.store.record(self.id, &entry).await?;
        }
        Ok(())
    }

    /// Removes the current container, or all of them where the instance is deleted.
    pub(super) async fn remove_container(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let deleted = matches!(instance.goal, Goal::Deleted | Goal::Purged);
        let state = if deleted { InstanceState::Deleting } else { InstanceState::Starting };
        let reason = instance.reason.as_deref();
        let update = Update {
            state: Some((state, reason)),
            stage: view.stage(if deleted { Stage::Remove } else { Stage::PutBack }),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        if deleted {
            let mut leaving = instance.clone();
            leaving.state = state;
            // The router must not send anybody there; that it cannot be told is no reason to keep it.
            if let Err(trouble) = context.sync_route(&leaving).await {
                tracing::warn!(?trouble, "the route of a leaving instance cannot be written");
            }
            for container in self.own_containers().await? {
                context.engine.remove(&container.id).await?;
            }
        } else {
            let name = instance.container_name(&context.config.installation);
            context.engine.remove(&name).await?;
            context.faults.hit("upgrade-back.removed").await;
        }
        context.faults.hit("remove.removed").await;
        Ok(())
    }

    /// Gives back what a register that failed had taken: folder, address, route. The row stays, failed, and
    /// can be registered again.
    pub(super) async fn take_back(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let (files, id) = (context.files.clone(), self.id);
        blocking(move || files.purge(id))
            .await
            .map_err(|error| context.disk_trouble("the instance's folder cannot be removed", &error))?;
        context.faults.hit("take-back.files").await;
        let verdict = view.operation.as_ref().and_then(|operation| operation.verdict.as_deref());
        let reason = verdict.or(instance.reason.as_deref()).unwrap_or("it could not be brought up");
        let update = Update {
            state: Some((InstanceState::Failed, Some(reason))),
            change: Some((Change::TakeBack, Change::None)),
            made: Some(false),
            generation: Some(instance.generation + u64::from(instance.container_made)),
            release: true,
            event: Some(view.actor().entry("taken back", reason)),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("take-back.recorded").await;
        self.answered = false;
        Ok(())
    }

    /// Removes the last traces: route, data where it is to go, address, slug.
    pub(super) async fn erase(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let (routes, slug, id) = (context.routes.clone(), instance.slug.clone(), self.id);
        blocking(move || routes.remove(&slug, id))
            .await
            .map_err(|error| context.disk_trouble("the route cannot be removed", &error))?;
        context.faults.hit("erase.route").await;
        if instance.goal == Goal::Purged {
            let (files, id) = (context.files.clone(), self.id);
            blocking(move || files.purge(id))
                .await
                .map_err(|error| context.disk_trouble("the data cannot be removed", &error))?;
        } else {
            self.tidy_snapshots().await?;
        }
        context.faults.hit("erase.data").await;
        let cause = if instance.goal == Goal::Purged { "with its data" } else { "its data is kept" };
        // Revived meanwhile: the next look at the row goes on from there.
        if context.store.erased(instance, &view.actor().entry("deleted", cause)).await? {
            context.faults.hit("erase.recorded").await;
        }
        Ok(())
    }
}

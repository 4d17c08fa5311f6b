//! The steps of an upgrade and of a rollback, which is an upgrade to an image from before, with the data of then
//! where that is asked for: the present data is copied aside first, and where the new container does not come up
//! the old one comes back with the old data.

use std::io::ErrorKind;
use std::sync::Arc;

use control_api::deploy::InstanceState;

use super::context::{Trouble, blocking};
use super::flight::{Flight, View};
use crate::engine::container_name;
use crate::instance_files::SNAPSHOTS_KEPT;
use crate::model::{Change, Instance, Stage};
use crate::store::{LimitsNews, SnapshotNews, Update};

impl Flight {
    /// Copies the data aside and counts on to the new image. From here until the new container is ready the
    /// place of the target image holds the old one.
    pub(super) async fn snapshot(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let Some(target) = instance.target_image_id.as_deref() else {
            return Err(Trouble::Failed("no image was chosen to go to".to_owned()));
        };
        let Some(image) = instance.image_id.as_deref() else {
            return Err(Trouble::Failed("it was never made from an image".to_owned()));
        };
        if let Some(reason) = context.disk_full() {
            return Err(Trouble::Failed(reason));
        }
        let stage = Update { stage: view.stage(Stage::Snapshot), ..Update::default() };
        context.store.apply(self.id, &stage).await?;
        let (files, id, generation) = (context.files.clone(), self.id, instance.generation);
        let bytes = blocking(move || files.snapshot(id, generation))
            .await
            .map_err(|error| Trouble::Failed(format!("the data cannot be copied aside: {error}")))?;
        context.faults.hit("snapshot.copied").await;
        // From here on the present data must not be copied again under this number: it may be replaced.
        let next = if instance.restore_generation.is_some() { Change::Restore } else { Change::UpgradeTry };
        let update = Update {
            change: Some((Change::Upgrade, next)),
            generation: Some(generation + 1),
            made: Some(false),
            image: Some(target),
            target_image: Some(image),
            snapshot: Some(SnapshotNews::Taken { generation, image, bytes }),
            limits: Some(LimitsNews::Tried(context.in_force().limits)),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("snapshot.recorded").await;
        Ok(())
    }

    /// The data of an older snapshot takes the place of the present, of which there is a copy.
    pub(super) async fn replace_data(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        if let Some(generation) = view.instance.restore_generation {
            let (files, id) = (context.files.clone(), self.id);
            let replaced = blocking(move || files.restore_data(id, generation)).await;
            replaced.map_err(|error| match error.kind() {
                ErrorKind::NotFound => Trouble::Failed(format!("there is no snapshot {generation} any more")),
                _ => context.disk_trouble("the data of the snapshot cannot be put back", &error),
            })?;
        }
        context.faults.hit("restore.replaced").await;
        self.change(view, Change::Restore, Change::UpgradeTry, Stage::Container).await?;
        context.faults.hit("restore.recorded").await;
        Ok(())
    }

    /// Forgets all but the newest snapshots, and removes what lies beside them: copies that were never written
    /// down, or that are the present data again. Those that cannot be removed are left to the next time.
    pub(super) async fn tidy_snapshots(&self) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        context.store.keep_newest_snapshots(self.id, SNAPSHOTS_KEPT).await?;
        context.faults.hit("snapshots.forgotten").await;
        let kept = context.store.snapshots(self.id).await?.iter().map(|kept| kept.generation).collect();
        let (files, id) = (context.files.clone(), self.id);
        if let Err(error) = blocking(move || files.keep_snapshots(id, &kept)).await {
            tracing::warn!(instance = %self.id, %error, "old snapshots cannot be removed");
        }
        Ok(())
    }

    /// The new container serves: the old one is not needed any more.
    pub(super) async fn remove_previous_container(&self, instance: &Instance) -> Result<(), Trouble> {
        let previous = instance.generation.saturating_sub(1);
        let name = container_name(&self.context.config.installation, &instance.slug, previous);
        let found = self.context.engine.inspect(&name).await?;
        if let Some(found) = found.filter(|c| c.labels.as_ref().is_some_and(|l| l.instance_id == self.id)) {
            self.context.engine.remove(&found.id).await?;
        }
        Ok(())
    }

    /// The new container is gone: data, image and generation are what they were.
    pub(super) async fn restore_data(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let previous = instance.generation.saturating_sub(1);
        let (files, id) = (context.files.clone(), self.id);
        match blocking(move || files.restore_data(id, previous)).await {
            // Somebody removed it: what is there is the best there is.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::error!(instance = %self.id, previous, "the snapshot is not there; the data stays");
            }
            outcome => {
                outcome.map_err(|error| context.disk_trouble("the data cannot be put back", &error))?;
            }
        }
        context.faults.hit("upgrade-back.restored").await;
        let update = Update {
            state: Some((InstanceState::Starting, None)),
            change: Some((Change::UpgradeBack, Change::UpgradeReturn)),
            generation: Some(previous),
            made: Some(true),
            image: instance.target_image_id.as_deref(),
            snapshot: Some(SnapshotNews::Returned { generation: previous }),
            limits: Some(LimitsNews::Returned),
            stage: view.stage(Stage::PutBack),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        self.answered = false;
        Ok(())
    }
}

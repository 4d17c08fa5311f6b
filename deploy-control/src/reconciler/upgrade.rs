//! The steps of an upgrade and of a rollback, which is an upgrade to the image before: the data is copied
//! aside first, and where the new container does not come up the old one comes back with the old data.

use std::sync::Arc;

use control_api::deploy::InstanceState;

use super::context::{Trouble, blocking};
use super::flight::{Flight, View};
use crate::engine::container_name;
use crate::model::{Change, Instance, Stage};
use crate::store::Update;

impl Flight {
    /// Copies the data aside and counts on to the new image. From here until the new container is ready the
    /// place of the target image holds the old one.
    pub(super) async fn snapshot(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let instance = &view.instance;
        let Some(target) = instance.target_image_id.as_deref() else {
            return Err(Trouble::Failed("no image was chosen to go to".to_owned()));
        };
        if let Some(reason) = context.disk_full() {
            return Err(Trouble::Failed(reason));
        }
        let stage = Update { stage: view.stage(Stage::Snapshot), ..Update::default() };
        context.store.apply(self.id, &stage).await?;
        let (files, id, generation) = (context.files.clone(), self.id, instance.generation);
        blocking(move || files.snapshot(id, generation))
            .await
            .map_err(|error| Trouble::Failed(format!("the data cannot be copied aside: {error}")))?;
        context.faults.hit("snapshot.copied").await;
        let update = Update {
            change: Some((Change::Upgrade, Change::UpgradeTry)),
            generation: Some(generation + 1),
            made: Some(false),
            image: Some(target),
            target_image: instance.image_id.as_deref(),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        context.faults.hit("snapshot.recorded").await;
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
        blocking(move || files.restore_data(id, previous))
            .await
            .map_err(|error| context.disk_trouble("the data cannot be put back", &error))?;
        context.faults.hit("upgrade-back.restored").await;
        let update = Update {
            state: Some((InstanceState::Starting, None)),
            change: Some((Change::UpgradeBack, Change::UpgradeReturn)),
            generation: Some(previous),
            made: Some(true),
            image: instance.target_image_id.as_deref(),
            stage: view.stage(Stage::PutBack),
            ..Update::default()
        };
        context.store.apply(self.id, &update).await?;
        self.answered = false;
        Ok(())
    }
}

//! The steps of `configure-provider`. The key travels in files of the instance's own folder alone: staged by
//! the handler, put in force here, and put back where the app does not come up with it.

use std::sync::Arc;

use super::context::{Trouble, blocking};
use super::flight::{Flight, View};
use crate::model::{Change, Stage};

impl Flight {
    /// The staged file takes the place of the one in force, which is kept beside it.
    pub(super) async fn swap_config(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let Some(operation) = &view.operation else {
            // Its operation ended without it: there is nothing to put in force.
            return self.change(view, Change::Configure, Change::ConfigureHalt, Stage::Configure).await;
        };
        let (id, uid, operation) = (self.id, view.instance.uid, operation.id);
        let trouble = |error| context.disk_trouble("the configuration cannot be written", &error);
        let files = context.files.clone();
        blocking(move || files.keep_config(id, uid, operation)).await.map_err(trouble)?;
        context.faults.hit("configure.kept").await;
        let files = context.files.clone();
        blocking(move || files.swap_config(id, operation)).await.map_err(trouble)?;
        context.faults.hit("configure.swapped").await;
        self.change(view, Change::Configure, Change::ConfigureHalt, Stage::Configure).await?;
        context.faults.hit("configure.recorded").await;
        Ok(())
    }

    /// The old file is in force again.
    pub(super) async fn restore_config(&mut self, view: &View) -> Result<(), Trouble> {
        let context = Arc::clone(&self.context);
        let (files, id) = (context.files.clone(), self.id);
        blocking(move || files.restore_config(id))
            .await
            .map_err(|error| context.disk_trouble("the old configuration cannot be put back", &error))?;
        context.faults.hit("put-back.file").await;
        self.change(view, Change::PutBack, Change::PutBackTry, Stage::PutBack).await?;
        context.faults.hit("put-back.recorded").await;
        Ok(())
    }
}

//! Pulls of images: operations of their own, each in a job of one task. What is to be done is in the database, so a
//! restart starts anew what was under way; Docker keeps the layers that had come. It must stay true that every
//! pull ends: at its deadline at the latest, which only time without Docker puts off.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use control_api::deploy::OperationState;
use control_api::ids::OperationId;
use futures_util::StreamExt as _;
use service_kit::lifecycle::Lifecycle;
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{EngineError, LayerProgress};
use crate::image_name::ImageName;
use crate::model::ImagePull;
use crate::reconciler::Context;
use crate::store::{StoreError, StoreResult};

/// How the rest of the service orders and cancels pulls. Clones share it.
#[derive(Clone)]
pub struct ImagePulls {
    context: Arc<Context>,
    news: Arc<Notify>,
}

impl ImagePulls {
    /// Starts the task, and anew what an earlier process had begun.
    pub async fn start(lifecycle: &Lifecycle, context: Arc<Context>) -> StoreResult<Self> {
        context.store.restart_pulls(millis(context.timings.pull)).await?;
        let this = Self { context, news: Arc::default() };
        let task = Task {
            context: Arc::clone(&this.context),
            news: Arc::clone(&this.news),
            jobs: JoinSet::new(),
            at_work: HashMap::new(),
            stopping: lifecycle.stopping(),
        };
        lifecycle.spawn_critical("image-pulls", task.run());
        Ok(this)
    }

    /// Orders a pull. The same image again, while it is being pulled: the same operation.
    pub async fn order(&self, image: &ImageName) -> StoreResult<OperationId> {
        let id = self.context.store.order_pull(image, millis(self.context.timings.pull)).await?;
        self.news.notify_one();
        Ok(id)
    }

    /// Asks for a pull to be cancelled; `None` where no pull has that id.
    pub async fn cancel(&self, id: OperationId) -> StoreResult<Option<ImagePull>> {
        let store = &self.context.store;
        if store.image_pull(id).await?.is_some() {
            store.cancel_pull(id).await?;
            self.news.notify_one();
        }
        store.image_pull(id).await
    }
}

/// The only one that begins and ends pulls.
struct Task {
    context: Arc<Context>,
    news: Arc<Notify>,
    jobs: JoinSet<()>,
    at_work: HashMap<task::Id, (OperationId, CancellationToken)>,
    stopping: CancellationToken,
}

impl Task {
    async fn run(mut self) -> Result<(), String> {
        let stopping = self.stopping.clone();
        loop {
            match self.context.store.active_pulls().await {
                Ok(pulls) => pulls.into_iter().for_each(|pull| self.heed(pull)),
                Err(error) => tracing::error!(%error, "the pulls cannot be read"),
            }
            tokio::select! {
                () = stopping.cancelled() => break,
                () = self.news.notified() => {}
                Some(ended) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => {
                    let job = ended.map_or_else(|error| error.id(), |(job, ())| job);
                    self.at_work.remove(&job);
                }
            }
        }
        self.jobs.shutdown().await;
        Ok(())
    }

    fn heed(&mut self, pull: ImagePull) {
        match self.at_work.values().find(|(id, _)| *id == pull.id) {
            Some((_, cancel)) if pull.cancel => cancel.cancel(),
            Some(_) => {}
            None => {
                let (context, cancel) = (Arc::clone(&self.context), CancellationToken::new());
                let entry = (pull.id, cancel.clone());
                if pull.cancel {
                    cancel.cancel();
                }
                let job = self.jobs.spawn(async move { work(&context, &pull, &cancel).await });
                self.at_work.insert(job.id(), entry);
            }
        }
    }
}

/// Brings a pull to its end and writes that down.
async fn work(context: &Context, pull: &ImagePull, cancel: &CancellationToken) {
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(Outcome::Cancelled),
        outcome = fetch(context, pull) => outcome,
    };
    let written = match outcome {
        Ok(outcome) => finish(context, pull, outcome).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::error!(image = %pull.image, %error, "a pull is tried again: the database failed");
        tokio::time::sleep(context.timings.retry).await;
    }
}

/// How a pull ended.
enum Outcome {
    Succeeded,
    Failed(String),
    Cancelled,
}

async fn finish(context: &Context, pull: &ImagePull, outcome: Outcome) -> StoreResult<()> {
    let (state, verdict) = match outcome {
        Outcome::Succeeded => (OperationState::Succeeded, None),
        Outcome::Failed(reason) => (OperationState::Failed, Some(reason)),
        Outcome::Cancelled => (OperationState::Cancelled, Some("cancelled on request".to_owned())),
    };
    tracing::info!(image = %pull.image, ?state, reason = verdict, "a pull has ended");
    context.store.finish_pull(pull.id, state, verdict.as_deref()).await
}

/// Tries until the image is there, the registry refuses, or the time is over.
async fn fetch(context: &Context, pull: &ImagePull) -> StoreResult<Outcome> {
    let left = pull.deadline.saturating_sub(context.clock.now_ms());
    let mut left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
    loop {
        let begun = Instant::now();
        match tokio::time::timeout(left, follow(context, pull)).await {
            Ok(Ok(())) => return Ok(Outcome::Succeeded),
            Ok(Err(Trouble::Store(error))) => return Err(error),
            Ok(Err(Trouble::Engine(error))) if error.is_transient() => {
                left = left.saturating_sub(begun.elapsed());
                wait_for_docker(context, pull, &error).await?;
            }
            Ok(Err(Trouble::Engine(error))) => return Ok(Outcome::Failed(error.to_string())),
            Err(_) => return Ok(Outcome::Failed("the time for it ran out: it took too long".to_owned())),
        }
    }
}

/// Until it answers again. That time does not count.
async fn wait_for_docker(context: &Context, pull: &ImagePull, error: &EngineError) -> StoreResult<()> {
    let reason = error.to_string();
    context.store.pull_waits(pull.id, &reason).await?;
    context.availability.down(&reason);
    let begun = Instant::now();
    context.availability.until_up().await;
    context.store.extend_pull(pull.id, millis(begun.elapsed())).await
}

/// Why one try came to nothing.
enum Trouble {
    Engine(EngineError),
    Store(StoreError),
}

/// One try, with its progress written down as it grows.
async fn follow(context: &Context, pull: &ImagePull) -> Result<(), Trouble> {
    context.store.pull_progress(pull.id, 0).await.map_err(Trouble::Store)?;
    let mut news = context.engine.pull(&pull.image);
    let (mut layers, mut told) = (Layers::default(), 0);
    while let Some(layer) = news.next().await {
        let percent = layers.heed(layer.map_err(Trouble::Engine)?);
        if percent > told {
            context.store.pull_progress(pull.id, percent).await.map_err(Trouble::Store)?;
            told = percent;
        }
    }
    Ok(())
}

/// How far each layer is.
#[derive(Default)]
struct Layers(BTreeMap<String, u8>);

impl Layers {
    /// Takes news of one; answers how far the whole is. Less than 100, because the layers are not all.
    fn heed(&mut self, news: LayerProgress) -> u8 {
        let layer = self.0.entry(news.layer).or_default();
        *layer = news.percent.min(100).max(*layer);
        let sum: usize = self.0.values().map(|percent| usize::from(*percent)).sum();
        u8::try_from(sum / self.0.len()).unwrap_or(100).min(99)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percent_is_that_of_all_layers_and_none_falls_back() {
        let mut layers = Layers::default();
        let mut heed = |layer: &str, percent| layers.heed(LayerProgress { layer: layer.to_owned(), percent });
        assert_eq!(heed("a", 0), 0);
        assert_eq!(heed("b", 0), 0);
        assert_eq!(heed("a", 50), 25);
        assert_eq!(heed("a", 20), 25);
        assert_eq!(heed("a", 100), 50);
        assert_eq!(heed("b", 200), 99);
    }
}

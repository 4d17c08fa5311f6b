//! Upgrade and rollback by script while requests come in: the router holds them, and none fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use e2e::fixture::World;
use e2e::http::Visitor;
use e2e::wait::until;
use e2e::{Outcome, ensure, ensure_eq};
use reqwest::Method;

use crate::lifecycle::{change_image, keeping_the_image, remove_made_images};

const LIMIT: Duration = Duration::from_mins(1);
/// Between two requests; the next does not wait for the answer to the one before.
const PACE: Duration = Duration::from_millis(20);

/// Calls of alice's page, each on its own, counted by what was answered.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<BTreeMap<String, usize>>,
}

impl Load {
    pub(crate) fn start(visitor: Visitor, url: String) -> Self {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop_seen, count) = (Arc::clone(&stop), Arc::clone(&good));
        let task = tokio::spawn(async move {
            let mut calls = tokio::task::JoinSet::new();
            let mut pace = tokio::time::interval(PACE);
            while !stop_seen.load(Ordering::SeqCst) {
                pace.tick().await;
                calls.spawn(call(visitor.clone(), url.clone(), Arc::clone(&count)));
            }
            let mut bad = BTreeMap::new();
            while let Some(outcome) = calls.join_next().await {
                let fault = outcome.unwrap_or_else(|error| Some(error.to_string()));
                if let Some(fault) = fault {
                    *bad.entry(fault).or_insert(0) += 1;
                }
            }
            bad
        });
        Self { stop, good, task }
    }

    /// Waits until `more` further calls were answered well.
    pub(crate) async fn wait_good(&self, more: usize) -> Outcome {
        let goal = self.good.load(Ordering::SeqCst) + more;
        until("calls to be answered", LIMIT, async || {
            Ok((self.good.load(Ordering::SeqCst) >= goal).then_some(()))
        })
        .await
    }

    /// Ends it and answers what went wrong, and how often.
    pub(crate) async fn end(self) -> Outcome<BTreeMap<String, usize>> {
        self.stop.store(true, Ordering::SeqCst);
        Ok(self.task.await?)
    }
}

/// A call as the app's own page makes it. Answers what was wrong with its answer.
async fn call(mut visitor: Visitor, url: String, good: Arc<AtomicUsize>) -> Option<String> {
    let headers = [("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
    match visitor.send(Method::GET, &url, &headers, None).await {
        Ok(answer) if answer.status == 200 => {
            good.fetch_add(1, Ordering::SeqCst);
            None
        }
        Ok(answer) => Some(format!("{}: {}", answer.status, answer.body)),
        Err(failure) => Some(failure.to_string()),
    }
}

pub(crate) async fn an_upgrade_under_load_fails_no_request(world: &World) -> Outcome {
    let alice = world.signed_in("alice").await?;
    let before = world.wait_ready("alice").await?;
    let data = world.site.root.join("runtime/instances").join(before.instance_id.to_string()).join("data");
    std::fs::write(data.join("mark"), "of then")?;
    let load = Load::start(alice, world.site.instance_url("alice", "/"));
    let outcome = keeping_the_image(world, async || {
        load.wait_good(10).await?;
        change_image(world, "LABEL beaver.e2e=newer").await?;
        world.site.script("upgrade.sh", &["alice", "--yes"], "").await?.success()?;
        let newer = world.wait_ready("alice").await?;
        ensure!(newer.image != before.image && newer.generation > before.generation, "{newer:?}");
        load.wait_good(10).await?;
        std::fs::write(data.join("mark"), "of now")?;

        let list = world.site.script("rollback.sh", &["alice", "--list"], "").await?.success()?;
        let image = before.image.clone().unwrap_or_default();
        let first = list.stdout.lines().nth(1).unwrap_or_default();
        ensure!(first.starts_with("1 ") && first.ends_with(&image), "the list:\n{}", list.stdout);
        world.site.script("rollback.sh", &["alice", "1", "--with-data", "--yes"], "").await?.success()?;
        let back = world.wait_ready("alice").await?;
        ensure_eq!(back.image, before.image, "the rollback");
        ensure_eq!(std::fs::read_to_string(data.join("mark"))?, "of then");
        load.wait_good(10).await?;

        // What was replaced is a snapshot now; the data stays without --with-data.
        world.site.script("rollback.sh", &["alice", "1", "-y"], "").await?.success()?;
        ensure_eq!(world.wait_ready("alice").await?.image, newer.image, "forth again");
        ensure_eq!(std::fs::read_to_string(data.join("mark"))?, "of then");
        let none = world.site.script("rollback.sh", &["alice", "9", "-y"], "").await?;
        ensure!(none.code != 0 && none.stderr.contains("no snapshot 9"), "{}", none.all());

        // And all of them, back to the image that the name means by then.
        change_image(world, "LABEL beaver.e2e=newer beaver.e2e.second=yes").await?;
        let all = world.site.script("upgrade.sh", &["--all", "-y"], "").await?.success()?;
        ensure!(all.stderr.contains("0 failed"), "{}", all.all());
        let after_all = world.wait_ready("alice").await?;
        ensure!(after_all.image != newer.image, "{after_all:?}");
        load.wait_good(10).await
    })
    .await;
    let bad = load.end().await?;
    std::fs::remove_file(data.join("mark"))?;
    outcome?;
    // The other scenarios' image again, for all that ran the newer one.
    world.site.script("upgrade.sh", &["--all", "-y"], "").await?.success()?;
    remove_made_images().await?;
    ensure!(bad.is_empty(), "requests failed: {bad:#?}");
    Ok(())
}

//! `kill -9` of each control-plane process under light traffic: instances run on, the router goes on serving,
//! accounts and sessions survive, and a sign-up that was under way completes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use e2e::fixture::World;
use e2e::http::Visitor;
use e2e::wait::until;
use e2e::{Failure, Outcome, docker, ensure, ensure_eq};

const RESTART_LIMIT: Duration = Duration::from_secs(30);

/// A request every 20 ms at alice's host, signed in, counted.
struct Traffic {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Traffic {
    fn start(mut visitor: Visitor, url: String) -> Self {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop_seen, count) = (Arc::clone(&stop), Arc::clone(&good));
        let task = tokio::spawn(async move {
            let mut bad = Vec::new();
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while !stop_seen.load(Ordering::SeqCst) {
                pace.tick().await;
                match visitor.get(&url).await {
                    Ok(answer) if answer.status == 200 => _ = count.fetch_add(1, Ordering::SeqCst),
                    Ok(answer) => bad.push(format!("{}: {}", answer.status, answer.body)),
                    Err(failure) => bad.push(failure.to_string()),
                }
            }
            bad
        });
        Self { stop, good, task }
    }

    /// Waits until `more` further requests were answered well.
    async fn wait_good(&self, more: usize) -> Outcome {
        let goal = self.good.load(Ordering::SeqCst) + more;
        until("traffic to be answered", RESTART_LIMIT, async || {
            Ok((self.good.load(Ordering::SeqCst) >= goal).then_some(()))
        })
        .await
    }

    /// Ends it and answers what went wrong.
    async fn end(self) -> Outcome<Vec<String>> {
        self.stop.store(true, Ordering::SeqCst);
        Ok(self.task.await?)
    }
}

/// Crashes one service while somebody signs up; answers the requests that failed meanwhile.
async fn crash_during_sign_up(world: &World, service: &str, newcomer: &str) -> Outcome<Vec<String>> {
    let mut alice = world.signed_in("alice").await?;
    let instance = docker::identity(&docker::instance_container(&world.site.name, "alice").await?).await?;
    let container = world.site.service(service);
    let before = docker::identity(&container).await?;
    let account = format!("{}/account", world.site.portal);
    let traffic = Traffic::start(world.signed_in("alice").await?, world.site.instance_url("alice", "/"));
    traffic.wait_good(3).await?;

    world.submit_sign_up(newcomer).await?;
    docker::crash(&container).await?;
    until(&format!("{service} to be started again"), RESTART_LIMIT, async || {
        let now = docker::identity(&container).await?;
        let running = docker::inspect(&container).await?["State"]["Running"] == true;
        Ok((running && now != before).then_some(()))
    })
    .await?;
    world.wait_ready(newcomer).await?;
    traffic.wait_good(10).await?;

    let own = docker::instance_container(&world.site.name, "alice").await?;
    ensure_eq!(docker::identity(&own).await?, instance, "alice's container was touched");
    let page = until("the portal to know alice's session", RESTART_LIMIT, async || {
        let answer = alice.get(&account).await?;
        if answer.status == 200 { Ok(Some(answer)) } else { Err(Failure(format!("{}", answer.status))) }
    })
    .await?;
    ensure!(page.body.contains("alice"), "the account page does not show alice:\n{}", page.body);
    traffic.end().await
}

async fn nothing_is_lost(world: &World, service: &str, newcomer: &str) -> Outcome {
    let failed = crash_during_sign_up(world, service, newcomer).await?;
    ensure!(failed.is_empty(), "{} requests failed, the first: {}", failed.len(), failed[0]);
    Ok(())
}

pub(crate) async fn authz_service_is_killed(world: &World) -> Outcome {
    nothing_is_lost(world, "authz-service", "bob-authz").await
}

pub(crate) async fn deploy_control_is_killed(world: &World) -> Outcome {
    nothing_is_lost(world, "deploy-control", "bob-deploy").await
}

pub(crate) async fn docker_guard_is_killed(world: &World) -> Outcome {
    nothing_is_lost(world, "docker-guard", "bob-guard").await
}

pub(crate) async fn auth_portal_is_killed(world: &World) -> Outcome {
    nothing_is_lost(world, "auth-portal", "bob-portal").await
}

/// While the router itself is away nobody can be served; it must come back by itself, with the same
/// instances and sessions.
pub(crate) async fn router_proxy_is_killed(world: &World) -> Outcome {
    crash_during_sign_up(world, "router-proxy", "bob-router").await?;
    Ok(())
}

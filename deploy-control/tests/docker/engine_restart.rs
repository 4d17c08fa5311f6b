//! A Docker Engine that stops or dies and starts again under deploy-control. It is a real one, of the test's own:
//! meanwhile the API answers and says what it waits for, and then all is as it was wanted, without anybody's help.

use std::collections::BTreeSet;

use control_api::deploy::{EventView, InstanceState, ListQuery};
use control_api::ids::{InstanceId, OperationId, UserId};
use rustix::process::Signal;
use serde_json::Value;

use super::dockerd::Dockerd;
use super::plane::{Deploy, Plane, Seen, order, until};
use super::rig::{Rig, get};

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_stopped_and_started_again_has_everybody_back() {
    Restart::walk(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_and_started_again_has_everybody_back() {
    Restart::walk(Signal::KILL).await;
}

struct Restart {
    /// Ends first; and the plane before the engine, so that its rig cleans up while that still answers.
    deploy: Deploy,
    plane: Plane,
    engine: Dockerd,
    alice: InstanceId,
    bob: InstanceId,
}

impl Restart {
    async fn walk(signal: Signal) {
        let mut engine = Dockerd::new().await;
        let plane = Plane::on(Rig::on(&engine.socket()).await).await;
        engine.owns_bridges(plane.rig.guard_config().policy.bridge_prefix);
        let deploy = plane.start(&[]).await;
        let alice = deploy.register(&plane, UserId::generate(), "alice").await;
        let bob = deploy.register(&plane, UserId::generate(), "bob").await;
        let mut this = Self { deploy, plane, engine, alice, bob };
        std::fs::write(this.note(), "kept").expect("written");
        let before = this.plane.containers().await;

        // Bob's is at work when the engine goes.
        let restart = this.deploy.api.act(bob, "restart").await.expect("accepted").operation_id;
        this.engine.signal(signal);
        this.engine.end().await;
        let carol = this.order_while_away().await;

        this.engine.start().await;
        for operation in [restart, carol.1] {
            this.deploy.until_succeeded(operation).await;
        }
        this.check(&before, carol.0).await;
        this.deploy.stop().await;
    }

    fn note(&self) -> std::path::PathBuf {
        self.plane.runtime().join(format!("instances/{}/data/note", self.alice))
    }

    /// The engine is away: that is said, reads go on, and carol's order waits.
    async fn order_while_away(&self) -> (InstanceId, OperationId) {
        until("the health page says so", async || {
            let (status, health) = self.health().await;
            let reason = health["checks"]["docker"]["reason"].as_str().unwrap_or_default().to_owned();
            status == 503 && reason.contains("Docker cannot be reached")
        })
        .await;
        let body = serde_json::from_value(order(UserId::generate(), "carol")).expect("an order");
        let carol = self.deploy.api.register(&body).await.expect("accepted");
        until("the order says what it waits for", async || {
            let operation = self.deploy.api.operation(carol.operation_id).await.expect("an operation");
            operation.error.is_some_and(|error| error.contains("Docker cannot be reached"))
        })
        .await;
        let waiting = self.deploy.api.operation(carol.operation_id).await.expect("an operation");
        assert!(!waiting.state.is_final(), "{waiting:?}");
        let list = self.deploy.api.list(&ListQuery::default()).await.expect("a list").instances;
        assert_eq!(list.len(), 3, "{list:?}");
        assert_eq!(self.deploy.api.instance(self.alice).await.expect("an instance").instance_id, self.alice);
        (carol.instance_id, carol.operation_id)
    }

    async fn health(&self) -> (u16, Value) {
        let url = format!("{}/health/ready", self.deploy.base);
        let answer = self.plane.http.get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// All three serve, each from one container, and it is written down why alice's was started again.
    async fn check(&self, before: &[Seen], carol: InstanceId) {
        let ids = [self.alice, self.bob, carol];
        until("everybody is ready", async || {
            let list = self.deploy.api.list(&ListQuery::default()).await.expect("a list").instances;
            list.len() == 3 && list.iter().all(|view| view.state == InstanceState::Ready)
        })
        .await;
        self.plane.until_settled("nothing is left to do").await;
        until("it is ready again", async || self.health().await.0 == 200).await;

        let mut names = BTreeSet::new();
        for (id, slug) in ids.into_iter().zip(["alice", "bob", "carol"]) {
            let view = self.deploy.api.instance(id).await.expect("an instance");
            let upstream = view.upstream.expect("an address");
            let report = get(*upstream.ip()).await;
            assert!(report.contains(&format!("instance: {id}\n")), "{slug}: {report}");
            let route = self.plane.route(slug).expect("a route");
            assert_eq!(
                (route["state"].as_str(), route["generation"].as_u64()),
                (Some("ready"), Some(view.generation))
            );
            names.insert(format!("{}-{slug}-{}", self.plane.rig.installation, view.generation));
            let ledger = self.ledger(id).await;
            assert!(!ledger.iter().any(|event| event.what == "given up"), "{slug}: {ledger:?}");
        }
        let containers = self.plane.containers().await;
        let found: BTreeSet<String> = containers.iter().map(|container| container.name.clone()).collect();
        assert_eq!((found, containers.len()), (names, 3), "no duplicate: {containers:?}");
        assert!(containers.iter().all(|container| container.running), "{containers:?}");

        let of_alice = |all: &[Seen]| all.iter().find(|seen| seen.name.contains("-alice-")).cloned();
        let (was, is) = (of_alice(before).expect("there"), of_alice(&containers).expect("there"));
        assert_eq!(was.id, is.id, "the same container");
        assert_ne!(was.started_at, is.started_at, "started again");
        let ledger = self.ledger(self.alice).await;
        let lost = ledger.iter().find(|event| event.what == "lost").expect("the cause is in the ledger");
        // Noticed while the engine went, or found when it was back.
        let causes = ["the container ended", "it ended when Docker went away"];
        assert!(causes.iter().any(|cause| lost.cause.contains(cause)), "{lost:?}");
        assert_eq!(std::fs::read_to_string(self.note()).expect("the data"), "kept");
        let unwell = self.plane.count("SELECT count(*) FROM operations WHERE state <> 'succeeded'").await;
        assert_eq!(unwell, 0, "no operation failed");
        let blamed = self.plane.count("SELECT count(*) FROM failures").await;
        assert_eq!(blamed, 0, "neither an instance nor the image is at fault");
    }

    async fn ledger(&self, id: InstanceId) -> Vec<EventView> {
        self.deploy.api.events(id).await.expect("events").events
    }
}

//! `kill -9` between any two steps, of the real process before a real Docker Engine: each way is walked once to
//! record the fault points on it, then once for each of them with deploy-control dying there. Started again it
//! must come to what was asked for, with nothing left over, and a second start must find nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use control_api::deploy::{InstanceState, InstanceView, ListQuery};
use control_api::ids::{InstanceId, UserId};
use deploy_control::fault;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::plane::{DEPLOY_TOKEN, Deploy, INTERNAL_TOKEN, Plane, ROUTER_TOKEN, Seen, order, until};
use super::rig::get;

/// Ways that are walked side by side.
const PARALLEL: usize = 6;

/// What is under way when the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Register,
    RegisterFails,
    Sleep,
    Wake,
    Restart,
    Configure,
    ConfigureFails,
    Upgrade,
    UpgradeFails,
    Rollback,
    RollbackRestore,
    RolloutOfSleeper,
    Delete,
    Purge,
}

/// The longest first, so that none is left alone at the end.
const WAYS: [Way; 14] = [
    Way::UpgradeFails,
    Way::ConfigureFails,
    Way::RollbackRestore,
    Way::RolloutOfSleeper,
    Way::Rollback,
    Way::Upgrade,
    Way::Configure,
    Way::Register,
    Way::RegisterFails,
    Way::Restart,
    Way::Wake,
    Way::Purge,
    Way::Delete,
    Way::Sleep,
];

/// Places that only time leads to, which no request does: `tests/api/crash.rs` walks them with a clock of its own.
const ELSEWHERE: [&str; 4] = ["freeze.published", "freeze.frozen", "freeze.recorded", "thaw.thawed"];

#[tokio::test(flavor = "multi_thread")]
async fn the_process_killed_at_any_fault_point_converges() {
    let walks = futures_util::stream::iter(WAYS).map(Walk::all).buffer_unordered(PARALLEL);
    let walked: BTreeSet<String> = walks.collect::<Vec<_>>().await.into_iter().flatten().collect();
    let missed: Vec<_> =
        fault::ALL.iter().filter(|point| !walked.contains(**point) && !ELSEWHERE.contains(*point)).collect();
    assert!(missed.is_empty(), "no way leads over {missed:?}");
}

#[test]
fn a_fault_point_that_does_not_exist_is_exit_code_64() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-control"))
        .env_clear()
        .env("PROJECT_ROOT", folder.path())
        .env("DEPLOY_LISTEN", "127.0.0.1:0")
        .env("DEPLOY_ADMIN_LISTEN", "127.0.0.1:0")
        .env("DEPLOY_CONTROL_API_TOKEN", DEPLOY_TOKEN)
        .env("BEAVER_ROUTER_TOKEN", ROUTER_TOKEN)
        .env("AUTHZ_INTERNAL_TOKEN", INTERNAL_TOKEN)
        .env("BEAVER_FAULT_POINT", "nowhere")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("BEAVER_FAULT_POINT"));
}

/// One way, in an installation of its own.
struct Walk {
    way: Way,
    plane: Plane,
    user: UserId,
    /// Images: the first, the next, and one whose app ends at once.
    one: String,
    two: String,
    broken: String,
}

impl Walk {
    /// Walks a way with the process dying at each of its places in turn. Answers the names of the points.
    async fn all(way: Way) -> BTreeSet<String> {
        let plane = Plane::new().await;
        let image = |name: &str| format!("beaver-test/{}-{name}:latest", plane.rig.installation);
        let one = plane.rig.import(&image("one"), "one").await;
        let two = plane.rig.import(&image("two"), "two").await;
        let broken = plane.rig.import_with(&image("broken"), "broken", &["ENV EXIT_CODE=3"]).await;
        let walk = Self { way, user: UserId::generate(), one, two, broken, plane };
        let mut deploy = walk.plane.start(&[]).await;
        let points = walk.record(&mut deploy).await;
        let places = places(&points);
        for place in &places {
            deploy = walk.die_at(place, deploy).await;
        }
        deploy.stop().await;
        println!("{way:?}: {} places: {}", places.len(), places.join(" "));
        points.into_iter().collect()
    }

    /// Walks it undisturbed; answers the points that were passed, in order.
    async fn record(&self, deploy: &mut Deploy) -> Vec<String> {
        let trace = self.plane.runtime().join("trace");
        let id = self.prepare(deploy).await;
        let traced = [("BEAVER_FAULT_TRACE", trace.to_str().expect("text"))];
        *deploy = self.plane.start_after(deploy, &traced).await;
        self.begin(&deploy.base, id).await;
        self.plane.until_settled(&format!("{:?} comes to its end", self.way)).await;
        let points = std::fs::read_to_string(&trace).expect("a trace").lines().map(str::to_owned).collect();
        self.check(deploy, "no point").await;
        *deploy = self.plane.start_after(deploy, &[]).await;
        self.clear(deploy).await;
        points
    }

    /// Walks it with the process dying at one place. Takes the process that prepares it and answers the one that
    /// found all well.
    async fn die_at(&self, place: &str, mut deploy: Deploy) -> Deploy {
        let at = format!("{:?} at {place}", self.way);
        let id = self.prepare(&deploy).await;
        let before = self.operations().await;
        let mut dying = self.plane.start_after(&mut deploy, &[("BEAVER_FAULT_POINT", place)]).await;
        let base = dying.base.clone();
        let request = self.begin(&base, id);
        tokio::pin!(request);
        let mut answered = false;
        while !dying.has_died() {
            tokio::select! {
                () = &mut request, if !answered => answered = true,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            // A place that was passed a second time may be passed once the next time: a hint came late.
            if answered && self.plane.is_settled().await && !dying.has_died() {
                assert!(place.contains(':'), "{at}: it is not on the way any more");
                break;
            }
        }
        let asked = self.operations().await > before;
        assert_eq!(asked, place != "configure.file-written", "{at}: asked for");
        drop(dying);
        deploy = self.plane.start(&[]).await;
        self.plane.until_settled(&format!("{at} converges")).await;
        let seen = self.check(&deploy, place).await;
        deploy = self.plane.start_after(&mut deploy, &[]).await;
        assert_eq!(deploy.first_comparison().await, 0, "{at}: a second start finds something to do");
        assert_eq!(self.check(&deploy, place).await, seen, "{at}: a second start changes something");
        self.clear(&deploy).await;
        deploy
    }

    async fn operations(&self) -> i64 {
        self.plane.count("SELECT (SELECT count(*) FROM operations) + (SELECT count(*) FROM rollouts)").await
    }

    /// Brings about what the way begins with.
    async fn prepare(&self, deploy: &Deploy) -> Option<InstanceId> {
        let plane = &self.plane;
        plane.tag(if self.way == Way::RegisterFails { &self.broken } else { &self.one }).await;
        if matches!(self.way, Way::Register | Way::RegisterFails) {
            return None;
        }
        let id = deploy.register(plane, self.user, "alice").await;
        std::fs::write(self.note(id), "kept").expect("written");
        match self.way {
            Way::ConfigureFails => {
                let body = provider(id, "old");
                let answer = deploy.post(plane, "/api/instances/configure-provider", &body).await;
                assert_eq!(answer.status(), 200);
            }
            Way::Wake => deploy.act(id, "sleep").await,
            Way::Upgrade => plane.tag(&self.two).await,
            Way::RolloutOfSleeper => {
                deploy.act(id, "sleep").await;
                plane.tag(&self.two).await;
            }
            Way::UpgradeFails => plane.tag(&self.broken).await,
            Way::Rollback | Way::RollbackRestore => {
                plane.tag(&self.two).await;
                deploy.act(id, "upgrade").await;
                if self.way == Way::RollbackRestore {
                    // What the snapshot does not have.
                    std::fs::write(self.note(id), "changed since").expect("written");
                }
            }
            _ => {}
        }
        Some(id)
    }

    /// Sends the request; its answer may never come.
    async fn begin(&self, base: &str, id: Option<InstanceId>) {
        let http = &self.plane.http;
        let of = |what: &str| {
            format!("{base}/api/instances/{}{what}", id.map(|id| id.to_string()).unwrap_or_default())
        };
        let to = |route: &str| http.post(format!("{base}/api/instances/{route}"));
        let configure = |model| to("configure-provider").json(&provider(id.expect("an instance"), model));
        let request = match self.way {
            Way::Register | Way::RegisterFails => to("register").json(&order(self.user, "alice")),
            Way::Wake => to("resolve").json(&json!({ "slug": "alice" })),
            Way::Configure => configure("new"),
            Way::ConfigureFails => configure("broken"),
            Way::Sleep => http.post(of("/sleep")),
            Way::Restart => http.post(of("/restart")),
            Way::Upgrade | Way::UpgradeFails => http.post(of("/upgrade")),
            Way::RolloutOfSleeper => http.post(format!("{base}/api/rollouts")).json(&json!({})),
            Way::Rollback => http.post(of("/rollback")),
            Way::RollbackRestore => {
                http.post(of("/rollback")).json(&json!({ "snapshot": 1, "data": "restore" }))
            }
            Way::Delete => http.delete(of("")),
            Way::Purge => http.delete(of("?purge=true")),
        };
        let _ = request.bearer_auth(DEPLOY_TOKEN).timeout(Duration::from_mins(1)).send().await;
    }

    fn note(&self, id: InstanceId) -> std::path::PathBuf {
        self.plane.runtime().join(format!("instances/{id}/data/note"))
    }

    /// All is as asked for, and nothing is left over. Answers what there is of containers.
    async fn check(&self, deploy: &Deploy, place: &str) -> Vec<Seen> {
        let at = format!("{:?} at {place}", self.way);
        let list = deploy.api.list(&ListQuery::default()).await.expect("a list").instances;
        let containers = self.plane.containers().await;
        let held = self.plane.count("SELECT count(*) FROM addresses WHERE instance_id IS NOT NULL").await;
        let folders = self.plane.names("instances");
        if matches!(self.way, Way::Delete | Way::Purge) {
            assert!(list.is_empty(), "{at}: {list:?}");
            assert!(containers.is_empty(), "{at}: {containers:?}");
            assert_eq!(held, 0, "{at}: addresses");
            assert_eq!(folders.len(), usize::from(self.way == Way::Delete), "{at}: {folders:?}");
            assert!(self.plane.names("router/conf.d").is_empty(), "{at}: a route");
            return containers;
        }
        let [view] = list.as_slice() else { panic!("{at}: {list:?}") };
        let id = view.instance_id;
        assert_eq!(self.plane.names("router/conf.d"), ["alice.json"], "{at}");
        let route = self.plane.route("alice").expect("a route");
        assert_eq!(route["state"], view.state.as_str(), "{at}");
        assert_eq!(route["generation"], view.generation, "{at}");
        if self.way == Way::RegisterFails {
            assert_eq!(view.state, InstanceState::Failed, "{at}");
            assert!(containers.is_empty() && folders.is_empty(), "{at}: {containers:?} {folders:?}");
            assert_eq!(held, 0, "{at}: addresses");
            return containers;
        }
        assert_eq!((held, folders), (1, vec![id.to_string()]), "{at}");
        self.check_files(&at, place, view);
        let [container] = containers.as_slice() else { panic!("{at}: {containers:?}") };
        self.check_container(&at, view, container).await;
        let ledger = deploy.api.events(id).await.expect("events").events;
        assert!(!ledger.iter().any(|event| event.what == "lost"), "{at}: taken for lost: {ledger:?}");
        containers
    }

    fn check_files(&self, at: &str, place: &str, view: &InstanceView) {
        let id = view.instance_id;
        assert_eq!(
            self.plane.names(&format!("instances/{id}")),
            ["config.json", "data", "instance.json"],
            "{at}"
        );
        let snapshots = self.plane.names(&format!("snapshots/{id}"));
        assert!(snapshots.iter().all(|name| name.parse::<u64>().is_ok()), "{at}: {snapshots:?}");
        let config = std::fs::read(self.plane.runtime().join(format!("instances/{id}/config.json")));
        let config: Value = serde_json::from_slice(&config.expect("a configuration")).expect("JSON");
        let shown = view.provider.as_ref().and_then(|provider| provider.model.as_deref());
        assert_eq!(config["provider"]["model"].as_str(), shown, "{at}: the row says what the file says");
        let model = match self.way {
            // Of a file that was staged and never asked for nothing is left.
            Way::Configure => (place != "configure.file-written").then_some("new"),
            Way::ConfigureFails => Some("old"),
            _ => None,
        };
        assert_eq!(shown, model, "{at}");
        if self.way != Way::Register {
            assert_eq!(std::fs::read_to_string(self.note(id)).expect("the data"), "kept", "{at}");
        }
        let owner = self.plane.runtime().join(format!("instances/{id}/data/owner.json"));
        let owner = std::fs::read_to_string(owner).expect("the app was told its owner");
        assert!(owner.contains(&self.user.to_string()), "{at}: {owner}");
    }

    async fn check_container(&self, at: &str, view: &InstanceView, container: &Seen) {
        let newer = matches!(self.way, Way::Upgrade | Way::RolloutOfSleeper);
        let image = if newer { &self.two } else { &self.one };
        assert_eq!(view.image.as_ref(), Some(image), "{at}");
        assert_eq!(&container.image_id, image, "{at}");
        let name = format!("{}-alice-{}", self.plane.rig.installation, view.generation);
        assert_eq!(container.name, name, "{at}");
        let asleep = matches!(self.way, Way::Sleep | Way::RolloutOfSleeper);
        let state = if asleep { InstanceState::Asleep } else { InstanceState::Ready };
        assert_eq!((view.state, container.running), (state, !asleep), "{at}");
        if !asleep {
            let upstream = view.upstream.expect("an address");
            let report = get(*upstream.ip()).await;
            assert!(report.contains(&format!("instance: {}\n", view.instance_id)), "{at}: {report}");
        }
    }

    /// Makes room for the next walk, and sees that the last trace goes.
    async fn clear(&self, deploy: &Deploy) {
        if self.way == Way::Delete {
            // Deleted with its data kept: the same user has it again.
            let id = deploy.register(&self.plane, self.user, "alice").await;
            assert_eq!(std::fs::read_to_string(self.note(id)).expect("the data"), "kept");
        }
        for view in deploy.api.list(&ListQuery::default()).await.expect("a list").instances {
            let operation = deploy.api.delete(view.instance_id, true).await.expect("accepted").operation_id;
            deploy.until_succeeded(operation).await;
        }
        until("nothing is left", async || self.plane.is_settled().await).await;
        assert_eq!(self.plane.containers().await, []);
        for folder in ["instances", "snapshots", "router/conf.d"] {
            assert!(self.plane.names(folder).is_empty(), "{folder}: {:?}", self.plane.names(folder));
        }
    }
}

fn provider(id: InstanceId, model: &str) -> Value {
    json!({ "instance_id": id, "provider": { "kind": "echo", "model": model } })
}

/// Each passing of each point: `name`, then `name:2` for the second one.
fn places(points: &[String]) -> Vec<String> {
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for point in points {
        let time = passed.entry(point).or_default();
        *time += 1;
        places.push(if *time == 1 { point.clone() } else { format!("{point}:{time}") });
    }
    places
}

//! The doctor: what it finds in an installation that is well, and in one that is not.

use control_api::doctor::{DoctorCheck, DoctorReport, DoctorStatus};
use control_api::ids::InstanceId;

use crate::harness::{ROUTER_TOKEN, Running, World, until};

fn check<'a>(report: &'a DoctorReport, name: &str) -> &'a DoctorCheck {
    report.checks.iter().find(|check| check.name == name).expect("the check is always there")
}

async fn report_use(app: &Running) {
    let request = app.http.post(format!("{}/api/routes/activity", app.base)).bearer_auth(ROUTER_TOKEN);
    let answer = request.json(&serde_json::json!({ "routes": [] })).send().await.expect("an answer");
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn a_healthy_installation_is_well() {
    let world = World::new().await;
    let app = world.start().await;
    let alice = app.register("alice").await.instance_id;
    let bob = app.register("bob").await.instance_id;
    app.act(bob, "sleep").await;
    report_use(&app).await;
    until("the routes are there", async || world.route("alice").is_some() && world.route("bob").is_some())
        .await;
    let report = app.api.doctor(true).await.expect("a report");
    let unwell: Vec<_> = report.checks.iter().filter(|check| check.status != DoctorStatus::Ok).collect();
    assert!(report.ok && unwell.is_empty(), "{unwell:?}");
    assert!(check(&report, "docker").detail.contains("29.0"));
    assert!(check(&report, "database").detail.contains("2 instances"));
    let _ = alice;
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_is_there_and_on_no_record_is_named_and_left_alone() {
    let world = World::new().await;
    let app = world.start().await;
    app.register("alice").await;
    app.register("bob").await;
    app.kill().await;
    std::fs::remove_dir_all(world.runtime().join("deploy")).expect("the database is lost");
    let app = world.start().await;
    let stray = InstanceId::generate();
    std::fs::create_dir(world.runtime().join(format!("instances/{stray}"))).expect("a folder");
    std::fs::write(world.runtime().join("router/conf.d/carol.json"), "{").expect("half a route");
    let report = app.api.doctor(false).await.expect("a report");
    let orphans = check(&report, "orphans");
    assert_eq!(orphans.status, DoctorStatus::Warning);
    let stray = format!("folder instances/{stray}");
    for expected in
        ["container beaver-alice-1", "container beaver-bob-1", "route alice.json", "carol.json (", &stray]
    {
        assert!(orphans.detail.contains(expected), "{expected} in {}", orphans.detail);
    }
    assert!(orphans.remedy.as_deref().expect("a remedy").contains("--rebuild"));
    assert_eq!(world.engine.containers().len(), 2, "nothing was removed");
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_is_on_record_and_not_there_is_named() {
    let mut world = World::new().await;
    // What is missing must not be made again before it is looked at.
    world.timings.sweep = std::time::Duration::from_mins(10);
    let app = world.start().await;
    let bob = app.register("bob").await.instance_id;
    app.act(bob, "sleep").await;
    let names = ["container beaver-bob-1", "route bob.json", &format!("folder instances/{bob}")];
    world.engine.vanish("beaver-bob-1");
    // The events of its sleep and of this may still make the route again: it is taken away until they are through.
    until("all three are named", async || {
        let _ = std::fs::remove_file(world.runtime().join("router/conf.d/bob.json"));
        let _ = std::fs::remove_dir_all(world.runtime().join(format!("instances/{bob}")));
        let report = app.api.doctor(false).await.expect("a report");
        let missing = check(&report, "missing");
        missing.status == DoctorStatus::Warning && names.iter().all(|&name| missing.detail.contains(name))
    })
    .await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn neighbours_that_are_away_and_an_open_isolation_are_failures() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.set_leaky(true);
    world.authz.set_down(true);
    let report = app.api.doctor(true).await.expect("a report");
    assert!(!report.ok);
    assert_eq!(check(&report, "isolation").status, DoctorStatus::Failing);
    assert!(check(&report, "isolation").detail.contains("sign-up is closed"));
    assert_eq!(check(&report, "authz-service").status, DoctorStatus::Failing);
    world.engine.set_down(true);
    let report = app.api.doctor(false).await.expect("a report");
    assert_eq!(check(&report, "docker").status, DoctorStatus::Failing);
    assert_eq!(check(&report, "orphans").status, DoctorStatus::Warning, "it could not be looked at");
    assert_eq!(check(&report, "router-proxy").status, DoctorStatus::Warning, "it has never reported");
    assert!(app.stop().await);
}

//! authz-service down, silent, or back again: nobody passes on doubt, and nobody is thrown out for nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::instances::Instance;
use crate::world::{World, eventually};

const PERSON: (&str, &str) = ("accept", "text/html");

#[tokio::test]
async fn who_is_in_stays_in_and_nobody_else_gets_in() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let (known, fresh) = (
        world.alice_cookie(),
        crate::fake_authz::Person { sid: control_api::ids::SessionId::generate(), ..world.alice },
    );
    assert_eq!(world.get("alice", "/", &[("cookie", &known)]).await.status(), 200);
    let fresh = format!("beaver_app={}", world.authz.app_token(fresh, world.instance));
    world.authz.down.store(true, Ordering::SeqCst);
    assert_eq!(
        world.get("alice", "/", &[("cookie", &known)]).await.status(),
        200,
        "verified without a question"
    );
    let page = world.get("alice", "/", &[("cookie", &fresh), PERSON]).await;
    assert_eq!(page.status(), 503, "no assertion can be had");
    let text = page.text().await.expect("text");
    assert!(
        text.contains("identity service does not answer") && text.contains("http-equiv=\"refresh\""),
        "{text}"
    );
    assert_eq!(
        world.get("alice", "/", &[PERSON]).await.status(),
        303,
        "who is not signed in goes to the portal"
    );
    world.authz.down.store(false, Ordering::SeqCst);
    eventually("it comes back", || async {
        world.get("alice", "/", &[("cookie", &fresh)]).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn without_news_of_revocations_the_gate_closes() {
    let world = World::start_with(|config| {
        config.timeouts.stale_news = Duration::from_millis(400);
        config.timeouts.news_wait = Duration::ZERO;
    })
    .await;
    let app = Instance::start("app").await;
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    eventually("open", || async { world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 200 })
        .await;
    world.authz.down.store(true, Ordering::SeqCst);
    eventually("closed", || async { world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 503 })
        .await;
    let ready = format!("http://{}/health/ready", world.admin);
    eventually("not ready", || async {
        world.client.get(&ready).send().await.expect("an answer").status() == 503
    })
    .await;
    world.authz.down.store(false, Ordering::SeqCst);
    eventually("open again", || async {
        world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_restart_verifies_with_the_keys_on_disk() {
    let (mut world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    let cached = world.config.state_dir.join("jwks.json");
    eventually("the keys are on disk", || async { cached.exists() }).await;
    world.authz.keys_down.store(true, Ordering::SeqCst);
    world.restart().await;
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200, "by the cached keys");
    // Without them nobody could tell a token from a forgery: closed, and not "signed out".
    std::fs::remove_file(world.config.state_dir.join("jwks.json")).expect("removed");
    world.restart().await;
    let page = world.get("alice", "/", &[("cookie", &cookie), PERSON]).await;
    assert_eq!(page.status(), 503);
    assert!(page.text().await.expect("text").contains("keys"));
    world.authz.keys_down.store(false, Ordering::SeqCst);
    eventually("the keys are fetched", || async {
        world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn signing_out_with_authz_down_says_so() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    world.authz.down.store(true, Ordering::SeqCst);
    let post = world.request(http::Method::POST, "alice", "/.beaver/logout");
    let page = post
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .expect("an answer");
    assert_eq!(page.status(), 503);
    let cleared = page
        .headers()
        .get_all("set-cookie")
        .iter()
        .any(|c| c.to_str().expect("text").starts_with("beaver_app=;"));
    assert!(cleared, "this browser is signed out in any case");
    assert!(page.text().await.expect("text").contains("not quite signed out"));
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 401, "and so is the cookie");
}

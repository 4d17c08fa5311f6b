//! The walk from a host without a session through the portal and back.

use std::sync::atomic::Ordering;

use http::Method;

use crate::fake_authz::Person;
use crate::instances::Instance;
use crate::world::{Browser, Echo, PORTAL, World, location};

/// What the portal does with the redirect: answers the callback's target.
fn portal(world: &World, redirect: &reqwest::Response, person: Person) -> String {
    let (to, query) = location(redirect);
    assert_eq!(to, format!("{PORTAL}/app/authorize"));
    assert_eq!(query["slug"], "alice");
    assert!(query["state"].len() >= 16 && query["code_challenge"].len() == 43);
    let code = world.authz.code(person, world.instance, "alice", &query["code_challenge"]);
    format!("/.beaver/callback?code={code}&state={}", query["state"])
}

#[tokio::test]
async fn a_visitor_comes_back_to_the_very_path_with_its_query() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");

    let out = browser.navigate("/notes/7?q=a%20b&tag=x").await;
    assert_eq!(out.status(), 303);
    let cookie = out.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(
        cookie.starts_with("beaver_tx=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax")
    );
    assert!(!cookie.contains("Domain") && !cookie.contains("Secure") && !cookie.contains("notes"));
    assert_eq!(app.requests(), 0, "nothing reached the instance");

    let back = browser.navigate(&portal(&world, &out, world.alice)).await;
    assert_eq!(back.status(), 303);
    assert_eq!(back.headers()["location"], "/notes/7?q=a%20b&tag=x");
    assert!(browser.cookies.contains_key("beaver_app") && !browser.cookies.contains_key("beaver_tx"));
    assert_eq!(app.state.assertions.lock().unwrap().len(), 1, "the instance was told");

    let echo = Echo::of(browser.navigate("/notes/7?q=a%20b&tag=x").await).await;
    assert_eq!(echo.0["target"], "/notes/7?q=a%20b&tag=x");
    assert_eq!(echo.header("x-beaver-user-id"), [world.alice.user.to_string()]);
    assert_eq!(echo.header("x-beaver-username"), ["alice"]);
    assert_eq!(echo.header("x-beaver-email"), ["alice@example.com"]);
    assert_eq!(echo.header("x-beaver-assertion").len(), 1);
    assert!(echo.header("cookie").is_empty(), "the router's cookies are the router's");
    assert_eq!(world.renewals(), 0, "the hand-off brought the assertion");
}

#[tokio::test]
async fn the_first_page_is_the_one_that_the_instance_names() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");
    let out = browser.navigate("/").await;
    let back = browser.navigate(&portal(&world, &out, world.alice)).await;
    assert_eq!(back.headers()["location"], "/welcome?first=1");
}

#[tokio::test]
async fn several_tabs_at_once_each_come_back_to_their_own_path() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");
    let (one, two) = (browser.navigate("/one").await, browser.navigate("/two").await);
    let (one, two) = (portal(&world, &one, world.alice), portal(&world, &two, world.alice));
    assert_eq!(browser.navigate(&one).await.headers()["location"], "/one");
    assert_eq!(browser.navigate(&two).await.headers()["location"], "/two");
    // The history's copy of a callback leads on as well.
    assert_eq!(browser.navigate(&two).await.headers()["location"], "/");
}

#[tokio::test]
async fn a_callback_that_fits_nothing_leads_on_and_never_round_in_circles() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    // No cookie at all: a page, because another round would end here again.
    let mut bare = Browser::new(&world, "alice");
    let page = bare.navigate("/.beaver/callback?code=x&state=unknown-state-unknown").await;
    assert_eq!(page.status(), 400);
    assert!(page.text().await.expect("text").contains("Try again"));
    // A cookie with another state: once more, for the front page.
    let mut browser = Browser::new(&world, "alice");
    browser.navigate("/deep").await;
    let again = browser.navigate("/.beaver/callback?code=x&state=unknown-state-unknown").await;
    assert_eq!(again.status(), 303);
    let back = browser.navigate(&portal(&world, &again, world.alice)).await;
    assert_eq!(back.headers()["location"], "/welcome?first=1");
    // A code that is no good: a page with the way back to where the person was going.
    let mut late = Browser::new(&world, "alice");
    let out = late.navigate("/deep?x=1").await;
    let state = location(&out).1["state"].clone();
    let page = late.navigate(&format!("/.beaver/callback?code=wrong&state={state}")).await;
    assert_eq!(page.status(), 400);
    let text = page.text().await.expect("text");
    assert!(text.contains("href=\"/deep?x=1\"") && text.contains("Try again"), "{text}");
    assert!(!late.cookies.contains_key("beaver_app"));
}

#[tokio::test]
async fn a_code_is_bound_to_its_challenge_and_a_cookie_to_its_host() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");
    let state = location(&browser.navigate("/").await).1["state"].clone();
    let stolen = world.authz.code(world.alice, world.instance, "alice", &"A".repeat(43));
    let page = browser.navigate(&format!("/.beaver/callback?code={stolen}&state={state}")).await;
    assert_eq!(page.status(), 400);

    // Bob plants his own hand-off in Alice's browser: it opens nothing at her host.
    let mut bobs = world.alice_route(app.address);
    (bobs["slug"], bobs["instance_id"]) =
        ("bob".into(), control_api::ids::InstanceId::generate().to_string().into());
    world.put_route(&bobs).await;
    let mut bob = Browser::new(&world, "bob");
    let out = bob.navigate("/").await;
    let mut victim = Browser::new(&world, "alice");
    victim.cookies = bob.cookies.clone();
    let state = &location(&out).1["state"];
    let page = victim.navigate(&format!("/.beaver/callback?code=x&state={state}")).await;
    assert_eq!(page.status(), 400, "as without a cookie");
}

#[tokio::test]
async fn a_callback_in_another_browser_signs_nobody_in() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    // Alice's own code and state, at the end of her own walk: whoever has the address has not her cookie.
    let mut browser = Browser::new(&world, "alice");
    let callback = portal(&world, &browser.navigate("/notes").await, world.alice);
    let mut other = Browser::new(&world, "alice");
    let page = other.navigate(&callback).await;
    assert_eq!(page.status(), 400);
    assert!(!other.cookies.contains_key("beaver_app"), "signed in by somebody else's address");
    // One that is on a walk of its own goes on with its own.
    let mut walking = Browser::new(&world, "alice");
    walking.navigate("/own").await;
    let page = walking.navigate(&callback).await;
    assert!(!walking.cookies.contains_key("beaver_app"), "{}", page.status());
    assert_eq!(app.requests(), 0);
    // The code was not used up by that.
    assert_eq!(browser.navigate(&callback).await.headers()["location"], "/notes");
    assert!(browser.cookies.contains_key("beaver_app"));
}

#[tokio::test]
async fn somebody_else_with_a_code_is_refused() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");
    let out = browser.navigate("/").await;
    let page = browser.navigate(&portal(&world, &out, Person::new("bob"))).await;
    assert_eq!(page.status(), 403);
    assert!(page.text().await.expect("text").contains("somebody else"));
    assert!(!browser.cookies.contains_key("beaver_app"));
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn a_path_that_would_leave_the_host_becomes_the_front_page() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let answer = crate::raw::talk(
        world.router,
        format!(
            "GET //evil.example/x HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
            world.host("alice")
        )
        .as_bytes(),
    )
    .await;
    assert_eq!(crate::raw::statuses(&answer), [303]);
    let line = |name: &str| {
        let line = answer.split("\r\n").find(|l| l.to_ascii_lowercase().starts_with(name)).expect("a header");
        line.split_once(": ").expect("a value").1.to_owned()
    };
    let query = line("location").split_once('?').expect("a query").1.to_owned();
    let query: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let code = world.authz.code(world.alice, world.instance, "alice", &query["code_challenge"]);
    let cookie = line("set-cookie").split(';').next().expect("a pair").to_owned();
    let target = format!("/.beaver/callback?code={code}&state={}", query["state"]);
    let back = world.get("alice", &target, &[("cookie", &cookie), ("accept", "text/html")]).await;
    assert_eq!(back.headers()["location"], "/welcome?first=1");
}

#[tokio::test]
async fn signing_out_asks_first_and_ends_the_session_everywhere() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let mut browser = Browser::new(&world, "alice");
    let out = browser.navigate("/").await;
    browser.navigate(&portal(&world, &out, world.alice)).await;
    let (cookie, origin) = (browser.cookie_line(), world.origin("alice"));

    let page = browser.navigate("/.beaver/logout").await;
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains(PORTAL), "the redirect after the form is allowed: {policy}");
    assert!(page.text().await.expect("text").contains("method=\"post\""));
    assert_eq!(world.authz.logouts.load(Ordering::SeqCst), 0, "a link signs nobody out");

    let post = |headers: &[(&'static str, String)]| {
        let mut request = world.request(Method::POST, "alice", "/.beaver/logout").header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send()
    };
    for foreign in [
        vec![("origin", "http://bob.localhost".to_owned())],
        vec![("sec-fetch-site", "same-site".to_owned()), ("origin", origin.clone())],
        vec![],
    ] {
        assert_eq!(post(&foreign).await.expect("an answer").status(), 403, "{foreign:?}");
    }
    assert_eq!(world.authz.logouts.load(Ordering::SeqCst), 0);

    let done = post(&[("origin", origin)]).await.expect("an answer");
    assert_eq!(done.status(), 303);
    assert_eq!(done.headers()["location"], format!("{PORTAL}/login?signed-out=1"));
    browser.take_cookies(done.headers());
    assert!(browser.cookies.is_empty());
    assert_eq!(world.authz.logouts.load(Ordering::SeqCst), 1);
    // The old cookie is void at once, also for whoever copied it.
    let again = world.get("alice", "/", &[("cookie", &cookie)]).await;
    assert_eq!(again.status(), 401);
}

//! API keys at an instance's host.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_api::api_keys::ApiKeyScope;
use control_api::authz::Revoked;
use control_api::ids::InstanceId;
use futures_util::StreamExt as _;
use http::Method;
use reqwest::Response;
use serde_json::Value;

use crate::fake_authz::{ANSWERS, FakeKey, Person};
use crate::instances::Instance;
use crate::websocket::{connect, echo_server, is_closed_soon};
use crate::world::{Echo, World, eventually};

/// A router whose answers about keys hold for no time at all.
async fn forgetful() -> World {
    World::start_with(|config| config.timeouts.key_cache = Duration::ZERO).await
}

async fn open(world: &World) -> (Instance, FakeKey, String) {
    let app = Instance::start("app").await;
    world.put_route(&world.alice_route(app.address)).await;
    let key = world.authz.api_key(world.alice, world.instance, ApiKeyScope::Instance);
    let bearer = format!("Bearer {}", key.text);
    (app, key, bearer)
}

async fn get(world: &World, bearer: &str) -> Response {
    world.get("alice", "/api/x", &[("authorization", bearer)]).await
}

fn asked(world: &World) -> usize {
    world.authz.introspections.load(Ordering::SeqCst)
}

fn unknown_key() -> String {
    format!("Bearer bvr_{}", service_kit::secret::random_token().expose())
}

async fn problem(answer: Response) -> (u16, String, Value) {
    let status = answer.status().as_u16();
    let challenge = answer.headers().get("www-authenticate").map_or("", |v| v.to_str().expect("text"));
    let challenge = challenge.to_owned();
    let body = answer.bytes().await.expect("a body");
    (status, challenge, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_key_is_as_good_as_its_owners_session_and_does_not_reach_the_instance() {
    let world = World::start().await;
    let (_app, key, bearer) = open(&world).await;
    let cookie = world.alice_cookie();
    let by_cookie = Echo::of(world.get("alice", "/api/x", &[("cookie", &cookie)]).await).await;
    let answer = get(&world, &bearer).await;
    assert!(!answer.headers().contains_key("set-cookie"));
    let by_key = Echo::of(answer).await;
    for name in ["x-beaver-user-id", "x-beaver-username", "x-beaver-email"] {
        assert_eq!(by_key.header(name), by_cookie.header(name), "{name}");
        assert_eq!(by_key.header(name).len(), 1, "{name}");
    }
    assert_eq!(by_key.header("x-beaver-assertion").len(), 1);
    assert!(by_key.header("authorization").is_empty());
    assert!(!by_key.0.to_string().contains(&key.text[4..]));
    assert_eq!(world.renewals(), 1, "the key renews no session");
    // Any spelling of the scheme, and every method; no page is needed to be the origin.
    let shouting = format!("bEARER  {}", key.text);
    assert_eq!(get(&world, &shouting).await.status(), 200);
    for foreign in [("origin", "http://bob.localhost:1"), ("sec-fetch-site", "cross-site")] {
        let post = world.request(Method::POST, "alice", "/act").header("authorization", &bearer);
        assert_eq!(post.header(foreign.0, foreign.1).send().await.expect("an answer").status(), 200);
    }
    assert_eq!(asked(&world), 1, "asked about once");
    // A person's browser with a key is not sent anywhere either.
    let page = [("authorization", bearer.as_str()), ("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    assert_eq!(world.get("alice", "/", &page).await.status(), 200);
}

#[tokio::test]
async fn what_is_no_key_for_this_instance_opens_nothing() {
    let world = World::start().await;
    let (app, key, _) = open(&world).await;
    let elsewhere = world.authz.api_key(world.alice, InstanceId::generate(), ApiKeyScope::Instance);
    // authz-service knows another owner than the route does.
    let of_bob = world.authz.api_key(Person::new("bob"), world.instance, ApiKeyScope::Instance);
    let cookie = world.alice_cookie();
    for bearer in [
        "Bearer bvr_".to_owned(),
        "Bearer bvr_0123456789".to_owned(),
        format!("Bearer {}x", key.text),
        format!("Bearer {} x", key.text),
        unknown_key(),
        format!("Bearer {}", elsewhere.text),
        format!("Bearer {}", of_bob.text),
    ] {
        let (status, challenge, body) = problem(get(&world, &bearer).await).await;
        assert_eq!((status, body["type"].as_str()), (401, Some("urn:beaver:key-invalid")), "{bearer}");
        assert_eq!(challenge, "Bearer error=\"invalid_token\"");
        assert!(!body.to_string().contains(bearer.trim_start_matches("Bearer ")), "{body}");
        // The key decides, whatever the cookie says, and also for a person.
        let both = [("authorization", bearer.as_str()), ("cookie", &cookie), ("accept", "text/html")];
        assert_eq!(world.get("alice", "/", &both).await.status(), 401, "{bearer}");
    }
    assert_eq!(app.requests(), 0);
    assert_eq!(asked(&world), 3, "only about what may be a key, and once");
    // Two credentials: nobody could say which counts.
    let twice = world.request(Method::GET, "alice", "/").header("authorization", "Basic eDp5");
    let twice = twice.header("authorization", format!("Bearer {}", key.text)).header("cookie", &cookie);
    assert_eq!(twice.send().await.expect("an answer").status(), 400);
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn a_bearer_token_that_is_no_key_is_the_apps_own() {
    let world = World::start().await;
    let (_app, _, _) = open(&world).await;
    let cookie = world.alice_cookie();
    let own = [("authorization", "Bearer app-token"), ("cookie", cookie.as_str())];
    let echo = Echo::of(world.get("alice", "/", &own).await).await;
    assert_eq!(echo.header("authorization"), ["Bearer app-token"]);
    let (status, challenge, body) = problem(get(&world, "Bearer app-token").await).await;
    assert_eq!((status, body["type"].as_str()), (401, Some("urn:beaver:session-ended")));
    assert_eq!(challenge, "Bearer");
    assert_eq!(asked(&world), 0);
}

#[tokio::test]
async fn a_key_that_may_read_does_nothing_else() {
    let world = World::start().await;
    let (app, _, _) = open(&world).await;
    let key = world.authz.api_key(world.alice, world.instance, ApiKeyScope::InstanceRead);
    let bearer = format!("Bearer {}", key.text);
    let send = async |method: Method, headers: &[(&str, &str)]| {
        let mut request = world.request(method, "alice", "/x").header("authorization", &bearer);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    };
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert_eq!(send(method, &[]).await.status(), 200);
    }
    let before = app.requests();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let (status, challenge, body) = problem(send(method, &[]).await).await;
        assert_eq!((status, body["type"].as_str()), (403, Some("urn:beaver:key-scope")));
        assert_eq!(challenge, "Bearer error=\"insufficient_scope\", scope=\"instance\"");
    }
    let disguised = send(Method::GET, &[("x-http-method-override", "DELETE")]).await;
    assert_eq!(disguised.status(), 403, "many frameworks would delete");
    assert_eq!(connect(&world, &[("authorization", &bearer)]).await.err(), Some(403), "a WebSocket writes");
    assert_eq!(app.requests(), before);
}

#[tokio::test]
async fn a_program_opens_a_websocket_without_an_origin_and_a_foreign_page_does_not() {
    let world = World::start().await;
    let (address, heads) = echo_server().await;
    world.put_route(&world.alice_route(address)).await;
    let key = world.authz.api_key(world.alice, world.instance, ApiKeyScope::Instance);
    let bearer = format!("Bearer {}", key.text);
    for origin in ["http://bob.localhost:1", "null"] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        assert_eq!(connect(&world, &headers).await.err(), Some(403), "{origin}");
    }
    assert!(heads.lock().unwrap().is_empty());
    let own = world.origin("alice");
    let mut with = connect(&world, &[("authorization", &bearer), ("origin", &own)]).await.expect("open");
    let mut without = connect(&world, &[("authorization", &bearer)]).await.expect("open");
    {
        let heads = heads.lock().unwrap();
        assert!(heads.iter().all(|head| head["x-beaver-username"] == "alice"));
        assert!(heads.iter().all(|head| !head.contains_key("authorization")));
    }
    world.authz.revoke_api_key(&key);
    assert!(is_closed_soon(&mut with).await && is_closed_soon(&mut without).await);
    assert_eq!(connect(&world, &[("authorization", &bearer)]).await.err(), Some(401));
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_its_streams_end_within_two_seconds() {
    let world = World::start().await;
    let (app, key, bearer) = open(&world).await;
    let cookie = world.alice_cookie();
    for path in ["/sse", "/stream"] {
        let key = world.authz.api_key(world.alice, world.instance, ApiKeyScope::InstanceRead);
        let one = format!("Bearer {}", key.text);
        let mut stream = world.get("alice", path, &[("authorization", &one)]).await.bytes_stream();
        let mut by_cookie = world.get("alice", path, &[("cookie", &cookie)]).await.bytes_stream();
        let mut by_other = world.get("alice", path, &[("authorization", &bearer)]).await.bytes_stream();
        eventually("all listen", || async { app.state.chunks.receiver_count() == 3 }).await;
        world.authz.revoke_api_key(&key);
        let end = tokio::time::timeout(Duration::from_secs(2), stream.next()).await.expect("in time");
        assert!(!matches!(end, Some(Ok(_))), "{path} goes on");
        app.state.chunks.send("still here").expect("a listener");
        for other in [&mut by_cookie, &mut by_other] {
            assert_eq!(other.next().await.expect("a piece").expect("whole"), "still here");
        }
        drop((by_cookie, by_other));
        eventually("all left", || async {
            let _ = app.state.chunks.send("x");
            app.state.chunks.receiver_count() == 0
        })
        .await;
    }
    // Although the answer about it is remembered, and nobody need be asked.
    assert_eq!(get(&world, &bearer).await.status(), 200);
    world.authz.revoke(Revoked::ApiKey(key.id));
    let refused = async || get(&world, &bearer).await.status() == 401;
    tokio::time::timeout(Duration::from_secs(2), eventually("the revocation", refused))
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_revocation_while_the_answer_is_on_its_way_wins() {
    let world = World::start().await;
    let (_app, key, bearer) = open(&world).await;
    // The known one shows when the news has come.
    let witness = world.authz.api_key(world.alice, world.instance, ApiKeyScope::Instance);
    let witness_bearer = format!("Bearer {}", witness.text);
    assert_eq!(get(&world, &witness_bearer).await.status(), 200);
    let held = world.authz.answers.acquire_many(u32::try_from(ANSWERS).expect("few")).await.expect("open");
    let before = asked(&world);
    let request = world.request(Method::GET, "alice", "/").header("authorization", &bearer);
    let under_way = tokio::spawn(request.send());
    eventually("the question is asked", || async { asked(&world) == before + 1 }).await;
    world.authz.revoke_api_key(&key);
    world.authz.revoke_api_key(&witness);
    eventually("the news", || async { get(&world, &witness_bearer).await.status() == 401 }).await;
    drop(held);
    assert_eq!(under_way.await.expect("no panic").expect("an answer").status(), 401);
    assert_eq!(get(&world, &bearer).await.status(), 401);
}

#[tokio::test]
async fn a_revocation_of_the_user_asks_anew() {
    let world = World::start().await;
    let (app, key, bearer) = open(&world).await;
    let mut stream = world.get("alice", "/sse", &[("authorization", &bearer)]).await.bytes_stream();
    eventually("it listens", || async { app.state.chunks.receiver_count() == 1 }).await;
    assert_eq!(asked(&world), 1);
    world.authz.revoke(Revoked::User(world.alice.user));
    let end = tokio::time::timeout(Duration::from_secs(2), stream.next()).await.expect("in time");
    assert!(!matches!(end, Some(Ok(_))), "what was said before does not hold");
    // Signed out everywhere: the key goes on. Suspended: authz-service says no.
    eventually("the key works", || async { get(&world, &bearer).await.status() == 200 }).await;
    assert!(asked(&world) > 1);
    world.authz.drop_api_key(&key);
    world.authz.revoke(Revoked::User(world.alice.user));
    eventually("the key is refused", || async { get(&world, &bearer).await.status() == 401 }).await;
}

#[tokio::test]
async fn many_requests_with_a_new_key_ask_once() {
    let world = World::start().await;
    let (_app, _, bearer) = open(&world).await;
    let held = world.authz.answers.acquire_many(u32::try_from(ANSWERS).expect("few")).await.expect("open");
    let all = futures_util::future::join_all((0..20).map(|_| get(&world, &bearer)));
    let release = async {
        eventually("the question is asked", || async { asked(&world) > 0 }).await;
        drop(held);
    };
    let (all, ()) = tokio::join!(all, release);
    assert!(all.iter().all(|answer| answer.status() == 200));
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn without_authz_a_key_holds_for_its_time_and_then_the_gate_is_closed() {
    let world = World::start().await;
    let (_app, _, bearer) = open(&world).await;
    assert_eq!(get(&world, &bearer).await.status(), 200);
    world.authz.down.store(true, Ordering::SeqCst);
    assert_eq!(get(&world, &bearer).await.status(), 200, "remembered");
    let (status, _, body) = problem(get(&world, &unknown_key()).await).await;
    assert_eq!((status, body["type"].as_str()), (503, Some("urn:beaver:gate-closed")), "not: wrong");

    let world = forgetful().await;
    let (_app, _, bearer) = open(&world).await;
    assert_eq!(get(&world, &bearer).await.status(), 200);
    assert_eq!(get(&world, &bearer).await.status(), 200);
    assert_eq!(asked(&world), 2, "the time is over at once");
    world.authz.down.store(true, Ordering::SeqCst);
    assert_eq!(get(&world, &bearer).await.status(), 503);
    world.authz.down.store(false, Ordering::SeqCst);
    eventually("it comes back", || async { get(&world, &bearer).await.status() == 200 }).await;
}

#[tokio::test]
async fn without_news_of_revocations_no_key_is_believed() {
    let world = World::start_with(|config| {
        config.timeouts.stale_news = Duration::from_millis(400);
        config.timeouts.news_wait = Duration::ZERO;
    })
    .await;
    let (_app, _, bearer) = open(&world).await;
    eventually("open", || async { get(&world, &bearer).await.status() == 200 }).await;
    world.authz.down.store(true, Ordering::SeqCst);
    eventually("closed, although remembered", || async { get(&world, &bearer).await.status() == 503 }).await;
}

#[tokio::test]
async fn who_tries_many_wrong_keys_has_to_wait_and_a_good_one_goes_on() {
    let world = forgetful().await;
    let (_app, _, bearer) = open(&world).await;
    assert_eq!(get(&world, &bearer).await.status(), 200);
    let mut refused = None;
    for _ in 0..40 {
        let answer = get(&world, &unknown_key()).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 401);
    }
    let refused = refused.expect("some time it is enough");
    let wait: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=4).contains(&wait), "{wait}");
    let questions = asked(&world);
    for _ in 0..20 {
        assert!([401, 429].contains(&get(&world, &unknown_key()).await.status().as_u16()));
    }
    assert!(asked(&world) <= questions + 5, "hardly any question is asked any more");
    // The same address, asked about anew each time: it was good lately.
    assert_eq!(get(&world, &bearer).await.status(), 200);
    assert!(world.metrics().await.contains("throttled"));
}

#[tokio::test]
async fn a_key_leads_to_nobody_in_particular_where_all_may_come() {
    let world = World::start().await;
    let (app, _, bearer) = open(&world).await;
    let mut route = world.alice_route(app.address);
    route["access"] = "public".into();
    world.write_route("alice", &route.to_string());
    eventually("it is public", || async { world.get("alice", "/", &[]).await.status() == 200 }).await;
    for bearer in [&bearer, &unknown_key()] {
        let echo = Echo::of(get(&world, bearer).await).await;
        assert!(echo.header("authorization").is_empty() && echo.header("x-beaver-user-id").is_empty());
    }
    assert_eq!(asked(&world), 0);
}

#[tokio::test]
async fn no_key_is_ever_in_the_log() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone());
    // All of the router runs on this test's one thread.
    let _logging = tracing::subscriber::set_default(everything.finish());
    // With a single subscriber, tracing asks the thread that comes to a line first whether anybody wants it, which
    // may be another test's; with two it asks all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let world = forgetful().await;
    let (_app, key, bearer) = open(&world).await;
    let wrong = unknown_key();
    assert_eq!(get(&world, &bearer).await.status(), 200);
    assert_eq!(get(&world, &wrong).await.status(), 401);
    world.authz.down.store(true, Ordering::SeqCst);
    assert_eq!(get(&world, &bearer).await.status(), 503);
    let text = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(text.contains("could not be asked about an API key") && text.contains("/api/x"), "{text}");
    for secret in [&key.text[4..], &wrong["Bearer bvr_".len()..]] {
        // The client of the test and the fake neighbour log on the same thread: only the router's lines count.
        let lines = text.lines().filter(|line| line.contains("router_proxy") || line.contains("control_api"));
        assert!(lines.clone().count() > 0 && !lines.clone().any(|line| line.contains(secret)));
    }
}

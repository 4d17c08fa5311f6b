//! Which instance a request goes to.

use control_api::ids::InstanceId;
use serde_json::Value;

use crate::instances::Instance;
use crate::world::{Echo, PORTAL, World, eventually};

async fn who(world: &World, slug: &str) -> String {
    let answer = world.get(slug, "/", &[]).await;
    if answer.status() != 200 {
        return answer.status().as_u16().to_string();
    }
    Echo::of(answer).await.0["instance"].as_str().expect("text").to_owned()
}

fn public(world: &World, slug: &str, instance: &Instance, generation: u64) -> Value {
    let mut route = world.alice_route(instance.address);
    route["slug"] = slug.into();
    route["access"] = "public".into();
    route["generation"] = generation.into();
    route["instance_id"] = InstanceId::generate().to_string().into();
    route
}

#[tokio::test]
async fn files_come_change_break_and_go() {
    let (world, one, two) =
        (World::start().await, Instance::start("one").await, Instance::start("two").await);
    assert_eq!(who(&world, "alice").await, "404");
    world.put_route(&public(&world, "alice", &one, 1)).await;
    assert_eq!(who(&world, "alice").await, "one");
    world.write_route("alice", &public(&world, "alice", &two, 2).to_string());
    eventually("the change", || async { who(&world, "alice").await == "two" }).await;

    world.write_route("alice", "{\"version\":1,");
    eventually("the report", || async { world.metrics().await.contains("beaver_router_bad_route_files 1") })
        .await;
    assert_eq!(who(&world, "alice").await, "two", "the last good file stays in force");
    let health = world.client.get(format!("http://{}/health", world.admin)).send().await.expect("an answer");
    assert!(health.text().await.expect("text").contains("at fault"));

    world.write_route("alice", &public(&world, "alice", &one, 3).to_string());
    eventually("the mended file", || async { who(&world, "alice").await == "one" }).await;
    std::fs::remove_file(world.route_path("alice")).expect("removed");
    eventually("the route is gone", || async { who(&world, "alice").await == "404" }).await;
}

#[tokio::test]
async fn routes_on_disk_are_served_after_a_restart() {
    let (mut world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&public(&world, "alice", &app, 1)).await;
    world.restart().await;
    assert_eq!(who(&world, "alice").await, "app", "by the very first request");
}

#[tokio::test]
async fn a_pooled_connection_never_serves_another_instance() {
    let (world, old) = (World::start().await, Instance::start("old").await);
    world.put_route(&public(&world, "alice", &old, 1)).await;
    for _ in 0..5 {
        assert_eq!(who(&world, "alice").await, "old");
    }
    // The address goes to bob's container; alice is given another one.
    let new = Instance::start("new").await;
    world.put_route(&public(&world, "bob", &old, 1)).await;
    world.write_route("alice", &public(&world, "alice", &new, 1).to_string());
    eventually("the new container", || async { who(&world, "alice").await == "new" }).await;
    for _ in 0..20 {
        assert_eq!(who(&world, "alice").await, "new");
        assert_eq!(who(&world, "bob").await, "old");
    }
}

#[tokio::test]
async fn hosts_that_mean_nobody_get_a_page_that_leads_on() {
    let world = World::start().await;
    let port = world.router.port();
    for host in [
        "nobody.localhost".to_owned(),
        format!("localhost:{port}"),
        format!("a_b.localhost:{port}"),
        format!("x.alice.localhost:{port}"),
        format!("127.0.0.1:{port}"),
        "evil.example".to_owned(),
    ] {
        let request = world.client.get(format!("http://{}/", world.router)).header("host", &host);
        let page = request.header("accept", "text/html").send().await.expect("an answer");
        assert_eq!(page.status(), 404, "{host}");
        assert!(page.text().await.expect("text").contains(&format!("href=\"{PORTAL}/\"")), "{host}");
    }
}

#[tokio::test]
async fn any_valid_spelling_of_the_host_is_the_same_route() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&public(&world, "alice", &app, 1)).await;
    for host in ["ALICE.localhost", "alice.localhost.", "Alice.LOCALHOST.:99", "alice.localhost:"] {
        let request = world.client.get(format!("http://{}/", world.router)).header("host", host);
        let echo = Echo::of(request.send().await.expect("an answer")).await;
        assert!(echo.header("host")[0].starts_with("alice.localhost"), "{host}");
    }
}

#[tokio::test]
async fn a_stale_pooled_connection_is_replaced_without_the_client_knowing() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&public(&world, "alice", &app, 1)).await;
    assert_eq!(who(&world, "alice").await, "app");
    // The container's process is replaced at the same address: its connections die.
    app.task.abort();
    let _ = app.task.await;
    let listener = tokio::net::TcpListener::bind(app.address).await.expect("the address is free");
    let again = axum::Router::new().fallback(|| async { "again" });
    tokio::spawn(async move { axum::serve(listener, again).await });
    let answer = world.get("alice", "/", &[]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("text"), "again");
}

#[tokio::test]
async fn use_is_reported_to_deploy_control() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&public(&world, "alice", &app, 1)).await;
    who(&world, "alice").await;
    who(&world, "alice").await;
    let reported = || {
        let reports = world.deploy.state.reports.lock().unwrap();
        reports
            .iter()
            .flat_map(|r| &r.routes)
            .filter(|r| r.slug.as_str() == "alice")
            .map(|r| r.requests)
            .sum::<u64>()
    };
    eventually("the report", || async { reported() == 2 }).await;
}

#[tokio::test]
async fn a_long_upload_and_quiet_times_are_reported_too() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    // deploy-control must know that the router watches, or nobody is ever put to sleep.
    eventually("a report without any use", || async {
        world.deploy.state.reports.lock().unwrap().iter().any(|report| report.routes.is_empty())
    })
    .await;
    world.put_route(&public(&world, "alice", &app, 1)).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request =
        world.client.post(format!("http://{}/upload", world.router)).header("host", world.host("alice"));
    let upload = tokio::spawn(request.body(body).send());
    let streams = || -> usize {
        let reports = world.deploy.state.reports.lock().unwrap();
        reports.iter().flat_map(|r| &r.routes).filter(|r| r.active_connections > 0).count()
    };
    for round in 1..=3 {
        sender.send(Ok(bytes::Bytes::from_static(b"part"))).await.expect("sent");
        eventually("the upload counts as use", || async { streams() >= round }).await;
    }
    drop(sender);
    assert_eq!(upload.await.expect("no panic").expect("an answer").status(), 200);
}

#[tokio::test]
async fn http_2_by_prior_knowledge_reaches_the_same_route() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&public(&world, "alice", &app, 1)).await;
    let stream = tokio::net::TcpStream::connect(world.router).await.expect("a connection");
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.expect("a handshake");
    tokio::spawn(connection);
    for _ in 0..3 {
        let request = http::Request::get(format!("http://{}/h2?x=1", world.host("alice")))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("x-request-id"));
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body").to_bytes();
        let echo = Echo(serde_json::from_slice(&body).expect("json"));
        assert_eq!(echo.0["target"], "/h2?x=1");
        assert_eq!(echo.header("host"), [world.host("alice")]);
    }
}

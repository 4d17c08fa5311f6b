//! Who may call what, and what is no request at all.

use http::Method;
use serde_json::json;

use crate::harness::{DEPLOY_TOKEN, ROUTER_TOKEN, World, problem};

#[tokio::test]
async fn each_token_opens_its_own_routes_alone() {
    let world = World::new().await;
    let app = world.start().await;
    let call = async |method: Method, path: &str, token: Option<&str>| {
        let request = app.http.request(method, format!("{}{path}", app.base)).json(&json!({"routes": []}));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer")
    };
    for (method, path) in [
        (Method::GET, "/api/instances"),
        (Method::POST, "/api/instances/register"),
        (Method::POST, "/api/isolation/probe"),
        (Method::DELETE, "/api/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB"),
    ] {
        let none = problem(call(method.clone(), path, None).await, 401).await;
        assert_eq!(none["type"], "urn:beaver:token-missing");
        let other = problem(call(method, path, Some(ROUTER_TOKEN)).await, 401).await;
        assert_eq!(other["type"], "urn:beaver:token-mismatch");
        let detail = other["detail"].as_str().expect("a detail");
        assert!(detail.contains("DEPLOY_API_TOKEN") && detail.contains("DEPLOY_CONTROL_API_TOKEN"));
    }
    let other = call(Method::POST, "/api/routes/activity", Some(DEPLOY_TOKEN)).await;
    assert_eq!(problem(other, 401).await["type"], "urn:beaver:token-mismatch");
    assert_eq!(call(Method::POST, "/api/routes/activity", Some(ROUTER_TOKEN)).await.status(), 204);
    assert_eq!(call(Method::GET, "/api/openapi.json", None).await.status(), 200);
    assert_eq!(call(Method::GET, "/health", None).await.status(), 200);
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_is_no_request_gets_a_problem() {
    let world = World::new().await;
    let app = world.start().await;
    let large = json!({ "username": "x".repeat(600 * 1024) });
    assert_eq!(app.post("/api/instances/register", &large).await.status(), 413);
    let url = format!("{}/api/instances/register", app.base);
    let request = app.http.post(&url).bearer_auth(DEPLOY_TOKEN).header("content-type", "application/json");
    let broken = request.body("{").send().await.expect("an answer");
    assert_eq!(problem(broken, 400).await["type"], "urn:beaver:invalid-input");
    let text = app.http.post(&url).bearer_auth(DEPLOY_TOKEN).body("{}").send().await.expect("an answer");
    assert_eq!(problem(text, 415).await["type"], "urn:beaver:invalid-input");
    let unknown = app.get("/api/instances/not-an-id").await;
    assert_eq!(problem(unknown, 404).await["type"], "urn:beaver:not-found");
    assert_eq!(problem(app.get("/nothing").await, 404).await["type"], "urn:beaver:not-found");
    let method = app.http.put(&url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    assert_eq!(problem(method, 405).await["type"], "urn:beaver:invalid-input");
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_subnet_in_use_is_a_clear_start_error() {
    let mut world = World::new().await;
    world.routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                    wg0\t0000590A\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
        .to_owned();
    let error = world.try_start().await.err().expect("refused").to_string();
    assert!(error.contains("BEAVER_INSTANCE_SUBNET") && error.contains("wg0"), "{error}");
}

#[tokio::test]
async fn another_subnet_under_instances_on_record_is_a_clear_start_error() {
    let mut world = World::new().await;
    let app = world.start().await;
    app.register("alice").await;
    app.kill().await;
    world.env.push(("BEAVER_INSTANCE_SUBNET", "10.99.0.0/16".to_owned()));
    let error = world.try_start().await.err().expect("refused").to_string();
    assert!(error.contains("10.99.0.0/16") && error.contains("10.89.0.0/16"), "{error}");
}

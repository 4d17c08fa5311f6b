//! People come over TLS, through Caddy and through Nginx with the files of `ops/`: they sign up, are handed off to
//! their instance, see a chat as it is written, upload, and open a WebSocket.

use std::cell::RefCell;

use control_api::deploy::OperationState;
use e2e::edge::{Edge, Program, VISITOR};
use e2e::fixture::{PASSWORD, World};
use e2e::http::{Answer, Visitor, hidden_field};
use e2e::providers::{Manner, Providers};
use e2e::{Failure, Outcome, ensure, ensure_eq};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Version};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::lifecycle::{act, keeping_the_image};
use crate::sleep::{remove_image, use_the_echo_app};

/// More than either program takes without being told, and more than their buffers hold.
const UPLOAD: usize = 5 << 20;
/// An address that nobody here has.
const FORGED: &str = "203.0.113.9";

pub(crate) async fn caddy_in_front_serves_people_over_tls(world: &World) -> Outcome {
    serves_people(world, Program::Caddy, "alice-caddy").await
}

pub(crate) async fn nginx_in_front_serves_people_over_tls(world: &World) -> Outcome {
    serves_people(world, Program::Nginx, "bob-nginx").await
}

async fn serves_people(world: &World, program: Program, name: &str) -> Outcome {
    let edge = Edge::start(&world.site, program).await?;
    let image = RefCell::new(String::new());
    let outcome = world
        .with_settings(&edge.settings(), async || {
            if program == Program::Nginx {
                leads_to_tls(&edge).await?;
            }
            let mut visitor = sign_up(world, &edge, name).await?;
            let (page, at) = visitor.follow(&edge.instance(name, "/")).await?;
            ensure_eq!((page.status, &at), (200, &edge.instance(name, "/")), "{}", page.body);
            let session = visitor.cookie(&Edge::instance_host(name), "__Host-beaver_app");
            ensure!(session.is_some(), "no session at the instance that only this host can have set");
            chats(world, &edge, &mut visitor, name).await?;
            change_to_the_echo_app(world, name, &image).await?;
            uploads(&edge, &mut visitor, name).await?;
            reads_what_is_there(&edge, &mut visitor, name).await?;
            is_known_by_address(&edge, &mut visitor, name).await?;
            talks_over_a_socket(&edge, &visitor, name).await
        })
        .await
        .map_err(|failure| Failure(format!("{failure}\n{}", edge.last_words())));
    edge.end().await?;
    // The next scenarios have another domain, and the image can go once nothing is made from it.
    let removed = world.site.script("remove-instance.sh", &[name, "--purge", "--yes"], "").await?;
    let cleared = remove_image(&image.into_inner()).await;
    // Why it failed first is what matters.
    outcome.and(removed.success().map(drop)).and(cleared)
}

/// Whoever comes without TLS is sent to the same page with it.
async fn leads_to_tls(edge: &Edge) -> Outcome {
    let answer = edge.visitor()?.get(&edge.plain_portal("/register?a=b")).await?;
    ensure_eq!(answer.status, 301, "{}", answer.body);
    ensure_eq!(answer.header("location"), Edge::portal_at_443("/register?a=b"));
    Ok(())
}

/// Each cookie is for TLS alone and for this very host.
fn has_safe_cookies(answer: &Answer) -> Outcome {
    ensure!(!answer.cookies.is_empty(), "no cookie was set");
    for cookie in &answer.cookies {
        ensure!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
    }
    Ok(())
}

/// Signs up through the portal's form, waits for the instance and skips onboarding.
async fn sign_up(world: &World, edge: &Edge, name: &str) -> Outcome<Visitor> {
    let mut visitor = edge.visitor()?;
    let url = edge.portal("/register");
    let page = visitor.get(&url).await?;
    ensure_eq!(page.status, 200, "{}", page.body);
    let (csrf, email) = (hidden_field(&page.body, "csrf")?, format!("{name}@example.com"));
    let fields = [("username", name), ("email", &email), ("password", PASSWORD), ("csrf", &csrf)];
    let answer = visitor.submit(&url, &fields).await?;
    ensure_eq!(answer.status, 303, "sign-up of {name}: {}", answer.body);
    ensure_eq!(answer.header("location"), "/provisioning");
    has_safe_cookies(&answer)?;
    world.wait_ready(name).await?;
    let page = visitor.get(&edge.portal("/onboarding/provider")).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let answer = visitor.submit(&edge.portal("/onboarding/provider/skip"), &[("csrf", &csrf)]).await?;
    ensure_eq!(answer.status, 303, "skip: {}", answer.body);
    Ok(visitor)
}

/// Words arrive while the provider still writes: the visitor stops it after some, and never gets the last.
async fn chats(world: &World, edge: &Edge, visitor: &mut Visitor, name: &str) -> Outcome {
    let address = format!("{}:{}", world.site.control_ip, world.site.provider_port);
    let base_url = format!("http://{address}/v1");
    let args =
        [name, "--provider", "openai-compatible", "--base-url", &base_url, "--model", "m", "--key-stdin"];
    world.site.script("configure-provider.sh", &args, "sk-test-1\n").await?.success()?;
    let providers = Providers::start(address.parse()?).await?;
    providers.behave(Manner::Slowly);
    let outcome = stops_a_chat(edge, visitor, name).await;
    providers.end().await;
    outcome
}

async fn stops_a_chat(edge: &Edge, visitor: &mut Visitor, name: &str) -> Outcome {
    let origin = edge.instance(name, "");
    let headers =
        [("content-type", "application/json"), ("origin", &origin), ("sec-fetch-site", "same-origin")];
    let url = edge.instance(name, "/api/conversations");
    let made = visitor.send(Method::POST, &url, &headers, Some("{}".to_owned())).await?;
    ensure_eq!(made.status, 201, "{}", made.body);
    let made: Value = serde_json::from_str(&made.body)?;
    let url = format!("{url}/{}", made["id"].as_str().unwrap_or_default());
    let question = json!({ "text": "take your time" }).to_string();
    let mut answer =
        visitor.begin(Method::POST, &format!("{url}/messages"), &headers, Some(question)).await?;
    ensure_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    let (mut pieces, mut words) = (0, String::new());
    while pieces < 3 {
        let piece =
            answer.chunk().await?.ok_or_else(|| Failure(format!("the answer ended early: {words}")))?;
        let piece = String::from_utf8_lossy(&piece).into_owned();
        pieces += usize::from(piece.contains("Hello"));
        words.push_str(&piece);
    }
    let stopped = visitor.send(Method::POST, &format!("{url}/stop"), &headers, None).await?;
    ensure_eq!(stopped.status, 204, "{}", stopped.body);
    while let Some(piece) = answer.chunk().await? {
        words.push_str(&String::from_utf8_lossy(&piece));
    }
    ensure!(!words.contains("the last word"), "the answer was gathered before it was sent on: {words}");
    Ok(())
}

/// The id of its image is in `image` from when there is one, whatever fails after.
async fn change_to_the_echo_app(world: &World, name: &str, image: &RefCell<String>) -> Outcome {
    let view = world.wait_ready(name).await?;
    keeping_the_image(world, async || {
        image.replace(use_the_echo_app(world).await?);
        ensure_eq!(act(world, &view, "upgrade").await?, OperationState::Succeeded);
        Ok(())
    })
    .await
}

/// A large file goes up whole and comes back whole.
async fn uploads(edge: &Edge, visitor: &mut Visitor, name: &str) -> Outcome {
    let origin = edge.instance(name, "");
    let headers = [("content-type", "text/plain"), ("origin", &origin), ("sec-fetch-site", "same-origin")];
    let lines: Vec<String> = (0..UPLOAD / 8).map(|at| format!("{at:07}")).collect();
    let file = lines.join("\n");
    let answer =
        visitor.send(Method::PUT, &edge.instance(name, "/file"), &headers, Some(file.clone())).await?;
    ensure_eq!(answer.status, 200);
    ensure!(answer.body == file, "{} bytes went up and {} others came back", file.len(), answer.body.len());
    Ok(())
}

/// The first words of an answer arrive before there are more, also from an app that does not ask for that with
/// `X-Accel-Buffering`: only a visitor who has them asks for the rest.
async fn reads_what_is_there(edge: &Edge, visitor: &mut Visitor, name: &str) -> Outcome {
    let mut answer = visitor.begin(Method::GET, &edge.instance(name, "/held"), &[], None).await?;
    let mut words = Vec::new();
    while words.len() < "first".len() {
        words.extend(answer.chunk().await?.ok_or_else(|| Failure("the answer ended early".into()))?);
    }
    ensure_eq!(words, b"first");
    let released = visitor.send(Method::GET, &edge.instance(name, "/release"), &[], None).await?;
    ensure_eq!(released.status, 200, "{}", released.body);
    ensure_eq!(answer.text().await?, "last");
    Ok(())
}

/// The instance is told where the visitor is, and not what the visitor says of that.
async fn is_known_by_address(edge: &Edge, visitor: &mut Visitor, name: &str) -> Outcome {
    let forged = [
        ("x-forwarded-for", FORGED),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "elsewhere.example"),
    ];
    let head = visitor.send(Method::GET, &edge.instance(name, "/head"), &forged, None).await?;
    ensure_eq!(head.status, 200, "{}", head.body);
    let all = head.body.to_ascii_lowercase();
    // The proxy says who came to it, and the router adds who came to it: the proxy.
    let told = [
        format!("x-forwarded-for: {VISITOR}, 127.0.0.1\r\n"),
        "x-forwarded-proto: https\r\n".to_owned(),
        format!("x-forwarded-host: {}", Edge::instance_host(name)),
    ];
    for line in told {
        ensure!(all.contains(&line), "the instance is not told {line:?}:\n{all}");
    }
    ensure!(!all.contains(FORGED) && !all.contains("elsewhere"), "a stranger was believed:\n{all}");
    Ok(())
}

async fn talks_over_a_socket(edge: &Edge, visitor: &Visitor, name: &str) -> Outcome {
    let mut socket = visitor.open_socket(&edge.instance(name, "/socket")).await?;
    for word in ["one", "two", "three"] {
        socket.send(Message::text(word)).await?;
        let echo = socket.next().await.transpose()?;
        ensure_eq!(echo, Some(Message::text(word)));
    }
    socket.close(None).await?;
    let last = socket.next().await.transpose()?;
    ensure!(matches!(last, Some(Message::Close(_))), "the end was not agreed on: {last:?}");
    Ok(())
}

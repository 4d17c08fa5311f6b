//! Who is put to sleep and who is not, with idle times that are short enough to wait for: a chat that streams keeps
//! or a page with a WebSocket keeps its instance awake while a neighbour falls asleep, and a sleeper comes back for
//! whoever asks.

use std::path::Path;
use std::time::Duration;

use control_api::deploy::{InstanceState, OperationState};
use e2e::fixture::{PASSWORD, World};
use e2e::http::Visitor;
use e2e::providers::{Manner, Providers};
use e2e::shell::{docker as run_docker, run};
use e2e::wait::until;
use e2e::{Failure, Outcome, docker, ensure, ensure_eq};
use http::Method;
use serde_json::{Value, json};

use crate::lifecycle::{act, instance_image, keeping_the_image};

const LIMIT: Duration = Duration::from_secs(90);
const AWAKE: &str = "alice-awake";
const IDLE: &str = "bob-idle";
const SOCKET: &str = "alice-socket";

/// A request of a script, which is held for as long as it takes.
async fn ask(visitor: &mut Visitor, world: &World, name: &str) -> Outcome {
    let answer = visitor.send(Method::GET, &world.site.instance_url(name, "/api/me"), &[], None).await?;
    ensure_eq!(answer.status, 200, "{name}: {}", answer.body);
    Ok(())
}

pub(crate) async fn a_chat_under_way_keeps_its_instance_awake_and_an_idle_one_sleeps(
    world: &World,
) -> Outcome {
    let address = format!("{}:{}", world.site.control_ip, world.site.provider_port);
    let providers = Providers::start(address.parse()?).await?;
    let mut alice = world.signed_in(AWAKE).await?;
    let mut bob = world.signed_in(IDLE).await?;
    let base_url = format!("http://{address}/v1");
    let args =
        [AWAKE, "--provider", "openai-compatible", "--base-url", &base_url, "--model", "m", "--key-stdin"];
    world.site.script("configure-provider.sh", &args, "sk-test-1\n").await?.success()?;
    let outcome = world
        .with_settings(&[("BEAVER_IDLE_SLEEP", "10s")], async || {
            providers.behave(Manner::Slowly);
            let container = docker::instance_container(&world.site.name, AWAKE).await?;
            let before = docker::identity(&container).await?;
            let (talk, asleep) =
                tokio::join!(talk(&mut alice, world), world.wait_state(IDLE, InstanceState::Asleep));
            asleep?;
            let words = talk?;
            ensure!(words.contains("the last word"), "the stream was cut off: {words}");
            ensure_eq!(docker::identity(&container).await?, before, "{AWAKE} was restarted under its chat");

            ask(&mut bob, world, IDLE).await?;
            let view = world.wait_state(IDLE, InstanceState::Asleep).await?;
            waiting_page_leads_on(world, &mut bob).await?;
            let events = world.deploy.events(view.instance_id).await?.events;
            ensure!(events.iter().any(|e| e.cause.contains("nobody has used it")), "{events:?}");
            Ok(())
        })
        .await;
    providers.end().await;
    outcome
}

/// Asks a question whose answer takes three times the idle time.
async fn talk(visitor: &mut Visitor, world: &World) -> Outcome<String> {
    let origin = world.site.instance_url(AWAKE, "");
    let headers = [
        ("content-type", "application/json"),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    let url = world.site.instance_url(AWAKE, "/api/conversations");
    let made = visitor.send(Method::POST, &url, &headers, Some(json!({}).to_string())).await?;
    ensure_eq!(made.status, 201, "{}", made.body);
    let made: Value = serde_json::from_str(&made.body)?;
    let url = format!("{url}/{}/messages", made["id"].as_str().unwrap_or_default());
    let body = json!({ "text": "take your time" }).to_string();
    let answer = visitor.send(Method::POST, &url, &headers, Some(body)).await?;
    ensure_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body)
}

/// While deploy-control stands still nobody wakes: a navigation gets a page that reloads, and with that it arrives.
async fn waiting_page_leads_on(world: &World, visitor: &mut Visitor) -> Outcome {
    let home = world.site.instance_url(IDLE, "/");
    let service = world.site.service("deploy-control");
    run_docker(&["pause", &service]).await?.success()?;
    let page = visitor.get(&home).await;
    run_docker(&["unpause", &service]).await?.success()?;
    let page = page?;
    ensure_eq!(page.status, 503, "{}", page.body);
    ensure!(page.body.contains("Waking up"), "{}", page.body);
    ensure!(page.body.contains("http-equiv=\"refresh\""), "the page does not lead on: {}", page.body);
    until("the page to lead on", LIMIT, async || {
        let answer = visitor.get(&home).await?;
        match answer.status {
            200 => Ok(Some(())),
            503 if answer.headers.contains_key("retry-after") => Ok(None),
            other => Err(Failure(format!("{other}: {}", answer.body))),
        }
    })
    .await
}

/// Puts an app with a WebSocket in the place of the instances' image, and answers its id.
pub(crate) async fn use_the_echo_app(world: &World) -> Outcome<String> {
    let folder = world.site.root.join("echo");
    std::fs::create_dir_all(&folder)?;
    let binary = folder.join("app").to_string_lossy().into_owned();
    let archive = folder.join("image.tar").to_string_lossy().into_owned();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/app/echo.rs");
    let flags = ["--edition=2024", "-Copt-level=s", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"];
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let args = [&flags[..], &["-o", &binary, source]].concat();
    run(Path::new(&rustc), &args, &[], "", LIMIT).await?.success()?;
    let args = ["-C", &folder.to_string_lossy(), "-cf", &archive, "app"];
    run(Path::new("tar"), &args, &[], "", LIMIT).await?.success()?;
    let name = instance_image(world);
    let args = ["import", "--change", "ENTRYPOINT [\"/app\"]", &archive, &name];
    Ok(run_docker(&args).await?.success()?.stdout.trim().to_owned())
}

/// Removes the echo app's image, if there is one, as soon as Docker has done with the containers made from it.
pub(crate) async fn remove_image(id: &str) -> Outcome {
    if id.is_empty() {
        return Ok(());
    }
    until("the echo app's image to go", LIMIT, async || {
        let output = run_docker(&["rmi", "--force", id]).await?;
        let is_gone = output.code == 0 || output.stderr.contains("No such image");
        if is_gone { Ok(Some(())) } else { Err(Failure(output.all())) }
    })
    .await
}

pub(crate) async fn a_websocket_keeps_its_instance_awake_until_it_is_closed(world: &World) -> Outcome {
    world.signed_in(SOCKET).await?;
    world.signed_in(IDLE).await?;
    let view = world.wait_ready(SOCKET).await?;
    let mut image = String::new();
    let outcome = world
        .with_settings(&[("BEAVER_IDLE_SLEEP", "10s")], async || {
            keeping_the_image(world, async || {
                image = use_the_echo_app(world).await?;
                ensure_eq!(act(world, &view, "upgrade").await?, OperationState::Succeeded);
                Ok(())
            })
            .await?;
            let container = docker::instance_container(&world.site.name, SOCKET).await?;
            let before = docker::identity(&container).await?;
            let browser = world.driver.open().await?;
            browser.goto(&world.site.instance_url(SOCKET, "/")).await?;
            browser.fill("input[name=login]", SOCKET).await?;
            browser.fill("input[name=password]", PASSWORD).await?;
            browser.click("form[action='/login'] button[type=submit]").await?;
            // Three times the idle time, which is as long as the browser waits for anything, in two halves; meanwhile a
            // neighbour who does nothing falls asleep.
            for wanted in [15, 30] {
                let what = format!("{wanted} echoes");
                browser
                    .wait_text("output", &what, |text| text.parse::<u32>().is_ok_and(|n| n >= wanted))
                    .await?;
            }
            ensure_eq!(browser.text("b").await?, "", "the socket was closed");
            ensure_eq!(world.instance(IDLE).await?.state, InstanceState::Asleep);
            ensure_eq!(docker::identity(&container).await?, before, "{SOCKET} was restarted under its page");
            browser.close().await?;
            world.wait_state(SOCKET, InstanceState::Asleep).await?;
            Ok(())
        })
        .await;
    ensure_eq!(act(world, &view, "rollback").await?, OperationState::Succeeded);
    outcome.and(remove_image(&image).await)
}

pub(crate) async fn a_frozen_instance_goes_on_where_it_stood(world: &World) -> Outcome {
    let mut bob = world.signed_in(IDLE).await?;
    let settings = [("BEAVER_IDLE_PAUSE", "10s"), ("BEAVER_IDLE_SLEEP", "1h")];
    world
        .with_settings(&settings, async || {
            world.wait_ready(IDLE).await?;
            let container = docker::instance_container(&world.site.name, IDLE).await?;
            let before = docker::identity(&container).await?;
            let view = world.wait_state(IDLE, InstanceState::Asleep).await?;
            ensure_eq!(view.reason.as_deref(), Some("frozen; the next request thaws it"));
            until("the container to be frozen", LIMIT, async || {
                Ok((docker::inspect(&container).await?["State"]["Paused"] == true).then_some(()))
            })
            .await?;
            ask(&mut bob, world, IDLE).await?;
            ensure_eq!(docker::inspect(&container).await?["State"]["Paused"], false);
            ensure_eq!(docker::identity(&container).await?, before, "it was started anew");
            Ok(())
        })
        .await
}

//! An instance's life after the sign-up, on the real Docker Engine: sleep and wake, stop and start, a newer
//! image, a broken one, the way back, and containers or images that vanish behind our back.

use std::path::Path;
use std::time::Duration;

use control_api::deploy::{InstanceState, InstanceView, OperationState};
use e2e::fixture::World;
use e2e::shell::{Output, docker as run_docker, run};
use e2e::wait::until;
use e2e::{Failure, Outcome, docker, ensure, ensure_eq};

const LIMIT: Duration = Duration::from_secs(90);

/// Asks for an action and waits until its operation has ended.
pub(crate) async fn act(world: &World, view: &InstanceView, action: &str) -> Outcome<OperationState> {
    let answer = world.deploy.act(view.instance_id, action).await?;
    let operation = until(&format!("the end of {action}"), LIMIT, async || {
        let operation = world.deploy.operation(answer.operation_id).await?;
        Ok(operation.state.is_final().then_some(operation))
    })
    .await?;
    Ok(operation.state)
}

pub(crate) async fn a_sleeper_wakes_at_the_next_request(world: &World) -> Outcome {
    let mut alice = world.signed_in("alice").await?;
    let view = world.wait_ready("alice").await?;
    ensure_eq!(act(world, &view, "sleep").await?, OperationState::Succeeded);
    ensure_eq!(world.instance("alice").await?.state, InstanceState::Asleep);
    let container = docker::instance_container(&world.site.name, "alice").await?;
    ensure_eq!(docker::inspect(&container).await?["State"]["Running"], false);

    // The request is held while the instance starts; a slow machine may show the waiting page first.
    let home = world.site.instance_url("alice", "/");
    until("alice's page", LIMIT, async || {
        let answer = alice.get(&home).await?;
        match answer.status {
            200 => Ok(Some(())),
            503 if answer.headers.contains_key("retry-after") => Ok(None),
            other => Err(Failure(format!("{other}: {}", answer.body))),
        }
    })
    .await?;
    ensure_eq!(world.wait_ready("alice").await?.generation, view.generation);
    let events = world.deploy.events(view.instance_id).await?.events;
    ensure!(events.iter().any(|e| e.actor == "router"), "the ledger does not say who woke it: {events:?}");
    Ok(())
}

pub(crate) async fn a_stopped_instance_says_so_until_it_is_started(world: &World) -> Outcome {
    let mut alice = world.signed_in("alice").await?;
    let view = world.wait_ready("alice").await?;
    let home = world.site.instance_url("alice", "/");
    ensure_eq!(act(world, &view, "stop").await?, OperationState::Succeeded);
    let page = until("the page of a stopped instance", LIMIT, async || {
        let answer = alice.get(&home).await?;
        Ok((answer.status == 503).then_some(answer))
    })
    .await?;
    ensure!(page.body.contains("stopped"), "{}", page.body);
    ensure_eq!(world.instance("alice").await?.state, InstanceState::Stopped, "a request has started it");
    ensure_eq!(act(world, &view, "start").await?, OperationState::Succeeded);
    world.wait_ready("alice").await?;
    let (answer, at) = alice.follow(&home).await?;
    ensure_eq!(answer.status, 200, "at {at}");
    Ok(())
}

/// Makes another image under the name that instances are made from.
pub(crate) async fn change_image(world: &World, dockerfile: &str) -> Outcome {
    let name = instance_image(world);
    let text = format!("FROM {}\n{dockerfile}\n", kept_image(world));
    let env = [("DOCKER_BUILDKIT", "0")];
    let args = ["build", "--quiet", "--tag", &name, "-"];
    run(Path::new("docker"), &args, &env, &text, LIMIT).await?.success()?;
    Ok(())
}

pub(crate) fn instance_image(world: &World) -> String {
    format!("beaver/app-instance:{}", world.site.name)
}

fn kept_image(world: &World) -> String {
    format!("beaver-e2e/kept:{}", world.site.name)
}

/// Runs `body` with the instance image kept under a second name, and gives it its own name back after.
pub(crate) async fn keeping_the_image(world: &World, body: impl AsyncFnOnce() -> Outcome) -> Outcome {
    let (name, kept) = (instance_image(world), kept_image(world));
    run_docker(&["tag", &name, &kept]).await?.success()?;
    let outcome = body().await;
    run_docker(&["tag", &kept, &name]).await?.success()?;
    run_docker(&["rmi", "--no-prune", &kept]).await?.success()?;
    outcome
}

pub(crate) async fn an_upgrade_keeps_the_data_and_a_broken_one_goes_back(world: &World) -> Outcome {
    let mut alice = world.signed_in("alice").await?;
    let before = world.wait_ready("alice").await?;
    let data = world.site.root.join("runtime/instances").join(before.instance_id.to_string()).join("data");
    std::fs::write(data.join("mark"), "kept")?;
    let outcome = keeping_the_image(world, async || {
        change_image(world, "LABEL beaver.e2e=newer").await?;
        ensure_eq!(act(world, &before, "upgrade").await?, OperationState::Succeeded);
        let newer = world.wait_ready("alice").await?;
        ensure!(newer.image != before.image && newer.generation > before.generation, "{newer:?}");
        ensure_eq!(std::fs::read_to_string(data.join("mark"))?, "kept");

        change_image(world, "ENTRYPOINT [\"/app-instance\", \"no-such-subcommand\"]").await?;
        ensure_eq!(act(world, &newer, "upgrade").await?, OperationState::Failed);
        let back = world.wait_ready("alice").await?;
        ensure_eq!(back.image, newer.image, "the old image did not come back");
        ensure_eq!(std::fs::read_to_string(data.join("mark"))?, "kept");
        let (answer, at) = alice.follow(&world.site.instance_url("alice", "/")).await?;
        ensure_eq!(answer.status, 200, "at {at}: {}", answer.body);

        ensure_eq!(act(world, &back, "rollback").await?, OperationState::Succeeded);
        ensure_eq!(world.wait_ready("alice").await?.image, before.image, "rollback");
        Ok(())
    })
    .await;
    std::fs::remove_file(data.join("mark"))?;
    outcome?;
    remove_made_images().await
}

/// Images that this scenario has made and that nothing uses any more.
pub(crate) async fn remove_made_images() -> Outcome {
    let args = [
        "images",
        "--quiet",
        "--no-trunc",
        "--filter",
        "dangling=true",
        "--filter",
        "label=beaver.e2e=newer",
    ];
    for id in run_docker(&args).await?.success()?.stdout.lines() {
        run_docker(&["rmi", "--force", id]).await?.success()?;
    }
    Ok(())
}

pub(crate) async fn a_container_removed_behind_our_back_comes_back(world: &World) -> Outcome {
    let mut alice = world.signed_in("alice").await?;
    let view = world.wait_ready("alice").await?;
    let container = docker::instance_container(&world.site.name, "alice").await?;
    run_docker(&["rm", "--force", &container]).await?.success()?;
    until("another container of alice's", LIMIT, async || {
        let now = world.instance("alice").await?;
        Ok((now.state == InstanceState::Ready && now.generation > view.generation).then_some(()))
    })
    .await?;
    let (answer, at) = alice.follow(&world.site.instance_url("alice", "/")).await?;
    ensure_eq!(answer.status, 200, "at {at}: {}", answer.body);
    let events = world.deploy.events(view.instance_id).await?.events;
    ensure!(events.iter().any(|e| e.what == "lost"), "no cause in the ledger: {events:?}");
    Ok(())
}

pub(crate) async fn a_missing_image_is_told_and_the_order_waits(world: &World) -> Outcome {
    let outcome = keeping_the_image(world, async || {
        let removed: Output = run_docker(&["rmi", "--no-prune", &instance_image(world)]).await?;
        removed.success()?;
        let mut bob = world.submit_sign_up("bob-image").await?;
        let page = format!("{}/provisioning", world.site.portal);
        until("the progress page to name the image", LIMIT, async || {
            let answer = bob.get(&page).await?;
            Ok(answer.body.contains("image").then_some(()))
        })
        .await?;
        let label = format!("beaver.installation={}", world.site.name);
        let made = docker::containers_with_label(&label).await?;
        ensure!(!made.iter().any(|name| name.contains("bob-image")), "something was made: {made:?}");
        Ok(())
    })
    .await;
    outcome?;
    world.wait_ready("bob-image").await?;
    Ok(())
}

//! Bad input and bad surroundings: a clear error, and nothing left behind.

use std::path::Path;
use std::time::Duration;

use control_api::deploy::{InstanceState, ListQuery};
use e2e::fixture::{PASSWORD, World};
use e2e::http::{Visitor, hidden_field};
use e2e::shell::{Output, docker as run_docker};
use e2e::wait::until;
use e2e::{Failure, Outcome, docker, ensure, ensure_eq};
use http::Method;

/// What exists: names of containers and of instances on record.
async fn inventory(world: &World) -> Outcome<(Vec<String>, Vec<String>)> {
    let label = format!("beaver.installation={}", world.site.name);
    let mut containers = docker::containers_with_label(&label).await?;
    containers.sort();
    let list = world.deploy.list(&ListQuery::default()).await?;
    Ok((containers, list.instances.into_iter().map(|i| i.slug.to_string()).collect()))
}

pub(crate) async fn a_bad_sign_up_is_explained_and_leaves_nothing(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let before = inventory(world).await?;
    let long = "x".repeat(41);
    for (username, email, password, says) in [
        ("alice", "alice-two@example.com", PASSWORD, "taken"),
        ("www", "www@example.com", PASSWORD, "reserved"),
        ("a_b", "ab@example.com", PASSWORD, "letters"),
        ("ab", "ab@example.com", PASSWORD, "at least 3"),
        (&long, "long@example.com", PASSWORD, "at most 40"),
        ("bob-weak", "bob-weak@example.com", "tiny-pw-31", "at least 15"),
        ("bob-weak", "bob-weak@example.com", "correcthorsebatterystaple", "guessed first"),
        ("bob-mail", "alice@example.com", PASSWORD, "has an account already"),
        ("bob-mail", "not an address", PASSWORD, "address"),
    ] {
        let mut visitor = Visitor::new()?;
        let url = format!("{}/register", world.site.portal);
        let page = visitor.get(&url).await?;
        let csrf = hidden_field(&page.body, "csrf")?;
        let fields = [("username", username), ("email", email), ("password", password), ("csrf", &csrf)];
        let answer = visitor.submit(&url, &fields).await?;
        ensure_eq!(answer.status, 422, "{username} {email}: {}", answer.body);
        ensure!(answer.body.contains(says), "{username} {email}: no word of {says:?}:\n{}", answer.body);
        ensure!(!answer.body.contains(password), "the password is echoed");
    }
    ensure_eq!(inventory(world).await?, before);
    Ok(())
}

pub(crate) async fn a_forged_or_huge_form_is_refused(world: &World) -> Outcome {
    let before = inventory(world).await?;
    let url = format!("{}/register", world.site.portal);
    let fields = [("username", "bob-forged"), ("email", "bob-forged@example.com"), ("password", PASSWORD)];

    let mut visitor = Visitor::new()?;
    visitor.get(&url).await?;
    let answer = visitor.submit(&url, &[&fields[..], &[("csrf", "made-up")]].concat()).await?;
    ensure_eq!(answer.status, 403, "{}", answer.body);

    let page = visitor.get(&url).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("csrf", &csrf)
        .finish();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let from_instance = world.site.instance_url("alice", "");
    let foreign = [form, ("origin", from_instance.as_str()), ("sec-fetch-site", "same-site")];
    let answer = visitor.send(Method::POST, &url, &foreign, Some(body)).await?;
    ensure_eq!(answer.status, 403, "a form from an instance's page: {}", answer.body);

    let answer = visitor.submit(&url, &[("username", &"x".repeat(1 << 20)), ("csrf", &csrf)]).await?;
    ensure_eq!(answer.status, 413, "{}", answer.body);
    ensure_eq!(inventory(world).await?, before);
    Ok(())
}

pub(crate) async fn a_wrong_token_names_the_variables(world: &World) -> Outcome {
    let url = format!("http://127.0.0.1:{}/api/instances", world.site.deploy_port);
    let wrong = format!("Bearer {}", "x".repeat(43));
    let answer = Visitor::new()?.send(Method::GET, &url, &[("authorization", &wrong)], None).await?;
    ensure_eq!(answer.status, 401);
    for name in ["DEPLOY_API_TOKEN", "DEPLOY_CONTROL_API_TOKEN"] {
        ensure!(answer.body.contains(name), "{name} is not named: {}", answer.body);
    }
    ensure!(!answer.body.contains(&world.site.deploy_token), "the token is told");
    Ok(())
}

/// Runs a service's image with an environment of its own until it ends.
async fn run_service(world: &World, service: &str, changes: &[(&str, &str)]) -> Outcome<Output> {
    let info = docker::inspect(&world.site.service(service)).await?;
    let image = info["Config"]["Image"].as_str().unwrap_or_default().to_owned();
    let own = info["Config"]["Env"].as_array().into_iter().flatten().filter_map(|v| v.as_str());
    let keep = own.filter(|pair| !changes.iter().any(|(name, _)| pair.starts_with(&format!("{name}="))));
    let mut lines: Vec<String> = keep.map(str::to_owned).collect();
    lines.extend(changes.iter().map(|(name, value)| format!("{name}={value}")));
    let file = world.site.root.join("changed.env");
    service_kit::atomic_file::write(&file, (lines.join("\n") + "\n").as_bytes(), 0o600)?;
    let path = file.display().to_string();
    let root = world.site.root.join("runtime").display().to_string();
    // A scratch folder hides the real state: the changed process must not touch it.
    let scratch = format!("{root}:rw,mode=0777");
    let args = ["run", "--rm", "--network", "host", "--env-file", &path, "--tmpfs", &scratch, &image];
    let output = tokio::time::timeout(Duration::from_secs(30), run_docker(&args)).await;
    std::fs::remove_file(&file)?;
    output.map_err(|_| Failure(format!("{service} runs on with {changes:?}")))?
}

pub(crate) async fn a_loopback_issuer_is_refused_at_start(world: &World) -> Outcome {
    for (service, issuer) in
        [("authz-service", "http://127.0.0.1:19090"), ("deploy-control", "http://localhost:19090")]
    {
        let output = run_service(world, service, &[("AUTHZ_ISSUER", issuer)]).await?;
        ensure_eq!(output.code, 64, "{service}: {}", output.all());
        ensure!(
            output.all().contains("AUTHZ_ISSUER"),
            "{service} does not name the variable: {}",
            output.all()
        );
    }
    Ok(())
}

pub(crate) async fn every_fault_of_a_configuration_is_told_at_once(world: &World) -> Outcome {
    let faults = [
        ("DEPLOY_CONTROL_API_TOKEN", "short-s3cret"),
        ("DEPLOY_LISTEN", "nonsense"),
        ("BEAVER_INSTANCE_MEMORY", "lots"),
    ];
    let output = run_service(world, "deploy-control", &faults).await?;
    ensure_eq!(output.code, 64, "{}", output.all());
    for (name, _) in faults {
        ensure!(output.all().contains(name), "{name} is not named: {}", output.all());
    }
    ensure!(!output.all().contains("s3cret"), "a secret is printed: {}", output.all());
    Ok(())
}

pub(crate) async fn a_subnet_that_overlaps_is_refused_at_start(world: &World) -> Outcome {
    let net =
        world.site.control_ip.rsplit_once('.').map(|(net, _)| format!("{net}.0/22")).unwrap_or_default();
    let changes = [("BEAVER_INSTANCE_SUBNET", net.as_str()), ("BEAVER_BRIDGE_PREFIX", "br-other-")];
    let output = run_service(world, "deploy-control", &changes).await?;
    ensure!(output.code != 0, "it started");
    ensure!(output.all().contains("BEAVER_INSTANCE_SUBNET"), "the variable is not named: {}", output.all());
    Ok(())
}

pub(crate) async fn a_taken_port_is_named(world: &World) -> Outcome {
    for (service, variable) in [
        ("auth-portal", "PORTAL_LISTEN"),
        ("router-proxy", "ROUTER_LISTEN"),
        ("authz-service", "AUTHZ_LISTEN"),
    ] {
        let output = run_service(world, service, &[]).await?;
        ensure!(output.code != 0, "{service} started twice");
        ensure!(output.all().contains(variable), "{service} does not name {variable}: {}", output.all());
    }
    Ok(())
}

/// deploy-control's only way to Docker goes away: reads go on, work waits and says why, and all resumes.
pub(crate) async fn docker_away_is_told_and_work_resumes(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let guard = world.site.service("docker-guard");
    run_docker(&["stop", &guard]).await?.success()?;
    let outcome = while_docker_is_away(world).await;
    run_docker(&["start", &guard]).await?.success()?;
    outcome?;
    world.wait_ready("bob-waits").await?;
    until("deploy-control to be ready again", Duration::from_secs(45), async || {
        Ok(world.deploy.ready().await.is_ok().then_some(()))
    })
    .await
}

async fn while_docker_is_away(world: &World) -> Outcome {
    let mut bob = world.submit_sign_up("bob-waits").await?;
    until("deploy-control to say that it is not ready", Duration::from_secs(45), async || {
        Ok(world.deploy.ready().await.is_err().then_some(()))
    })
    .await?;
    until("the progress page to say what it waits for", Duration::from_secs(30), async || {
        let page = bob.get(&format!("{}/provisioning", world.site.portal)).await?;
        Ok(page.body.contains("Docker").then_some(()))
    })
    .await?;
    ensure!(!world.deploy.list(&ListQuery::default()).await?.instances.is_empty(), "reads do not go on");
    let mut alice = world.log_in("alice").await?;
    let (answer, at) = alice.follow(&world.site.instance_url("alice", "/")).await?;
    ensure_eq!(answer.status, 200, "alice is not served at {at}: {}", answer.body);
    Ok(())
}

/// The disk is full when the route is to be written: no half file, the others stand, and it is written when
/// there is room again.
pub(crate) async fn a_full_disk_leaves_no_half_route(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let routes = world.site.routes();
    let alice = std::fs::read(routes.join("alice.json"))?;
    let filler = routes.join(".filler");
    fill(&filler)?;
    let outcome = while_the_disk_is_full(world, &routes).await;
    std::fs::remove_file(&filler)?;
    outcome?;
    world.wait_ready("bob-disk").await?;
    ensure!(routes.join("bob-disk.json").exists(), "the route is still missing");
    ensure_eq!(std::fs::read(routes.join("alice.json"))?, alice, "alice's route was touched");
    let litter: Vec<_> = std::fs::read_dir(&routes)?
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| Path::new(name).extension().is_none_or(|ending| ending != "json"))
        .collect();
    ensure!(litter.is_empty(), "temporary files were left: {litter:?}");
    Ok(())
}

async fn while_the_disk_is_full(world: &World, routes: &Path) -> Outcome {
    let mut bob = world.submit_sign_up("bob-disk").await?;
    until("the reason to be shown", Duration::from_mins(1), async || {
        let view = world.instance("bob-disk").await?;
        let told = view.reason.as_deref().is_some_and(|r| r.contains("route") || r.contains("space"));
        if told && view.state != InstanceState::Ready {
            Ok(Some(()))
        } else {
            Err(Failure(format!("{view:?}")))
        }
    })
    .await?;
    let half = std::fs::read_to_string(routes.join("bob-disk.json")).unwrap_or_default();
    ensure!(
        half.is_empty() || serde_json::from_str::<serde_json::Value>(&half).is_ok(),
        "half a file: {half:?}"
    );
    let page = bob.get(&format!("{}/provisioning", world.site.portal)).await?;
    ensure_eq!(page.status, 200);
    Ok(())
}

/// Fills the small filesystem that holds the routes.
fn fill(path: &Path) -> Outcome {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path)?;
    loop {
        match file.write(&[0; 4096]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

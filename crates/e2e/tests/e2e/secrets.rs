//! Where no secret may be: a person's password, session, key and provider key, and the control plane's tokens,
//! looked for in everything that Docker, the logs, the databases and the process list show.

use std::path::{Path, PathBuf};

use e2e::fixture::{PASSWORD, World};
use e2e::http::{Visitor, hidden_field};
use e2e::shell::docker;
use e2e::{Outcome, ensure, ensure_eq};

const NAME: &str = "alice-secrets";
const PROVIDER_KEY: &str = "sk-kept-to-itself-4711-alice";
const WRONG_PASSWORD: &str = "wrong-and-remembered-by-nobody-8121";
const SERVICES: [&str; 5] =
    ["docker-guard", "authz-service", "deploy-control", "router-proxy", "auth-portal"];

/// What it is, and the secret.
type Secrets = Vec<(&'static str, String)>;

pub(crate) async fn no_secret_is_in_logs_labels_processes_or_databases(world: &World) -> Outcome {
    let secrets = make_secrets(world).await?;
    let tokens: Secrets = vec![
        ("deploy-control's token", world.site.deploy_token.clone()),
        ("authz-service's token", world.site.authz_token.clone()),
        ("the router's token", setting(world, "BEAVER_ROUTER_TOKEN")?),
    ];
    let all: Secrets = secrets.iter().chain(&tokens).cloned().collect();

    let container = e2e::docker::instance_container(&world.site.name, NAME).await?;
    for service in SERVICES {
        let name = world.site.service(service);
        let logs = docker(&["logs", &name]).await?.success()?;
        ensure!(logs.all().contains('{'), "{service} has logged nothing");
        absent(&format!("the log of {service}"), logs.all().as_bytes(), &all)?;
        // The services of the control plane get their tokens by their environment, and nobody's secrets.
        let info = docker(&["inspect", &name]).await?.success()?;
        absent(&format!("docker inspect of {service}"), info.stdout.as_bytes(), &secrets)?;
        let labels =
            ["inspect", "--format", "{{json .Config.Labels}} {{json .Args}} {{json .Config.Cmd}}", &name];
        let labels = docker(&labels).await?.success()?;
        absent(&format!("labels and command of {service}"), labels.stdout.as_bytes(), &all)?;
    }
    let logs = docker(&["logs", &container]).await?.success()?;
    absent("the instance's log", logs.all().as_bytes(), &all)?;
    let info = docker(&["inspect", &container]).await?.success()?;
    absent("docker inspect of the instance", info.stdout.as_bytes(), &all)?;

    for file in files_below(&world.site.root.join("runtime"))? {
        let name = file.display().to_string();
        // A provider's key is where the app reads it, the control plane's tokens where the services do.
        let is_config = name.contains("/instances/") && name.contains("config.json");
        let wanted = if name.contains("/runtime/env/") { &secrets } else { &all };
        let wanted: Secrets =
            wanted.iter().filter(|(what, _)| !is_config || *what != "a provider's key").cloned().collect();
        // Gone meanwhile is as good as without.
        if let Ok(bytes) = std::fs::read(&file) {
            absent(&name, &bytes, &wanted)?;
        }
    }
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path().join("cmdline");
        if let Ok(line) = std::fs::read(&path) {
            absent(&format!("the process list ({})", path.display()), &line, &all)?;
        }
    }
    Ok(())
}

/// Signs up, uses everything that has a secret, and mistypes a password.
async fn make_secrets(world: &World) -> Outcome<Secrets> {
    world.signed_in(NAME).await?;
    let portal = &world.site.portal;
    let mut visitor = Visitor::new()?;
    let page = visitor.get(&format!("{portal}/login")).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let fields = [("login", NAME), ("password", PASSWORD), ("csrf", csrf.as_str())];
    let answer = visitor.submit(&format!("{portal}/login"), &fields).await?;
    let session = answer.cookies.iter().find_map(|cookie| cookie.strip_prefix("beaver_sid="));
    let session = session.and_then(|rest| rest.split(';').next()).unwrap_or_default().to_owned();
    ensure!(session.len() > 30, "there is no session cookie: {}", answer.status);
    let page = visitor.get(&format!("{portal}/account")).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let fields = [("name", "ci"), ("scopes", "instance"), ("expires_in_days", "30"), ("csrf", csrf.as_str())];
    let made = visitor.submit(&format!("{portal}/account/keys"), &fields).await?;
    ensure_eq!(made.status, 201, "{}", made.body);
    let key = made.body.split("<code id=\"key\">").nth(1).and_then(|rest| rest.split('<').next());
    let key = key.unwrap_or_default().to_owned();
    ensure!(key.starts_with("bvr_"), "the page shows no key");
    let bearer = format!("Bearer {key}");
    let me = world.site.instance_url(NAME, "/api/me");
    let mut program = Visitor::new()?;
    let answer = program.send(http::Method::GET, &me, &[("authorization", &bearer)], None).await?;
    ensure_eq!(answer.status, 200, "{}", answer.body);

    let args = [
        NAME,
        "--provider",
        "openai-compatible",
        "--base-url",
        "http://192.0.2.1:9/v1",
        "--model",
        "m",
        "--key-stdin",
    ];
    let script =
        world.site.script("configure-provider.sh", &args, &format!("{PROVIDER_KEY}\n")).await?.success()?;
    absent(
        "what the script says",
        script.all().as_bytes(),
        &vec![("a provider's key", PROVIDER_KEY.to_owned())],
    )?;

    let mut mistyped = Visitor::new()?;
    let page = mistyped.get(&format!("{portal}/login")).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let fields = [("login", NAME), ("password", WRONG_PASSWORD), ("csrf", csrf.as_str())];
    ensure_eq!(mistyped.submit(&format!("{portal}/login"), &fields).await?.status, 401);

    Ok(vec![
        ("a password", PASSWORD.to_owned()),
        ("a mistyped password", WRONG_PASSWORD.to_owned()),
        ("a session", session),
        ("an API key", key),
        ("a provider's key", PROVIDER_KEY.to_owned()),
    ])
}

/// A setting of the installation.
fn setting(world: &World, name: &str) -> Outcome<String> {
    let text = std::fs::read_to_string(&world.site.env_file)?;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    ensure!(found.is_some_and(|value| value.len() >= 32), "{name} is not set");
    Ok(found.unwrap_or_default().to_owned())
}

/// Whether none of the secrets is in there.
fn absent(place: &str, bytes: &[u8], secrets: &Secrets) -> Outcome {
    for (what, secret) in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        ensure!(!found, "{what} is in {place}");
    }
    Ok(())
}

/// Every file, a database's log included. Folders of instances may go meanwhile.
fn files_below(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    ensure!(
        files.iter().any(|file| file.ends_with("authz.db")),
        "there is no database below {}",
        folder.display()
    );
    Ok(files)
}

//! Looking at Docker from outside of the product, through its own command line.

use serde_json::Value;

use crate::shell::docker;
use crate::{Failure, Outcome};

/// `docker inspect` of a container.
pub async fn inspect(container: &str) -> Outcome<Value> {
    let output = docker(&["inspect", "--type", "container", container]).await?.success()?;
    let list: Vec<Value> = serde_json::from_str(&output.stdout)?;
    list.into_iter().next().ok_or_else(|| Failure(format!("docker inspect {container} was empty")))
}

/// Names of all containers, running or not, that carry a label.
pub async fn containers_with_label(label: &str) -> Outcome<Vec<String>> {
    let filter = format!("label={label}");
    let output = docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]).await?.success()?;
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// The name of the one instance container of a slug.
pub async fn instance_container(installation: &str, slug: &str) -> Outcome<String> {
    let all = containers_with_label(&format!("beaver.installation={installation}")).await?;
    let prefix = format!("{installation}-{slug}-");
    let mut own = all.into_iter().filter(|name| {
        name.strip_prefix(&prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    match (own.next(), own.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => Err(Failure(format!("{slug} has no container"))),
        (Some(a), Some(b)) => Err(Failure(format!("{slug} has two containers, {a} and {b}"))),
    }
}

/// Id and start time: equal only when it is the same container, running since.
pub async fn identity(container: &str) -> Outcome<(String, String)> {
    let info = inspect(container).await?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    Ok((text(&info["Id"]), text(&info["State"]["StartedAt"])))
}

/// Kills the main process of a container with SIGKILL from outside, as a crash would: Docker's own `kill`
/// would count as a wish of the operator and keep the restart policy from acting.
pub async fn crash(container: &str) -> Outcome {
    let info = inspect(container).await?;
    let pid = info["State"]["Pid"].as_i64().filter(|pid| *pid > 1);
    let pid = pid.ok_or_else(|| Failure(format!("{container} has no process")))?.to_string();
    let kill = std::path::Path::new("kill");
    crate::shell::run(kill, &["-9", &pid], &[], "", std::time::Duration::from_secs(5)).await?.success()?;
    Ok(())
}

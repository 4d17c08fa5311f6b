//! The doctor and the statistics, by script, against an installation at work.

use e2e::fixture::World;
use e2e::shell::Output;
use e2e::{Outcome, docker, ensure, ensure_eq};
use serde_json::Value;

/// Status and words of a check.
fn check(report: &Value, name: &str) -> Outcome<(String, String)> {
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    let found = checks.iter().find(|check| check["name"] == name);
    let text = |key: &str| found.and_then(|check| check[key].as_str()).unwrap_or_default().to_owned();
    ensure!(found.is_some(), "the doctor has no check {name}: {report}");
    Ok((text("status"), text("detail")))
}

/// A report's JSON, whatever it says.
fn report(output: &Output) -> Outcome<Value> {
    let report: Value = serde_json::from_str(&output.stdout)
        .map_err(|error| e2e::Failure(format!("no JSON ({error}):\n{}", output.all())))?;
    ensure!(report["ok"].is_boolean(), "{report}");
    Ok(report)
}

pub(crate) async fn a_healthy_installation_has_no_failing_check(world: &World) -> Outcome {
    let site = &world.site;
    world.signed_in("alice").await?;
    world.wait_ready("alice").await?;
    let output = site.script("doctor.sh", &["--json"], "").await?;
    ensure!(matches!(output.code, 0 | 2), "exit code {}:\n{}", output.code, output.all());
    let found = report(&output)?;
    ensure_eq!(found["ok"], true, "{found}");
    for name in ["docker", "networks", "isolation", "tokens", "authz-service", "clock", "database"] {
        ensure_eq!(check(&found, name)?.0, "ok", "{name}: {found}");
    }
    for name in ["env-file", "host-docker", "host-firewall", "docker-guard", "router-proxy", "missing"] {
        ensure_eq!(check(&found, name)?.0, "ok", "{name}: {found}");
    }
    for token in [&site.deploy_token, &site.authz_token] {
        ensure!(!output.all().contains(token.as_str()), "a token is shown");
    }
    let table = site.script("doctor.sh", &[], "").await?;
    ensure!(matches!(table.code, 0 | 2), "exit code {}:\n{}", table.code, table.all());
    ensure!(
        table.stdout.lines().any(|line| line.starts_with("host-firewall") && line.contains("ok")),
        "{}",
        table.stdout
    );
    Ok(())
}

pub(crate) async fn a_missing_firewall_rule_is_named(world: &World) -> Outcome {
    let site = &world.site;
    let chain = format!("{}-FWD", site.name.to_uppercase());
    let rule = ["-d", "169.254.0.0/16", "-j", "REJECT"];
    let removed = [&["--wait", "10", "-D", &chain][..], &rule].concat();
    e2e::shell::run(std::path::Path::new("iptables"), &removed, &[], "", std::time::Duration::from_secs(20))
        .await?
        .success()?;
    let output = site.script("doctor.sh", &["--json"], "").await;
    // Before anything is judged: the rule comes back.
    let mended = site.script("firewall.sh", &[], "").await;
    let output = output?;
    mended?.success()?;
    ensure_eq!(output.code, 1, "{}", output.all());
    let (status, detail) = check(&report(&output)?, "host-firewall")?;
    ensure_eq!(status, "failing");
    ensure!(detail.contains(&chain) && detail.contains("169.254.0.0/16"), "{detail}");
    ensure!(!detail.contains("192.168.0.0/16"), "a rule that is there is named: {detail}");
    let again = site.script("doctor.sh", &["--json"], "").await?;
    ensure_eq!(check(&report(&again)?, "host-firewall")?.0, "ok", "{}", again.all());
    Ok(())
}

pub(crate) async fn a_service_that_is_down_is_named(world: &World) -> Outcome {
    let site = &world.site;
    let container = site.service("deploy-control");
    e2e::shell::docker(&["stop", &container]).await?.success()?;
    let output = site.script("doctor.sh", &["--json"], "").await;
    let started = e2e::shell::docker(&["start", &container]).await;
    let output = output?;
    started?.success()?;
    ensure_eq!(output.code, 1, "{}", output.all());
    let found = report(&output)?;
    ensure_eq!(check(&found, "deploy-control")?.0, "failing", "{found}");
    ensure_eq!(check(&found, "authz-service")?.0, "ok", "{found}");
    e2e::wait::until("deploy-control to be ready again", e2e::fixture::READY_LIMIT, async || {
        Ok(world.deploy.ready().await.ok())
    })
    .await
}

pub(crate) async fn a_rebuild_leaves_a_database_with_instances_alone(world: &World) -> Outcome {
    let site = &world.site;
    world.signed_in("alice").await?;
    let before = world.wait_ready("alice").await?;
    let container = docker::instance_container(&site.name, "alice").await?;
    let identity = docker::identity(&container).await?;
    let output = site.script("doctor.sh", &["--rebuild"], "").await?;
    ensure!(output.code != 0, "a database with instances was made again:\n{}", output.all());
    ensure!(output.all().contains("there is nothing to rebuild"), "{}", output.all());
    ensure_eq!(docker::identity(&container).await?, identity, "the instance was touched");
    let after = world.wait_ready("alice").await?;
    ensure_eq!((after.instance_id, after.generation), (before.instance_id, before.generation));
    Ok(())
}

pub(crate) async fn a_lost_database_is_made_again_and_nobody_notices(world: &World) -> Outcome {
    let site = &world.site;
    let mut alice = world.signed_in("alice").await?;
    let before = world.wait_ready("alice").await?;
    let container = docker::instance_container(&site.name, "alice").await?;
    let identity = docker::identity(&container).await?;
    let home = site.instance_url("alice", "/");
    e2e::shell::docker(&["stop", &site.service("deploy-control")]).await?.success()?;
    let deploy = site.root.join("runtime/deploy");
    for entry in std::fs::read_dir(&deploy)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("deploy.sqlite")) {
            std::fs::remove_file(path)?;
        }
    }
    let output = site.script("doctor.sh", &["--rebuild"], "").await?;
    ensure!(matches!(output.code, 0 | 2), "exit code {}:\n{}", output.code, output.all());
    ensure!(output.all().contains("restored  alice"), "{}", output.all());
    let after = world.wait_ready("alice").await?;
    ensure_eq!((after.instance_id, after.owner_id), (before.instance_id, before.owner_id));
    ensure_eq!((after.generation, after.upstream), (before.generation, before.upstream));
    ensure_eq!(docker::identity(&container).await?, identity, "the instance was touched");
    let (answer, at) = alice.follow(&home).await?;
    ensure_eq!(answer.status, 200, "at {at}");
    Ok(())
}

pub(crate) async fn statistics_show_use_and_limits(world: &World) -> Outcome {
    let site = &world.site;
    world.signed_in("alice").await?;
    world.wait_ready("alice").await?;
    let table = site.script("stats.sh", &[], "").await?.success()?;
    ensure!(table.stdout.starts_with("NAME"), "{}", table.stdout);
    let line = table.stdout.lines().find(|line| line.starts_with("alice")).unwrap_or_default();
    ensure!(line.contains("ready") && line.contains("of 256 MiB") && line.contains("of 256"), "{line}");
    let one = site.script("stats.sh", &["alice", "--json"], "").await?.success()?;
    let one: Value = serde_json::from_str(&one.stdout)?;
    ensure_eq!(one["slug"], "alice");
    ensure!(one["stats"]["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{one}");
    ensure_eq!(one["stats"]["cpu_limit_percent"], 100.0, "{one}");
    let nobody = site.script("stats.sh", &["nobody-here"], "").await?;
    ensure!(nobody.code != 0 && nobody.stderr.contains("no instance"), "{}", nobody.all());
    Ok(())
}

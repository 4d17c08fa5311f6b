//! The operator's day by script, and starting and stopping.

use std::path::Path;
use std::time::Duration;

use control_api::deploy::{InstanceState, InstanceView};
use e2e::fixture::{READY_LIMIT, World};
use e2e::http::{Visitor, hidden_field};
use e2e::wait::until;
use e2e::{Outcome, docker, ensure, ensure_eq, shell};

const SERVICES: [&str; 5] =
    ["docker-guard", "authz-service", "deploy-control", "router-proxy", "auth-portal"];

pub(crate) async fn a_second_up_changes_nothing(world: &World) -> Outcome {
    let mut before = Vec::new();
    for service in SERVICES {
        before.push(docker::identity(&world.site.service(service)).await?);
    }
    let env = std::fs::read_to_string(&world.site.env_file)?;
    world.site.up().await?;
    for (service, identity) in SERVICES.iter().zip(before) {
        ensure_eq!(docker::identity(&world.site.service(service)).await?, identity, "{service}");
    }
    ensure_eq!(std::fs::read_to_string(&world.site.env_file)?, env);
    Ok(())
}

pub(crate) async fn down_and_up_keeps_instances_accounts_and_sessions(world: &World) -> Outcome {
    let mut alice = world.signed_in("alice").await?;
    let container = docker::instance_container(&world.site.name, "alice").await?;
    let before = docker::identity(&container).await?;
    world.site.script("down.sh", &[], "").await?.success()?;
    ensure!(
        docker::identity(&world.site.service("router-proxy")).await.is_err(),
        "the router is still there"
    );
    ensure_eq!(docker::identity(&container).await?, before, "the instance was touched by down.sh");
    world.site.up().await?;
    ensure_eq!(docker::identity(&container).await?, before, "the instance was touched by up.sh");
    let (answer, at) = alice.follow(&world.site.instance_url("alice", "/")).await?;
    ensure_eq!(answer.status, 200, "at {at}");
    Ok(())
}

pub(crate) async fn carol_by_script(world: &World) -> Outcome {
    let site = &world.site;
    let made =
        site.script("create-instance.sh", &["carol", "--email", "carol@example.com"], "").await?.success()?;
    ensure!(made.stdout.contains(&site.instance_url("carol", "")), "no address is told:\n{}", made.all());
    world.wait_ready("carol").await?;

    let list = site.script("list-instances.sh", &[], "").await?.success()?;
    let line = list.stdout.lines().find(|line| line.contains("carol")).unwrap_or_default();
    ensure!(line.contains("ready"), "the list does not show carol as ready:\n{}", list.all());

    let configure = ["carol", "--provider", "echo"];
    site.script("configure-provider.sh", &configure, "").await?.success()?;
    let view = world.wait_ready("carol").await?;
    ensure_eq!(view.provider.map(|p| p.kind), Some("echo".to_owned()));

    let password = made
        .stdout
        .lines()
        .find(|line| line.to_lowercase().contains("password"))
        .and_then(|line| line.split_whitespace().last())
        .unwrap_or_default();
    sign_in_with(world, "carol", password).await?;

    site.script("remove-instance.sh", &["carol", "--purge", "--yes"], "").await?.success()?;
    ensure!(docker::instance_container(&site.name, "carol").await.is_err(), "the container is still there");
    ensure!(!site.root.join("runtime/router/conf.d/carol.json").exists(), "the route is still there");
    let list = site.script("list-instances.sh", &[], "").await?.success()?;
    ensure!(!list.stdout.contains("carol"), "carol is still listed:\n{}", list.stdout);
    Ok(())
}

async fn sign_in_with(world: &World, name: &str, password: &str) -> Outcome {
    let mut visitor = Visitor::new()?;
    let url = format!("{}/login", world.site.portal);
    let page = visitor.get(&url).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let answer = visitor.submit(&url, &[("login", name), ("password", password), ("csrf", &csrf)]).await?;
    ensure_eq!(answer.status, 303, "{}", answer.body);
    let (answer, at) = visitor.follow(&world.site.instance_url(name, "/")).await?;
    ensure_eq!(answer.status, 200, "at {at}: {}", answer.body);
    Ok(())
}

pub(crate) async fn mistakes_at_the_scripts_are_explained(world: &World) -> Outcome {
    let site = &world.site;
    for (script, args, says) in [
        ("create-instance.sh", &["www"][..], "reserved"),
        ("create-instance.sh", &["Not_A_Name"][..], "letters"),
        ("create-instance.sh", &[][..], "--help"),
        ("remove-instance.sh", &["nobody-here", "--yes"][..], "no"),
        ("configure-provider.sh", &["nobody-here", "--provider", "echo"][..], "no"),
        ("configure-provider.sh", &["nobody-here", "--provider", "nonsense"][..], "echo"),
        ("logs.sh", &["nothing-of-that-name"][..], "no"),
    ] {
        let output = site.script(script, args, "").await?;
        ensure!(output.code != 0, "{script} {args:?} did not fail");
        ensure!(output.stderr.to_lowercase().contains(says), "{script} {args:?} says:\n{}", output.all());
    }
    ensure!(docker::instance_container(&site.name, "www").await.is_err(), "a container was left");
    Ok(())
}

pub(crate) async fn data_outlives_a_removal_without_purge(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let view = world.wait_ready("alice").await?;
    let data = world.site.root.join("runtime/instances").join(view.instance_id.to_string()).join("data");
    let mark = data.join("mark");
    std::fs::write(&mark, "kept")?;
    world.site.script("remove-instance.sh", &["alice", "--yes"], "").await?.success()?;
    ensure_eq!(std::fs::read_to_string(&mark)?, "kept");

    let mut alice = world.log_in("alice").await?;
    let page = alice.get(&format!("{}/account", world.site.portal)).await?;
    let csrf = hidden_field(&page.body, "csrf")?;
    let retry = format!("{}/provisioning/retry", world.site.portal);
    let answer = alice.submit(&retry, &[("csrf", &csrf)]).await?;
    ensure_eq!(answer.status, 303, "{}", answer.body);
    let again = until("alice's instance to be back", READY_LIMIT, async || {
        let view = world.instance("alice").await?;
        Ok((view.state == InstanceState::Ready).then_some(view))
    })
    .await?;
    ensure_eq!(again.instance_id, view.instance_id);
    ensure!(again.generation > view.generation, "the generation did not grow");
    ensure_eq!(std::fs::read_to_string(&mark)?, "kept");
    std::fs::remove_file(&mark)?;
    Ok(())
}

/// No filesystem with project quotas is at hand, so that the commands are those that the script would give: stubs
/// of them write down what they are asked.
pub(crate) async fn disk_quotas_are_set_as_the_filesystem_needs(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let view = world.wait_ready("alice").await?;
    let stubs = world.site.root.join("stubs");
    std::fs::create_dir_all(&stubs)?;
    let outcome = quotas_with_stubs(world, &stubs, &view).await;
    std::fs::remove_dir_all(&stubs)?;
    outcome
}

async fn quotas_with_stubs(world: &World, stubs: &Path, view: &InstanceView) -> Outcome {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let findmnt = "#!/bin/sh\ncase \"$*\" in *FSTYPE*) echo \"$STUB_TYPE\";; *OPTIONS*) echo \"$STUB_OPTIONS\";; *) echo /srv;; esac\n";
    let note = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$STUB_LOG\"\n";
    for (name, text) in [("findmnt", findmnt), ("chattr", note), ("setquota", note), ("xfs_quota", note)] {
        std::fs::write(stubs.join(name), text)?;
        std::fs::set_permissions(stubs.join(name), std::fs::Permissions::from_mode(0o755))?;
    }
    let data = world.site.root.join("runtime/instances").join(view.instance_id.to_string()).join("data");
    let (folder, uid) = (data.display(), data.metadata()?.uid());
    let log = stubs.join("log");
    let texts = [
        format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap_or_default()),
        world.site.env_file.display().to_string(),
        log.display().to_string(),
    ];
    let ext4 = format!("chattr -R +P -p {uid} {folder}\nsetquota -P {uid} 0 1048576 0 0 /srv\n");
    let xfs = format!(
        "xfs_quota -x -c project -s -p {folder} {uid} /srv\nxfs_quota -x -c limit -p bhard=1073741824 {uid} /srv\n"
    );
    for (kind, options, says, asked) in [
        ("ext4", "rw,relatime,prjquota", "are limited to 1073741824 bytes", ext4.as_str()),
        ("xfs", "rw,pquota", "are limited to 1073741824 bytes", xfs.as_str()),
        ("ext4", "rw,relatime", "/srv is not mounted with prjquota", ""),
        ("overlay", "rw", "is on overlay: project quotas need ext4 or xfs", ""),
    ] {
        std::fs::write(&log, "")?;
        let env = [
            ("PATH", texts[0].as_str()),
            ("BEAVER_ENV_FILE", &texts[1]),
            ("STUB_LOG", &texts[2]),
            ("STUB_TYPE", kind),
            ("STUB_OPTIONS", options),
        ];
        let script = world.site.checkout.join("scripts/disk-quota.sh");
        let limit = Duration::from_secs(30);
        let output = shell::run(&script, &[], &env, "", limit).await?.success()?;
        ensure!(output.stderr.contains(says), "{kind} {options}: {}", output.all());
        let log = std::fs::read_to_string(&log)?;
        let offered = !asked.is_empty();
        ensure!(log.contains(asked) && log.is_empty() != offered, "{kind} {options}: {log}");
        let check = shell::run(&script, &["--check"], &env, "", limit).await?;
        ensure_eq!(check.code == 0, offered, "{kind} {options}: {}", check.all());
    }
    Ok(())
}

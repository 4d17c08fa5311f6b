//! Starting and stopping with the operator's scripts.

use e2e::fixture::World;
use e2e::{Outcome, docker, ensure_eq};

pub(crate) async fn a_second_run_changes_nothing(world: &World) -> Outcome {
    let services = ["docker-guard", "authz-service", "deploy-control", "router-proxy", "auth-portal"];
    let mut before = Vec::new();
    for service in services {
        before.push(docker::identity(&world.site.service(service)).await?);
    }
    let env = std::fs::read_to_string(&world.site.env_file)?;
    world.site.up().await?;
    for (service, identity) in services.iter().zip(before) {
        ensure_eq!(docker::identity(&world.site.service(service)).await?, identity, "{service}");
    }
    ensure_eq!(std::fs::read_to_string(&world.site.env_file)?, env);
    Ok(())
}

//! From an instance's row to the spec of its container: pure, so that the same row gives the same container
//! and the same hash, whenever it is asked.

use crate::config::Config;
use crate::engine::ContainerSpec;
use crate::instance_files::InstanceFiles;
use crate::model::Instance;

/// The spec; `None` while the instance has no address or no image.
pub fn container_spec(config: &Config, files: &InstanceFiles, instance: &Instance) -> Option<ContainerSpec> {
    let place = instance.place?;
    Some(ContainerSpec {
        installation: config.installation.clone(),
        instance_id: instance.id,
        slug: instance.slug.clone(),
        owner_id: instance.owner_id,
        generation: instance.generation,
        image_id: instance.image_id.clone()?,
        env: environment(config, instance),
        uid: instance.uid,
        network: config.plan.network_name(place.shard),
        address: place.address,
        issuer_host: (config.issuer.host.clone(), config.plan.control_address()),
        config_dir: files.config_dir(instance.id),
        data_dir: files.data_dir(instance.id),
        limits: instance.limits,
    })
}

/// What the app finds in its environment; nothing secret.
fn environment(config: &Config, instance: &Instance) -> Vec<(String, String)> {
    let mut env = vec![
        ("BEAVER_INSTANCE_ID".to_owned(), instance.id.to_string()),
        ("BEAVER_SLUG".to_owned(), instance.slug.to_string()),
        ("BEAVER_PUBLIC_URL".to_owned(), config.public.origin(&instance.slug)),
        ("AUTHZ_ISSUER".to_owned(), config.issuer.url.clone()),
        ("BEAVER_PORTAL_URL".to_owned(), config.portal_origin.clone()),
    ];
    if let Some(outlook) = &config.outlook {
        env.push(("BEAVER_OUTLOOK_MCP_URL".to_owned(), outlook.url.clone()));
        env.push(("BEAVER_OUTLOOK_MCP_SERVER_ID".to_owned(), outlook.id.clone()));
    }
    env
}

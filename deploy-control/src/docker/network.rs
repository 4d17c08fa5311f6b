//! Networks: made with traffic between their containers off, and never taken over from somebody else. An
//! existing one must be ours and the same; an overlap is told with the name of the network that is in the way.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use ipnet::Ipv4Net;

use super::client::{CHANGE, DockerEngine, LOOK, check_name};
use crate::engine::{EngineError, EngineResult, NetworkSpec};
use crate::guard::hardening as fixed;

impl DockerEngine {
    pub(super) async fn network(&self, spec: &NetworkSpec) -> EngineResult<()> {
        check_name(&spec.name)?;
        if let Some(found) = self.find_network(&spec.name).await? {
            return check(&found, spec, &self.installation);
        }
        let body = body(spec, &self.installation);
        let ask = |docker: Docker| async move { docker.create_network(body).await };
        match self.call("create network", &format!("network {}", spec.name), CHANGE, ask).await {
            Ok(_) => Ok(()),
            Err(EngineError::Conflict(what)) => match self.find_network(&spec.name).await? {
                // Made by somebody else in the meantime.
                Some(found) => check(&found, spec, &self.installation),
                None => Err(self.overlap(spec).await.unwrap_or(EngineError::Conflict(what))),
            },
            Err(error) => Err(error),
        }
    }

    /// Whether it is there, ours and the same.
    pub(super) async fn planned_network(&self, spec: &NetworkSpec) -> EngineResult<bool> {
        check_name(&spec.name)?;
        match self.find_network(&spec.name).await? {
            Some(found) => check(&found, spec, &self.installation).map(|()| true),
            None => Ok(false),
        }
    }

    async fn find_network(&self, name: &str) -> EngineResult<Option<NetworkInspect>> {
        let asked = name.to_owned();
        let ask = |docker: Docker| async move { docker.inspect_network(&asked, None).await };
        match self.call("inspect network", &format!("network {name}"), LOOK, ask).await {
            // Docker also finds networks by the beginning of their id.
            Ok(found) => Ok(Some(found).filter(|found| found.name.as_deref() == Some(name))),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says which network is in the way.
    async fn overlap(&self, spec: &NetworkSpec) -> Option<EngineError> {
        let ask = |docker: Docker| async move { docker.list_networks(None).await };
        let networks = self.call("list networks", "networks", LOOK, ask).await.ok()?;
        let (name, subnet) = networks.into_iter().find_map(|network| {
            let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
            let subnets = ranges.into_iter().filter_map(|range| range.subnet?.parse::<Ipv4Net>().ok());
            let hit = subnets.into_iter().find(|s| s.contains(&spec.subnet) || spec.subnet.contains(s))?;
            Some((network.name.unwrap_or_default(), hit))
        })?;
        Some(EngineError::Conflict(format!(
            "the subnet {} of network {} (Docker's network {name} has {subnet})",
            spec.subnet, spec.name
        )))
    }
}

fn body(spec: &NetworkSpec, installation: &str) -> NetworkCreateRequest {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let range = IpamConfig {
        subnet: Some(spec.subnet.to_string()),
        gateway: Some(spec.gateway.to_string()),
        ..IpamConfig::default()
    };
    let options = [(fixed::BRIDGE_ICC, "false"), (fixed::BRIDGE_NAME, spec.bridge.as_str())];
    let labels = [(fixed::LABEL_MANAGED, "true"), (fixed::LABEL_INSTALLATION, installation)];
    NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![range]), ..Ipam::default() }),
        options: Some(HashMap::from(options.map(owned))),
        labels: Some(HashMap::from(labels.map(owned))),
        ..NetworkCreateRequest::default()
    }
}

/// Whether a network of the right name is the right one. The label of the installation decides whose it is:
/// scripts make the control network with that one alone.
fn check(found: &NetworkInspect, spec: &NetworkSpec, installation: &str) -> EngineResult<()> {
    let name = &spec.name;
    let label = found.labels.as_ref().and_then(|labels| labels.get(fixed::LABEL_INSTALLATION));
    if label.map(String::as_str) != Some(installation) {
        return Err(EngineError::Conflict(format!(
            "the network name {name} (one without the label of this installation has it: remove it or change \
             BEAVER_NET)"
        )));
    }
    let option = |key: &str| found.options.as_ref().and_then(|options| options.get(key)).map(String::as_str);
    let ranges = found.ipam.as_ref().and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
    let same_range = ranges.iter().any(|range| {
        range.subnet.as_deref() == Some(&spec.subnet.to_string())
            && range.gateway.as_deref() == Some(&spec.gateway.to_string())
    });
    if !same_range {
        let have: Vec<_> = ranges.iter().filter_map(|range| range.subnet.as_deref()).collect();
        return Err(EngineError::Conflict(format!(
            "the network name {name} (it has subnet {} and not {}: remove the network or change the subnet back)",
            have.join(", "),
            spec.subnet
        )));
    }
    if found.driver.as_deref() != Some("bridge")
        || option(fixed::BRIDGE_ICC) != Some("false")
        || option(fixed::BRIDGE_NAME) != Some(&spec.bridge)
    {
        return Err(EngineError::Conflict(format!(
            "the network name {name} (it is no bridge {} with traffic between containers off: remove it)",
            spec.bridge
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn spec() -> NetworkSpec {
        NetworkSpec {
            name: "beaver-instance-edge-0".to_owned(),
            bridge: "br-bvr-0".to_owned(),
            subnet: "10.89.0.0/22".parse().expect("a net"),
            gateway: Ipv4Addr::new(10, 89, 0, 1),
        }
    }

    fn existing() -> NetworkInspect {
        let made = serde_json::to_value(body(&spec(), "beaver")).expect("json");
        serde_json::from_value(made).expect("a network")
    }

    #[test]
    fn only_the_very_network_is_taken() {
        assert_eq!(check(&existing(), &spec(), "beaver"), Ok(()));
        let mut other_subnet = spec();
        other_subnet.subnet = "10.90.0.0/22".parse().expect("a net");
        let mut other_bridge = spec();
        other_bridge.bridge = "br-bvr-1".to_owned();
        let mut talking = existing();
        talking.options.as_mut().expect("options").insert(fixed::BRIDGE_ICC.to_owned(), "true".to_owned());
        let mut unlabelled = existing();
        unlabelled.labels = None;
        for (found, spec, installation) in [
            (existing(), spec(), "other"),
            (existing(), other_subnet, "beaver"),
            (existing(), other_bridge, "beaver"),
            (talking, spec(), "beaver"),
            (unlabelled, spec(), "beaver"),
        ] {
            assert!(matches!(check(&found, &spec, installation), Err(EngineError::Conflict(_))));
        }
    }
}

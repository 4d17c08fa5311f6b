//! Route files: `runtime/router/conf.d/<slug>.json`, written by deploy-control, read by router-proxy.

use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

use crate::deploy::InstanceState;
use crate::ids::{InstanceId, UserId};
use crate::names::Slug;

/// The version that this build writes and reads.
pub const VERSION: u32 = 1;

/// Who may pass the router's gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The owner alone, signed in.
    #[default]
    Owner,
    /// Anybody; no identity is sent to the instance.
    Public,
}

/// How long the router waits for an answer to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstByte {
    /// As long as for the next event of a stream.
    Off,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFile {
    /// [`VERSION`]; a file of another version is reported and not used.
    pub version: u32,
    /// The host label; equals the file's name.
    pub slug: Slug,
    /// Whose container this is.
    pub instance_id: InstanceId,
    /// Counts containers of the instance: pooled connections are never shared across generations.
    pub generation: u64,
    /// Who owns the instance.
    pub owner_id: UserId,
    /// What the router may expect: it forwards to `ready`, wakes `asleep`, and explains the rest.
    pub state: InstanceState,
    /// Where the container listens; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<SocketAddrV4>,
    /// Who may pass.
    #[serde(default)]
    pub access: Access,
    /// For apps that think before they answer; where it is absent, the router's limit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<FirstByte>,
    /// Why it is failed or stopped, in words for the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RouteFile {
    /// Reads a file's text. `name` is the file's stem and must equal the slug.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let route: Self =
            serde_json::from_str(text).map_err(|e| format!("{name}.json cannot be read: {e}"))?;
        if route.version != VERSION {
            return Err(format!("{name}.json has version {}; this router reads {VERSION}", route.version));
        }
        if route.slug.as_str() != name {
            return Err(format!("{name}.json names another slug, {}", route.slug));
        }
        Ok(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"slug":"alice","instance_id":"01JDF3X5S8Q4M7R2V6T9W0YZAB","generation":7,
        "owner_id":"01JDF3X5S8Q4M7R2V6T9W0YZAC","state":"ready","upstream":"10.89.0.10:8080","access":"owner"}"#;

    #[test]
    fn the_documented_form_is_read_and_written() {
        let route = RouteFile::parse("alice", TEXT).expect("a route");
        assert_eq!(route.upstream, Some("10.89.0.10:8080".parse().expect("an address")));
        let again =
            RouteFile::parse("alice", &serde_json::to_string(&route).expect("json")).expect("a route");
        assert_eq!(again, route);
        let patient = TEXT.replace("\"access\"", "\"first_byte\":\"off\",\"access\"");
        let patient = RouteFile::parse("alice", &patient).expect("a route");
        assert_eq!((route.first_byte, patient.first_byte), (None, Some(FirstByte::Off)));
    }

    #[test]
    fn another_slug_another_version_and_half_a_file_are_refused() {
        assert!(RouteFile::parse("bob", TEXT).is_err());
        assert!(RouteFile::parse("alice", &TEXT.replace("\"version\":1", "\"version\":2")).is_err());
        assert!(RouteFile::parse("alice", &TEXT[..80]).is_err());
    }
}

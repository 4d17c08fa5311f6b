//! Configuration from the environment, every fault at once. What is read here never changes while the
//! process runs, and no value of a secret is ever shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use control_api::instance::McpServer;
use control_api::names::Slug;
use control_api::public_url::PublicUrl;
use ipnet::Ipv4Net;
use service_kit::env::{ConfigError, EnvReader};
use service_kit::secret::Secret;
use url::{Host, Url};

use crate::address_plan::AddressPlan;
use crate::engine::Limits;
use crate::quantity::{Bytes, Cpus, IdleTime};

const TOKEN_MIN_LEN: usize = 32;
/// Name of the issuer where `AUTHZ_ISSUER` has an address instead of a name.
const ISSUER_NAME: &str = "beaver-authz-service";

/// All settings of deploy-control.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where health and metrics listen.
    pub admin_listen: SocketAddr,
    /// Host path that holds `runtime/`.
    pub project_root: PathBuf,
    /// Opens all routes but the router's.
    pub deploy_token: Secret<String>,
    /// Opens the router's routes alone.
    pub router_token: Secret<String>,
    /// Sent to authz-service.
    pub internal_token: Secret<String>,
    /// authz-service.
    pub authz_url: Url,
    /// The issuer as instances see it.
    pub issuer: Issuer,
    /// The URLs that people see.
    pub public: PublicUrl,
    /// Networks and addresses.
    pub plan: AddressPlan,
    /// Image of new instances.
    pub image: String,
    /// Image whose `probe` subcommand proves the isolation.
    pub probe_image: String,
    /// Limits of new instances.
    pub limits: Limits,
    /// Idle time until an instance is put to sleep; `None` for never.
    pub idle_sleep: Option<Duration>,
    /// Idle time until it is frozen, the step before; `None` for never.
    pub idle_pause: Option<Duration>,
    /// docker-guard's socket.
    pub guard_socket: PathBuf,
    /// Which installation on this machine this is.
    pub installation: String,
    /// User id of the first instance.
    pub uid_base: u32,
    /// Whether sign-up stays open where the isolation is not proven.
    pub allow_unisolated: bool,
    /// An MCP server that every new instance is given.
    pub outlook: Option<McpServer>,
    /// The portal's origin, told to every instance so that its pages can lead to the provider settings.
    pub portal_origin: String,
}

impl Config {
    /// Reads the environment.
    pub fn from_env(mut env: EnvReader) -> Result<Self, ConfigError> {
        let env_ref = &mut env;
        let project_root = project_root(env_ref);
        let guard_socket =
            env_ref.parse_or("BEAVER_GUARD_SOCKET", project_root.join("runtime/guard/docker.sock"));
        let config = Self {
            listen: env_ref.parse_or("DEPLOY_LISTEN", local(8090)),
            admin_listen: env_ref.parse_or("DEPLOY_ADMIN_LISTEN", local(8091)),
            deploy_token: env_ref.secret("DEPLOY_CONTROL_API_TOKEN", TOKEN_MIN_LEN),
            router_token: env_ref.secret("BEAVER_ROUTER_TOKEN", TOKEN_MIN_LEN),
            internal_token: env_ref.secret("AUTHZ_INTERNAL_TOKEN", TOKEN_MIN_LEN),
            authz_url: http_url(env_ref, "BEAVER_AUTHZ_URL", "http://127.0.0.1:19090"),
            issuer: issuer(env_ref),
            public: PublicUrl::from_env(env_ref),
            plan: plan(env_ref),
            image: text_or(env_ref, "BEAVER_INSTANCE_IMAGE", "beaver/app-instance:latest"),
            probe_image: text_or(env_ref, "BEAVER_PROBE_IMAGE", "beaver/app-instance:latest"),
            limits: limits(env_ref),
            idle_sleep: env_ref.parse_or("BEAVER_IDLE_SLEEP", IdleTime(Some(Duration::from_mins(30)))).0,
            idle_pause: env_ref.parse_or("BEAVER_IDLE_PAUSE", IdleTime(None)).0,
            installation: installation(env_ref),
            uid_base: env_ref.parse_or("BEAVER_INSTANCE_UID_BASE", 200_000),
            allow_unisolated: env_ref.text("BEAVER_ALLOW_UNISOLATED").as_deref() == Some("yes"),
            outlook: outlook(env_ref),
            portal_origin: http_url(env_ref, "PORTAL_PUBLIC_URL", "http://localhost:3081")
                .origin()
                .ascii_serialization(),
            guard_socket,
            project_root,
        };
        if config.deploy_token.matches(config.router_token.expose()) && !config.deploy_token.is_empty() {
            env_ref.fault("BEAVER_ROUTER_TOKEN", "must differ from DEPLOY_CONTROL_API_TOKEN");
        }
        if let Some(pause) = config.idle_pause
            && config.idle_sleep.is_none_or(|sleep| pause >= sleep)
        {
            env_ref
                .fault("BEAVER_IDLE_PAUSE", "must be shorter than BEAVER_IDLE_SLEEP: it is the step before");
        }
        if config.uid_base < 1_000 {
            env_ref.fault("BEAVER_INSTANCE_UID_BASE", "must be 1000 or more: lower ids belong to the system");
        }
        env.finish(config)
    }

    /// `runtime/` below the project's root.
    pub fn runtime(&self) -> PathBuf {
        self.project_root.join("runtime")
    }
}

/// The issuer as instances see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Without a trailing slash.
    pub url: String,
    /// Its name, for the hosts entry of every instance.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl FromStr for Issuer {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "must be a URL such as http://beaver-authz-service:19090")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must be an http or https URL");
        }
        let loopback = "is on this machine's loopback, which inside a container is the container itself; use \
                        a name such as http://beaver-authz-service:19090";
        let host = match url.host() {
            Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                return Err(loopback);
            }
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) if unusable(address.into()) => return Err(loopback),
            Some(Host::Ipv6(address)) if unusable(address.into()) => return Err(loopback),
            Some(_) => ISSUER_NAME.to_owned(),
            None => return Err("must name a host"),
        };
        let port = url.port_or_known_default().ok_or("must name a port")?;
        Ok(Self { url: text.trim_end_matches('/').to_owned(), host, port })
    }
}

fn unusable(address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || address.is_unspecified()
}

fn issuer(env: &mut EnvReader) -> Issuer {
    let default = Issuer {
        url: "http://beaver-authz-service:19090".to_owned(),
        host: ISSUER_NAME.to_owned(),
        port: 19090,
    };
    env.parse_or("AUTHZ_ISSUER", default)
}

fn project_root(env: &mut EnvReader) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let root = env.parse_or("PROJECT_ROOT", here);
    if !root.is_absolute() {
        env.fault("PROJECT_ROOT", "must be an absolute path: Docker mounts what is below it");
    }
    root
}

fn plan(env: &mut EnvReader) -> AddressPlan {
    let net = text_or(env, "BEAVER_NET", "beaver-instance-edge");
    let prefix = text_or(env, "BEAVER_BRIDGE_PREFIX", "br-bvr-");
    // Linux allows 15 characters; the number of a shard takes up to 4.
    if prefix.len() > 11 || prefix.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        env.fault("BEAVER_BRIDGE_PREFIX", "must have at most 11 letters, digits and hyphens");
    }
    let default = |text: &str| text.parse::<Ipv4Net>().unwrap_or_default();
    let instances = env.parse_or("BEAVER_INSTANCE_SUBNET", default("10.89.0.0/16"));
    let control = env.parse_or("BEAVER_CONTROL_SUBNET", default("10.88.0.0/24"));
    let plan = AddressPlan { net, bridge_prefix: prefix, instances, control };
    for (name, fault) in plan.faults() {
        env.fault(name, fault);
    }
    plan
}

fn installation(env: &mut EnvReader) -> String {
    let name = text_or(env, "BEAVER_INSTALLATION", "beaver");
    // A slug's form, as docker-guard has it, but that `beaver` itself is no slug.
    if name != "beaver" && name.parse::<Slug>().is_err() {
        env.fault(
            "BEAVER_INSTALLATION",
            "must be small letters, digits and single hyphens, 3 to 40 characters",
        );
    }
    name
}

fn limits(env: &mut EnvReader) -> Limits {
    let mib = 1024 * 1024;
    let limits = Limits {
        memory_bytes: env.parse_or("BEAVER_INSTANCE_MEMORY", Bytes(256 * mib)).0,
        milli_cpus: env.parse_or("BEAVER_INSTANCE_CPUS", Cpus(1_000)).0,
        pids: env.parse_or("BEAVER_INSTANCE_PIDS", 256),
        disk_bytes: env.parse_or("BEAVER_INSTANCE_DISK", Bytes(1024 * mib)).0,
    };
    if limits.memory_bytes < 16 * mib {
        env.fault("BEAVER_INSTANCE_MEMORY", "must be 16m or more");
    }
    if limits.pids < 8 {
        env.fault("BEAVER_INSTANCE_PIDS", "must be 8 or more");
    }
    limits
}

fn outlook(env: &mut EnvReader) -> Option<McpServer> {
    let id = text_or(env, "BEAVER_OUTLOOK_MCP_SERVER_ID", "outlook_mcp");
    env.text("BEAVER_OUTLOOK_MCP_URL")?;
    let url = http_url(env, "BEAVER_OUTLOOK_MCP_URL", "http://localhost");
    Some(McpServer { id, url: url.as_str().trim_end_matches('/').to_owned() })
}

fn http_url(env: &mut EnvReader, name: &str, default: &str) -> Url {
    let text = text_or(env, name, default);
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        _ => {
            env.fault(name, "must be an http or https URL");
            // Stands in until the fault is reported.
            http_url(&mut EnvReader::default(), name, "http://localhost")
        }
    }
}

fn text_or(env: &EnvReader, name: &str, default: &str) -> String {
    env.text(name).unwrap_or_else(|| default.to_owned())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let tokens = [
            ("DEPLOY_CONTROL_API_TOKEN", "d".repeat(32)),
            ("BEAVER_ROUTER_TOKEN", "r".repeat(32)),
            ("AUTHZ_INTERNAL_TOKEN", "i".repeat(32)),
            ("PROJECT_ROOT", "/srv/beaver".to_owned()),
        ];
        let pairs = pairs.iter().map(|(k, v)| (*k, (*v).to_owned()));
        Config::from_env(EnvReader::from_pairs(tokens.into_iter().chain(pairs)))
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = read(&[]).expect("the defaults hold");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8090");
        assert_eq!(config.guard_socket.display().to_string(), "/srv/beaver/runtime/guard/docker.sock");
        assert_eq!(config.issuer.host, "beaver-authz-service");
        assert_eq!(config.limits.memory_bytes, 256 << 20);
        assert_eq!(config.limits.milli_cpus, 1_000);
        assert_eq!(config.idle_sleep, Some(Duration::from_mins(30)));
        assert_eq!(config.outlook, None);
        assert_eq!(config.portal_origin, "http://localhost:3081");
        assert!(!config.allow_unisolated);
    }

    #[test]
    fn an_issuer_on_loopback_is_refused() {
        for bad in ["http://localhost:19090", "http://127.0.0.1:19090", "http://[::1]:1", "http://0.0.0.0:1"]
        {
            let error = read(&[("AUTHZ_ISSUER", bad)]).expect_err(bad).to_string();
            assert!(error.contains("AUTHZ_ISSUER") && error.contains("loopback"), "{error}");
        }
        let issuer: Issuer = "https://auth.example.com/".parse().expect("an issuer");
        assert_eq!((issuer.host.as_str(), issuer.port), ("auth.example.com", 443));
    }

    #[test]
    fn every_fault_is_named() {
        let error = read(&[
            ("BEAVER_INSTANCE_MEMORY", "lots"),
            ("BEAVER_INSTANCE_CPUS", "1.2345"),
            ("BEAVER_IDLE_SLEEP", "30"),
            ("BEAVER_INSTANCE_SUBNET", "10.0.0.0/30"),
            ("BEAVER_ROUTER_TOKEN", "short"),
            ("BEAVER_INSTALLATION", "No Good"),
            ("PROJECT_ROOT", "relative"),
        ])
        .expect_err("seven faults");
        assert_eq!(error.faults().len(), 7, "{error}");
    }

    #[test]
    fn the_first_rung_comes_before_the_second() {
        let idle = |pause, sleep| read(&[("BEAVER_IDLE_PAUSE", pause), ("BEAVER_IDLE_SLEEP", sleep)]);
        let config = idle("5m", "30m").expect("shorter");
        assert_eq!(config.idle_pause, Some(Duration::from_mins(5)));
        assert_eq!(read(&[]).expect("the defaults hold").idle_pause, None);
        for (pause, sleep) in [("30m", "30m"), ("1h", "30m"), ("5m", "off")] {
            let error = idle(pause, sleep).expect_err("not shorter").to_string();
            assert!(error.contains("BEAVER_IDLE_PAUSE"), "{error}");
        }
        assert!(idle("off", "off").is_ok());
    }

    #[test]
    fn equal_tokens_are_refused() {
        let error = read(&[("BEAVER_ROUTER_TOKEN", &"d".repeat(32))]).expect_err("equal").to_string();
        assert!(error.contains("BEAVER_ROUTER_TOKEN"), "{error}");
    }
}

//! An installation of its own beside whatever else runs on this machine: its own folder, ports, subnets,
//! container names and labels. It is started and removed with the project's own scripts.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use service_kit::secret::random_bytes;

use crate::shell::{self, Output};
use crate::{Failure, Outcome};

/// Marks folders of runs, so that a later run can take down what a killed one left.
const FOLDER_PREFIX: &str = "beaver-e2e-";
const UP_LIMIT: Duration = Duration::from_mins(20);
const SCRIPT_LIMIT: Duration = Duration::from_mins(3);

/// Where the parts of the installation are.
#[derive(Debug)]
pub struct Installation {
    /// `BEAVER_INSTALLATION`: prefix of container names and value of the label.
    pub name: String,
    /// Checkout of the project.
    pub checkout: PathBuf,
    /// `PROJECT_ROOT`: holds `runtime/`.
    pub root: PathBuf,
    /// The `.env` file.
    pub env_file: PathBuf,
    /// Origin of the portal.
    pub portal: String,
    /// Port of the router.
    pub router_port: u16,
    /// Port of deploy-control.
    pub deploy_port: u16,
    /// Port of authz-service.
    pub authz_port: u16,
    /// First two numbers of the instance subnet, such as `10.190`.
    pub instance_net: String,
    /// Address of the host that instances may reach for the issuer.
    pub control_ip: String,
    /// Port of the issuer there.
    pub issuer_port: u16,
    /// Port on `control_ip` that is open to instances for the provider servers of these tests.
    pub provider_port: u16,
    /// `BEAVER_DEPLOY_TOKEN`.
    pub deploy_token: String,
    /// `BEAVER_AUTHZ_INTERNAL_TOKEN`.
    pub authz_token: String,
}

impl Installation {
    /// Chooses names, ports and subnets and writes the `.env` file; starts nothing.
    pub fn plan() -> Outcome<Self> {
        let [a, b] = random_bytes::<2>();
        let name = format!("bve{a:02x}{b:02x}");
        let root = std::env::temp_dir().join(format!("{FOLDER_PREFIX}{name}"));
        std::fs::create_dir(&root)?;
        std::fs::write(root.join("pid"), std::process::id().to_string())?;
        let ports = free_ports(10)?;
        let second = free_second_octet()?;
        let token = || service_kit::secret::random_token().expose().clone();
        let this = Self {
            checkout: Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?,
            env_file: root.join(".env"),
            portal: format!("http://localhost:{}", ports[0]),
            router_port: ports[1],
            deploy_port: ports[2],
            authz_port: ports[3],
            instance_net: format!("10.{second}"),
            control_ip: format!("10.{}.0.1", second + 1),
            issuer_port: ports[4],
            provider_port: ports[5],
            deploy_token: token(),
            authz_token: token(),
            name,
            root,
        };
        this.write_env(&ports, &token())?;
        this.mount_small_routes()?;
        Ok(this)
    }

    /// The routes get a small filesystem of their own, so that a test can fill it.
    fn mount_small_routes(&self) -> Outcome {
        let routes = self.routes();
        std::fs::create_dir_all(&routes)?;
        let target = routes.display().to_string();
        let args = ["-t", "tmpfs", "-o", "size=1m", "beaver-e2e", &target];
        let status = std::process::Command::new("mount").args(args).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure("a tmpfs cannot be mounted: run the tests as root".into()))
        }
    }

    /// The folder of the route files.
    pub fn routes(&self) -> PathBuf {
        self.root.join("runtime/router/conf.d")
    }

    fn write_env(&self, ports: &[u16], router_token: &str) -> Outcome {
        let Self { name, root, portal, control_ip, instance_net, .. } = self;
        let control_net = control_ip.trim_end_matches(".1");
        let text = format!(
            "PROJECT_ROOT={root}\n\
             BEAVER_INSTALLATION={name}\n\
             BEAVER_IMAGE_TAG={name}\n\
             BEAVER_INSTANCE_IMAGE=beaver/app-instance:{name}\n\
             BEAVER_NET={name}-edge\n\
             BEAVER_BRIDGE_PREFIX={name}-\n\
             BEAVER_INSTANCE_SUBNET={instance_net}.0.0/16\n\
             BEAVER_CONTROL_SUBNET={control_net}.0/24\n\
             BEAVER_EGRESS_ALLOW={control_ip}/32:{provider}\n\
             BEAVER_PROXY_CONTAINER_NAME={name}-router-proxy\n\
             BEAVER_BASE_DOMAIN=localhost\n\
             DEPLOY_PUBLIC_PORT={router}\n\
             PORTAL_PUBLIC_URL={portal}\n\
             PORTAL_LISTEN=127.0.0.1:{portal_port}\n\
             PORTAL_ADMIN_LISTEN=127.0.0.1:{}\n\
             ROUTER_LISTEN=0.0.0.0:{router}\n\
             ROUTER_ADMIN_LISTEN=127.0.0.1:{}\n\
             DEPLOY_LISTEN=127.0.0.1:{deploy}\n\
             DEPLOY_ADMIN_LISTEN=127.0.0.1:{}\n\
             AUTHZ_LISTEN=127.0.0.1:{authz}\n\
             AUTHZ_ADMIN_LISTEN=127.0.0.1:{}\n\
             AUTHZ_INSTANCE_LISTEN={control_ip}:{issuer}\n\
             AUTHZ_ISSUER=http://beaver-authz-service:{issuer}\n\
             BEAVER_DEPLOY_URL=http://127.0.0.1:{deploy}\n\
             BEAVER_AUTHZ_URL=http://127.0.0.1:{authz}\n\
             BEAVER_DEPLOY_TOKEN={}\n\
             BEAVER_AUTHZ_INTERNAL_TOKEN={}\n\
             BEAVER_ROUTER_TOKEN={router_token}\n\
             BEAVER_LOGIN_BURST=1000\n",
            ports[6],
            ports[7],
            ports[8],
            ports[9],
            self.deploy_token,
            self.authz_token,
            root = root.display(),
            provider = self.provider_port,
            router = self.router_port,
            portal_port = ports[0],
            deploy = self.deploy_port,
            authz = self.authz_port,
            issuer = self.issuer_port,
        );
        service_kit::atomic_file::write(&self.env_file, text.as_bytes(), 0o600)?;
        Ok(())
    }

    /// Adds settings to the `.env` file; they are in force after the next `up.sh`.
    pub fn set(&self, settings: &[(&str, &str)]) -> Outcome {
        let mut text = std::fs::read_to_string(&self.env_file)?;
        text.extend(settings.iter().flat_map(|(name, value)| [name, "=", value, "\n"]));
        service_kit::atomic_file::write(&self.env_file, text.as_bytes(), 0o600)?;
        Ok(())
    }

    /// Port of the portal, which its origin names.
    pub fn portal_port(&self) -> u16 {
        self.portal.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// URL of an instance, with a path that begins with a slash.
    pub fn instance_url(&self, slug: &str, path: &str) -> String {
        format!("http://{slug}.localhost:{}{path}", self.router_port)
    }

    /// Runs one of the project's scripts for this installation.
    pub async fn script(&self, name: &str, args: &[&str], input: &str) -> Outcome<Output> {
        self.script_within(name, args, input, SCRIPT_LIMIT).await
    }

    async fn script_within(
        &self,
        name: &str,
        args: &[&str],
        input: &str,
        limit: Duration,
    ) -> Outcome<Output> {
        let env_file = self.env_file.display().to_string();
        let script = self.checkout.join("scripts").join(name);
        shell::run(&script, args, &[("BEAVER_ENV_FILE", &env_file)], input, limit).await
    }

    /// `scripts/up.sh`.
    pub async fn up(&self) -> Outcome<Output> {
        self.script_within("up.sh", &[], "", UP_LIMIT).await?.success()
    }

    /// Takes everything away, also the folder.
    pub async fn purge(&self) -> Outcome {
        unmount(&self.routes())?;
        self.script("down.sh", &["--purge", "--yes"], "").await?.success()?;
        std::fs::remove_dir_all(&self.root)?;
        Ok(())
    }

    /// Name of a control-plane container.
    pub fn service(&self, service: &str) -> String {
        format!("{}-{service}", self.name)
    }
}

/// Takes down what runs that were killed have left: folders whose process is gone.
pub async fn purge_leftovers() -> Outcome {
    for entry in std::fs::read_dir(std::env::temp_dir())? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(installation) = name.strip_prefix(FOLDER_PREFIX) else { continue };
        let pid = std::fs::read_to_string(path.join("pid")).unwrap_or_default();
        if !pid.is_empty() && Path::new("/proc").join(&pid).exists() {
            continue;
        }
        println!("taking down {installation}, left by a run that was killed");
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let env_file = path.join(".env").display().to_string();
        let script = checkout.join("scripts/down.sh");
        let env = [("BEAVER_ENV_FILE", env_file.as_str())];
        unmount(&path.join("runtime/router/conf.d"))?;
        if path.join(".env").exists() {
            let _ = shell::run(&script, &["--purge", "--yes"], &env, "", SCRIPT_LIMIT).await?;
        }
        std::fs::remove_dir_all(&path)?;
    }
    Ok(())
}

/// Lazily: containers may still hold it.
fn unmount(folder: &Path) -> Outcome {
    std::process::Command::new("umount")
        .arg("-l")
        .arg(folder)
        .stderr(std::process::Stdio::null())
        .status()?;
    Ok(())
}

/// Ports that are free now. They are held together, so that no two are the same.
pub(crate) fn free_ports(count: usize) -> Outcome<Vec<u16>> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(listeners
        .iter()
        .map(TcpListener::local_addr)
        .map(|a| a.map(|a| a.port()))
        .collect::<Result<_, _>>()?)
}

/// `n` such that neither `10.n.0.0/16` nor the one after it is routed yet.
fn free_second_octet() -> Outcome<u8> {
    let routes = std::fs::read_to_string("/proc/net/route")?;
    let used: Vec<[u8; 4]> = routes
        .lines()
        .skip(1)
        .filter_map(|line| u32::from_str_radix(line.split_whitespace().nth(1)?, 16).ok())
        // The kernel prints the address in the host's byte order.
        .map(u32::to_ne_bytes)
        .collect();
    let is_used = |n: u8| used.iter().any(|address| address[0] == 10 && address[1] == n);
    let start = 130 + random_bytes::<1>()[0] % 50;
    (start..250)
        .step_by(2)
        .find(|n| !is_used(*n) && !is_used(*n + 1))
        .ok_or_else(|| Failure("no subnet below 10.0.0.0/8 is free".into()))
}

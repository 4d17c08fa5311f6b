//! The outer proxies of `ops/`, tried as they are shipped: the real Caddy and the real Nginx run with the shipped
//! text, in which names, ports and the paths of certificates are replaced and nothing else. Everything that the
//! program writes is below the installation's folder, and the program ends with its handle.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::http::Visitor;
use crate::installation::{Installation, free_ports};
use crate::wait::until;
use crate::{Failure, Outcome, ensure, shell};

/// The portal's name. Names below `localhost` need no DNS, and Caddy asks no authority for their certificates.
const PORTAL: &str = "portal-e2e.localhost";
/// The instances are below this one, which does not contain the portal's.
const APPS: &str = "apps-e2e.localhost";
/// Where visitors come from: this machine too, but not where the proxy comes from.
pub const VISITOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
const LIMIT: Duration = Duration::from_secs(30);

/// Which program stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// With `ops/Caddyfile`.
    Caddy,
    /// With `ops/nginx.conf`.
    Nginx,
}

/// A running proxy in front of an installation.
#[derive(Debug)]
pub struct Edge {
    program: Program,
    process: Child,
    folder: PathBuf,
    port: u16,
    /// Where Nginx answers without TLS; Caddy does not.
    plain_port: u16,
    settings: Vec<(String, String)>,
}

impl Edge {
    /// Makes certificates, starts the program and waits until it answers over TLS.
    pub async fn start(site: &Installation, program: Program) -> Outcome<Self> {
        let folder = site.root.join(format!("{program:?}").to_lowercase());
        std::fs::create_dir_all(&folder)?;
        let ports = free_ports(2)?;
        make_certificate(&folder, "portal", PORTAL).await?;
        make_certificate(&folder, "apps", &format!("*.{APPS}")).await?;
        let text = match program {
            Program::Caddy => caddyfile(site, &folder, ports[0])?,
            Program::Nginx => nginx_conf(site, &folder, ports[0], ports[1])?,
        };
        let process = match program {
            Program::Caddy => run_caddy(&folder, &text)?,
            Program::Nginx => run_nginx(&folder, &text)?,
        };
        let settings = settings_in(&text, ports[0])?;
        let edge = Self { program, process, folder, port: ports[0], plain_port: ports[1], settings };
        let answers = async || edge.visitor()?.get(&edge.portal("/")).await.map(Some);
        match until(&format!("{program:?} to answer over TLS"), LIMIT, answers).await {
            Ok(_) => Ok(edge),
            Err(failure) => Err(Failure(format!("{failure}\n{}", edge.last_words()))),
        }
    }

    /// What the head of the shipped file tells to put into `.env`, and what only a test needs.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// URL at the portal.
    pub fn portal(&self, path: &str) -> String {
        format!("https://{PORTAL}:{}{path}", self.port)
    }

    /// URL at an instance.
    pub fn instance(&self, slug: &str, path: &str) -> String {
        format!("https://{}:{}{path}", Self::instance_host(slug), self.port)
    }

    /// Host name of an instance.
    pub fn instance_host(slug: &str) -> String {
        format!("{slug}.{APPS}")
    }

    /// URL at the portal without TLS.
    pub fn plain_portal(&self, path: &str) -> String {
        format!("http://{PORTAL}:{}{path}", self.plain_port)
    }

    /// Where the portal is for whoever comes in without TLS: at the port that people need not name.
    pub fn portal_at_443(path: &str) -> String {
        format!("https://{PORTAL}{path}")
    }

    /// Somebody who trusts the certificates of this proxy and no other.
    pub fn visitor(&self) -> Outcome<Visitor> {
        let mut roots = vec![std::fs::read(self.folder.join("apps.crt"))?];
        roots.push(match self.program {
            Program::Caddy => std::fs::read(self.folder.join("data/caddy/pki/authorities/local/root.crt"))?,
            Program::Nginx => std::fs::read(self.folder.join("portal.crt"))?,
        });
        Visitor::over_tls(&roots, VISITOR)
    }

    /// The end of the program's log.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends the program and removes its files.
    pub async fn end(mut self) -> Outcome {
        self.process.kill().await?;
        std::fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

/// A certificate that nobody but itself vouches for, and that is no authority: `<stem>.crt` and `<stem>.key`.
async fn make_certificate(folder: &Path, stem: &str, name: &str) -> Outcome {
    // A file of our own: the system's would make it an authority, which clients do not take for a server.
    let config = folder.join("openssl.cnf");
    let text = format!(
        "[req]\ndistinguished_name = subject\nx509_extensions = extensions\nprompt = no\n\
         [subject]\nCN = {stem}\n\
         [extensions]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:{name}\n"
    );
    std::fs::write(&config, text)?;
    let path = |suffix: &str| folder.join(format!("{stem}.{suffix}")).display().to_string();
    let (key, certificate, config) = (path("key"), path("crt"), config.display().to_string());
    let kind = ["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt"];
    let files = ["ec_paramgen_curve:P-256", "-config", &config, "-keyout", &key, "-out", &certificate];
    shell::run(Path::new("openssl"), &[&kind[..], &files].concat(), &[], "", LIMIT).await?.success()?;
    Ok(())
}

fn caddyfile(site: &Installation, folder: &Path, port: u16) -> Outcome<String> {
    let portal_block = format!("{PORTAL}:{port} {{");
    let apps_block = format!("*.{APPS}:{port} {{");
    let blocks =
        [("\nportal.example.com {", "\n".to_owned() + &portal_block), ("*.apps.example.com {", apps_block)];
    let text = shipped(site, "Caddyfile", folder, port, &blocks)?;
    // Caddy must come first with its options: no port of its own, no redirects from port 80, which is not ours, no
    // new authority in the system's trust store, and nothing for other machines.
    let options = "admin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tdefault_bind 127.0.0.1";
    Ok(format!("{{\n\t{options}\n}}\n{text}"))
}

fn nginx_conf(site: &Installation, folder: &Path, port: u16, plain_port: u16) -> Outcome<String> {
    let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let v6 =
        |port: u16, rest: &str| if has_v6 { format!("listen [::1]:{port}{rest}") } else { String::new() };
    let listens = [
        ("listen 80;", format!("listen 127.0.0.1:{plain_port};")),
        ("listen [::]:80;", v6(plain_port, ";")),
        ("listen 443 ssl http2;", format!("listen 127.0.0.1:{port} ssl http2;")),
        ("listen [::]:443 ssl http2;", v6(port, " ssl http2;")),
    ];
    shipped(site, "nginx.conf", folder, port, &listens)
}

/// A file of `ops/` with the places in it replaced; each must be there.
fn shipped(
    site: &Installation,
    file: &str,
    folder: &Path,
    port: u16,
    own: &[(&str, String)],
) -> Outcome<String> {
    let mut text = std::fs::read_to_string(site.checkout.join("ops").join(file))?;
    let upstream = |port: u16| format!("127.0.0.1:{port}");
    let common = [
        ("https://portal.example.com", format!("https://{PORTAL}:{port}")),
        ("portal.example.com", PORTAL.to_owned()),
        ("apps.example.com", APPS.to_owned()),
        ("/etc/beaver/tls/", format!("{}/", folder.display())),
        ("127.0.0.1:3081", upstream(site.portal_port())),
        ("127.0.0.1:8088", upstream(site.router_port)),
    ];
    for (from, to) in own.iter().chain(&common) {
        ensure!(text.contains(from), "ops/{file} has no {from:?} any more");
        text = text.replace(from, to);
    }
    Ok(text)
}

/// The settings that the comment at the head shows, indented.
fn settings_in(text: &str, port: u16) -> Outcome<Vec<(String, String)>> {
    let shown = text.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once('='));
    let mut settings: Vec<_> = shown.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    ensure!(settings.len() >= 5, "the head of the file shows too few settings: {settings:?}");
    // People have port 443, and their domain closes the registration unless they open it.
    settings.push(("DEPLOY_PUBLIC_PORT".to_owned(), port.to_string()));
    settings.push(("BEAVER_REGISTRATION".to_owned(), "open".to_owned()));
    Ok(settings)
}

fn run_caddy(folder: &Path, text: &str) -> Outcome<Child> {
    let config = folder.join("Caddyfile");
    std::fs::write(&config, text)?;
    let mut command = program("caddy", folder)?;
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
    command.env("HOME", folder).env("XDG_DATA_HOME", folder.join("data"));
    command.env("XDG_CONFIG_HOME", folder.join("config"));
    Ok(command.spawn()?)
}

fn run_nginx(folder: &Path, text: &str) -> Outcome<Child> {
    std::fs::write(folder.join("beaver.conf"), text)?;
    // What the file is put into. One process: workers would outlive one that is killed.
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|k| format!("    {k}_temp_path {k};\n"))
        .concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\n    access_log off;\n{temporary}    include beaver.conf;\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), main)?;
    let mut command = program("nginx", folder)?;
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "nginx.conf"]);
    Ok(command.spawn()?)
}

/// A program that ends with this process, also when this process is killed.
fn program(name: &str, folder: &Path) -> Outcome<Command> {
    let log = std::fs::File::create(folder.join("log"))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", name]).current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

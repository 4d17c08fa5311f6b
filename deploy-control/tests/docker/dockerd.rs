//! A Docker Engine of a test's own, to be stopped, killed and started as one likes. Its folders, socket,
//! containerd, bridge and control group are its own, it changes no firewall and leaves Docker's own bridge alone:
//! the machine's engine does not notice it. Dropping it ends all that it started and removes all that it made,
//! also after a panic, and whether it runs or not.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::{Pid, Signal, kill_process};
use service_kit::secret::random_bytes;

use super::plane::until;
use super::process::Process;

pub(crate) struct Dockerd {
    folder: tempfile::TempDir,
    /// Of its default network, and its control group.
    name: String,
    /// The bridges that a test has it make begin so.
    bridges: Option<String>,
    process: Option<Process>,
}

impl Dockerd {
    pub(crate) async fn new() -> Self {
        let [a, b] = random_bytes::<2>();
        let folder = tempfile::Builder::new().prefix("dockerd").tempdir().expect("a folder");
        let mut this = Self { folder, name: format!("br-bvp-{a:02x}{b:02x}"), bridges: None, process: None };
        // With a bridge of its own: with none it would remove that of the machine's engine.
        let address = format!("10.207.{a}.{}/28", b & 0xf0 | 1);
        run("ip", &["link", "add", &this.name, "type", "bridge"]);
        run("ip", &["addr", "add", &address, "dev", &this.name]);
        run("ip", &["link", "set", &this.name, "up"]);
        // In the place of the machine's own, which may name its folders.
        std::fs::write(this.path("daemon.json"), "{}").expect("written");
        this.start().await;
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("docker.sock")
    }

    /// Bridges that begin so are removed with it.
    pub(crate) fn owns_bridges(&mut self, prefix: String) {
        self.bridges = Some(prefix);
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&mut self) {
        // Of ones that were killed: their numbers may be other processes' by now, or of dead ones that nobody has
        // taken note of, and they would be waited for.
        for left in ["docker.pid", "exec/containerd/containerd.pid"] {
            let _ = std::fs::remove_file(self.path(left));
        }
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let mut command = Command::new("dockerd");
        for (name, value) in [
            ("--config-file", self.path("daemon.json")),
            ("--data-root", self.path("data")),
            ("--exec-root", self.path("exec")),
            ("--pidfile", self.path("docker.pid")),
            ("--bridge", self.name.clone().into()),
            ("--cgroup-parent", format!("/{}", self.name).into()),
        ] {
            command.arg(name).arg(value);
        }
        command
            .args(["--iptables=false", "--ip-masq=false", "--ip-forward=false"])
            .args(["--storage-driver", "fuse-overlayfs"])
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(Process(command.spawn().expect("these tests need dockerd")));
        let path = self.socket().display().to_string();
        until("the Docker Engine answers", async || {
            self.assert_runs();
            let Ok(docker) = Docker::connect_with_unix(&path, 5, API_DEFAULT_VERSION) else { return false };
            docker.ping().await.is_ok()
        })
        .await;
    }

    fn assert_runs(&mut self) {
        let process = self.process.as_mut().expect("started");
        let ended = process.0.try_wait().expect("a status");
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(ended.is_none(), "it ended at its start: {}", log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("started").signal(signal);
    }

    /// Waits until it and its containerd have ended.
    pub(crate) async fn end(&mut self) {
        let process = self.process.as_mut().expect("started");
        // It gives its containers 15 s, and asks them one after the other.
        until("the Docker Engine ends", async || process.0.try_wait().expect("a status").is_some()).await;
        let configuration = self.path("exec/containerd/containerd.toml");
        until("containerd ends", async || naming(&configuration).is_empty()).await;
    }

    /// The control groups of its containers, one for each hierarchy.
    fn groups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
        let all = hierarchies.map(|entry| entry.path()).chain([root.to_owned()]);
        all.map(|hierarchy| hierarchy.join(&self.name)).filter(|group| group.is_dir()).collect()
    }

    /// Its containerd, shims and file systems, which name its folder, and what runs in its containers.
    fn processes(&self) -> Vec<i32> {
        let mut found = naming(self.folder.path());
        for group in self.groups().iter().flat_map(|group| below(group)) {
            let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        found
    }

    /// Ends and removes everything; answers what is left after that.
    fn clean(&mut self) -> Vec<String> {
        self.process = None;
        let sockets = self.shim_sockets();
        let mut patience = 500;
        while !self.processes().is_empty() && patience > 0 {
            for pid in self.processes().into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            patience -= 1;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // The last first: one may lie on another.
        for mount in self.mounts().iter().rev() {
            let _ = Command::new("umount").arg("--lazy").arg(mount).stderr(Stdio::null()).status();
        }
        for bridge in self.links() {
            let _ = Command::new("ip").args(["link", "del", &bridge]).status();
        }
        for group in self.groups().iter().flat_map(|group| below(group)) {
            let _ = std::fs::remove_dir(group);
        }
        for socket in sockets {
            let _ = std::fs::remove_file(socket);
        }
        let _ = std::fs::remove_dir_all(self.folder.path());
        let left =
            self.groups().into_iter().chain(Some(self.folder.path().to_owned()).filter(|f| f.exists()));
        let left = left.map(|path| path.display().to_string()).chain(self.links()).chain(self.mounts());
        left.chain(self.processes().iter().map(i32::to_string)).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let text = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = text.lines().filter_map(|line| line.split(' ').nth(1));
        points.filter(|point| Path::new(point).starts_with(self.folder.path())).map(str::to_owned).collect()
    }

    fn links(&self) -> Vec<String> {
        let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().filter_map(Result::ok);
        let names = links.filter_map(|entry| entry.file_name().into_string().ok());
        let ours = |name: &String| {
            *name == self.name || self.bridges.as_ref().is_some_and(|prefix| name.starts_with(prefix))
        };
        names.filter(ours).collect()
    }

    /// The shims keep theirs in a folder that all of the machine share; each says where.
    fn shim_sockets(&self) -> Vec<PathBuf> {
        let bundles = self.path("exec/containerd/daemon/io.containerd.runtime.v2.task/moby");
        let bundles = std::fs::read_dir(bundles).into_iter().flatten().filter_map(Result::ok);
        let addresses = bundles.filter_map(|bundle| std::fs::read(bundle.path().join("address")).ok());
        let paths = addresses.filter_map(|text| text.strip_prefix(b"unix://").map(<[u8]>::to_vec));
        paths.map(|path| PathBuf::from(OsStr::from_bytes(&path))).collect()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let left = self.clean();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// The processes whose arguments have this path in them. A dead one has none.
fn naming(path: &Path) -> Vec<i32> {
    let path = path.as_os_str().as_bytes();
    let names = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(path.len()).any(|part| part == path)
    };
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(names).collect()
}

/// A control group and those below it, the deepest first.
fn below(group: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut all: Vec<PathBuf> = folders.flat_map(|folder| below(&folder)).collect();
    all.push(group.to_owned());
    all
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("it runs");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

//! Places that an instance must not reach, made real: a listener behind a network namespace stands where a
//! cloud's metadata service would, so that a refusal is proven against something that answers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::wait::until;
use crate::{Failure, Outcome, shell};

/// Where clouds serve credentials to whoever asks.
pub const METADATA: &str = "169.254.169.254:80";

/// Whether a TCP connection comes about within two seconds.
pub async fn reachable(address: &str) -> bool {
    matches!(tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// A listener in this process that accepts and closes; it ends with the value.
#[derive(Debug)]
pub struct Listener {
    task: tokio::task::JoinHandle<()>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Listener {
    /// Listens at `address`; port 0 is any.
    pub async fn start(address: &str) -> Outcome<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        Ok(Self { task, address })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stand-in for the metadata service, in a network namespace of its own.
#[derive(Debug)]
pub struct Metadata {
    namespace: String,
    process: Child,
}

impl Metadata {
    /// Makes it. `name` has at most 9 characters: interface names are short.
    pub async fn start(name: &str) -> Outcome<Self> {
        let (namespace, host, inner) = (format!("{name}-meta"), format!("{name}-mh"), format!("{name}-mi"));
        ip(&["netns", "add", &namespace]).await?;
        let made = async {
            ip(&["link", "add", &host, "type", "veth", "peer", "name", &inner, "netns", &namespace]).await?;
            ip(&["addr", "add", "169.254.169.1/24", "dev", &host]).await?;
            ip(&["link", "set", &host, "up"]).await?;
            ip(&["-n", &namespace, "addr", "add", "169.254.169.254/24", "dev", &inner]).await?;
            ip(&["-n", &namespace, "link", "set", &inner, "up"]).await?;
            ip(&["-n", &namespace, "route", "add", "default", "via", "169.254.169.1"]).await?;
            let program = std::env::current_exe()?;
            let process = Command::new("ip")
                .args(["netns", "exec", &namespace])
                .arg(program)
                .args(["--listen", "0.0.0.0:80"])
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            until("the stand-in for the metadata service", Duration::from_secs(10), async || {
                Ok(reachable(METADATA).await.then_some(()))
            })
            .await?;
            Ok::<_, Failure>(process)
        };
        match made.await {
            Ok(process) => Ok(Self { namespace, process }),
            Err(failure) => {
                let _ = ip(&["netns", "del", &namespace]).await;
                Err(failure)
            }
        }
    }

    /// Takes it away; the interfaces go with the namespace.
    pub async fn end(mut self) -> Outcome {
        self.process.kill().await?;
        ip(&["netns", "del", &self.namespace]).await
    }
}

async fn ip(args: &[&str]) -> Outcome {
    shell::run(Path::new("ip"), args, &[], "", Duration::from_secs(10)).await?.success()?;
    Ok(())
}

/// What the helper process of [`Metadata`] does: listens until it is ended.
pub async fn listen(address: &str) -> Outcome {
    let listener = TcpListener::bind(address).await?;
    loop {
        listener.accept().await?;
    }
}

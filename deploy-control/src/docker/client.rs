//! The client: connected and negotiated at the first call and again whenever Docker was away, because the engine
//! that comes back may be another version. Every call has a limit of its own; no lock is held while it runs.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::{error, read};
use crate::engine::{EngineError, EngineResult};

/// Limit of a call that only looks.
pub(super) const LOOK: Duration = Duration::from_secs(10);
/// Limit of a call that makes, starts or removes something: a busy host takes its time.
pub(super) const CHANGE: Duration = Duration::from_secs(30);
/// The library's own limit, until the head of an answer. Longer than each of ours.
const LIBRARY_TIMEOUT_S: u64 = 3_700;

/// Docker, through docker-guard's socket or its own.
#[derive(Debug)]
pub struct DockerEngine {
    pub(super) socket: String,
    pub(super) installation: String,
    docker: Mutex<Option<Docker>>,
    /// No call may take longer than this, whatever its own limit is.
    longest: Duration,
    /// One isolation probe at a time: each begins by removing what an earlier one left.
    pub(super) probing: tokio::sync::Mutex<()>,
}

impl DockerEngine {
    /// An engine that speaks to `socket` and touches what carries the labels of `installation`. Nothing is
    /// connected yet: Docker may come later.
    pub fn new(socket: &Path, installation: &str) -> Self {
        Self {
            socket: socket.display().to_string(),
            installation: installation.to_owned(),
            docker: Mutex::new(None),
            longest: Duration::MAX,
            probing: tokio::sync::Mutex::new(()),
        }
    }

    /// The same, with no call longer than `longest`: for tests of calls that hang.
    #[must_use]
    pub fn with_longest_call(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// The negotiated client.
    pub(super) async fn docker(&self) -> EngineResult<Docker> {
        let known = self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(docker) = known {
            return Ok(docker);
        }
        let connect = async {
            Docker::connect_with_unix(&self.socket, LIBRARY_TIMEOUT_S, API_DEFAULT_VERSION)?
                .negotiate_version()
                .await
        };
        let docker = tokio::time::timeout(LOOK, connect)
            .await
            .map_err(|_| EngineError::TimedOut("version"))?
            .map_err(|e| error::map("version", "Docker", e))?;
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = Some(docker.clone());
        Ok(docker)
    }

    /// Negotiates anew at the next call.
    pub(super) fn forget(&self) {
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One call named `call` about `subject`, with its limit.
    pub(super) async fn call<T, F, Fut>(
        &self,
        call: &'static str,
        subject: &str,
        limit: Duration,
        ask: F,
    ) -> EngineResult<T>
    where
        F: FnOnce(Docker) -> Fut + Send,
        Fut: Future<Output = Result<T, Error>> + Send,
    {
        let asked = async {
            let docker = self.docker().await?;
            ask(docker).await.map_err(|e| error::map(call, subject, e))
        };
        let answer = tokio::time::timeout(limit.min(self.longest), asked)
            .await
            .unwrap_or(Err(EngineError::TimedOut(call)));
        if answer.as_ref().is_err_and(EngineError::is_transient) {
            self.forget();
        }
        answer
    }

    /// Looks at a container; `None` where it is gone.
    pub(super) async fn look(&self, container: &str) -> EngineResult<Option<ContainerInspectResponse>> {
        check_name(container)?;
        let subject = format!("container {container}");
        let name = container.to_owned();
        let ask = |docker: Docker| async move { docker.inspect_container(&name, None).await };
        match self.call("inspect", &subject, LOOK, ask).await {
            Ok(found) => Ok(Some(found)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of a container that carries this installation's labels; `None` where it is gone, `Refused` where
    /// it is another's.
    pub(super) async fn own_id(&self, container: &str) -> EngineResult<Option<String>> {
        let Some(found) = self.look(container).await? else { return Ok(None) };
        let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
        if !read::is_ours(labels, &self.installation) {
            let words = format!("container {container} does not carry this installation's labels");
            return Err(EngineError::Refused(words));
        }
        found.id.map(Some).ok_or_else(|| EngineError::Other("Docker told no id of a container".to_owned()))
    }

    /// The same, where one that is gone is an error.
    pub(super) async fn existing_id(&self, container: &str) -> EngineResult<String> {
        let id = self.own_id(container).await?;
        id.ok_or_else(|| EngineError::NotFound(format!("container {container}")))
    }
}

/// The library pastes names into paths: nothing that would lead elsewhere may come so far.
pub(super) fn check_name(name: &str) -> EngineResult<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(EngineError::Refused(
        "a container's or network's name has letters, digits, `_`, `.` and `-`".to_owned(),
    ))
}

//! The app inside a container, as far as deploy-control speaks with it: whether it serves, and who owns it.
//! What it answers is a stranger's: statuses are read, bodies are not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use control_api::instance::RegisterOwner;
use reqwest::{Client, StatusCode};
use tokio::time::Instant;

use crate::model::INSTANCE_PORT;

/// The pause between two questions is a tenth of the time that the app has taken so far, within these: what is
/// waited too long is never much of the whole.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// The app registers itself at the issuer meanwhile.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where an instance is reached: its own address and port, or wherever a test has put it.
pub type Dial = Arc<dyn Fn(Ipv4Addr) -> SocketAddr + Send + Sync>;

/// The way to an instance in production.
pub fn direct() -> Dial {
    Arc::new(|address| SocketAddr::from((address, INSTANCE_PORT)))
}

/// Speaks with instances.
#[derive(Clone)]
pub struct InstanceApp {
    http: Client,
    dial: Dial,
}

/// How the app took the news of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It knows.
    Yes,
    /// It knew.
    Already,
    /// It has no such route: an image without sign-in.
    NotWanted,
    /// Not now: the reason; ask again.
    Later(String),
    /// It refuses: the reason.
    Refused(String),
}

impl InstanceApp {
    /// A client that reaches instances by `dial`.
    pub fn new(http: Client, dial: Dial) -> Self {
        Self { http, dial }
    }

    /// Asks until the app can serve. The caller sets the end.
    pub async fn until_ready(&self, address: Ipv4Addr) {
        let began = Instant::now();
        while !self.is_ready(address).await {
            tokio::time::sleep((began.elapsed() / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
        }
    }

    async fn is_ready(&self, address: Ipv4Addr) -> bool {
        let answer = self.http.get(self.url(address, "/api/health")).timeout(HEALTH_TIMEOUT).send().await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    /// Tells the app who owns it.
    pub async fn register(&self, address: Ipv4Addr, body: &RegisterOwner) -> Registered {
        let request = self.http.post(self.url(address, "/api/auth/register")).timeout(REGISTER_TIMEOUT);
        match request.json(body).send().await {
            Ok(response) => judge(response.status()),
            Err(error) if error.is_timeout() => Registered::Later("the app does not answer in time".into()),
            Err(_) => Registered::Later("the connection to the app broke off".into()),
        }
    }

    fn url(&self, address: Ipv4Addr, path: &str) -> String {
        format!("http://{}{path}", (self.dial)(address))
    }
}

fn judge(status: StatusCode) -> Registered {
    match status {
        status if status.is_success() => Registered::Yes,
        StatusCode::CONFLICT => Registered::Already,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Registered::NotWanted,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Registered::Later(format!("the app answered {status} when told its owner"))
        }
        status => Registered::Refused(format!("the app answered {status} when told its owner")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_means_one_thing() {
        assert_eq!(judge(StatusCode::CREATED), Registered::Yes);
        assert_eq!(judge(StatusCode::CONFLICT), Registered::Already);
        assert_eq!(judge(StatusCode::NOT_FOUND), Registered::NotWanted);
        assert!(matches!(judge(StatusCode::BAD_GATEWAY), Registered::Later(_)));
        assert!(matches!(judge(StatusCode::FORBIDDEN), Registered::Refused(_)));
    }
}

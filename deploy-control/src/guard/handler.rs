//! From a parsed call to Docker and back: what must be looked up before a call may pass, and what an answer may
//! show. It must stay true that nothing of another owner is changed (a container is inspected first, and then
//! addressed by the id that was inspected), and that of a stranger's container no more is told than that it is
//! not ours.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use serde::{Deserialize, Serialize};

use super::body::{ContainerBody, NetworkBody, parse as parse_body};
use super::envelope::check_envelope;
use super::folders::check_folders;
use super::images::{AllowedImages, is_id};
use super::line::Line;
use super::policy::{Policy, Refusal};
use super::request::{Call, ContainerCall, Query, parse};
use super::upstream::{Upstream, UpstreamError};
use crate::image_name::ImageName;

/// Body of every answer.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;
/// Marks an answer whose body goes on until somebody ends it.
#[derive(Clone, Copy)]
pub(crate) struct Endless;
type Answer = Result<Response<Body>, Fault>;

/// Largest request body.
const BODY_LIMIT: usize = 1024 * 1024;
/// A caller must have sent its body by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the head of Docker's answer; a stop waits for the container on top.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// The same for a pull: Docker asks the registry first.
const PULL_TIMEOUT: Duration = Duration::from_mins(5);
/// Largest answer that is read here (an inspect, a list of networks); the others stream.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// What every request needs.
pub(crate) struct Guard {
    pub(crate) policy: Policy,
    pub(crate) images: Arc<AllowedImages>,
    pub(crate) docker: Upstream,
}

/// Why a call did not pass. Told as `{"message": ...}`, which is how Docker tells its own errors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Docker(#[from] UpstreamError),
    /// The body is none that can be read.
    #[error("docker-guard: {1}")]
    Body(StatusCode, &'static str),
    #[error("{1}")]
    Status(StatusCode, String),
}

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::Docker(UpstreamError::Unreachable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Docker(UpstreamError::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
            Self::Body(status, _) | Self::Status(status, _) => *status,
        }
    }

    /// Whether it was decided here, and not by Docker.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Body(..))
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let body = serde_json::json!({ "message": self.to_string() }).to_string();
        respond(self.status(), body.into())
    }
}

fn respond(status: StatusCode, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn endless(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(Endless);
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// What of an inspect is looked at here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    name: String,
    config: InspectedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    labels: Option<HashMap<String, String>>,
}

/// What of an image is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedImage {
    id: String,
}

/// Docker's errors.
#[derive(Deserialize)]
struct Message {
    message: String,
}

/// What of a network is looked at, and shown in the list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedNetwork {
    name: String,
    id: String,
    #[serde(default)]
    driver: String,
    labels: Option<HashMap<String, String>>,
    #[serde(rename = "IPAM", default)]
    ipam: serde_json::Value,
}

impl Guard {
    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        check_envelope(&head)?;
        let asked = parse(&head.method, head.uri.path(), head.uri.query().unwrap_or_default())?;
        let line = Line::new(asked.version.as_deref());
        match asked.call {
            Call::Ping => self.forward(line.request(&head.method, "/_ping", &[])).await,
            Call::Version => self.forward(line.get("/version", &[])).await,
            Call::Image(name) => self.image(&line, &name).await,
            Call::PullImage(image) => self.pull_image(&line, &image, &body).await,
            Call::ListContainers { all } => {
                let all = if all { "true" } else { "false" };
                let query = [("all", all), ("filters", &self.filters(false))];
                self.forward(line.get("/containers/json", &query)).await
            }
            Call::Events(query) => {
                let filters = self.filters(true);
                let mut pairs = borrowed(&query);
                pairs.push(("filters", &filters));
                self.forward(line.get("/events", &pairs)).await.map(endless)
            }
            Call::CreateContainer { name } => self.create_container(&line, &name, body).await,
            Call::Container(id, call) => self.container(&line, &id, call).await,
            Call::ListNetworks => self.list_networks(&line).await,
            Call::Network(name) => {
                self.planned(&name)?;
                self.forward(line.get(&format!("/networks/{name}"), &[])).await
            }
            Call::CreateNetwork => {
                let body: NetworkBody = parse_body(&read_body(body).await?)?;
                self.policy.check_network(&body)?;
                self.forward(line.post_json("/networks/create", &[], &body)?).await
            }
            Call::RemoveNetwork(name) => self.remove_network(&line, &name).await,
        }
    }

    /// Streams the answer through; of its headers those that say what the body is.
    async fn forward(&self, request: Request<Full<Bytes>>) -> Answer {
        self.forward_within(request, HEAD_TIMEOUT).await
    }

    async fn forward_within(&self, request: Request<Full<Bytes>>, limit: Duration) -> Answer {
        let answer = self.docker.send(request, limit).await?;
        let (head, body) = answer.into_parts();
        let mut response = Response::new(body.boxed());
        *response.status_mut() = head.status;
        for name in
            ["content-type", "content-length", "api-version", "ostype", "docker-experimental", "server"]
        {
            if let Some(value) = head.headers.get(name) {
                response.headers_mut().insert(http::HeaderName::from_static(name), value.clone());
            }
        }
        Ok(response)
    }

    /// Reads a whole answer. One that is no success is the caller's answer.
    async fn fetch(&self, request: Request<Full<Bytes>>) -> Result<Bytes, Fault> {
        let answer = self.docker.send(request, HEAD_TIMEOUT).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect();
        let bytes = tokio::time::timeout(HEAD_TIMEOUT, body)
            .await
            .map_err(|_| UpstreamError::TimedOut)?
            .map_err(|e| UpstreamError::Unreachable(e.to_string()))?
            .to_bytes();
        if status.is_success() {
            return Ok(bytes);
        }
        let message = serde_json::from_slice(&bytes).map(|m: Message| m.message).unwrap_or_default();
        Err(Fault::Status(status, message))
    }

    /// The filter that shows this installation's alone.
    fn filters(&self, events: bool) -> String {
        let labels = [
            format!("{}=true", super::hardening::LABEL_MANAGED),
            format!("{}={}", super::hardening::LABEL_INSTALLATION, self.policy.installation),
        ];
        let mut filters = BTreeMap::from([("label", labels.to_vec())]);
        if events {
            filters.insert("type", vec!["container".to_owned()]);
        }
        serde_json::json!(filters).to_string()
    }

    async fn image(&self, line: &Line<'_>, name: &str) -> Answer {
        if !self.images.may_inspect(name) {
            return Err(Refusal::new(format!("the image {name} is not on the allow-list")).into());
        }
        let bytes = self.fetch(line.get(&format!("/images/{name}/json"), &[])).await?;
        self.learn(name, &bytes).await;
        Ok(respond(StatusCode::OK, bytes))
    }

    /// Without a body, which would be an image of the caller's making, and without the caller's credentials.
    async fn pull_image(&self, line: &Line<'_>, image: &ImageName, body: &Incoming) -> Answer {
        if !body.is_end_stream() {
            return Err(Refusal::new("a pull takes no body").into());
        }
        if !self.images.may_pull(image) {
            return Err(Refusal::new(format!("the image {image} is not on the allow-list")).into());
        }
        let query = [("fromImage", image.repository()), ("tag", image.reference())];
        self.forward_within(line.post("/images/create", &query), PULL_TIMEOUT).await.map(endless)
    }

    async fn learn(&self, name: &str, inspected: &[u8]) {
        let Ok(InspectedImage { id }) = serde_json::from_slice(inspected) else { return };
        let (images, name) = (Arc::clone(&self.images), name.to_owned());
        // It may write a file and wait for the disk.
        let _ = tokio::task::spawn_blocking(move || images.learn(&name, &id)).await;
    }

    /// Asks Docker what the allowed names are now.
    pub(crate) async fn learn_all(&self) {
        let line = Line::new(None);
        for name in self.images.names() {
            match self.fetch(line.get(&format!("/images/{name}/json"), &[])).await {
                Ok(bytes) => self.learn(&name, &bytes).await,
                Err(error) => tracing::info!(image = name, %error, "an allowed image is not known yet"),
            }
        }
    }

    async fn create_container(&self, line: &Line<'_>, name: &str, body: Incoming) -> Answer {
        let body: ContainerBody = parse_body(&read_body(body).await?)?;
        self.policy.check_container(name, &body)?;
        if !is_id(&body.image) {
            return Err(Refusal::new("Image must be an image's id").into());
        }
        if !self.images.allows(&body.image) {
            // A name may have moved since it was last asked for.
            self.learn_all().await;
            if !self.images.allows(&body.image) {
                return Err(Refusal::new("the image is none that an allowed name has or had").into());
            }
        }
        for bind in &body.host_config.binds {
            let source = bind.split(':').next().unwrap_or_default();
            check_folders(&self.policy.instances_root, source).await?;
        }
        self.forward(line.post_json("/containers/create", &[("name", name)], &body)?).await
    }

    async fn container(&self, line: &Line<'_>, id: &str, call: ContainerCall) -> Answer {
        let bytes = self.fetch(line.get(&format!("/containers/{id}/json"), &[])).await?;
        let inspected: Inspected = serde_json::from_slice(&bytes)
            .map_err(|e| Fault::Status(StatusCode::BAD_GATEWAY, format!("Docker's answer: {e}")))?;
        let ours = inspected.config.labels.as_ref().is_some_and(|labels| self.policy.owns(labels));
        let id = inspected.id;
        let path = |action: &str| format!("/containers/{id}{action}");
        let (request, limit) = match &call {
            ContainerCall::Inspect if ours => return Ok(respond(StatusCode::OK, bytes)),
            ContainerCall::Inspect => {
                let shown =
                    serde_json::json!({ "Id": id, "Name": inspected.name, "Config": { "Labels": {} } });
                return Ok(respond(StatusCode::OK, shown.to_string().into()));
            }
            _ if !ours => {
                return Err(Refusal::new("the container does not carry this installation's labels").into());
            }
            ContainerCall::Logs(query) => (line.get(&path("/logs"), &borrowed(query)), HEAD_TIMEOUT),
            ContainerCall::Stats(query) => (line.get(&path("/stats"), &borrowed(query)), HEAD_TIMEOUT),
            ContainerCall::Start => (line.post(&path("/start"), &[]), HEAD_TIMEOUT),
            ContainerCall::Stop(query) => {
                let grace = query.first().and_then(|(_, t)| t.parse().ok()).unwrap_or(60_u64).min(3600);
                let limit = HEAD_TIMEOUT + Duration::from_secs(grace);
                (line.post(&path("/stop"), &borrowed(query)), limit)
            }
            ContainerCall::Pause => (line.post(&path("/pause"), &[]), HEAD_TIMEOUT),
            ContainerCall::Unpause => (line.post(&path("/unpause"), &[]), HEAD_TIMEOUT),
            ContainerCall::Wait(query) => (line.post(&path("/wait"), &borrowed(query)), HEAD_TIMEOUT),
            ContainerCall::Remove(query) => {
                (line.request(&Method::DELETE, &path(""), &borrowed(query)), HEAD_TIMEOUT)
            }
        };
        let streams =
            matches!(call, ContainerCall::Logs(_) | ContainerCall::Stats(_) | ContainerCall::Wait(_));
        let answer = self.forward_within(request, limit).await?;
        Ok(if streams { endless(answer) } else { answer })
    }

    async fn list_networks(&self, line: &Line<'_>) -> Answer {
        let bytes = self.fetch(line.get("/networks", &[])).await?;
        let networks: Vec<ListedNetwork> = serde_json::from_slice(&bytes)
            .map_err(|e| Fault::Status(StatusCode::BAD_GATEWAY, format!("Docker's answer: {e}")))?;
        Ok(respond(StatusCode::OK, serde_json::json!(networks).to_string().into()))
    }

    async fn remove_network(&self, line: &Line<'_>, name: &str) -> Answer {
        self.planned(name)?;
        let bytes = self.fetch(line.get(&format!("/networks/{name}"), &[])).await?;
        let network: ListedNetwork = serde_json::from_slice(&bytes)
            .map_err(|e| Fault::Status(StatusCode::BAD_GATEWAY, format!("Docker's answer: {e}")))?;
        if !network.labels.is_some_and(|labels| self.policy.owns(&labels)) {
            return Err(Refusal::new("the network does not carry this installation's labels").into());
        }
        self.forward(line.request(&Method::DELETE, &format!("/networks/{}", network.id), &[])).await
    }

    fn planned(&self, name: &str) -> Result<(), Refusal> {
        if self.policy.plans_network(name) {
            return Ok(());
        }
        Err(Refusal::new("the network's name is none of the plan"))
    }
}

fn borrowed(query: &Query) -> Vec<(&str, &str)> {
    query.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

async fn read_body(body: Incoming) -> Result<Bytes, Fault> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LIMIT).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            Err(Fault::Body(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB or broke off"))
        }
        Err(_) => Err(Fault::Body(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    }
}

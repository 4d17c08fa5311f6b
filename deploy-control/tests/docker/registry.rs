//! A registry as small as can be: plain HTTP on loopback, which Docker takes without a certificate, with images of
//! one layer made here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use service_kit::secret::sha256_hex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::rig::{app, tar};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The registry; it ends with the test's runtime.
pub(crate) struct Registry {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    image: Arc<Image>,
}

struct Image {
    layer: Bytes,
    config: Bytes,
    hung_up: CancellationToken,
}

impl Registry {
    /// Serves `<anything>-good`, `<anything>-broken`, whose layer breaks off, and `<anything>-endless`, whose
    /// layer comes ever so slowly. `unique` makes their ids differ
    /// from those of other runs.
    pub(crate) async fn start(unique: &str) -> Self {
        let mut layer = tar("app", app());
        // Behind the end of the archive: another digest, the same files.
        layer.extend_from_slice(unique.as_bytes());
        layer.resize(layer.len().next_multiple_of(512), 0);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Entrypoint": ["/app"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let image = Arc::new(Image {
            layer: layer.into(),
            config: config.to_string().into(),
            hung_up: CancellationToken::new(),
        });
        let routes = Router::new()
            .route("/v2/", get(async || "{}"))
            .route("/v2/{name}/manifests/{reference}", get(manifest))
            .route("/v2/{name}/blobs/{digest}", get(blob))
            .with_state(Arc::clone(&image));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, image }
    }

    /// Waits until a client has left while a layer of `<anything>-endless` was on its way.
    pub(crate) async fn until_hung_up(&self) {
        self.image.hung_up.cancelled().await;
    }

    /// The id that its images have.
    pub(crate) fn image_id(&self) -> String {
        digest(&self.image.config)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

async fn manifest(
    State(image): State<Arc<Image>>,
    Path((name, _reference)): Path<(String, String)>,
) -> Response {
    if !["-good", "-broken", "-endless"].iter().any(|kind| name.ends_with(kind)) {
        let body = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
        return answer(StatusCode::NOT_FOUND, "application/json", body.to_string().into());
    }
    // Of the others: another layer, so that Docker does not have it from the good one.
    let layer = if name.ends_with("-good") { image.layer.clone() } else { reversed(&image.layer) };
    let part =
        |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "size": bytes.len(), "digest": digest(bytes) });
    let config = if name.ends_with("-good") { image.config.clone() } else { broken_config(&image) };
    let body = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part(CONFIG, &config),
        "layers": [part(LAYER, &layer)],
    });
    let body = Bytes::from(body.to_string());
    let mut response = answer(StatusCode::OK, MANIFEST, body.clone());
    response.headers_mut().insert("docker-content-digest", digest(&body).parse().expect("a header"));
    response
}

fn reversed(layer: &[u8]) -> Bytes {
    layer.iter().rev().copied().collect()
}

fn broken_config(image: &Image) -> Bytes {
    let text = String::from_utf8_lossy(&image.config);
    text.replace(&digest(&image.layer), &digest(&reversed(&image.layer))).into()
}

async fn blob(
    State(image): State<Arc<Image>>,
    Path((name, wanted)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let whole = [image.config.clone(), image.layer.clone(), broken_config(&image)];
    if let Some(bytes) = whole.into_iter().find(|bytes| digest(bytes) == wanted) {
        return answer(StatusCode::OK, "application/octet-stream", bytes);
    }
    let layer = reversed(&image.layer);
    if digest(&layer) != wanted {
        return answer(StatusCode::NOT_FOUND, "application/json", "{}".into());
    }
    // Docker asks once more, for what is missing.
    if headers.contains_key("range") {
        let body = json!({ "errors": [{ "code": "DENIED", "message": "this far and no further" }] });
        return answer(StatusCode::FORBIDDEN, "application/json", body.to_string().into());
    }
    if name.ends_with("-endless") {
        return trickles(&layer, image.hung_up.clone());
    }
    breaks_off(&layer)
}

/// Promises all, sends half at once and then a byte at a time, for hours, until the client leaves: Docker sees that
/// it is to leave when the next byte comes.
fn trickles(layer: &Bytes, hung_up: CancellationToken) -> Response {
    let half = stream::iter([Ok::<_, Infallible>(layer.slice(..layer.len() / 2))]);
    let pace = tokio::time::interval(Duration::from_millis(50));
    // Cancelled when the body is dropped.
    let rest = stream::unfold((pace, hung_up.drop_guard()), async |(mut pace, guard)| {
        pace.tick().await;
        Some((Ok(Bytes::from_static(b"x")), (pace, guard)))
    });
    let mut response = Response::new(Body::from_stream(half.chain(rest)));
    response.headers_mut().insert("content-length", layer.len().into());
    response
}

/// Promises all and sends half.
fn breaks_off(layer: &Bytes) -> Response {
    let half = layer.slice(..layer.len() / 2);
    let parts = [Ok(half), Err(std::io::Error::other("the line is cut"))];
    let mut response = Response::new(Body::from_stream(stream::iter(parts)));
    response.headers_mut().insert("content-length", layer.len().into());
    response
}

fn answer(status: StatusCode, kind: &str, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", kind.parse().expect("a header"));
    response
}

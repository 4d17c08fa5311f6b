//! The stylesheet, the script and the icon, compiled in. Their addresses carry a digest of their content, so
//! that browsers may keep them for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use service_kit::secret::sha256_hex;

const FILES: [(&str, &str, &str); 3] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../assets/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../assets/app.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// The folder of this build's files.
pub(crate) static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let all: String = FILES.iter().map(|(_, _, content)| *content).collect();
    format!("/assets/{}", &sha256_hex(all.as_bytes())[..12])
});

/// `GET /assets/{digest}/{name}`. An older digest gives this build's file too: a page that is still open from
/// before an upgrade must not lose its style.
pub(crate) async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    match FILES.iter().find(|(file, _, _)| *file == name) {
        Some((_, kind, content)) => {
            let headers = [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, *content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

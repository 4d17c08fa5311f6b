//! Style sheet, script and pictures, compiled into the binary. Their names hold a hash of their content, so
//! that browsers may keep them for ever and still see a new release at once.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;
use service_kit::secret::sha256_hex;

use crate::error::PageError;

/// A year: "for ever" to browsers (RFC 9111 sets no maximum, RFC 8246 gives `immutable`).
const CACHE: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: String,
    media_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, content: &'static [u8]) -> Self {
        let hash = sha256_hex(content);
        Self { name: format!("{stem}.{}.{extension}", &hash[..12]), media_type, content }
    }

    fn url(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

static FILES: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        Asset::new("portal", "css", "text/css; charset=utf-8", include_bytes!("../assets/portal.css")),
        Asset::new("portal", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/portal.js")),
        Asset::new(
            "passkeys",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("../assets/passkeys.js"),
        ),
        Asset::new("beaver", "svg", "image/svg+xml", include_bytes!("../assets/beaver.svg")),
        Asset::new("lodge", "svg", "image/svg+xml", include_bytes!("../assets/lodge.svg")),
    ]
});

/// The addresses of the assets, for the templates.
pub(crate) struct AssetUrls {
    /// The style sheet.
    pub(crate) css: String,
    /// The script.
    pub(crate) js: String,
    /// The script of pages with a passkey.
    pub(crate) passkeys: String,
    /// The logo.
    pub(crate) logo: String,
    /// The picture of the front page.
    pub(crate) lodge: String,
}

/// The addresses in this binary.
pub(crate) static URLS: LazyLock<AssetUrls> = LazyLock::new(|| {
    let [css, js, passkeys, logo, lodge] = &*FILES;
    AssetUrls { css: css.url(), js: js.url(), passkeys: passkeys.url(), logo: logo.url(), lodge: lodge.url() }
});

/// `GET /assets/{name}`.
pub(crate) async fn serve(Path(name): Path<String>) -> Result<Response, PageError> {
    let asset = FILES.iter().find(|asset| asset.name == name).ok_or(PageError::NotFound)?;
    let headers = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, CACHE)];
    Ok((headers, asset.content).into_response())
}

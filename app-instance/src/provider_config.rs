//! `config.json`: read once at start. A missing file means that no provider was chosen yet; a faulty one is
//! said in words that never repeat its content, because the content holds a key.

use std::io::ErrorKind;
use std::path::Path;

use control_api::instance::{AppConfig, CONFIG_VERSION, Provider, ProviderKind};
use control_api::wire::WireSecret;
use service_kit::secret::Secret;
use url::Url;

/// The largest `config.json` that is read.
const MAX_BYTES: u64 = 256 * 1024;

/// Where a kind of provider is, and which model it is asked for, unless the file says otherwise.
pub(crate) const OPENAI_URL: &str = "https://api.openai.com/v1";
pub(crate) const OPENAI_MODEL: &str = "gpt-4.1-mini";
pub(crate) const ANTHROPIC_URL: &str = "https://api.anthropic.com";
pub(crate) const ANTHROPIC_MODEL: &str = "claude-sonnet-4-5";

/// What is known about the provider.
#[derive(Clone, Debug)]
pub(crate) enum ProviderState {
    /// None was chosen yet.
    Missing,
    /// The file is at fault: why, without its content.
    Faulty(String),
    /// One can be asked.
    Ready(ReadyProvider),
}

/// A provider with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct ReadyProvider {
    /// Which API it speaks.
    pub(crate) kind: ProviderKind,
    /// Its address; `None` for the built-in one.
    pub(crate) base_url: Option<Url>,
    /// Which model is asked.
    pub(crate) model: String,
    /// Sent to the provider and to nobody else.
    pub(crate) key: Option<Secret<String>>,
}

/// Reads the file.
pub(crate) fn load(path: &Path) -> ProviderState {
    let text = match std::fs::metadata(path) {
        Ok(file) if file.len() > MAX_BYTES => return faulty("config.json is too large"),
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    let state = match text {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => ProviderState::Missing,
        Err(error) => faulty(&format!("config.json cannot be read: {}", error.kind())),
    };
    if let ProviderState::Faulty(reason) = &state {
        tracing::error!(reason, "the provider cannot be used");
    }
    state
}

fn faulty(reason: &str) -> ProviderState {
    ProviderState::Faulty(reason.to_owned())
}

fn parse(text: &[u8]) -> ProviderState {
    let config: AppConfig = match serde_json::from_slice(text) {
        Ok(config) => config,
        // serde's message quotes the text that did not fit; the place is enough to find it.
        Err(error) => {
            return faulty(&format!(
                "config.json cannot be understood (line {}, column {})",
                error.line(),
                error.column()
            ));
        }
    };
    if config.version != CONFIG_VERSION {
        return faulty(&format!("config.json has another version than {CONFIG_VERSION}"));
    }
    match config.provider {
        None => ProviderState::Missing,
        Some(provider) => resolve(&provider),
    }
}

fn resolve(provider: &Provider) -> ProviderState {
    let faults = provider.validate();
    if !faults.is_empty() {
        let list: Vec<_> = faults.iter().map(|(field, fault)| format!("{field} {fault}")).collect();
        return faulty(&format!("the provider in config.json is at fault: {}", list.join("; ")));
    }
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let (url, model) = match provider.kind {
        ProviderKind::Openai => (Some(OPENAI_URL), OPENAI_MODEL),
        ProviderKind::Anthropic => (Some(ANTHROPIC_URL), ANTHROPIC_MODEL),
        ProviderKind::OpenaiCompatible => (None, ""),
        ProviderKind::Echo => (None, "echo"),
    };
    let url = given(&provider.base_url).or_else(|| url.map(str::to_owned));
    let base_url = match (provider.kind, url.map(|text| Url::parse(text.trim_end_matches('/')))) {
        (ProviderKind::Echo, _) => None,
        (_, Some(Ok(url))) => Some(url),
        _ => return faulty("the provider in config.json is at fault: base_url is no address"),
    };
    let key = provider.api_key.as_ref().map(WireSecret::expose).filter(|key| !key.is_empty());
    ProviderState::Ready(ReadyProvider {
        kind: provider.kind,
        base_url,
        model: given(&provider.model).unwrap_or_else(|| model.to_owned()),
        key: key.map(Secret::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        let ready = |text: &str| match parse(text.as_bytes()) {
            ProviderState::Ready(ready) => ready,
            other => panic!("{other:?}"),
        };
        let openai = ready(r#"{"version":1,"provider":{"kind":"openai","api_key":"sk-1"}}"#);
        assert_eq!(openai.base_url.expect("a url").as_str(), OPENAI_URL);
        assert_eq!(openai.model, OPENAI_MODEL);
        let own = r#"{"version":1,"provider":{"kind":"openai-compatible","base_url":"http://h:1/v1/","model":"m"}}"#;
        let own = ready(own);
        assert_eq!(own.base_url.expect("a url").as_str(), "http://h:1/v1");
        assert!(own.key.is_none());
        assert!(ready(r#"{"version":1,"provider":{"kind":"echo"}}"#).base_url.is_none());
        assert!(matches!(parse(br#"{"version":1}"#), ProviderState::Missing));
    }

    #[test]
    fn a_faulty_file_is_explained_without_its_content() {
        for text in [
            r#"{"version":1,"provider":{"kind":"sk-s3cret"}}"#,
            r#"{"version":1,"provider":"sk-s3cret"}"#,
            r#"{"version":1,"provider":{"kind":"openai","api_key":"sk-s3cret with space"}}"#,
            r#"{"version":7,"provider":{"kind":"openai","api_key":"sk-s3cret"}}"#,
            r#"{"version":1,"provider":{"kind":"openai","base_url":"sk-s3cret","api_key":"sk-s3cret"}}"#,
            "sk-s3cret",
        ] {
            match parse(text.as_bytes()) {
                ProviderState::Faulty(reason) => assert!(!reason.contains("s3cret"), "{reason}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_file_is_no_fault() {
        assert!(matches!(load(Path::new("/nonexistent/config.json")), ProviderState::Missing));
        assert!(matches!(load(Path::new("/")), ProviderState::Faulty(_)));
    }
}

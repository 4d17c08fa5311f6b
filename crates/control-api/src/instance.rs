//! What an app instance reads and answers: `config.json` and the `/api/auth/*` routes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::UserId;
use crate::names::Username;
use crate::wire::WireSecret;

/// Version of `config.json`.
pub const CONFIG_VERSION: u32 = 1;

/// Which API a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// `OpenAI`'s own endpoint.
    Openai,
    /// Anthropic's Messages API.
    Anthropic,
    /// Any server with `OpenAI`'s chat completions; needs `base_url`.
    OpenaiCompatible,
    /// Built in: answers with what was said. Needs no key.
    Echo,
}

impl ProviderKind {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::OpenaiCompatible => "openai-compatible",
            Self::Echo => "echo",
        }
    }
}

impl std::str::FromStr for ProviderKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Openai, Self::Anthropic, Self::OpenaiCompatible, Self::Echo]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or("must be openai, anthropic, openai-compatible or echo")
    }
}

/// A model provider and how to reach it. `Debug` redacts the key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// Which API.
    pub kind: ProviderKind,
    /// Where, without a trailing slash, such as `https://api.openai.com/v1`; a default for each kind but
    /// `openai-compatible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Which model; a default for each kind but `openai-compatible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The key that is sent to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<WireSecret>,
}

impl Provider {
    /// What is wrong with it, as (field, message): a missing key, a base URL that is none.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let blank = |text: Option<&str>| text.is_none_or(|t| t.trim().is_empty());
        if matches!(self.kind, ProviderKind::Openai | ProviderKind::Anthropic)
            && blank(self.api_key.as_ref().map(WireSecret::expose))
        {
            faults.push(("api_key", "is needed for this provider".to_owned()));
        }
        if self.kind == ProviderKind::OpenaiCompatible {
            if blank(self.base_url.as_deref()) {
                faults.push(("base_url", "is needed for an OpenAI-compatible server".to_owned()));
            }
            if blank(self.model.as_deref()) {
                faults.push(("model", "is needed for an OpenAI-compatible server".to_owned()));
            }
        }
        if let Some(text) = self.base_url.as_deref().filter(|t| !t.trim().is_empty()) {
            let ok = url::Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.host().is_some()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
                    && url.fragment().is_none()
            });
            if !ok {
                faults.push((
                    "base_url",
                    "must be an http or https address such as https://api.example.com/v1".into(),
                ));
            }
        }
        let key = self.api_key.as_ref().map_or("", WireSecret::expose);
        if key.len() > 1024 || key.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
            faults.push((
                "api_key",
                "must be one line of printable ASCII without spaces, at most 1,024 characters".into(),
            ));
        }
        for (name, value) in [("model", self.model.as_deref()), ("base_url", self.base_url.as_deref())] {
            if value.is_some_and(|v| v.len() > 500 || v.chars().any(char::is_control)) {
                faults.push((name, "is too long or has control characters".into()));
            }
        }
        faults
    }
}

/// A server that offers tools over the Model Context Protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServer {
    /// Name by which the app knows it.
    pub id: String,
    /// Where it is.
    pub url: String,
}

/// `config.json` of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppConfig {
    /// [`CONFIG_VERSION`].
    pub version: u32,
    /// Absent until the owner chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Tool servers.
    #[serde(default)]
    pub mcp_servers: Vec<McpServer>,
}

impl Default for AppConfig {
    fn default() -> Self {
        Self { version: CONFIG_VERSION, provider: None, mcp_servers: Vec::new() }
    }
}

/// The owner as told to an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Owner {
    /// The account.
    pub user_id: UserId,
    /// The name under which the owner signs in.
    pub username: Username,
    /// May be empty for an instance that was made by script.
    pub email: String,
}

/// Body of `POST /api/auth/register` at an instance: once, then 409.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterOwner {
    /// Whose instance it is.
    pub owner: Owner,
    /// Where the instance registers itself and finds keys; must equal its `AUTHZ_ISSUER`.
    pub issuer: String,
    /// For `POST /backends/register` at the issuer: one use, 10 minutes.
    pub registration_token: WireSecret,
}

/// Body of `POST /api/auth/login` at an instance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// A signed assertion for this instance.
    pub assertion: WireSecret,
}

/// Answer of `POST /api/auth/login`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginAnswer {
    /// A path to show first.
    pub landing: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: &str, base_url: &str, model: &str, key: &str) -> Provider {
        let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        Provider {
            kind: kind.parse().expect("a kind"),
            base_url: some(base_url),
            model: some(model),
            api_key: some(key).map(WireSecret::new),
        }
    }

    #[test]
    fn each_kind_needs_what_it_needs() {
        let faulty = |p: &Provider| p.validate().into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert!(faulty(&provider("echo", "", "", "")).is_empty());
        assert!(faulty(&provider("openai", "", "", "sk-1")).is_empty());
        assert_eq!(faulty(&provider("openai", "", "", "")), ["api_key"]);
        assert_eq!(faulty(&provider("openai-compatible", "", "", "")), ["base_url", "model"]);
        assert_eq!(faulty(&provider("openai-compatible", "ftp://x", "m", "")), ["base_url"]);
        assert_eq!(faulty(&provider("openai-compatible", "http://u:p@x/v1", "m", "")), ["base_url"]);
        assert_eq!(faulty(&provider("anthropic", "", "", "two words")), ["api_key"]);
    }

    #[test]
    fn a_key_is_written_to_the_file_and_never_printed() {
        let config =
            AppConfig { provider: Some(provider("openai", "", "", "sk-s3cret")), ..AppConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
        assert!(serde_json::to_string(&config).expect("json").contains("sk-s3cret"));
    }
}

//! What a client may register (RFC 7591). Redirect URIs and scopes are computed here and never taken from the
//! client, and no URL that a client names is ever fetched.

use control_api::wire::WireSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::clients::{CLIENT_CREDENTIALS, granted_scope};
use crate::error::Faults;
use crate::oauth_error::OauthError;
use crate::provider::USER_SCOPES;

/// What a client may do for itself: act as the back end of its instance.
pub(crate) const BACKEND_SCOPE: &str = "backend";
/// All scopes.
pub(crate) const SCOPES: [&str; 4] = ["openid", "profile", "email", BACKEND_SCOPE];
/// All grant types.
pub(crate) const GRANTS: [&str; 3] = [CLIENT_CREDENTIALS, CODE_GRANT, REFRESH_GRANT];
/// The grant with which a person signs in to a client.
pub(crate) const CODE_GRANT: &str = "authorization_code";
/// The grant with which it goes on.
pub(crate) const REFRESH_GRANT: &str = "refresh_token";
/// How clients may prove themselves at the token endpoint.
pub(crate) const AUTH_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

pub(crate) const NAME_CHARS: usize = 100;
pub(crate) const VERSION_CHARS: usize = 50;
/// Metadata that would have this service fetch a URL of the client's, or believe a signed statement.
const REFUSED_METADATA: [&str; 7] = [
    "jwks_uri",
    "jwks",
    "sector_identifier_uri",
    "request_uris",
    "initiate_login_uri",
    "software_statement",
    "logo_uri",
];

/// Body of `POST /oauth/register` (RFC 7591, section 2); what is not named here is ignored.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ClientMetadata {
    #[serde(default)]
    pub(crate) client_name: Option<String>,
    #[serde(default)]
    pub(crate) software_version: Option<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) post_logout_redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) grant_types: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) response_types: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    pub(crate) scope: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) others: Map<String, Value>,
}

/// Answer of `POST /oauth/register` (RFC 7591, section 3.2.1).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientInformation {
    pub(crate) client_id: String,
    /// Shown this once.
    pub(crate) client_secret: WireSecret,
    /// Seconds since 1970.
    pub(crate) client_id_issued_at: i64,
    /// 0: it does not expire.
    pub(crate) client_secret_expires_at: i64,
    pub(crate) client_name: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) post_logout_redirect_uris: Vec<String>,
    pub(crate) grant_types: Vec<String>,
    pub(crate) response_types: Vec<String>,
    pub(crate) token_endpoint_auth_method: String,
    pub(crate) scope: String,
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// How it will prove itself.
    pub(crate) auth_method: &'static str,
    pub(crate) grants: Vec<&'static str>,
}

impl Accepted {
    pub(crate) fn response_types(&self) -> Vec<String> {
        self.grants.iter().filter(|grant| **grant == CODE_GRANT).map(|_| "code".to_owned()).collect()
    }
}

/// The scopes that grant types bring, separated by spaces.
pub(crate) fn scopes_of(grants: &[&str]) -> String {
    let own = grants.contains(&CLIENT_CREDENTIALS).then_some(BACKEND_SCOPE);
    let peoples = USER_SCOPES.into_iter().filter(|_| grants.contains(&CODE_GRANT));
    own.into_iter().chain(peoples).collect::<Vec<_>>().join(" ")
}

/// Text that people will read: short, and without control characters.
fn is_clean(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

pub(crate) fn check_text(field: &'static str, text: &str, max_chars: usize, faults: &mut Faults) {
    if text.trim().is_empty() || !is_clean(text, max_chars) {
        faults.add(field, format!("must be 1 to {max_chars} visible characters"));
    }
}

/// Whether the metadata asks for nothing that it may not have; answers what it gets.
pub(crate) fn check_metadata(
    metadata: &ClientMetadata,
    allowed_redirects: &[String],
    allowed_logouts: &[String],
) -> Result<Accepted, OauthError> {
    let refuse = |why: &str| Err(OauthError::InvalidClientMetadata(why.to_owned()));
    if let Some(name) = REFUSED_METADATA.iter().find(|name| metadata.others.contains_key(**name)) {
        return refuse(&format!("{name} is not accepted; this service fetches nothing for a client"));
    }
    let texts = [(&metadata.client_name, NAME_CHARS), (&metadata.software_version, VERSION_CHARS)];
    if texts.iter().any(|(text, max)| text.as_ref().is_some_and(|text| !is_clean(text, *max))) {
        return refuse("client_name (100) and software_version (50) must be short and visible");
    }
    let foreign =
        |asked: &Option<Vec<String>>, own: &[String]| asked.iter().flatten().any(|uri| !own.contains(uri));
    if foreign(&metadata.redirect_uris, allowed_redirects)
        || foreign(&metadata.post_logout_redirect_uris, allowed_logouts)
    {
        return Err(OauthError::InvalidRedirectUri(
            "redirect URIs are computed by this service; leave them out or give the instance's own alone",
        ));
    }
    let asked = metadata.grant_types.as_deref().unwrap_or_default();
    if asked.iter().any(|grant| !GRANTS.contains(&grant.as_str())) {
        return refuse("the grant types are client_credentials, authorization_code and refresh_token");
    }
    let mut grants: Vec<&str> =
        GRANTS.into_iter().filter(|grant| asked.iter().any(|asked| asked == grant)).collect();
    if grants.is_empty() {
        grants.push(CLIENT_CREDENTIALS);
    }
    if grants.contains(&REFRESH_GRANT) && !grants.contains(&CODE_GRANT) {
        return refuse("refresh_token needs authorization_code beside it");
    }
    let types = metadata.response_types.as_deref().unwrap_or_default();
    if types.iter().any(|kind| kind != "code" || !grants.contains(&CODE_GRANT)) {
        return refuse("the one response type is code, with the grant type authorization_code");
    }
    if granted_scope(metadata.scope.as_deref(), &scopes_of(&grants)).is_none() {
        return refuse("a scope was asked for that the client may not have");
    }
    let wanted = metadata.token_endpoint_auth_method.as_deref().unwrap_or(AUTH_METHODS[0]);
    match AUTH_METHODS.into_iter().find(|method| *method == wanted) {
        Some(auth_method) => Ok(Accepted { auth_method, grants }),
        None => refuse("token_endpoint_auth_method must be client_secret_basic or client_secret_post"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(metadata: Value) -> Result<&'static str, String> {
        let metadata: ClientMetadata = serde_json::from_value(metadata).expect("metadata");
        let redirects = ["http://alice.localhost:8088/oauth/callback".to_owned()];
        let logouts = ["http://alice.localhost:8088/".to_owned()];
        check_metadata(&metadata, &redirects, &logouts)
            .map(|accepted| accepted.auth_method)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn metadata_may_ask_for_what_it_gets_anyway_and_nothing_more() {
        assert_eq!(judge(json!({})), Ok("client_secret_basic"));
        assert_eq!(
            judge(json!({
                "client_name": "Notes", "redirect_uris": ["http://alice.localhost:8088/oauth/callback"],
                "grant_types": ["client_credentials"], "scope": "backend", "contacts": ["a@example.com"],
                "token_endpoint_auth_method": "client_secret_post"
            })),
            Ok("client_secret_post")
        );
        assert_eq!(
            judge(json!({
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "scope": "openid email", "post_logout_redirect_uris": ["http://alice.localhost:8088/"]
            })),
            Ok("client_secret_basic")
        );
        for bad in [
            json!({"redirect_uris": ["http://bob.localhost:8088/oauth/callback"]}),
            json!({"redirect_uris": ["http://alice.localhost:8088/oauth/callback/"]}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"redirect_uris": ["http://alice.localhost:8088/oauth/callback", "https://evil.example"]}),
            json!({"scope": "backend admin"}),
            json!({"post_logout_redirect_uris": ["http://bob.localhost:8088/"]}),
            json!({"scope": "openid"}),
            json!({"grant_types": ["authorization_code"], "scope": "backend"}),
            json!({"grant_types": ["implicit"]}),
            json!({"grant_types": ["refresh_token"]}),
            json!({"response_types": ["code"]}),
            json!({"grant_types": ["authorization_code"], "response_types": ["code", "token"]}),
            json!({"grant_types": ["client_credentials", "password"]}),
            json!({"response_types": ["token"]}),
            json!({"token_endpoint_auth_method": "none"}),
            json!({"jwks_uri": "http://169.254.169.254/"}),
            json!({"logo_uri": "http://127.0.0.1/"}),
            json!({"client_name": "x".repeat(101)}),
            json!({"client_name": "a\u{0}b"}),
        ] {
            assert!(judge(bad.clone()).is_err(), "{bad}");
        }
    }
}

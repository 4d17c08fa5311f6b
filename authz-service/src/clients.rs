//! OAuth clients of instances. A registration token makes one client, once, for the instance that it was
//! given to; redirect URIs and scopes are computed here and never taken from the client, and no URL that a
//! client names is ever fetched.

use control_api::authz::{RegisterBackendAnswer, RegisterBackendRequest};
use control_api::claims::TOKEN_LIFETIME_SECS;
use control_api::wire::WireSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::secret::{Secret, random_token, sha256};
use ulid::Ulid;
use utoipa::ToSchema;

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::oauth_error::OauthError;
use crate::store::clients::NewClient;
use crate::store::instances::Instance;

/// What a client may ask for: to act as the back end of its instance.
pub(crate) const SCOPES: [&str; 1] = ["backend"];
/// The one grant.
pub(crate) const GRANT: &str = "client_credentials";
/// How clients may prove themselves at the token endpoint.
pub(crate) const AUTH_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// The one path of an instance to which a browser may be sent back.
const REDIRECT_PATH: &str = "/oauth/callback";

const NAME_CHARS: usize = 100;
const VERSION_CHARS: usize = 50;
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
    pub(crate) grant_types: Vec<String>,
    pub(crate) response_types: Vec<String>,
    pub(crate) token_endpoint_auth_method: String,
    pub(crate) scope: String,
}

/// Answer of `POST /oauth/token` (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessTokenAnswer {
    pub(crate) access_token: WireSecret,
    /// Always `Bearer`.
    pub(crate) token_type: String,
    /// Seconds.
    pub(crate) expires_in: i64,
    pub(crate) scope: String,
}

/// How a client proved itself.
#[derive(Debug)]
pub(crate) struct ClientCredentials {
    pub(crate) client_id: String,
    pub(crate) secret: Secret<String>,
    /// By HTTP Basic, not in the body.
    pub(crate) basic: bool,
}

/// A client that was made.
struct Made {
    client_id: String,
    secret: Secret<String>,
    created_at: i64,
}

impl Authz {
    /// Where tokens are had.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }

    /// `POST /backends/register`.
    pub(crate) async fn register_backend(
        &self,
        token: &str,
        request: &RegisterBackendRequest,
    ) -> Result<RegisterBackendAnswer, Error> {
        let mut faults = Faults::default();
        check_text("name", &request.name, NAME_CHARS, &mut faults);
        check_text("version", &request.version, VERSION_CHARS, &mut faults);
        if !faults.is_empty() {
            return Err(Error::Fields(faults));
        }
        let hash = sha256(token.as_bytes());
        let instance = self.token_instance(&hash).await?.ok_or(Error::CodeInvalid)?;
        // The token of one instance opens nothing for another, and is not used up by trying.
        if instance.id != request.instance_id {
            return Err(Error::CodeInvalid);
        }
        let made = self
            .make_client(&hash, &instance, &request.name, &request.version)
            .await?
            .ok_or(Error::CodeInvalid)?;
        Ok(RegisterBackendAnswer {
            client_id: made.client_id,
            client_secret: made.secret.into(),
            token_endpoint: self.endpoint("/oauth/token"),
            issuer: self.config.issuer.clone(),
        })
    }

    /// `POST /oauth/register`.
    pub(crate) async fn register_client(
        &self,
        token: &str,
        metadata: &ClientMetadata,
    ) -> Result<ClientInformation, OauthError> {
        let hash = sha256(token.as_bytes());
        let instance = self.token_instance(&hash).await?.ok_or(OauthError::InvalidToken)?;
        let redirect_uris = self.redirect_uris(&instance);
        let auth_method = check_metadata(metadata, &redirect_uris)?;
        let name = metadata.client_name.clone().unwrap_or_else(|| instance.slug.to_string());
        let version = metadata.software_version.as_deref().unwrap_or_default();
        let made =
            self.make_client(&hash, &instance, &name, version).await?.ok_or(OauthError::InvalidToken)?;
        Ok(ClientInformation {
            client_id: made.client_id,
            client_secret: made.secret.into(),
            client_id_issued_at: made.created_at.div_euclid(1000),
            client_secret_expires_at: 0,
            client_name: name,
            redirect_uris,
            grant_types: vec![GRANT.to_owned()],
            response_types: Vec::new(),
            token_endpoint_auth_method: auth_method.to_owned(),
            scope: SCOPES.join(" "),
        })
    }

    async fn token_instance(&self, token_hash: &[u8; 32]) -> Result<Option<Instance>, Error> {
        let Some(id) = self.store.registration_token(token_hash, self.now()).await? else {
            return Ok(None);
        };
        Ok(self.store.instance(id).await?)
    }

    fn redirect_uris(&self, instance: &Instance) -> Vec<String> {
        vec![format!("{}{REDIRECT_PATH}", self.config.public_url.origin(&instance.slug))]
    }

    async fn make_client(
        &self,
        token_hash: &[u8; 32],
        instance: &Instance,
        name: &str,
        version: &str,
    ) -> Result<Option<Made>, Error> {
        let (secret, now) = (random_token(), self.now());
        let client_id = Ulid::generate().to_string();
        let client = NewClient {
            client_id: client_id.clone(),
            secret_hash: sha256(secret.expose().as_bytes()),
            instance_id: instance.id,
            name: name.to_owned(),
            app_version: version.to_owned(),
            redirect_uris: self.redirect_uris(instance).join(" "),
            scopes: SCOPES.join(" "),
            created_at: now,
        };
        let entry = audit::entry(now, &instance.id, "register-client", &client_id, None);
        let used = self.store.register_client(token_hash, &client, &entry).await?;
        Ok(used.then_some(Made { client_id, secret, created_at: now }))
    }

    /// `POST /oauth/token` with client credentials (RFC 6749, section 4.4).
    pub(crate) async fn client_token(
        &self,
        credentials: &ClientCredentials,
        scope: Option<&str>,
    ) -> Result<AccessTokenAnswer, OauthError> {
        let refused = || OauthError::InvalidClient { basic: credentials.basic };
        let client = self.store.client(&credentials.client_id).await?.ok_or_else(refused)?;
        let given = sha256(credentials.secret.expose().as_bytes());
        let right = aws_lc_rs::constant_time::verify_slices_are_equal(&given, &client.secret_hash);
        right.map_err(|_| refused())?;
        let scope = granted_scope(scope, &client.scopes).ok_or(OauthError::InvalidScope)?;
        let token = self.keys.access_token(&credentials.client_id, client.instance_id, &scope, self.now())?;
        Ok(AccessTokenAnswer {
            access_token: Secret::new(token).into(),
            token_type: "Bearer".to_owned(),
            expires_in: TOKEN_LIFETIME_SECS,
            scope,
        })
    }
}

/// Text that people will read: short, and without control characters.
fn is_clean(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn check_text(field: &'static str, text: &str, max_chars: usize, faults: &mut Faults) {
    if text.trim().is_empty() || !is_clean(text, max_chars) {
        faults.add(field, format!("must be 1 to {max_chars} visible characters"));
    }
}

/// Whether the metadata asks for nothing that it may not have; answers the way in which it will prove itself.
fn check_metadata(
    metadata: &ClientMetadata,
    allowed_redirects: &[String],
) -> Result<&'static str, OauthError> {
    let refuse = |why: &str| Err(OauthError::InvalidClientMetadata(why.to_owned()));
    if let Some(name) = REFUSED_METADATA.iter().find(|name| metadata.others.contains_key(**name)) {
        return refuse(&format!("{name} is not accepted; this service fetches nothing for a client"));
    }
    let texts = [(&metadata.client_name, NAME_CHARS), (&metadata.software_version, VERSION_CHARS)];
    if texts.iter().any(|(text, max)| text.as_ref().is_some_and(|text| !is_clean(text, *max))) {
        return refuse("client_name (100) and software_version (50) must be short and visible");
    }
    if metadata.redirect_uris.iter().flatten().any(|uri| !allowed_redirects.contains(uri)) {
        return Err(OauthError::InvalidRedirectUri(
            "redirect URIs are computed by this service; leave them out or give the instance's own alone",
        ));
    }
    if metadata.grant_types.iter().flatten().any(|grant| grant != GRANT) {
        return refuse("the only grant type is client_credentials");
    }
    if metadata.response_types.iter().flatten().next().is_some() {
        return refuse("there are no response types for client_credentials");
    }
    if granted_scope(metadata.scope.as_deref(), &SCOPES.join(" ")).is_none() {
        return refuse("a scope was asked for that no client may have");
    }
    let wanted = metadata.token_endpoint_auth_method.as_deref().unwrap_or(AUTH_METHODS[0]);
    match AUTH_METHODS.into_iter().find(|method| *method == wanted) {
        Some(method) => Ok(method),
        None => refuse("token_endpoint_auth_method must be client_secret_basic or client_secret_post"),
    }
}

/// The scopes asked for, or all where none are; `None` where one of them is not allowed.
fn granted_scope(asked: Option<&str>, allowed: &str) -> Option<String> {
    let asked: Vec<&str> = asked.unwrap_or_default().split_ascii_whitespace().collect();
    if asked.is_empty() {
        return Some(allowed.to_owned());
    }
    asked.iter().all(|scope| allowed.split(' ').any(|may| may == *scope)).then(|| asked.join(" "))
}

/// The client in an `Authorization: Basic` header: both halves form-encoded (RFC 6749, section 2.3.1).
pub(crate) fn basic_credentials(value: &str) -> Option<ClientCredentials> {
    use base64::Engine as _;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let decoded = Secret::new(String::from_utf8(decoded).ok()?);
    let (id, secret) = decoded.expose().split_once(':')?;
    Some(ClientCredentials {
        client_id: form_decoded(id),
        secret: Secret::new(form_decoded(secret)),
        basic: true,
    })
}

fn form_decoded(text: &str) -> String {
    // `=` cannot be confused with a separator: there is no key before it.
    let pair = format!("v={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(metadata: Value) -> Result<&'static str, String> {
        let metadata: ClientMetadata = serde_json::from_value(metadata).expect("metadata");
        check_metadata(&metadata, &["http://alice.localhost:8088/oauth/callback".to_owned()])
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
        for bad in [
            json!({"redirect_uris": ["http://bob.localhost:8088/oauth/callback"]}),
            json!({"redirect_uris": ["http://alice.localhost:8088/oauth/callback/"]}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"redirect_uris": ["http://alice.localhost:8088/oauth/callback", "https://evil.example"]}),
            json!({"scope": "backend admin"}),
            json!({"grant_types": ["authorization_code"]}),
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

    #[test]
    fn basic_credentials_are_form_decoded() {
        use base64::Engine as _;
        let header = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        let client = basic_credentials(&header("id%3A1:a%2Bb+c&d")).expect("credentials");
        assert_eq!((client.client_id.as_str(), client.secret.expose().as_str()), ("id:1", "a+b c&d"));
        assert!(basic_credentials("Bearer abc").is_none());
        assert!(basic_credentials("Basic !!!").is_none());
        assert!(basic_credentials(&header("no-colon")).is_none());
    }
}

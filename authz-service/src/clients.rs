//! OAuth clients of instances. A registration token makes one client, once, for the instance that it was
//! given to; what it gets is in `crate::client_metadata`. A client proves itself with its secret at each request.

use control_api::authz::{RegisterBackendAnswer, RegisterBackendRequest};
use control_api::claims::TOKEN_LIFETIME_SECS;
use service_kit::secret::{Secret, random_token, sha256};
use ulid::Ulid;

use crate::audit;
use crate::authz::Authz;
use crate::client_metadata::{
    BACKEND_SCOPE, ClientInformation, ClientMetadata, NAME_CHARS, VERSION_CHARS, check_metadata, check_text,
    scopes_of,
};
use crate::error::{Error, Faults};
use crate::oauth_error::OauthError;
use crate::provider::TokenAnswer;
use crate::store::clients::{NewClient, StoredClient};
use crate::store::instances::Instance;

/// The grant with which a client acts for itself.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
/// The one path of an instance to which a browser may be sent back.
const REDIRECT_PATH: &str = "/oauth/callback";
/// Where it may be sent after a sign-out.
const LOGOUT_REDIRECT_PATH: &str = "/";

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
            .make_client(&hash, &instance, (&request.name, &request.version), &[CLIENT_CREDENTIALS])
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
        let post_logout_redirect_uris = self.post_logout_redirect_uris(&instance);
        let accepted = check_metadata(metadata, &redirect_uris, &post_logout_redirect_uris)?;
        let name = metadata.client_name.clone().unwrap_or_else(|| instance.slug.to_string());
        let version = metadata.software_version.as_deref().unwrap_or_default();
        let made = self
            .make_client(&hash, &instance, (&name, version), &accepted.grants)
            .await?
            .ok_or(OauthError::InvalidToken)?;
        Ok(ClientInformation {
            client_id: made.client_id,
            client_secret: made.secret.into(),
            client_id_issued_at: made.created_at.div_euclid(1000),
            client_secret_expires_at: 0,
            client_name: name,
            redirect_uris,
            post_logout_redirect_uris,
            response_types: accepted.response_types(),
            scope: scopes_of(&accepted.grants),
            grant_types: accepted.grants.iter().map(|grant| (*grant).to_owned()).collect(),
            token_endpoint_auth_method: accepted.auth_method.to_owned(),
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

    /// Where a client of the instance may have the browser sent after a sign-out.
    pub(crate) fn post_logout_redirect_uris(&self, instance: &Instance) -> Vec<String> {
        vec![format!("{}{LOGOUT_REDIRECT_PATH}", self.config.public_url.origin(&instance.slug))]
    }

    async fn make_client(
        &self,
        token_hash: &[u8; 32],
        instance: &Instance,
        (name, version): (&str, &str),
        grants: &[&str],
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
            scopes: scopes_of(grants),
            grants: grants.join(" "),
            created_at: now,
        };
        let entry = audit::entry(now, &instance.id, "register-client", &client_id, None);
        let used = self.store.register_client(token_hash, &client, &entry).await?;
        Ok(used.then_some(Made { client_id, secret, created_at: now }))
    }

    /// The client behind credentials.
    pub(crate) async fn authenticate(
        &self,
        credentials: &ClientCredentials,
    ) -> Result<StoredClient, OauthError> {
        let refused = || OauthError::InvalidClient { basic: credentials.basic };
        let client = self.store.client(&credentials.client_id).await?.ok_or_else(refused)?;
        let given = sha256(credentials.secret.expose().as_bytes());
        let right = aws_lc_rs::constant_time::verify_slices_are_equal(&given, &client.secret_hash);
        right.map_err(|_| refused())?;
        Ok(client)
    }

    /// `POST /oauth/token` with client credentials (RFC 6749, section 4.4).
    pub(crate) fn client_token(
        &self,
        client: &StoredClient,
        scope: Option<&str>,
    ) -> Result<TokenAnswer, OauthError> {
        // What people know is theirs to give: for itself a client acts as the back end alone.
        let scope = granted_scope(scope, BACKEND_SCOPE).ok_or(OauthError::InvalidScope)?;
        let of = (client.client_id.as_str(), client.instance_id);
        let token = self.keys.access_token(of, None, &scope, self.now())?;
        Ok(TokenAnswer {
            access_token: Secret::new(token).into(),
            token_type: "Bearer".to_owned(),
            expires_in: TOKEN_LIFETIME_SECS,
            scope,
            refresh_token: None,
            id_token: None,
        })
    }
}

/// The scopes asked for, or all where none are; `None` where one of them is not allowed.
pub(crate) fn granted_scope(asked: Option<&str>, allowed: &str) -> Option<String> {
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

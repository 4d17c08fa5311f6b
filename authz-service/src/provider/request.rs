//! Authorization requests as they come in a query: parsing and judgement, without I/O.

use std::collections::BTreeSet;

use service_kit::secret::Secret;
use url::Url;

use super::USER_SCOPES;
use crate::client_metadata::CODE_GRANT;
use crate::handoff::is_challenge;
use crate::store::clients::StoredClient;

/// What is carried through for a client is short.
const STATE_CHARS: usize = 1024;
const NONCE_CHARS: usize = 512;

/// The parameters of a request. One without a value counts as absent (RFC 6749, section 3.1).
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter that is given once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        (values.next().is_none() && !first.is_empty()).then_some(first)
    }

    fn has_duplicates(&self) -> bool {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.len() < self.0.len()
    }
}

/// A request that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Separated by spaces.
    pub(super) scope: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    /// `prompt=none`: no page may be shown.
    pub(super) silent: bool,
    /// `prompt=login`: whoever is signed in signs in again.
    anew: bool,
    /// Milliseconds since the sign-in, at most.
    max_age_ms: Option<i64>,
}

impl Asked {
    /// Whether a sign-in at `auth_time` is not enough for the client (`OpenID` Connect Core 1.0, section 3.1.2.1).
    pub(super) fn wants_sign_in(&self, auth_time: i64, now: i64) -> bool {
        self.anew || self.max_age_ms.is_some_and(|most| now.saturating_sub(auth_time) > most)
    }
}

/// An error for the client (RFC 6749, section 4.1.2.1; `OpenID` Connect Core 1.0, section 3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

pub(super) const fn refusal(error: &'static str, description: &'static str) -> Refusal {
    Refusal { error, description }
}

/// Whether a client whose redirect URI is proven may ask for this.
pub(super) fn judge(query: &Query, client: &StoredClient) -> Result<Asked, Refusal> {
    let invalid = |why| Err(refusal("invalid_request", why));
    if query.has_duplicates() {
        return invalid("A parameter is given more than once.");
    }
    if !client.may(CODE_GRANT) {
        return Err(refusal("unauthorized_client", "The client did not register for authorization_code."));
    }
    if query.get("request").is_some() {
        return Err(refusal("request_not_supported", "Give the parameters in the query."));
    }
    if query.get("request_uri").is_some() {
        return Err(refusal("request_uri_not_supported", "This service fetches nothing for a client."));
    }
    match query.get("response_type") {
        Some("code") => {}
        None => return invalid("response_type is missing."),
        Some(_) => return Err(refusal("unsupported_response_type", "The response type must be code.")),
    }
    if query.get("response_mode").is_some_and(|mode| mode != "query") {
        return invalid("The response mode must be query.");
    }
    // OAuth 2.1, section 4.1.1: PKCE always, and here with S256 alone.
    if query.get("code_challenge_method") != Some("S256") {
        return invalid("code_challenge_method must be S256.");
    }
    let Some(challenge) = query.get("code_challenge").filter(|text| is_challenge(text)) else {
        return invalid("code_challenge must be 43 characters of base64url.");
    };
    let too_long = |name, max| query.get(name).is_some_and(|text: &str| text.chars().count() > max);
    if too_long("state", STATE_CHARS) || too_long("nonce", NONCE_CHARS) {
        return invalid("state (1024) or nonce (512) is too long.");
    }
    let prompt = query.get("prompt").unwrap_or_default();
    let prompts = |word| prompt.split(' ').any(|asked| asked == word);
    if prompts("none") && prompt != "none" {
        return invalid("prompt=none stands alone.");
    }
    let max_age_ms = match query.get("max_age").map(str::parse::<u32>) {
        Some(Err(_)) => return invalid("max_age must be a number of seconds."),
        Some(Ok(seconds)) => Some(i64::from(seconds) * 1000),
        None => None,
    };
    let scope = query.get("scope").unwrap_or_default();
    let words: BTreeSet<&str> = scope.split_ascii_whitespace().collect();
    if words.is_empty() || words.iter().any(|word| !USER_SCOPES.contains(word) || !client.may_ask(word)) {
        return Err(refusal("invalid_scope", "The scopes are openid, profile and email."));
    }
    let scope: Vec<&str> = USER_SCOPES.into_iter().filter(|scope| words.contains(scope)).collect();
    Ok(Asked {
        scope: scope.join(" "),
        challenge: challenge.to_owned(),
        nonce: query.get("nonce").map(str::to_owned),
        silent: prompts("none"),
        anew: prompts("login"),
        max_age_ms,
    })
}

/// A proven redirect URI with parameters (RFC 6749, section 4.1.2) and the issuer (RFC 9207).
pub(super) fn answer(
    redirect_uri: &str,
    state: Option<&str>,
    issuer: &str,
    parameters: &[(&str, &str)],
) -> Option<Secret<String>> {
    let mut url = Url::parse(redirect_uri).ok()?;
    url.query_pairs_mut()
        .extend_pairs(parameters)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", issuer);
    Some(Secret::new(url.into()))
}

/// A proven address with the client's state.
pub(super) fn answer_plain(uri: &str, state: Option<&str>) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client(grants: &str) -> StoredClient {
        StoredClient {
            client_id: "client".to_owned(),
            instance_id: control_api::ids::InstanceId::generate(),
            secret_hash: Vec::new(),
            name: "Notes".to_owned(),
            redirect_uris: String::new(),
            scopes: "backend openid profile email".to_owned(),
            grants: grants.to_owned(),
        }
    }

    fn judged(change: &[(&str, &str)]) -> Result<Asked, &'static str> {
        let mut pairs = vec![
            ("response_type", "code"),
            ("scope", "email openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            pairs.retain(|(key, _)| key != name);
            pairs.push((name, value));
        }
        let text: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        judge(&Query::parse(&text), &client("authorization_code")).map_err(|refusal| refusal.error)
    }

    #[test]
    fn a_request_is_judged_by_table() {
        let asked = judged(&[("nonce", "n"), ("state", "s")]).expect("in order");
        assert_eq!((asked.scope.as_str(), asked.nonce.as_deref()), ("openid email", Some("n")));
        assert!(!asked.silent && judged(&[("prompt", "none")]).expect("in order").silent);
        for (change, error) in [
            (("response_type", ""), "invalid_request"),
            (("response_type", "token"), "unsupported_response_type"),
            (("response_type", "code id_token"), "unsupported_response_type"),
            (("response_mode", "fragment"), "invalid_request"),
            (("code_challenge", ""), "invalid_request"),
            (("code_challenge", "short"), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("scope", ""), "invalid_scope"),
            (("scope", "openid admin"), "invalid_scope"),
            (("scope", "openid backend"), "invalid_scope"),
            (("prompt", "none login"), "invalid_request"),
            (("max_age", "-1"), "invalid_request"),
            (("max_age", "an hour"), "invalid_request"),
            (("request", "eyJ"), "request_not_supported"),
            (("request_uri", "http://169.254.169.254/"), "request_uri_not_supported"),
        ] {
            assert_eq!(judged(&[change]), Err(error), "{change:?}");
        }
        let long = "x".repeat(1025);
        assert_eq!(judged(&[("state", &long)]), Err("invalid_request"));
    }

    #[test]
    fn how_long_ago_a_sign_in_may_be_is_the_clients_to_say() {
        let wants = |change: &[(&str, &str)], ago: i64| {
            judged(change).expect("in order").wants_sign_in(1_000_000, 1_000_000 + ago)
        };
        assert!(!wants(&[], 1_000_000_000));
        assert!(!wants(&[("prompt", "consent select_account")], 0));
        assert!(wants(&[("prompt", "login")], 0) && wants(&[("prompt", "consent login")], 0));
        assert!(!wants(&[("max_age", "60")], 60_000) && wants(&[("max_age", "60")], 60_001));
        assert!(wants(&[("max_age", "0")], 1));
    }

    #[test]
    fn a_parameter_given_twice_counts_for_nothing() {
        let query = Query::parse("client_id=a&client_id=b&state=&x=1");
        assert_eq!((query.get("client_id"), query.get("state"), query.get("x")), (None, None, Some("1")));
        let refused = judge(&query, &client("authorization_code")).expect_err("twice");
        assert_eq!(refused.error, "invalid_request");
        let other = judge(&Query::parse("response_type=code"), &client("client_credentials"));
        assert_eq!(other.expect_err("not registered").error, "unauthorized_client");
    }

    #[test]
    fn an_answer_keeps_what_the_uri_has_and_encodes_what_it_gets() {
        let to = answer("http://a.test/cb?x=1", Some("s&t"), "http://issuer", &[("code", "c")]);
        assert_eq!(
            to.expect("a URL").expose(),
            "http://a.test/cb?x=1&code=c&state=s%26t&iss=http%3A%2F%2Fissuer"
        );
    }
}

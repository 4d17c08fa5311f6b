//! What portal and authz-service say to each other about authorization requests of clients. The portal hands
//! the query on as it came and shows what comes back; every judgement is authz-service's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::Slug;
use crate::wire::WireSecret;

/// Body of `POST /portal/oauth/check`: what to do with an authorization request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OauthCheckRequest {
    /// The secret from the cookie, where the browser has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<WireSecret>,
    /// The query of the request, without the `?`.
    pub query: String,
}

/// Body of `POST /portal/oauth/approve`: what the person decided about the same request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OauthApproveRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The query of the request, without the `?`; it is judged anew.
    pub query: String,
    /// The person's yes or no.
    pub allow: bool,
}

/// What the browser sees next.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum OauthOutcome {
    /// Back to the client, with a code or an error in the query.
    Redirect {
        /// A proven redirect URI with parameters; it may hold a code.
        to: WireSecret,
    },
    /// Sign-in first, then the same request again, without what demands a sign-in (`prompt=login`, `max_age`).
    SignIn,
    /// As [`Self::SignIn`], and somebody is signed in: too long ago for the client, or it wants to be sure.
    SignInAgain {
        /// The client's own name for itself: shown, never believed.
        client_name: String,
    },
    /// The person is asked.
    Consent(ConsentView),
}

/// What the consent page has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// The client's own name for itself: shown, never believed.
    pub client_name: String,
    /// The instance that it belongs to.
    pub slug: Slug,
    /// What it asks for: `openid`, `profile`, `email`.
    pub scopes: Vec<String>,
}

/// Body of `POST /portal/oauth/logout`: a client asks that the person is signed out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OauthLogoutRequest {
    /// The secret from the cookie, where the browser has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<WireSecret>,
    /// The parameters of the request, form-encoded.
    pub query: String,
    /// Whether the person has said yes.
    pub confirmed: bool,
}

/// What the browser sees next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum OauthLogoutOutcome {
    /// The person is asked.
    Ask {
        /// Who wants it, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_name: Option<String>,
    },
    /// There is no session any more.
    Done {
        /// Where the client wants the browser, where that is proven.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
}

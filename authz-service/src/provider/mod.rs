//! The provider of OAuth 2.1 and `OpenID` Connect: people sign in to the app of their instance with their
//! account here. The portal shows the pages, this module judges.
//!
//! What must stay true: nothing is sent to a redirect URI that was not proven to be the client's; a code works
//! once and only with its verifier; whatever is used twice ends all that came of it; only the owner of an
//! instance gets a token for its client.

mod authorization;
mod claims;
mod exchange;
mod inspection;
mod logout;
mod request;

pub(crate) use exchange::{CodePresented, TokenAnswer};
pub(crate) use inspection::{Introspection, UserInfo};

/// What a person can let a client know.
pub(crate) const USER_SCOPES: [&str; 3] = [OPENID, PROFILE, EMAIL];
const OPENID: &str = "openid";
const PROFILE: &str = "profile";
const EMAIL: &str = "email";

const SECOND_MS: i64 = 1000;
/// How long a code can be redeemed.
const CODE_LIFETIME_MS: i64 = 60 * SECOND_MS;
/// How long a refresh token can be used.
const REFRESH_LIFETIME_MS: i64 = 24 * 60 * 60 * SECOND_MS;
/// However often it is refreshed, a sign-in is asked for again after this time.
const GRANT_LIFETIME_MS: i64 = 30 * REFRESH_LIFETIME_MS;
/// A refresh token that comes again this soon was sent by a client that missed the answer.
const REUSE_GRACE_MS: i64 = 5 * SECOND_MS;

fn has(scope: &str, wanted: &str) -> bool {
    scope.split(' ').any(|word| word == wanted)
}

//! What there is to say, as it lies in the outbox. Whom a letter reaches and what it says is decided when it is sent,
//! not when it is asked for: a request takes as long for an address that has an account as for one that has none.

use control_api::ids::UserId;
use control_api::mail::Language;
use control_api::wire::WireSecret;
use serde::{Deserialize, Serialize};

/// A letter and its language.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) language: Language,
    pub(crate) letter: Letter,
}

/// What there is to say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Letter {
    /// A link that makes the account; to the owner of an address that has one already, that somebody tried.
    Register { to: String, username: String, token: WireSecret },
    /// A link that makes the address the account's; to the owner of an address that is another's, that somebody tried.
    Verify { to: String, user_id: UserId, token: WireSecret },
    /// Somebody cannot sign in: becomes [`Letter::Reset`] where there is such an account with a proved address.
    Forgot { login: String },
    /// A link to a new password.
    Reset { to: String, username: String, token: WireSecret },
    /// Something happened to an account.
    Notice {
        user_id: UserId,
        /// The account's own address, if it is proved, where absent.
        to: Option<String>,
        what: Notice,
    },
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Notice {
    PasswordChanged,
    PasswordReset,
    /// A factor was added or removed, or recovery codes were made.
    SecondFactorChanged,
    /// Another address was asked for.
    AddressAsked {
        new: String,
    },
    /// The account has another address.
    AddressChanged {
        new: String,
    },
    /// An API key ends soon; the time in milliseconds since 1970.
    KeyEnds {
        name: String,
        at: i64,
    },
}

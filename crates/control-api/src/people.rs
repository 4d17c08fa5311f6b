//! People as administrators see them and what they do with accounts, and how a person leaves: bodies of
//! authz-service's routes, and the calls to them. Every route of an administrator's answers 403 `not-yours` where
//! the session is no administrator's.

use std::net::IpAddr;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::Role;
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::ids::UserId;
use crate::names::Username;
use crate::wire::WireSecret;

/// Most people of a page.
pub const MAX_PEOPLE_PAGE: u32 = 200;
/// Longest reason of a suspension, in characters.
pub const MAX_REASON_CHARS: usize = 200;

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may.
    Active,
    /// It waits for an administrator's yes.
    PendingApproval,
    /// An administrator has shut it out.
    Suspended,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::PendingApproval, Self::Suspended];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PendingApproval => "pending_approval",
            Self::Suspended => "suspended",
        }
    }
}

/// Which people are wanted. Absent fields let everybody through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeopleFilter {
    /// A part of the user name or of the e-mail address, in any case; or exactly the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Standing>,
    /// Only those with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Body of `POST /portal/admin/people`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeopleRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Who.
    #[serde(default)]
    pub filter: PeopleFilter,
    /// Only accounts older than this one: [`PeoplePage::next`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<UserId>,
    /// 1 to [`MAX_PEOPLE_PAGE`]; 50 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonView {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub username: Username,
    /// Its e-mail address.
    pub email: String,
    /// Whether it may be used.
    pub state: Standing,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When a session of it was used last, of those that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Sessions that have not ended.
    pub sessions: u32,
    /// Keys that have neither been revoked nor expired.
    pub api_keys: u32,
    /// Since when it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub suspended_at: Option<Timestamp>,
    /// Why it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_reason: Option<String>,
}

/// Answer of `POST /portal/admin/people`: the newest account first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeoplePage {
    /// The accounts.
    pub people: Vec<PersonView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// Body of `POST /portal/admin/people/show`: answers a [`PersonView`]; 404 where there is no such account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Who.
    pub user_id: UserId,
}

/// What an administrator does with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PersonAction {
    /// Shuts it out; `reason` says why.
    Suspend,
    /// Ends a suspension.
    Lift,
    /// Removes it for good, and its instance with the data.
    Delete,
    /// Makes it an administrator's.
    Promote,
    /// Takes that away.
    Demote,
    /// Lets in who waits for it.
    Approve,
    /// Removes an account that waits.
    Reject,
    /// Ends all its sessions.
    SignOut,
}

impl PersonAction {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Suspend,
        Self::Lift,
        Self::Delete,
        Self::Promote,
        Self::Demote,
        Self::Approve,
        Self::Reject,
        Self::SignOut,
    ];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Lift => "lift",
            Self::Delete => "delete",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::SignOut => "sign-out",
        }
    }
}

/// Body of `POST /portal/admin/people/act`: answers 204, also where it is so already. 404 where there is no such
/// account, 409 `last-admin` or `own-account`, 422 with `errors` at `reason`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ActOnPersonRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Whose account.
    pub user_id: UserId,
    /// What is done.
    pub action: PersonAction,
    /// Why, with `suspend`: 1 to [`MAX_REASON_CHARS`] characters. The person is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /internal/accounts/{id}/suspend`: answers 204.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SuspendRequest {
    /// Why: 1 to [`MAX_REASON_CHARS`] characters. The person is told.
    pub reason: String,
}

/// Body of `POST /portal/account/delete`: the session's own account, for good. Answers 204. 422 with `errors` at
/// `username` or `password`, 409 `last-admin`; 401, 429 and 503 as at sign-in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeleteAccountRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The account's name, typed again.
    pub username: String,
    /// The password, again.
    pub password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

impl AuthzClient {
    /// A page of people.
    pub async fn people(&self, body: &PeopleRequest) -> Result<PeoplePage, ApiError> {
        self.api().post("/portal/admin/people", body).await
    }

    /// One of them.
    pub async fn person(&self, body: &PersonRequest) -> Result<PersonView, ApiError> {
        self.api().post("/portal/admin/people/show", body).await
    }

    /// Does something with an account.
    pub async fn act_on_person(&self, body: &ActOnPersonRequest) -> Result<(), ApiError> {
        self.api().post_empty("/portal/admin/people/act", body).await
    }

    /// Removes the session's own account.
    pub async fn delete_account(&self, body: &DeleteAccountRequest) -> Result<(), ApiError> {
        let request =
            self.api().request(Method::POST, "/portal/account/delete").timeout(PASSWORD_TIMEOUT).json(body);
        self.api().send(request).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_everywhere() {
        for action in PersonAction::ALL {
            assert_eq!(serde_json::to_value(action).expect("json"), action.as_str());
        }
        for state in Standing::ALL {
            assert_eq!(serde_json::to_value(state).expect("json"), state.as_str());
        }
    }
}

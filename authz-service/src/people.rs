//! What administrators do with accounts, from the portal's pages and from the operator's scripts. The pages can take
//! nothing from the last administrator, and nobody shuts out or removes themselves there; the operator may, since
//! scripts/make-admin.sh makes another.

use control_api::authz::Role;
use control_api::ids::UserId;
use control_api::people::{
    ActOnPersonRequest, MAX_PEOPLE_PAGE, MAX_REASON_CHARS, PeoplePage, PeopleRequest, PersonAction,
    PersonRequest, PersonView,
};

use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::store::accounts::AccountState;
use crate::store::people::{Act, Outcome, Wanted};
use crate::{audit, store};

const PAGE: u32 = 50;
/// Longest text that is looked for, in bytes: longer ones are in no account.
const MAX_FILTER: usize = 320;
/// Behind every id: their characters come before it.
const END: &str = "~";

impl Authz {
    /// `POST /portal/admin/people`.
    pub(crate) async fn people(&self, request: &PeopleRequest) -> Result<PeoplePage, Error> {
        self.administrator(&request.session).await?;
        let (wanted, limit) = parse(request)?;
        // One more tells whether there is a next page.
        self.write_touches().await?;
        let mut people = self.store.people(&wanted, self.now(), i64::from(limit) + 1).await?;
        let has_more = people.len() > limit as usize;
        people.truncate(limit as usize);
        let next = people.last().filter(|_| has_more).map(|person| person.user_id);
        Ok(PeoplePage { people, next })
    }

    /// `POST /portal/admin/people/show`.
    pub(crate) async fn person(&self, request: &PersonRequest) -> Result<PersonView, Error> {
        self.administrator(&request.session).await?;
        self.account(request.user_id).await
    }

    async fn account(&self, user_id: UserId) -> Result<PersonView, Error> {
        let id = user_id.to_string();
        let ids = id.clone()..format!("{id}{END}");
        let wanted = Wanted { ids, text: None, state: None, role: None };
        self.write_touches().await?;
        self.store.people(&wanted, self.now(), 1).await?.pop().ok_or_else(unknown)
    }

    /// `POST /portal/admin/people/act`.
    pub(crate) async fn act_on_person(&self, request: &ActOnPersonRequest) -> Result<(), Error> {
        let session = self.administrator(&request.session).await?;
        let is_own = session.user_id == request.user_id;
        if is_own && matches!(request.action, PersonAction::Suspend | PersonAction::Delete) {
            return Err(Error::OwnAccount);
        }
        let reason = match request.action {
            PersonAction::Suspend => parse_reason(request.reason.as_deref().unwrap_or_default())?,
            _ => String::new(),
        };
        let by = Some(session.sid);
        let act = Act { user_id: request.user_id, action: request.action, reason: &reason, by };
        let target = self.target(act).await?;
        let action = audit_action(request.action);
        let entry = audit::entry(self.now(), &session.user_id, action, &target, request.client_addr);
        self.act(act, &entry).await
    }

    /// `POST /internal/accounts/{id}/suspend`.
    pub(crate) async fn suspend(&self, user_id: UserId, reason: &str) -> Result<(), Error> {
        let reason = parse_reason(reason)?;
        self.operate(user_id, PersonAction::Suspend, &reason).await
    }

    /// `POST /internal/accounts/{id}/lift`.
    pub(crate) async fn lift(&self, user_id: UserId) -> Result<(), Error> {
        self.operate(user_id, PersonAction::Lift, "").await
    }

    /// `DELETE /internal/accounts/{id}`.
    pub(crate) async fn delete_account(&self, user_id: UserId) -> Result<(), Error> {
        self.operate(user_id, PersonAction::Delete, "").await
    }

    /// `POST /internal/accounts/{id}/approve`.
    pub(crate) async fn approve(&self, user_id: UserId) -> Result<(), Error> {
        self.operate(user_id, PersonAction::Approve, "").await
    }

    /// `POST /internal/accounts/{id}/role`. Holds from the next request of the account's sessions on.
    pub(crate) async fn set_role(&self, user_id: UserId, role: Role) -> Result<(), Error> {
        let action = match role {
            Role::Admin => PersonAction::Promote,
            Role::User => PersonAction::Demote,
        };
        self.operate(user_id, action, "").await
    }

    /// The operator does something with an account.
    async fn operate(&self, user_id: UserId, action: PersonAction, reason: &str) -> Result<(), Error> {
        let act = Act { user_id, action, reason, by: None };
        let target = self.target(act).await?;
        let entry = audit::entry(self.now(), &"operator", audit_action(action), &target, None);
        self.act(act, &entry).await
    }

    /// What the log names: the name of an account that will not be there to look its id up.
    async fn target(&self, act: Act<'_>) -> Result<String, Error> {
        match act.action {
            PersonAction::Delete | PersonAction::Reject => {
                self.account(act.user_id).await.map(|person| person.username.to_string())
            }
            _ => Ok(act.user_id.to_string()),
        }
    }

    async fn act(&self, act: Act<'_>, entry: &store::audit::Entry<'_>) -> Result<(), Error> {
        let outcome = self.store.act_on_account(act, entry).await?;
        tracing::info!(user_id = %act.user_id, action = act.action.as_str(), ?outcome, "an account was acted on");
        self.settle(outcome)
    }

    /// Tells whoever has to know, and what came of it.
    pub(crate) fn settle(&self, outcome: Outcome) -> Result<(), Error> {
        match outcome {
            Outcome::Done(seq) => {
                if let Some(seq) = seq {
                    self.announce_revocation(seq);
                }
                self.ordered.notify_one();
                self.left.notify_one();
                Ok(())
            }
            Outcome::Same => Ok(()),
            Outcome::Unknown => Err(unknown()),
            Outcome::NotAdmin => Err(Error::NotYours("Only administrators may do this.")),
            Outcome::LastAdmin => Err(Error::LastAdmin),
        }
    }

    /// Why an account that is not active is not let in; only for those who know its password.
    pub(crate) async fn shut_out(&self, user_id: UserId, state: AccountState) -> Result<Error, Error> {
        Ok(match state {
            AccountState::Suspended => {
                Error::Suspended(self.store.suspension(user_id).await?.unwrap_or_default())
            }
            AccountState::Active | AccountState::PendingApproval => Error::ApprovalPending,
        })
    }
}

fn unknown() -> Error {
    Error::NotFound("There is no account with this id.")
}

fn audit_action(action: PersonAction) -> &'static str {
    match action {
        PersonAction::Suspend => "suspend-account",
        PersonAction::Lift => "lift-suspension",
        PersonAction::Delete => "delete-account",
        PersonAction::Promote => "make-admin",
        PersonAction::Demote => "revoke-admin",
        PersonAction::Approve => "approve-account",
        PersonAction::Reject => "reject-account",
        PersonAction::SignOut => "sign-out-everywhere",
    }
}

fn parse(request: &PeopleRequest) -> Result<(Wanted, u32), Error> {
    let filter = &request.filter;
    let mut faults = Faults::default();
    if filter.text.as_ref().is_some_and(|text| text.len() > MAX_FILTER) {
        faults.add("text", format!("must have at most {MAX_FILTER} characters"));
    }
    let limit = request.limit.unwrap_or(PAGE);
    if !(1..=MAX_PEOPLE_PAGE).contains(&limit) {
        faults.add("limit", format!("must be from 1 to {MAX_PEOPLE_PAGE}"));
    }
    if !faults.is_empty() {
        return Err(Error::Fields(faults));
    }
    let text = filter.text.as_deref().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
    let end = request.before.map_or_else(|| END.to_owned(), |before| before.to_string());
    let wanted = Wanted { ids: String::new()..end, text, state: filter.state, role: filter.role };
    Ok((wanted, limit))
}

/// One line that the person can be shown.
fn parse_reason(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fault = match text.chars().count() {
        0 => "is needed: the person is told".to_owned(),
        1..=MAX_REASON_CHARS if text.chars().any(char::is_control) => "must be one line".to_owned(),
        1..=MAX_REASON_CHARS => return Ok(text.to_owned()),
        _ => format!("must have at most {MAX_REASON_CHARS} characters"),
    };
    Err(Error::Fields(Faults::one("reason", fault)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::audit::ACTIONS;

    #[test]
    fn every_act_is_an_action_of_the_log_of_its_own() {
        let all: std::collections::BTreeSet<_> = PersonAction::ALL.map(audit_action).into();
        assert_eq!(all.len(), PersonAction::ALL.len());
        assert!(all.iter().all(|action| ACTIONS.contains(action)), "{all:?}");
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(parse_reason(" spam \n").expect("good"), "spam");
        let long = "x".repeat(MAX_REASON_CHARS + 1);
        for bad in ["", "  ", "a\nb", "a\u{7f}b", &long] {
            assert!(parse_reason(bad).is_err(), "{bad:?}");
        }
        assert!(parse_reason(&long[1..]).is_ok());
    }
}

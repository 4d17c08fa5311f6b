//! Invites: 256 random bits each, single use, 72 hours unless said otherwise. Administrators make them in any number,
//! see what became of each and take back what is still open; the operator makes one at a time.

use control_api::ids::InviteId;
use control_api::invites::{
    CreateInvitesAnswer, CreateInvitesRequest, InvitePage, InvitesRequest, MAX_INVITE_HOURS, MAX_INVITE_PAGE,
    MAX_INVITES, MAX_NOTE_CHARS, USUAL_INVITE_HOURS, WithdrawInviteRequest,
};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::secret::{Secret, random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::store::invites::{Batch, NewInvite, Withdrawal};

const HOUR_MS: i64 = 60 * 60 * 1000;
const PAGE: u32 = 50;
/// Behind every id: their characters come before it.
const END: &str = "~";

const NOT_ADMIN: Error = Error::NotYours("Only administrators may do this.");

/// A request whose fields hold.
struct Wish {
    count: u32,
    lifetime_ms: i64,
    note: String,
}

impl Wish {
    fn parse(request: &CreateInvitesRequest) -> Result<Self, Error> {
        let mut faults = Faults::default();
        if !(1..=MAX_INVITES).contains(&request.count) {
            faults.add("count", format!("must be from 1 to {MAX_INVITES}"));
        }
        let hours = request.hours.unwrap_or(USUAL_INVITE_HOURS);
        if !(1..=MAX_INVITE_HOURS).contains(&hours) {
            faults.add("hours", format!("must be from 1 to {MAX_INVITE_HOURS}"));
        }
        let note = request.note.trim();
        if note.chars().count() > MAX_NOTE_CHARS || note.chars().any(char::is_control) {
            faults.add("note", format!("must be one line of at most {MAX_NOTE_CHARS} characters"));
        }
        if !faults.is_empty() {
            return Err(Error::Fields(faults));
        }
        Ok(Self { count: request.count, lifetime_ms: i64::from(hours) * HOUR_MS, note: note.to_owned() })
    }
}

/// A new invite's id and its code, which is not kept.
fn generate() -> (InviteId, Secret<String>) {
    (InviteId::generate(), random_token())
}

impl Authz {
    /// `POST /internal/invites`: the code, shown this once, and when it expires.
    pub(crate) async fn invite(&self) -> Result<(WireSecret, jiff::Timestamp), Error> {
        let ((id, code), now) = (generate(), self.now());
        let expires_at = now + i64::from(USUAL_INVITE_HOURS) * HOUR_MS;
        let entry = audit::entry(now, &"operator", "invite", &id, None);
        let invite = NewInvite { id, code_hash: sha256(code.expose().as_bytes()), audit: entry };
        let batch = Batch { created_at: now, expires_at, note: "", by: None };
        self.store.put_invites(&[invite], batch).await?;
        Ok((code.into(), from_millis(expires_at)))
    }

    /// `POST /portal/admin/invites`.
    pub(crate) async fn create_invites(
        &self,
        request: &CreateInvitesRequest,
    ) -> Result<CreateInvitesAnswer, Error> {
        let session = self.administrator(&request.session).await?;
        let wish = Wish::parse(request)?;
        let (now, maker) = (self.now(), session.user_id);
        let made: Vec<_> = (0..wish.count).map(|_| generate()).collect();
        let invites: Vec<_> = made
            .iter()
            .map(|(id, code)| NewInvite {
                id: *id,
                code_hash: sha256(code.expose().as_bytes()),
                audit: audit::entry(now, &maker, "invite", id, request.client_addr),
            })
            .collect();
        let expires_at = now + wish.lifetime_ms;
        let by = Some((maker, session.sid));
        let batch = Batch { created_at: now, expires_at, note: &wish.note, by };
        if !self.store.put_invites(&invites, batch).await? {
            return Err(NOT_ADMIN);
        }
        let codes = made.into_iter().map(|(_, code)| code.into()).collect();
        Ok(CreateInvitesAnswer { codes, expires_at: from_millis(expires_at) })
    }

    /// `POST /portal/admin/invites/list`.
    pub(crate) async fn invites(&self, request: &InvitesRequest) -> Result<InvitePage, Error> {
        self.administrator(&request.session).await?;
        let limit = request.limit.unwrap_or(PAGE);
        if !(1..=MAX_INVITE_PAGE).contains(&limit) {
            return Err(Error::Fields(Faults::one("limit", format!("must be from 1 to {MAX_INVITE_PAGE}"))));
        }
        let before = request.before.map_or_else(|| END.to_owned(), |before| before.to_string());
        // One more tells whether there is a next page.
        let mut invites = self.store.invites(&before, self.now(), i64::from(limit) + 1).await?;
        let has_more = invites.len() > limit as usize;
        invites.truncate(limit as usize);
        let next = invites.last().filter(|_| has_more).map(|invite| invite.invite_id);
        Ok(InvitePage { invites, next })
    }

    /// `POST /portal/admin/invites/withdraw`.
    pub(crate) async fn withdraw_invite(&self, request: &WithdrawInviteRequest) -> Result<(), Error> {
        let session = self.administrator(&request.session).await?;
        let id = request.invite_id;
        let entry = audit::entry(self.now(), &session.user_id, "withdraw-invite", &id, request.client_addr);
        match self.store.withdraw_invite(id, session.sid, &entry).await? {
            Withdrawal::Done => Ok(()),
            Withdrawal::NotOpen => Err(Error::NotFound("There is no open invite with this id.")),
            Withdrawal::NotAdmin => Err(NOT_ADMIN),
        }
    }
}

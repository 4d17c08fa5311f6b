//! Mail: what there is to say (`letter`, `text`), whether and how it goes out (`config`, `smtp`), and the worker that
//! carries it from the outbox (`worker`).
//!
//! What must stay true: a mail is written down in the transaction that it is about, sealed, since a link in it opens
//! an account; and no text and no address reaches the log, but in development, where the log is where mails go.

pub(crate) mod config;
pub(crate) mod letter;
mod smtp;
mod text;
mod worker;

use control_api::mail::{EmailVerification, Language, MailSettings};
use service_kit::secret::{Secret, random_token, sha256};
use ulid::Ulid;

pub use config::{Delivery, MailConfig, Smtp, SmtpTls};
pub(crate) use worker::run;

use crate::authz::Authz;
use crate::error::Error;
use crate::store::mails::NewMail;
use letter::{Envelope, Letter};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// A link that proves an address.
pub(crate) const VERIFY_MS: i64 = 24 * HOUR_MS;
/// A link to a new password.
pub(crate) const RESET_MS: i64 = HOUR_MS / 2;
/// A mail without a link is of use for this long.
const NOTICE_MS: i64 = 72 * HOUR_MS;

/// A token for a link, and the hash by which it is stored.
pub(crate) fn link_token() -> (Secret<String>, [u8; 32]) {
    let token = random_token();
    let hash = sha256(token.expose().as_bytes());
    (token, hash)
}

/// The hash of a token that somebody brings.
pub(crate) fn link_hash(token: &str) -> [u8; 32] {
    sha256(token.trim().as_bytes())
}

impl Authz {
    /// Whether mails go anywhere.
    pub(crate) fn sends_mail(&self) -> bool {
        !matches!(self.config.mail.delivery, Delivery::Off)
    }

    /// Refuses what needs a mail where none is sent.
    pub(crate) fn need_mail(&self) -> Result<(), Error> {
        if self.sends_mail() { Ok(()) } else { Err(Error::MailOff) }
    }

    /// Whether people prove their address at sign-up.
    pub(crate) fn verification(&self) -> EmailVerification {
        self.config.mail.verification
    }

    /// `GET /portal/mail`.
    pub(crate) fn mail_settings(&self) -> MailSettings {
        MailSettings { sends: self.sends_mail(), verification: self.verification() }
    }

    /// A letter as the outbox takes it; `None` where no mail is sent.
    pub(crate) fn mail(&self, letter: Letter, language: Language) -> Result<Option<NewMail>, Error> {
        if !self.sends_mail() {
            return Ok(None);
        }
        let now = self.now();
        let lives_ms = match &letter {
            Letter::Register { .. } | Letter::Verify { .. } => VERIFY_MS,
            Letter::Forgot { .. } | Letter::Reset { .. } => RESET_MS,
            Letter::Notice { .. } => NOTICE_MS,
        };
        let mail_id = Ulid::generate().to_string();
        let sealed = self.seal_letter(&mail_id, &Envelope { language, letter })?;
        Ok(Some(NewMail { mail_id, sealed, due_at: now, ends_at: now + lives_ms }))
    }

    /// Sealed for the outbox, bound to the mail's id.
    fn seal_letter(&self, mail_id: &str, envelope: &Envelope) -> Result<Vec<u8>, Error> {
        let failed =
            |error: serde_json::Error| Error::Internal(format!("a letter cannot be written: {error}"));
        let plain = Secret::new(serde_json::to_vec(envelope).map_err(failed)?);
        self.keys.seal(mail_id, plain.expose()).map_err(Error::Internal)
    }

    /// Wakes the worker: call it when a transaction with a mail in it is done.
    pub(crate) fn mailed(&self) {
        self.posted.notify_one();
    }

    /// The address of a page of the portal with a token in its query.
    pub(crate) fn link(&self, path: &str, token: &str) -> Secret<String> {
        let mut url = self.config.portal_url.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("token", token);
        Secret::new(url.into())
    }
}

//! The worker that carries letters from the outbox to the mail server. What fails for now is tried again with growing
//! pauses until the link in it is dead; a letter goes only when the server has taken it, refused it for good, or it
//! would come too late. A crash in between sends it again with the same `Message-ID`.
//!
//! What must stay true: whom a letter reaches is decided here, away from any request; a link to a new password goes to
//! a proved address alone, and nobody is sent more than a few links.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use service_kit::clock::from_millis;
use service_kit::health::Check;

use super::config::Delivery;
use super::letter::{Envelope, Letter, Notice};
use super::smtp::{Mail, Outcome, Server};
use super::text::{Words, write};
use super::{HOUR_MS, RESET_MS, link_hash, link_token};
use crate::authz::{Authz, Shared};
use crate::store::mail_links::{Kind, NewLink};
use crate::store::mails::DueMail;

const AT_ONCE: usize = 4;
const BATCH: i64 = 64;
const FIRST_PAUSE_MS: i64 = 5_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60 * 1000;
/// While something waits the clock is looked at this often; new mails wake the worker at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// With nothing in the queue.
const REST: Duration = Duration::from_mins(1);
/// Links to a new password that work, and links of sign-ups within an hour, that one address is sent: more would be
/// somebody's nuisance.
const MOST_LINKS: i64 = 3;

const CHECK: &str = "mail";

/// Where letters go.
enum Exit {
    Log,
    Server(Box<Server>),
}

/// What to do about a letter.
enum Composed {
    Mail(Mail),
    /// The letter is another one now, under the same id.
    Instead(Box<Envelope>),
    /// There is nobody to tell.
    Nothing(&'static str),
}

/// Why a letter could not be handled at all.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Other(String),
}

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared) -> Result<(), String> {
    let mail = &authz.config.mail;
    let exit = match &mail.delivery {
        Delivery::Off => {
            tracing::info!("no mail is sent: BEAVER_SMTP_HOST is not set");
            authz.stopping.cancelled().await;
            return Ok(());
        }
        Delivery::Log => {
            tracing::warn!("mails go to this log: BEAVER_SMTP_HOST is not set, and this is localhost");
            Exit::Log
        }
        Delivery::Smtp(smtp) => {
            let portal = authz.config.portal_url.host_str().unwrap_or("localhost");
            let server = Server::new(smtp, portal, mail.timeout)?;
            authz.health.set(CHECK, Check::Ok);
            Exit::Server(Box::new(server))
        }
    };
    while !authz.stopping.is_cancelled() {
        if let Err(error) = deliver_due(&authz, &exit).await {
            tracing::error!(%error, "the outbox of mails cannot be read or written");
        }
        let pause = if authz.store.has_mails().await.unwrap_or(true) { LOOK_EVERY } else { REST };
        tokio::select! {
            () = authz.posted.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = authz.stopping.cancelled() => {}
        }
    }
    Ok(())
}

async fn deliver_due(authz: &Shared, exit: &Exit) -> Result<(), Fault> {
    let due = authz.store.due_mails(authz.now(), BATCH).await?;
    let mut deliveries = futures_util::stream::iter(due)
        .map(|mail| {
            let authz = Arc::clone(authz);
            async move { deliver(&authz, exit, mail).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = deliveries.next().await {
        outcome?;
    }
    Ok(())
}

async fn deliver(authz: &Authz, exit: &Exit, due: DueMail) -> Result<(), Fault> {
    if authz.stopping.is_cancelled() {
        return Ok(());
    }
    let mail_id = due.mail_id.as_str();
    if due.ends_at <= authz.now() {
        tracing::warn!(mail_id, attempts = due.attempts, "a mail was not taken in time and is dropped");
        return Ok(authz.store.drop_mail(mail_id).await?);
    }
    let Some(mut envelope) = authz.open_letter(&due) else {
        tracing::error!(mail_id, "a mail cannot be unsealed: master.key is not the one it was sealed with");
        return Ok(authz.store.drop_mail(mail_id).await?);
    };
    let mail = loop {
        match authz.compose(mail_id, &envelope).await? {
            Composed::Mail(mail) => break mail,
            Composed::Instead(other) => envelope = *other,
            Composed::Nothing(why) => {
                tracing::info!(mail_id, why, "a mail is not sent");
                return Ok(authz.store.drop_mail(mail_id).await?);
            }
        }
    };
    let outcome = match exit {
        Exit::Log => {
            tracing::info!(to = mail.to, subject = mail.subject, "a mail, in development:\n{}", mail.text);
            Outcome::Sent
        }
        Exit::Server(server) => tokio::select! {
            outcome = server.send(mail_id, &mail, authz.clock.now()) => outcome,
            // The next start sends it. Nothing else here is dropped half-way: the database closes after it.
            () = authz.stopping.cancelled() => return Ok(()),
        },
    };
    authz.settle_mail(&due, outcome).await
}

impl Authz {
    fn open_letter(&self, due: &DueMail) -> Option<Envelope> {
        let plain = self.keys.unseal(&due.mail_id, &due.sealed)?;
        serde_json::from_slice(plain.expose()).ok()
    }

    async fn settle_mail(&self, due: &DueMail, outcome: Outcome) -> Result<(), Fault> {
        let mail_id = due.mail_id.as_str();
        match outcome {
            Outcome::Sent => {
                self.store.drop_mail(mail_id).await?;
                self.health.set(CHECK, Check::Ok);
                tracing::info!(mail_id, "a mail was taken");
            }
            Outcome::Refused(reason) => {
                self.store.drop_mail(mail_id).await?;
                self.health
                    .set(CHECK, Check::Warning(format!("the last mail was refused for good: {reason}")));
                tracing::warn!(mail_id, reason, "a mail was refused for good");
            }
            Outcome::Later(reason) => {
                let due_at = self.now() + pause_ms(due.attempts);
                self.store.postpone_mail(mail_id, due_at).await?;
                self.health.set(CHECK, Check::Warning(format!("mails wait: {reason}")));
                tracing::warn!(mail_id, reason, attempts = due.attempts + 1, "a mail has to wait");
            }
        }
        Ok(())
    }

    /// To whom it goes, and in which words.
    async fn compose(&self, mail_id: &str, envelope: &Envelope) -> Result<Composed, Fault> {
        let portal = self.config.portal_url.as_str().trim_end_matches('/');
        let mail = |to: &str, words: &Words<'_>| {
            let (subject, text) = write(words, envelope.language);
            Composed::Mail(Mail { to: to.to_owned(), subject: subject.to_owned(), text })
        };
        Ok(match &envelope.letter {
            Letter::Register { to, username, token } => {
                match self.store.place_of_registration(&link_hash(token.expose()), HOUR_MS).await? {
                    Some(..=MOST_LINKS) => {}
                    Some(_) => return Ok(Composed::Nothing("enough links went to that address")),
                    None => return Ok(Composed::Nothing("the sign-up is over")),
                }
                if let Some(owner) = self.store.account_by_login(&to.to_lowercase()).await? {
                    mail(to, &Words::HasAccount { user: owner.username.as_str(), portal })
                } else {
                    let link = self.link("/confirm", token.expose());
                    mail(to, &Words::Register { user: username, link: link.expose() })
                }
            }
            Letter::Verify { to, user_id, token } => {
                let Some(account) = self.store.contact(*user_id).await? else {
                    return Ok(Composed::Nothing("the account is gone"));
                };
                match self.store.account_by_login(&to.to_lowercase()).await? {
                    Some(owner) if owner.user_id != *user_id => {
                        mail(to, &Words::AddressInUse { user: owner.username.as_str() })
                    }
                    _ => {
                        let link = self.link("/confirm", token.expose());
                        mail(to, &Words::Verify { user: &account.username, link: link.expose() })
                    }
                }
            }
            Letter::Forgot { login } => return self.resolve_forgot(mail_id, envelope, login).await,
            Letter::Reset { to, username, token } => {
                let link = self.link("/reset", token.expose());
                mail(to, &Words::Reset { user: username, link: link.expose() })
            }
            Letter::Notice { user_id, to, what } => {
                let Some(account) = self.store.contact(*user_id).await? else {
                    return Ok(Composed::Nothing("the account is gone"));
                };
                let own = account.verified.then_some(&account.email);
                let Some(to) = to.as_ref().or(own) else {
                    return Ok(Composed::Nothing("the account's address is not proved"));
                };
                notice_mail(what, &account.username, portal, |words| mail(to, words))
            }
        })
    }

    /// A link for somebody who cannot sign in, where there is such an account with a proved address.
    async fn resolve_forgot(
        &self,
        mail_id: &str,
        envelope: &Envelope,
        login: &str,
    ) -> Result<Composed, Fault> {
        let Some(account) = self.store.account_by_login(login).await? else {
            return Ok(Composed::Nothing("there is no such account"));
        };
        let contact = self.store.contact(account.user_id).await?.filter(|contact| contact.verified);
        let Some(contact) = contact else {
            return Ok(Composed::Nothing("the account's address is not proved"));
        };
        let (token, token_hash) = link_token();
        let ends_at = self.now() + RESET_MS;
        let link = NewLink {
            token_hash,
            kind: Kind::Reset,
            user_id: account.user_id,
            email: contact.email.clone(),
            expires_at: ends_at,
        };
        let letter = Letter::Reset { to: contact.email, username: contact.username, token: token.into() };
        let instead = Envelope { language: envelope.language, letter };
        let sealed = self.seal_letter(mail_id, &instead).map_err(|error| Fault::Other(error.to_string()))?;
        if self.store.resolve_mail(mail_id, &sealed, &link, (self.now(), MOST_LINKS)).await? {
            Ok(Composed::Instead(Box::new(instead)))
        } else {
            Ok(Composed::Nothing("enough links to that account work"))
        }
    }
}

fn notice_mail(
    what: &Notice,
    user: &str,
    portal: &str,
    mail: impl FnOnce(&Words<'_>) -> Composed,
) -> Composed {
    match what {
        Notice::PasswordChanged => mail(&Words::PasswordChanged { user, portal }),
        Notice::PasswordReset => mail(&Words::PasswordReset { user, portal }),
        Notice::SecondFactorChanged => mail(&Words::SecondFactorChanged { user, portal }),
        Notice::AddressAsked { new } => mail(&Words::AddressAsked { user, new, portal }),
        Notice::AddressChanged { new } => mail(&Words::AddressChanged { user, new }),
        Notice::KeyEnds { name, at } => {
            let day = from_millis(*at).strftime("%Y-%m-%d").to_string();
            mail(&Words::KeyEnds { user, key: name, day: &day, portal })
        }
    }
}

/// 5, 10, 20, ... 600 s.
fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 7)).unwrap_or(7);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_minutes() {
        assert_eq!([0, 1, 2, 6, 7, 1000].map(pause_ms), [5_000, 10_000, 20_000, 320_000, 600_000, 600_000]);
    }
}

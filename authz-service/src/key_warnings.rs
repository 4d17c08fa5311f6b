//! Tells the owner of an API key by mail that it ends in 7 days: once a key, at a proved address. A key whose whole life
//! is no longer is not told of, since its owner has just chosen so. Where no mail is sent nothing is marked as told.

use control_api::mail::Language;

use crate::authz::Authz;
use crate::error::Error;
use crate::mail::letter::{Letter, Notice};

/// How long before its end.
const BEFORE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Keys that one call tells of, so that other writes get their turn.
const BATCH: i64 = 100;

impl Authz {
    /// Writes the mails that are due; answers how many.
    pub(crate) async fn warn_of_ending_keys(&self) -> Result<usize, Error> {
        if !self.sends_mail() {
            return Ok(0);
        }
        let mut told = 0;
        for key in self.store.ending_keys(self.now(), BEFORE_MS, BATCH).await? {
            let what = Notice::KeyEnds { name: key.name, at: key.expires_at };
            let letter = Letter::Notice { user_id: key.user_id, to: None, what };
            let mail = self.mail(letter, Language::of_tag(&key.language))?;
            if self.store.warn_of_key(key.key_id, self.now(), mail.into_iter().collect()).await? {
                told += 1;
            }
        }
        if told > 0 {
            self.mailed();
        }
        Ok(told)
    }
}

//! When keys change. Pure policy in [`next_step`]; one task takes the steps, one transaction each, so that a
//! crash between two of them is made good at the next start.
//!
//! ```text
//! next (published) --24 h, and the active one is 30 days old--> active --> retired (published) --> gone
//! ```

use std::sync::Arc;

use service_kit::secret::Secret;

use super::{KeySet, generate};
use crate::audit;
use crate::authz::Shared;
use crate::sessions::LONGEST_MS;
use crate::store::Store;
use crate::store::keys::StoredKey;

const HOUR_MS: i64 = 60 * 60 * 1000;
/// How long a key signs.
const SIGNS_MS: i64 = 30 * 24 * HOUR_MS;
/// How long a key is published before it signs: verifiers have fetched it by then.
const PUBLISHED_BEFORE_MS: i64 = 24 * HOUR_MS;
/// How long a key is published after it signed. An app token is renewed for as long as a session can live, and
/// that is longer than any other token is looked at; an hour more is for clocks that differ.
const PUBLISHED_AFTER_MS: i64 = LONGEST_MS + HOUR_MS;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// No key signs: make one that does.
    MakeFirst,
    /// Make the next key and publish it.
    Publish,
    /// The next key signs from now on, the active one retires.
    Promote(String),
    /// No living token was signed with this retired key.
    Remove(String),
    /// Nothing.
    Wait,
}

fn next_step(keys: &[StoredKey], now: i64) -> Step {
    let with = |state: &'static str| keys.iter().filter(move |key| key.state == state);
    let Some(active) = with("active").next() else {
        return Step::MakeFirst;
    };
    let ends_at = active.activated_at.unwrap_or(active.created_at) + SIGNS_MS;
    match with("next").next() {
        Some(next) if now >= ends_at && now >= next.created_at + PUBLISHED_BEFORE_MS => {
            return Step::Promote(next.kid.clone());
        }
        None if now >= ends_at - PUBLISHED_BEFORE_MS => return Step::Publish,
        _ => {}
    }
    let dead = |key: &&StoredKey| key.retired_at.is_some_and(|at| now >= at + PUBLISHED_AFTER_MS);
    with("retired").find(dead).map_or(Step::Wait, |key| Step::Remove(key.kid.clone()))
}

pub(super) fn failed(error: &sqlx::Error) -> String {
    format!("the signing keys cannot be read or written: {error}")
}

/// Takes every step that is due; answers the keys after it.
pub(super) async fn catch_up(
    store: &Store,
    master: &Secret<Vec<u8>>,
    now: i64,
) -> Result<Vec<StoredKey>, String> {
    loop {
        let keys = store.signing_keys().await.map_err(|error| failed(&error))?;
        let step = next_step(&keys, now);
        let entry = |action, kid: &str| audit::entry(now, &"authz-service", action, &kid, None);
        let done = match &step {
            Step::Wait => return Ok(keys),
            // With the database itself, before there is anything to tell.
            Step::MakeFirst => {
                let key = generate(master, "active", now)?;
                store.put_signing_key(&key, None).await
            }
            Step::Publish => {
                let key = generate(master, "next", now)?;
                store.put_signing_key(&key, Some(&entry("publish-key", &key.kid))).await
            }
            Step::Promote(kid) => store.promote_signing_key(kid, &entry("rotate-key", kid)).await,
            Step::Remove(kid) => store.remove_signing_key(kid, &entry("remove-key", kid)).await,
        };
        done.map_err(|error| failed(&error))?;
        tracing::info!(?step, "the signing keys changed");
    }
}

/// Rotates until the process stops. A step that fails is tried again; the keys of before go on meanwhile.
pub(crate) async fn run(authz: Shared) -> Result<(), String> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(authz.config.key_check) => {}
            () = authz.stopping.cancelled() => return Ok(()),
        }
        if let Err(error) = authz.rotate_keys().await {
            tracing::error!(error, "the signing keys could not be rotated");
        }
    }
}

impl crate::authz::Authz {
    async fn rotate_keys(&self) -> Result<(), String> {
        let before = self.store.signing_keys().await.map_err(|error| failed(&error))?;
        if next_step(&before, self.now()) == Step::Wait {
            return Ok(());
        }
        let stored = catch_up(&self.store, &self.keys.master, self.now()).await?;
        let set = KeySet::of(&stored, &self.keys.master)?;
        self.keys.set.store(Arc::new(set));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, state: &str, created_at: i64, since: Option<i64>) -> StoredKey {
        StoredKey {
            kid: kid.to_owned(),
            state: state.to_owned(),
            public_key: Vec::new(),
            private_sealed: Vec::new(),
            created_at,
            activated_at: since.filter(|_| state == "active"),
            retired_at: since.filter(|_| state == "retired"),
        }
    }

    #[test]
    fn each_step_comes_at_its_time_and_not_a_moment_sooner() {
        let active = || key("a", "active", 0, Some(0));
        let publish = SIGNS_MS - PUBLISHED_BEFORE_MS;
        let dead = PUBLISHED_AFTER_MS;
        let late = 10 * SIGNS_MS;
        for (keys, now, expected) in [
            (vec![], 0, Step::MakeFirst),
            (vec![active()], 0, Step::Wait),
            (vec![active()], publish - 1, Step::Wait),
            (vec![active()], publish, Step::Publish),
            (vec![active(), key("b", "next", publish, None)], SIGNS_MS - 1, Step::Wait),
            (vec![active(), key("b", "next", publish, None)], SIGNS_MS, Step::Promote("b".to_owned())),
            // After a long stop the next key is published for a day all the same.
            (vec![active()], late, Step::Publish),
            (vec![active(), key("b", "next", late, None)], late + PUBLISHED_BEFORE_MS - 1, Step::Wait),
            (
                vec![active(), key("b", "next", late, None)],
                late + PUBLISHED_BEFORE_MS,
                Step::Promote("b".to_owned()),
            ),
            (vec![key("z", "retired", -dead, Some(1 - dead)), active()], 0, Step::Wait),
            (vec![key("z", "retired", -dead, Some(-dead)), active()], 0, Step::Remove("z".to_owned())),
            (vec![key("b", "next", 0, None)], 0, Step::MakeFirst),
        ] {
            assert_eq!(next_step(&keys, now), expected, "{keys:?} at {now}");
        }
    }
}

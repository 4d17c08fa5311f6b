//! Argon2id with a bound on memory: two hashes at a time, a short queue behind them, and a clear "busy"
//! beyond it, so that 200 sign-ins at once cost 128 MiB and not 12 GiB. An account that does not exist costs
//! the same as one that does: its password is checked against a hash that nothing matches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use service_kit::secret::{Secret, random_bytes};
use tokio::sync::Semaphore;

use crate::error::Error;

/// Hashes computed at the same time: 64 MiB each.
const AT_ONCE: usize = 2;
/// Callers that may wait behind them. At about 0.1 to 0.2 s a hash the last of them waits about 3 s.
const QUEUE: usize = 32;

/// Stands where the hash of a password would, in accounts without one. Nothing matches it, and checking against it
/// costs what any other check does.
pub(crate) const NO_PASSWORD: &str = "!";

/// Cost of one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for HashParams {
    /// 64 MiB, three passes, one lane: well above the least of OWASP's password storage cheat sheet
    /// (19 MiB, two passes).
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, iterations: 3, parallelism: 1 }
    }
}

/// What a check of a password found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and the stored hash was made with other parameters: store this one instead.
    RightRehashed(String),
}

/// Computes hashes, a few at a time.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    params: HashParams,
    at_once: Arc<Semaphore>,
    waiting: AtomicUsize,
    dummy: String,
}

impl Hasher {
    pub(crate) fn new(params: HashParams) -> Result<Self, String> {
        let argon2 = Params::new(params.memory_kib, params.iterations, params.parallelism, None)
            .map(|p| Argon2::new(Algorithm::Argon2id, Version::V0x13, p))
            .map_err(|error| format!("the parameters of the password hash are no good: {error}"))?;
        Ok(Self {
            argon2,
            params,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: AtomicUsize::new(0),
            dummy: dummy(params),
        })
    }

    /// The hash of a new password in PHC form.
    pub(crate) async fn hash(&self, password: Secret<String>) -> Result<String, Error> {
        let argon2 = self.argon2.clone();
        self.bounded(move || hash(&argon2, password.expose())).await?
    }

    /// Checks a password against the stored hash of an account, or against nothing where there is none.
    pub(crate) async fn verify(
        &self,
        password: Secret<String>,
        stored: Option<String>,
    ) -> Result<Verdict, Error> {
        let (argon2, params) = (self.argon2.clone(), self.params);
        let stored = stored.filter(|stored| stored != NO_PASSWORD);
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        self.bounded(move || {
            let parsed = PasswordHash::new(&stored).map_err(|e| broken(&e))?;
            let right = argon2.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            if !(right && known) {
                return Ok(Verdict::Wrong);
            }
            if is_current(&parsed, params) {
                return Ok(Verdict::Right);
            }
            hash(&argon2, password.expose()).map(Verdict::RightRehashed)
        })
        .await?
    }

    /// Runs `work` off the async threads once a place is free.
    async fn bounded<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = if let Ok(place) = Arc::clone(&self.at_once).try_acquire_owned() {
            place
        } else {
            let _waiting = Waiting::enter(&self.waiting).ok_or(Error::Busy)?;
            Arc::clone(&self.at_once).acquire_owned().await.map_err(|e| Error::Internal(e.to_string()))?
        };
        // The place goes with the work: a caller who hangs up must not let a third hash begin.
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(|error| Error::Internal(format!("a password could not be hashed: {error}")))
    }
}

/// One place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::SeqCst);
        let this = Self(count);
        (before < QUEUE).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn hash(argon2: &Argon2<'static>, password: &str) -> Result<String, Error> {
    argon2
        .hash_password_with_salt(password.as_bytes(), &random_bytes::<16>())
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| Error::Internal(format!("a password could not be hashed: {error}")))
}

fn is_current(hash: &PasswordHash, wanted: HashParams) -> bool {
    hash.algorithm.as_str() == "argon2id"
        && Params::try_from(hash).is_ok_and(|p| {
            (p.m_cost(), p.t_cost(), p.p_cost()) == (wanted.memory_kib, wanted.iterations, wanted.parallelism)
        })
}

/// A well-formed hash of nothing: checking against it takes as long as any other check and always fails.
fn dummy(params: HashParams) -> String {
    format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.memory_kib,
        params.iterations,
        params.parallelism,
        STANDARD_NO_PAD.encode(random_bytes::<16>()),
        STANDARD_NO_PAD.encode(random_bytes::<32>())
    )
}

fn broken(error: &argon2::password_hash::phc::Error) -> Error {
    Error::Internal(format!("a stored password hash cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashParams = HashParams { memory_kib: 64, iterations: 1, parallelism: 1 };

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let hasher = Hasher::new(CHEAP).expect("a hasher");
        assert!(hasher.dummy.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "unknown accounts cost the same");
        let stored = hasher.hash("correct horse".into()).await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let verify = async |password: &str, stored: Option<String>| {
            hasher.verify(password.into(), stored).await.expect("a verdict")
        };
        assert_eq!(verify("correct horse", Some(stored.clone())).await, Verdict::Right);
        assert_eq!(verify("wrong horse", Some(stored)).await, Verdict::Wrong);
        assert_eq!(verify("correct horse", None).await, Verdict::Wrong);
        assert_eq!(verify(NO_PASSWORD, Some(NO_PASSWORD.to_owned())).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_made_anew() {
        let old = Hasher::new(CHEAP).expect("a hasher").hash("correct horse".into()).await.expect("a hash");
        let hasher = Hasher::new(HashParams { iterations: 2, ..CHEAP }).expect("a hasher");
        let Verdict::RightRehashed(new) =
            hasher.verify("correct horse".into(), Some(old)).await.expect("a verdict")
        else {
            panic!("not made anew")
        };
        assert!(new.contains("m=64,t=2,p=1"));
        assert_eq!(
            hasher.verify("correct horse".into(), Some(new)).await.expect("a verdict"),
            Verdict::Right
        );
    }

    #[tokio::test]
    async fn beyond_the_queue_callers_are_told_that_it_is_busy() {
        let hasher = Arc::new(Hasher::new(CHEAP).expect("a hasher"));
        let places = Arc::clone(&hasher.at_once).acquire_many_owned(2).await.expect("places");
        let calls: Vec<_> = (0..QUEUE + 8)
            .map(|_| {
                let hasher = Arc::clone(&hasher);
                tokio::spawn(async move { hasher.hash("correct horse".into()).await })
            })
            .collect();
        // Those beyond the queue are refused while nothing is free; the rest wait.
        while hasher.waiting.load(Ordering::SeqCst) != QUEUE
            || calls.iter().filter(|call| call.is_finished()).count() != 8
        {
            tokio::task::yield_now().await;
        }
        drop(places);
        let mut busy = 0;
        for call in calls {
            match call.await.expect("no panic") {
                Ok(_) => {}
                Err(Error::Busy) => busy += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(busy, 8);
        assert_eq!(hasher.waiting.load(Ordering::SeqCst), 0);
    }
}

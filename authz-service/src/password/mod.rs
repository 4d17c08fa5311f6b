//! Passwords: which ones are good enough (pure) and how they are hashed (bounded work).

pub(crate) mod hashing;
pub(crate) mod policy;

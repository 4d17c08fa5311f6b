//! A running router gives its place to a new one without a refused connection or a lost request. Both run side by
//! side for a while: the sockets that listen are passed on, so that whoever connects finds one of the two.
//!
//! ```text
//! new                                      running
//!  | -- "beaver-router hand-over 1" ------> |   over handover.sock in the state folder
//!  | <----- its listening sockets --------- |
//!  | reads routes and certificates, waits   |
//!  | for keys and revocations, accepts      |
//!  | -- "serving" ------------------------> |
//!  | <----------------- "leaving" --------- |   accepts no more, drains, ends with exit code 0
//!  | takes over handover.sock               |
//! ```
//!
//! Must stay true: until "serving" the running router does nothing that it could not take back, so that a new one may
//! die at any moment; only this user's processes and root's are talked to.

mod offer;
mod take_over;
mod wire;

pub(crate) use offer::{Sockets, offer};
pub(crate) use take_over::{Predecessor, take_over};

//! What stands between a client's socket and hyper: a strict reader of HTTP/1 framing. hyper forgives much
//! that another parser may read differently (both `Content-Length` and `Transfer-Encoding`, two equal
//! lengths, bare line feeds), and hides it from the service. Nothing reaches hyper before the guard has
//! read the whole head and agreed to it.

mod connection;
pub(crate) mod framing;
mod head;
mod io;

pub(crate) use connection::{ConnectionState, InFlight};
pub(crate) use head::Fault;
pub(crate) use io::GuardedIo;

#[cfg(test)]
pub(crate) mod property_tests;

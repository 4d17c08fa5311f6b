//! The path of a request: accept, check, gate, forward, answer.

mod accept;
mod answer_body;
mod client;
mod drain;
mod forward;
mod frames;
mod handle;
mod request_log;
mod tunnel;

pub(crate) use accept::accept;
pub(crate) use drain::Drain;
pub(crate) use handle::Router;

#[cfg(test)]
mod exchange_tests;

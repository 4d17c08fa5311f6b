//! The path of a request: accept, check, gate, forward, answer.

mod accept;
mod answer_body;
mod connection;
mod drain;
mod forward;
mod frames;
mod handle;
mod hyper_side;
mod log_line;
mod peer;
mod request_log;
mod tunnel;
mod workers;

pub(crate) use accept::accept;
pub(crate) use answer_body::{Cut, CutSignal};
pub(crate) use drain::Drain;
pub(crate) use forward::{LONG_BODY, patience};
pub(crate) use handle::Router;
pub(crate) use peer::Peer;
pub(crate) use request_log::RequestLog;
pub(crate) use workers::{Worker, Workers};

#[cfg(test)]
mod exchange_tests;

//! docker-guard: the one process that holds Docker's socket. It listens on a Unix socket of its own and passes
//! on the few calls that deploy-control needs, each checked against one constant policy; what is not named here
//! is refused. Whoever owns deploy-control then owns Beaver's instances, and not the host.
//!
//! A call goes through `envelope` (nothing around it that two readers could read in two ways), `request` (what is asked, parsed), `policy` and `body` (whether it may be), `handler`
//! (what is looked up before), and `line` and `upstream` (to Docker).

pub mod body;
pub mod config;
mod envelope;
mod folders;
mod handler;
pub mod hardening;
mod images;
mod line;
pub mod policy;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod property_tests;
pub mod request;
#[cfg(test)]
mod request_tests;
mod server;
mod upstream;

pub use config::GuardConfig;
pub use server::{healthcheck, start};

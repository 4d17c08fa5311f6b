//! The portal in one process with fake neighbours: one file for each thing that it promises.

mod account;
mod app;
mod authorize;
mod csrf;
mod failure;
#[expect(clippy::wildcard_imports, reason = "the fakes speak the whole wire contract")]
mod fakes;
mod frame;
mod login;
mod provider;
mod provisioning;
mod register;

//! The portal in one process with fake neighbours: one file for each thing that it promises.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod account;
mod admin;
mod api_keys;
mod app;
mod audit;
mod authorize;
mod csrf;
mod failure;
mod fakes;
mod frame;
mod invites;
mod language;
mod leave;
mod login;
mod mail;
mod more;
mod oauth;
mod own_data;
mod passkeys;
mod password;
mod people;
mod provider;
mod provisioning;
mod register;
mod rollouts;
mod second_factor;
mod second_login;
mod security;
mod settings;
mod setup;
mod upstream;

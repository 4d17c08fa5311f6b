//! authz-service from outside: in-process, on port 0, with a temporary database and a fake deploy-control.
#![expect(clippy::expect_used, reason = "the helpers of tests fail the test")]

mod accounts;
mod api_keys;
mod audit;
mod authorization_code;
mod clients;
mod foreign_library;
mod forwarding;
mod handoff;
mod harness;
mod key_rotation;
mod kill;
mod leaving;
mod oauth_flow;
mod outbox;
mod passwords;
mod people;
mod provider_tokens;
mod python;
mod refresh;
mod registration_modes;
mod revocations;
mod roles;
mod session_list;
mod sessions;
mod settings;
mod setup;
mod startup;
mod suspension;
mod throttle;
mod tokens;

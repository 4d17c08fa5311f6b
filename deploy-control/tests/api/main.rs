//! deploy-control as a whole, in-process: its API, its reconciler and its files, with Docker and
//! authz-service in memory.
#![expect(clippy::expect_used, reason = "a test that cannot go on says so by failing; helpers are tests too")]

mod actions;
mod configure;
mod crash;
mod docker_faults;
mod doctor;
mod fake_app;
mod fake_engine;
mod gate;
mod harness;
mod hold;
mod image_pulls;
mod isolation;
mod ladder;
mod limits;
mod network;
mod observe;
mod rebuild;
mod register;
mod rollouts;
mod settings;
mod sleep;
mod trust;
mod upgrade;

//! The Docker side of deploy-control against a real Docker Engine, through docker-guard. These tests fail where
//! there is none.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where and why, and a walk says where it led"
)]

mod crash;
mod dockerd;
mod engine_restart;
mod faults;
mod figures;
mod guard;
mod guard_log;
mod instance;
mod limits;
mod network;
mod plane;
mod probe;
mod process;
mod proxy;
mod pull;
mod registry;
mod rig;
mod service;

//! The Docker side of deploy-control against a real Docker Engine, through docker-guard. These tests fail where
//! there is none.

#![expect(clippy::expect_used, reason = "a test that cannot go on says where and why")]

mod figures;
mod guard;
mod instance;
mod network;
mod probe;
mod process;
mod rig;

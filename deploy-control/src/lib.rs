//! deploy-control: see `engine` for what it asks of Docker.

pub mod engine;

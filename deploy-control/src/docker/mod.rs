//! Docker behind the border of `engine`: what an instance's container is (`spec`), how Docker is asked
//! (`engine`), how its answers and errors are read (`read`, `error`), and the isolation probe (`probe`). The
//! client library's types stay in here. It must stay true that nothing without this installation's labels is
//! started, stopped or removed, also where no docker-guard stands before the socket.

mod client;
mod engine;
mod error;
mod network;
mod probe;
mod pull;
mod read;
pub mod spec;

pub use client::DockerEngine;

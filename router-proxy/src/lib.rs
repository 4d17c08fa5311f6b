//! router-proxy: takes requests for `<slug>.<base domain>`, lets the owner through and forwards them to the
//! owner's container. `proxy::accept` takes a connection, one of `proxy::workers` serves it
//! (`proxy::connection`). A usual request walks through `fast_path`, any other through `proxy::hyper_side` (guard and
//! hyper), `proxy::handle` (checks, route, gate, readiness), `proxy::forward` (headers, connection, bodies) and back.

mod activity;
mod admission;
mod app;
pub mod config;
mod error;
mod fast_path;
mod gate;
mod guard;
mod handover;
pub mod healthcheck;
pub mod limits;
mod listeners;
mod metrics;
mod pages;
mod proxy;
mod proxy_protocol;
mod request;
mod response_headers;
mod routes;
mod tls;
mod upstream;
mod wake;
mod write_through;

pub use app::App;
pub use listeners::Listeners;

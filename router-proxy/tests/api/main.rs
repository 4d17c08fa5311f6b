//! The router in one process with fake neighbours: authz-service with real Ed25519 signatures,
//! deploy-control, and instances on addresses of their own. No Docker, no fixed ports, no sleeps but those
//! that bound a wait.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod answers;
mod api_keys;
mod churn;
mod connections;
mod corpus;
mod fake_authz;
mod fake_deploy;
mod gate;
mod h2c;
mod handoff;
mod handover;
mod http2;
mod instances;
mod limits;
mod normalisation;
mod outage;
mod process;
mod processes;
mod proxy_protocol;
mod raw;
mod readiness;
mod resources;
mod revoked;
mod routing;
mod smuggling;
mod streams;
mod tls;
mod tls_client;
mod trailers;
mod transfer;
mod tunnels;
mod websocket;
mod world;

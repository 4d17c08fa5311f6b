//! Accounts, sessions, keys and backends: the one place that knows who somebody is. The portal and
//! deploy-control call it with the internal token, the router with its own, instances without one on a
//! listener that has the instance-facing routes alone. Everything that must survive is in one `SQLite` file
//! that no other service reads.

mod accounts;
mod api_keys;
mod app;
mod audit;
mod audit_log;
mod authz;
mod cleanup;
mod client_metadata;
mod clients;
mod config;
mod delays;
mod departures;
mod email;
mod error;
mod forwarding;
mod handoff;
pub mod healthcheck;
mod http;
mod instances;
mod invites;
mod keys;
mod leave;
mod oauth_error;
mod orders;
mod outbox;
mod password;
mod passwords;
mod people;
mod provider;
mod revocations;
mod sessions;
mod settings;
mod setup;
mod store;
mod tokens;

pub use app::{App, InstanceListener, Listeners};
pub use config::Config;
pub use forwarding::settings::AuditTargetSettings;
pub use password::hashing::HashParams;

//! Accounts, sessions, keys and backends: the one place that knows who somebody is. The portal and
//! deploy-control call it with the internal token, the router with its own, instances without one on a
//! listener that has the instance-facing routes alone. Everything that must survive is in one `SQLite` file
//! that no other service reads.

mod accounts;
mod addresses;
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
mod key_warnings;
mod keys;
mod leave;
mod mail;
mod oauth_error;
mod orders;
mod outbox;
mod own_data;
mod passkeys;
mod password;
mod passwords;
mod people;
mod provider;
mod resets;
mod revocations;
mod second_factor;
mod sessions;
mod settings;
mod setup;
mod store;
mod tokens;
mod touches;
mod typeable;
mod upstream;
mod verification;

pub use app::{App, InstanceListener, Listeners};
pub use config::{AdminSecondFactor, Config};
pub use forwarding::settings::AuditTargetSettings;
pub use mail::{Delivery, MailConfig, Smtp, SmtpTls};
pub use password::hashing::HashParams;
pub use upstream::settings::UpstreamSettings;

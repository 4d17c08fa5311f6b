//! The wire contract between the parts: ids, names, bodies, claims, route files, problem codes and typed
//! clients. No server framework and no database in here, so that every part can depend on it.

pub mod api_keys;
pub mod audit;
pub mod audit_targets;
pub mod authz;
pub mod authz_client;
pub mod claims;
pub mod client;
pub mod codes;
pub mod deploy;
pub mod deploy_client;
pub mod deploy_settings;
pub mod doctor;
pub mod host;
pub mod ids;
pub mod instance;
pub mod invites;
pub mod mail;
pub mod names;
pub mod oauth;
pub mod own_data;
pub mod passkeys;
pub mod people;
pub mod public_url;
pub mod rollout;
pub mod route;
pub mod second_factor;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod snapshot;
pub mod upstream;
pub mod wire;

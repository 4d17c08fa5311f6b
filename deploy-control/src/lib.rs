//! deploy-control: keeps the desired state of every instance and moves the containers there. See `engine`
//! for what it asks of Docker, `lifecycle` for the rules and `reconciler` for the task that applies them.

pub mod address_plan;
mod api;
pub mod app;
pub mod availability;
pub mod blueprint;
pub mod config;
pub mod deps;
pub mod disk_use;
mod disk_watch;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod fault;
pub mod healthcheck;
pub mod host;
mod housekeeping;
pub mod idleness;
pub mod image_name;
pub mod image_pulls;
pub mod instance_app;
pub mod instance_files;
pub mod isolation;
pub mod lifecycle;
pub mod manifest;
pub mod model;
mod owner_removal;
pub mod quantity;
pub mod rebuild;
pub mod reconciler;
pub mod requests;
mod rollback;
pub mod rollouts;
pub mod route_files;
pub mod settings;
mod settings_change;
mod sleep_ladder;
pub mod store;

// Docker's side of `engine` and the policy that stands before the socket.
pub mod docker;
pub mod guard;

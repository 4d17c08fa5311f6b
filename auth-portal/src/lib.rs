//! auth-portal: the browser's pages. It holds nothing: accounts and sessions are authz-service's, instances
//! are deploy-control's, and what a browser must bring back (cookies, tokens of forms) is checked here.
//!
//! `app` puts it together; `pages` has one file a page; `csrf`, `form` and `session` decide
//! about forms and cookies; `text` has every word that people read.

mod agent;
mod app;
mod assets;
mod config;
mod csrf;
mod error;
mod form;
mod frame;
mod headers;
mod health;
pub mod healthcheck;
mod language;
mod ledger;
mod moment;
mod next_path;
mod pages;
mod progress;
mod qr;
mod session;
mod text;
mod upstream;
mod view;

pub use app::{App, Listeners};
pub use config::{Config, PublicOrigin};

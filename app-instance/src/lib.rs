//! The default app of an instance: one person's chat with a model provider of their choice, front end and
//! back end in one process. It believes `X-Beaver-Assertion` alone, keeps everything below one data folder,
//! and stays small, because a machine runs hundreds of it.

pub mod app;
mod assets;
mod chat;
pub mod cli;
pub mod config;
mod error;
mod gate;
mod identity;
mod issuer_client;
mod pages;
mod provider_config;
mod providers;
mod registration;
mod routes;
mod store;

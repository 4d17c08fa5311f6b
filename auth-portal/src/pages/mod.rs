//! One file a page: its handlers, its template's data, and nothing that another page needs.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod authorize;
pub(crate) mod confirm;
pub(crate) mod forgot;
pub(crate) mod landing;
pub(crate) mod language;
pub(crate) mod login;
mod new_account;
pub(crate) mod oauth;
pub(crate) mod provider;
pub(crate) mod provisioning;
pub(crate) mod register;
pub(crate) mod second_login;
pub(crate) mod setup;
pub(crate) mod upstream;

//! The app as its neighbours see it: a real one in this process, with a temporary folder, and an issuer and
//! providers of the tests' own.

#![expect(clippy::expect_used, reason = "an expectation that fails in the harness is a test that fails")]

mod support;

mod assertions;
mod chat;
mod pages;
mod processes;
mod provider_faults;
mod provider_requests;
mod registration;

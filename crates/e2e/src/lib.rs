//! Harness of the end-to-end tests: a whole installation of its own on this machine (real scripts, real
//! Docker Engine, real browser), a runner that takes it down whatever happens, and provider servers.
#![expect(clippy::print_stdout, reason = "a test runner reports on standard output")]

pub mod authenticator;
pub mod browser;
pub mod docker;
pub mod edge;
pub mod fixture;
pub mod http;
pub mod installation;
pub mod providers;
pub mod reach;
pub mod runner;
pub mod shell;
pub mod wait;

/// What a scenario answers: any failure, in words.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a scenario failed.
#[derive(Debug)]
pub struct Failure(pub String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self(text)
    }
}

/// Fails the scenario with a formatted reason where the condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::Failure(format!("{}:{}: {}", file!(), line!(), format!($($reason)+))));
        }
    };
}

/// Fails the scenario where the two differ.
#[macro_export]
macro_rules! ensure_eq {
    ($left:expr, $right:expr $(, $($reason:tt)+)?) => {{
        let (left, right) = (&$left, &$right);
        #[allow(unused_mut, unused_assignments, reason = "the reason is optional")]
        let mut reason = String::new();
        $(reason = format!(" ({})", format!($($reason)+));)?
        if left != right {
            return Err($crate::Failure(format!(
                "{}:{}: {left:?} is not {right:?}{reason}", file!(), line!()
            )));
        }
    }};
}

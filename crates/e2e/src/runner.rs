//! Runs scenarios one after another against one installation, reports as cargo's own harness does, and takes
//! the installation down whatever happens: after success, failure, panic, Ctrl-C or SIGTERM.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::Outcome;
use crate::fixture::World;

/// A scenario's future.
pub type ScenarioFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One named scenario.
pub struct Scenario {
    /// `module::what_it_shows`.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&World) -> ScenarioFuture<'_>,
}

/// A scenario from an `async fn(&World) -> Outcome`.
#[macro_export]
macro_rules! scenarios {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        vec![$($crate::runner::Scenario {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |world| Box::pin($module::$name(world)),
        }),+]
    };
}

/// No scenario takes longer.
const SCENARIO_LIMIT: Duration = Duration::from_mins(5);

/// Runs those whose name contains one of the program's arguments (all without arguments).
pub async fn main(scenarios: Vec<Scenario>) -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if std::env::args().any(|arg| arg == "--list") {
        for scenario in &scenarios {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    let total = scenarios.len();
    let chosen: Vec<_> = scenarios
        .into_iter()
        .filter(|s| filters.is_empty() || filters.iter().any(|f| s.name.contains(f.as_str())))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let world = match World::start().await {
        Ok(world) => world,
        Err(failure) => {
            println!("the installation could not be started: {failure}");
            println!(
                "\ntest result: FAILED. 0 passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
                chosen.len()
            );
            return ExitCode::FAILURE;
        }
    };
    let started = Instant::now();
    let (passed, mut failed) = tokio::select! {
        counts = run_all(&world, &chosen) => counts,
        () = interrupted() => {
            println!("interrupted");
            (0, chosen.len())
        }
    };
    if let Err(failure) = world.end(failed > 0).await {
        println!("the installation could not be taken down cleanly: {failure}");
        failed += 1;
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        if failed == 0 { "ok" } else { "FAILED" },
        total - chosen.len(),
        started.elapsed().as_secs_f64(),
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run_all(world: &World, chosen: &[Scenario]) -> (usize, usize) {
    let (mut passed, mut failed) = (0, 0);
    for scenario in chosen {
        let started = Instant::now();
        let guarded = AssertUnwindSafe((scenario.run)(world)).catch_unwind();
        let reason = match tokio::time::timeout(SCENARIO_LIMIT, guarded).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(failure))) => Some(failure.to_string()),
            Ok(Err(_)) => Some("it panicked".to_owned()),
            Err(_) => Some(format!("it took longer than {} s", SCENARIO_LIMIT.as_secs())),
        };
        let seconds = started.elapsed().as_secs_f64();
        match reason {
            None => {
                println!("test {} ... ok ({seconds:.1} s)", scenario.name);
                passed += 1;
            }
            Some(reason) => {
                println!(
                    "test {} ... FAILED ({seconds:.1} s)\n    {}",
                    scenario.name,
                    reason.replace('\n', "\n    ")
                );
                failed += 1;
            }
        }
    }
    (passed, failed)
}

async fn interrupted() {
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = int.recv() => (), _ = term.recv() => () }
}

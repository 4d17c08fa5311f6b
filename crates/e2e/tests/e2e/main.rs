//! End-to-end tests: a whole installation of its own, real containers, a real browser.
use std::process::ExitCode;

mod up;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(e2e::runner::main(e2e::scenarios![up::a_second_run_changes_nothing]))
}
